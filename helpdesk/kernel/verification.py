"""What `helpdesk verify` is made of: checks that each name every violation they find, and change nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from helpdesk.kernel.event_log import EventRow, verify_loose
from helpdesk.kernel.events import EventStream
from helpdesk.kernel.outbox import GIVEN_UP, Duty

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Violation:
    """`check` is the promise broken, `subject` the row (kind and id), `detail` what is wrong with it."""

    check: str
    subject: str
    detail: str


Check = Callable[[Session], Iterator[Violation]]


def no_duty_overdue(session: Session) -> Iterator[Violation]:
    """Nothing owed is dead, and nothing has been due for ten minutes without being done, or at work, or tried and put off.

    A lease alone is no excuse: rings go on while no worker is there at all.
    """
    dead = select(Duty.id, Duty.topic, Duty.last_error).where(text(GIVEN_UP))
    for duty_id, topic, error in session.execute(dead):
        yield Violation("duty_dead", f"duty {duty_id}", f"{topic} was given up: {error}")
    late = select(Duty.id, Duty.topic, Duty.attempts).where(
        Duty.done_at.is_(None),
        Duty.dead_at.is_(None),
        Duty.not_before < func.now() - text("interval '10 minutes'"),
        or_(Duty.next_at <= func.now(), and_(Duty.begun == 0, Duty.failures == 0)),
    )
    for duty_id, topic, attempts in session.execute(late):
        yield Violation("duty_overdue", f"duty {duty_id}", f"{topic} is not done after {attempts} attempts")


def loose_events_hold(session: Session) -> Iterator[Violation]:
    """Every event outside the chains (of customers, imports) is as it was written."""
    table = EventRow.__table__
    statement = select(table).where(table.c.stream_id.is_(None)).execution_options(yield_per=_BATCH)
    for row in session.execute(statement):
        for what in verify_loose(row):
            yield Violation("event", f"event {row.id}", f"{row.type}: {what}")


def streams_have_owners(session: Session) -> Iterator[Violation]:
    """No chain is left without the row that it hangs on: nobody would verify it."""
    owned = (select(kind.id).where(kind.id == EventRow.stream_id).exists() for kind in _owners())
    statement = (
        select(EventRow.stream_id, func.count())
        .where(EventRow.stream_id.is_not(None), *(~one for one in owned))
        .group_by(EventRow.stream_id)
        .order_by(EventRow.stream_id)
    )
    for stream_id, count in session.execute(statement):
        yield Violation("chain", f"stream {stream_id}", f"has {count} events and no owner")


def _owners() -> list[type[EventStream]]:
    return EventStream.__subclasses__()


CHAIN_CHECKS: tuple[Check, ...] = (loose_events_hold, streams_have_owners)
CHECKS: tuple[Check, ...] = (no_duty_overdue,)
