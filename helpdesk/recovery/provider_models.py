"""Tables of outside providers: who they are, what each was asked to issue, what it called back, and what the recording one
keeps. Promises stand as constraints: one order per issuance asked for, one that was issued per offer, each message once.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

MODES: Final = ("http", "recording")
ORDER_STATES: Final = ("open", "pending", "unknown", "issued", "refused", "settled")
"""open: being asked; pending: the provider works on it; unknown: nobody knows whether it did; issued; refused; settled: a
person said what came of it, or it was given up before it was asked."""
OPEN_ORDERS: Final = ("open", "pending", "unknown")


def duty_key(offer_id: UUID, round_: int, turn: int = 0) -> str:
    """Names the duty of one turn: to issue it in this round, or to ask for it."""
    return f"{offer_id}:{round_}:{turn}" if turn else f"{offer_id}:{round_}"


SAYINGS: Final = ("issued", "pending", "failed")
"""What a provider can call back."""


class RemedyProvider(Identified, Versioned, Stamped, Base):
    """Who issues remedies for us. `currencies` empty: all. A secret is sealed (`kernel.sealing`); the one before counts until
    `previous_until`. `silences`: how often in a row it kept us waiting in vain; until `paused_until` it is asked nothing, then by
    one at a time, until it answers. Neither changes the version: nobody edits them. Never deleted: what it issued names it.
    """

    __tablename__ = "remedy_provider"
    __table_args__ = (
        CheckConstraint(f"mode IN {MODES}", name="mode"),
        CheckConstraint("(mode = 'http') = (url IS NOT NULL)", name="url"),
        CheckConstraint("cardinality(kinds) > 0", name="kinds"),
        CheckConstraint("timeout_seconds BETWEEN 1 AND 60", name="timeout"),
        CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="previous"),
        CheckConstraint("silences >= 0 AND (silences > 0) = (paused_until IS NOT NULL)", name="paused"),
        Index("uq_remedy_provider_name_lower", func.lower(text("name")), unique=True),
    )

    name: Mapped[str]
    mode: Mapped[str]
    url: Mapped[str | None]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(String))
    currencies: Mapped[list[str]] = mapped_column(ARRAY(String))
    timeout_seconds: Mapped[int] = mapped_column(default=10, server_default="10")
    enabled: Mapped[bool] = mapped_column(default=True, server_default="true")
    secret: Mapped[bytes]
    previous_secret: Mapped[bytes | None]
    previous_until: Mapped[Timestamp | None]
    silences: Mapped[int] = mapped_column(default=0, server_default="0")
    paused_until: Mapped[Timestamp | None]


class RemedyOrder(Identified, Stamped, Base):
    """One issuance asked of a provider. Changed under the offer's lock, and locked last; only that it is about to be asked
    is noted under its own lock alone.

    `body` is what is sent, the same each time. `turn` counts the duties written for it: only the newest may ask. `in_doubt`
    counts requests of which nobody knows what came: while there is one, it is not failed. `put_off`: how often its turn had come
    while its provider was not asked. `claim`: the provider answered as if it had done it, or had taken it on, in these words; from
    then on only its own word that it failed settles that it did not. `last_error` is the provider's word, or what went wrong on the
    way. `contradictions`: what it said against what was recorded, oldest first, each with `says`, `word` (issued or failed),
    `reference`, `at`, whether somebody has seen to it (`settled`), and then as what it was booked, if it was (`booked`).
    `contradiction`: what nobody has seen to, in words.
    """

    __tablename__ = "remedy_order"
    __table_args__ = (
        UniqueConstraint("offer_id", "round"),
        CheckConstraint(f"state IN {ORDER_STATES}", name="state"),
        CheckConstraint("in_doubt >= 0 AND attempts >= 0 AND turn >= 0", name="counts"),
        CheckConstraint("(state = 'issued') = (reference IS NOT NULL)", name="reference"),
        CheckConstraint(f"(state IN {OPEN_ORDERS}) = (closed_at IS NULL)", name="closed"),
        CheckConstraint("state <> 'refused' OR in_doubt = 0", name="refused_is_sure"),
        CheckConstraint("claim <> ''", name="claim"),
        CheckConstraint("put_off >= 0", name="put_off"),
        Index("ix_remedy_order_open", "provider_id", postgresql_where=text("closed_at IS NULL")),
        CheckConstraint("(contradiction IS NULL) = (contradicted_at IS NULL)", name="contradiction"),
        Index("uq_remedy_order_issued", "offer_id", unique=True, postgresql_where=text("state = 'issued'")),
        Index(
            "ix_remedy_order_contradicted",
            "offer_id",
            postgresql_where=text("contradicted_at IS NOT NULL AND contradiction_settled_at IS NULL"),
        ),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    round: Mapped[int]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("remedy_provider.id", ondelete="RESTRICT"), index=True)
    key: Mapped[str] = mapped_column(unique=True)
    body: Mapped[str]
    state: Mapped[str] = mapped_column(default="open", server_default="open")
    turn: Mapped[int] = mapped_column(default=0, server_default="0")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    in_doubt: Mapped[int] = mapped_column(default=0, server_default="0")
    put_off: Mapped[int] = mapped_column(default=0, server_default="0")
    external_id: Mapped[str | None]
    reference: Mapped[str | None]
    last_error: Mapped[str | None]
    claim: Mapped[str | None]
    first_asked_at: Mapped[Timestamp | None]
    closed_at: Mapped[Timestamp | None]
    contradiction: Mapped[str | None]
    contradictions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    contradicted_at: Mapped[Timestamp | None]
    contradiction_settled_at: Mapped[Timestamp | None]


class RemedyCallback(Identified, Stamped, Base):
    """What a provider called back, as it came. A trigger refuses every change."""

    __tablename__ = "remedy_callback"
    __table_args__ = (
        UniqueConstraint("provider_id", "message_id"),
        CheckConstraint(f"says IN {SAYINGS}", name="says"),
        Index("ix_remedy_callback_order_id", "order_id"),
    )

    provider_id: Mapped[UUID] = mapped_column(ForeignKey("remedy_provider.id", ondelete="RESTRICT"))
    message_id: Mapped[str]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("remedy_order.id", ondelete="RESTRICT"))
    says: Mapped[str]
    reference: Mapped[str | None]
    external_id: Mapped[str | None]
    reason: Mapped[str | None]


class RecordedRemedy(Identified, Stamped, Base):
    """What the recording provider was asked to issue, and (as it does nothing) all that came of it."""

    __tablename__ = "recorded_remedy"

    provider_id: Mapped[UUID] = mapped_column(ForeignKey("remedy_provider.id", ondelete="RESTRICT"))
    key: Mapped[str] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reference: Mapped[str] = mapped_column(unique=True)
