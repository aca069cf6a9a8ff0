"""What happens to playbooks."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookEvent(Event):
    """`changes`: field -> [before, after]."""

    playbook_id: UUID
    name: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.playbook_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookChanged(PlaybookEvent):
    """Created, renamed, put elsewhere in the order, or for other cases."""

    type: ClassVar[str] = "playbook.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookDrafted(PlaybookEvent):
    """A draft was written or changed; `changes`: against what it was, or the version that it was made from."""

    type: ClassVar[str] = "playbook.drafted"
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookDiscarded(PlaybookEvent):
    """A draft was thrown away."""

    type: ClassVar[str] = "playbook.discarded"
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookPublished(PlaybookEvent):
    """`ended`: number of the version that ends the day before; null: none. `spec`: all of it."""

    type: ClassVar[str] = "playbook.published"
    number: int
    valid_from: str
    valid_until: str | None
    ended: int | None
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookRetired(PlaybookEvent):
    type: ClassVar[str] = "playbook.retired"
    number: int
    reason: str
