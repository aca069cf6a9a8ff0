"""Doing again what only met with others.

How it can fail: what failed for another reason is repeated; what certainly did not happen is not; it goes on for ever; the last
error is lost; a dead connection is taken for a meeting.
"""

from collections.abc import Callable

import pytest
from psycopg import errors as pg_errors
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from helpdesk.kernel.errors import Conflict, MovedMeanwhile
from helpdesk.kernel.retrying import ATTEMPTS, again, met_others


def raised(engine: Engine, condition: str) -> DBAPIError:
    """As the driver and SQLAlchemy hand it on."""
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{condition}'; END $$"))
    return caught.value


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    tried: list[int] = []

    def run() -> str:
        tried.append(1)
        if len(tried) <= times:
            raise error
        return "done"

    return run, tried


class TestWhatIsWorthIt:
    @pytest.mark.parametrize(
        ("condition", "always", "with_more"),
        [
            ("deadlock_detected", True, True),
            ("serialization_failure", True, True),
            ("lock_not_available", False, True),
            ("unique_violation", False, False),
            ("query_canceled", False, False),
        ],
    )
    def test_of_the_driver(self, engine: Engine, condition: str, always: bool, with_more: bool) -> None:
        error = raised(engine, condition)
        assert met_others(error) is always
        assert met_others(error, pg_errors.LockNotAvailable) is with_more
        assert error.orig is not None
        assert isinstance(error.orig, Exception)
        assert met_others(error.orig) is always, "as it comes out of a COPY"

    def test_of_ours(self) -> None:
        assert met_others(MovedMeanwhile())
        assert not met_others(Conflict())
        assert not met_others(ZeroDivisionError())


class TestAgain:
    @pytest.mark.parametrize("times", range(ATTEMPTS))
    def test_until_it_is_done(self, times: int) -> None:
        run, tried = failing(times, MovedMeanwhile())
        assert again(run, what="test") == "done"
        assert len(tried) == times + 1

    def test_not_for_ever(self) -> None:
        run, tried = failing(100, MovedMeanwhile("the last"))
        with pytest.raises(MovedMeanwhile, match="the last"):
            again(run, what="test", attempts=5)
        assert len(tried) == 5

    def test_nothing_else(self) -> None:
        run, tried = failing(1, ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            again(run, what="test")
        assert len(tried) == 1
        run, _ = failing(1, ZeroDivisionError())
        assert again(run, what="test", worth=lambda error: isinstance(error, ZeroDivisionError)) == "done"
