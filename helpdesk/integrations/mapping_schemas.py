"""The file of a mapping, as it may be written."""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import marshmallow as ma
from marshmallow import fields, validate, validates_schema

from helpdesk.complaints.person_schemas import PersonIn
from helpdesk.complaints.schemas import ComplaintIn, IssueIn
from helpdesk.kernel.schemas import Choice, Pattern, Schema

FORMATS: Final = ("csv", "jsonl")
ENCODINGS: Final = ("utf-8", "gb18030")

COMPLAINT = ComplaintIn()
PARTS: Final[dict[str, ma.Schema]] = {"complainant": PersonIn(), "issue": IssueIn()}
MONEY: Final = ("price", "loss")
_NESTED: Final = ("complainant", "affected", "representative", "issues", "needs", *MONEY)
_ROWS: Final = ("team_id", "customer_id")
"""Ids of rows of ours: the API checks each against the database, a file has no business to know them."""
_NEVER: Final = frozenset({"external_id", "acknowledge"})
"""The first has a place of its own in a mapping; and nobody is written to because of an import:
triggers answer to one only where they ask for it (`imports`).
"""
TOP: Final = tuple(name for name in COMPLAINT.fields if name not in {*_NESTED, *_ROWS, *_NEVER})
TARGETS: Final = (
    *TOP,
    *(f"{part}.{name}" for part, schema in PARTS.items() for name in schema.fields),
    *(f"{name}.{part}" for name in MONEY for part in ("amount", "currency")),
)
WHOLE: Final = tuple(name for name in COMPLAINT.fields if name not in {*_ROWS, *_NEVER})

CONDITIONS: Final = frozenset({"only_with", "only_without"})
"""Fields that are filled after all others, where another one is or is not there."""


class _Instead(Schema):
    columns = fields.List(fields.String(), required=True, validate=validate.Length(1))
    joined_by = fields.String(load_default=": ")
    before = fields.String(load_default="")


class _Dated(Schema):
    """Where an instant comes from; without `date`, the column holds RFC 3339 times."""

    column = fields.String()
    date = fields.String()
    time_zone = fields.String()

    @validates_schema
    def _date_in_zone(self, data: dict[str, Any], **_: Any) -> None:
        if ("date" in data) != ("time_zone" in data):
            raise ma.ValidationError("Give date and time_zone together.", "date")
        try:
            ZoneInfo(data.get("time_zone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ma.ValidationError(
                "There is no such time zone; write for example America/New_York.", "time_zone"
            ) from None
        if "date" in data and "column" not in data:
            raise ma.ValidationError("A date is read from one column.", "column")


class _ClockStart(_Dated):
    column = fields.String(required=True)


class _Field(_Dated):
    columns = fields.List(fields.String(), validate=validate.Length(1))
    joined_by = fields.String(load_default=": ")
    before = fields.String(load_default="")
    values = fields.Dict(fields.String(), fields.String())
    code_map = fields.String()
    otherwise = fields.String()
    only_with = Choice(TARGETS)
    only_without = Choice(TARGETS)
    instead = fields.Nested(_Instead)

    @validates_schema
    def _one_source(self, data: dict[str, Any], **_: Any) -> None:
        if ("column" in data) == ("columns" in data):
            raise ma.ValidationError("Give either column or columns.", "column")
        if {"values", "code_map"} <= data.keys():
            raise ma.ValidationError("Give values or a code map.", "code_map")
        translated = {"values", "code_map"} & data.keys()
        if translated and "column" not in data:
            raise ma.ValidationError("Values are translated from one column.", translated.pop())
        if "otherwise" in data and not translated:
            raise ma.ValidationError("This belongs to values.", "otherwise")


class _ExternalId(Schema):
    column = fields.String(required=True)
    required = fields.Boolean(load_default=False)


class _Needs(Schema):
    column = fields.String(required=True)
    separator = fields.String(load_default=",", validate=validate.Length(1))
    values = fields.Dict(fields.String(), fields.String())
    code_map = fields.String()
    ground = fields.String(required=True)

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        if ("values" in data) == ("code_map" in data):
            raise ma.ValidationError("Give either values or a code map.", "values")


class MappingFile(Schema):
    title = fields.String(required=True)
    format = Choice(FORMATS, required=True)
    encodings = fields.List(Choice(ENCODINGS), load_default=lambda: ["utf-8"], validate=validate.Length(1))
    header = fields.List(fields.String(), load_default=list)
    optional = fields.List(fields.String(), load_default=list)
    source = fields.String(validate=validate.Length(1, 100))
    external_id = fields.Nested(_ExternalId)
    constants = fields.Dict(fields.String(), fields.Raw(), load_default=dict)
    fields_ = fields.Dict(
        fields.String(validate=validate.OneOf(TARGETS)), fields.Nested(_Field), load_default=dict, data_key="fields"
    )
    whole = fields.List(fields.String(validate=validate.OneOf(WHOLE)), load_default=list)
    needs = fields.Nested(_Needs)
    clock_starts = fields.Dict(
        fields.String(validate=Pattern("^[a-z][a-z_]{0,60}$")), fields.Nested(_ClockStart), load_default=dict
    )

    @validates_schema
    def _columns_known(self, data: dict[str, Any], **_: Any) -> None:
        if data["format"] != "csv":
            return
        if not data["header"]:
            raise ma.ValidationError("Name the columns by which the header is known.", "header")
        known = {*data["header"], *data["optional"]}
        wrong = {
            where: [f"{name!r} is neither in header nor in optional."]
            for where, name in _named(data)
            if name not in known
        }
        if wrong:
            raise ma.ValidationError(wrong)

    @validates_schema
    def _ids_of_a_system(self, data: dict[str, Any], **_: Any) -> None:
        if "external_id" in data and "source" not in data and "source" not in {*data["fields_"], *data["whole"]}:
            raise ma.ValidationError("External ids need the system they are from.", "source")


def _named(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every column that the mapping names, with the key where it does."""
    found = [("external_id", data["external_id"]["column"])] if "external_id" in data else []
    found += [("needs", data["needs"]["column"])] if "needs" in data else []
    found += [("whole", name) for name in data["whole"]]
    for key, specs in (("fields", data["fields_"]), ("clock_starts", data["clock_starts"])):
        for target, spec in specs.items():
            columns = [*_columns_of(spec), *_columns_of(spec.get("instead", {}))]
            found += [(f"{key}.{target}", column) for column in columns]
    return found


def _columns_of(spec: Mapping[str, Any]) -> list[str]:
    return [spec["column"]] if "column" in spec else list(spec.get("columns", []))
