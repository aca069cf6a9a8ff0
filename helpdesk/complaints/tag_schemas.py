"""Payloads of tags."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields, validate

from helpdesk.kernel.folding import fold, misleads
from helpdesk.kernel.schemas import Flag, PageQuery, Pattern, Schema, Text, Timestamp

TAG_LENGTH: Final = 50
AT_ONCE: Final = 20
"""Tags that one request may name."""

_COLOUR: Final = Pattern(r"^#[0-9a-f]{6}$", error="Write a colour like #c0392b.")


class TagName(Text):
    """A tag's name: one line, no comma (lists separate names by commas), nothing invisible that turns text around."""

    default_error_messages = {  # noqa: RUF012
        "comma": "A tag holds no comma.",
        "unseen": "There is nothing to be seen in this name, or something in it that turns the text around.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=TAG_LENGTH, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = " ".join(super()._deserialize(value, attr, data, **kwargs).split())
        if "," in text:
            raise self.make_error("comma")
        if text and (misleads(text) or not 1 <= len(fold(text)) <= 2 * TAG_LENGTH):
            raise self.make_error("unseen")
        return text


class TagsIn(Schema):
    tags = fields.List(
        TagName(metadata={"example": "damaged in transit"}),
        required=True,
        validate=validate.Length(1, AT_ONCE),
        metadata={"example": ["damaged in transit"]},
    )


class TagIn(Schema):
    name = TagName(required=True, metadata={"example": "damaged in transit"})
    colour = Text(max_length=7, validate=_COLOUR, metadata={"example": "#c0392b"})
    description = Text(max_length=500, metadata={"example": "The goods were whole when they left us."})


class TagPatch(Schema):
    name = TagName(metadata={"example": "damaged on the way"})
    colour = Text(max_length=7, validate=_COLOUR, allow_none=True, metadata={"example": "#c0392b"})
    description = Text(max_length=500, allow_none=True, metadata={"example": None})
    active = Flag(metadata={"description": "false: it stays where it is, and is put on nothing more."})


class TagMergeIn(Schema):
    into_id = fields.UUID(required=True, metadata={"description": "The tag that stays."})


class TagQuery(PageQuery):
    active = fields.Boolean()
    q = Text(max_length=TAG_LENGTH, metadata={"description": "Part of the name.", "example": "damaged"})


class Tag(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "damaged in transit"})
    colour = fields.String(required=True, allow_none=True, metadata={"example": "#c0392b"})
    description = fields.String(required=True, allow_none=True, metadata={"example": None})
    active = fields.Boolean(required=True)
    merged_into_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    job_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The last renaming or merge; see GET /jobs/{job_id}.", "example": None},
    )
    complaints = fields.Integer(
        required=True, metadata={"description": "That the caller sees; counted to 1000.", "example": 17}
    )
    complaints_is_exact = fields.Boolean(required=True, metadata={"description": "false: there are more."})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)
