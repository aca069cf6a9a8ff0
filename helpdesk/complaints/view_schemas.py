"""Payloads of saved views, and filters as they stand in a payload."""

import re
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.custom_field_schemas import CONDITION_LENGTH, MOST_CONDITIONS, Conditions, checked_conditions
from helpdesk.complaints.list_queries import COUNTED_TO, NEWEST_FIRST, SORTS
from helpdesk.complaints.schemas import ComplaintQuery, ComplaintSummary, fitting_sort, sound_filters
from helpdesk.complaints.scoped_models import SCOPES
from helpdesk.kernel.schemas import Choice, CommaList, Flag, Line, PageQuery, Schema, Several, Text, Timestamp, Whole

COLUMNS: Final = tuple(ComplaintSummary().fields)
_OWN: Final = re.compile(r"custom_fields\.[a-z][a-z0-9_]{0,39}")
_OF_THE_PAGE: Final = frozenset({"limit", "cursor", "count", "sort"})


class Condition(Text):
    """One condition on a custom field, as in the parameter `custom`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=CONDITION_LENGTH, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return checked_conditions([super()._deserialize(value, *args, **kwargs)])[0]


def _in_a_payload(field: Any) -> Any:
    """A filter of the list as JSON has it: yes and no are booleans, and what is several is a list."""
    meta = {"description": field.metadata.get("description", "")} | {"example": None}
    if isinstance(field, Several):
        meta = {name: value for name, value in field.metadata.items() if name != "description"}
        meta["description"] = "One, or a list of those that will do."
        return Several(field.each, most=field.most, in_payload=True, metadata=meta)
    if isinstance(field, Conditions):
        return fields.List(Condition(), validate=validate.Length(1, MOST_CONDITIONS), metadata=meta)
    if isinstance(field, CommaList):
        each = Text(max_length=200, metadata={"example": "urgent"})
        return fields.List(each, validate=validate.Length(1, field.most), metadata=meta)
    if isinstance(field, fields.Boolean):
        return Flag(metadata=meta)
    if isinstance(field, fields.Integer):
        return Whole(validate=field.validators, metadata=field.metadata)
    return field


class _Sound(Schema):
    @validates_schema
    def _rules_of_the_list(self, data: dict[str, Any], **_: Any) -> None:
        sound_filters(data)


ComplaintFilters: Final[Any] = type(
    "ComplaintFilters",
    (_Sound,),
    {
        "__doc__": "The filters of `GET /complaints`, under the same names.",
        "__module__": __name__,
        **{
            name: _in_a_payload(field)
            for name, field in ComplaintQuery().load_fields.items()
            if name not in _OF_THE_PAGE
        },
    },
)


def _a_column(name: str) -> None:
    if name not in COLUMNS and not _OWN.fullmatch(name):
        raise ValidationError(f"Must be one of: {', '.join(COLUMNS)}, or custom_fields.KEY.")


class ViewIn(Schema):
    name = Line(required=True, max_length=200, metadata={"example": "My urgent ones"})
    scope = Choice(SCOPES, load_default="own", metadata={"example": "own"})
    team_id = fields.UUID(metadata={"description": "Of the scope `team`: whose.", "example": None})
    filters = fields.Nested(
        ComplaintFilters, load_default=dict, metadata={"example": {"mine": True, "open": True, "severity": "S1"}}
    )
    sort = Choice(SORTS, metadata={"description": "As in the list.", "example": NEWEST_FIRST})
    columns = fields.List(
        Text(max_length=60, validate=_a_column, metadata={"example": "reference"}),
        load_default=list,
        validate=validate.Length(max=40),
        metadata={
            "description": "For whoever draws it: fields of a complaint in a list, and `custom_fields.` with a key.",
            "example": ["reference", "subject", "severity"],
        },
    )
    position = Whole(load_default=0, validate=validate.Range(0, 10_000), metadata={"example": 10})

    @validates_schema
    def _of_a_team(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("scope") == "team") != ("team_id" in data):
            raise ValidationError("A team's has a team, and nobody else's.", "team_id")

    @validates_schema(skip_on_field_errors=False)
    def _in_an_order(self, data: dict[str, Any], **_: Any) -> None:
        if isinstance(data.get("filters"), dict):
            fitting_sort({**data["filters"], **({"sort": data["sort"]} if "sort" in data else {})})


class ViewPut(ViewIn):
    """All of it anew. `filters` is to be said, be it `{}`: a view that lost them for not being named would show everything."""

    filters = fields.Nested(
        ComplaintFilters, required=True, metadata={"example": {"mine": True, "open": True, "severity": "S1"}}
    )


class ViewQuery(PageQuery):
    scope = Choice(SCOPES, metadata={"example": "own"})
    counts = fields.Boolean(
        load_default=True, metadata={"description": "false: do not count; then they are null.", "example": True}
    )


class BrokenFilter(Schema):
    pointer = fields.String(required=True, metadata={"example": "/filters/tag/0"})
    code = fields.String(required=True, metadata={"example": "unknown"})
    detail = fields.String(required=True, metadata={"example": "There is no tag 'urgent'."})


class View(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "My urgent ones"})
    scope = Choice(SCOPES, required=True, metadata={"example": "own"})
    agent_id = fields.UUID(required=True, allow_none=True)
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    filters = fields.Dict(required=True, metadata={"example": {"mine": True, "open": True, "severity": "S1"}})
    sort = Choice(SORTS, required=True)
    columns = fields.List(fields.String(), required=True, metadata={"example": ["reference", "subject"]})
    position = fields.Integer(required=True, metadata={"example": 10})
    complaints = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": f"That the caller sees; counted to {COUNTED_TO}. null when it is broken.",
            "example": 17,
        },
    )
    complaints_is_exact = fields.Boolean(
        required=True, allow_none=True, metadata={"description": "false: there are more."}
    )
    broken = fields.List(
        fields.Nested(BrokenFilter),
        required=True,
        metadata={"description": "What it asks for and is not there any more.", "example": []},
    )
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)
