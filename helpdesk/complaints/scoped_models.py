"""Whose something is that agents keep: one agent's own, a team's, everybody's."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Versioned

SCOPES: Final = ("own", "team", "shared")


class Scoped(Identified, Versioned, Stamped, Base):
    """Columns of every such row."""

    __abstract__ = True

    scope: Mapped[str]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"))


def scope_checks() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint(f"scope IN {SCOPES}", name="scope"),
        CheckConstraint("(scope = 'own') = (agent_id IS NOT NULL)", name="own_is_somebodys"),
        CheckConstraint("(scope = 'team') = (team_id IS NOT NULL)", name="team_is_named"),
    )
