"""What happens to canned replies and macros that several agents use."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateEvent(Event):
    """`changes`: field -> [before, after]; all fields of one that is new or gone."""

    template_id: UUID
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.template_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedReplyCreated(TemplateEvent):
    type: ClassVar[str] = "canned_reply.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedReplyChanged(TemplateEvent):
    type: ClassVar[str] = "canned_reply.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedReplyDeleted(TemplateEvent):
    type: ClassVar[str] = "canned_reply.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroCreated(TemplateEvent):
    type: ClassVar[str] = "macro.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroChanged(TemplateEvent):
    type: ClassVar[str] = "macro.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroDeleted(TemplateEvent):
    type: ClassVar[str] = "macro.deleted"
