"""The clocks of complaints that are merged (`parting`: when they are taken apart again).

**Merged**: the earlier promise wins. The survivor's open clocks count from the start of the older of the two, less what that
one waited until the other began; a message that waits for an answer in the source waits for it in the survivor. What was met
or broken stays so. What was done for the source hurries nobody: its acknowledgement is the survivor's where that has none, in
time or late by when it was made, and where it was answered the survivor's first response counts from its own start.
Regulators' clocks follow from the facts of both (`regime_choosing`), met and broken ones too; what was owed on the source goes
on at the survivor.

What was done to each clock stands in the merge's book (`complaints.merge_ledger`): `own`, its start without any merge, None
for one that is there only because of merges; `theirs`, of a first response and of what goes on from a round before (the survivor's, or the
source's), the start that the source brought, None where it brought none; `carried` and `their_carried`, what each of the two carries from
a round before; `acknowledged`, that the merge stopped it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_events import DuplicateEvent, DuplicateMerged
from helpdesk.complaints.merge_ledger import note
from helpdesk.complaints.models import Complaint, Issue
from helpdesk.complaints.tag_events import ComplaintTagged
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import (
    beginnings,
    clocks,
    policy_facts,
    promising,
    queries,
    regime_clocks,
    thread_queries,
    transitions,
)
from helpdesk.sla.beginnings import BOOK, Beginning
from helpdesk.sla.models import Clock
from helpdesk.sla.promising import Promised
from helpdesk.sla.revising import AT_RECEIPT, FIRST, NEXT, REMEDY
from helpdesk.sla.rounds import Joined, Round, present_round


def join(uow: UnitOfWork, event: DuplicateMerged) -> Sequence[Clock]:
    """After the source's clocks were cancelled. The clocks of the survivor; those that have begun beside them."""
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    found = queries.clocks_at_hand(uow.session, survivor.id, survivor.round)
    if survivor.record_type != "complaint":
        return found
    if event.source_record_type != "complaint":
        _ask_with_the_thread(uow, event, survivor, found)
        return found
    source = complaints.complaint_by_id_for_update(uow.session, event.source_id)
    theirs = queries.clocks_of_round_for_update(uow.session, source.id, source.round)
    joined = Joined(source.id, present_round(queries.history(uow.session, source.id)))
    present = present_round(queries.history(uow.session, survivor.id).and_then(joined))
    moved = beginnings.moved(uow.session, survivor.id)
    promised = promising.of(uow, survivor)
    moves = may_move(uow, promised, event)
    brought = _brought(theirs, joined.round.began)
    for clock in found:
        if clock.policy_id is None or clock.stopped_at is not None or clock.kind not in AT_RECEIPT:
            continue
        clocks.ring(uow, clock, uow.now)  # what was broken before is, whether its alarm has come by or not
        known = moved.get(clock.id) or beginnings.Moved(rfc3339(clock.started_at))
        noted: dict[str, Any] = {"own": known.own}
        there = next((each for each in theirs if each.kind == clock.kind and each.carried is not None), None)
        if clock.kind == FIRST or clock.carried is not None or there is not None:
            since = brought if clock.kind == FIRST else joined.round.began if there is None else there.started_at
            bring = None if since is None else Beginning(since, None if there is None else there.carried)
            noted["theirs"] = None if since is None else rfc3339(since)
            noted["carried"] = known.carried(clock)
            noted["their_carried"] = None if bring is None else bring.carried
            begins = beginnings.of_clock(clock).or_earlier(bring)
        else:
            begins = Beginning(present.began, None)
        acknowledged = clock.kind == "acknowledge" and "acknowledged_at" in event.changes
        if acknowledged and survivor.acknowledged_at is not None:
            # They have been written to, under whichever reference; whether in time is told by when, and not by what has rung.
            carry(uow, clock, begins)
            clocks.restart(uow, clock, begins.at, present.until(survivor.acknowledged_at).waits, uow.now)
            clocks.stop(uow, clock, max(survivor.acknowledged_at, clock.started_at))
            noted["acknowledged"] = True
        else:
            _count_from(uow, clock, begins, present)
        if moves:
            promised.retarget(uow, clock, present.waits)
        note(uow, event.merge_id, BOOK, {clock.id: noted})
    _join_answers(uow, event, theirs, survivor, promised=promised, found=found, present=present, moved=moved)
    for clock in found if moves else ():
        if clock.kind in {NEXT, REMEDY} and clock.stopped_at is None:
            promised.retarget(uow, clock, present.waits)
    _join_regulators(uow, event, theirs, survivor, found=found, moved=moved)
    return found


def _ask_with_the_thread(uow: UnitOfWork, event: DuplicateMerged, survivor: Complaint, found: Sequence[Clock]) -> None:
    """Of what is no complaint nothing was promised; but who asked in it, and has no answer, asks in a complaint now."""
    present = present_round(queries.history(uow.session, survivor.id))
    moved = beginnings.moved(uow.session, survivor.id)
    _join_answers(
        uow, event, (), survivor, promised=promising.of(uow, survivor), found=found, present=present, moved=moved
    )


