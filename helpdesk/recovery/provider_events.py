"""Administrative acts on outside providers. Of a secret it is told that there is another one, never which."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyProviderEvent(Event):
    provider_id: UUID
    name: str

    @property
    def subject_id(self) -> UUID:
        return self.provider_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyProviderCreated(RemedyProviderEvent):
    """`changes`: field -> [null, value]."""

    type: ClassVar[str] = "remedy_provider.created"
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyProviderChanged(RemedyProviderEvent):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "remedy_provider.changed"
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyProviderSecretRotated(RemedyProviderEvent):
    """`previous_until`: until when the secret before it counts too."""

    type: ClassVar[str] = "remedy_provider.secret_rotated"
    previous_until: str
