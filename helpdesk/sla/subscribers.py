"""How the clocks follow the life of a complaint, in the same transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from helpdesk.complaints.events import ComplaintActed, ComplaintReceived
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.complaints.models import NOTHING_DUE
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, joining, queries
from helpdesk.sla.models import Clock
from helpdesk.sla.rounds import WAITING, present_round
from helpdesk.sla.specs import Policy, Rule, rule_by_id, rules_for

_AT_RECEIPT = ("acknowledge", "investigate", "resolve")


def start_clocks(uow: UnitOfWork, received: Sequence[ComplaintReceived]) -> None:
    """The promises made by receiving a complaint: one look at the policy for all of them."""
    policy = queries.default_policy(uow.session)

    @cache  # the hundreds of an import share few days
    def by_policy(severity: str, start: datetime) -> list[dict[str, Any]]:
        terms = [
            clocks.policy_terms(policy, kind=kind, severity=severity, start=start, now=uow.now) for kind in _AT_RECEIPT
        ]
        return [item for item in terms if item is not None]

    @cache
    def by_rule(rule: Rule, start: datetime) -> dict[str, Any]:
        return clocks.rule_terms(rule, start, uow.now)

    rows = []
    for event in received:
        if event.record_type != "complaint":
            continue
        if event.split_from is not None:
            of_part = joining.clocks_of_part(uow, event, policy)
            note_next_due(uow, event.complaint_id, (row["due_at"] for row in of_part))
            rows += of_part
            continue
        starts = event.clock_starts
        terms = [
            *by_policy(event.severity, event.received_at),
            *(
                by_rule(rule, starts[rule.clock_start])
                for rule in rules_for(event.jurisdiction, event.sector)
                if rule.clock_start in starts
            ),
        ]
        rows += [clocks.new_clock(event.complaint_id, item) for item in terms]
        note_next_due(uow, event.complaint_id, (item["due_at"] for item in terms))
    uow.add_rows(Clock, rows)


def note_next_due(uow: UnitOfWork, complaint_id: UUID, dues: Iterable[datetime | None]) -> None:
    """Write the earliest open promise onto the complaint, for the order of the queues. `dues`: of every clock that is not
    stopped. Whoever starts, stops or moves clocks of a complaint calls it; the unit of work holds the complaint's lock.
    """
    complaint: Any = uow.stream_of(complaint_id)
    complaint.next_due_at = min((due for due in dues if due is not None), default=NOTHING_DUE)


def follow_complaint(uow: UnitOfWork, acted: Sequence[ComplaintActed]) -> None:
    """One act may touch several clocks: stop what it fulfils, pause or resume, and go by the new severity."""
    for event in acted:
        if "record_type" in event.changes:
            _convert(uow, event)
        elif event.record_type == "complaint" and _concerns_clocks(event):
            _follow(uow, event)


def join_clocks(uow: UnitOfWork, events: Sequence[DuplicateMerged]) -> None:
    """Two complaints are one matter from now on: the earlier promise wins. After the source's own clocks were cancelled."""
    for event in events:
        note_next_due(uow, event.complaint_id, joining.join(uow, event))


def part_clocks(uow: UnitOfWork, events: Sequence[DuplicateParted]) -> None:
    for event in events:
        note_next_due(uow, event.complaint_id, joining.part(uow, event))


def _convert(uow: UnitOfWork, event: ComplaintActed) -> None:
    """Of what is no complaint nothing was promised. Of what turns out to be one everything was, since it was received:
    what had been cancelled is owed again, from its old start.
    """
    if event.record_type != "complaint":
        for clock in queries.open_clocks_for_update(uow.session, [event.complaint_id]):
            clocks.cancel(uow, clock, uow.now)
        note_next_due(uow, event.complaint_id, ())
        return
    found = queries.clocks_of_round_for_update(uow.session, event.complaint_id, _round_number(event))
    rows = _promise_anew(uow, event, found)
    kept = {clock.kind: clock for clock in found}
    regulatory = []
    jurisdiction, sector, starts = queries.regulated(uow.session, event.complaint_id)
    for rule in rules_for(jurisdiction, sector):
        if rule.id in kept:
            clocks.revive(uow, kept[rule.id], uow.now)
        elif rule.clock_start in starts:
            terms = clocks.rule_terms(rule, starts[rule.clock_start], uow.now)
            regulatory.append(clocks.new_clock(event.complaint_id, terms, _round_number(event)))
    uow.add_rows(Clock, regulatory)
    _note_next_due(uow, event, found, [*rows, *regulatory])


def _note_next_due(
    uow: UnitOfWork, event: ComplaintActed, found: Sequence[Clock], begun: Sequence[dict[str, Any]]
) -> None:
    still = [clock.due_at for clock in found if clock.stopped_at is None]
    note_next_due(uow, event.complaint_id, [*still, *(row["due_at"] for row in begun)])


