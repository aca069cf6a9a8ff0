"""How the clocks follow the life of a complaint, in the same transaction."""

from collections.abc import Sequence

from helpdesk.complaints.events import ComplaintActed, ComplaintReceived
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, queries
from helpdesk.sla.models import Clock
from helpdesk.sla.specs import Policy, rules_for

_AT_RECEIPT = ("acknowledge", "investigate", "resolve")
_WAITING = {"customer", "third_party"}


def start_clocks(uow: UnitOfWork, received: Sequence[ComplaintReceived]) -> None:
    """The promises made by receiving a complaint: one look at the policy for all of them."""
    policy = queries.default_policy(uow.session)
    rows = []
    for event in received:
        for kind in _AT_RECEIPT:
            row = clocks.policy_clock(
                policy,
                event.complaint_id,
                kind=kind,
                severity=event.severity,
                start=event.received_at,
                now=uow.now,
            )
            if row is not None:
                rows.append(row)
        rows += [
            clocks.rule_clock(rule, event.complaint_id, event.clock_starts[rule.clock_start], uow.now)
            for rule in rules_for(event.jurisdiction, event.sector)
            if rule.clock_start in event.clock_starts
        ]
    uow.add_rows(Clock, rows)


def follow_complaint(uow: UnitOfWork, acted: Sequence[ComplaintActed]) -> None:
    """One act may touch several clocks: stop what it fulfils, pause or resume, and go by the new severity."""
    for event in acted:
        _follow(uow, event)


def _follow(uow: UnitOfWork, event: ComplaintActed) -> None:
    if not _concerns_clocks(event):
        return
    policy = queries.default_policy(uow.session) if "severity" in event.changes else None
    for clock in queries.open_clocks_for_update(uow.session, [event.complaint_id]):
        _apply(uow, event, clock, policy)
    if event.action == "reopen":
        _restart(uow, event)
    elif event.to_status == "resolved" and event.from_status != "resolved":
        _start(uow, event, ("follow_up",), queries.rounds(uow.session, event.complaint_id) or 1)


def _concerns_clocks(event: ComplaintActed) -> bool:
    return event.from_status != event.to_status or bool(
        {"acknowledged_at", "waiting_on", "severity", "status"} & set(event.changes)
    )


def _apply(uow: UnitOfWork, event: ComplaintActed, clock: Clock, policy: Policy | None) -> None:
    if event.to_status in {"withdrawn", "dismissed"} or event.action == "reopen":
        clocks.cancel(uow, clock, uow.now)
    elif _fulfilled(event, clock):
        clocks.stop(uow, clock, uow.now)
    else:
        if policy is not None:
            clocks.retarget(uow, clock, policy, event.severity, uow.now)
        if event.waiting_on in _WAITING:
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


def _restart(uow: UnitOfWork, event: ComplaintActed) -> None:
    """A reopened complaint gets its promises anew, from the moment of reopening."""
    round_ = queries.rounds(uow.session, event.complaint_id) + 1
    kinds = ("investigate", "resolve") if event.acknowledged else _AT_RECEIPT
    _start(uow, event, kinds, round_)


def _start(uow: UnitOfWork, event: ComplaintActed, kinds: tuple[str, ...], round_: int) -> None:
    policy = queries.default_policy(uow.session)
    rows = [
        clocks.policy_clock(
            policy,
            event.complaint_id,
            kind=kind,
            severity=event.severity,
            start=uow.now,
            now=uow.now,
            round_=round_,
        )
        for kind in kinds
    ]
    uow.add_rows(Clock, [row for row in rows if row is not None])
