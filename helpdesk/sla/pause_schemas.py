from typing import Any

from marshmallow import fields, validates_schema

from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Timestamp
from helpdesk.sla.pause_audit import BY
from helpdesk.sla.report_schemas import check_span


class PausesQuery(Schema):
    replied_from = Timestamp(
        metadata={
            "description": "Replies of complainants at or after; without it the 30 days before `replied_before`.",
            "example": None,
        }
    )
    replied_before = Timestamp(metadata={"description": "Before; now.", "example": None})
    team_id = fields.UUID(metadata={"description": "Only complaints that this team has now.", "example": None})
    agent_id = fields.UUID(metadata={"description": "Only complaints that this agent has now.", "example": None})

    @validates_schema
    def _a_span(self, data: dict[str, Any], **_: Any) -> None:
        check_span(data, "replied")


class PauseListQuery(PausesQuery, PageQuery):
    pass


class PauseSummaryQuery(PausesQuery):
    by = Choice(tuple(BY), load_default="team")


class StoodStill(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={"example": "resolve"})
    paused_seconds = fields.Integer(required=True, metadata={"example": 5_400})


class PausedReply(Schema):
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    team_id = fields.UUID(required=True, allow_none=True)
    team = fields.String(required=True, allow_none=True, metadata={"example": "Deliveries"})
    agent_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Who has the complaint now.", "example": None}
    )
    agent = fields.String(required=True, allow_none=True, metadata={"example": None})
    message_id = fields.UUID(required=True, metadata={"description": "The first reply in the pause."})
    replied_at = Timestamp(required=True)
    until = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "The end of the pause; null while it goes on.", "example": "2026-03-02T11:00:00Z"},
    )
    paused_seconds = fields.Integer(
        required=True,
        metadata={"description": "Business time from the reply on; of several clocks, the longest.", "example": 5_400},
    )
    clocks = fields.List(fields.Nested(StoodStill), required=True)


class PauseGroup(Schema):
    id = fields.UUID(required=True, allow_none=True, metadata={"description": "null: nobody has them."})
    name = fields.String(
        required=True, allow_none=True, metadata={"description": "A complaint's reference.", "example": "Deliveries"}
    )
    replies = fields.Integer(required=True, metadata={"example": 4})
    paused_seconds = fields.Integer(required=True, metadata={"example": 19_800})
    longest_seconds = fields.Integer(required=True, metadata={"example": 7_200})


class PauseSummary(Schema):
    by = Choice(tuple(BY), required=True)
    items = fields.List(fields.Nested(PauseGroup), required=True)
