from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.identity.permissions import AUTHORITIES, PERMISSIONS, SCOPES
from helpdesk.kernel.folding import fold, misleads
from helpdesk.kernel.schemas import Choice, Email, Flag, Line, PageQuery, Schema, Timestamp

_ROLE = "By its name, as in `GET /roles`."


class AgentQuery(PageQuery):
    role = Line(max_length=60, metadata={"example": "agent"})
    active = fields.Boolean()


class AgentIn(Schema):
    email = Email(required=True, metadata={"example": "ana@example.com"})
    name = Line(required=True, max_length=200, metadata={"example": "Ana Souza"})
    role = Line(required=True, max_length=60, metadata={"description": _ROLE, "example": "agent"})
    team_ids = fields.List(
        fields.UUID(), load_default=list, validate=validate.Length(max=100), metadata={"example": []}
    )


class ReassignIn(Schema):
    """One of the two."""

    agent_id = fields.UUID(metadata={"example": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"})
    team_id = fields.UUID(metadata={"example": None})

    @validates_schema
    def _one_of_the_two(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Name an agent or a team.")


class AgentPatch(Schema):
    name = Line(max_length=200, metadata={"example": "Ana Souza"})
    role = Line(max_length=60, metadata={"description": _ROLE, "example": "senior"})
    active = Flag(metadata={"description": "False ends tokens and sessions at once, and suspends API keys."})
    team_ids = fields.List(fields.UUID(), validate=validate.Length(max=100), metadata={"example": []})
    even_if_named = Flag(
        metadata={
            "description": "With `active: false`: also where settings name the agent (409 `agent_named`), which then find nobody.",
            "example": None,
        }
    )
    reassign_to = fields.Nested(
        ReassignIn,
        allow_none=True,
        metadata={
            "description": "With `active: false`: who is to have the open complaints; null, or absent: each goes back to the "
            "queue of its team.",
            "example": None,
        },
    )


class Agent(Schema):
    id = fields.UUID(required=True)
    email = fields.Email(required=True, metadata={"example": "ana@example.com"})
    name = fields.String(required=True, metadata={"example": "Ana Souza"})
    role = fields.String(required=True, metadata={"example": "agent"})
    active = fields.Boolean(required=True)
    team_ids = fields.List(fields.UUID(), required=True)
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class TeamQuery(PageQuery):
    active = fields.Boolean()


def _to_be_seen(name: str) -> None:
    if misleads(name) or not fold(name):
        raise ValidationError(
            "There is nothing to be seen in this name, or something in it that turns the text around."
        )


class TeamIn(Schema):
    name = Line(required=True, max_length=200, validate=_to_be_seen, metadata={"example": "Billing"})


class TeamHeirIn(Schema):
    team_id = fields.UUID(required=True, metadata={"example": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"})


class TeamPatch(Schema):
    name = Line(max_length=200, validate=_to_be_seen, metadata={"example": "Billing and refunds"})
    active = Flag(metadata={"description": "A team that is not active is given nothing; what it has open goes on."})
    reassign_to = fields.Nested(
        TeamHeirIn,
        allow_none=True,
        metadata={
            "description": "With `active: false`: the team that is to have what is open, and what is opened again; null, or "
            "absent: each goes where the routing rules send it, else to what no team has yet.",
            "example": None,
        },
    )


class TeamMembersIn(Schema):
    agent_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(max=1000), metadata={"example": []})


class Team(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Billing"})
    active = fields.Boolean(required=True)
    successor_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "Of one that is not active: who goes on with what it had.", "example": None},
    )
    agent_ids = fields.List(fields.UUID(), required=True)
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class TokenIn(Schema):
    name = Line(required=True, max_length=200, metadata={"example": "nightly report"})
    agent_id = fields.UUID(metadata={"description": "Whose token; one's own when absent.", "example": None})
    expires_at = Timestamp(
        metadata={"description": "At most 366 days away, which is also the default.", "example": None}
    )


class Token(Schema):
    id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "nightly report"})
    created_at = Timestamp(required=True)
    expires_at = Timestamp(required=True, allow_none=True)
    revoked_at = Timestamp(required=True, allow_none=True, metadata={"example": None})


class NewToken(Token):
    token = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Shown once; only its hash is kept. Null in the answer to a repeat.",
            "example": "hd_REPLACE-WITH-YOUR-TOKEN",
        },
    )


class Me(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Ana Souza"})
    kind = fields.String(required=True, metadata={"example": "agent"})
    role = fields.String(required=True, allow_none=True, metadata={"example": "agent"})
    team_ids = fields.List(fields.UUID(), required=True)
    permissions = fields.List(Choice(PERMISSIONS), required=True, metadata={"example": ["complaint:read"]})
    scope = Choice(SCOPES, required=True)
    authority = Choice(AUTHORITIES, required=True)
