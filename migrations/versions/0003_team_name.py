"""A team's name is taken however it is capitalised"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Two that differ in capitals only were possible when two requests came at once. The later ones are told apart by the end
# of their id.
_TELL_APART = """
UPDATE team SET name = name || ' (' || right(id::text, 6) || ')', version = version + 1
WHERE EXISTS (SELECT FROM team AS other WHERE lower(other.name) = lower(team.name) AND other.id < team.id)
"""


def upgrade() -> None:
    op.execute(_TELL_APART)
    op.drop_constraint(op.f("uq_team_name"), "team", type_="unique")
    op.create_index("uq_team_name_lower", "team", [sa.literal_column("lower(name)")], unique=True)


def downgrade() -> None:
    op.drop_index("uq_team_name_lower", "team")
    op.create_unique_constraint(op.f("uq_team_name"), "team", ["name"])
