from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent(Event):
    """`prefix`: the key's first characters. `changes`: field -> [before, after]."""

    key_id: UUID
    owner_id: UUID
    name: str
    prefix: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCreated(KeyEvent):
    type: ClassVar[str] = "api_key.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanged(KeyEvent):
    type: ClassVar[str] = "api_key.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(KeyEvent):
    """`previous_until`: how long the key before it counts."""

    type: ClassVar[str] = "api_key.rotated"
    previous_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked(KeyEvent):
    type: ClassVar[str] = "api_key.revoked"
