"""Complaints of one person, found by address and number"""

import sqlalchemy as sa
from alembic import op

revision = "0033_duplicates"
down_revision = "0061_links_and_merges"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_complaint_person_email",
        "complaint_person",
        [sa.text("lower(email)"), "id"],
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.create_index(
        "ix_complaint_person_phone",
        "complaint_person",
        [sa.text("\"right\"(regexp_replace(phone, '\\D', '', 'g'), 9)"), "id"],
        postgresql_where=sa.text("phone IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_complaint_person_phone", table_name="complaint_person")
    op.drop_index("ix_complaint_person_email", table_name="complaint_person")
