"""Tables of routing rules. A rule is kept in every version: a decision names the one that made it."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned


class RoutingRule(Identified, Versioned, Stamped, Base):
    """`team_id`: whose complaints it is for; None: everybody's. `spec`: `{condition, result}`. A rule that was taken away
    keeps its row, because decisions name it.
    """

    __tablename__ = "routing_rule"
    __table_args__ = (
        Index("ix_routing_rule_position_id", "position", "id"),
        Index("ix_routing_rule_team_id_position_id", "team_id", "position", "id"),
    )

    name: Mapped[str]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="RESTRICT"))
    position: Mapped[int]
    active: Mapped[bool] = mapped_column(server_default="true")
    spec: Mapped[Json]
    removed_at: Mapped[Timestamp | None]


class RoutingRuleVersion(Stamped, Base):
    """`spec`: the whole rule as it was: `{name, team_id, position, active, condition, result}`."""

    __tablename__ = "routing_rule_version"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("routing_rule.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]
