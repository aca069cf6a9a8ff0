"""Every select on saved views, and which of them exist for whom."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.scoped_queries import one_for_update, usable_by
from helpdesk.complaints.view_models import View
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team
from helpdesk.kernel import advisory
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_SHOWN: Final = tuple(View.__table__.columns)
_BY_PLACE: Final = Order((View.position, View.id), (int, UUID))


def list_views(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: AnySelect = select(*_SHOWN).where(usable_by(actor, View))
    if "scope" in given:
        statement = statement.where(View.scope == given["scope"])
    return listed(session, page, statement, _BY_PLACE, given)


def view(session: Session, actor: Actor, view_id: UUID) -> Mapping[str, Any]:
    row = session.execute(select(*_SHOWN).where(View.id == view_id, usable_by(actor, View))).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


def written(session: Session, view_id: UUID) -> Mapping[str, Any]:
    """For whoever has just written it: no visibility."""
    return dict(session.execute(select(*_SHOWN).where(View.id == view_id)).mappings().one())


def views_of_several(session: Session) -> Sequence[Any]:
    """`(id, name, filters, columns)` of those that are a team's, or everybody's."""
    several = select(View.id, View.name, View.filters, View.columns).where(View.scope != "own")
    return session.execute(several.order_by(View.id)).all()


def view_for_update(session: Session, actor: Actor, view_id: UUID) -> View:
    return one_for_update(session, actor, View, view_id)


def how_many(session: Session, row: View) -> int:
    """Of the same agent, of the same team, or of those that are shared; whoever writes another waits for who is about to."""
    owner = f"{row.scope} {row.agent_id} {row.team_id}"
    advisory.lock_each(session, advisory.Each.VIEWS_OF_ONE_OWNER, owner)
    alike = select(func.count()).where(
        View.scope == row.scope,
        View.agent_id.is_not_distinct_from(row.agent_id),
        View.team_id.is_not_distinct_from(row.team_id),
        View.id != row.id,
    )
    return session.execute(alike).scalar_one()


def active_agents(session: Session, agent_ids: Collection[UUID]) -> set[UUID]:
    return set(session.scalars(select(Agent.id).where(Agent.id.in_(agent_ids), Agent.active))) if agent_ids else set()


def teams(session: Session, team_ids: Collection[UUID]) -> set[UUID]:
    return set(session.scalars(select(Team.id).where(Team.id.in_(team_ids)))) if team_ids else set()
