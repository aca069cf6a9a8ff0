"""The unit of work: the one place where a commit happens and the one place where events are recorded.

Acts take it as their first argument, change rows through `uow.session` (or hand over new ones with `uow.add_rows`),
say what happened with `uow.record`, and return. Leaving it runs the subscribers in the same transaction, writes the
events, the rows and the duties, and commits. Nothing is sent before the commit; what is to be sent is a duty.

An exception anywhere rolls everything back: there are no partial writes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from sqlalchemy import Engine, Table, UpdateBase, func, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from helpdesk.kernel import bulk, event_log, faults, in_force
from helpdesk.kernel.db import utc
from helpdesk.kernel.events import Event, Principal, Recorded, Stream
from helpdesk.kernel.idempotency import Attempt
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.outbox import Duty, NewDuty

Subscriber = Callable[["UnitOfWork", Sequence[Any]], None]
"""Takes all events of one type that were recorded together, in order: one for a request, hundreds for an import."""

Chain = Callable[[Session], Stream]
"""Locks the row that a chain hangs on."""


class Book(Protocol):
    """What a domain notes during a unit of work, to tell of it as a whole (`UnitOfWork.book`)."""

    def settle(self, uow: "UnitOfWork") -> None:
        """Record what is to be told of what was noted so far, and forget that. Called when everything recorded before has had
        its consequences, and again after those of what it records.
        """


AnyBook = TypeVar("AnyBook", bound=Book)

CONCLUDED: Final = "unit_of_work.concluded"
"""Fault point: all is written, and not committed."""
COMMITTED: Final = "unit_of_work.committed"
"""Fault point: nobody was told yet."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows from what; `wiring.py` holds the table."""

    subscribers: Mapping[type[Event], Sequence[Subscriber]] = field(default_factory=dict)


_DUTY = Duty.__table__
_NOW = select(func.now(), in_force.REVISION)
_OWE = pg_insert(_DUTY).on_conflict_do_nothing(index_elements=["topic", "dedupe_key"])


