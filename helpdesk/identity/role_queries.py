"""Every select on roles."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, any_, func, literal, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, KnownPermission, Role
from helpdesk.identity.permissions import ADMINISTERING, PERMISSIONS, Rights, rights
from helpdesk.identity.provider_models import IdentityProvider
from helpdesk.identity.queries import lock_membership
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_HELD: Final = select(func.count()).where(Agent.role == Role.name, Agent.active).scalar_subquery()
_ROLE: Final[AnySelect] = select(
    Role.id,
    Role.name,
    Role.description,
    Role.permissions,
    Role.scope,
    Role.authority,
    Role.second_factor,
    Role.built_in,
    Role.version,
    Role.created_at,
    _HELD.label("agents"),
)
_BY_ROLE: Final = Order((Role.id,), (UUID,))


def list_roles(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    rows, cursor, total = listed(session, page, _ROLE, _BY_ROLE, given)
    return [_shown(row) for row in rows], cursor, total


def role_detail(session: Session, role_id: UUID) -> dict[str, Any]:
    row = session.execute(_ROLE.where(Role.id == role_id)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _shown(row)


def _shown(row: Any) -> dict[str, Any]:
    """What a permission was called that is no more means nothing to anybody."""
    return {**row, "permissions": sorted(name for name in row["permissions"] if name in PERMISSIONS)}


def role_for_update(session: Session, _actor: Actor, role_id: UUID) -> Role:
    """Locked, and with it everything that decides who administers (`lock_membership`)."""
    lock_membership(session)
    return existing(session.scalars(select(Role).where(Role.id == role_id).with_for_update()).one_or_none())


def role_named(session: Session, name: str) -> Role | None:
    """However it is written in capitals."""
    return session.scalars(select(Role).where(func.lower(Role.name) == func.lower(name))).one_or_none()


def rights_of_role(session: Session, name: str) -> Rights | None:
    """None where there is no such role."""
    row = session.execute(select(Role.permissions, Role.scope, Role.authority).where(Role.name == name)).one_or_none()
    return None if row is None else rights(" ".join(row.permissions), row.scope, row.authority)


def built_in_roles(session: Session) -> Sequence[Role]:
    """Locked."""
    return session.scalars(select(Role).where(Role.built_in).order_by(Role.id).with_for_update()).all()


def known_permissions(session: Session) -> set[str]:
    return set(session.scalars(select(KnownPermission.name)))


def providers_giving(session: Session, name: str) -> Sequence[Any]:
    """`(id, name)` of identity providers that give it to agents who are new."""
    found = select(IdentityProvider.id, IdentityProvider.name).where(IdentityProvider.provision_role == name)
    return session.execute(found.order_by(IdentityProvider.id)).all()


def agents_with(session: Session, role_name: str, most: int) -> Sequence[Any]:
    """`(id, name)` of those who have it, who have left too: they may come back."""
    found = select(Agent.id, Agent.name).where(Agent.role == role_name).order_by(Agent.id).limit(most)
    return session.execute(found).all()


def holding(permission: str) -> Select[UUID]:
    """Ids of active agents whose role has this permission, whatever they see; in their order."""
    return (
        select(Agent.id)
        .join(Role, Role.name == Agent.role)
        .where(Agent.active, literal(permission) == any_(Role.permissions))
        .order_by(Agent.id)
    )


def has_active_agents(session: Session, role_name: str) -> bool:
    held = select(Agent.id).where(Agent.role == role_name, Agent.active)
    return session.execute(held.limit(1)).first() is not None


def another_administrator(session: Session, *, agent_id: UUID | None = None, role_name: str | None = None) -> bool:
    """Whether anybody but this agent, or whoever has this role, could still give anybody their rights."""
    wanted = sorted(ADMINISTERING)
    found = (
        select(Agent.id)
        .join(Role, Role.name == Agent.role)
        .where(Agent.active, Role.permissions.contains(wanted))
        .limit(1)
    )
    if agent_id is not None:
        found = found.where(Agent.id != agent_id)
    if role_name is not None:
        found = found.where(Role.name != role_name)
    return session.execute(found).first() is not None
