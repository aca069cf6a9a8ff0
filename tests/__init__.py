"""The tests.

The garbage collector looks less often here: a process that has imported the program and pytest holds a million objects that never
go, and going through them was a tenth of the suite's time.
"""

import gc

gc.set_threshold(100_000, 50, 100)
