"""The clocks of complaints that are merged, taken apart again, and split.

**Merged**: the earlier promise wins. The survivor's open clocks count from the start of the older of the two, less what
that one waited until the other began; a message that waits for an answer in the source waits for it in the survivor, and a
regulator's clock of the source goes on there from its old start. What was met or broken stays so. **Undone**: the
survivor's clocks count again from where they would have without that source, and the source's take up where they stood; the
time in which it went on in the other is a wait to them, where they can pause at all. **Split**: the part's clocks go on
with the round that it comes from.

What was done to each clock stands in the merge's book (`complaints.merge_ledger`): `own`, its start without any merge, None
for one that is there only because of merges; `acknowledged`, that the merge stopped it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from helpdesk.complaints import merge_queries
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import ComplaintActed, ComplaintReceived
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_events import DuplicateEvent, DuplicateMerged, DuplicateParted
from helpdesk.complaints.merge_ledger import note
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.tag_events import ComplaintTagged
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, policy_facts, promising, queries, regime_clocks, thread_queries, transitions
from helpdesk.sla.models import Clock
from helpdesk.sla.promising import Promised
from helpdesk.sla.revising import AT_RECEIPT, FIRST, NEXT
from helpdesk.sla.rounds import Act, Joined, Parted, Round, present_round

_BOOK: Final = "sla_clock"


def terms_of_part(uow: UnitOfWork, event: ComplaintReceived) -> list[dict[str, Any]]:
    """Of what was split off: what is still owed, from the beginning of the round that it comes from."""
    if event.split_from is None:
        return []
    part = cast(Complaint, uow.stream_of(event.complaint_id))
    round_ = present_round(queries.history(uow.session, event.split_from)).ended(uow.now)
    promised = promising.of(uow, part)
    kinds = [kind for kind in AT_RECEIPT if kind != "acknowledge" or not event.acknowledged]
    answered = promised.promise(FIRST, round_.began) is not None and (
        thread_queries.is_answered(uow.session, event.split_from, round_.began)
    )
    terms = [
        promised.terms(kind, round_.began, uow.now, round_.waits) for kind in kinds if kind != FIRST or not answered
    ]
    return [item for item in terms if item is not None]


def join(uow: UnitOfWork, event: DuplicateMerged) -> Sequence[Clock]:
    """After the source's clocks were cancelled. The clocks of the survivor; those that have begun beside them."""
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    found = queries.clocks_at_hand(uow.session, survivor.id, survivor.round)
    if survivor.record_type != "complaint" or event.source_record_type != "complaint":
        return found
    source = complaints.complaint_by_id_for_update(uow.session, event.source_id)
    theirs = queries.clocks_of_round_for_update(uow.session, source.id, source.round)
    answered = {clock.kind for clock in theirs if clock.kind == FIRST and clock.state == "met"}
    joined = Joined(source.id, present_round(queries.history(uow.session, source.id)))
    present = present_round(queries.history(uow.session, survivor.id).and_then(joined))
    own = _own_starts(uow, survivor.id)
    promised = promising.of(uow, survivor)
    moves = _moves(uow, promised, event)
    for clock in found:
        if clock.policy_id is None or clock.stopped_at is not None or clock.kind not in AT_RECEIPT:
            continue
        noted: dict[str, Any] = {"own": own.get(clock.id, rfc3339(clock.started_at))}
        # Whoever complained first has had their answer; the other one has not, and waits as long as they do.
        if clock.kind not in answered:
            _count_from(uow, clock, present)
        if moves:
            promised.retarget(uow, clock, present.waits)
        if "acknowledged_at" in event.changes and clock.kind == "acknowledge" and survivor.acknowledged_at:
            clocks.stop(uow, clock, max(survivor.acknowledged_at, clock.started_at))
            noted["acknowledged"] = True
        note(uow, event.merge_id, _BOOK, {clock.id: noted})
    _join_answers(uow, event, theirs, survivor, promised=promised, found=found, present=present, own=own)
    there = {clock.kind: clock for clock in found}
    _join_regulators(uow, event, theirs, survivor, there=there, own=own)
    return found


def _moves(uow: UnitOfWork, promised: Promised, event: DuplicateEvent) -> bool:
    """Whether the merge, with all that goes over in it, may change what the survivor is promised."""
    changed = set(event.changes)
    for item in uow.happened:
        if isinstance(item.event, ComplaintTagged) and item.event.complaint_id == event.complaint_id:
            changed |= item.event.changes.keys()
    return "severity" in changed or policy_facts.touched(changed, promised.policies.wanted)


def _count_from(uow: UnitOfWork, clock: Clock, present: Round) -> None:
    """What an open clock of the policy promises by the present round."""
    if clock.state != "breached" and clock.started_at != present.began.replace(microsecond=0):
        clocks.restart(uow, clock, present.began, present.waits, uow.now)


def _join_answers(
    uow: UnitOfWork,
    event: DuplicateMerged,
    theirs: Sequence[Clock],
    survivor: Complaint,
    *,
    promised: Promised,
    found: Sequence[Clock],
    present: Round,
    own: Mapping[UUID, str | None],
) -> None:
    """Who asked in the duplicate is answered in the survivor: of two that wait, the older one counts."""
    mine = next((clock for clock in found if clock.kind == NEXT and clock.stopped_at is None), None)
    waiting = next((clock for clock in theirs if clock.kind == NEXT and _just_cancelled(uow, clock)), None)
    if mine is None:
        asked = _asked(uow, promised, survivor, waiting, present)
        there = None if asked is None else _answer_there(found, asked, survivor)
        if asked is not None and there is not None:
            _waits_again(uow, promised, there, asked, present)
        elif asked is not None:
            there = promising.begin(uow, promised, survivor, NEXT, asked.at, waits=present.waits, subject_id=asked.id)
        if there is not None:
            note(uow, event.merge_id, _BOOK, {there.id: {"own": None}})
    elif waiting is not None and waiting.started_at < mine.started_at and mine.state != "breached":
        note(uow, event.merge_id, _BOOK, {mine.id: {"own": own.get(mine.id, rfc3339(mine.started_at))}})
        clocks.restart(uow, mine, waiting.started_at, present.waits, uow.now)


