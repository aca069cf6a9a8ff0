"""What signing in needs to know of the program and of the request, as values."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from helpdesk.identity.throttle import Lanes
from helpdesk.kernel.events import Principal
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database, UnitOfWork


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long a session lasts, whether everybody needs a second factor, and how providers are reached."""

    idle: timedelta
    longest: timedelta
    second_factor_required: bool
    oidc_insecure: bool = False
    """Identity providers over plain http on this machine too."""

    @classmethod
    def of(cls, settings: Settings) -> "SessionRules":
        return cls(
            timedelta(minutes=settings.session_idle_minutes),
            timedelta(hours=settings.session_hours),
            settings.second_factor == "required",
            settings.oidc_insecure,
        )


@dataclass(frozen=True, slots=True)
class Where:
    """Where a request comes from. `address`: an IPv4 address, or an IPv6 network of 64 bits."""

    address: str
    user_agent: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """`key`: the signing key."""

    database: Database
    key: str
    base_url: str
    rules: SessionRules

    def unit_of_work(self, actor: Principal, where: Where) -> AbstractContextManager[UnitOfWork]:
        """One apart from the request's own, for what must last though the request is refused."""
        return self.database.unit_of_work(actor, request_id=where.request_id)

    @property
    def oidc_insecure(self) -> bool:
        return self.rules.oidc_insecure

    @property
    def lanes(self) -> Lanes:
        return Lanes(self.key)
