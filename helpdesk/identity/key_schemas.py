from marshmallow import fields, validate

from helpdesk.identity.key_models import KEY_SCOPES
from helpdesk.identity.key_queries import STATES
from helpdesk.identity.keys import DEFAULT_OVERLAP, MAX_OVERLAP
from helpdesk.identity.permissions import PERMISSIONS
from helpdesk.kernel.schemas import Choice, Line, PageQuery, Schema, Timestamp, Whole

_PERMISSIONS = ["complaint:read", "complaint:create"]
_SCOPE = "Which complaints: those of its teams and of no team yet, or everything."
_EXPIRES = "At most 366 days away."


class KeyQuery(PageQuery):
    owner_id = fields.UUID(metadata={"description": "Keys that this agent answers for."})


class KeyIn(Schema):
    name = Line(required=True, max_length=200, metadata={"example": "web shop"})
    permissions = fields.List(
        Choice(PERMISSIONS), required=True, validate=validate.Length(min=1), metadata={"example": _PERMISSIONS}
    )
    scope = Choice(KEY_SCOPES, required=True, metadata={"description": _SCOPE, "example": "teams"})
    team_ids = fields.List(
        fields.UUID(), load_default=list, validate=validate.Length(max=100), metadata={"example": []}
    )
    expires_at = Timestamp(metadata={"description": f"{_EXPIRES} That is also the default.", "example": None})


class KeyPatch(Schema):
    name = Line(max_length=200, metadata={"example": "web shop"})
    permissions = fields.List(Choice(PERMISSIONS), validate=validate.Length(min=1), metadata={"example": _PERMISSIONS})
    scope = Choice(KEY_SCOPES, metadata={"description": _SCOPE, "example": "teams"})
    team_ids = fields.List(fields.UUID(), validate=validate.Length(max=100), metadata={"example": []})
    owner_id = fields.UUID(metadata={"description": "The agent who answers for it from now on.", "example": None})
    expires_at = Timestamp(metadata={"description": _EXPIRES, "example": None})


class RotationIn(Schema):
    overlap_seconds = Whole(
        load_default=DEFAULT_OVERLAP,
        validate=validate.Range(0, MAX_OVERLAP),
        metadata={"description": "How long the key before it still counts; a day when absent.", "example": 3600},
    )
    expires_at = Timestamp(metadata={"description": f"{_EXPIRES} As it was when absent.", "example": None})


class ApiKey(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "web shop"})
    owner_id = fields.UUID(required=True, metadata={"description": "The agent who answers for it."})
    permissions = fields.List(Choice(PERMISSIONS), required=True, metadata={"example": _PERMISSIONS})
    scope = Choice(KEY_SCOPES, required=True, metadata={"description": _SCOPE})
    team_ids = fields.List(fields.UUID(), required=True)
    prefix = fields.String(
        required=True, metadata={"description": "How the key begins, to know it by.", "example": "hdk_q7Wm3xPa"}
    )
    state = Choice(
        STATES, required=True, metadata={"description": "Suspended: its owner has left.", "example": "active"}
    )
    created_at = Timestamp(required=True)
    expires_at = Timestamp(required=True)
    rotated_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    previous_until = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Until then the key before the rotation counts too.", "example": None},
    )
    revoked_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    last_used_at = Timestamp(required=True, allow_none=True, metadata={"description": "To the minute."})
    last_used_from = fields.String(
        required=True, allow_none=True, metadata={"description": "An address.", "example": "203.0.113.7"}
    )
    version = fields.Integer(required=True)


class NewApiKey(ApiKey):
    key = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Shown once; only its hash is kept. Null in the answer to a repeat.",
            "example": "hdk_REPLACE-WITH-YOUR-KEY",
        },
    )
