"""The clocks of complaints that are merged, taken apart again, and split.

**Merged**: the earlier promise wins. The survivor's open clocks count from the start of the older of the two, less what that
one waited until the other began; a regulator's clock of the source goes on at the survivor from its old start. What was met
or broken stays so. **Undone**: the survivor's clocks count again from where they would have without that source, and the
source's take up where they stood; the time in which it went on in the other is a wait to them, where they can pause at all.
**Split**: the part's clocks go on with the round that it comes from.

What was done to each clock stands in the merge's book (`complaints.merge_ledger`): `own`, its start without any merge, None
for one that is there only because of merges; `acknowledged`, that the merge stopped it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import merge_queries
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import ComplaintActed, ComplaintReceived
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.complaints.merge_ledger import note
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, queries
from helpdesk.sla.models import Clock
from helpdesk.sla.rounds import Act, Joined, Parted, Round, present_round
from helpdesk.sla.specs import Policy, rule_by_id, rules_for

_BOOK: Final = "sla_clock"
_AT_RECEIPT: Final = ("acknowledge", "investigate", "resolve")


def clocks_of_part(uow: UnitOfWork, event: ComplaintReceived, policy: Policy) -> list[dict[str, Any]]:
    """Rows for what was split off: what is still owed, from the beginning of the round that it comes from."""
    if event.split_from is None:
        return []
    round_ = present_round(queries.history(uow.session, event.split_from)).ended(uow.now)
    kinds = [kind for kind in _AT_RECEIPT if kind != "acknowledge" or not event.acknowledged]
    terms = [
        clocks.policy_terms(
            policy, kind=kind, severity=event.severity, start=round_.began, now=uow.now, waits=round_.waits
        )
        for kind in kinds
    ]
    _, _, starts = queries.regulated(uow.session, event.split_from)
    terms += [
        clocks.rule_terms(rule, starts[rule.clock_start], uow.now)
        for rule in rules_for(event.jurisdiction, event.sector)
        if rule.clock_start in starts
    ]
    return [clocks.new_clock(event.complaint_id, item) for item in terms if item is not None]


Dues = list[datetime | None]
"""Of every clock of a complaint that is not stopped."""


def join(uow: UnitOfWork, event: DuplicateMerged) -> Dues:
    """After the source's clocks were cancelled. What the survivor owes now."""
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    found = queries.clocks_of_round_for_update(uow.session, survivor.id, survivor.round)
    if survivor.record_type != "complaint" or event.source_record_type != "complaint":
        return _dues(found)
    source = complaints.complaint_by_id_for_update(uow.session, event.source_id)
    joined = Joined(source.id, present_round(queries.history(uow.session, source.id)))
    present = present_round(queries.history(uow.session, survivor.id).and_then(joined))
    own = _own_starts(uow, survivor.id)
    for clock in found:
        if clock.policy_id is not None and clock.stopped_at is None and clock.kind in _AT_RECEIPT:
            noted: dict[str, Any] = {"own": own.get(clock.id, rfc3339(clock.started_at))}
            _promise(uow, clock, survivor, present, event.changes)
            if "acknowledged_at" in event.changes and clock.kind == "acknowledge" and survivor.acknowledged_at:
                clocks.stop(uow, clock, max(survivor.acknowledged_at, clock.started_at))
                noted["acknowledged"] = True
            note(uow, event.merge_id, _BOOK, {clock.id: noted})
    there = {clock.kind: clock for clock in found}
    begun = _join_regulators(uow, event, source, survivor, there=there, own=own)
    return [*_dues(found), *(row["due_at"] for row in begun)]


def _dues(found: Sequence[Clock]) -> Dues:
    return [clock.due_at for clock in found if clock.stopped_at is None]


def _promise(
    uow: UnitOfWork, clock: Clock, complaint: Complaint, present: Round, changes: Mapping[str, Sequence[Any]]
) -> None:
    """What an open clock of the policy promises by the present round, and by a severity that has changed."""
    if clock.state != "breached" and clock.started_at != present.began.replace(microsecond=0):
        clocks.restart(uow, clock, present.began, present.waits, uow.now)
    if "severity" in changes:
        policy = queries.default_policy(uow.session)
        clocks.retarget(uow, clock, policy, complaint.severity, waits=present.waits, at=uow.now)


