from marshmallow import fields, validate

from helpdesk.kernel.schemas import PageQuery, Schema, Text, Timestamp


class AuditQuery(PageQuery):
    actor_id = fields.UUID(metadata={"description": "Who did it: an agent or an API key."})
    subject_id = fields.UUID(metadata={"description": "Whom or what it was done to."})
    type = Text(max_length=100, metadata={"example": "agent.changed"})
    occurred_from = Timestamp(metadata={"example": "2026-03-01T00:00:00Z"})
    occurred_before = Timestamp(metadata={"example": "2026-04-01T00:00:00Z"})


class AuditEntry(Schema):
    id = fields.UUID(required=True)
    stream_seq = fields.Integer(
        required=True, data_key="sequence", metadata={"description": "Place in the chain, from 1.", "example": 1}
    )
    type = fields.String(required=True, metadata={"example": "agent.changed"})
    subject_id = fields.UUID(required=True)
    occurred_at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    request_id = fields.String(
        required=True, allow_none=True, metadata={"description": "As in the logs.", "example": None}
    )
    payload = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "`changes` holds before and after of each field. null once erased.",
            "example": {"changes": {"role": ["agent", "senior"]}},
        },
    )
    hash = fields.String(required=True, metadata={"description": "Chained to the act before.", "example": "9f2c" * 16})


class AuditVerificationQuery(Schema):
    after = fields.Integer(
        validate=validate.Range(min=0, max=2**31 - 1),
        metadata={"description": "Go on after this place, `verified_to` of the call before.", "example": 0},
    )


class BrokenAct(Schema):
    stream_seq = fields.Integer(required=True, data_key="sequence", metadata={"example": 3})
    what = fields.String(required=True, metadata={"example": "payload was changed"})


class AuditVerification(Schema):
    valid = fields.Boolean(required=True)
    events = fields.Integer(required=True, metadata={"description": "Acts looked at by this call.", "example": 128})
    verified_to = fields.Integer(required=True, metadata={"example": 128})
    complete = fields.Boolean(
        required=True, metadata={"description": "False: call again with `after`.", "example": True}
    )
    broken = fields.List(fields.Nested(BrokenAct), required=True, metadata={"example": []})
