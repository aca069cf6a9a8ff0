"""Every select on API keys."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, case, func, or_, select, text
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.key_models import ApiKey, ApiKeyTeam
from helpdesk.identity.models import Agent
from helpdesk.identity.permissions import PERMISSIONS
from helpdesk.identity.queries import CALLER
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

STATES: Final = ("active", "suspended", "expired", "revoked")

_TEAMS_OF: Final = (
    select(func.coalesce(func.json_agg(ApiKeyTeam.team_id), func.json_build_array()))
    .where(ApiKeyTeam.key_id == ApiKey.id)
    .scalar_subquery()
    .label("team_ids")
)
_STATE: Final = case(
    (ApiKey.revoked_at.is_not(None), "revoked"),
    (ApiKey.expires_at <= func.now(), "expired"),
    (Agent.active, "active"),
    else_="suspended",
).label("state")
_KEY: Final[AnySelect] = select(
    ApiKey.id,
    ApiKey.name,
    ApiKey.owner_id,
    ApiKey.permissions,
    ApiKey.scope,
    _TEAMS_OF,
    ApiKey.prefix,
    _STATE,
    ApiKey.created_at,
    ApiKey.expires_at,
    ApiKey.rotated_at,
    case((ApiKey.previous_until > func.now(), ApiKey.previous_until)).label("previous_until"),
    ApiKey.revoked_at,
    ApiKey.last_used_at,
    ApiKey.last_used_from,
    ApiKey.version,
).join(Agent, Agent.id == ApiKey.owner_id)
_BY_KEY: Final = Order((ApiKey.id,), (UUID,), descending=True)


def list_keys(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    """Newest first."""
    statement = _KEY.where(ApiKey.owner_id == given["owner_id"]) if "owner_id" in given else _KEY
    rows, cursor, total = listed(session, page, statement, _BY_KEY, given)
    return [_shown(row) for row in rows], cursor, total


def key_detail(session: Session, key_id: UUID) -> dict[str, Any]:
    row = session.execute(_KEY.where(ApiKey.id == key_id)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _shown(row)


def _shown(row: Any) -> dict[str, Any]:
    return {**row, "permissions": sorted(name for name in row["permissions"] if name in PERMISSIONS)}


def key_for_update(session: Session, _actor: Actor, key_id: UUID) -> ApiKey:
    return existing(session.scalars(select(ApiKey).where(ApiKey.id == key_id).with_for_update()).one_or_none())


def is_key(session: Session, key_id: UUID) -> bool:
    return session.execute(select(ApiKey.id).where(ApiKey.id == key_id)).first() is not None


def teams_of_key(session: Session, key_id: UUID) -> set[UUID]:
    return set(session.scalars(select(ApiKeyTeam.team_id).where(ApiKeyTeam.key_id == key_id)))


_C: Final = ApiKey.__table__.c
_TEAM: Final = ApiKeyTeam.__table__.c
_CALLER: Final = (
    CALLER.add_columns(
        _C.id.label("key_id"),
        _C.name.label("key_name"),
        func.array_to_string(_C.permissions, " ").label("key_permissions"),
        _C.scope.label("key_scope"),
        select(func.array_agg(_TEAM.team_id)).where(_TEAM.key_id == _C.id).scalar_subquery().label("key_team_ids"),
        func.coalesce(_C.last_used_at < func.now() - text("interval '1 minute'"), True).label("unnoted"),
    )
    .join(ApiKey.__table__, _C.owner_id == Agent.__table__.c.id)
    .where(Agent.__table__.c.active, _C.revoked_at.is_(None), _C.expires_at > func.now())
)
_BY_HASH: Final = _CALLER.where(
    or_(
        _C.hash == bindparam("hash"),
        and_(_C.previous_hash == bindparam("hash"), _C.previous_until > func.now()),
    )
)
"""Kept, as `queries.CALLER`."""


def caller_known(session: Session, key_id: UUID) -> Any:
    """As `caller_with`, of a key that was looked at before."""
    return session.execute(_CALLER.where(_C.id == key_id)).one_or_none()


def caller_with(session: Session, hashed: bytes) -> Any:
    """The valid key that has this hash, or had it until it was rotated, and its owner, as `actors.recognised_key` wants
    them; else None.
    """
    return session.execute(_BY_HASH, {"hash": hashed}).one_or_none()


FREE: Final = (
    select(ApiKey.id)
    .where(func.coalesce(ApiKey.last_used_at < func.now() - text("interval '1 minute'"), True))
    .with_for_update(skip_locked=True)
)
"""A key whose use is to be noted and that nobody holds; to be narrowed to one."""
