"""API keys: how other systems call."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

KEY_SCOPES = ("teams", "everything")
"""A key has no complaints of its own."""


class ApiKey(Identified, Versioned, Stamped, Base):
    """The hash of a key, and of the one before it as long as that still counts; the keys themselves are kept nowhere.

    A key may what is written here and its owner may as well, at the moment of each request; without an active owner, nothing.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint(f"scope IN {KEY_SCOPES}", name="scope"),
        CheckConstraint("(previous_hash IS NULL) = (previous_until IS NULL)", name="previous_whole"),
        Index("ix_api_key_owner_id", "owner_id"),
    )

    name: Mapped[str]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    permissions: Mapped[list[str]] = mapped_column(ARRAY(String))
    scope: Mapped[str]
    prefix: Mapped[str]
    """Its first characters, to know it again by."""
    hash: Mapped[bytes] = mapped_column(unique=True)
    previous_hash: Mapped[bytes | None] = mapped_column(unique=True)
    previous_until: Mapped[Timestamp | None]
    expires_at: Mapped[Timestamp]
    rotated_at: Mapped[Timestamp | None]
    revoked_at: Mapped[Timestamp | None]
    last_used_at: Mapped[Timestamp | None]
    """To the minute."""
    last_used_from: Mapped[str | None]
    """An address; of IPv6, the network."""


class ApiKeyTeam(Base):
    """A team whose complaints a key of scope `teams` sees."""

    __tablename__ = "api_key_team"

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True, index=True)
