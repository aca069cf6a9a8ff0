"""Every transition of a clock becomes an event: here what clocks were before a unit of work is held against what they are after it.

Whoever makes a clock says `begun`, whoever changes one says `watch` first; what changed is found, not said, so that no field is
forgotten. Warnings and breaches are told when they ring (`clocks.ring`). Several steps of one unit of work are told as one:
nobody was told of what lay between.

The events of a complaint, replayed in order, come to its clocks as they are (`replaying`): a `sla.started` tells all of a clock,
and each later one what it changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel.differences import differences
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla.business_time import Conventions
from helpdesk.sla.calendar_versions import differ_in_days_only
from helpdesk.sla.models import Clock, conventions_as_kept
from helpdesk.sla.transition_events import (
    ClocksCancelled,
    ClocksEvent,
    ClocksMet,
    ClocksPaused,
    ClocksRecomputed,
    ClocksResumed,
    ClocksStarted,
)

Columns = dict[str, Any]

_NAMED: Final = ("kind", "round", "policy_id", "policy_version", "rule_id", "rule_version", "generation")
"""What every event says of a clock by the column's own name."""
_NOT_TOLD: Final = frozenset({"id", "complaint_id", "next_threshold", "next_offset", "next_alarm_at"})
"""When it rings next follows from the rest."""
TOLD: Final = tuple(column.key for column in Clock.__table__.columns if column.key not in _NOT_TOLD)
USUAL: Final = conventions_as_kept(Conventions())
"""Conventions that a `sla.started` leaves out."""
_STANDING: Final = frozenset(
    {"state", "due_at", "remaining_seconds", "pauses", "generation", "stopped_at", "breached_at", "elapsed_seconds"}
)
"""How a clock stands; all else is what it stands by."""
_BECAUSE: Final[Mapping[str, str]] = {
    "severity": "severity",
    "tier": "tier",
    "policy_id": "policy",
    "policy_version": "policy",
    "rule_id": "rule",
    "rule_version": "rule",
    "calendar_id": "calendar",
    "extensions": "extension",
    "started_at": "start",
}


def told(clock: Clock) -> dict[str, Any]:
    """What every event of one clock says of it (`events.ClockEvent`), but when it is due."""
    named = {name: getattr(clock, name) for name in _NAMED}
    return {"complaint_id": clock.complaint_id, "clock_id": clock.id, "about_id": clock.subject_id, **named}


def begun(uow: UnitOfWork, clocks: Iterable[Clock | Mapping[str, Any]]) -> None:
    """New ones, as rows or as objects; again, where what was begun is another before it is written."""
    book = uow.book(_Transitions)
    for clock in clocks:
        book.begun(clock)


def watch(uow: UnitOfWork, clock: Clock) -> None:
    """Before it is changed. The complaint's stream is known to the unit of work."""
    uow.book(_Transitions).watch(clock)


def tell_begun(uow: UnitOfWork, complaint_id: UUID) -> None:
    """Before it is recorded that a clock rings: that it has begun is told first."""
    uow.book(_Transitions).tell_begun(uow, complaint_id)


def is_told(uow: UnitOfWork, clock: Clock | Mapping[str, Any]) -> None:
    """That it is broken was recorded by an event of its own, just now."""
    uow.book(_Transitions).is_told(clock)


def by_job(uow: UnitOfWork, job_id: UUID) -> None:
    """What is counted anew in this unit of work is by a job."""
    uow.book(_Transitions).job_id = job_id


@dataclass(slots=True)
class _Watched:
    """`now`: the row, or the object; `before`: its columns when it was first looked at, or told of."""

    clock_id: UUID
    before: Columns
    now: Clock | Mapping[str, Any]
    new: bool


@dataclass(slots=True)
class _Transitions:
    """The book of a unit of work: complaint -> clock -> what is known of it."""

    job_id: UUID | None = None
    _watched: dict[UUID, dict[UUID, _Watched]] = field(default_factory=dict)

    def _of(self, complaint_id: UUID) -> dict[UUID, _Watched]:
        return self._watched.setdefault(complaint_id, {})

    def begun(self, clock: Clock | Mapping[str, Any]) -> None:
        columns = _columns(clock)
        clock_id, complaint_id = _named(clock)
        known = self._of(complaint_id).setdefault(clock_id, _Watched(clock_id, columns, clock, new=True))
        known.now = clock

    def watch(self, clock: Clock) -> None:
        mine = self._of(clock.complaint_id)
        if clock.id not in mine:
            mine[clock.id] = _Watched(clock.id, _columns(clock), clock, new=False)

    def tell_begun(self, uow: UnitOfWork, complaint_id: UUID) -> None:
        self._tell_begun(uow, complaint_id, self._watched.get(complaint_id, {}).values())

    def is_told(self, clock: Clock | Mapping[str, Any]) -> None:
        columns, (clock_id, complaint_id) = _columns(clock), _named(clock)
        known = self._watched.get(complaint_id, {}).get(clock_id)
        if known is not None:
            known.before |= {name: columns[name] for name in ("state", "breached_at")}

    def settle(self, uow: UnitOfWork) -> None:
        noted, self._watched = self._watched, {}
        for complaint_id, watched in noted.items():
            self._tell_begun(uow, complaint_id, watched.values())
            self._tell_changed(uow, complaint_id, watched.values())

    def _tell_begun(self, uow: UnitOfWork, complaint_id: UUID, watched: Iterable[_Watched]) -> None:
        new = [each for each in watched if each.new]
        if not new:
            return
        _record(uow, ClocksStarted, complaint_id, [_as_begun(each) for each in new])
        for each in new:
            each.new = False

    def _tell_changed(self, uow: UnitOfWork, complaint_id: UUID, watched: Iterable[_Watched]) -> None:
        happened: dict[type[ClocksEvent], list[dict[str, Any]]] = {}
        for each in watched:
            after = _columns(each.now)
            if after != each.before:
                for kind, item in _changed(uow.session, each, after):
                    happened.setdefault(kind, []).append(item)
        for kind in _IN_ORDER:
            if kind in happened:
                more = {"job_id": self.job_id} if kind is ClocksRecomputed else {}
                _record(uow, kind, complaint_id, happened[kind], **more)


