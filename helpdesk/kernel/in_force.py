"""What is data and decides everywhere, as this process knows it: routing rules, triggers, the taxonomy.

Every process keeps a copy and compares it with the database at most once a second: so what happens to a complaint costs no
statement for what decides it, and a change holds in every process (web, worker, import) within a second.

What a unit of work writes holds sooner. With the time it reads the **revision**, a number that each change counts up in its own
transaction (`Kept.changed`), and a copy that is older is compared first: whoever begins when a change is committed goes by it,
in whatever process. A unit of work whose time is given, and a reader, have the second, and so has the taxonomy, which is asked
without a session. A session that is of one moment goes by what held then, and keeps that to itself.

Keep it for what is small, read all the time and seldom changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, CheckConstraint, Engine, SmallInteger, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel.db import Base

if TYPE_CHECKING:
    from helpdesk.kernel.unit_of_work import UnitOfWork

LOOKED_FOR_AGAIN: Final = 1.0
"""Seconds."""


class Revision(Base):
    """One row: how often anything was changed of what is kept."""

    __tablename__ = "in_force_revision"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)


REVISION: Final = select(Revision.revision).scalar_subquery()
_SEEN: Final = "in_force_revision"
_READ: Final = "in_force_read"
_TIME: Final = "in_force_time"
_COUNT_UP: Final = update(Revision).values(revision=Revision.revision + 1)


def when_asked(session: Session, read: Callable[[], object]) -> None:
    """`read` tells what revision there is (`saw_revision`): for whoever compares before anybody has asked for the time."""
    session.info[_READ] = read


def saw_revision(session: Session, revision: int | None) -> None:
    """As read in the session's transaction."""
    session.info[_SEEN] = revision or 0
    session.info.pop(_READ, None)


def saw_time(session: Session, now: datetime, revision: int | None) -> None:
    """As `saw_revision`, by a statement that brought the time of its transaction too: the unit of work need not ask again."""
    saw_revision(session, revision)
    session.info[_TIME] = now


def seen_time(session: Session) -> datetime | None:
    """What `saw_time` was told of the session's transaction."""
    return cast(datetime | None, session.info.get(_TIME))


def _revision_of(session: Session) -> int:
    """0 where it has none to read."""
    read = session.info.get(_READ)
    if read is not None:
        read()
    return int(session.info.get(_SEEN, 0))


def _count_up(uow: "UnitOfWork") -> None:
    uow.session.execute(_COUNT_UP, execution_options={"synchronize_session": False})


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
    revision: int
    known: Known[Value]


class Kept(Generic[Value]):
    """One copy for each database that this process knows."""

    def __init__(self, look: Look[Value]) -> None:
        self._look = look
        self._copies: dict[str, _Copy[Value]] = {}
        self._last: str | None = None

    def compared(self, session: Session) -> Value:
        """What holds in the session's database: as of the revision that its unit of work has read, and of a second ago at most."""
        if _is_of_one_moment(session):
            return self._of_its_moment(session)
        name = _database_of(session)
        copy = self._copies.get(name)
        now, revision = monotonic(), _revision_of(session)
        if copy is None or now >= copy.looked_at + LOOKED_FOR_AGAIN or copy.revision < revision:
            found = self._look(session, None if copy is None else copy.known)
            copy = _Copy(now, revision if copy is None else max(revision, copy.revision), found)
            self._copies[name] = copy
        self._last = name
        return copy.known.value

    def _of_its_moment(self, session: Session) -> Value:
        """Looked for once. What it sees may be long out of date, so that it is no copy for others."""
        found: Known[Value] | None = session.info.get(self)
        if found is None:
            copy = self._copies.get(_database_of(session))
            found = session.info[self] = self._look(session, None if copy is None else copy.known)
        return found.value

    def last(self) -> Value | None:
        """What the last comparison has found, for whoever has no session at hand; None where there was none."""
        copy = None if self._last is None else self._copies.get(self._last)
        return None if copy is None else copy.known.value

    def changed(self, uow: "UnitOfWork") -> None:
        """For whoever changes it: whatever begins after the commit goes by it, in every process."""
        self.look_again()
        uow.at_end(self, lambda _: self.look_again())
        uow.at_end(_count_up, _count_up)

    def look_again(self) -> None:
        """The next comparison is at once. Until then the copies hold, for every thread."""
        for name, copy in list(self._copies.items()):
            self._copies[name] = replace(copy, looked_at=float("-inf"))

    def forget(self) -> None:
        """For tests, which put databases back under a process."""
        self._copies.clear()
        self._last = None


def _is_of_one_moment(session: Session) -> bool:
    return bool(session.get_bind().get_execution_options().get("isolation_level") == "REPEATABLE READ")


def _database_of(session: Session) -> str:
    bind: Any = session.get_bind()
    engine = bind if isinstance(bind, Engine) else bind.engine
    name = _names.get(engine)
    if name is None:
        name = _names[engine] = str(engine.url)
    return name


_names: Final[WeakKeyDictionary[Engine, str]] = WeakKeyDictionary()
"""To write an address out takes longer than all the rest of a comparison."""
