from typing import Final

from marshmallow import fields

from helpdesk.kernel.presence import LASTS, STATES
from helpdesk.kernel.schemas import Choice, Schema, Timestamp

_SINCE: Final = "In this state without a break."


class PresenceIn(Schema):
    state = Choice(STATES, required=True, metadata={"example": "writing"})


class Present(Schema):
    agent_id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Ana Costa"})
    state = Choice(STATES, required=True, metadata={"example": "writing"})
    since = Timestamp(required=True, metadata={"description": _SINCE})
    until = Timestamp(
        required=True,
        metadata={"description": f"Gone after that, unless they say so again: {LASTS} seconds each time."},
    )


class Presence(Schema):
    available = fields.Boolean(
        required=True,
        metadata={
            "description": "false: nobody can tell at the moment, so an empty list says nothing.",
            "example": True,
        },
    )
    present = fields.List(fields.Nested(Present), required=True)
