"""What is kept no longer, deleted a batch at a time.

One statement over all that is over would hold its locks, and keep the vacuum from its work, for as long as a backlog takes;
so each batch is a transaction of its own. What one go leaves, the next one takes.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, delete, inspect, select, tuple_

from helpdesk.kernel.db import Base

TOGETHER: Final = 5_000
STEPS: Final = 40
"""Batches of one go."""


def forget(engine: Engine, model: type[Base], over: ColumnElement[bool], *, together: int = TOGETHER) -> int:
    """Delete rows of `model` of which `over` holds; how many. `together`: rows of a batch; fewer where others go with them.

    Safe to run twice, and at once: a row that another holds is left to the next go.
    """
    key: tuple[Any, ...] = inspect(model).primary_key
    found = select(*key).where(over).limit(together).with_for_update(skip_locked=True)
    # Once: as a plain subquery it is run again for each row under some plans, and each time finds other rows to delete.
    some = found.cte("some").prefix_with("MATERIALIZED")
    statement = delete(model).where(tuple_(*key).in_(select(some)))
    count = 0
    for _ in range(STEPS):
        with engine.begin() as connection:
            gone = connection.execute(statement).rowcount
        count += gone
        if gone < together:
            break
    return count
