from typing import Any, Final

from marshmallow import fields

from helpdesk.complaints.summaries import shipped
from helpdesk.kernel.event_log import FAULTS
from helpdesk.kernel.schemas import Choice, Names, PageQuery, Schema, Text, Timestamp

OF_PAYLOAD: Final[dict[str, Any]] = {
    "description": "null once erased, or where all of it is `withheld`.",
    "example": {"channel": "EMAIL"},
}
OF_WITHHELD: Final[dict[str, Any]] = {
    "description": "What it says is not for this caller (offers, without `offer:read`), or not all of it: which "
    "complaint was merged, linked or split, where the caller may not see that one, is left out of `payload`.",
    "example": False,
}
"""The same in a timeline and in the feed."""


class TimelineQuery(PageQuery):
    type = Names(
        sorted(shipped()["events"]),
        metadata={"description": "Events of these types, separated by commas.", "example": "complaint.resolved"},
    )
    actor_kind = Text(max_length=50, metadata={"description": "By agents, complainants, the system ..."})
    actor_id = fields.UUID(metadata={"description": "By this one."})
    occurred_from = Timestamp(metadata={"description": "At or after."})
    occurred_before = Timestamp(metadata={"description": "Before."})


class TimelineEntry(Schema):
    id = fields.UUID(required=True)
    sequence = fields.Integer(required=True)
    type = fields.String(required=True, metadata={"example": "complaint.received"})
    summary = fields.String(
        required=True,
        metadata={
            "description": "One line for a person, in the language of `Accept-Language`: English or Chinese.",
            "example": "Received: channel EMAIL, severity S3",
        },
    )
    occurred_at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    actor_name = fields.String(
        required=True, allow_none=True, metadata={"description": "An agent's.", "example": "Mia"}
    )
    payload = fields.Dict(
        required=True,
        allow_none=True,
        metadata=OF_PAYLOAD,
    )
    withheld = fields.Boolean(
        required=True,
        metadata=OF_WITHHELD,
    )
    hash = fields.String(
        required=True, metadata={"description": "Chained to the entry before.", "example": "9f2c" * 16}
    )


class BrokenLink(Schema):
    stream_seq = fields.Integer(
        required=True,
        data_key="sequence",
        metadata={
            "description": "Of the event. 0: none of this timeline, where a message came from another complaint."
        },
    )
    kind = Choice(FAULTS, required=True, metadata={"example": "payload"})
    what = fields.String(required=True, metadata={"example": "payload was changed"})


class ChainReport(Schema):
    valid = fields.Boolean(required=True)
    events = fields.Integer(required=True)
    head = fields.String(
        required=True,
        metadata={
            "description": "The hash of the last event, as the complaint has it. Noted elsewhere it is what a later "
            "`verify.py --head` of an evidence pack can be held against.",
            "example": "9f2c" * 16,
        },
    )
    texts = fields.Integer(
        required=True,
        metadata={
            "description": "How many were compared with their digests: the complaint is one, each message one.",
            "example": 7,
        },
    )
    texts_without_digest = fields.Integer(
        required=True,
        metadata={"description": "From before there were digests, or their event was erased.", "example": 0},
    )
    broken = fields.List(fields.Nested(BrokenLink), required=True, metadata={"example": []})