def _brought(theirs: Sequence[Clock], began: datetime) -> datetime | None:
    """From when the source's first response is owed; None where it was given, in time or late: whoever complained first has had
    their answer, and the other one waits as long as they did.
    """
    first = next((clock for clock in theirs if clock.kind == FIRST), None)
    if first is None:
        return began
    return first.started_at if first.elapsed_seconds is None else None


def may_move(uow: UnitOfWork, promised: Promised, event: DuplicateEvent) -> bool:
    """Whether the merge, with all that goes over in it, may change what the survivor is promised."""
    changed = set(event.changes)
    for item in uow.happened:
        if isinstance(item.event, ComplaintTagged) and item.event.complaint_id == event.complaint_id:
            changed |= item.event.changes.keys()
    issues = bool(event.moved.get(Issue.__tablename__))
    return "severity" in changed or policy_facts.touched(changed, promised.policies.wanted, issues=issues)


def _count_from(uow: UnitOfWork, clock: Clock, begins: Beginning, present: Round) -> None:
    """What an open clock of the policy promises from then, by the waits of the present round."""
    if clock.state != "breached" and not begins_so(clock, begins):
        carry(uow, clock, begins)
        clocks.restart(uow, clock, begins.at, present.waits, uow.now)


def begins_so(clock: Clock, begins: Beginning) -> bool:
    """Whether it counts from there already."""
    return clock.started_at == begins.at.replace(microsecond=0) and clock.carried == begins.carried


def carry(uow: UnitOfWork, clock: Clock, begins: Beginning) -> None:
    """Before it is restarted from there."""
    transitions.watch(uow, clock)
    clock.carried = begins.carried


def _join_answers(
    uow: UnitOfWork,
    event: DuplicateMerged,
    theirs: Sequence[Clock],
    survivor: Complaint,
    *,
    promised: Promised,
    found: Sequence[Clock],
    present: Round,
    moved: Mapping[UUID, beginnings.Moved],
) -> None:
    """Who asked in the duplicate is answered in the survivor: of two that wait, the older one counts."""
    mine = next((clock for clock in found if clock.kind == NEXT and clock.stopped_at is None), None)
    waiting = next((clock for clock in theirs if clock.kind == NEXT and _cut_off(uow, clock)), None)
    if mine is not None:
        clocks.ring(uow, mine, uow.now)
    if mine is None:
        asked = _asked(uow, promised, survivor, waiting, present)
        there = None if asked is None else _answer_there(found, asked, survivor)
        if asked is not None and there is not None:
            _waits_again(uow, promised, there, asked, present)
        elif asked is not None:
            carried = None if waiting is None else waiting.carried
            waits, about = present.waits, asked.id
            there = promising.begin(
                uow, promised, survivor, NEXT, asked.at, waits=waits, subject_id=about, carried=carried
            )
        if there is not None:
            note(uow, event.merge_id, BOOK, {there.id: {"own": None}})
    elif waiting is not None and waiting.started_at < mine.started_at and mine.state != "breached":
        known = moved.get(mine.id) or beginnings.Moved(rfc3339(mine.started_at))
        alone = {"own": known.own, "carried": known.carried(mine)}
        note(uow, event.merge_id, BOOK, {mine.id: alone})
        begins = beginnings.of_clock(mine).or_earlier(beginnings.of_clock(waiting))
        carry(uow, mine, begins)
        clocks.restart(uow, mine, begins.at, present.waits, uow.now)


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
    elif clocks.is_cut_off(clock):
        clocks.count_on(uow, clock)


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


def _cut_off(uow: UnitOfWork, clock: Clock) -> bool:
    """Whether it was owed until this merge, broken or not."""
    return clock.stopped_at == uow.now and clock.elapsed_seconds is None


def _join_regulators(
    uow: UnitOfWork,
    event: DuplicateMerged,
    theirs: Sequence[Clock],
    survivor: Complaint,
    *,
    found: Sequence[Clock],
    moved: Mapping[UUID, beginnings.Moved],
) -> None:
    """What is owed to a regulator on the source is owed by the survivor, as it was extended there. From when and until when all of
    them count follows from the facts of both, which is asked next (`regime_subscribers.duplicates_changed`).
    """
    there = {clock.kind: clock for clock in found if clock.rule_id is not None and clock.round == survivor.round}
    for each in theirs:
        if each.rule_id is None:
            continue
        clock = there.get(each.kind)
        if clock is not None:
            alone = None if clock.state == "cancelled" else rfc3339(clock.started_at)
            note(uow, event.merge_id, BOOK, {clock.id: {"own": moved[clock.id].own if clock.id in moved else alone}})
        elif _cut_off(uow, each):
            row = regime_clocks.carried_over(uow.session, each, survivor.id, survivor.round, uow.now)
            begun = Clock(**row)
            uow.session.add(begun)
            transitions.begun(uow, [begun])
            note(uow, event.merge_id, BOOK, {row["id"]: {"own": None}})
