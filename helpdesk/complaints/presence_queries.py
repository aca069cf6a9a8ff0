"""Names of those who are at work on a complaint."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from helpdesk.identity.models import Agent

_AGENT: Final = Agent.__table__.c
_NAMES: Final = select(_AGENT.id, _AGENT.name).where(_AGENT.id.in_(bindparam("ids", expanding=True)))


def names(session: Session, agent_ids: Collection[UUID]) -> dict[UUID, str]:
    if not agent_ids:
        return {}
    return {row.id: row.name for row in session.execute(_NAMES, {"ids": list(agent_ids)})}
