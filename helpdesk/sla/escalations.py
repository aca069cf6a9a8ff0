"""What is owed when an alarm rings: the actions of its rung, written in the transaction in which it rings.

A rung that only tells somebody is done there and then, for all alarms of the transaction together. One that changes the complaint is
owed: a duty does its actions one by one, in their order, each in a transaction of its own (`escalating`), so that one that fails
keeps no other from being done; whatever rings of that complaint meanwhile waits its turn.
"""

from collections.abc import MutableMapping, Sequence
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import bulk
from helpdesk.kernel.events import Recorded
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import alarms, clock_terms, escalation_queries, notices
from helpdesk.sla.escalation_models import Escalation
from helpdesk.sla.ladder import BREACHED, moment
from helpdesk.sla.models import Clock

TOPIC: Final = "sla.escalate"
"""Of the duty to do what is owed of a complaint; its subject is the complaint."""
NOTIFY: Final = "notify"

_rang: MutableMapping[UnitOfWork, list[Any]] = WeakKeyDictionary()


def note(uow: UnitOfWork, events: Sequence[Any]) -> None:
    """Alarms that rang (`events.SlaWarned`, `SlaBreached`, `SlaOverdue`). What they owe is written at the end, when it is known what
    became of their clocks.
    """
    _rang.setdefault(uow, []).extend(events)
    uow.at_end(note, _owe)


def _owe(uow: UnitOfWork) -> None:
    events = _rang.pop(uow)
    recorded = {id(item.event): item for item in uow.happened}
    rows = [row for event in events for row in _actions(uow, event, recorded[id(event)])]
    if not rows:
        return
    rows.sort(key=lambda row: (row["planned_for"], row["clock_id"], row["place"]))
    acting = {row["complaint_id"] for row in rows if row["outcome"] == "owed" and row["step"] != NOTIFY}
    telling = {row["complaint_id"] for row in rows if row["outcome"] == "owed"} - acting
    acting |= escalation_queries.still_owed(uow.session, telling) if telling else set()
    asks = {row["id"]: _ask(uow, row) for row in rows if row["outcome"] == "owed" and row["complaint_id"] not in acting}
    told = notices.Telling(uow, list(asks.values()))
    for row in rows:
        if row["id"] in asks:
            if told.answer(asks[row["id"]], whole=False) is None:
                row.update(outcome="done", settled_at=uow.now)
            else:  # which is told by an event of the complaint, and that in a transaction of its own
                acting.add(row["complaint_id"])
    for complaint_id in sorted(acting):
        uow.duty(TOPIC, complaint_id)
    bulk.write_rows(uow.session, {Escalation.__table__: [_row(row) for row in rows]})
    told.write()


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "late_seconds"}


def _actions(uow: UnitOfWork, event: Any, recorded: Recorded) -> list[dict[str, Any]]:
    """Nothing for a threshold that nobody wrote, where nobody has the complaint; nor, then, for a breach from before the complaint was
    entered: an import of old ones is no news to those who lead.
    """
    clock = uow.session.get(Clock, event.clock_id)
    complaint = uow.stream_of(event.complaint_id)
    if clock is None:
        return []
    at = BREACHED if not hasattr(event, "rung") else event.rung
    rung = alarms.rung_of(uow, (clock.id, event.generation, at))
    if rung is None:
        return []
    if rung.implied and getattr(complaint, "assignee_id", None) is None:
        entered = getattr(complaint, "created_at", uow.now)  # one that is being born has no columns yet
        if at != BREACHED or event.due_at <= entered:
            return []
    moot = why_moot(uow.session, clock, at, event.generation, uow.now)
    if moot is not None and rung.implied:
        return []
    return [
        {
            "id": new_id(),
            "created_at": uow.now,
            "complaint_id": event.complaint_id,
            "clock_id": clock.id,
            "generation": event.generation,
            "rung": at,
            "place": place,
            "planned_for": event.due_at if at == BREACHED else event.planned_for,
            "late_seconds": event.late_seconds,
            "event_id": recorded.id,
            "step": action["step"],
            "given": dict(action["given"]),
            "at_any_time": rung.at_any_time,
            "outcome": "owed" if moot is None else "dropped",
            "reason": moot,
            "detail": None,
            "settled_at": None if moot is None else uow.now,
        }
        for place, action in enumerate(rung.actions)
    ]


def _ask(uow: UnitOfWork, row: dict[str, Any]) -> notices.Ask:
    complaint: Any = uow.stream_of(row["complaint_id"])
    clock = uow.session.get_one(Clock, row["clock_id"])
    # Who does late what was promised knows that it is late. Who edits, or has deadlines counted anew, only comes upon it first.
    doer = uow.actor if clock.elapsed_seconds is not None else SYSTEM
    return notices.Ask(
        escalation_id=row["id"],
        event_id=row["event_id"],
        clock=clock,
        complaint=complaint if isinstance(complaint, Complaint) else Complaint(**complaint.row),
        rung=row["rung"],
        planned_for=row["planned_for"],
        late_seconds=row["late_seconds"],
        at_any_time=row["at_any_time"],
        given=row["given"],
        doer=(doer.kind, doer.id),
    )


def why_moot(session: Session, clock: Clock, rung: str, generation: int, now: datetime) -> str | None:
    """Why there is nothing to do about a rung any more; None where there is. That a promise was broken stays so, whatever becomes of
    its clock, unless it was found not to be.
    """
    if rung == BREACHED:
        return None if clock.breached_at is not None else "counted_anew"
    if clock.stopped_at is not None:
        return "cancelled" if clock.state == "cancelled" else "stopped"
    if clock.due_at is None:
        return "paused"
    if clock.generation == generation:
        return None
    pauses = [pause for pause in clock_terms.pauses_of(clock) if pause[1] is not None] if clock.pausable else []
    at = moment(clock_terms.calendar_of(session, clock), (clock.started_at, clock.due_at), pauses, rung)
    return "counted_anew" if at is None or at > now else None
