"""Saved views: lists that somebody wants to see again."""

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.complaints.scoped_models import Scoped, scope_checks


class View(Scoped):
    """`filters` are as they were written, JSON: what they name may be gone when they are read. `columns`: fields of a
    complaint in a list, and `custom_fields.` with a key.
    """

    __tablename__ = "complaint_view"
    __table_args__ = (
        *scope_checks(),
        Index("ix_complaint_view_agent_id", "agent_id"),
        Index("ix_complaint_view_team_id", "team_id"),
    )

    name: Mapped[str]
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    sort: Mapped[str]
    columns: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    position: Mapped[int] = mapped_column(server_default="0")
