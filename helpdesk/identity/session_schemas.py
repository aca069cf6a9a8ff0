from typing import Any

from marshmallow import fields, validate

from helpdesk.identity.passwords import MAX_LENGTH, MIN_LENGTH
from helpdesk.identity.session_models import HOW
from helpdesk.kernel.schemas import Choice, Email, Flag, PageQuery, Schema, Timestamp

PASSWORD_EXAMPLE = "plum-harbour-violin-42"  # noqa: S105  # an example, and nobody's


class Secret(fields.String):
    """As it was typed: nothing is stripped, and blanks count."""

    def __init__(self, *, min_length: int = 1, max_length: int = 1000, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(min=min_length, max=max_length), **kwargs)


def _code(**kwargs: Any) -> fields.String:
    description = "Six figures that the app shows, or a recovery code. Each counts once."
    return fields.String(
        validate=validate.Length(6, 40), metadata={"description": description, "example": "492039"}, **kwargs
    )


def _password(**kwargs: Any) -> Secret:
    return Secret(
        metadata={"description": "One's password; who has none leaves it out.", "example": PASSWORD_EXAMPLE}, **kwargs
    )


def _new_password(**kwargs: Any) -> Secret:
    description = (
        f"{MIN_LENGTH} to {MAX_LENGTH} characters, none of the most common passwords, not one's name or address."
    )
    return Secret(
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        required=True,
        metadata={"description": description, "example": "quiet-otter-juggles-71"},
        **kwargs,
    )


class SignIn(Schema):
    email = Email(required=True, metadata={"example": "ana@example.com"})
    password = Secret(required=True, metadata={"example": PASSWORD_EXAMPLE})
    code = fields.String(
        validate=validate.Length(6, 40),
        metadata={"description": "Of the second factor, where there is one.", "example": None},
    )
    cookie = Flag(
        load_default=False,
        metadata={
            "description": "For a browser: the session comes in the cookie `__Host-helpdesk` instead of `token`.",
            "example": False,
        },
    )


class SignedIn(Schema):
    session_id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    token = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The bearer token of the session, shown this once. Null where it is in the cookie.",
            "example": "hds_REPLACE-WITH-YOUR-SESSION",
        },
    )
    expires_at = Timestamp(required=True, metadata={"description": "At the latest; sooner when it is not used."})
    second_factor = fields.Boolean(required=True, metadata={"description": "Whether it was proved.", "example": True})


class NewSession(SignedIn):
    second_factor_required = fields.Boolean(
        required=True,
        metadata={
            "description": "Until a second factor is enrolled or proved, this session can do nothing else.",
            "example": False,
        },
    )


class OneSession(Schema):
    id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    how = Choice(HOW, required=True, metadata={"description": "How it was begun."})
    second_factor = fields.Boolean(required=True, metadata={"description": "Whether it was proved.", "example": True})
    address = fields.String(
        required=True, metadata={"description": "Where it was seen last; of IPv6 the network.", "example": "192.0.2.17"}
    )
    user_agent = fields.String(required=True, metadata={"example": "Mozilla/5.0"})
    created_at = Timestamp(required=True)
    last_seen_at = Timestamp(required=True, metadata={"description": "To the minute."})
    expires_at = Timestamp(required=True)
    current = fields.Boolean(required=True, metadata={"description": "Whether it is that of this request."})


class SessionQuery(PageQuery):
    agent_id = fields.UUID(metadata={"example": None})


class EndedSessions(Schema):
    ended = fields.Integer(required=True, metadata={"description": "How many sessions were ended.", "example": 2})


class PasswordResetIn(Schema):
    email = Email(required=True, metadata={"example": "ana@example.com"})


class Accepted(Schema):
    detail = fields.String(
        required=True, metadata={"example": "If an account has this address, a link is on its way to it."}
    )


class PasswordLink(Schema):
    kind = Choice(("invitation", "reset"), required=True)
    email = fields.Email(required=True, metadata={"example": "ana@example.com"})
    expires_at = Timestamp(required=True)


class PasswordByLink(Schema):
    password = _new_password()


class PasswordWritten(Schema):
    agent_id = fields.UUID(required=True)
    email = fields.Email(required=True, metadata={"example": "ana@example.com"})


class PasswordChange(Schema):
    current_password = Secret(required=True, metadata={"example": PASSWORD_EXAMPLE})
    new_password = _new_password()


class RenewedSession(Schema):
    session = fields.Nested(
        SignedIn,
        required=True,
        allow_none=True,
        metadata={
            "description": "The session of this request with its new token; null where it was made with a token."
        },
    )


class Invitation(Schema):
    agent_id = fields.UUID(required=True)
    sent_to = fields.Email(required=True, metadata={"example": "ana@example.com"})
    expires_at = Timestamp(required=True)


class SecondFactorState(Schema):
    enabled_at = Timestamp(required=True, allow_none=True, metadata={"description": "Null: there is none."})
    recovery_codes_left = fields.Integer(required=True, metadata={"example": 10})
    required = fields.Boolean(
        required=True,
        metadata={"description": "Whether the installation or one's role wants one.", "example": False},
    )


class OwnPassword(Schema):
    password = _password()


class Enrolment(Schema):
    secret = fields.String(
        required=True,
        metadata={
            "description": "For the app, in base32; shown this once.",
            "example": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        },
    )
    uri = fields.String(
        required=True,
        metadata={
            "description": "The same as a QR code says it.",
            "example": "otpauth://totp/Helpdesk:ana%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Helpdesk",
        },
    )


class Code(Schema):
    code = _code(required=True)


class PasswordAndCode(Schema):
    password = _password()
    code = _code(required=True)


class RecoveryCodes(Schema):
    recovery_codes = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "Each gets in once in place of the app. Shown this once; only hashes are kept.",
            "example": ["7K3M-9QX2-TA5V-0C4E"],
        },
    )


class EnabledSecondFactor(RecoveryCodes):
    session = fields.Nested(SignedIn, required=True, allow_none=True)
