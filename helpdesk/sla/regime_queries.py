"""Every select on rules, and on what was said of a complaint's regime."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries, pair_queries
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.models import Complaint, TransitionRow
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import MovedMeanwhile, NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.sla import regime_shared_queries
from helpdesk.sla.models import Clock, SlaCalendar, SlaCalendarVersion
from helpdesk.sla.queries import begun, split_of
from helpdesk.sla.regime_counting import ELAPSED_OR_BUSINESS_DAY
from helpdesk.sla.regime_errors import FactElsewhere
from helpdesk.sla.regime_facts import TELLING, Birth, Fact, brought, told_by
from helpdesk.sla.regime_models import (
    ExtensionNotice,
    RegulatoryFact,
    RuleDecision,
    SlaRegimeCalendar,
    SlaRule,
    SlaRuleVersion,
)
from helpdesk.sla.regime_rules import counting

_CURRENT: Final = select(SlaRule.id, SlaRule.version, SlaRule.edition, SlaRule.created_at, SlaRuleVersion.spec).join(
    SlaRuleVersion, and_(SlaRuleVersion.rule_id == SlaRule.id, SlaRuleVersion.version == SlaRule.version)
)
_SIGNATURE: Final = select(
    select(func.coalesce(func.sum(SlaRule.version), 0)).scalar_subquery(),
    select(func.coalesce(func.sum(SlaCalendar.version), 0))
    .join(SlaRegimeCalendar, SlaRegimeCalendar.calendar_id == SlaCalendar.id)
    .scalar_subquery(),
)


def signature(session: Session) -> tuple[int, int]:
    """What differs when any rule, or a calendar of theirs, has another version: versions only grow."""
    row = session.execute(_SIGNATURE).one()
    return int(row[0]), int(row[1])


def current_rules(session: Session) -> Sequence[Any]:
    """`id`, `version`, `edition`, `created_at` and `spec` of every rule, by their names."""
    return session.execute(_CURRENT.order_by(SlaRule.id)).all()


_NAME: Final = re.compile(r"[a-z0-9._]{1,60}")


def _called(rule_code: str) -> ColumnElement[bool]:
    """What no rule can be called is not looked for: a path may hold anything."""
    return SlaRule.id == rule_code if _NAME.fullmatch(rule_code) else false()


def current_rule(session: Session, rule_code: str) -> Any:
    """Raises `NotFound`."""
    return existing(session.execute(_CURRENT.where(_called(rule_code))).one_or_none())


def rule_for_update(session: Session, _actor: Actor | None, rule_code: str) -> SlaRule:
    found = select(SlaRule).where(_called(rule_code)).with_for_update()
    return existing(session.execute(found).scalar_one_or_none())


def rule_spec(session: Session, rule_id: str, version: int) -> Any:
    """Raises `NotFound`."""
    statement = select(SlaRuleVersion.spec).where(SlaRuleVersion.rule_id == rule_id, SlaRuleVersion.version == version)
    return existing(session.execute(statement).scalar_one_or_none())


_NEWEST: Final = Order((SlaRuleVersion.version,), (int,), descending=True)


def list_versions(session: Session, page: Page, given: Mapping[str, Any], rule_id: str) -> Listed:
    """The newest first. Raises `NotFound`."""
    existing(session.execute(select(SlaRule.id).where(_called(rule_id))).scalar_one_or_none())
    statement = select(SlaRuleVersion.version, SlaRuleVersion.created_at, SlaRuleVersion.spec)
    statement = statement.where(SlaRuleVersion.rule_id == rule_id)
    return listed(session, page.within(rule_id), statement, _NEWEST, given)


def regime_calendars(session: Session) -> Sequence[Any]:
    """`code`, `id`, `version`, `name` and `spec` of every calendar that rules count on."""
    return session.execute(
        select(SlaRegimeCalendar.code, SlaCalendar.id, SlaCalendar.version, SlaCalendar.name, SlaCalendarVersion.spec)
        .join(SlaCalendar, SlaCalendar.id == SlaRegimeCalendar.calendar_id)
        .join(
            SlaCalendarVersion,
            and_(SlaCalendarVersion.calendar_id == SlaCalendar.id, SlaCalendarVersion.version == SlaCalendar.version),
        )
        .order_by(SlaRegimeCalendar.code)
    ).all()


def counts_hours_by(session: Session, calendar_id: UUID) -> bool:
    """Whether a rule counts hours that a day off by this calendar makes days. Its clocks may not be on the calendar."""
    said = SlaRuleVersion.spec["shipped"]
    rules = (
        select(SlaRule.id)
        .join(SlaRuleVersion, and_(SlaRuleVersion.rule_id == SlaRule.id, SlaRuleVersion.version == SlaRule.version))
        .join(SlaRegimeCalendar, SlaRegimeCalendar.code == said["calendar"].astext)
        .where(SlaRegimeCalendar.calendar_id == calendar_id, said["counting"].astext == ELAPSED_OR_BUSINESS_DAY)
    )
    return session.execute(select(exists(rules))).scalar_one()


def installing(session: Session) -> None:
    """To the end of the transaction: whoever else installs rules waits."""
    advisory.lock(session, advisory.Alone.REGIMES)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a complaint: the facts, by what was done and what was recorded, and what was decided of rules."""

    facts: tuple[Fact, ...]
    decided: Mapping[str, bool]


