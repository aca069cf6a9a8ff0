"""What was redacted, and where kept answers tell of it"""

import sqlalchemy as sa
from alembic import op

revision = "0043_redaction"
down_revision = "0072_saved_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotent_answer", sa.Column("about", sa.ARRAY(sa.Uuid()), server_default="{}", nullable=False))
    op.create_index("ix_idempotent_answer_about", "idempotent_answer", ["about"], postgresql_using="gin")
    op.create_table(
        "complaint_redaction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("mail", sa.String(), nullable=True),
        sa.Column("erased_events", sa.Integer(), nullable=False),
        sa.CheckConstraint("part IN ('message', 'subject', 'description')", name=op.f("ck_complaint_redaction_part")),
        sa.CheckConstraint(
            "(part = 'message') = (message_id IS NOT NULL)", name=op.f("ck_complaint_redaction_message_is_named")
        ),
        sa.CheckConstraint("mail IN ('sent', 'perhaps_sent', 'not_sent')", name=op.f("ck_complaint_redaction_mail")),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_redaction_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["complaint_message.id"],
            name=op.f("fk_complaint_redaction_message_id_complaint_message"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_redaction")),
    )
    op.create_index("ix_complaint_redaction_complaint_id_id", "complaint_redaction", ["complaint_id", "id"])


def downgrade() -> None:
    op.drop_table("complaint_redaction")
    op.drop_column("idempotent_answer", "about")
