"""A letter whose mail does not arrive can be posted"""

import sqlalchemy as sa
from alembic import op

revision = "0375_letters_arrive"
down_revision = "0374_refused_for_together"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_letter_mailed_or_posted"), "letter", type_="check")
    op.drop_index("ix_letter_to_be_posted", "letter")


def downgrade() -> None:
    op.execute("UPDATE letter SET mail_id = NULL WHERE posted_at IS NOT NULL")
    op.create_index(
        "ix_letter_to_be_posted", "letter", ["id"], postgresql_where=sa.text("mail_id IS NULL AND posted_at IS NULL")
    )
    op.create_check_constraint(op.f("ck_letter_mailed_or_posted"), "letter", "mail_id IS NULL OR posted_at IS NULL")
