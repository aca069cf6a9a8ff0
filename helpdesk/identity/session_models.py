"""Sessions, and what is counted at the door."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp

HOW: tuple[str, ...] = ("password", "provider")


class AgentSession(Identified, Stamped, Base):
    """Somebody signed in. Of the secret only the hash is kept; it changes when the session rises (second factor, another
    password), so that one who learnt it before is left behind.
    """

    __tablename__ = "agent_session"
    __table_args__ = (
        CheckConstraint("how IN ('password', 'provider')", name="how"),
        Index("ix_agent_session_expires_at", "expires_at"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), index=True)
    hash: Mapped[bytes] = mapped_column(unique=True)
    how: Mapped[str]
    in_cookie: Mapped[bool]
    second_factor: Mapped[bool]
    """Whether it was proved in this session, here or (`how` is provider) there."""
    address: Mapped[str]
    """Where it was seen last: an IPv4 address or an IPv6 network of 64 bits."""
    user_agent: Mapped[str]
    last_seen_at: Mapped[Timestamp]
    """Written at most once a minute."""
    idle_until: Mapped[Timestamp]
    expires_at: Mapped[Timestamp]
    ended_at: Mapped[Timestamp | None]


class KnownPlace(Base):
    """An address from which an agent has signed in: what others do elsewhere does not keep them out from there. Only a
    keyed hash of it.
    """

    __tablename__ = "known_place"
    __table_args__ = (Index("ix_known_place_seen_at", "seen_at"),)

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[bytes] = mapped_column(primary_key=True)
    seen_at: Mapped[Timestamp]


class SignInThrottle(Base):
    """Failures of one account, address or second factor. The key is a keyed hash: whether the account exists plays no
    part in it.
    """

    __tablename__ = "sign_in_throttle"
    __table_args__ = (Index("ix_sign_in_throttle_failed_at", "failed_at"),)

    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[Timestamp]
    blocked_until: Mapped[Timestamp]
