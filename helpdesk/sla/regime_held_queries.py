"""What regulators' clocks are held against when they are verified: of some hundreds of complaints at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.link_models import Link
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.event_log import EventRow
from helpdesk.sla import regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_facts import TELLING, Birth, Fact, brought, told_by
from helpdesk.sla.regime_models import ExtensionNotice, RegulatoryFact, RuleDecision
from helpdesk.sla.regime_queries import Known


def regulated(session: Session, but: Collection[str], after: UUID | None, limit: int) -> Sequence[Complaint]:
    """Complaints with a regulator's clock, by id, from `after` on; not those in a state of `but`."""
    clocks = select(Clock.complaint_id).where(Clock.complaint_id == Complaint.id, Clock.rule_id.is_not(None))
    statement = select(Complaint).where(
        clocks.exists(), Complaint.record_type == "complaint", Complaint.status.not_in(but)
    )
    following = statement if after is None else statement.where(Complaint.id > after)
    return session.scalars(following.order_by(Complaint.id).limit(limit)).all()


def rule_clocks(session: Session, complaint_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Clock]]:
    """Of every round, oldest round first."""
    statement = select(Clock).where(Clock.complaint_id.in_(complaint_ids), Clock.rule_id.is_not(None))
    rows = session.scalars(statement.order_by(Clock.complaint_id, Clock.round, Clock.id))
    return {complaint_id: list(own) for complaint_id, own in groupby(rows, key=lambda clock: clock.complaint_id)}


def known_of_each(session: Session, complaint_ids: Sequence[UUID]) -> Mapping[UUID, Known]:
    """What is known of each (`regime_queries.known_of`) that was never merged with another, and of which nothing was erased. Of parts one
    by one, with what they have of the complaint that they come from.
    """
    facts, left_out, parts = dict[UUID, list[Fact]](), _merged(session, complaint_ids), set[UUID]()
    born = select(Complaint.id, Complaint.received_at, Complaint.channel).where(Complaint.id.in_(complaint_ids))
    for row in session.execute(born):
        facts[row.id] = Birth(row.received_at, row.channel).facts()
    events = select(EventRow.stream_id, EventRow.type, EventRow.occurred_at, EventRow.payload)
    told = EventRow.stream_id.in_(complaint_ids), EventRow.type.in_((ComplaintReceived.type, *TELLING))
    for row in session.execute(events.where(*told)):
        if row.payload is None:
            left_out.add(row.stream_id)
        elif row.type == ComplaintReceived.type and row.payload.get("split_from"):
            parts.add(row.stream_id)
        elif row.type == ComplaintReceived.type:
            starts = row.payload.get("clock_starts") or {}
            facts[row.stream_id] += brought({kind: parse_rfc3339(at) for kind, at in starts.items()})
        else:
            facts[row.stream_id] += [Fact(kind, row.occurred_at) for kind in told_by(row.type, row.payload)]
    recorded = select(RegulatoryFact.complaint_id, RegulatoryFact.kind, RegulatoryFact.at)
    held = RegulatoryFact.complaint_id.in_(complaint_ids), RegulatoryFact.withdrawn_at.is_(None)
    for complaint_id, kind, at in session.execute(recorded.where(*held)):
        facts[complaint_id].append(Fact(kind, at, recorded=True))
    decided: dict[UUID, dict[str, bool]] = {}
    decisions = select(RuleDecision.complaint_id, RuleDecision.rule_id, RuleDecision.applies)
    for complaint_id, rule_id, applies in session.execute(
        decisions.where(RuleDecision.complaint_id.in_(complaint_ids))
    ):
        decided.setdefault(complaint_id, {})[rule_id] = applies
    whole = {
        complaint_id: Known(tuple(own), decided.get(complaint_id, {}))
        for complaint_id, own in facts.items()
        if complaint_id not in left_out | parts
    }
    return whole | {part_id: _of_part(session, part_id) for part_id in sorted(parts - left_out)}


def _of_part(session: Session, part_id: UUID) -> Known:
    return regime_queries.known_of(session, session.get_one(Complaint, part_id))


def notices_of_each(
    session: Session, complaint_ids: Sequence[UUID]
) -> Mapping[UUID, Mapping[str, Mapping[int, datetime]]]:
    """Of each of these complaints: kind of clock -> number of the notice -> when it was given. Of a part also those that had been given
    before the split.
    """
    statement = select(ExtensionNotice.complaint_id, Clock.kind, ExtensionNotice.number, ExtensionNotice.given_at)
    statement = statement.join(Clock, Clock.id == ExtensionNotice.clock_id)
    own: dict[UUID, dict[str, dict[int, datetime]]] = {}
    for row in session.execute(statement.where(ExtensionNotice.complaint_id.in_(complaint_ids))):
        own.setdefault(row.complaint_id, {}).setdefault(row.kind, {})[row.number] = row.given_at
    found: dict[UUID, Mapping[str, Mapping[int, datetime]]] = {**own}
    parts = select(Link.from_id).where(Link.from_id.in_(complaint_ids), Link.kind == "split_from").distinct()
    return found | {part_id: regime_queries.notices_given(session, [part_id]) for part_id in session.scalars(parts)}


def _merged(session: Session, complaint_ids: Sequence[UUID]) -> set[UUID]:
    """Those that were ever merged with another, undone or not."""
    rows = session.execute(
        select(Merge.source_id, Merge.survivor_id).where(
            or_(Merge.source_id.in_(complaint_ids), Merge.survivor_id.in_(complaint_ids))
        )
    )
    return {each for row in rows for each in row}
