"""What our codes are called by other systems; a merge, its undoing and a split are causes of a severity"""

import sqlalchemy as sa
from alembic import op

revision = "0101_code_maps"
down_revision = "0120_automation"
branch_labels = None
depends_on = None


_BEFORE = "('received', 'triaged', 'set', 'facts', 'converted')"
_CAUSES = "('received', 'triaged', 'set', 'facts', 'converted', 'merged', 'unmerged', 'split')"
_CAUSE = "ck_complaint_severity_assessment_cause"


def upgrade() -> None:
    op.drop_constraint(op.f(_CAUSE), "complaint_severity_assessment")
    op.create_check_constraint(op.f(_CAUSE), "complaint_severity_assessment", f"cause IN {_CAUSES}")
    op.create_table(
        "code_map",
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("system ~ '^[a-z][a-z0-9_-]{0,39}$'", name=op.f("ck_code_map_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_map")),
        sa.UniqueConstraint("system", name=op.f("uq_code_map_system")),
    )
    op.create_table(
        "external_code_map",
        sa.Column("map_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("external", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("preferred", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kind", "code"],
            ["taxonomy_term.kind", "taxonomy_term.code"],
            name=op.f("fk_external_code_map_kind_code_taxonomy_term"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["map_id"], ["code_map.id"], name=op.f("fk_external_code_map_map_id_code_map"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("map_id", "kind", "external", name=op.f("pk_external_code_map")),
    )
    op.create_index("ix_external_code_map_kind_code", "external_code_map", ["kind", "code"])
    op.create_index(
        "uq_external_code_map_preferred",
        "external_code_map",
        ["map_id", "kind", "code"],
        unique=True,
        postgresql_where=sa.text("preferred"),
    )


def downgrade() -> None:
    op.execute(
        "UPDATE complaint_severity_assessment SET cause = 'facts' WHERE cause IN ('merged', 'unmerged', 'split')"
    )
    op.drop_constraint(op.f(_CAUSE), "complaint_severity_assessment")
    op.create_check_constraint(op.f(_CAUSE), "complaint_severity_assessment", f"cause IN {_BEFORE}")
    op.drop_table("external_code_map")
    op.drop_table("code_map")
