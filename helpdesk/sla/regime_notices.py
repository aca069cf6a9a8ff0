"""Notices that move a regulator's deadline, and the letters that they are.

A notice counts only before the deadline that it moves, as often as the rule allows, and by as much. Its text stands in the
thread, and is mailed unless it went another way; that it was sent is a milestone of its own, a clock that was kept. Nothing
pauses: the clock counts on to its new end.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import person_queries
from helpdesk.complaints.queries import Part
from helpdesk.complaints.thread import add_message, unmailable
from helpdesk.identity.actors import Actor
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, regime_acts, regime_clocks, regime_shared_queries, transitions
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_errors import DeadlinePassed, ExtensionUsed, NotExtensible
from helpdesk.sla.regime_events import DeadlineExtended
from helpdesk.sla.regime_models import ExtensionNotice
from helpdesk.sla.regime_rules import notice_kind

PURPOSE: Final = "holding_letter"


def check(session: Session, _actor: Actor, part: Part[Clock]) -> None:
    """Raises `NotExtensible`, `ExtensionUsed`."""
    clock = part.row
    if clock.rule_id is None or clock.state not in {"running", "breached"} or clock.stopped_at is not None:
        raise NotExtensible
    allowed = len(regime_clocks.rule_of(session, clock).extensions)
    if allowed == 0:
        raise NotExtensible
    if clock.extensions >= allowed:
        raise ExtensionUsed


def extend(uow: UnitOfWork, actor: Actor, part: Part[Clock], given: dict[str, Any]) -> tuple[UUID, UUID]:
    """`given`: text, of the letter, reason, and send: whether it is mailed. Raises `DeadlinePassed`, and
    `ValidationFailed` where it is to be mailed and nobody would be told. Call `check` first.
    """
    complaint, clock = part.complaint, part.row
    if clock.due_at is None or clock.state != "running" or uow.now >= clock.due_at:
        raise DeadlinePassed
    people = person_queries.recipients_of(uow.session, complaint.id) if given["send"] else []
    problems = unmailable(uow, people, "/send") if given["send"] else []
    if problems:
        raise ValidationFailed(errors=problems)
    before = {"due_at": clock.due_at, "target_amount": clock.target_amount}
    uow.know_stream(complaint)  # its clocks may ring
    _move(uow, clock)
    # One that it counts by may have been given to a complaint that was merged, and have gone with it: its number is not given again.
    number = max([clock.extensions, *(1 + known for known in regime_shared_queries.notice_times(uow.session, clock))])
    message_id = add_message(
        uow, actor, complaint, kind="public_reply", body=given["text"], purpose=PURPOSE, mailed=given["send"]
    )
    notice_id = new_id()
    notice = {
        "id": notice_id,
        "complaint_id": complaint.id,
        "clock_id": clock.id,
        "number": number,
        "reason": given["reason"],
        "message_id": message_id,
        "old_due_at": before["due_at"],
        "new_due_at": clock.due_at,
        "given_at": uow.now,
        "given_by": actor.id if actor.kind == "agent" else None,
    }
    uow.add_rows(ExtensionNotice, [notice])
    kept = _kept(uow, clock, before, number)
    uow.add_rows(Clock, [kept])
    transitions.begun(uow, [kept])
    complaint.changed_at(uow.now)
    uow.record(
        DeadlineExtended(
            **transitions.told(clock),
            due_at=clock.due_at,
            notice_id=notice_id,
            number=number,
            message_id=message_id,
            reason=given["reason"],
            changes=differences(before, {name: getattr(clock, name) for name in before}),
        ),
        stream=complaint,
    )
    regime_acts.note_dues(uow, complaint.id)
    return complaint.id, notice_id


def _move(uow: UnitOfWork, clock: Clock) -> None:
    """By the next step that its rule allows; what was due by the old deadline rings first. It still runs: nothing pauses it."""
    transitions.watch(uow, clock)
    clocks.ring(uow, clock, uow.now)
    step = regime_clocks.rule_of(uow.session, clock).extensions[clock.extensions]
    clock.target_amount = step.amount(clock.target_amount)
    clock.extensions += 1
    clocks.recompute(uow, clock, uow.now)


def _kept(uow: UnitOfWork, clock: Clock, before: dict[str, Any], number: int) -> dict[str, Any]:
    """The letter's own milestone: due when the deadline was, and sent now."""
    row = regime_clocks.carried_over(uow.session, clock, clock.complaint_id, clock.round, uow.now)
    row |= {
        **before,
        "kind": notice_kind(clock.kind, number),
        "extensions": clock.extensions - 1,
    }
    return regime_clocks.stopped(uow, row, uow.now)
