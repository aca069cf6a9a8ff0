"""Payloads of the search."""

from marshmallow import fields

from helpdesk.complaints.schemas import ComplaintQuery, ComplaintSummary
from helpdesk.kernel.schemas import Choice, Schema, Text

FIELDS = ("subject", "tag", "person", "description", "message")


class SearchQuery(ComplaintQuery):
    class Meta:
        exclude = ("sort", "count")

    q = Text(
        required=True,
        max_length=1000,
        metadata={
            "description": 'Words that must all be there; `"these next to each other"`, `begin*`, `-without`, '
            "`subject:`, `tag:` and `from:` right before a word or a phrase. Before `*` stand at least two letters or "
            "digits. Any other name before a colon is a word like others: `re:parcel` looks for `re` and `parcel` next to "
            "each other. A reference, however it is typed, finds its complaint; its beginning does with the dash and `*`.",
            "example": "late parcel",
        },
    )


class FragmentPart(Schema):
    text = fields.String(required=True, metadata={"example": "Parcel a week "})
    match = fields.Boolean(required=True, metadata={"example": False})


class Fragment(Schema):
    field = Choice(FIELDS, required=True)
    message_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    parts = fields.List(fields.Nested(FragmentPart), required=True)


class SearchHit(Schema):
    complaint = fields.Nested(ComplaintSummary, required=True)
    fragments = fields.List(
        fields.Nested(Fragment),
        required=True,
        metadata={"description": "Where the words stand; text as it is, nothing marked up."},
    )


class SearchResult(Schema):
    items = fields.List(fields.Nested(SearchHit), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"example": None})
    total = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of those that match, pass the filters and may be seen; null where they are not ranked.",
            "example": 1,
        },
    )
    ranked = fields.Boolean(
        required=True,
        metadata={
            "description": "false: more than 100 match, and pass the filters; they are shown newest first. What fits a page is "
            "ranked where the caller may see only some of them.",
            "example": True,
        },
    )
