"""What conditions may ask for, as it is told to whoever writes one."""

from marshmallow import fields

from helpdesk.kernel.schemas import Schema


class VocabularyField(Schema):
    name = fields.String(required=True, metadata={"example": "severity"})
    kind = fields.String(required=True, metadata={"example": "code"})
    summary = fields.String(required=True, metadata={"example": "S1 is the worst and the least"})
    operators = fields.List(fields.String(), required=True, metadata={"example": ["is", "in", "le"]})
    choices = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"example": ["S1", "S2", "S3", "S4", "S5"]}
    )


class Vocabulary(Schema):
    """All that a condition can be made of."""

    fields_ = fields.List(fields.Nested(VocabularyField), required=True, data_key="fields", attribute="fields")
