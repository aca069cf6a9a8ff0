"""Triggers as data, in every version: made, changed, taken away, paused.

A trigger acts on every complaint, so it is for those who see every complaint to write one, and it does nothing that its
writer may not do. All of it is checked when it is written: events, fields and operators of the condition, the body of each
action.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.automation import facts, queries, rules
from helpdesk.automation.actions import check_named, check_within, read_actions
from helpdesk.automation.errors import TooManyTriggers
from helpdesk.automation.events import TriggerChanged, TriggerCreated, TriggerPaused, TriggerRemoved
from helpdesk.automation.models import PARTS, Trigger, TriggerVersion
from helpdesk.automation.timing import Timer, calendar_of
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.expressions import read
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.positions import behind
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

log = structlog.get_logger()

MOST: Final = 1_000
PAUSED_AFTER: Final = 10
"""Failures in a row."""

_OWN: Final = ("name", "description", "position", "active")


def create(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    """Raises `ValidationFailed` that names every bad place, `TooManyTriggers`."""
    check_sees_all(actor)
    spec = spec_of(uow, actor, given)
    if queries.lock_and_count_triggers(uow.session) >= MOST:
        raise TooManyTriggers(f"There are {MOST} already.")
    position = given.get("position")
    timed = "time" in spec["on"]
    trigger = Trigger(
        id=new_id(),
        version=1,
        name=given["name"],
        description=given.get("description"),
        position=behind(queries.last_position(uow.session)) if position is None else position,
        active=given["active"],
        timed=timed,
        spec=spec,
        changed_by=actor.id,
        failures=0,
        swept_to=uow.now if timed else None,
    )
    uow.session.add(trigger)
    uow.session.flush()  # the version refers to it
    after = _whole(trigger)
    _note(uow, trigger, after)
    changes = {name: [None, value] for name, value in after.items()}
    record_administration(uow, TriggerCreated(trigger_id=trigger.id, version=1, changes=changes))
    return trigger.id


def change(uow: UnitOfWork, actor: Actor, trigger: Trigger, given: dict[str, Any]) -> UUID:
    """`given`: any of its fields. What it did stays done. To set it active begins its count of failures anew, and a timed
    one looks from now on.
    """
    before = _whole(trigger)
    if given.keys() & set(PARTS):
        trigger.spec = spec_of(uow, actor, {**trigger.spec, **given}, changed=given.keys())
    elif given.get("active") and not trigger.active:
        check_within(actor, read_actions(trigger.spec["actions"]))
    if given.get("active") and not trigger.active:
        check_named(uow.session, read_actions(trigger.spec["actions"]))  # what was there may have gone meanwhile
    for name in _OWN:
        if name in given:
            setattr(trigger, name, given[name])
    if given.get("active"):
        trigger.failures, trigger.paused_at, trigger.paused_because = 0, None, None
    trigger.timed = "time" in trigger.spec["on"]
    _look_from_now(uow, trigger, before)
    after = _whole(trigger)
    changes = differences(before, after)
    if changes:
        trigger.changed_by = actor.id
        trigger.touch()
        _note(uow, trigger, after)
        record_administration(uow, TriggerChanged(trigger_id=trigger.id, version=trigger.version, changes=changes))
    return trigger.id


def _look_from_now(uow: UnitOfWork, trigger: Trigger, before: Mapping[str, Any]) -> None:
    """One that waits for another moment, or has waited for none, does not make up for what it has not seen."""
    if not trigger.timed:
        trigger.swept_to = None
    elif trigger.swept_to is None or trigger.spec["on"] != before["on"] or (trigger.active and not before["active"]):
        trigger.swept_to = uow.now


def remove(uow: UnitOfWork, trigger: Trigger) -> UUID:
    """It does nothing any more; what it did still names it."""
    trigger.removed_at = uow.now
    trigger.touch()
    rules.changed(uow)
    changes = {"removed_at": json_safe([None, uow.now])}
    record_administration(uow, TriggerRemoved(trigger_id=trigger.id, version=trigger.version, changes=changes))
    return trigger.id


def note_failure(uow: UnitOfWork, trigger: Trigger, complaint: Complaint, because: str) -> None:
    """Another failure of a locked trigger, on a locked complaint; the last of many in a row takes it out of force, and
    who may change it is told.
    """
    trigger.failures += 1
    if trigger.failures < PAUSED_AFTER or not trigger.active:
        return
    before = _whole(trigger)
    trigger.active = False
    trigger.paused_at = uow.now
    trigger.paused_because = f"It failed {trigger.failures} times in a row, the last time so: {because}"[:1000]
    trigger.touch()
    after = _whole(trigger)
    _note(uow, trigger, after)
    uow.know_stream(complaint)
    record_administration(
        uow,
        TriggerPaused(
            trigger_id=trigger.id,
            version=trigger.version,
            name=trigger.name,
            complaint_id=complaint.id,
            failures=trigger.failures,
            because=trigger.paused_because,
            changes={"active": [before["active"], after["active"]]},
        ),
    )
    log.warning("trigger paused", trigger=str(trigger.id), failures=trigger.failures)


def check_sees_all(actor: Actor) -> None:
    if not actor.sees_all:
        raise Forbidden("A trigger acts on every complaint; you see only some.", permission="automation:manage")


def check_own(_session: Session, actor: Actor, _trigger: Trigger) -> None:
    check_sees_all(actor)


def spec_of(
    uow: UnitOfWork, actor: Actor, given: Mapping[str, Any], changed: Collection[str] = PARTS
) -> dict[str, Any]:
    """What a trigger does, in one spelling. What is not `changed` was checked when it was written, but for whether it goes
    together, and whether the writer may do it. Raises `ValidationFailed` that names every bad place at once.
    """
    problems: list[FieldError] = []
    on, condition, actions = json_safe(given["on"]), given["condition"], json_safe(given["actions"])
    expression = None
    try:
        kept = "condition" not in changed
        expression = read(condition, facts.vocabulary(uow.session), "/condition", kept=kept)
    except ValidationFailed as error:
        problems += error.errors
    if expression is not None:
        condition = expression.as_json()
        problems += _misfits(on, expression)
    if "on" in changed:
        problems += _uncomputable(uow, on)
    try:
        found = read_actions(actions)
        check_within(actor, found)
        if "actions" in changed:
            check_named(uow.session, found)
    except ValidationFailed as error:
        problems += error.errors
    if problems:
        raise ValidationFailed(errors=problems)
    return {
        "on": on,
        "condition": condition,
        "actions": [{"step": item["step"], "given": item["given"]} for item in actions],
        "stop_after": given["stop_after"],
        "own_changes": given["own_changes"],
        "imports": given["imports"],
    }


def _misfits(on: Mapping[str, Any], expression: Any) -> list[FieldError]:
    if "time" not in on:
        return []
    if expression.asks_for_changes:
        return [FieldError.at("/condition", "changes", "Time changes nothing: ask for what is so by then.")]
    if any(name.startswith("event.") for name in expression.fields):
        return [FieldError.at("/condition", "event", "Where time is the cause there is no event to ask about.")]
    return []


def _uncomputable(uow: UnitOfWork, on: Mapping[str, Any]) -> list[FieldError]:
    if "time" not in on:
        return []
    timer = Timer.of(on["time"])
    why = timer.problem_with(uow.now, calendar_of(uow.session))
    return [] if why is None else [FieldError.at("/on/time/minutes", "uncomputable", f"{why[:1].upper()}{why[1:]}.")]


def _whole(trigger: Trigger) -> dict[str, Any]:
    whole: dict[str, Any] = json_safe({name: getattr(trigger, name) for name in _OWN} | trigger.spec)
    return whole


def _note(uow: UnitOfWork, trigger: Trigger, spec: dict[str, Any]) -> None:
    row = {"trigger_id": trigger.id, "version": trigger.version, "spec": spec, "created_at": uow.now}
    uow.add_rows(TriggerVersion, [row])
    rules.changed(uow)
