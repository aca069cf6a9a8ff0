"""What happens at the door. Recorded among the administrative acts; never a password, a code, or what was typed in place
of an address that nobody has.
"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorEvent(Event):
    agent_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.agent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(DoorEvent):
    """`how`: password or provider. `second_factor`: none, code, recovery_code, or provider."""

    type: ClassVar[str] = "session.started"
    personal: ClassVar[frozenset[str]] = frozenset({"address", "user_agent"})
    session_id: UUID
    how: str
    second_factor: str
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRaised(DoorEvent):
    """The second factor was proved after signing in."""

    type: ClassVar[str] = "session.raised"
    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(DoorEvent):
    """`reason`: signed_out, revoked, password_changed, password_reset, deactivated."""

    type: ClassVar[str] = "session.ended"
    session_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(Event):
    """`agent_id` is None for an address that nobody has. `account`: the same for the same address, which it does not
    tell. `reason`: unknown, inactive, no_password, password, code, provider.
    """

    type: ClassVar[str] = "sign_in.refused"
    personal: ClassVar[frozenset[str]] = frozenset({"address", "user_agent"})
    attempt_id: UUID
    agent_id: UUID | None
    account: str
    reason: str
    address: str
    user_agent: str

    @property
    def subject_id(self) -> UUID:
        return self.agent_id or self.attempt_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(DoorEvent):
    """`how`: invitation, reset or change."""

    type: ClassVar[str] = "password.set"
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLinkSent(DoorEvent):
    """`kind`: invitation or reset."""

    type: ClassVar[str] = "password.link_sent"
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorEnrolled(DoorEvent):
    """Confirmed with its first code; from now on it is asked for."""

    type: ClassVar[str] = "second_factor.enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorDisabled(DoorEvent):
    """`by_administrator`: taken away by somebody else, for one who lost it."""

    type: ClassVar[str] = "second_factor.disabled"
    by_administrator: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeUsed(DoorEvent):
    type: ClassVar[str] = "second_factor.recovery_code_used"
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesMade(DoorEvent):
    """All earlier ones stopped to count."""

    type: ClassVar[str] = "second_factor.recovery_codes_made"
