"""The whole event log verified, as long work that somebody asked for: every chain and every event outside of them.

Reads one snapshot, so that a system at work does not look tampered with; a reading transaction has no id, so the event
feed does not wait for it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from helpdesk.kernel import jobs, outbox
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.events import Principal
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.kernel.verification import Check, Violation

TOPIC: Final = "events.verify"
KIND: Final = "events.verify"
NAMED: Final = 200
"""So many violations are named; where there are more, that is said."""


class Tools(Protocol):
    @property
    def database(self) -> Database: ...


def begin(uow: UnitOfWork, actor: Principal) -> UUID:
    return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given={})


def verifier(checks: Sequence[Check], principal: Principal) -> Callable[[Tools, UUID, UUID], None]:
    """The handler of `TOPIC`. Changes nothing but its job; after a crash it begins anew."""

    def verify(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
        with tools.database.unit_of_work(principal) as uow:
            job = jobs.start(uow.session, job_id)
        if job is None:
            with tools.database.unit_of_work(principal) as uow:
                outbox.mark_done(uow.session, duty_id)
            return
        with tools.database.snapshot() as session:
            result = _looked_through(session, checks)
        with tools.database.unit_of_work(principal) as uow:
            jobs.end(uow.session, job_id, "done", result=result)
            outbox.mark_done(uow.session, duty_id)

    return verify


def _looked_through(session: Session, checks: Sequence[Check]) -> dict[str, Any]:
    session.execute(text("SET LOCAL statement_timeout = 0"))
    events, streams = session.execute(select(func.count(), func.count(func.distinct(EventRow.stream_id)))).one()
    found = list(islice(_violations(session, checks), NAMED + 1))
    return {
        "valid": not found,
        "events": events,
        "streams": streams,
        "violations": [{"check": item.check, "subject": item.subject, "detail": item.detail} for item in found[:NAMED]],
        "violations_left_off": len(found) > NAMED,
    }


def _violations(session: Session, checks: Sequence[Check]) -> Iterator[Violation]:
    for check in checks:
        yield from check(session)
