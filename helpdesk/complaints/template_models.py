"""What agents keep for saying and doing again: canned replies and macros."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

TEMPLATE_SCOPES: Final = ("own", "team", "shared")
"""Whose it is: one agent's, a team's, everybody's."""


class Scoped:
    """Columns that say whose a template is, and how much it is used."""

    scope: Mapped[str]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"))
    uses: Mapped[int] = mapped_column(default=0, server_default="0")
    last_used_at: Mapped[Timestamp | None]


def _scope_checks() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint(f"scope IN {TEMPLATE_SCOPES}", name="scope"),
        CheckConstraint("(scope = 'own') = (agent_id IS NOT NULL)", name="own_is_somebodys"),
        CheckConstraint("(scope = 'team') = (team_id IS NOT NULL)", name="team_is_named"),
    )


class CannedReply(Scoped, Identified, Versioned, Stamped, Base):
    """`variants`: one text per language, the first of them for everybody else: `{language, body, body_html}`, where one of
    the two is null. HTML is sanitised.
    """

    __tablename__ = "canned_reply"
    __table_args__ = (
        *_scope_checks(),
        Index("ix_canned_reply_agent_id", "agent_id"),
        Index("ix_canned_reply_team_id", "team_id"),
        Index("uq_canned_reply_own", "agent_id", "shortcut", unique=True, postgresql_where=text("scope = 'own'")),
        Index("uq_canned_reply_team", "team_id", "shortcut", unique=True, postgresql_where=text("scope = 'team'")),
        Index("uq_canned_reply_shared", "shortcut", unique=True, postgresql_where=text("scope = 'shared'")),
    )

    title: Mapped[str]
    shortcut: Mapped[str | None]
    variants: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Macro(Scoped, Identified, Versioned, Stamped, Base):
    """`steps`: `{step, given, canned_reply_id}` as they were written, in order."""

    __tablename__ = "macro"
    __table_args__ = (
        *_scope_checks(),
        Index("ix_macro_agent_id", "agent_id"),
        Index("ix_macro_team_id", "team_id"),
    )

    name: Mapped[str]
    description: Mapped[str | None]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
