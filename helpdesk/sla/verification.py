"""What must hold of every clock."""

from collections.abc import Iterator

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.verification import Violation
from helpdesk.sla import clocks
from helpdesk.sla.business_time import due_at
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.events import SlaBreached
from helpdesk.sla.models import BREACH, Alarm, Clock


def one_breach_per_generation(session: Session) -> Iterator[Violation]:
    """A breach is said once per clock and generation, and a breached clock has said it."""
    event = EventRow.payload
    said = (
        select(
            event["clock_id"].astext.label("clock"), event["generation"].astext.label("gen"), func.count().label("n")
        )
        .where(EventRow.type == SlaBreached.type, EventRow.payload.is_not(None))
        .group_by(text("1"), text("2"))
    ).subquery()
    for row in session.execute(select(said).where(said.c.n > 1)):
        yield Violation(
            "one_breach", f"clock {row.clock}", f"generation {row.gen} was said to be breached {row.n} times"
        )
    silent = (
        select(Clock.id)
        .outerjoin(
            Alarm, (Alarm.clock_id == Clock.id) & (Alarm.generation == Clock.generation) & (Alarm.threshold == BREACH)
        )
        .where(Clock.state == "breached", Alarm.clock_id.is_(None))
    )
    for clock_id in session.scalars(silent):
        yield Violation("one_breach", f"clock {clock_id}", "is breached, but no alarm rang")


def no_alarm_overdue(session: Session) -> Iterator[Violation]:
    """Nothing that should have rung a minute ago is still silent."""
    late = select(Clock.id, Clock.next_alarm_at).where(Clock.next_alarm_at < func.now() - text("interval '60 seconds'"))
    for row in session.execute(late):
        yield Violation("alarm_overdue", f"clock {row.id}", f"should have rung at {row.next_alarm_at.isoformat()}")


def deadlines_follow_from_facts(session: Session) -> Iterator[Violation]:
    """Every open clock's due time, recomputed from start, target, calendar version and pauses."""
    running = select(Clock).where(or_(Clock.state == "running", Clock.state == "breached")).order_by(Clock.id)
    calendars: dict[tuple[object, object, object], Calendar] = {}
    for clock in session.scalars(running.execution_options(yield_per=1000)):
        key = (clock.rule_id, clock.calendar_id, clock.calendar_version)
        if key not in calendars:
            try:
                calendars[key] = clocks.calendar_of(session, clock)
            except LookupError as error:
                yield Violation("deadline", f"clock {clock.id}", str(error))
                continue
        pauses = [pause for pause in clocks.pauses_of(clock) if pause[1]] if clock.pausable else []
        expected = due_at(calendars[key], clock.started_at, clocks.target_of(clock), pauses)
        if clock.due_at is not None and expected != clock.due_at:
            detail = f"is due at {clock.due_at.isoformat()}, but the facts say {expected.isoformat()}"
            yield Violation("deadline", f"clock {clock.id}", detail)


CHECKS = (one_breach_per_generation, no_alarm_overdue, deadlines_follow_from_facts)
