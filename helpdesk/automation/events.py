"""What triggers do. What they do to a complaint is told in its story; that somebody changes them is an administrative act."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OnComplaint(Event):
    """Done by a trigger to a complaint."""

    complaint_id: UUID
    reference: str
    trigger_id: UUID
    trigger_name: str

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerFired(OnComplaint):
    """Its actions follow as events of their own. `actions`: their names, in order; `depth`: 1 where a person's act led to
    it, one more for each trigger between; `cause`: the type of the event, null where it was time.
    """

    type: ClassVar[str] = "automation.fired"
    firing_id: UUID
    trigger_version: int
    actions: list[str]
    depth: int
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsNotified(OnComplaint):
    """`agent_ids` and `team_ids`: who was named; `assignee`, `watchers`: whether they were meant too."""

    type: ClassVar[str] = "automation.notified"
    personal: ClassVar[frozenset[str]] = frozenset({"text"})
    agent_ids: list[str]
    team_ids: list[str]
    assignee: bool
    watchers: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRaised(OnComplaint):
    """A word for other systems: they read it in the feed of events."""

    type: ClassVar[str] = "automation.event_raised"
    personal: ClassVar[frozenset[str]] = frozenset({"data"})
    name: str
    data: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent(Event):
    """`changes`: field -> [before, after]."""

    trigger_id: UUID
    version: int
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.trigger_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCreated(TriggerEvent):
    type: ClassVar[str] = "automation.trigger_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerChanged(TriggerEvent):
    type: ClassVar[str] = "automation.trigger_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRemoved(TriggerEvent):
    type: ClassVar[str] = "automation.trigger_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerPaused(TriggerEvent):
    """It failed so often in a row that it was taken out of force. `complaint_id`: on which it failed last."""

    type: ClassVar[str] = "automation.trigger_paused"
    name: str
    complaint_id: UUID
    failures: int
    because: str
