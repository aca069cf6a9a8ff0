"""Doing what is owed: one duty at a time, by one worker at a time.

A handler may have an effect elsewhere (a mail, a provider), so it gets no open transaction: it opens its own short ones
before and after the call, and settles the duty itself in the last of them (`outbox.settle`). After a crash its effect is
repeated, so it carries the same key each time.

**Together.** What has no effect elsewhere costs mostly its statements and its commit. A handler that can do `together` does many of
one topic in one transaction: those of a ring that nobody has begun yet. What it leaves is done one by one, and so is all of it when
anything breaks: one that fails, or takes its worker down, does so by itself the next time, and the others are done.

**The fence.** While a handler runs, however long, its worker holds a session lock named after the duty, on a connection
of its own: whoever is rung for the same duty meanwhile (a lease that ran out, a queue that was filled twice) goes past
it. The lock dies with the process. From time to time the lease is renewed over the same connection, so that there are no
rings in vain; when the worker dies the lease runs out, and the next one finds the lock free.
"""

import smtplib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from helpdesk.kernel import advisory, faults, outbox
from helpdesk.kernel.events import Principal
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()


class GiveUp(Exception):
    """Raised by a handler when repeating cannot help; the duty is dead at once, with this reason."""


@dataclass(frozen=True, slots=True)
class Outside:
    """`work(tools, duty_id, subject_id)` without a transaction; `give_up(uow, subject_id, reason)` when it is dead.

    `tools` is what the program hands to outside handlers (database, mail, links); the kernel does not look into it.
    """

    work: Callable[..., None]
    give_up: Callable[[UnitOfWork, UUID, str], None] | None = None
    queue: str = "helpdesk"
    together: "Callable[[Any, Sequence[Owed]], Collection[UUID]] | None" = None
    """`together(tools, owed)`: as many of them as it can in one transaction, with their settlement; the duties that it settled.
    Raises for all of them; then none is done.
    """
    patience: int = outbox.MAX_FAILURES
    """Failures until the duty is dead; the pauses between double up to a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A duty that was begun, and what it is about."""

    duty_id: UUID
    subject_id: UUID


Handlers = Mapping[str, Outside]


def described(error: BaseException) -> str:
    """The type and the code of an error, which the row, `helpdesk verify` and the log may show. Only our own `GiveUp` is
    quoted: a driver's message quotes the row, a mail server's the recipient.
    """
    if isinstance(error, GiveUp):
        return f"GiveUp: {error}"
    driver = getattr(error, "orig", None) or error  # SQLAlchemy wraps the driver's
    name = type(error).__name__ if driver is error else f"{type(error).__name__} ({type(driver).__name__})"
    code = getattr(driver, "sqlstate", None) or _smtp_code(driver)
    return f"{name} [{code}]" if code else name


def _smtp_code(error: object) -> int | None:
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code
    if isinstance(error, smtplib.SMTPRecipientsRefused) and error.recipients:
        return next(iter(error.recipients.values()))[0]
    return None


BEGUN: Final = "duty.begun"
"""Fault point: it is noted that a worker begins, and nothing was done."""
GIVEN_UP: Final = "duty.given_up"
"""Fault point: the duty is dead, and what follows from that is said, and nothing of it committed."""

_RENEWED: Final = 5.0
"""Seconds between two renewals; far below the shortest lease."""


_TRY: Final = text("SELECT key, pg_try_advisory_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")
_UNLOCK: Final = text("SELECT pg_advisory_unlock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


class _Fence:
    """The right to perform duties: `take` them, `begin`, `keep` them while the handler runs, `let_go`.

    A connection that breaks while the handler runs loses the locks; the next renewal takes them anew.
    """

    def __init__(self, engine: Engine, duty_ids: Sequence[UUID], period: float) -> None:
        self._engine = engine
        self._period = period
        self._keys = {advisory.key_of_duty(duty_id): duty_id for duty_id in duty_ids}
        self.taken: list[UUID] = []
        """Those that are ours."""
        self._connection: Connection | None = None
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._renew, name="duty-fence", daemon=True)

    def take(self) -> bool:
        """What nobody else has; False when that is nothing. Raises `SQLAlchemyError` when the database cannot be asked."""
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            tried = connection.execute(_TRY, {"keys": [*self._keys]})
            self.taken = [self._keys[key] for key, ours in tried if ours]
            if self.taken:
                self._connection = connection
                return True
        except BaseException:
            connection.invalidate()  # it may hold locks
            connection.close()
            raise
        connection.close()
        return False

    @property
    def connection(self) -> Connection:
        """To begin on: once taken, and before it is kept, it is nobody else's."""
        if self._connection is None:
            raise RuntimeError("the fence is not taken")
        return self._connection

    def keep(self) -> None:
        self._keeper.start()

    def let_go(self) -> None:
        self._ended.set()
        if self._keeper.ident is not None:  # it was kept
            self._keeper.join()
        connection = self._connection
        if connection is None:
            return
        try:
            connection.execute(_UNLOCK, {"keys": [advisory.key_of_duty(duty_id) for duty_id in self.taken]})
        except SQLAlchemyError:
            connection.invalidate()  # the lock ends with its session, which must not go back to the pool with it
        finally:
            connection.close()

    def _renew(self) -> None:
        while not self._ended.wait(self._period):
            try:
                if self._connection is not None or self.take():
                    outbox.renew(cast(Connection, self._connection), self.taken)
            except SQLAlchemyError as error:
                log.warning("fence broken", duties=[*map(str, self._keys.values())], error=type(error).__name__)
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


