"""Drafts, canned replies, macros"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042_templates"
down_revision = "0065_work"
branch_labels = None
depends_on = None


def _scoped(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('own', 'team', 'shared')", name=op.f(f"ck_{table}_scope")),
        sa.CheckConstraint("(scope = 'own') = (agent_id IS NOT NULL)", name=op.f(f"ck_{table}_own_is_somebodys")),
        sa.CheckConstraint("(scope = 'team') = (team_id IS NOT NULL)", name=op.f(f"ck_{table}_team_is_named")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f(f"fk_{table}_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f(f"fk_{table}_team_id_team"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def upgrade() -> None:
    op.create_table(
        "canned_reply",
        *_scoped("canned_reply"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("shortcut", sa.String(), nullable=True),
        sa.Column("variants", postgresql.JSONB(), nullable=False),
    )
    for scope, columns in {"own": ["agent_id"], "team": ["team_id"], "shared": []}.items():
        op.create_index(
            f"uq_canned_reply_{scope}",
            "canned_reply",
            [*columns, "shortcut"],
            unique=True,
            postgresql_where=sa.text(f"scope = '{scope}'"),
        )
    op.create_table(
        "macro",
        *_scoped("macro"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
    )
    for table in ("canned_reply", "macro"):
        op.create_index(f"ix_{table}_agent_id", table, ["agent_id"])
        op.create_index(f"ix_{table}_team_id", table, ["team_id"])
    table = "complaint_draft"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("html", sa.String(), nullable=True),
        sa.Column("html_given", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("in_reply_to", sa.Uuid(), nullable=True),
        sa.Column("mentions", postgresql.JSONB(), nullable=False),
        sa.Column("canned_reply_id", sa.Uuid(), nullable=True),
        sa.Column("seen_message_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('public_reply', 'internal_note')", name=op.f("ck_complaint_draft_kind")),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_draft_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_complaint_draft_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["in_reply_to"],
            ["complaint_message.id"],
            name=op.f("fk_complaint_draft_in_reply_to_complaint_message"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["canned_reply_id"],
            ["canned_reply.id"],
            name=op.f("fk_complaint_draft_canned_reply_id_canned_reply"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_draft")),
    )
    op.create_index("ix_complaint_draft_complaint_id_id", table, ["complaint_id", "id"])
    op.create_index("ix_complaint_draft_agent_id", table, ["agent_id"])


def downgrade() -> None:
    op.drop_table("complaint_draft")
    op.drop_table("macro")
    op.drop_table("canned_reply")
