from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent(Event):
    """`changes`: field -> [before, after]; of the client's secret only whether there is one."""

    provider_id: UUID
    name: str
    changes: dict[str, list[object]]

    @property
    def subject_id(self) -> UUID:
        return self.provider_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCreated(ProviderEvent):
    type: ClassVar[str] = "identity_provider.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChanged(ProviderEvent):
    type: ClassVar[str] = "identity_provider.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDeleted(ProviderEvent):
    """With it went whom it had been linked to."""

    type: ClassVar[str] = "identity_provider.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLinked(Event):
    """`how`: by the verified e-mail address, or made with the agent."""

    type: ClassVar[str] = "identity.linked"
    personal: ClassVar[frozenset[str]] = frozenset({"subject"})
    agent_id: UUID
    provider_id: UUID
    issuer: str
    subject: str
    how: str

    @property
    def subject_id(self) -> UUID:
        return self.agent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityUnlinked(Event):
    type: ClassVar[str] = "identity.unlinked"
    personal: ClassVar[frozenset[str]] = frozenset({"subject"})
    agent_id: UUID
    provider_id: UUID
    issuer: str
    subject: str

    @property
    def subject_id(self) -> UUID:
        return self.agent_id
