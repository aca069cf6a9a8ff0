"""What an edit did, or would do, to each clock that was open before, or is open after; and their sums. Pure.

Told by where a clock stands before and after, not by the way there: so a trial and the recompute that follows it say the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.sla.models import Clock

OUTCOMES: Final = ("unchanged", "later", "earlier", "started", "cancelled")
"""What becomes of a clock: one of these. Of those that were open before the first three and the last are all."""
BESIDES: Final = ("overdue", "saved")
"""What may be so besides: it becomes overdue; it was broken and is not any more."""
COUNTED: Final = (*OUTCOMES, *BESIDES)


@dataclass(frozen=True, slots=True)
class Stand:
    """How a clock stands. `left`: seconds, of one that is paused."""

    kind: str
    is_open: bool
    broken: bool
    due_at: datetime | None
    left: int | None

    def is_over(self, now: datetime) -> bool:
        return self.is_open and (self.broken or (self.due_at is not None and self.due_at < now))


def stand_of(clock: Clock) -> Stand:
    return Stand(clock.kind, clock.stopped_at is None, clock.state == "breached", clock.due_at, clock.remaining_seconds)


def outcome(before: Stand | None, after: Stand, now: datetime) -> tuple[str, ...]:
    """All that is to be counted of one clock; nothing where it was not open, and is not. `before` None: it was not there."""
    if before is None or not before.is_open:
        if not after.is_open:
            return ()
        return ("started", "overdue") if after.is_over(now) else ("started",)
    if not after.is_open:
        return ("cancelled",)
    found = [_moved(before, after)]
    if after.is_over(now) and not before.is_over(now):
        found.append("overdue")
    if before.is_over(now) and not after.is_over(now):
        found.append("saved")
    return tuple(found)


def _moved(before: Stand, after: Stand) -> str:
    """A clock that is paused now and was not has time that does not pass; the reverse."""
    if before.due_at is None or after.due_at is None:
        if before.due_at is not None or after.due_at is not None:
            return "later" if after.due_at is None else "earlier"
        one, other = before.left or 0, after.left or 0
        return "unchanged" if one == other else "later" if one < other else "earlier"
    if before.due_at == after.due_at:
        return "unchanged"
    return "later" if before.due_at < after.due_at else "earlier"


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the clocks of one complaint: of each its kind, and what is counted."""

    complaint_id: UUID
    team_id: UUID | None
    clocks: Sequence[tuple[str, tuple[str, ...]]]

    @property
    def changed(self) -> bool:
        return any(counted != ("unchanged",) for _, counted in self.clocks)


def followed(complaint: Any, before: Mapping[UUID, Stand], after: Sequence[Clock], now: datetime) -> Followed:
    """`complaint`: with `id` and `team_id`."""
    found = ((clock.kind, outcome(before.get(clock.id), stand_of(clock), now)) for clock in after)
    return Followed(complaint.id, complaint.team_id, [each for each in found if each[1]])


@dataclass(slots=True)
class Tally:
    """Sums: of all, by kind of promise, by team (the empty text: of none)."""

    complaints: int = 0
    all: Counter[str] = field(default_factory=Counter)
    by_kind: dict[str, Counter[str]] = field(default_factory=dict)
    by_team: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, item: Followed) -> None:
        self.complaints += item.changed
        team = "" if item.team_id is None else str(item.team_id)
        for kind, counted in item.clocks:
            self.all.update(counted)
            self.by_kind.setdefault(kind, Counter()).update(counted)
            self.by_team.setdefault(team, Counter()).update(counted)

    def as_json(self) -> dict[str, Any]:
        return {
            "complaints": self.complaints,
            "all": dict(self.all),
            "by_kind": {name: dict(own) for name, own in self.by_kind.items()},
            "by_team": {name: dict(own) for name, own in self.by_team.items()},
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Tally":
        return cls(
            written["complaints"],
            Counter(written["all"]),
            {name: Counter(own) for name, own in written["by_kind"].items()},
            {name: Counter(own) for name, own in written["by_team"].items()},
        )

    def shown(self) -> dict[str, Any]:
        """For whoever asked: every count, also those that are 0."""
        return {
            "complaints": self.complaints,
            "clocks": _counts(self.all),
            "by_kind": [{"kind": name, **_counts(own)} for name, own in sorted(self.by_kind.items())],
            "by_team": [{"team_id": name or None, **_counts(own)} for name, own in sorted(self.by_team.items())],
        }


def _counts(counted: Counter[str]) -> dict[str, int]:
    return {name: counted[name] for name in COUNTED}


def told_apart(item: Followed) -> Iterator[str]:
    """What is worth an example: each that is not `unchanged`, once."""
    yield from dict.fromkeys(name for _, counted in item.clocks for name in counted if name != "unchanged")
