"""Fields of the operator's own on complaints"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0071_custom_fields"
down_revision = "0050_attachments"
branch_labels = None
depends_on = None

_TYPES = "('text', 'number', 'date', 'choice', 'multi_choice', 'money', 'boolean')"


def upgrade() -> None:
    op.add_column("complaint", sa.Column("custom_fields", postgresql.JSONB(), server_default="{}", nullable=False))
    op.create_table(
        "custom_field",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("label_zh", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("options", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("minimum", sa.String(), nullable=True),
        sa.Column("maximum", sa.String(), nullable=True),
        sa.Column("max_length", sa.Integer(), nullable=True),
        sa.Column("mask", sa.String(), nullable=True),
        sa.Column("required_for", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("filterable", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(f"type IN {_TYPES}", name=op.f("ck_custom_field_type")),
        sa.CheckConstraint(
            "(type IN ('choice', 'multi_choice')) = (jsonb_array_length(options) > 0)",
            name=op.f("ck_custom_field_options"),
        ),
        sa.CheckConstraint("(type = 'money') = (currency IS NOT NULL)", name=op.f("ck_custom_field_currency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_field")),
        sa.UniqueConstraint("key", name=op.f("uq_custom_field_key")),
    )
    op.create_table(
        "complaint_custom_value",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("field_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("number", sa.Numeric(), nullable=True),
        sa.ForeignKeyConstraint(
            ["received_at", "complaint_id"],
            ["complaint.received_at", "complaint.id"],
            name=op.f("fk_complaint_custom_value_received_at_complaint_id_complaint"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["field_id"],
            ["custom_field.id"],
            name=op.f("fk_complaint_custom_value_field_id_custom_field"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("complaint_id", "field_id", "place", name=op.f("pk_complaint_custom_value")),
    )
    op.create_index(
        "ix_complaint_custom_value_text",
        "complaint_custom_value",
        ["field_id", "text", "received_at", "complaint_id"],
    )
    op.create_index(
        "ix_complaint_custom_value_number",
        "complaint_custom_value",
        ["field_id", "number"],
        postgresql_where=sa.text("number IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("complaint_custom_value")
    op.drop_table("custom_field")
    op.drop_column("complaint", "custom_fields")
