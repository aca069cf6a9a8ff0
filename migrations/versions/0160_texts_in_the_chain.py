"""Salts of the digests that the chain has of what people wrote

What was written before has none, and cannot be given one: a digest made now would prove nothing of then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0160_texts_in_the_chain"
down_revision = "0140_automation_mends"
branch_labels = None
depends_on = None

_STANDS = """
DROP TRIGGER complaint_message_stands ON complaint_message;
CREATE TRIGGER complaint_message_stands
    BEFORE UPDATE OF kind, author_kind, author_id, body, html, html_given, {salt}created_at
    ON complaint_message FOR EACH ROW EXECUTE FUNCTION complaint_message_stands();
"""


def upgrade() -> None:
    op.add_column("complaint", sa.Column("text_salt", sa.LargeBinary(), nullable=True))
    op.add_column("complaint_message", sa.Column("salt", sa.LargeBinary(), nullable=True))
    op.execute(_STANDS.format(salt="salt, "))


def downgrade() -> None:
    op.execute(_STANDS.format(salt=""))
    op.drop_column("complaint_message", "salt")
    op.drop_column("complaint", "text_salt")
