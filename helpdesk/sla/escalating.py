"""Doing what is owed of a complaint: the actions of the rungs that its clocks came to, one by one, in order.

Each is one transaction, in which the act is done by the door that people use and the row says that it was; wherever a worker is
killed, what is done is done once, and what is not is done by the next. What is refused stays refused, and the row says why; what
met others in the database, or found the complaint in somebody's hands for too long, is done again later. An act that changes
the complaint is done once by a rung of a clock, however often the clock is counted anew: so a ladder that raises the severity,
and with it moves its own clock, comes to an end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

from helpdesk.complaints import acts, assignment, handler_queries
from helpdesk.complaints.assignment import How
from helpdesk.complaints.choosing import Handler, choose
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults
from helpdesk.kernel.errors import DomainError, TemporarilyUnavailable
from helpdesk.kernel.problems import InternalError, of_database
from helpdesk.kernel.retrying import again, met_others
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla import escalation_queries, notices
from helpdesk.sla.errors import AtWorstSeverity, NobodyLeads, NotOpen
from helpdesk.sla.escalation_events import SlaEscalated, SlaEscalationFailed, SlaEventRaised, SlaOfferWanted
from helpdesk.sla.escalation_models import Escalation
from helpdesk.sla.escalations import NOTIFY, why_moot
from helpdesk.sla.models import Clock
from helpdesk.sla.rung_words import reason_for

log = structlog.get_logger()

BEGUN: Final = "sla.escalation_begun"
PERFORMED: Final = "sla.escalation_performed"
SETTLED: Final = "sla.escalation_settled"
FAULT_POINTS: Final = (BEGUN, PERFORMED, SETTLED)


@dataclass(frozen=True, slots=True)
class _Doing:
    """One action, with its complaint locked."""

    uow: UnitOfWork
    complaint: Complaint
    clock: Clock
    row: Escalation
    late_seconds: int

    @property
    def reason(self) -> str:
        return reason_for(self.clock.kind, self.row.rung, self.late_seconds)

    @property
    def about(self) -> dict[str, Any]:
        """The fields of a `LadderEvent`."""
        return {
            "complaint_id": self.complaint.id,
            "reference": self.complaint.reference,
            "clock_id": self.clock.id,
            "kind": self.clock.kind,
            "generation": self.row.generation,
            "rung": self.row.rung,
        }


def escalate(database: Database, complaint_id: UUID) -> int:
    """Everything that is owed of a complaint; how many actions. Raises where the database is away, or the complaint is held by
    somebody all the time: the duty then brings back what is left.
    """
    count = 0
    while again(lambda: _next(database, complaint_id), what="escalation", worth=_passes):
        count += 1
        faults.point(SETTLED)
    return count


def _passes(error: Exception) -> bool:
    return met_others(error, LockNotAvailable)


def _next(database: Database, complaint_id: UUID) -> bool:
    """False when nothing is owed any more."""
    tried: UUID | None = None
    try:
        with database.unit_of_work(SYSTEM) as uow:
            complaint = escalation_queries.held_complaint(uow.session, complaint_id)
            owed = escalation_queries.owed_of(uow.session, complaint_id)
            if complaint is None or not owed:
                return False
            uow.know_stream(complaint)
            row, later = _first(owed)
            tried = row.id
            _settle(uow, complaint, row, later)
            uow.finish()  # what follows from it may refuse it too
            faults.point(PERFORMED)
    except (DomainError, DBAPIError) as error:
        if tried is None or _passes(error):
            raise
        problem = error if isinstance(error, DomainError) else of_database(error)
        if isinstance(problem, TemporarilyUnavailable):
            raise
        _failed(database, complaint_id, tried, problem)
    except Exception:
        if tried is None:
            raise
        log.exception("an escalation failed", escalation=str(tried), complaint=str(complaint_id))
        _failed(database, complaint_id, tried, InternalError())
    return True


def _first(owed: Sequence[Escalation]) -> tuple[Escalation, list[Escalation]]:
    """What is done next, and what comes after it in order. After an outage people are told when it is known who has the complaint: not
    before a later rung has given it to another, who would be told twice, as one of those who lead and as the one who has it. The actions
    of one rung keep their order.
    """
    for place, row in enumerate(owed):
        later = list(owed[place + 1 :])
        if row.step != NOTIFY or not any(each.step == "reassign" and each.event_id != row.event_id for each in later):
            return row, later
    raise LookupError("nothing is owed")


def _settle(uow: UnitOfWork, complaint: Complaint, row: Escalation, later: Sequence[Escalation]) -> None:
    clock = uow.session.get_one(Clock, row.clock_id)
    moot = why_moot(uow.session, clock, row.rung, row.generation, uow.now)
    if moot is None and row.step != NOTIFY and escalation_queries.done_before(uow.session, row):
        moot = "done_before"
    row.outcome, row.reason, row.settled_at = "dropped" if moot else "done", moot, uow.now
    if moot is not None:
        return
    faults.point(BEGUN)
    doing = _Doing(uow, complaint, clock, row, escalation_queries.late_seconds_of(uow.session, row))
    if row.step == NOTIFY:
        _notify(doing, [other for other in later if other.step == NOTIFY and other.clock_id == row.clock_id])
    else:
        needless = _STEPS[row.step](doing)
        if needless is not None:
            row.outcome, row.reason = "dropped", needless
        else:
            uow.record(SlaEscalated(**doing.about, step=row.step), stream=complaint)


def _failed(database: Database, complaint_id: UUID, escalation_id: UUID, problem: DomainError) -> None:
    """Into the log, in a transaction of its own: that of the act is rolled back."""
    with database.unit_of_work(SYSTEM) as uow:
        complaint = escalation_queries.held_complaint(uow.session, complaint_id)
        row = escalation_queries.owed_one(uow.session, escalation_id)
        if complaint is None or row is None:
            return
        row.outcome, row.settled_at = "failed", uow.now
        row.reason, row.detail = problem.code, problem.in_one_text
        clock = uow.session.get_one(Clock, row.clock_id)
        doing = _Doing(uow, complaint, clock, row, 0)
        uow.record(
            SlaEscalationFailed(**doing.about, step=row.step, reason=problem.code, detail=problem.in_one_text),
            stream=complaint,
        )


def _notify(doing: _Doing, later: list[Escalation]) -> None:
    mine = ask_of(doing.complaint, doing.clock, doing.row, doing.late_seconds)
    after = [ask_of(doing.complaint, doing.clock, row, doing.late_seconds) for row in later]
    session, row = doing.uow.session, doing.row
    already, newer = escalation_queries.told_of(session, row), escalation_queries.told_newer(session, row)
    told = notices.Telling(doing.uow, [mine], after, told=already, newer=newer)
    reason = told.answer(mine)
    if reason is not None:
        row.outcome, row.reason, row.detail = "failed", reason, notices.NOBODY[reason]
        failed = SlaEscalationFailed(**doing.about, step=row.step, reason=reason, detail=row.detail)
        doing.uow.record(failed, stream=doing.complaint)
    told.write()


def ask_of(complaint: Complaint, clock: Clock, row: Escalation, late_seconds: int) -> notices.Ask:
    return notices.Ask(
        escalation_id=row.id,
        event_id=row.event_id,
        clock=clock,
        complaint=complaint,
        rung=row.rung,
        planned_for=row.planned_for,
        late_seconds=late_seconds,
        at_any_time=row.at_any_time,
        given=row.given,
    )


def _reassign(doing: _Doing) -> str | None:
    """To one who leads its team and can have it: who is there and has least to do, else who has least to do. Room is not asked for."""
    complaint = doing.complaint
    if complaint.status not in OPEN:
        raise NotOpen(f"The complaint is {complaint.status}.", state=complaint.status)
    if complaint.team_id is None:
        raise NobodyLeads("The complaint is in no team.")
    leads = escalation_queries.leads_of(doing.uow.session, complaint.team_id)
    if complaint.assignee_id in leads:
        return "lead_has_it"
    found = handler_queries.handlers(doing.uow.session, leads, complaint.id, always=True)
    able = [handler for handler in found.values() if handler.may_handle and not handler.is_subject]
    if not able:
        raise NobodyLeads
    chosen = choose(able, "least_loaded", complaint.severity, ()).taken or min(able, key=_by_load)
    how = How("escalated", doing.reason, override=True)
    assignment.give(doing.uow, complaint, how, assignee_id=chosen.id, team_id=complaint.team_id)
    return None


def _by_load(handler: Handler) -> tuple[bool, int, UUID]:
    return bool(handler.unready()), handler.load, handler.id


def _raise_level(doing: _Doing) -> None:
    acts.act(doing.uow, SYSTEM, doing.complaint, "escalate", {"reason": doing.reason})


def _raise_severity(doing: _Doing) -> None:
    place = SEVERITIES.index(doing.complaint.severity)
    if place == 0:
        raise AtWorstSeverity
    given = {"severity": SEVERITIES[place - 1], "reason": doing.reason}
    acts.act(doing.uow, SYSTEM, doing.complaint, "set_severity", given)


def _draft_offer(doing: _Doing) -> None:
    """By the recovery domain, which listens; it refuses by raising."""
    doing.uow.record(SlaOfferWanted(**doing.about, wanted=doing.row.given), stream=doing.complaint)


def _raise_event(doing: _Doing) -> None:
    given = doing.row.given
    doing.uow.record(
        SlaEventRaised(**doing.about, name=given["name"], data=dict(given["data"])), stream=doing.complaint
    )


_STEPS: Final[Mapping[str, Callable[[_Doing], str | None]]] = {
    "reassign": _reassign,
    "raise_level": _raise_level,
    "raise_severity": _raise_severity,
    "draft_offer": _draft_offer,
    "raise_event": _raise_event,
}
"""Each gives why there was nothing to do, or None; it refuses by raising."""

NEEDED: Final[Mapping[str, str]] = {
    "notify": "complaint:read",
    "reassign": "complaint:assign",
    "raise_level": "complaint:escalate",
    "raise_severity": "complaint:triage",
    "draft_offer": "offer:draft",
    "raise_event": "complaint:read",
}
"""The permission that a person would need for each: nobody has a ladder do what they may not do themselves."""


def tell_held(database: Database, notice_id: UUID) -> None:
    """Somebody is at work again. Safe to do twice."""
    with database.unit_of_work(SYSTEM) as uow:
        complaint_id = escalation_queries.complaint_of_notice(uow.session, notice_id)
        complaint = None if complaint_id is None else escalation_queries.held_complaint(uow.session, complaint_id)
        found = escalation_queries.held_notice(uow.session, notice_id)
        if complaint is None or found is None:
            return
        uow.know_stream(complaint)
        row, escalation, clock = found
        moot = why_moot(uow.session, clock, escalation.rung, escalation.generation, uow.now)
        if moot is not None:
            row.outcome, row.reason, row.settled_at = "dropped", moot, uow.now
            return
        late = escalation_queries.late_seconds_of(uow.session, escalation)
        notices.tell_held(uow, ask_of(complaint, clock, escalation, late), row)
