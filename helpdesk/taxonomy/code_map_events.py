from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMapEvent(Event):
    """`changes`: field -> [before, after]; a word of theirs is the field `kind:word`, with our code and whether it is
    preferred.
    """

    map_id: UUID
    system: str
    version: int
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.map_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMapCreated(CodeMapEvent):
    type: ClassVar[str] = "code_map.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMapChanged(CodeMapEvent):
    type: ClassVar[str] = "code_map.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMapDeleted(CodeMapEvent):
    type: ClassVar[str] = "code_map.deleted"
