import re
from typing import Any

from marshmallow import ValidationError, fields, validate

from helpdesk.identity.session_schemas import Secret
from helpdesk.kernel.schemas import Flag, Line, PageQuery, Schema, Text, Timestamp

_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_ISSUER = "Exactly as the provider writes it, for `/.well-known/openid-configuration` below it."
_REDIRECT = "Where the provider sends people back to, exactly as it is registered there; null: our own page."
_DOMAINS = "E-mail domains whose verified addresses this provider is believed; none: it links nobody by address."
_ROLE = "The role of an agent who is made at the first sign-in; null: only who is an agent already gets in."


class Domain(fields.String):
    """A domain in lower case; another script as it is registered (`xn--`)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip().lower()
        if not _DOMAIN.fullmatch(text):
            raise ValidationError("Write a domain, for example example.com.")
        return text


def _domains(**kwargs: Any) -> fields.List[str]:
    return fields.List(
        Domain(),
        validate=validate.Length(max=100),
        metadata={"description": _DOMAINS, "example": ["example.com"]},
        **kwargs,
    )


def _url(description: str, example: str | None, **kwargs: Any) -> Text:
    return Text(max_length=500, metadata={"description": description, "example": example}, **kwargs)


class ProviderIn(Schema):
    name = Line(required=True, max_length=100, metadata={"description": "What people read.", "example": "Example Corp"})
    issuer = _url(_ISSUER, "https://login.example.com", required=True)
    client_id = Text(required=True, max_length=500, metadata={"example": "helpdesk"})
    client_secret = Secret(
        allow_none=True,
        load_default=None,
        metadata={"description": "Kept encrypted and never shown; null for a public client.", "example": "s3cret"},
    )
    redirect_uri = _url(_REDIRECT, None, allow_none=True, load_default=None)
    allowed_domains = _domains(load_default=list)
    provision_role = Text(
        max_length=60, allow_none=True, load_default=None, metadata={"description": _ROLE, "example": "agent"}
    )


class ProviderPatch(Schema):
    name = Line(max_length=100, metadata={"example": "Example Corp"})
    issuer = _url(_ISSUER, "https://login.example.com")
    client_id = Text(max_length=500, metadata={"example": "helpdesk"})
    client_secret = Secret(allow_none=True, metadata={"example": "s3cret"})
    redirect_uri = _url(_REDIRECT, None, allow_none=True)
    allowed_domains = _domains()
    provision_role = Text(max_length=60, allow_none=True, metadata={"description": _ROLE, "example": "agent"})
    active = Flag()


class Provider(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Example Corp"})
    issuer = fields.String(required=True, metadata={"example": "https://login.example.com"})
    client_id = fields.String(required=True, metadata={"example": "helpdesk"})
    has_client_secret = fields.Boolean(required=True)
    redirect_uri = fields.String(required=True, allow_none=True, metadata={"description": _REDIRECT, "example": None})
    allowed_domains = fields.List(fields.String(), required=True, metadata={"example": ["example.com"]})
    provision_role = fields.String(required=True, allow_none=True, metadata={"description": _ROLE, "example": "agent"})
    active = fields.Boolean(required=True)
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class ProviderDoor(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Example Corp"})


class ProviderSignInBegin(Schema):
    provider_id = fields.UUID(required=True)
    cookie = Flag(
        load_default=False,
        metadata={
            "description": "For a browser: `binding`, and in the end the session, come in cookies.",
            "example": False,
        },
    )


class ProviderSignInBegun(Schema):
    authorization_url = fields.String(
        required=True,
        metadata={
            "description": "Where the browser goes next.",
            "example": "https://login.example.com/authorize?response_type=code&client_id=helpdesk&state=REPLACE-ME",
        },
    )
    binding = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Keep it where the sign-in began: who comes back shows it. Null where it is in a cookie.",
            "example": "hdb_REPLACE-ME",
        },
    )
    expires_at = Timestamp(required=True)


class ProviderSignInEnd(Schema):
    state = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "REPLACE-ME"})
    code = fields.String(required=True, validate=validate.Length(1, 4000), metadata={"example": "REPLACE-ME"})
    iss = fields.String(
        validate=validate.Length(1, 500),
        metadata={"description": "As the provider put it beside the code, if it did.", "example": None},
    )
    binding = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "What the beginning gave out; left out where it is in a cookie.", "example": "hdb_x"},
    )


class IdentityQuery(PageQuery):
    agent_id = fields.UUID(metadata={"example": None})


class Identity(Schema):
    id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    provider_id = fields.UUID(required=True)
    issuer = fields.String(required=True, metadata={"example": "https://login.example.com"})
    subject = fields.String(required=True, metadata={"description": "Who that is there.", "example": "248289761001"})
    created_at = Timestamp(required=True)