def known_of(session: Session, complaint: Complaint, sources: Collection[UUID] = ()) -> Known:
    """`sources`: complaints that were merged into it; what was so of them is so of it. What was split off knows what had
    been so of the complaint that it comes from.
    """
    ids = [complaint.id, *sources]
    facts = list[Fact]()
    for each, until in regime_shared_queries.shared_by(session, ids).items():
        done = _done(session, each)
        facts += done if until is None else [fact for fact in done if fact.recorded or fact.at <= until]
        facts += _recorded(session, each, until)
    return Known(tuple(facts), _decided(session, ids))


def _decided(session: Session, ids: Sequence[UUID]) -> dict[str, bool]:
    """The first one's own word goes before that of the others."""
    statement = select(RuleDecision.complaint_id, RuleDecision.rule_id, RuleDecision.applies)
    rows = session.execute(statement.where(RuleDecision.complaint_id.in_(ids))).all()
    return {row.rule_id: row.applies for row in sorted(rows, key=lambda row: row.complaint_id == ids[0])}


def _done(session: Session, complaint_id: UUID) -> list[Fact]:
    """What acts tell."""
    facts = list[Fact]()
    born = select(Complaint.received_at, Complaint.channel).where(Complaint.id == complaint_id)
    for row in session.execute(born):
        facts += Birth(row.received_at, row.channel).facts()
    told = EventRow.stream_id == complaint_id, EventRow.type.in_((ComplaintReceived.type, *TELLING))
    for row in session.execute(select(EventRow.type, EventRow.occurred_at, EventRow.payload).where(*told)):
        payload = row.payload or {}  # none where it was erased; that it happened is known
        if row.type == ComplaintReceived.type:
            facts += brought({kind: parse_rfc3339(at) for kind, at in (payload.get("clock_starts") or {}).items()})
        else:
            facts += [Fact(kind, row.occurred_at) for kind in told_by(row.type, payload)]
    return facts


def _recorded(session: Session, complaint_id: UUID, until: datetime | None) -> list[Fact]:
    in_time = true() if until is None else RegulatoryFact.recorded_at <= until
    held = RegulatoryFact.complaint_id == complaint_id, RegulatoryFact.withdrawn_at.is_(None), in_time
    rows = session.execute(select(RegulatoryFact.kind, RegulatoryFact.at).where(*held))
    return [Fact(row.kind, row.at, recorded=True) for row in rows]


def stopped_before_split(session: Session, complaint_id: UUID) -> Mapping[str, datetime]:
    """Of a part: kinds of regulators' clocks that had been kept, in time or late, in the complaint that it was split off from, and when."""
    found, split = dict[str, datetime](), split_of(session, complaint_id)
    while split is not None:
        whole, split_at = split
        kept = Clock.complaint_id == whole, Clock.rule_id.is_not(None), Clock.elapsed_seconds.is_not(None)
        rows = session.execute(select(Clock.kind, Clock.stopped_at).where(*kept, Clock.stopped_at <= split_at))
        found |= {row.kind: row.stopped_at for row in rows}
        split = split_of(session, whole)
    return found


def rule_clocks_for_update(session: Session, complaint_id: UUID) -> Sequence[Clock]:
    """The regulators' clocks of every round, oldest round first, those that were begun in this unit of work too; the complaint is
    locked by the caller.
    """
    rows = session.scalars(
        select(Clock)
        .where(Clock.complaint_id == complaint_id, Clock.rule_id.is_not(None))
        .order_by(Clock.round, Clock.id)
        .with_for_update()
    ).all()
    return [*rows, *(clock for clock in begun(session, complaint_id) if clock.rule_id is not None)]


