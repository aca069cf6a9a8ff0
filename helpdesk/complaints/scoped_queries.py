"""Which of the rows that agents keep exist for whom."""

from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints.scoped_models import Scoped
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing

Row = TypeVar("Row", bound=Scoped)


def usable_by(actor: Actor, kind: type[Scoped]) -> ColumnElement[bool]:
    """One's own, one's teams' (every team's for who sees everything), and what is shared."""
    of_team = true() if actor.sees_all else kind.team_id.in_(actor.team_ids)
    mine = kind.agent_id == actor.id if actor.kind == "agent" else kind.agent_id.is_(None)
    return or_(kind.scope == "shared", (kind.scope == "team") & of_team, (kind.scope == "own") & mine)


def one(session: Session, actor: Actor, kind: type[Row], row_id: UUID) -> Row:
    """Raises `NotFound`."""
    return existing(session.scalars(select(kind).where(kind.id == row_id, usable_by(actor, kind))).one_or_none())


def one_for_update(session: Session, actor: Actor, kind: type[Row], row_id: UUID) -> Row:
    """Locked. Raises `NotFound`."""
    statement = select(kind).where(kind.id == row_id, usable_by(actor, kind)).with_for_update()
    return existing(session.scalars(statement).one_or_none())
