"""Every select on identity providers and who is whom there."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Role
from helpdesk.identity.password_models import SecondFactor
from helpdesk.identity.provider_models import AgentIdentity, IdentityProvider
from helpdesk.identity.queries import lock_membership
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_PROVIDER: Final[AnySelect] = select(
    IdentityProvider.id,
    IdentityProvider.name,
    IdentityProvider.issuer,
    IdentityProvider.client_id,
    IdentityProvider.client_secret.is_not(None).label("has_client_secret"),
    IdentityProvider.redirect_uri,
    IdentityProvider.allowed_domains,
    IdentityProvider.provision_role,
    IdentityProvider.active,
    IdentityProvider.version,
    IdentityProvider.created_at,
)
_BY_PROVIDER: Final = Order((IdentityProvider.id,), (UUID,))
_BY_IDENTITY: Final = Order((AgentIdentity.id,), (UUID,))


def list_providers(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    return listed(session, page, _PROVIDER, _BY_PROVIDER, given)


def list_doors(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    """What whoever wants to sign in may know."""
    statement = select(IdentityProvider.id, IdentityProvider.name).where(IdentityProvider.active)
    return listed(session, page, statement, _BY_PROVIDER, given)


def provider_detail(session: Session, provider_id: UUID) -> Any:
    return existing(session.execute(_PROVIDER.where(IdentityProvider.id == provider_id)).mappings().one_or_none())


def provider_exists(session: Session, provider_id: UUID) -> bool:
    return session.execute(select(IdentityProvider.id).where(IdentityProvider.id == provider_id)).first() is not None


def provider_for_update(session: Session, _actor: Actor, provider_id: UUID) -> IdentityProvider:
    """Locked, and before it what decides about roles and agents (`lock_membership`): sign-ins lock in that order too."""
    lock_membership(session)
    found = select(IdentityProvider).where(IdentityProvider.id == provider_id).with_for_update()
    return existing(session.execute(found).scalar_one_or_none())


def provider_named(session: Session, name: str) -> IdentityProvider | None:
    found = select(IdentityProvider).where(func.lower(IdentityProvider.name) == func.lower(name))
    return session.execute(found).scalar_one_or_none()


def active_provider(session: Session, provider_id: UUID) -> IdentityProvider | None:
    """Held, so that it is not changed or deleted while somebody comes in through it."""
    found = select(IdentityProvider).where(IdentityProvider.id == provider_id, IdentityProvider.active)
    return session.execute(found.with_for_update(read=True)).scalar_one_or_none()


def agent_of_identity(session: Session, issuer: str, subject: str) -> UUID | None:
    found = select(AgentIdentity.agent_id).where(AgentIdentity.issuer == issuer, AgentIdentity.subject == subject)
    return session.execute(found).scalar_one_or_none()


def identity_at(session: Session, agent_id: UUID, issuer: str) -> AgentIdentity | None:
    found = select(AgentIdentity).where(AgentIdentity.agent_id == agent_id, AgentIdentity.issuer == issuer)
    return session.execute(found).scalar_one_or_none()


def wants_second_factor(session: Session, agent_id: UUID) -> bool:
    """Whether there is one, or the role needs one."""
    confirmed = select(SecondFactor.confirmed_at).where(SecondFactor.agent_id == Agent.id).scalar_subquery()
    found = select(Role.second_factor, confirmed).join_from(Agent, Role, Role.name == Agent.role)
    needed, enabled_at = session.execute(found.where(Agent.id == agent_id)).one()
    return bool(needed) or enabled_at is not None


def list_identities(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """One's own; everybody's for who manages agents."""
    statement = select(
        AgentIdentity.id,
        AgentIdentity.agent_id,
        AgentIdentity.provider_id,
        AgentIdentity.issuer,
        AgentIdentity.subject,
        AgentIdentity.created_at,
    )
    if not actor.may("agent:manage"):
        statement = statement.where(AgentIdentity.agent_id == actor.id)
    if "agent_id" in given:
        statement = statement.where(AgentIdentity.agent_id == given["agent_id"])
    return listed(session, page, statement, _BY_IDENTITY, given)


def identity_for_update(session: Session, actor: Actor, identity_id: UUID) -> AgentIdentity:
    row = session.execute(
        select(AgentIdentity).where(AgentIdentity.id == identity_id).with_for_update()
    ).scalar_one_or_none()
    if row is None or (row.agent_id != actor.id and not actor.may("agent:manage")):
        raise NotFound
    return row
