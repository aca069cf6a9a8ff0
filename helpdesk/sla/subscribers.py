"""How the clocks follow the life of a complaint, in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

from helpdesk.complaints.events import ComplaintActed, ComplaintReceived
from helpdesk.complaints.intake import NewComplaint
from helpdesk.complaints.link_events import ComplaintSplit, DuplicateMerged, DuplicateParted
from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import (
    clock_terms,
    clocks,
    joining,
    parting,
    policies_in_force,
    policy_facts,
    promising,
    queries,
    regime_acts,
    regime_choosing,
    regime_receiving,
    splitting,
    thread_queries,
    transitions,
)
from helpdesk.sla.models import Clock
from helpdesk.sla.policy_facts import OF_HANDLER
from helpdesk.sla.policy_spec import Policy
from helpdesk.sla.regime_facts import told_by
from helpdesk.sla.revising import AT_RECEIPT, FIRST, NEXT, REMEDY, note_next_due, owed_by, revise
from helpdesk.sla.rounds import WAITING, present_round

_AWAY: Final = frozenset({"withdrawn", "dismissed"})


def start_clocks(uow: UnitOfWork, received: Sequence[ComplaintReceived]) -> None:
    """The promises made by receiving a complaint: one look at the policies for all of them. Those of which it matters who gets
    them wait for that (`start_clocks_of_routed`).
    """
    _start_clocks(uow, [event for event in received if not _waits_for_routing(uow, event)])


def start_clocks_of_routed(uow: UnitOfWork, received: Sequence[ComplaintReceived]) -> None:
    """After routing, which cannot ask these when they are due."""
    _start_clocks(uow, [event for event in received if _waits_for_routing(uow, event)])


def _waits_for_routing(uow: UnitOfWork, event: ComplaintReceived) -> bool:
    born = uow.stream_of(event.complaint_id)
    if not isinstance(born, NewComplaint) or not born.to_route:
        return False
    return not policies_in_force.in_force(uow.session).wanted.isdisjoint(OF_HANDLER)


def _start_clocks(uow: UnitOfWork, received: Sequence[ComplaintReceived]) -> None:
    counted = [event for event in received if event.record_type == "complaint"]
    new = {event.complaint_id: uow.stream_of(event.complaint_id) for event in counted if event.split_from is None}
    promised = promising.of_new(uow, cast(Sequence[NewComplaint], list(new.values()))) if new else {}

    @cache  # the hundreds of an import share few days
    def by_policy(policy: Policy, severity: str, tier: str | None, start: datetime) -> list[dict[str, Any]]:
        made = (
            clock_terms.policy_terms(policy, kind=kind, severity=severity, tier=tier, start=start, now=uow.now)
            for kind in AT_RECEIPT
        )
        return [item for item in made if item is not None]

    by_rules = regime_receiving.receiving(uow)
    rows = []
    for event in counted:
        if event.split_from is not None:
            terms, regulated = splitting.terms_of_part(uow, event), regime_receiving.of_part(uow, event)
        else:
            own = promised[event.complaint_id]
            terms = by_policy(own.policy(event.received_at), own.severity, own.tier, event.received_at)
            regulated = by_rules(event)
        begun = [*(clock_terms.new_clock(event.complaint_id, item) for item in terms), *regulated]
        rows += begun
        complaint: Any = uow.stream_of(event.complaint_id)
        dues = (row["due_at"] for row in begun if row["stopped_at"] is None and row["due_at"] is not None)
        complaint.next_due_at = min(dues, default=NOTHING_DUE)
    uow.add_rows(Clock, rows)
    transitions.begun(uow, rows)


def follow_complaint(uow: UnitOfWork, acted: Sequence[ComplaintActed]) -> None:
    """One act may touch several clocks: stop what it fulfils, pause or resume, and go by the new severity and other facts."""
    for event in acted:
        if "record_type" in event.changes:
            _convert(uow, event)
        elif event.record_type == "complaint" and (_concerns_clocks(event) or _moves(uow, event)):
            _follow(uow, event)


def join_clocks(uow: UnitOfWork, events: Sequence[DuplicateMerged]) -> None:
    """Two complaints are one matter from now on: the earlier promise wins. After the source's own clocks were cancelled."""
    for event in events:
        note_next_due(uow, uow.stream_of(event.complaint_id), joining.join(uow, event))


def part_clocks(uow: UnitOfWork, events: Sequence[DuplicateParted]) -> None:
    for event in events:
        note_next_due(uow, uow.stream_of(event.complaint_id), parting.part(uow, event))


def split_clocks(uow: UnitOfWork, events: Sequence[ComplaintSplit]) -> None:
    """What a part took with it is not owed by the first one any more. After the part's clocks have begun."""
    for event in events:
        splitting.asked_elsewhere(uow, event)


def _complaint(uow: UnitOfWork, event: ComplaintActed) -> Complaint:
    return cast(Complaint, uow.stream_of(event.complaint_id))


