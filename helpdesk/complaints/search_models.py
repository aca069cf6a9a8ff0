"""The index of the text of complaints: what can be found, kept in the transaction that changes it."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Timestamp


class SearchSegment(Base):
    """Part of a complaint's text, all of it for almost every complaint; `search_text.segments` says what is where.

    `several`: the complaint has more than this one, so that two words may stand in two segments. `places` is the last place
    in it, `received_at` the complaint's, so that the newest that match are found without a look at it. Rows are made anew
    from the text at any time (`search_index.rebuild`), and hold nothing else.
    """

    __tablename__ = "complaint_search"
    __table_args__ = (
        Index("ix_complaint_search_vector", "vector", postgresql_using="gin"),
        Index("ix_complaint_search_received_at", "received_at", "complaint_id"),
        Index("ix_complaint_search_several", "vector", postgresql_using="gin", postgresql_where=text("several")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"), primary_key=True)
    segment: Mapped[int] = mapped_column(primary_key=True)
    received_at: Mapped[Timestamp]
    several: Mapped[bool]
    places: Mapped[int]
    vector: Mapped[str] = mapped_column(TSVECTOR)


class Unsearched(Base):
    """Complaints whose index is still to be made: those from before there was one, or all after `search rebuild`."""

    __tablename__ = "complaint_unsearched"

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"), primary_key=True)