def _answer_there(found: Sequence[Clock], asked: thread_queries.Unanswered, survivor: Complaint) -> Clock | None:
    """The clock of the same message in the survivor, from a merge that was undone."""
    mine = (clock for clock in found if clock.kind == NEXT and clock.round == survivor.round)
    return next((clock for clock in mine if clock.subject_id == asked.id), None)


def _waits_again(
    uow: UnitOfWork, promised: Promised, clock: Clock, asked: thread_queries.Unanswered, present: Round
) -> None:
    """What undoing the merge had stopped counts on; what was answered is."""
    if clock.state == "cancelled":
        clocks.restart(uow, clock, asked.at, present.waits, uow.now)
        promised.retarget(uow, clock, present.waits)
    elif clock.state == "breached" and clock.elapsed_seconds is None:
        transitions.watch(uow, clock)
        clock.stopped_at = None


def _asked(
    uow: UnitOfWork, promised: Promised, survivor: Complaint, waiting: Clock | None, present: Round
) -> thread_queries.Unanswered | None:
    """What waits for an answer in the survivor now: what waited in the duplicate; or, where nothing was promised there, what its
    thread has brought.
    """
    if waiting is not None and waiting.subject_id is not None:
        return thread_queries.Unanswered(waiting.subject_id, waiting.started_at)
    if survivor.status not in OPEN or promised.promise(NEXT, uow.now) is None:
        return None
    return thread_queries.oldest_unanswered(uow.session, survivor.id, present.began)


def _just_cancelled(uow: UnitOfWork, clock: Clock) -> bool:
    return clock.state == "cancelled" and clock.stopped_at == uow.now


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
    theirs: Sequence[Clock],
    survivor: Complaint,
    *,
    there: Mapping[str, Clock],
    own: Mapping[UUID, str | None],
) -> None:
    """A regulator counts on: what the merge has just cancelled on the source is owed by the survivor."""
    for each in theirs:
        if each.rule_id is None or not _just_cancelled(uow, each):
            continue
        clock = there.get(each.kind)
        if clock is None:
            row = regime_clocks.carried_over(uow.session, each, survivor.id, survivor.round, uow.now)
            begun = Clock(**row)
            uow.session.add(begun)
            transitions.begun(uow, [begun])
            note(uow, event.merge_id, _BOOK, {row["id"]: {"own": None}})
        elif clock.state in {"running", "cancelled"}:
            alone = clock.state == "cancelled"
            noted = own.get(clock.id, None if alone else rfc3339(clock.started_at))
            note(uow, event.merge_id, _BOOK, {clock.id: {"own": noted}})
            if alone or each.started_at < clock.started_at:
                regime_clocks.restart(uow, clock, each.started_at)


def part(uow: UnitOfWork, event: DuplicateParted) -> Sequence[Clock]:
    """The clocks of the survivor, as they are without that source."""
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    found = queries.clocks_at_hand(uow.session, survivor.id, survivor.round)
    noted = merge_queries.ledger_of(uow.session, event.merge_id, _BOOK)
    present = present_round(queries.history(uow.session, survivor.id).and_then(Parted(event.source_id)))
    promised = promising.of(uow, survivor)
    moves = _moves(uow, promised, event)
    for clock in found:
        if clock.id not in noted:
            continue
        if clock.rule_id is not None:
            _part_regulator(uow, event, clock, noted[clock.id]["own"])
            continue
        if clock.kind == NEXT:
            _part_answer(uow, clock, noted[clock.id]["own"], present)
        elif (noted[clock.id].get("acknowledged") and survivor.acknowledged_at is None) or (
            clock.stopped_at is None and clock.started_at != present.began.replace(microsecond=0)
        ):
            clocks.restart(uow, clock, present.began, present.waits, uow.now)
        if clock.stopped_at is None and moves:
            promised.retarget(uow, clock, present.waits)
    return found


def _part_answer(uow: UnitOfWork, clock: Clock, own: str | None, present: Round) -> None:
    """It counts from where it did, or not at all; what was answered meanwhile is."""
    if clock.stopped_at is not None:
        return
    if own is None:
        clocks.cancel(uow, clock, uow.now)
    elif (start := parse_rfc3339(own)) != clock.started_at:
        clocks.restart(uow, clock, start, present.waits, uow.now)


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
        regime_clocks.restart(uow, clock, min(starts))


def take_up(uow: UnitOfWork, event: ComplaintActed) -> Sequence[Clock]:
    """A complaint goes on by itself again: what merging it had stopped is owed as it was. The clocks of its round."""
    history = queries.history(uow.session, event.complaint_id)
    merged_at = history.last_away
    back = Act(reopened=False, at=uow.now, waiting_on=event.waiting_on)
    present = present_round(history.and_then(back))
    found = queries.clocks_at_hand(uow.session, event.complaint_id, event.reopened_count + 1)
    for clock in found:
        if clock.stopped_at != merged_at:
            continue
        if clock.state == "breached":
            transitions.watch(uow, clock)
            clock.stopped_at = None
        elif clock.state == "cancelled":
            clocks.restart(uow, clock, clock.started_at, present.waits, uow.now)
    return found
