"""What agents keep for saying and doing again: canned replies and macros."""

from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.complaints.scoped_models import Scoped, scope_checks
from helpdesk.kernel.db import Timestamp


class Template(Scoped):
    """And how much it is used."""

    __abstract__ = True

    uses: Mapped[int] = mapped_column(default=0, server_default="0")
    last_used_at: Mapped[Timestamp | None]


class CannedReply(Template):
    """`variants`: one text per language, the first of them for everybody else: `{language, body, body_html}`, where one of
    the two is null. HTML is sanitised.
    """

    __tablename__ = "canned_reply"
    __table_args__ = (
        *scope_checks(),
        Index("ix_canned_reply_agent_id", "agent_id"),
        Index("ix_canned_reply_team_id", "team_id"),
        Index("uq_canned_reply_own", "agent_id", "shortcut", unique=True, postgresql_where=text("scope = 'own'")),
        Index("uq_canned_reply_team", "team_id", "shortcut", unique=True, postgresql_where=text("scope = 'team'")),
        Index("uq_canned_reply_shared", "shortcut", unique=True, postgresql_where=text("scope = 'shared'")),
    )

    title: Mapped[str]
    shortcut: Mapped[str | None]
    variants: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Macro(Template):
    """`steps`: `{step, given, canned_reply_id}` as they were written, in order."""

    __tablename__ = "macro"
    __table_args__ = (
        *scope_checks(),
        Index("ix_macro_agent_id", "agent_id"),
        Index("ix_macro_team_id", "team_id"),
    )

    name: Mapped[str]
    description: Mapped[str | None]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
