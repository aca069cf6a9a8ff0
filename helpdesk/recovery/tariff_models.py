"""Tariffs: what laws and schemes lay down, in versions that hold from one day to another. A version is never changed."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Json, Stamped, Versioned


class Tariff(Versioned, Stamped, Base):
    """`id`: its code (`eu.261`). `version` is the number of the newest version, which is not always the one in force."""

    __tablename__ = "tariff"
    __table_args__ = (CheckConstraint("id ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'", name="id"),)

    id: Mapped[str] = mapped_column(primary_key=True)


class TariffVersion(Stamped, Base):
    """In force on a day: of those whose days hold it the one that begins last, and of these the newest. So a mistake is put
    right by another version from the same day, and what was shown before can still be explained. A trigger refuses changes.

    `valid_until` None: until another one begins. `shipped`: the key of what came with the program; None: the operator's.
    """

    __tablename__ = "tariff_version"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="period"),
        CheckConstraint("version >= 1", name="version"),
        Index("uq_tariff_version_shipped", "shipped", unique=True, postgresql_where=text("shipped IS NOT NULL")),
    )

    tariff_id: Mapped[str] = mapped_column(ForeignKey("tariff.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    spec: Mapped[Json]
    shipped: Mapped[str | None]
    created_by: Mapped[UUID | None]
