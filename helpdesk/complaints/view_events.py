from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEvent(Event):
    """Of a view that several see. `changes`: field -> [before, after]."""

    view_id: UUID
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.view_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewCreated(ViewEvent):
    type: ClassVar[str] = "view.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChanged(ViewEvent):
    type: ClassVar[str] = "view.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewDeleted(ViewEvent):
    type: ClassVar[str] = "view.deleted"
