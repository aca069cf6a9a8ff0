"""Playbooks as data, in versions, and what trials of them have found"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0321_playbooks"
down_revision = "0342_approval_requests"
branch_labels = None
depends_on = None

# The playbook's row is locked by whoever publishes, so two that overlap cannot be published at once past the second check.
_TRIGGERS = """
CREATE FUNCTION playbook_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' OR (TG_OP = 'DELETE' AND OLD.state <> 'draft') THEN
        RAISE EXCEPTION 'a published version of a playbook is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF OLD.state <> 'draft' AND (
        (NEW.playbook_id, NEW.number, NEW.spec, NEW.warnings, NEW.valid_from, NEW.published_at, NEW.created_at)
            IS DISTINCT FROM
        (OLD.playbook_id, OLD.number, OLD.spec, OLD.warnings, OLD.valid_from, OLD.published_at, OLD.created_at)
        OR NEW.note IS DISTINCT FROM OLD.note OR NEW.state = 'draft'
        OR (OLD.state = 'retired' AND NEW.state <> 'retired')
        OR (OLD.valid_until IS NOT NULL AND NEW.valid_until IS DISTINCT FROM OLD.valid_until)
    ) THEN
        RAISE EXCEPTION 'a published version of a playbook is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER playbook_version_stays BEFORE UPDATE OR DELETE ON playbook_version
    FOR EACH ROW EXECUTE FUNCTION playbook_version_stays();
CREATE TRIGGER playbook_version_no_truncate BEFORE TRUNCATE ON playbook_version
    FOR EACH STATEMENT EXECUTE FUNCTION playbook_version_stays();
CREATE FUNCTION playbook_version_alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'published' THEN
        PERFORM FROM playbook WHERE id = NEW.playbook_id FOR UPDATE;
        IF EXISTS (
            SELECT FROM playbook_version other
            WHERE other.playbook_id = NEW.playbook_id AND other.number <> NEW.number AND other.state = 'published'
              AND daterange(other.valid_from, other.valid_until, '[]') && daterange(NEW.valid_from, NEW.valid_until, '[]')
        ) THEN
            RAISE EXCEPTION 'two versions of a playbook would be in force on one day' USING ERRCODE = 'exclusion_violation';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER playbook_version_alone AFTER INSERT OR UPDATE ON playbook_version
    FOR EACH ROW EXECUTE FUNCTION playbook_version_alone();
"""


def upgrade() -> None:
    op.create_table(
        "playbook",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("condition", postgresql.JSONB(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("is_default = (position = 2147483647)", name=op.f("ck_playbook_default_is_last")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_playbook_position")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook")),
    )
    op.create_index("uq_playbook_name", "playbook", [sa.text("lower(name)")], unique=True)
    op.create_index(
        "uq_playbook_default", "playbook", ["is_default"], unique=True, postgresql_where=sa.text("is_default")
    )
    op.create_index("ix_playbook_position_id", "playbook", ["position", "id"])
    op.create_table(
        "playbook_version",
        sa.Column("playbook_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), server_default="draft", nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_by", sa.Uuid(), nullable=True),
        sa.Column("retired_because", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'published', 'retired')", name=op.f("ck_playbook_version_state")),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_playbook_version_period")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_playbook_version_number")),
        sa.CheckConstraint("(state = 'draft') = (published_at IS NULL)", name=op.f("ck_playbook_version_published")),
        sa.CheckConstraint(
            "state = 'draft' OR valid_from IS NOT NULL", name=op.f("ck_playbook_version_published_from")
        ),
        sa.CheckConstraint(
            "(state = 'retired') = (retired_at IS NOT NULL) AND (state = 'retired') = (retired_because IS NOT NULL)",
            name=op.f("ck_playbook_version_retired"),
        ),
        sa.ForeignKeyConstraint(
            ["playbook_id"],
            ["playbook.id"],
            name=op.f("fk_playbook_version_playbook_id_playbook"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("playbook_id", "number", name=op.f("pk_playbook_version")),
    )
    op.create_table(
        "playbook_trial",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("before_minor", sa.BigInteger(), nullable=True),
        sa.Column("after_minor", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("outcome IN ('tried', 'other_playbook', 'failed')", name=op.f("ck_playbook_trial_outcome")),
        sa.CheckConstraint(
            "(outcome = 'tried') = (tier IS NOT NULL AND currency IS NOT NULL AND before_minor IS NOT NULL "
            "AND after_minor IS NOT NULL)",
            name=op.f("ck_playbook_trial_tried"),
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_playbook_trial_job_id_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "complaint_id", name=op.f("pk_playbook_trial")),
    )
    op.create_index("ix_playbook_trial_job_id_received_at", "playbook_trial", ["job_id", "received_at", "complaint_id"])
    op.execute(_TRIGGERS)


def downgrade() -> None:
    op.drop_table("playbook_trial")
    op.drop_table("playbook_version")
    op.drop_table("playbook")
    op.execute("DROP FUNCTION playbook_version_stays()")
    op.execute("DROP FUNCTION playbook_version_alone()")
