"""What every domain stands on; knows no domain.

Four promises are kept here so that nobody else has to: a commit happens in one place (`unit_of_work`), what must happen
later is a row written with its cause (`outbox`), what happened is a row that cannot be changed unseen (`event_log`), and
every failure is one kind of answer (`errors`).
"""
