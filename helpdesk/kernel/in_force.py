"""What is data and decides everywhere, as this process knows it: routing rules, triggers, the taxonomy.

Every process keeps a copy and compares it with the database at most once a second: so what happens to a complaint costs no
statement for what decides it, and a change holds in every process (web, worker, import) within a second. Keep it for what is
small, read all the time and seldom changed; what must hold at once is read from its row.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

LOOKED_FOR_AGAIN: Final = 1.0
"""Seconds."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Known(Generic[Value]):
    """`signature`: what tells one state of the database from another without reading all of it."""

    signature: object
    value: Value


Look = Callable[[Session, Known[Value] | None], Known[Value]]
"""What holds now. Given what was known before, it gives the very same back where the signature has not changed."""


@dataclass(frozen=True, slots=True)
class _Copy(Generic[Value]):
    """Frozen and replaced as a whole, since every thread reads it."""

    looked_at: float
    known: Known[Value]


class Kept(Generic[Value]):
    """One copy for each database that this process knows."""

    def __init__(self, look: Look[Value]) -> None:
        self._look = look
        self._copies: dict[str, _Copy[Value]] = {}
        self._last: str | None = None

    def compared(self, session: Session) -> Value:
        """What holds in the session's database, as of a second ago at most."""
        name = _database_of(session)
        copy = self._copies.get(name)
        now = monotonic()
        if copy is None or now >= copy.looked_at + LOOKED_FOR_AGAIN:
            copy = _Copy(now, self._look(session, None if copy is None else copy.known))
            self._copies[name] = copy
        self._last = name
        return copy.known.value

    def last(self) -> Value | None:
        """What the last comparison has found, for whoever has no session at hand; None where there was none."""
        copy = None if self._last is None else self._copies.get(self._last)
        return None if copy is None else copy.known.value

    def look_again(self) -> None:
        """For whoever has changed it: the next comparison is at once. Until then the copies hold, for every thread."""
        for name, copy in list(self._copies.items()):
            self._copies[name] = replace(copy, looked_at=float("-inf"))

    def forget(self) -> None:
        """For tests, which put databases back under a process."""
        self._copies.clear()
        self._last = None


def _database_of(session: Session) -> str:
    bind: Any = session.get_bind()
    return str((bind if isinstance(bind, Engine) else bind.engine).url)
