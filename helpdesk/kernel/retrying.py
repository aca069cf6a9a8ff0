"""Doing again what only met with others in the database: it was rolled back, so nothing of it happened, and done again from
its beginning it may well succeed. For whole transactions only; whoever can say more of its own errors says so.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from psycopg import errors as pg_errors
from sqlalchemy.exc import DBAPIError

from helpdesk.kernel.errors import MovedMeanwhile

ATTEMPTS: Final = 3

_Done = TypeVar("_Done")


def met_others(error: Exception, *more: type[Exception]) -> bool:
    """Whether two waited for each other, or one was overtaken while it waited. `more`: errors of the driver which say the same
    where this is asked. Without them a lock that was not to be had is none of these: the wait for it was long already.
    """
    if isinstance(error, MovedMeanwhile):
        return True
    driver = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(driver, (pg_errors.DeadlockDetected, pg_errors.SerializationFailure, *more))


def again(
    run: Callable[[], _Done],
    *,
    what: str,
    attempts: int = ATTEMPTS,
    worth: Callable[[Exception], bool] = met_others,
) -> _Done:
    """`run()`, anew after each error that is `worth` it, `attempts` times at most; raises the last. `what`: for the log."""
    for attempt in range(1, attempts):
        try:
            return run()
        except Exception as error:
            if not worth(error):
                raise
            reason = type(getattr(error, "orig", error)).__name__
            structlog.get_logger().info("done again", what=what, attempt=attempt, reason=reason)
    return run()
