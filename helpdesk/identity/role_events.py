from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEvent(Event):
    """`changes`: field -> [before, after]; null before for a role that is new, after for one that is gone."""

    role_id: UUID
    name: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.role_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCreated(RoleEvent):
    type: ClassVar[str] = "role.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(RoleEvent):
    type: ClassVar[str] = "role.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDeleted(RoleEvent):
    type: ClassVar[str] = "role.deleted"
