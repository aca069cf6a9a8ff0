from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Versioned

KINDS = ("person", "organisation")
TIERS = ("key", "ordinary", "small", "unprofitable")


class Customer(Identified, Versioned, Stamped, Base):
    """`external_id` is the customer's number in another system, unique when present."""

    __tablename__ = "customer"
    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint(f"tier IN {TIERS}", name="tier"),
        Index("ix_customer_email_lower", func.lower(text("email"))),
        Index("uq_customer_external_id", "external_id", unique=True, postgresql_where=text("external_id IS NOT NULL")),
    )

    kind: Mapped[str] = mapped_column(default="person", server_default="person")
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    language: Mapped[str | None]
    tier: Mapped[str] = mapped_column(default="ordinary", server_default="ordinary")
    external_id: Mapped[str | None]
