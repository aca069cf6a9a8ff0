"""Offers that wait for approval, flags of offers that belong together, a notice of what is overdue"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0342_approval_requests"
down_revision = "0341_decisions"
branch_labels = None
depends_on = None

_WAITING = """
INSERT INTO approval_request (id, offer_id, number, asked_at, due_at, level)
SELECT DISTINCT ON (o.id) gen_random_uuid(), o.id, t.number, t.at, t.at + interval '8 hours', 'senior'
FROM offer o JOIN offer_transition t ON t.offer_id = o.id AND t.action = 'submit'
WHERE o.status = 'pending_approval' ORDER BY o.id, t.number DESC;
"""
_TRIGGERS = """
CREATE FUNCTION offer_flag_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was noticed about an offer is never changed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER offer_flag_append_only BEFORE UPDATE OR DELETE ON offer_flag
    FOR EACH ROW EXECUTE FUNCTION offer_flag_append_only();
CREATE TRIGGER offer_flag_no_truncate BEFORE TRUNCATE ON offer_flag
    FOR EACH STATEMENT EXECUTE FUNCTION offer_flag_append_only();
"""
_KINDS = (
    "inbound_message",
    "assigned",
    "mentioned",
    "status_changed",
    "sla_warned",
    "sla_breached",
    "sla_overdue",
    "trigger_fired",
    "trigger_paused",
    "mail_failed",
)


def _notify_of(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {kinds}")


def upgrade() -> None:
    op.create_table(
        "approval_request",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_to", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("due_at >= asked_at", name=op.f("ck_approval_request_due")),
        sa.CheckConstraint("(overdue_at IS NULL) = (escalated_to IS NULL)", name=op.f("ck_approval_request_escalated")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_approval_request_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_request")),
    )
    open_ = sa.text("closed_at IS NULL")
    op.create_index("uq_approval_request_open", "approval_request", ["offer_id"], unique=True, postgresql_where=open_)
    op.create_index(
        "ix_approval_request_due_at_offer_id", "approval_request", ["due_at", "offer_id"], postgresql_where=open_
    )
    op.create_index(
        "ix_approval_request_late",
        "approval_request",
        ["due_at"],
        postgresql_where=sa.text("closed_at IS NULL AND overdue_at IS NULL"),
    )
    op.create_index("ix_approval_request_offer_id", "approval_request", ["offer_id"])
    op.create_table(
        "offer_flag",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("authority", sa.String(), nullable=False),
        sa.Column("limit_version", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("pattern IN ('one_person', 'pair')", name=op.f("ck_offer_flag_pattern")),
        sa.CheckConstraint("total_minor > limit_minor", name=op.f("ck_offer_flag_passes")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_offer_flag_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["agent.id"], name=op.f("fk_offer_flag_person_id_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["limit_version"],
            ["authority_limits.number"],
            name=op.f("fk_offer_flag_limit_version_authority_limits"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_flag")),
        sa.UniqueConstraint("offer_id", "number", name=op.f("uq_offer_flag_offer_id_number")),
    )
    op.create_index("ix_offer_flag_person_id_id", "offer_flag", ["person_id", "id"])
    op.execute(_WAITING)
    op.execute(_TRIGGERS)
    _notify_of((*_KINDS, "approval_overdue"))


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE kind = 'approval_overdue'")
    _notify_of(_KINDS)
    op.drop_table("offer_flag")
    op.execute("DROP FUNCTION offer_flag_append_only()")
    op.drop_table("approval_request")
