"""Named places at which a test can kill the process, to prove that what is left behind is put right.

A place costs one look into the environment, and does nothing unless `HELPDESK_FAULT` names it. There is no other way to
stand still exactly between two statements: a mock would leave the process, its locks and its connections alive.
"""

import os
from typing import Final

VARIABLE: Final = "HELPDESK_FAULT"
EXIT_STATUS: Final = 137
"""What a shell reports of a process ended by `kill -9`."""


def point(name: str) -> None:
    """Die here, without any clean-up, if this is the place that the environment names."""
    if os.environ.get(VARIABLE) == name:
        os._exit(EXIT_STATUS)
