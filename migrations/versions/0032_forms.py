"""Forms for the public, proofs of work that were used up, and what a form's trap caught"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032_forms"
down_revision = "0043_redaction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "intake_form",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("previous_key", sa.String(), nullable=True),
        sa.Column("previous_key_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("origins", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("record_types", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("hourly_limit", sa.Integer(), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=False),
        sa.Column("difficulty", sa.Integer(), nullable=False),
        sa.Column("acknowledge", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("acknowledgements", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "(previous_key IS NULL) = (previous_key_until IS NULL)", name=op.f("ck_intake_form_previous_key_whole")
        ),
        sa.CheckConstraint("hourly_limit > 0 AND daily_limit >= hourly_limit", name=op.f("ck_intake_form_limits")),
        sa.CheckConstraint("difficulty >= 0", name=op.f("ck_intake_form_difficulty")),
        sa.CheckConstraint("cardinality(record_types) > 0", name=op.f("ck_intake_form_has_record_type")),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_intake_form_team_id_team"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_form")),
        sa.UniqueConstraint("key", name=op.f("uq_intake_form_key")),
        sa.UniqueConstraint("previous_key", name=op.f("uq_intake_form_previous_key")),
    )
    op.create_index("uq_intake_form_name_lower", "intake_form", [sa.text("lower(name)")], unique=True)
    op.create_index("ix_intake_form_origins", "intake_form", ["origins"], postgresql_using="gin")
    op.create_table(
        "intake_used_challenge",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_used_challenge")),
    )
    op.create_index("ix_intake_used_challenge_expires_at", "intake_used_challenge", ["expires_at"])
    op.create_table(
        "intake_quarantine",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("form_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("given", postgresql.JSONB(), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("decision IN ('released', 'discarded')", name=op.f("ck_intake_quarantine_decision")),
        sa.CheckConstraint(
            "(decision IS NULL) = (decided_at IS NULL)", name=op.f("ck_intake_quarantine_decided_whole")
        ),
        sa.CheckConstraint(
            "decision IS DISTINCT FROM 'discarded' OR given IS NULL",
            name=op.f("ck_intake_quarantine_discarded_is_gone"),
        ),
        sa.ForeignKeyConstraint(
            ["form_id"], ["intake_form.id"], name=op.f("fk_intake_quarantine_form_id_intake_form"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["agent.id"], name=op.f("fk_intake_quarantine_decided_by_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_quarantine")),
        sa.UniqueConstraint("reference", name=op.f("uq_intake_quarantine_reference")),
    )
    op.create_index(
        "ix_intake_quarantine_waiting", "intake_quarantine", ["id"], postgresql_where=sa.text("decision IS NULL")
    )
    op.create_index("ix_intake_quarantine_form_id", "intake_quarantine", ["form_id", "id"])


def downgrade() -> None:
    op.drop_table("intake_quarantine")
    op.drop_table("intake_used_challenge")
    op.drop_table("intake_form")
