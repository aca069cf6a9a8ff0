"""The clocks of a complaint as its events tell of them: replayed in order, they come to the rows as they are.

For whoever has the events and not the rows (a reader of the feed), and for `helpdesk verify clocks`, which holds one against
the other. Of clocks that were begun before transitions were recorded nothing is known, and nothing said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from helpdesk.sla.events import SlaBreached
from helpdesk.sla.transition_events import (
    ClocksCancelled,
    ClocksMet,
    ClocksPaused,
    ClocksRecomputed,
    ClocksResumed,
    ClocksStarted,
)

CHANGING: Final = frozenset(
    kind.type for kind in (ClocksPaused, ClocksResumed, ClocksRecomputed, ClocksMet, ClocksCancelled)
)
TELLING: Final = (ClocksStarted.type, SlaBreached.type, *sorted(CHANGING))
"""Types of events from which clocks can be told."""
_CALLED: Final = {"about_id": "subject_id"}
_AS_BEGUN: Final[Mapping[str, Any]] = {"pauses": [], "extensions": 0}


@dataclass(slots=True)
class Replayed:
    """`clocks`: id -> column -> value in JSON, null where it is not there. `broken`: what does not follow from what was told before."""

    usual: Mapping[str, Any]
    """The conventions of a clock that says none."""
    clocks: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def tell(self, kind: str, payload: Mapping[str, Any]) -> None:
        """The next event of the complaint."""
        if kind == ClocksStarted.type:
            for item in payload["clocks"]:
                self._begin(item)
        elif kind == SlaBreached.type:
            clock = self.clocks.get(payload["clock_id"])
            if clock is not None:
                clock |= {"state": "breached", "breached_at": payload["due_at"]}
        elif kind in CHANGING:
            for item in payload["clocks"]:
                self._change(kind, item)

    def _begin(self, item: Mapping[str, Any]) -> None:
        if item["clock_id"] in self.clocks:
            self.broken.append(f"clock {item['clock_id']} begins twice")
        told = {_CALLED.get(name, name): value for name, value in item.items() if name != "clock_id"}
        self.clocks[item["clock_id"]] = {**_AS_BEGUN, "conventions": dict(self.usual), **told}

    def _change(self, kind: str, item: Mapping[str, Any]) -> None:
        clock = self.clocks.get(item["clock_id"])
        if clock is None:
            return
        for name, (before, after) in item["changes"].items():
            if clock.get(name) != before:
                self.broken.append(f"{kind}: {name} of clock {item['clock_id']} was {clock.get(name)}, not {before}")
            clock[name] = after


def replay(events: Iterable[tuple[str, Mapping[str, Any]]], usual: Mapping[str, Any]) -> Replayed:
    """`events`: type and payload of those of one complaint, in order."""
    found = Replayed(usual)
    for kind, payload in events:
        found.tell(kind, payload)
    return found
