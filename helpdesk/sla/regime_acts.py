"""What a person says of a complaint's regime: a fact that no act of ours tells, and whether a rule applies."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import queries, regime_choosing, regime_in_force, regime_queries, regime_shared_queries
from helpdesk.sla.regime_errors import FactKnown, FactWithdrawn, NotRegulated
from helpdesk.sla.regime_events import RegulatoryFactRecorded, RegulatoryFactWithdrawn, RuleDecided
from helpdesk.sla.regime_models import RegulatoryFact, RuleDecision
from helpdesk.sla.revising import note_next_due

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""Deadlines are computed from then on."""


def record_fact(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> tuple[UUID, UUID]:
    """`given`: kind, at (now when absent), note. Clocks that it starts count from `at`, those that it stops stopped then; a
    receipt that is recorded goes before the one that was noted. Raises `FactKnown`, `ValidationFailed`.
    """
    at = given.get("at") or uow.now
    if at > uow.now or at < EARLIEST:
        text = "Deadlines are computed from 1990 on." if at < EARLIEST else "A fact of the future is none yet."
        raise ValidationFailed(errors=[FieldError.at("/at", "range", text)])
    if regime_queries.fact_recorded(uow.session, complaint.id, given["kind"], at):
        raise FactKnown
    fact = RegulatoryFact(
        id=new_id(),
        complaint_id=complaint.id,
        kind=given["kind"],
        at=at,
        note=given.get("note"),
        recorded_at=uow.now,
        recorded_by=actor.id if actor.kind == "agent" else None,
    )
    uow.session.add(fact)
    uow.session.flush()  # what is chosen anew is chosen by it too
    complaint.changed_at(uow.now)
    uow.record(
        RegulatoryFactRecorded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            fact_id=fact.id,
            fact=fact.kind,
            at=fact.at,
            note=fact.note,
        ),
        stream=complaint,
    )
    choose_anew(uow, complaint, "facts")
    return complaint.id, fact.id


def withdraw_fact(uow: UnitOfWork, held: regime_queries.HeldFact, given: dict[str, Any]) -> tuple[UUID, UUID]:
    """It had been recorded by mistake: its clocks stand as if it had not, those of the complaint in which its own goes on too. `given`:
    reason. Raises `FactWithdrawn`.
    """
    complaint, fact = held.whose, held.row
    if fact.withdrawn_at is not None:
        raise FactWithdrawn
    for each in (held.complaint, complaint):
        uow.know_stream(each)
        each.changed_at(uow.now)
    fact.withdrawn_at, fact.withdrawn_because = uow.now, given["reason"]
    uow.session.flush()
    uow.record(
        RegulatoryFactWithdrawn(
            complaint_id=complaint.id,
            reference=complaint.reference,
            fact_id=fact.id,
            fact=fact.kind,
            at=fact.at,
            reason=given["reason"],
        ),
        stream=complaint,
    )
    choose_anew(uow, complaint, "facts")
    _choose_elsewhere(uow, complaint)
    return held.complaint.id, fact.id


def _choose_elsewhere(uow: UnitOfWork, complaint: Complaint) -> None:
    """What it goes on in goes by its facts, and what was split off from it, or from what it had gone on in, by those of before; and so
    does whatever that was merged into. Locked one after another: a part comes after its whole, and of two who cross by way of a merge one
    is done again.
    """
    seen, ahead = {complaint.id}, _going_by_facts_of(uow, complaint)
    while ahead:
        each = ahead.pop(0)
        if each in seen:
            continue
        seen.add(each)
        other = complaints.complaint_by_id_for_update(uow.session, each)
        uow.know_stream(other)
        if other.jurisdiction is not None:
            choose_anew(uow, other, "facts")
        ahead += _going_by_facts_of(uow, other)


def _going_by_facts_of(uow: UnitOfWork, complaint: Complaint) -> list[UUID]:
    goes_on = [] if complaint.merged_into_id is None else [complaint.merged_into_id]
    return [*goes_on, *regime_shared_queries.parts_of(uow.session, complaint.id)]


def decide(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """Say whether a rule applies to a complaint. `given`: rule_id, applies, reason. The last word counts, also over what the
    record tells. Raises `NotRegulated` for a rule of another jurisdiction or sector.
    """
    regimes = regime_in_force.in_force(uow.session)
    if given["rule_id"] not in regimes.rules:
        raise ValidationFailed(errors=[FieldError.at("/rule_id", "unknown", "There is no such rule.")])
    sources = regime_choosing.sources_of(uow.session, complaint)
    places = [(complaint.jurisdiction, complaint.sector), *regime_queries.places_of(uow.session, sources)]
    if not any(regimes.rules[given["rule_id"]].is_for(*place) for place in places):
        raise NotRegulated
    row = regime_queries.decision_of(uow.session, complaint.id, given["rule_id"])
    before = None if row is None else row.applies
    if row is None:
        row = RuleDecision(id=new_id(), complaint_id=complaint.id, rule_id=given["rule_id"])
        uow.session.add(row)
    row.applies, row.reason, row.decided_at = given["applies"], given["reason"], uow.now
    row.decided_by = actor.id if actor.kind == "agent" else None
    uow.session.flush()
    complaint.changed_at(uow.now)
    uow.record(
        RuleDecided(
            complaint_id=complaint.id,
            reference=complaint.reference,
            rule_id=row.rule_id,
            applies=row.applies,
            changes={"applies": [before, row.applies]} if before != row.applies else {},
            reason=row.reason,
        ),
        stream=complaint,
    )
    choose_anew(uow, complaint, "decision")
    return complaint.id


def choose_anew(uow: UnitOfWork, complaint: Complaint, cause: str, brought: Collection[UUID] = ()) -> None:
    """`regime_choosing.choose_anew`, and what is due next."""
    regime_choosing.choose_anew(uow, complaint, cause, brought)
    note_dues(uow, complaint.id)


def note_dues(uow: UnitOfWork, complaint_id: UUID) -> None:
    """What is due next of every clock: what was chosen anew may count again."""
    uow.session.flush()  # the select is to see who has stopped, and who has not any more
    found = queries.open_clocks_for_update(uow.session, [complaint_id])
    note_next_due(uow, uow.stream_of(complaint_id), found)
