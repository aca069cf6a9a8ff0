"""Roles, agents, teams, memberships and tokens."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.identity.permissions import AUTHORITIES, SCOPES
from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned


class Role(Identified, Versioned, Stamped, Base):
    """What its agents may do. Agents refer to it by its name, which therefore stays as it is."""

    __tablename__ = "role"
    __table_args__ = (
        CheckConstraint(f"scope IN {SCOPES}", name="scope"),
        CheckConstraint(f"authority IN {AUTHORITIES}", name="authority"),
        Index("uq_role_name_lower", func.lower(text("name")), unique=True),
    )

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(String))
    scope: Mapped[str]
    authority: Mapped[str]
    second_factor: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether its agents need one, though the installation does not ask it of everybody."""
    built_in: Mapped[bool] = mapped_column(default=False, server_default="false")


class KnownPermission(Base):
    """A permission that this installation has met: the shipped roles have been given it, or had it taken away since."""

    __tablename__ = "known_permission"

    name: Mapped[str] = mapped_column(primary_key=True)


class Team(Identified, Versioned, Stamped, Base):
    """Never deleted, only deactivated: what it decided goes on naming it, and its members go on seeing that."""

    __tablename__ = "team"
    __table_args__ = (
        CheckConstraint("successor_id <> id", name="not_its_own_successor"),
        CheckConstraint("NOT active OR successor_id IS NULL", name="successor_of_closed"),
        Index("uq_team_name_lower", func.lower(text("name")), unique=True),
        Index("ix_team_successor_id", "successor_id", postgresql_where=text("successor_id IS NOT NULL")),
    )

    name: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    successor_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="RESTRICT"))
    """Who gets what is open, or opens again, of one that is not active; None: what the rules find."""


class Agent(Identified, Versioned, Stamped, Base):
    """Somebody who works here. Never deleted, only deactivated: the timeline goes on naming them."""

    __tablename__ = "agent"
    __table_args__ = (
        Index("ix_agent_role", "role"),
        Index("uq_agent_email_lower", func.lower(text("email")), unique=True),
    )

    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str] = mapped_column(ForeignKey("role.name", ondelete="RESTRICT"))
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