def _convert(uow: UnitOfWork, event: ComplaintActed) -> None:
    """Of what is no complaint nothing was promised. Of what turns out to be one everything was, since it was received:
    what had been cancelled is owed again, from its old start.
    """
    complaint = _complaint(uow, event)
    if event.record_type != "complaint":
        for clock in queries.open_clocks_for_update(uow.session, [event.complaint_id]):
            clocks.cancel(uow, clock, uow.now)
        note_next_due(uow, complaint, ())
        return
    found = queries.clocks_at_hand(uow.session, event.complaint_id, complaint.round)
    revise(uow, complaint, found)
    if complaint.jurisdiction is not None:
        regime_acts.choose_anew(uow, complaint, "converted")


def _concerns_clocks(event: ComplaintActed) -> bool:
    return event.from_status != event.to_status or bool(
        {"acknowledged_at", "waiting_on", "status"} & set(event.changes)
    )


def _moves(uow: UnitOfWork, event: ComplaintActed) -> bool:
    """Whether what it changes may change what is promised."""
    if "severity" in event.changes:
        return True
    wanted = policies_in_force.in_force(uow.session).wanted
    judged = any({"category", "issue"} & changes.keys() for changes in event.issues.values())
    return policy_facts.touched(event.changes, wanted, issues=judged)


def _follow(uow: UnitOfWork, event: ComplaintActed) -> None:
    complaint, moves = _complaint(uow, event), _moves(uow, event)
    found = (
        queries.clocks_at_hand(uow.session, event.complaint_id, complaint.round)
        if moves
        else queries.open_clocks_for_update(uow.session, [event.complaint_id])
    )
    for clock in found:
        if clock.stopped_at is None:
            _apply(uow, event, clock)
    if event.action == "reopen":
        _restart(uow, event, complaint)
    elif event.action == "unmerge":
        found = parting.take_up(uow, event)
        revise(uow, complaint, found)  # its facts may be others since it went away
    elif event.to_status == "resolved" and event.from_status != "resolved":
        promising.begin(uow, promising.of(uow, complaint), complaint, "follow_up", uow.now)
    elif moves:
        revise(uow, complaint, found)
    note_next_due(uow, complaint, found)
    if complaint.jurisdiction is not None:
        _follow_regime(uow, event, complaint, found)


def _follow_regime(uow: UnitOfWork, event: ComplaintActed, complaint: Complaint, found: Sequence[Clock]) -> None:
    """Regulators' clocks that this act starts; those that it fulfils stop."""
    told = told_by(event.type, event.payload())
    if told:
        still = [clock for clock in found if clock.rule_id is not None and clock.stopped_at is None]
        regime_choosing.follow(uow, complaint, told, still)
        regime_acts.note_dues(uow, complaint.id)


def _apply(uow: UnitOfWork, event: ComplaintActed, clock: Clock) -> None:
    if _ended(event, clock):
        clocks.cancel(uow, clock, uow.now)
    elif clock.rule_id is not None:
        return  # facts stop it, and nothing pauses it
    elif _fulfilled(event, clock):
        clocks.stop(uow, clock, uow.now)
    elif event.waiting_on in WAITING:
        clocks.pause(uow, clock, uow.now)
    else:
        clocks.resume(uow, clock, uow.now)


def _ended(event: ComplaintActed, clock: Clock) -> bool:
    """Whether nothing is owed of it any more. What was accepted as a remedy is owed whatever becomes of the complaint."""
    if clock.kind == REMEDY:
        return False
    return event.to_status in _AWAY or (event.action == "reopen" and clock.round <= event.reopened_count)


def _fulfilled(event: ComplaintActed, clock: Clock) -> bool:
    if event.to_status == "followed_up":
        return True
    if clock.kind == REMEDY:
        return False
    if event.to_status == "resolved":
        return clock.kind != "follow_up"
    if event.to_status == "investigated" and clock.kind == "investigate":
        return True
    return clock.kind == "acknowledge" and "acknowledged_at" in event.changes


def _restart(uow: UnitOfWork, event: ComplaintActed, complaint: Complaint) -> None:
    """A reopened complaint gets its promises anew, from the moment of reopening, or what was left of them, as each target says
    (`on_reopen`); a message that waited for an answer when it was closed waits again. A regulator counts on: what was cut off by a
    withdrawal or dismissal that did not last, broken or not, is owed again, from its old start.
    """
    promised = promising.of(uow, complaint)
    before = queries.clocks_of_round_for_update(uow.session, event.complaint_id, event.reopened_count)
    latest = {clock.kind: clock for clock in sorted(before, key=lambda clock: (clock.started_at, clock.id))}
    for kind in (*owed_by(complaint), FIRST):
        promising.begin_again(uow, promised, complaint, kind, latest.get(kind))
    if promised.promise(NEXT, uow.now) is not None:
        round_ = present_round(history := queries.history(uow.session, complaint.id))
        asked = thread_queries.oldest_unanswered(uow.session, complaint.id, round_.began)
        if asked is not None and (history.closed_at is None or asked.at < history.closed_at):
            waited = next((clock for clock in before if clock.kind == NEXT and clock.subject_id == asked.id), None)
            promising.begin_again(uow, promised, complaint, NEXT, waited, subject_id=asked.id)
    for row in regime_choosing.carried_on(uow, complaint, before):
        begun = Clock(**row)
        uow.session.add(begun)
        transitions.begun(uow, [begun])
