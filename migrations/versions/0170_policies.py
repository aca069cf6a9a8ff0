"""Policies: conditions, order, days, tiers; clocks know by which conventions, tier and subject they were made

What there is of policies so far is one, the default, which stands last.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0170_policies"
down_revision = "0190_reports"
branch_labels = None
depends_on = None

USUAL = '{"boundary": "earliest", "business_day": "close_of_nth_day", "calendar_day": "end_of_nth_day"}'


def upgrade() -> None:
    op.add_column("sla_policy", sa.Column("active", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("sla_policy", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("sla_policy", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE sla_policy SET position = CASE WHEN is_default THEN 2000000000 ELSE 10 * place END FROM "
        "(SELECT id, row_number() OVER (ORDER BY id) AS place FROM sla_policy) AS placed WHERE placed.id = sla_policy.id"
    )
    op.alter_column("sla_policy", "position", nullable=False)
    op.drop_constraint(op.f("uq_sla_policy_name"), "sla_policy")
    op.create_index(
        "uq_sla_policy_name", "sla_policy", ["name"], unique=True, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_index("ix_sla_policy_position_id", "sla_policy", ["position", "id"])
    op.create_check_constraint(
        op.f("ck_sla_policy_default_stays"), "sla_policy", "NOT is_default OR (active AND removed_at IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_sla_policy_default_is_last"), "sla_policy", "is_default = (position = 2000000000)"
    )
    op.execute(
        "UPDATE sla_policy_version SET spec = jsonb_build_object('name', sla_policy.name, 'active', true, 'position', "
        "sla_policy.position, 'valid_from', null, 'valid_until', null, 'condition', jsonb_build_object('all', "
        "jsonb_build_array()), 'tiers', jsonb_build_object()) || spec FROM sla_policy "
        "WHERE sla_policy.id = sla_policy_version.policy_id"
    )
    op.create_check_constraint(
        op.f("ck_sla_policy_version_valid_forwards"),
        "sla_policy_version",
        "spec ->> 'valid_until' >= spec ->> 'valid_from'",
    )
    op.add_column("sla_clock", sa.Column("subject_id", sa.Uuid(), nullable=True))
    op.add_column("sla_clock", sa.Column("tier", sa.String(), nullable=True))
    op.add_column(
        "sla_clock",
        sa.Column("conventions", postgresql.JSONB(), server_default=sa.text(f"'{USUAL}'"), nullable=False),
    )
    op.drop_constraint(op.f("uq_sla_clock_complaint_id_kind_round"), "sla_clock")
    op.create_unique_constraint(
        op.f("uq_sla_clock_complaint_id_kind_round_subject_id"),
        "sla_clock",
        ["complaint_id", "kind", "round", "subject_id"],
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "ix_sla_clock_policy",
        "sla_clock",
        ["policy_id", "policy_version"],
        postgresql_where=sa.text("stopped_at IS NULL AND policy_id IS NOT NULL"),
    )


def downgrade() -> None:
    """The program before this one knows neither answers nor remedies, and one policy: the others' clocks go with them."""
    op.execute("DELETE FROM sla_clock WHERE subject_id IS NOT NULL OR kind = 'first_response'")
    op.execute("DELETE FROM sla_clock USING sla_policy WHERE sla_policy.id = policy_id AND NOT is_default")
    op.execute("DELETE FROM sla_policy_version USING sla_policy WHERE sla_policy.id = policy_id AND NOT is_default")
    op.execute("DELETE FROM sla_policy WHERE NOT is_default")
    op.drop_index("ix_sla_clock_policy", "sla_clock")
    op.drop_constraint(op.f("uq_sla_clock_complaint_id_kind_round_subject_id"), "sla_clock")
    op.create_unique_constraint(
        op.f("uq_sla_clock_complaint_id_kind_round"), "sla_clock", ["complaint_id", "kind", "round"]
    )
    op.drop_column("sla_clock", "conventions")
    op.drop_column("sla_clock", "tier")
    op.drop_column("sla_clock", "subject_id")
    op.drop_constraint(op.f("ck_sla_policy_version_valid_forwards"), "sla_policy_version")
    op.execute(
        "UPDATE sla_policy_version SET spec = spec - '{name,active,position,valid_from,valid_until,condition,tiers}'::text[]"
    )
    op.drop_constraint(op.f("ck_sla_policy_default_is_last"), "sla_policy")
    op.drop_constraint(op.f("ck_sla_policy_default_stays"), "sla_policy")
    op.drop_index("ix_sla_policy_position_id", "sla_policy")
    op.drop_index("uq_sla_policy_name", "sla_policy")
    op.create_unique_constraint(op.f("uq_sla_policy_name"), "sla_policy", ["name"])
    op.drop_column("sla_policy", "removed_at")
    op.drop_column("sla_policy", "position")
    op.drop_column("sla_policy", "active")
