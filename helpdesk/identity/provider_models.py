"""Identity providers, who is whom there, and sign-ins that are under way."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned


class IdentityProvider(Identified, Versioned, Stamped, Base):
    """An OpenID provider that vouches for people."""

    __tablename__ = "identity_provider"
    __table_args__ = (Index("uq_identity_provider_name_lower", func.lower(text("name")), unique=True),)

    name: Mapped[str]
    issuer: Mapped[str]
    """Exactly as the provider writes it."""
    client_id: Mapped[str]
    client_secret: Mapped[bytes | None]
    """Sealed; None for a public client."""
    redirect_uri: Mapped[str | None]
    """Where the provider sends people back to; None: our own page."""
    allowed_domains: Mapped[list[str]] = mapped_column(ARRAY(String))
    """Whose verified e-mail addresses it is believed, in lower case."""
    provision_role: Mapped[str | None] = mapped_column(ForeignKey("role.name", ondelete="RESTRICT"))
    """The role of an agent who is made at the first sign-in; None: nobody is."""
    active: Mapped[bool] = mapped_column(default=True, server_default="true")


class AgentIdentity(Identified, Stamped, Base):
    """Who an agent is at a provider: the pair of issuer and subject, which never changes and is never given out again."""

    __tablename__ = "agent_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("agent_id", "issuer"))

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]


class ProviderSignIn(Stamped, Base):
    """Somebody is on the way to a provider and back. Both secrets as hashes: `state`, which travels with them, and
    `binding`, which stays in the browser where they began.
    """

    __tablename__ = "provider_sign_in"
    __table_args__ = (Index("ix_provider_sign_in_expires_at", "expires_at"),)

    state: Mapped[bytes] = mapped_column(primary_key=True)
    binding: Mapped[bytes]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    """As it was when they left: an answer to another is none."""
    in_cookie: Mapped[bool]
    expires_at: Mapped[Timestamp]
