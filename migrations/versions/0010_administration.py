"""Administrative acts have a chain of their own, so that one that is removed is noticed too

Acts from before stay outside of it, as they were written.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0010_administration"
down_revision = "0060_merging"
branch_labels = None
depends_on = None

_LOG = "00000000-0000-7000-8000-0000000000ad"
_INDEXES = {"": [], "_type": ["type"], "_subject": ["subject_id"], "_actor": ["actor_id"]}


def upgrade() -> None:
    op.create_table(
        "administration_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("event_head", sa.LargeBinary(), server_default="", nullable=False),
        sa.CheckConstraint(f"id = '{_LOG}'", name=op.f("ck_administration_log_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_administration_log")),
    )
    op.execute(sa.text("INSERT INTO administration_log (id) VALUES (:id)").bindparams(id=UUID(_LOG)))
    for name, columns in _INDEXES.items():
        op.create_index(
            f"ix_event_administration{name}",
            "event",
            [*columns, "occurred_at", "stream_seq"],
            postgresql_where=sa.text(f"stream_id = '{_LOG}'"),
        )


def downgrade() -> None:
    """Possible while nothing was recorded on it: events without the row that they hang on would be verified by nobody."""
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM administration_log WHERE event_count > 0) THEN
                RAISE EXCEPTION 'there are administrative acts on the chain; restore a dump from before instead';
            END IF;
        END $$
        """
    )
    for name in _INDEXES:
        op.drop_index(f"ix_event_administration{name}", "event")
    op.drop_table("administration_log")
