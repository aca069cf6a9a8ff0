"""Agents, teams, memberships and tokens."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.identity.permissions import ROLES
from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned


class Team(Identified, Versioned, Stamped, Base):
    __tablename__ = "team"
    __table_args__ = (Index("uq_team_name_lower", func.lower(text("name")), unique=True),)

    name: Mapped[str]


class Agent(Identified, Versioned, Stamped, Base):
    """Somebody who works here. Never deleted, only deactivated: the timeline goes on naming them."""

    __tablename__ = "agent"
    __table_args__ = (
        CheckConstraint(f"role IN ({', '.join(repr(role) for role in ROLES)})", name="role"),
        Index("uq_agent_email_lower", func.lower(text("email")), unique=True),
    )

    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")


class TeamMember(Base):
    __tablename__ = "team_member"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True, index=True)


class Token(Identified, Stamped, Base):
    """A bearer token's hash. The token itself is shown once and kept nowhere."""

    __tablename__ = "token"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)
    bootstrap: Mapped[bool] = mapped_column(default=False, server_default="false")
    expires_at: Mapped[Timestamp | None]
    revoked_at: Mapped[Timestamp | None]
