"""Doing what is owed: one duty at a time, each in its own short transaction.

Two kinds of handler. A **local** one does its work in the transaction that holds the duty's lock and marks it done: what
it does happens once, whatever is delivered twice. An **outside** one has an effect elsewhere (a mail, a provider): it
gets no open transaction, opens its own short ones before and after the call, and settles the duty itself in the last of
them; its effect is repeated after a crash, so it carries the same key each time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from helpdesk.kernel import outbox
from helpdesk.kernel.events import Principal
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()


class GiveUp(Exception):
    """Raised by a handler when repeating cannot help; the duty is dead at once, with this reason."""


@dataclass(frozen=True, slots=True)
class Local:
    """`work(uow, subject_id)` inside the duty's own transaction."""

    work: Callable[[UnitOfWork, UUID], None]
    queue: str = "helpdesk"


@dataclass(frozen=True, slots=True)
class Outside:
    """`work(tools, duty_id, subject_id)` without a transaction; `give_up(uow, subject_id, reason)` when it is dead.

    `tools` is what the program hands to outside handlers (database, mail, links); the kernel does not look into it.
    """

    work: Callable[..., None]
    give_up: Callable[[UnitOfWork, UUID, str], None] | None = None
    queue: str = "helpdesk"
    patience: int = outbox.MAX_FAILURES
    """Failures until the duty is dead; the pauses between double up to a quarter of an hour."""


Handlers = Mapping[str, Local | Outside]


@dataclass(frozen=True, slots=True)
class Performer:
    """Performs duties by topic. `system` is the principal under which they run."""

    database: Database
    handlers: Handlers
    system: Principal
    tools: object

    def perform(self, duty_ids: Sequence[UUID]) -> dict[str, int]:
        """How many were done, skipped (settled or in other hands) and failed. Never raises for a single duty: one that
        fails is put off and the rest go on.
        """
        counts = {"done": 0, "skipped": 0, "failed": 0}
        for duty_id in duty_ids:
            counts[self._one(duty_id)] += 1
        return counts

    def _one(self, duty_id: UUID) -> str:
        try:
            return self._attempt(duty_id)
        except Exception as error:
            log.warning("duty failed", duty=str(duty_id), error=type(error).__name__, exc_info=True)
            try:
                self._failed(duty_id, error)
            except Exception as second:  # the database is away, or `give_up` fails: its lease brings it back
                log.warning("failure not noted", duty=str(duty_id), error=type(second).__name__, exc_info=True)
            return "failed"

    def _attempt(self, duty_id: UUID) -> str:
        with self.database.reader() as session:
            begun = outbox.begin(session, duty_id)
        if begun is None:
            return "skipped"
        topic, subject_id = begun
        handler = self.handlers[topic]
        if isinstance(handler, Outside):
            handler.work(self.tools, duty_id, subject_id)
            return "done"
        with self.database.unit_of_work(self.system) as uow:
            if outbox.take(uow.session, duty_id) is None:
                return "skipped"
            handler.work(uow, subject_id)
            outbox.mark_done(uow.session, duty_id)
        return "done"

    def bury_silent(self) -> int:
        """Give up the duties that take their worker down each time; how many."""
        with self.database.reader() as session:
            silent = outbox.silent(session)
        for duty_id in silent:
            self._failed(duty_id, GiveUp("the worker died each time"))
        return len(silent)

    def _failed(self, duty_id: UUID, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        with self.database.unit_of_work(self.system) as uow:
            duty = outbox.take(uow.session, duty_id)
            if duty is None:
                return
            handler = self.handlers.get(duty.topic)
            subject_id = duty.subject_id
            uow.session.expunge(duty)
            patience = handler.patience if isinstance(handler, Outside) else outbox.MAX_FAILURES
            dead = outbox.note_failure(uow.session, duty_id, reason, final=isinstance(error, GiveUp), patience=patience)
            if dead and isinstance(handler, Outside) and handler.give_up is not None:
                handler.give_up(uow, subject_id, reason)
