"""Every select on agents' profiles and absences, and who may see and change them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints import handler_queries
from helpdesk.complaints.choosing import FULL, INACTIVE
from helpdesk.complaints.profile_models import AgentAbsence, AgentProfile
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, TeamMember
from helpdesk.kernel.access import existing, require
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.pagination import Listed, Order, Page, listed

_BY_START: Final = Order((AgentAbsence.starts_at, AgentAbsence.id), (datetime, UUID))


def check_sight(session: Session, actor: Actor, agent_id: UUID) -> None:
    """Oneself; others with `agent:read`. Raises `Forbidden`, `NotFound`."""
    if agent_id != actor.id or actor.kind != "agent":
        require(actor, "agent:read")
    if session.execute(select(Agent.id).where(Agent.id == agent_id)).first() is None:
        raise NotFound


def leads(session: Session, actor: Actor, agent_id: UUID) -> bool:
    """Whether the actor manages this agent: all of them, or with `team:lead` those of one's own teams."""
    if actor.may("agent:manage"):
        return True
    if not actor.may("team:lead"):
        return False
    shared = select(TeamMember.team_id).where(TeamMember.agent_id == agent_id, TeamMember.team_id.in_(actor.team_ids))
    return session.execute(shared.limit(1)).first() is not None


def new_profile(agent_id: UUID) -> AgentProfile:
    """What an agent has of whom nothing is written down. Version 0 is the one that nobody has written."""
    return AgentProfile(
        agent_id=agent_id,
        skills=[],
        languages=[],
        capacity=None,
        weights={},
        working_hours=None,
        availability="available",
        away_until=None,
        away_reason=None,
        version=0,
    )


def profile_for_update(session: Session, actor: Actor, agent_id: UUID) -> AgentProfile:
    """Of an agent whom the actor may see; the agent is locked, so that nobody is given anything meanwhile."""
    check_sight(session, actor, agent_id)
    locked = select(Agent.id).where(Agent.id == agent_id).with_for_update(key_share=True)
    session.execute(locked).one()
    found = session.get(AgentProfile, agent_id)
    return found or new_profile(agent_id)


def profile_detail(session: Session, agent_id: UUID) -> dict[str, Any]:
    profile = session.get(AgentProfile, agent_id) or new_profile(agent_id)
    handler = handler_queries.handlers(session, [agent_id], None, lock=False, always=True).get(agent_id)
    columns = {column.key: getattr(profile, column.key) for column in AgentProfile.__table__.columns}
    unready = [INACTIVE] if handler is None else handler.unready()
    if handler is not None and handler.capacity is not None and handler.load >= handler.capacity:
        unready.append(FULL)
    return columns | {
        "ready": not unready,
        "unready": unready,
        "load": handler.load if handler else 0,
        "substitute_id": handler.substitute_id if handler else None,
    }


def list_absences(session: Session, actor: Actor, page: Page, given: dict[str, Any], agent_id: UUID) -> Listed:
    check_sight(session, actor, agent_id)
    return listed(
        session, page, select(AgentAbsence.__table__).where(AgentAbsence.agent_id == agent_id), _BY_START, given
    )


def absence_detail(session: Session, absence_id: UUID) -> Any:
    return session.execute(select(AgentAbsence.__table__).where(AgentAbsence.id == absence_id)).mappings().one()


def absence_of(session: Session, actor: Actor, agent_id: UUID, absence_id: UUID) -> Any:
    """Raises `Forbidden`, `NotFound`."""
    check_sight(session, actor, agent_id)
    found = select(AgentAbsence.__table__).where(AgentAbsence.id == absence_id, AgentAbsence.agent_id == agent_id)
    return existing(session.execute(found).mappings().one_or_none())


def absence_for_update(session: Session, actor: Actor, agent_id: UUID, absence_id: UUID) -> AgentAbsence:
    check_sight(session, actor, agent_id)
    belongs = select(AgentAbsence).where(AgentAbsence.id == absence_id, AgentAbsence.agent_id == agent_id)
    return existing(session.execute(belongs.with_for_update()).scalar_one_or_none())


def absences_to_come(session: Session, agent_id: UUID) -> int:
    """How many are not over."""
    statement = select(func.count()).where(AgentAbsence.agent_id == agent_id, AgentAbsence.ends_at > func.now())
    return session.execute(statement).scalar_one()


def stood_in_for(session: Session, agent_id: UUID, now: datetime) -> Sequence[Any]:
    """`(id, name)` of absences that are not over in which this agent is the substitute, by the name of who is absent."""
    found = select(AgentAbsence.id, Agent.name).join(Agent, Agent.id == AgentAbsence.agent_id)
    found = found.where(AgentAbsence.substitute_id == agent_id, AgentAbsence.ends_at > now, Agent.active)
    return session.execute(found.order_by(AgentAbsence.starts_at, AgentAbsence.id)).all()


def new_absence(agent_id: UUID) -> AgentAbsence:
    return AgentAbsence(id=new_id(), agent_id=agent_id, substitute_id=None, note=None, version=1)