class UnitOfWork:
    """Made by `Database.unit_of_work`. `actor` is who the log will name, where `record` names nobody else."""

    def __init__(
        self,
        session: Session,
        actor: Principal,
        consequences: Consequences,
        *,
        now: datetime | None = None,
        request_id: str | None = None,
        mails: bool = True,
    ) -> None:
        self.session = session
        self.actor = actor
        self.request_id = request_id
        self.mails = mails
        """Whether there is a server for mail: what nobody can be told by mail is not promised."""
        self.attempt: Attempt | None = None
        """The request that came with an `Idempotency-Key`: for acts that go on beyond this unit of work."""
        self._consequences = consequences
        self._now = now
        if now is None:
            in_force.when_asked(session, lambda: self.now)
        self._pending: list[Recorded] = []
        self._recorded: list[Recorded] = []
        self._happened: list[Recorded] = []
        self._last: dict[UUID, Chain] = {}
        self._rows: dict[Table, list[Mapping[str, Any]]] = defaultdict(list)
        self._duties: list[NewDuty] = []
        self._at_end: dict[object, Callable[[UnitOfWork], None]] = {}
        self._at_last: dict[object, Callable[[UnitOfWork], None]] = {}
        self._books: dict[type[Book], Book] = {}
        self._streams: dict[UUID, Stream] = {}
        self._finished = False
        self._concluding = False
        self.about: set[UUID] = set()
        """Rows with a chain that this unit of work is about: what an answer made from it tells of."""

    @property
    def now(self) -> datetime:
        """The database's clock, read once per unit of work. Deadlines are decided by it, never by a worker's own."""
        if self._now is None:
            now = in_force.seen_time(self.session)
            if now is None:
                now, revision = self.session.execute(_NOW).one()
                in_force.saw_revision(self.session, revision)
            self._now = utc(now)
        return self._now

    def record(self, event: Event, stream: Stream | None = None, *, actor: Principal | None = None) -> None:
        """Say that something happened. With a `stream`, hold its row's lock first (see `events.EventStream`). `actor`:
        who did it, where that is not whoever this unit of work is for (what followed by itself is the system's).
        """
        self._still_open()
        if stream is not None:
            self.know_stream(stream)
        self._pending.append(Recorded(new_id(), event, stream, self.now, actor or self.actor))

    def record_last(self, event: Event, chain: Chain, *, actor: Principal | None = None) -> None:
        """`record` on a chain that acts of every kind share. Its row is locked when all else is written: who holds that
        lock waits for nobody any more, so no two of them wait for each other, and the next one waits for a commit only.
        """
        self._still_open()
        item = Recorded(new_id(), event, None, self.now, actor or self.actor)
        self._pending.append(item)
        self._last[item.id] = chain

    def recorded(self, event: Event) -> Recorded:
        """For a subscriber: its event with its circumstances (who, when, the id in the log)."""
        return next(item for item in reversed(self._happened) if item.event is event)

    @property
    def happened(self) -> Sequence[Recorded]:
        """Everything recorded so far whose subscribers have run: all of it, once it is finished."""
        return tuple(self._happened)

    @contextmanager
    def rehearsal(self) -> Iterator["UnitOfWork"]:
        """A unit of work within this one, to be finished by its user and undone on leaving: what would happen, without
        its happening. Rows that were changed in it are as before afterwards; locks are kept.
        """
        self.session.flush()
        tried = self.session.begin_nested()
        inner = UnitOfWork(
            self.session, self.actor, self._consequences, now=self._now, request_id=self.request_id, mails=self.mails
        )
        inner._streams.update(self._streams)  # its own kind
        try:
            yield inner
        finally:
            self.about |= inner.about
            tried.rollback()

    def know_stream(self, stream: Stream) -> None:
        """Remember a locked row, so that subscribers can record on its stream too."""
        self._streams[stream.id] = stream
        self.about.add(stream.id)

    def stream_of(self, subject_id: UUID) -> Stream:
        """The stream that this unit of work holds the lock of. Raises LookupError when it does not."""
        if subject_id not in self._streams:
            raise LookupError(f"no lock is held on {subject_id}; lock its row and `know_stream` it first")
        return self._streams[subject_id]

    def add_rows(self, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """New rows to be written when the unit of work ends, referenced tables first. `table`: a mapped class."""
        self._still_open()
        self._rows[table.__table__].extend(rows)

    def duty(
        self,
        topic: str,
        subject_id: UUID,
        *,
        payload: dict[str, Any] | None = None,
        dedupe_key: str | None = None,
        not_before: datetime | None = None,
    ) -> None:
        """Owe something. With a `dedupe_key`, a second one of the same topic and key is the same duty."""
        if not self._concluding:
            self._still_open()
        self._duties.append(NewDuty(topic, subject_id, payload or {}, dedupe_key, not_before))

    def at_end(self, key: object, work: "Callable[[UnitOfWork], None]") -> None:
        """Do `work`, once for each `key`, when everything else is written: what is derived from rows sees them all. It
        writes through the session, and records nothing.
        """
        self._still_open()
        self._at_end.setdefault(key, work)

    def at_last(self, key: object, work: "Callable[[UnitOfWork], None]") -> None:
        """Do `work`, once for each `key`, right before the commit, when even the answer is made: for the lock of a row that many
        wait for, which is held for one statement and the commit so. It writes through the session, owes duties, records
        nothing, and may still refuse, by raising: all of it is undone then. A rehearsal does not come to it. It takes its lock
        after the audit log's (`record_last`); whoever takes both in one unit of work the other way round may meet a deadlock.
        """
        self._still_open()
        self._at_last.setdefault(key, work)

    def book(self, kind: type[AnyBook]) -> AnyBook:
        """The one book of its kind in this unit of work. For what is told once of several steps: where a row stood before the first
        of them, and where after the last.
        """
        self._still_open()
        return cast(AnyBook, self._books.setdefault(kind, kind()))

    def _still_open(self) -> None:
        if self._finished:
            raise RuntimeError("this unit of work is finished: what is said to it now would be lost")

    def write(self) -> None:
        """Write what was said so far, with what followed from it, so that the next act of this unit of work finds its rows.
        A row that was born here is to be loaded before more is recorded on its stream.
        """
        self._still_open()
        self._settle()
        self._write_events()
        self.session.flush()
        bulk.write_rows(self.session, self._rows)
        self._rows.clear()

    def _settle(self) -> None:
        while True:
            while self._pending:
                batch, self._pending = self._pending, []
                self._recorded += batch
                self._happened += batch
                self._react(batch)
            for kept in list(self._books.values()):
                kept.settle(self)
            if not self._pending:
                return

    def finish(self) -> None:
        """Run subscribers until nothing new happened, then write everything. The caller commits; nobody else calls it
        but the edges that must answer from what was written before they commit.
        """
        if self._finished:
            return
        self.write()
        for work in self._at_end.values():
            work(self)
        self._write_duties()
        self._write_last()
        self._finished = True

    def conclude(self) -> None:
        """`finish`, and what is to be done at last. The commit follows at once."""
        if self._concluding:
            return
        self.finish()
        self._concluding = True
        for work in self._at_last.values():
            work(self)
        self._write_duties()

    def _react(self, batch: Sequence[Recorded]) -> None:
        by_type: dict[type[Event], list[Recorded]] = defaultdict(list)
        for item in batch:
            by_type[type(item.event)].append(item)
        for kind, items in by_type.items():
            for subscriber in self._consequences.subscribers.get(kind, ()):
                subscriber(self, [item.event for item in items])

    def _write_events(self) -> None:
        rows = event_log.rows_for((item for item in self._recorded if item.id not in self._last), self.request_id)
        self._recorded = [item for item in self._recorded if item.id in self._last]
        if rows:
            self._rows[event_log.EventRow.__table__].extend(rows)

    def _write_duties(self) -> None:
        if not self._duties:
            return
        rows = [duty.row(self.now) for duty in self._duties]
        if len(rows) >= bulk.COPY_FROM and all(row["dedupe_key"] is None for row in rows):
            bulk.write_rows(self.session, {_DUTY: rows})
        else:
            self.session.execute(_OWE, rows)
        self._duties.clear()

    def _write_last(self) -> None:
        for chain in dict.fromkeys(self._last.values()):
            stream = chain(self.session)
            items = [replace(item, stream=stream) for item in self._recorded if self._last.get(item.id) is chain]
            rows = event_log.rows_for(items, self.request_id)
            bulk.write_rows(self.session, {event_log.EventRow.__table__: rows})
        if self._last:
            self.session.flush()  # the chains' new ends


def _nothing(_session: Session) -> None:
    """There is nothing to keep up with."""


@contextmanager
def one_moment(reader: Session) -> Iterator[Session]:
    """For a reader, each of whose statements is by itself: a session in which everything is of one moment. The reader's
    connection is given back first, so that nobody waits for a second one while holding the first.
    """
    engine = reader.get_bind().engine
    reader.close()
    # Of the connection, not of the engine: there the reader's own level would win.
    repeatable = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with (
        engine.connect() as connection,
        Session(connection.execution_options(**repeatable), autoflush=False) as session,
    ):
        yield session


def note(session: Session, statement: UpdateBase, values: Mapping[str, Any] | None = None) -> None:
    """Write down in passing that somebody was here, or saw something: the only writing there is through a reader. One
    statement, which commits by itself there, and with the rest in a unit of work; so it is for nothing that has to hold
    together with anything else.
    """
    session.execute(statement, values, execution_options={"noted": True})


_MAILS: Final = "helpdesk.mails"


def mails_go_out(session: Session) -> bool:
    """`UnitOfWork.mails`, for whoever only reads."""
    return bool(session.info.get(_MAILS, True))


class Database:
    """An engine and what follows from what: makes units of work (which write) and readers (which do not)."""

    def __init__(
        self,
        engine: Engine,
        consequences: Consequences,
        keep_up: Callable[[Session], None] = _nothing,
        *,
        mails: bool = True,
    ) -> None:
        """`mails`: see `UnitOfWork`. `keep_up(session)` is called with each new session: whatever this process keeps a copy of can be compared with
        the database there. It sends a statement now and then, not each time.
        """
        self.engine = engine
        self.consequences = consequences
        self.mails = mails
        self._keep_up = keep_up
        self._noting = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reading = self._noting.execution_options(reading=True)

    @contextmanager
    def unit_of_work(
        self,
        actor: Principal,
        *,
        now: datetime | None = None,
        revision: int | None = None,
        request_id: str | None = None,
    ) -> Iterator[UnitOfWork]:
        """Commits on leaving, rolls back on an exception. Not to be nested: the outer one's locks would be waited for. `now` and
        `revision` (see `in_force`): where the database was asked for both just before.
        """
        with Session(self.engine, autoflush=False, expire_on_commit=False, info={_MAILS: self.mails}) as session:
            in_force.saw_revision(session, revision)
            self._keep_up(session)
            uow = UnitOfWork(session, actor, self.consequences, now=now, request_id=request_id, mails=self.mails)
            yield uow
            uow.conclude()
            faults.point(CONCLUDED)
            session.commit()
        faults.point(COMMITTED)

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """A session for selects only (and for `note`): each statement is its own transaction, which spares a BEGIN and a
        ROLLBACK.
        """
        with Session(self._reading, autoflush=False, info={_MAILS: self.mails}) as session:
            self._keep_up(session)
            yield session

    @contextmanager
    def noting(self) -> Iterator[Session]:
        """A session for one statement that writes and hangs together with nothing: it commits by itself."""
        with Session(self._noting, autoflush=False) as session:
            self._keep_up(session)
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A read-only session in which everything is of one moment."""
        repeatable = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with Session(repeatable, autoflush=False) as session:
            yield session
