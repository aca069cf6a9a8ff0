"""Fields of the operator's own: what they are called and hold, and what complaints have in them."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Numeric, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

FIELD_TYPES: Final = ("text", "number", "date", "choice", "multi_choice", "money", "boolean")


class CustomField(Identified, Versioned, Stamped, Base):
    """A definition. `options`: of a choice, `[{code, label, label_zh, active}]`, in order; a code is retired, never removed.
    `minimum` and `maximum` are texts of the field's own type. `mask`: see `custom_values.fits_mask`. `required_for`:
    actions of the lifecycle that wait for a value.
    """

    __tablename__ = "custom_field"
    __table_args__ = (
        CheckConstraint(f"type IN {FIELD_TYPES}", name="type"),
        CheckConstraint("(type IN ('choice', 'multi_choice')) = (jsonb_array_length(options) > 0)", name="options"),
        CheckConstraint("(type = 'money') = (currency IS NOT NULL)", name="currency"),
    )

    key: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str]
    label_zh: Mapped[str | None]
    description: Mapped[str | None]
    type: Mapped[str]
    options: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    currency: Mapped[str | None]
    minimum: Mapped[str | None]
    maximum: Mapped[str | None]
    max_length: Mapped[int | None]
    mask: Mapped[str | None]
    required_for: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    filterable: Mapped[bool] = mapped_column(server_default="false")
    active: Mapped[bool] = mapped_column(server_default="true")
    position: Mapped[int] = mapped_column(server_default="0")


class CustomValue(Base):
    """What a complaint has in a field, to be looked for: `text` for equality, folded; `number` for spans (a date as days, an
    amount in minor units). A field of several choices has a row for each. The time of receipt is as in `complaint_tag`.
    """

    __tablename__ = "complaint_custom_value"
    __table_args__ = (
        ForeignKeyConstraint(
            ["received_at", "complaint_id"],
            ["complaint.received_at", "complaint.id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        Index("ix_complaint_custom_value_text", "field_id", "text", "received_at", "complaint_id"),
        Index("ix_complaint_custom_value_number", "field_id", "number", postgresql_where=text("number IS NOT NULL")),
    )

    complaint_id: Mapped[UUID] = mapped_column(primary_key=True)
    field_id: Mapped[UUID] = mapped_column(ForeignKey("custom_field.id", ondelete="RESTRICT"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    received_at: Mapped[Timestamp]
    text: Mapped[str | None]
    number: Mapped[Decimal | None] = mapped_column(Numeric)
