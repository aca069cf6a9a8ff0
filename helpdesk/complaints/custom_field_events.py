from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFieldEvent(Event):
    field_id: UUID
    key: str

    @property
    def subject_id(self) -> UUID:
        return self.field_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFieldCreated(CustomFieldEvent):
    """`definition`: all of it, as it was written."""

    type: ClassVar[str] = "custom_field.created"
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFieldChanged(CustomFieldEvent):
    """`changes`: field -> [before, after]. `even_if_named`: though settings named it that do not go together with it any more."""

    type: ClassVar[str] = "custom_field.changed"
    changes: dict[str, list[Any]]
    even_if_named: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFieldDeleted(CustomFieldEvent):
    type: ClassVar[str] = "custom_field.deleted"
