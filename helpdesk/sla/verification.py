"""What must hold of every clock."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.verification import Violation
from helpdesk.sla import clock_terms, escalation_verification, regime_verification
from helpdesk.sla.business_time import due_at, remaining
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.events import SlaBreached
from helpdesk.sla.ladder import BREACHED
from helpdesk.sla.models import Alarm, Clock
from helpdesk.sla.revising import REMEDY

_TOGETHER: Final = 1_000


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
            Alarm, (Alarm.clock_id == Clock.id) & (Alarm.generation == Clock.generation) & (Alarm.rung == BREACHED)
        )
        .where(Clock.state == "breached", Alarm.clock_id.is_(None))
    )
    for clock_id in session.scalars(silent):
        yield Violation("one_breach", f"clock {clock_id}", "is breached, but no alarm rang")


def no_alarm_overdue(session: Session) -> Iterator[Violation]:
    """Nothing that has been owed for five minutes is still silent: since its time, or since the complaint was entered. The
    many that an import of old complaints brings are worked off in that time.
    """
    owed_since = func.greatest(Clock.next_alarm_at, Complaint.created_at)
    late = (
        select(Clock.id, Clock.next_alarm_at)
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .where(Clock.next_alarm_at <= func.now(), owed_since < func.now() - text("interval '5 minutes'"))
    )
    for row in session.execute(late):
        yield Violation("alarm_overdue", f"clock {row.id}", f"should have rung at {row.next_alarm_at.isoformat()}")


def deadlines_follow_from_facts(session: Session) -> Iterator[Violation]:
    """Every clock's due time, or what is left while it is paused, recomputed from start, target, conventions, calendar version and
    pauses; and how it ended, from when. A thousand at a time.
    """
    calendars: dict[tuple[object, object, object], Calendar] = {}
    for clock in _every_clock(session):
        key = (clock.timezone, clock.calendar_id, clock.calendar_version)
        if key not in calendars:
            try:
                calendars[key] = clock_terms.calendar_of(session, clock)
            except LookupError as error:
                yield Violation("deadline", f"clock {clock.id}", str(error))
                continue
        wrong = _against_facts(clock, calendars[key]) or _against_the_end(clock)
        if wrong is not None:
            yield Violation("deadline", f"clock {clock.id}", wrong)


def _every_clock(session: Session) -> Iterator[Clock]:
    last: UUID | None = None
    while True:
        some = select(Clock) if last is None else select(Clock).where(Clock.id > last)
        found = session.scalars(some.order_by(Clock.id).limit(_TOGETHER)).all()
        if not found:
            return
        last = found[-1].id
        yield from found
        session.expunge_all()


def _against_the_end(clock: Clock) -> str | None:
    """What is wrong with the verdict of a clock that has ended; what was kept late is another check's (`none_was_kept_late`), and
    whether a regulator's was rightly cancelled is told by its facts (`regime_verification`).
    """
    if clock.stopped_at is None or clock.due_at is None or clock.state == "met":
        return None
    when = f"was stopped at {clock.stopped_at.isoformat()}, and due at {clock.due_at.isoformat()}"
    if clock.state == "breached" and clock.stopped_at <= clock.due_at:
        return f"is breached, but {when}"
    if clock.state == "cancelled" and clock.rule_id is None and clock.stopped_at > clock.due_at:
        return f"is cancelled, but {when}"
    return None if clock.state in {"breached", "cancelled"} else f"is {clock.state}, but {when}"


def _against_facts(clock: Clock, calendar: Calendar) -> str | None:
    """What the row says that its facts do not."""
    pauses = clock_terms.pauses_of(clock) if clock.pausable else []
    ended = [pause for pause in pauses if pause[1] is not None]
    waiting_since = pauses[-1][0] if pauses and pauses[-1][1] is None else None
    target, conventions = clock_terms.target_of(clock), clock_terms.conventions_of(clock)
    due = due_at(calendar, clock.started_at, target, ended, conventions)
    if (clock.state == "paused") != (waiting_since is not None):
        return f"is {clock.state}, but its last pause has {'no' if waiting_since else 'an'} end"
    if waiting_since is None:
        if due != clock.due_at:
            return f"is due at {clock.due_at and clock.due_at.isoformat()}, but the facts say {due.isoformat()}"
        return None
    if due <= waiting_since:
        return f"is paused since {waiting_since.isoformat()}, but the facts say it was due at {due.isoformat()}"
    left = remaining(calendar, clock.started_at, target, waiting_since, ended, conventions=conventions)
    if left != clock.remaining_seconds:
        return f"has {clock.remaining_seconds} business seconds left, but the facts say {left}"
    return None


def rounds_follow_from_reopenings(session: Session) -> Iterator[Violation]:
    """A clock that is open belongs to the present round of its complaint, and none to a round that has not begun. A remedy that was
    accepted is owed on when the complaint is reopened.
    """
    present = Complaint.reopened_count + 1
    wrong = (
        select(Clock.id, Clock.round, present.label("present"))
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .where(
            or_(Clock.round > present, and_(Clock.stopped_at.is_(None), Clock.kind != REMEDY, Clock.round != present))
        )
    )
    for row in session.execute(wrong):
        yield Violation("round", f"clock {row.id}", f"is of round {row.round}, its complaint in round {row.present}")


def none_was_kept_late(session: Session) -> Iterator[Violation]:
    """A promise that was kept was kept by its due time."""
    late = select(Clock.id, Clock.stopped_at, Clock.due_at).where(Clock.state == "met", Clock.stopped_at > Clock.due_at)
    for row in session.execute(late):
        detail = f"is said to be kept at {row.stopped_at.isoformat()}, but was due at {row.due_at.isoformat()}"
        yield Violation("kept_late", f"clock {row.id}", detail)


def none_without_a_complaint(session: Session) -> Iterator[Violation]:
    """What is no complaint has no clock that still counts."""
    wrong = (
        select(Clock.id, Complaint.record_type)
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .where(Clock.stopped_at.is_(None), Complaint.record_type != "complaint")
    )
    for row in session.execute(wrong):
        yield Violation("no_complaint", f"clock {row.id}", f"still counts, but it is of a {row.record_type}")


def what_is_owed_is_open(session: Session) -> Iterator[Violation]:
    """A broken promise that ended unfulfilled, because nothing was owed any more, is open again where its complaint owes it."""
    owed = or_(
        and_(Clock.kind == "acknowledge", Complaint.status.in_(OPEN), Complaint.acknowledged_at.is_(None)),
        and_(Clock.kind == "investigate", Complaint.status == "received"),
        and_(Clock.kind == "resolve", Complaint.status.in_(OPEN)),
        and_(Clock.kind == "follow_up", Complaint.status == "resolved"),
    )
    cut_off = (
        select(Clock.id, Clock.kind, Complaint.reference)
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .where(
            Clock.state == "breached",
            Clock.stopped_at.is_not(None),
            Clock.elapsed_seconds.is_(None),
            Clock.rule_id.is_(None),
            Clock.round == Complaint.reopened_count + 1,
            Complaint.record_type == "complaint",
            owed,
        )
    )
    for row in session.execute(cut_off):
        yield Violation("ended_unfulfilled", f"clock {row.id}", f"has ended, but {row.kind} is owed by {row.reference}")


def next_due_follows_from_clocks(session: Session) -> Iterator[Violation]:
    """What the queues are ordered by is the earliest open promise."""
    earliest = (
        select(Clock.complaint_id, func.min(Clock.due_at).label("due"))
        .where(Clock.stopped_at.is_(None))
        .group_by(Clock.complaint_id)
        .subquery()
    )
    wrong = (
        select(Complaint.reference, Complaint.next_due_at, earliest.c.due)
        .outerjoin(earliest, earliest.c.complaint_id == Complaint.id)
        .where(Complaint.next_due_at != func.coalesce(earliest.c.due, NOTHING_DUE))
    )
    for row in session.execute(wrong):
        due = "nothing" if row.due is None else row.due.isoformat()
        yield Violation(
            "next_due", f"complaint {row.reference}", f"says {row.next_due_at.isoformat()}, its clocks say {due}"
        )


CHECKS = (
    none_without_a_complaint,
    one_breach_per_generation,
    no_alarm_overdue,
    deadlines_follow_from_facts,
    none_was_kept_late,
    rounds_follow_from_reopenings,
    what_is_owed_is_open,
    next_due_follows_from_clocks,
    *escalation_verification.CHECKS,
    *regime_verification.CHECKS,
)
