"""Saved views: lists that somebody wants to see again."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Versioned

VIEW_SCOPES: Final = ("own", "team", "shared")
"""Whose it is: one agent's, a team's, everybody's."""


class View(Identified, Versioned, Stamped, Base):
    """`filters` are as they were written, JSON: what they name may be gone when they are read. `columns`: fields of a
    complaint in a list, and `custom_fields.` with a key.
    """

    __tablename__ = "complaint_view"
    __table_args__ = (
        CheckConstraint(f"scope IN {VIEW_SCOPES}", name="scope"),
        CheckConstraint("(scope = 'own') = (agent_id IS NOT NULL)", name="own_is_somebodys"),
        CheckConstraint("(scope = 'team') = (team_id IS NOT NULL)", name="team_is_named"),
        Index("ix_complaint_view_agent_id", "agent_id"),
        Index("ix_complaint_view_team_id", "team_id"),
    )

    name: Mapped[str]
    scope: Mapped[str]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"))
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    sort: Mapped[str]
    columns: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    position: Mapped[int] = mapped_column(server_default="0")
