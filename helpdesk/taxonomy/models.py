"""Tables of the taxonomy: its terms as they are, every version of the whole, and the rules of severity."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned
from helpdesk.taxonomy.terms import KINDS

SEVERITY: Final = UUID("00000000-0000-7000-8000-00000000005e")
"""Id of the one row of rules."""


class TaxonomyTerm(Identified, Versioned, Stamped, Base):
    """A code with its labels (language -> text). `traits`: as `terms.TRAITS` has them for its kind."""

    __tablename__ = "taxonomy_term"
    __table_args__ = (
        UniqueConstraint("kind", "code"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("code ~ '^[A-Za-z][A-Za-z0-9_.]{0,61}$'", name="code"),
        CheckConstraint("labels ? 'en'", name="labelled"),
        Index("ix_taxonomy_term_kind_position_code", "kind", "position", "code"),
    )

    kind: Mapped[str]
    code: Mapped[str]
    labels: Mapped[dict[str, str]] = mapped_column(JSONB)
    traits: Mapped[Json]
    position: Mapped[int]
    retired_at: Mapped[Timestamp | None]


class SeveritySpec(Versioned, Base):
    """One row: the matrix and the rules. Whoever changes anything in the taxonomy holds its lock, so that its versions
    are numbered one after the other.
    """

    __tablename__ = "taxonomy_severity"
    __table_args__ = (CheckConstraint(f"id = '{SEVERITY}'", name="one_row"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    spec: Mapped[Json]


class TaxonomyVersion(Stamped, Base):
    """The whole as it was from `created_at` until the next version came. Never changed."""

    __tablename__ = "taxonomy_version"
    __table_args__ = (CheckConstraint("version > 0", name="version"),)

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[Json]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