def open_rule_clocks_for_update(session: Session, complaint_id: UUID) -> Sequence[Clock]:
    """Those that are not stopped; the complaint is locked by the caller."""
    still = Clock.complaint_id == complaint_id, Clock.rule_id.is_not(None), Clock.stopped_at.is_(None)
    return session.scalars(select(Clock).where(*still).order_by(Clock.id).with_for_update()).all()


def places_of(session: Session, complaint_ids: Collection[UUID]) -> Sequence[tuple[str, str | None]]:
    """Jurisdiction and sector of each of these complaints that has one, each pair once, in their order."""
    if not complaint_ids:
        return ()
    statement = select(Complaint.jurisdiction, Complaint.sector).where(Complaint.id.in_(complaint_ids))
    rows = session.execute(statement.where(Complaint.jurisdiction.is_not(None)).order_by(Complaint.id))
    return list(dict.fromkeys((row.jurisdiction, row.sector) for row in rows if row.jurisdiction is not None))


def ends_of_rounds(session: Session, complaint_id: UUID, gone: Collection[str]) -> dict[int, datetime]:
    """Round -> when nothing was owed in it any more: when the complaint was reopened after it, or, of the present one, when it came to
    a state of `gone`. Without the present one where it has not.
    """
    steps = select(TransitionRow.action, TransitionRow.from_status, TransitionRow.to_status, TransitionRow.at)
    rows = session.execute(steps.where(TransitionRow.complaint_id == complaint_id).order_by(TransitionRow.number)).all()
    found, round_ = dict[int, datetime](), 1
    for row in rows:
        if row.action == "reopen":
            if row.from_status not in gone:
                found[round_] = row.at
            round_ += 1
        elif row.to_status in gone and row.from_status not in gone:
            found[round_] = row.at
    return found


def decision_of(session: Session, complaint_id: UUID, rule_id: str) -> RuleDecision | None:
    return session.scalars(
        select(RuleDecision).where(RuleDecision.complaint_id == complaint_id, RuleDecision.rule_id == rule_id)
    ).one_or_none()


def decisions_of(session: Session, complaint_id: UUID) -> Sequence[RuleDecision]:
    return session.scalars(select(RuleDecision).where(RuleDecision.complaint_id == complaint_id)).all()


def fact_recorded(session: Session, complaint_id: UUID, kind: str, at: Any) -> bool:
    same = RegulatoryFact.kind == kind, RegulatoryFact.at == at, RegulatoryFact.withdrawn_at.is_(None)
    return session.execute(select(exists().where(RegulatoryFact.complaint_id == complaint_id, *same))).scalar_one()


@dataclass(frozen=True, slots=True)
class HeldFact(complaints.Part[RegulatoryFact]):
    """A fact with the complaint by which it was asked for, and the one of which it was recorded, `whose`: that complaint itself, or one
    that goes on in it.
    """

    whose: Complaint


def fact_for_update(session: Session, actor: Actor, ref: str, fact_id: UUID) -> HeldFact:
    """Raises `FactElsewhere` where another complaint has it, of which it is so of this one too, but for one that goes on in this."""
    complaint_id = complaints.visible_id(session, actor, ref)
    statement = _facts(actor).where(or_(*regime_shared_queries.facts_of(session, complaint_id)))
    row = existing(session.execute(statement.where(RegulatoryFact.id == fact_id)).mappings().one_or_none())
    whose = row["complaint_id"]
    goes_on_here = whose in merge_queries.going_on_in(session, complaint_id)
    if whose != complaint_id and not (goes_on_here and row["visible"]):
        reference = row["reference"] if row["visible"] else None
        where = "a complaint that you may not see" if reference is None else reference
        raise FactElsewhere(f"It is of {where}.", reference=reference)
    rows = pair_queries.lock_together(session, {complaint_id, whose}, complaints.visible_to(actor))
    if rows.keys() != {complaint_id, whose}:
        raise NotFound
    if whose != complaint_id and rows[whose].merged_into_id != complaint_id:
        raise MovedMeanwhile
    fact = session.get_one(RegulatoryFact, fact_id, with_for_update=True, populate_existing=True)
    return HeldFact(rows[complaint_id], fact, whose=rows[whose])


_BY_TIME: Final = Order((RegulatoryFact.id,), (UUID,))


def list_facts(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str) -> Listed:
    """In the order in which they were recorded, the withdrawn ones too; also those of other complaints that are so of this one."""
    complaint_id = complaints.visible_id(session, actor, ref)
    of_it = regime_shared_queries.facts_of(session, complaint_id)
    statement = _facts(actor).where(or_(*of_it))
    rows, cursor, total = listed(session, page.within(str(complaint_id)), statement, _BY_TIME, given)
    return [_shown(row, complaint_id) for row in rows], cursor, total


