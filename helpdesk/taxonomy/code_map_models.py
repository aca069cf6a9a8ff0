"""Tables of what our codes are called elsewhere."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Versioned


class CodeMap(Identified, Versioned, Stamped, Base):
    """One other system, and its words for our codes."""

    __tablename__ = "code_map"
    __table_args__ = (CheckConstraint("system ~ '^[a-z][a-z0-9_-]{0,39}$'", name="system"),)

    system: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]


class ExternalCode(Base):
    """A word of theirs is one code of ours. Of several words for one code the preferred one is what they are told."""

    __tablename__ = "external_code_map"
    __table_args__ = (
        ForeignKeyConstraint(["kind", "code"], ["taxonomy_term.kind", "taxonomy_term.code"], ondelete="RESTRICT"),
        Index(
            "uq_external_code_map_preferred",
            "map_id",
            "kind",
            "code",
            unique=True,
            postgresql_where=text("preferred"),
        ),
        Index("ix_external_code_map_kind_code", "kind", "code"),
    )

    map_id: Mapped[UUID] = mapped_column(ForeignKey("code_map.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    external: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    preferred: Mapped[bool]
    position: Mapped[int]
