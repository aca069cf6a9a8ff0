"""Letters that are to be posted, and when they were"""

import sqlalchemy as sa
from alembic import op

revision = "0312_posted_letters"
down_revision = "0343_amounts_decided"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("letter", sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("letter", sa.Column("posted_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_letter_posted_by_agent"), "letter", "agent", ["posted_by"], ["id"], ondelete="RESTRICT"
    )
    op.create_check_constraint(op.f("ck_letter_mailed_or_posted"), "letter", "mail_id IS NULL OR posted_at IS NULL")
    op.create_index(
        "ix_letter_to_be_posted",
        "letter",
        ["id"],
        postgresql_where=sa.text("mail_id IS NULL AND posted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_letter_to_be_posted", table_name="letter")
    op.drop_constraint(op.f("ck_letter_mailed_or_posted"), "letter", type_="check")
    op.drop_constraint(op.f("fk_letter_posted_by_agent"), "letter", type_="foreignkey")
    op.drop_column("letter", "posted_by")
    op.drop_column("letter", "posted_at")
