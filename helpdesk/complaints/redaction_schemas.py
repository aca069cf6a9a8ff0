from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.message_schemas import Message
from helpdesk.complaints.redaction_models import MAIL_OUTCOMES, REDACTABLE
from helpdesk.complaints.schemas import LONG
from helpdesk.kernel.schemas import Choice, Flag, Schema, Text, Timestamp, Whole


class RangeIn(Schema):
    start = Whole(
        required=True,
        validate=validate.Range(0, LONG),
        metadata={"description": "The first character, from 0.", "example": 11},
    )
    end = Whole(
        required=True, validate=validate.Range(1, LONG), metadata={"description": "Behind the last one.", "example": 30}
    )


class MessageRedactionIn(Schema):
    reason = Text(required=True, max_length=1000, metadata={"example": "A card number."})
    whole = Flag(metadata={"description": "All of it.", "example": None})
    ranges = fields.List(
        fields.Nested(RangeIn),
        validate=validate.Length(1, 100),
        metadata={"description": "Ranges of characters (Unicode code points) of the plain text.", "example": None},
    )
    strings = fields.List(
        Text(max_length=1000),
        validate=validate.Length(1, 50),
        metadata={
            "description": "Every occurrence of these, in whatever capitals and line breaks.",
            "example": ["We have it"],
        },
    )

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_: Any) -> None:
        chosen = [name for name in ("whole", "ranges", "strings") if data.get(name)]
        if len(chosen) != 1:
            raise ValidationError(
                "Give one of `whole: true`, `ranges` and `strings`.", chosen[1] if chosen else "strings"
            )


class TextRedactionIn(MessageRedactionIn):
    part = Choice(
        [name for name in REDACTABLE if name not in {"message", "counter"}],
        required=True,
        metadata={"example": "description"},
    )
    custom_field = Text(
        max_length=60,
        metadata={"description": "Of the part `custom_field`: its key.", "example": None},
    )
    strings = fields.List(
        Text(max_length=1000),
        validate=validate.Length(1, 50),
        metadata={
            "description": "Every occurrence of these in the text, and in what stood there before it was corrected.",
            "example": ["My parcel"],
        },
    )

    @validates_schema
    def _names_it(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("part") == "custom_field") != ("custom_field" in data):
            raise ValidationError("Goes with the part `custom_field`, and only with that.", "custom_field")


class Redaction(Schema):
    id = fields.UUID(required=True)
    part = Choice(REDACTABLE, required=True)
    message_id = fields.UUID(required=True, allow_none=True)
    custom_field = fields.String(
        required=True, allow_none=True, metadata={"description": "The key, where it was one.", "example": None}
    )
    counter_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "Of the words of a counter-offer: which.", "example": None},
    )
    whole = fields.Boolean(required=True, metadata={"example": False})
    places = fields.Integer(required=True, metadata={"description": "At how many places.", "example": 1})
    reason = fields.String(required=True, metadata={"example": "A card number."})
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    digest = fields.String(
        required=True,
        metadata={"description": "Salted digest of the whole text as it was before.", "example": "9f2c" * 16},
    )
    mail = Choice(
        MAIL_OUTCOMES,
        required=True,
        allow_none=True,
        metadata={
            "description": "Of a message that is mailed, what became of the old text: `sent` cannot be taken back; "
            "`perhaps_sent`: a try had begun; `not_sent`. null: no mail.",
            "example": "sent",
        },
    )
    erased_events = fields.Integer(
        required=True, metadata={"description": "Entries of the timeline whose payload held it.", "example": 0}
    )
    created_at = Timestamp(required=True)


class Quoting(Schema):
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    message_id = fields.UUID(required=True)


class QuotingCounter(Schema):
    offer_id = fields.UUID(required=True)
    number = fields.Integer(required=True, metadata={"description": "Of the offer's `counters`.", "example": 1})


class RedactionDone(Redaction):
    drafts_quoting = fields.List(
        fields.UUID(),
        required=True,
        metadata={"description": "Drafts that quote what was there; they are left alone.", "example": []},
    )
    messages_quoting = fields.List(
        fields.Nested(Quoting),
        required=True,
        metadata={
            "description": "Other messages that still say what was there, here and on complaints that this one was merged "
            "with or split from, as far as the caller sees them; they are left alone. Of very long threads the newest.",
            "example": [],
        },
    )
    counters_quoting = fields.List(
        fields.Nested(QuotingCounter),
        required=True,
        metadata={
            "description": "Counter-offers whose words still say what was there, as far as the caller sees their complaints; they are "
            "left alone (`POST /offers/{id}/counters/redact`).",
            "example": [],
        },
    )
    message = fields.Nested(Message, required=True, allow_none=True)
