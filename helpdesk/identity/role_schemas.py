from marshmallow import fields

from helpdesk.identity.permissions import AUTHORITIES, PERMISSIONS, SCOPES
from helpdesk.kernel.schemas import Choice, Flag, Line, Schema, Text, Timestamp

_EXAMPLE = ["complaint:read", "complaint:note"]
_SCOPE = "Which complaints: assigned to oneself; those too of one's teams and of no team yet; everything."
_SECOND_FACTOR = "Whether sessions of its agents can do nothing until a second factor is proved."
_AUTHORITY = "Whose limits apply when money is given away; none: none at all."


class RoleIn(Schema):
    name = Line(required=True, max_length=60, metadata={"description": "Stays as it is.", "example": "night shift"})
    description = Text(max_length=500, min_length=0, load_default="", metadata={"example": "Reads and takes notes."})
    permissions = fields.List(Choice(PERMISSIONS), required=True, metadata={"example": _EXAMPLE})
    scope = Choice(SCOPES, required=True, metadata={"description": _SCOPE, "example": "teams"})
    authority = Choice(AUTHORITIES, load_default="none", metadata={"description": _AUTHORITY, "example": "none"})
    second_factor = Flag(load_default=False, metadata={"description": _SECOND_FACTOR, "example": False})


class RolePatch(Schema):
    description = Text(max_length=500, min_length=0, metadata={"example": "Reads and takes notes."})
    permissions = fields.List(
        Choice(PERMISSIONS), metadata={"description": "All of them, not only new ones.", "example": _EXAMPLE}
    )
    scope = Choice(SCOPES, metadata={"description": _SCOPE, "example": "teams"})
    authority = Choice(AUTHORITIES, metadata={"description": _AUTHORITY, "example": "none"})
    second_factor = Flag(metadata={"description": _SECOND_FACTOR, "example": True})


class Role(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "night shift"})
    description = fields.String(required=True, metadata={"example": "Reads and takes notes."})
    permissions = fields.List(Choice(PERMISSIONS), required=True, metadata={"example": _EXAMPLE})
    scope = Choice(SCOPES, required=True, metadata={"description": _SCOPE})
    authority = Choice(AUTHORITIES, required=True, metadata={"description": _AUTHORITY})
    second_factor = Flag(required=True, metadata={"description": _SECOND_FACTOR, "example": False})
    built_in = Flag(required=True, metadata={"description": "Came with the system.", "example": False})
    agents = fields.Integer(required=True, metadata={"description": "Active ones that have it.", "example": 4})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class PermissionMeaning(Schema):
    name = Choice(PERMISSIONS, required=True)
    description = fields.String(required=True, metadata={"example": "see complaints, as far as the scope reaches"})


class Permissions(Schema):
    items = fields.List(fields.Nested(PermissionMeaning), required=True)