def _own_starts(uow: UnitOfWork, survivor_id: UUID) -> dict[UUID, str | None]:
    """Clock -> its start without any merge, of those that earlier merges have moved."""
    found: dict[UUID, str | None] = {}
    for merge in merge_queries.merges_into(uow.session, survivor_id):
        for clock_id, noted in merge_queries.ledger_of(uow.session, merge.id, _BOOK).items():
            found.setdefault(clock_id, noted["own"])
    return found


def _join_regulators(
    uow: UnitOfWork,
    event: DuplicateMerged,
    source: Complaint,
    survivor: Complaint,
    *,
    there: Mapping[str, Clock],
    own: Mapping[UUID, str | None],
) -> list[dict[str, Any]]:
    """A regulator counts on: what the merge has just cancelled on the source is owed by the survivor. New rows."""
    begun = []
    for theirs in queries.clocks_of_round_for_update(uow.session, source.id, source.round):
        rule = rule_by_id(theirs.rule_id) if theirs.rule_id is not None else None
        if rule is None or theirs.state != "cancelled" or theirs.stopped_at != uow.now:
            continue
        clock = there.get(theirs.kind)
        if clock is None:
            row = clocks.new_clock(survivor.id, clocks.rule_terms(rule, theirs.started_at, uow.now), survivor.round)
            begun.append(row)
            note(uow, event.merge_id, _BOOK, {row["id"]: {"own": None}})
        elif clock.state in {"running", "cancelled"}:
            alone = clock.state == "cancelled"
            noted = own.get(clock.id, None if alone else rfc3339(clock.started_at))
            note(uow, event.merge_id, _BOOK, {clock.id: {"own": noted}})
            if alone or theirs.started_at < clock.started_at:
                clocks.restart(uow, clock, theirs.started_at, (), uow.now)
    uow.add_rows(Clock, begun)
    return begun


def part(uow: UnitOfWork, event: DuplicateParted) -> Dues:
    """What the survivor owes without that source."""
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    found = queries.clocks_of_round_for_update(uow.session, survivor.id, survivor.round)
    noted = merge_queries.ledger_of(uow.session, event.merge_id, _BOOK)
    present = present_round(queries.history(uow.session, survivor.id).and_then(Parted(event.source_id)))
    for clock in found:
        if clock.id not in noted:
            continue
        if clock.rule_id is not None:
            _part_regulator(uow, event, clock, noted[clock.id]["own"])
            continue
        if (noted[clock.id].get("acknowledged") and survivor.acknowledged_at is None) or (
            clock.stopped_at is None and clock.started_at != present.began.replace(microsecond=0)
        ):
            clocks.restart(uow, clock, present.began, present.waits, uow.now)
        if clock.stopped_at is None and "severity" in event.changes:
            policy = queries.default_policy(uow.session)
            clocks.retarget(uow, clock, policy, survivor.severity, waits=present.waits, at=uow.now)
    return _dues(found)


def _part_regulator(uow: UnitOfWork, event: DuplicateParted, clock: Clock, own: str | None) -> None:
    """It counts from the earliest of what is left, or not at all."""
    if clock.stopped_at is not None:
        return
    left = [merge.source_id for merge in merge_queries.merges_into(uow.session, event.complaint_id)]
    others = [merge_id for merge_id in left if merge_id != event.source_id]
    starts: list[datetime] = [
        at for _, kind, at in queries.regulatory_starts(uow.session, others) if kind == clock.kind
    ]
    starts += [parse_rfc3339(own)] if own is not None else []
    if not starts:
        clocks.cancel(uow, clock, uow.now)
    elif min(starts) != clock.started_at:
        clocks.restart(uow, clock, min(starts), (), uow.now)


def take_up(uow: UnitOfWork, event: ComplaintActed) -> Sequence[Clock]:
    """A complaint goes on by itself again: what merging it had stopped is owed as it was. The clocks of its round."""
    history = queries.history(uow.session, event.complaint_id)
    merged_at = history.last_away
    back = Act(reopened=False, at=uow.now, waiting_on=event.waiting_on)
    present = present_round(history.and_then(back))
    found = queries.clocks_of_round_for_update(uow.session, event.complaint_id, event.reopened_count + 1)
    for clock in found:
        if clock.stopped_at != merged_at:
            continue
        if clock.state == "breached":
            clock.stopped_at = None
        elif clock.state == "cancelled":
            clocks.restart(uow, clock, clock.started_at, present.waits, uow.now)
    return found