_IN_ORDER: Final = (ClocksRecomputed, ClocksPaused, ClocksResumed, ClocksMet, ClocksCancelled)


def _named(clock: Clock | Mapping[str, Any]) -> tuple[UUID, UUID]:
    """Its id, and its complaint's."""
    return (clock.id, clock.complaint_id) if isinstance(clock, Clock) else (clock["id"], clock["complaint_id"])


def _columns(clock: Clock | Mapping[str, Any]) -> Columns:
    if isinstance(clock, Clock):
        return {name: getattr(clock, name) for name in TOLD}
    return {name: clock[name] for name in TOLD}


def _item(each: _Watched, columns: Columns) -> dict[str, Any]:
    found = {"clock_id": each.clock_id, "about_id": columns["subject_id"], **{name: columns[name] for name in _NAMED}}
    found |= {"state": columns["state"], "due_at": columns["due_at"]}
    return {name: value for name, value in found.items() if value is not None or name == "due_at"}


def _as_begun(each: _Watched) -> dict[str, Any]:
    """All of it but what is null, false, or as usual."""
    unusual = {name: value for name, value in each.before.items() if not _goes_without_saying(name, value)}
    unusual.pop("subject_id", None)
    told: dict[str, Any] = json_safe(_item(each, each.before) | unusual)
    return told


def _goes_without_saying(name: str, value: Any) -> bool:
    return (
        value is None or (name in {"extensions", "pauses"} and not value) or (name == "conventions" and value == USUAL)
    )


def _changed(session: Session, each: _Watched, after: Columns) -> Iterable[tuple[type[ClocksEvent], dict[str, Any]]]:
    """The events that tell it, each with its part of what changed."""
    before = each.before
    changes = differences(before, after)
    item = _item(each, after)
    if before["breached_at"] is not None and after["breached_at"] is None:
        item["breach_taken_back"] = True
    ends = after["stopped_at"] is not None and before["stopped_at"] is None
    if ends or (after["state"] == "cancelled" and before["state"] != "cancelled"):
        yield _stopped(item, after, changes)
        return
    terms = {name: pair for name, pair in changes.items() if name not in _STANDING}
    standing = {name: pair for name, pair in changes.items() if name in _STANDING}
    turned = (before["state"], after["state"])
    if turned == ("paused", "running") and len(before["pauses"]) != len(after["pauses"]):
        turned = (
            "paused",
            "over",
        )  # whom it waited for is waited for still: by what it stands by now it was due before that
    if terms or turned not in _TURNS or before["stopped_at"] is not None:
        because = _because(session, before, after)
        mine = terms if terms and turned in _TURNS else changes
        yield ClocksRecomputed, json_safe({**item, "because": because, "changes": mine})
        if mine is changes:
            return
    yield _TURNS[turned], json_safe({**item, **_left(after), "changes": standing})


_TURNS: Final[Mapping[tuple[str, str], type[ClocksEvent]]] = {
    ("running", "paused"): ClocksPaused,
    ("paused", "running"): ClocksResumed,
}


def _left(after: Columns) -> dict[str, Any]:
    return {} if after["remaining_seconds"] is None else {"remaining_seconds": after["remaining_seconds"]}


def _stopped(item: dict[str, Any], after: Columns, changes: dict[str, Any]) -> tuple[type[ClocksEvent], dict[str, Any]]:
    if after["elapsed_seconds"] is None:
        return ClocksCancelled, json_safe({**item, "changes": changes})
    kept = {"elapsed_seconds": after["elapsed_seconds"], "late": after["state"] == "breached"}
    return ClocksMet, json_safe({**item, **kept, "changes": changes})


def _because(session: Session, before: Columns, after: Columns) -> list[str]:
    """Why it was counted anew, told by what it stands by now and did not before."""
    found = {_BECAUSE[name] for name in _BECAUSE if before[name] != after[name]}
    if before["stopped_at"] is not None and after["stopped_at"] is None:
        found.add("revived")
    if "calendar" not in found and before["calendar_version"] != after["calendar_version"]:
        versions = before["calendar_version"], after["calendar_version"]
        found.add("holidays" if differ_in_days_only(session, after["calendar_id"], *versions) else "calendar")
    return sorted(found) or ["facts"]


def _record(
    uow: UnitOfWork, kind: type[ClocksEvent], complaint_id: UUID, items: list[dict[str, Any]], **more: Any
) -> None:
    kinds = list(dict.fromkeys(item["kind"] for item in items))
    uow.record(kind(complaint_id=complaint_id, kinds=kinds, clocks=items, **more), stream=uow.stream_of(complaint_id))
