"""Passwords and the links that set them; second factors and their recovery codes."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp


class AgentPassword(Base):
    __tablename__ = "agent_password"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[str]
    """argon2id, with its parameters and salt."""
    set_at: Mapped[Timestamp]


class PasswordLink(Identified, Stamped, Base):
    """The right to set a password once. The link that is mailed carries this id, signed; whether it still counts, this
    row says.
    """

    __tablename__ = "password_link"
    __table_args__ = (
        CheckConstraint("kind IN ('invitation', 'reset')", name="kind"),
        Index("ix_password_link_expires_at", "expires_at"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    expires_at: Mapped[Timestamp]
    used_at: Mapped[Timestamp | None]
    """When it was used, or stopped to count because another one was."""


class SecondFactor(Stamped, Base):
    """A TOTP seed (RFC 6238), sealed. Until it is confirmed with a code it is asked of nobody."""

    __tablename__ = "second_factor"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes]
    confirmed_at: Mapped[Timestamp | None]
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """The time step of the last code taken: neither it nor an earlier one is taken again."""


class RecoveryCode(Base):
    """A code in place of the second factor, once. It is 80 random bits, so a fast hash is hash enough."""

    __tablename__ = "recovery_code"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[bytes] = mapped_column(primary_key=True)
