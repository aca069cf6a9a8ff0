from marshmallow import fields

from helpdesk.customers.models import KINDS, TIERS
from helpdesk.kernel.schemas import Choice, Email, Line, PageQuery, Pattern, Schema, Text, Timestamp

LANGUAGE = Pattern(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", error="Write a BCP 47 tag, for example en or zh-CN.")


class CustomerQuery(PageQuery):
    email = Email(metadata={"example": "li.wei@example.com"})
    external_id = Line(max_length=200, metadata={"example": "crm-1001"})


class CustomerIn(Schema):
    kind = Choice(KINDS, load_default="person")
    name = Line(max_length=200, metadata={"example": "Li Wei"})
    email = Email(metadata={"example": "li.wei@example.com"})
    phone = Line(max_length=50, metadata={"example": "+86 10 5555 0100"})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "zh-CN"})
    tier = Choice(TIERS, load_default="ordinary", metadata={"example": "ordinary"})
    external_id = Line(max_length=200, metadata={"example": "crm-1001"})


class CustomerPatch(Schema):
    name = Line(max_length=200, metadata={"example": "Li Wei"})
    email = Email(metadata={"example": "li.wei@example.com"})
    phone = Line(max_length=50, metadata={"example": "+86 10 5555 0100"})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "zh-CN"})
    tier = Choice(TIERS, metadata={"example": "key"})


class Customer(Schema):
    id = fields.UUID(required=True)
    kind = Choice(KINDS, required=True)
    name = fields.String(required=True, allow_none=True, metadata={"example": "Li Wei"})
    email = fields.String(required=True, allow_none=True, metadata={"example": "li.wei@example.com"})
    phone = fields.String(required=True, allow_none=True, metadata={"example": "+86 10 5555 0100"})
    language = fields.String(required=True, allow_none=True, metadata={"example": "zh-CN"})
    tier = Choice(TIERS, required=True, metadata={"example": "ordinary"})
    external_id = fields.String(required=True, allow_none=True, metadata={"example": "crm-1001"})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)