@dataclass(frozen=True, slots=True)
class Performer:
    """Performs duties by topic. `system` is the principal under which they run."""

    database: Database
    handlers: Handlers
    system: Principal
    tools: object
    renewed: float = _RENEWED
    """Seconds between two renewals of the lease."""

    def perform(self, duty_ids: Sequence[UUID]) -> dict[str, int]:
        """How many were done, skipped (settled or in other hands) and failed. Never raises for a single duty: one that
        fails is put off and the rest go on.
        """
        counts = {"done": 0, "skipped": 0, "failed": 0}
        done = self._together(duty_ids) if len(duty_ids) > 1 else set()
        for duty_id in duty_ids:
            if duty_id in done:
                done.remove(duty_id)
                counts["done"] += 1
            else:
                counts[self._one(duty_id)] += 1
        return counts

    def _together(self, duty_ids: Sequence[UUID]) -> set[UUID]:
        """Those that were done so; the rest is still to be done."""
        topics = [topic for topic, handler in self.handlers.items() if handler.together is not None]
        done = set[UUID]()
        if not topics:
            return done
        try:
            with self._fenced([*dict.fromkeys(duty_ids)]) as fence:
                if fence is not None:
                    begun = outbox.begin_fresh(fence.connection, fence.taken, topics)
                    if begun:
                        fence.keep()
                    for topic in dict.fromkeys(row.topic for row in begun):
                        owed = [Owed(row.id, row.subject_id) for row in begun if row.topic == topic]
                        done.update(self._try_together(topic, owed))
        except Exception as error:
            log.warning("duties not done together", error=type(error).__name__, exc_info=True)
        return done

    def _try_together(self, topic: str, owed: Sequence[Owed]) -> Collection[UUID]:
        together = self.handlers[topic].together
        faults.point(BEGUN)
        try:
            return () if together is None else together(self.tools, owed)
        except Exception as error:  # whose fault it is shows when each is done by itself
            log.warning("duties not done together", topic=topic, error=type(error).__name__, exc_info=True)
            return ()

    def _one(self, duty_id: UUID) -> str:
        try:
            with self._fenced([duty_id]) as fence:
                return "skipped" if fence is None else self._attempt(fence, duty_id)
        except Exception as error:
            # Nothing was begun: the fence could not be had. The lease brings the duty back.
            log.warning("duty not begun", duty=str(duty_id), error=type(error).__name__, exc_info=True)
            return "failed"

    @contextmanager
    def _fenced(self, duty_ids: Sequence[UUID]) -> Iterator[_Fence | None]:
        """What nobody else has is ours for as long as this lasts; None where that is nothing."""
        fence = _Fence(self.database.engine, duty_ids, self.renewed)
        if not fence.take():
            yield None
            return
        try:
            yield fence
        finally:
            fence.let_go()

    def _attempt(self, fence: _Fence, duty_id: UUID) -> str:
        try:
            begun = outbox.begin(fence.connection, duty_id)
            fence.keep()
            if begun is None:
                return "skipped"
            topic, subject_id = begun
            faults.point(BEGUN)
            self.handlers[topic].work(self.tools, duty_id, subject_id)
        except Exception as error:
            log.warning("duty failed", duty=str(duty_id), error=type(error).__name__, exc_info=True)
            try:
                self._failed(duty_id, error)
            except Exception as second:  # the database is away, or `give_up` fails: its lease brings it back
                log.warning("failure not noted", duty=str(duty_id), error=type(second).__name__, exc_info=True)
            return "failed"
        return "done"

    def bury_silent(self) -> int:
        """Give up the duties that take their worker down each time; how many. Never raises for a single one."""
        with self.database.reader() as session:
            silent = outbox.silent(session)
        buried = 0
        for duty_id in silent:
            try:
                with self._fenced([duty_id]) as fence:
                    if fence is not None:  # else its last beginning is still at work
                        fence.keep()
                        self._failed(duty_id, GiveUp("the worker died each time"))
                        buried += 1
            except Exception as error:
                log.warning("duty not given up", duty=str(duty_id), error=type(error).__name__, exc_info=True)
        return buried

    def _failed(self, duty_id: UUID, error: Exception) -> None:
        reason = described(error)
        with self.database.unit_of_work(self.system) as uow:
            duty = outbox.take(uow.session, duty_id)
            if duty is None:
                return
            handler = self.handlers.get(duty.topic)
            subject_id = duty.subject_id
            uow.session.expunge(duty)
            patience = outbox.MAX_FAILURES if handler is None else handler.patience
            dead = outbox.note_failure(uow.session, duty_id, reason, final=isinstance(error, GiveUp), patience=patience)
            if dead and handler is not None and handler.give_up is not None:
                handler.give_up(uow, subject_id, reason)
                faults.point(GIVEN_UP)
