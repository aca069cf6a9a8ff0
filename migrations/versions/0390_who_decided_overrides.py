"""Who decided that an offer differs: the agent, or who answered for the key"""

import sqlalchemy as sa
from alembic import op

revision = "0390_who_decided_overrides"
down_revision = "0389_remedies_by_delivery"
branch_labels = None
depends_on = None

_AGENT = "fk_offer_override_decided_by_agent"
# With a draft the one who answered for its key then is known; with a step only who does now.
_DECIDED = (
    "UPDATE offer_override r SET decided_by = CASE r.actor_kind WHEN 'agent' THEN r.actor_id "
    "WHEN 'integration' THEN CASE WHEN r.at = o.created_at THEN o.drafted_by "
    "ELSE (SELECT k.owner_id FROM api_key k WHERE k.id = r.actor_id) END END "
    "FROM offer o WHERE o.id = r.offer_id"
)


def upgrade() -> None:
    op.add_column("offer_override", sa.Column("decided_by", sa.Uuid(), nullable=True))
    op.execute("ALTER TABLE offer_override DISABLE TRIGGER offer_override_stays")
    op.execute(_DECIDED)
    op.execute("ALTER TABLE offer_override ENABLE TRIGGER offer_override_stays")
    op.create_foreign_key(op.f(_AGENT), "offer_override", "agent", ["decided_by"], ["id"], ondelete="RESTRICT")


def downgrade() -> None:
    op.drop_column("offer_override", "decided_by")