def fact_detail(session: Session, actor: Actor, ref_and_id: tuple[UUID, UUID]) -> Any:
    complaint_id, fact_id = ref_and_id
    complaints.visible_id(session, actor, str(complaint_id))
    statement = _facts(actor).where(RegulatoryFact.id == fact_id)
    return _shown(existing(session.execute(statement).mappings().one_or_none()), complaint_id)


def _facts(actor: Actor) -> Any:
    whose = Complaint.reference, complaints.visible_to(actor).label("visible")
    return select(*RegulatoryFact.__table__.c, *whose).join(Complaint, Complaint.id == RegulatoryFact.complaint_id)


def _shown(row: Any, complaint_id: UUID) -> dict[str, Any]:
    """Of another complaint that the caller may not see neither its name nor its words are told."""
    shown = {**row, "own": row["complaint_id"] == complaint_id}
    return shown if row["visible"] else shown | dict.fromkeys(("reference", "note", "withdrawn_because"))


def clock_for_update(session: Session, actor: Actor, ref: str, clock_id: UUID) -> complaints.Part[Clock]:
    return complaints.part_for_update(session, actor, ref, Clock, clock_id)


def notices_of(session: Session, actor: Actor, ref: str, clock_id: UUID) -> Sequence[dict[str, Any]]:
    """In their order, also those of other complaints and earlier rounds that the clock goes on with; `counts`: whether it moves the
    deadline. Raises `NotFound` for a clock of another complaint.
    """
    complaint_id = complaints.visible_id(session, actor, ref)
    clock: Clock = existing(
        session.execute(
            select(Clock).where(Clock.id == clock_id, Clock.complaint_id == complaint_id)
        ).scalar_one_or_none()
    )
    found, counted = list[dict[str, Any]](), set[int]()
    rows = regime_shared_queries.notices_of(session, actor, clock)
    counting_ = counting((row["number"] for row in rows), clock.extensions)
    for row in rows:
        counts = row["number"] in counting_ and row["number"] not in counted
        counted |= {row["number"]} if counts else set()
        own = row["complaint_id"] == complaint_id
        shown = {**row, "own": own, "counts": counts}
        found.append(shown if row["visible"] else shown | dict.fromkeys(("reference", "reason", "message_id")))
    return found


def notices_given(session: Session, complaint_ids: Collection[UUID]) -> dict[str, dict[int, datetime]]:
    """Kind of clock -> number of the notice -> when it was given, the earliest of those of that number: of these complaints, and of
    those that they were split off from, until then, whose deadlines they went on with.
    """
    held = regime_shared_queries.notices_shared(session, complaint_ids)
    statement = select(Clock.kind, ExtensionNotice.number, func.min(ExtensionNotice.given_at).label("given_at"))
    statement = statement.join(Clock, Clock.id == ExtensionNotice.clock_id).where(or_(*held))
    found: dict[str, dict[int, datetime]] = {}
    for row in session.execute(statement.group_by(Clock.kind, ExtensionNotice.number)):
        found.setdefault(row.kind, {})[row.number] = row.given_at
    return found


def notice_detail(session: Session, actor: Actor, made: tuple[UUID, UUID]) -> Any:
    """Of one that was given just now."""
    complaint_id, notice_id = made
    complaints.visible_id(session, actor, str(complaint_id))
    row = session.execute(regime_shared_queries.notices(actor).where(ExtensionNotice.id == notice_id)).mappings()
    return {**existing(row.one_or_none()), "own": True, "counts": True}


def clocks_without_their_rule(session: Session) -> Sequence[Any]:
    """`id`, `rule_id` and `rule_version` of clocks whose rule is not kept in the version that made them."""
    there = exists().where(SlaRuleVersion.rule_id == Clock.rule_id, SlaRuleVersion.version == Clock.rule_version)
    return session.execute(
        select(Clock.id, Clock.rule_id, Clock.rule_version).where(Clock.rule_id.is_not(None), ~there)
    ).all()


def count_open_clocks(session: Session, rule_id: str) -> int:
    """Of every version of a rule."""
    open_ = Clock.rule_id == rule_id, Clock.stopped_at.is_(None)
    return session.execute(select(func.count()).select_from(Clock).where(*open_)).scalar_one()


def open_rule_clocks(session: Session) -> Sequence[Clock]:
    return session.scalars(
        select(Clock).where(Clock.rule_id.is_not(None), Clock.stopped_at.is_(None)).order_by(Clock.id)
    ).all()