def _concerns_clocks(event: ComplaintActed) -> bool:
    return event.from_status != event.to_status or bool(
        {"acknowledged_at", "waiting_on", "severity", "status"} & set(event.changes)
    )


def _follow(uow: UnitOfWork, event: ComplaintActed) -> None:
    moves = "severity" in event.changes
    found = (
        queries.clocks_of_round_for_update(uow.session, event.complaint_id, _round_number(event))
        if moves
        else queries.open_clocks_for_update(uow.session, [event.complaint_id])
    )
    for clock in found:
        if clock.stopped_at is None:
            _apply(uow, event, clock)
    begun: list[dict[str, Any]] = []
    if event.action == "reopen":
        begun = _restart(uow, event)
    elif event.action == "unmerge":
        found = joining.take_up(uow, event)
    elif event.to_status == "resolved" and event.from_status != "resolved":
        begun = _start(uow, event, queries.default_policy(uow.session), ("follow_up",), uow.now)
    elif moves:
        begun = _promise_anew(uow, event, found)
    _note_next_due(uow, event, found, begun)


def _apply(uow: UnitOfWork, event: ComplaintActed, clock: Clock) -> None:
    if event.to_status in {"withdrawn", "dismissed"} or event.action == "reopen":
        clocks.cancel(uow, clock, uow.now)
    elif _fulfilled(event, clock):
        clocks.stop(uow, clock, uow.now)
    elif event.waiting_on in WAITING:
        clocks.pause(uow, clock, uow.now)
    else:
        clocks.resume(uow, clock, uow.now)


def _fulfilled(event: ComplaintActed, clock: Clock) -> bool:
    if event.to_status == "followed_up":
        return True
    if event.to_status == "resolved":
        return clock.kind != "follow_up"
    if event.to_status == "investigated" and clock.kind == "investigate":
        return True
    return clock.kind == "acknowledge" and "acknowledged_at" in event.changes


def _owed(event: ComplaintActed) -> list[str]:
    """The kinds of promise that are still to be kept, whether the policy promises them or not."""
    owed = {
        "acknowledge": event.to_status in OPEN and not event.acknowledged,
        "investigate": event.to_status == "received",
        "resolve": event.to_status in OPEN,
        "follow_up": event.to_status == "resolved",
    }
    return [kind for kind, is_owed in owed.items() if is_owed]


def _round_number(event: ComplaintActed) -> int:
    return event.reopened_count + 1


def _start(
    uow: UnitOfWork,
    event: ComplaintActed,
    policy: Policy,
    kinds: Sequence[str],
    start: datetime,
    *,
    waits: clocks.Pauses = (),
) -> list[dict[str, Any]]:
    """Clocks of those kinds of which the policy promises anything; their rows."""
    promised = [
        clocks.policy_clock(
            policy,
            event.complaint_id,
            kind=kind,
            severity=event.severity,
            start=start,
            now=uow.now,
            round_=_round_number(event),
            waits=waits,
        )
        for kind in kinds
    ]
    rows = [row for row in promised if row is not None]
    uow.add_rows(Clock, rows)
    return rows


def _promise_anew(uow: UnitOfWork, event: ComplaintActed, found: Sequence[Clock]) -> list[dict[str, Any]]:
    """Another severity: its targets for what is still owed, counted from the beginning of the round."""
    policy = queries.default_policy(uow.session)
    present = present_round(queries.history(uow.session, event.complaint_id))
    owed = _owed(event)
    for clock in found:
        if clock.kind in owed:
            owed.remove(clock.kind)
            clocks.retarget(uow, clock, policy, event.severity, waits=present.waits, at=uow.now)
    return _start(uow, event, policy, owed, present.began, waits=present.waits)


def _restart(uow: UnitOfWork, event: ComplaintActed) -> list[dict[str, Any]]:
    """A reopened complaint gets its promises anew, from the moment of reopening. A regulator counts on: what was
    cancelled by a withdrawal or dismissal that did not last is owed again, from its old start.
    """
    begun = _start(uow, event, queries.default_policy(uow.session), _owed(event), uow.now)
    rows = []
    for clock in queries.clocks_of_round_for_update(uow.session, event.complaint_id, event.reopened_count):
        rule = rule_by_id(clock.rule_id) if clock.rule_id and clock.state == "cancelled" else None
        if rule is not None:
            terms = clocks.rule_terms(rule, clock.started_at, uow.now)
            rows.append(clocks.new_clock(event.complaint_id, terms, _round_number(event)))
    uow.add_rows(Clock, rows)
    return begun + rows
