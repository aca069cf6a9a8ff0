"""A complaint as it was: its row of today with the changes undone that its story tells of since.

Every column of the row is told of with before and after, so of these the past is exact; so are the times of messages, and
the event itself. Of other rows (the customer, issues, clocks, offers) only today is known: whoever uses this says so.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final

from helpdesk.automation.happenings import Happened, columns_changed
from helpdesk.complaints import facts as complaint_facts
from helpdesk.complaints.changes import TOLD
from helpdesk.complaints.events import MessageAdded
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.clock import parse_rfc3339

_OF_TODAY: Final = frozenset({"next_due_at", "minutes_to_due", "assigned_at"})
"""On the row, and told by no event."""


class Past:
    """`story`: all events of the complaint, in order."""

    def __init__(self, complaint: Complaint, story: Sequence[Happened]) -> None:
        self._complaint = complaint
        self._story = story

    def after(self, event: Happened) -> "Then":
        """As it was when the event had happened, with all else of its transaction, which has the same time: what is told of
        piece by piece is there at once.
        """
        moment = event.occurred_at
        return self._then(lambda other: other.place <= event.place or other.occurred_at == moment, moment)

    def at(self, moment: datetime) -> "Then":
        return self._then(lambda other: other.occurred_at <= moment, moment)

    def _then(self, was: Any, moment: datetime) -> "Then":
        before = [event for event in self._story if was(event)]
        since = [event for event in self._story if not was(event)]
        # What was said may have been erased: then nobody knows what it changed.
        known = all(event.payload is not None for event in since)
        return Then(self._row(before, {event.place for event in since}), before, moment, exact=known)

    def _row(self, before: Sequence[Happened], since: AbstractSet[int]) -> Any:
        """`since`: places of what is to be undone. It need not be the end of the story: an act that waited for another's
        lock comes after it, and bears the time at which it began.
        """
        values = {name: getattr(self._complaint, name) for name in TOLD}
        values |= {"next_due_at": self._complaint.next_due_at, "assigned_at": self._complaint.assigned_at}
        values["updated_at"] = before[-1].occurred_at if before else self._complaint.created_at
        undone: dict[str, Any] = {}
        stands: set[str] = set()
        for event in reversed(self._story):
            for name, (was, _) in columns_changed(event).items():
                if event.place not in since:
                    stands.add(name)  # what it said is not undone by what stands before it
                elif name not in stands:
                    undone[name] = was
        values |= {name: _read(name, was) for name, was in undone.items() if name in values}
        return SimpleNamespace(**values, id=self._complaint.id)


def _read(name: str, value: Any) -> Any:
    return parse_rfc3339(value) if name.endswith("_at") and isinstance(value, str) else value


class Then:
    """`values`: the facts that are known of that moment; `names` of them, if `exact`: else they are a guess of today."""

    def __init__(self, row: Any, before: Sequence[Happened], moment: datetime, *, exact: bool) -> None:
        self.row = row
        self.moment = moment
        of_row, of_thread = complaint_facts.on_the_row(row, moment), self._of_thread(before, moment)
        self.values = of_row | of_thread
        self.names = frozenset(of_thread) | (frozenset(of_row) - _OF_TODAY if exact else frozenset())

    @staticmethod
    def _of_thread(before: Sequence[Happened], moment: datetime) -> dict[str, Any]:
        last = {event.told.get("kind"): event.occurred_at for event in before if event.type == MessageAdded.type}
        return complaint_facts.of_thread({kind: at for kind, at in last.items() if kind is not None}, moment)
