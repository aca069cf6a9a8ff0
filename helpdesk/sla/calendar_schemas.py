from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.kernel.schemas import ByName, Choice, Flag, Line, Pattern, Schema, Text, Timestamp, Whole
from helpdesk.sla.public_holidays import FIRST_YEAR, LAST_YEAR
from helpdesk.sla.recompute_schemas import Recomputed, Recomputing
from helpdesk.sla.specs import DAYS

_HOURS_EXAMPLE: Final = {day: [["09:00", "17:00"]] for day in DAYS[:5]}
_DATE: Final = Pattern(r"^\d{4}-\d{2}-\d{2}$", error="Write YYYY-MM-DD.")
_YEAR: Final = validate.Range(FIRST_YEAR, LAST_YEAR)
_CLOSED: Final = {"2026-12-25": "Christmas Day"}


class PublicHolidaysIn(Schema):
    country = Text(
        load_default=None,
        allow_none=True,
        max_length=2,
        metadata={"description": "As in `GET /sla/holiday-countries`; this or `market`.", "example": "GB"},
    )
    market = Text(
        load_default=None,
        allow_none=True,
        max_length=10,
        metadata={
            "description": "Closing days of a market or of a central bank instead: XECB (TARGET), XFED (Federal Reserve).",
            "example": None,
        },
    )
    subdivision = Text(load_default=None, allow_none=True, max_length=40, metadata={"example": "SCT"})
    categories = fields.List(
        Text(max_length=40),
        load_default=lambda: ["public"],
        validate=validate.Length(1, 20),
        metadata={"description": "Kinds of holidays on which nobody works.", "example": ["public"]},
    )
    observed = Flag(
        load_default=True,
        metadata={"description": "With the days in lieu of those that fall on a weekend.", "example": True},
    )
    from_year = Whole(
        load_default=None,
        allow_none=True,
        validate=_YEAR,
        metadata={"description": "null: ten years before they are worked out.", "example": None},
    )
    until_year = Whole(
        load_default=None,
        allow_none=True,
        validate=_YEAR,
        metadata={"description": "null: ten years after they are worked out.", "example": None},
    )
    without = fields.List(
        fields.String(validate=_DATE),
        load_default=list,
        validate=validate.Length(max=500),
        metadata={"description": "Dates on which they do not hold here: these are worked as always.", "example": []},
    )
    work_like = Choice(
        DAYS,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Whose hours make-up working days have; null: the first weekday with hours.",
            "example": None,
        },
    )

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("country") is None and data.get("market") is None:
            raise ValidationError("Missing data for required field.", "country")
        if data.get("country") is not None and data.get("market") is not None:
            raise ValidationError("Give a country or a market, not both.", "market")


class ExpandedHolidays(Schema):
    release = fields.String(
        required=True, metadata={"description": "Of the package that knew them.", "example": "0.109"}
    )
    from_year = fields.Integer(required=True, metadata={"example": 2016})
    until_year = fields.Integer(required=True, metadata={"example": 2036})
    holidays = fields.Dict(required=True, metadata={"description": "Date -> name.", "example": _CLOSED})
    working_days = fields.Dict(
        required=True, metadata={"description": "Make-up working days: date -> weekday.", "example": {}}
    )


class PublicHolidays(PublicHolidaysIn):
    expanded = fields.Nested(
        ExpandedHolidays,
        required=True,
        metadata={"description": "What they were worked out to when the version was made."},
    )


class CalendarHours(Schema):
    timezone = Text(required=True, max_length=64, metadata={"example": "Europe/Berlin"})
    weekly_hours = ByName(
        keys=Choice(DAYS),
        values=fields.List(
            fields.List(fields.String(), validate=validate.Length(equal=2)), validate=validate.Length(max=12)
        ),
        required=True,
        metadata={
            "description": "Day -> shifts [start, end] in local time; an end not after its start is next morning.",
            "example": _HOURS_EXAMPLE,
        },
    )
    holidays = fields.List(
        fields.String(validate=_DATE),
        load_default=list,
        validate=validate.Length(max=2000),
        metadata={"description": "Own days off, beside the public ones.", "example": ["2026-12-24"]},
    )
    working_days = ByName(
        keys=fields.String(validate=_DATE),
        values=Choice(DAYS),
        load_default=dict,
        metadata={
            "description": "Make-up working days: date -> the weekday whose hours it has.",
            "example": {"2026-02-14": "mon"},
        },
    )


_VALID_FROM: Final = {"description": "The first local date on which it holds.", "example": None}
_VALID_UNTIL: Final = {"description": "The last local date on which it holds.", "example": None}


class CalendarIn(CalendarHours):
    name = Line(required=True, max_length=100, metadata={"example": "Berlin office"})
    public_holidays = fields.Nested(PublicHolidaysIn, load_default=None, allow_none=True)


class CalendarBody(CalendarHours, Recomputing):
    public_holidays = fields.Nested(PublicHolidaysIn, load_default=None, allow_none=True)
    valid_from = fields.String(load_default=None, allow_none=True, validate=_DATE, metadata=_VALID_FROM)
    valid_until = fields.String(load_default=None, allow_none=True, validate=_DATE, metadata=_VALID_UNTIL)


class CalendarSeason(CalendarHours):
    public_holidays = fields.Nested(PublicHolidays, required=True, allow_none=True, metadata={"example": None})
    valid_from = fields.String(required=True, allow_none=True, metadata=_VALID_FROM)
    valid_until = fields.String(required=True, allow_none=True, metadata=_VALID_UNTIL)


class CalendarVersion(CalendarSeason):
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True, metadata={"description": "Of this version."})
    otherwise = fields.List(
        fields.Nested(CalendarSeason),
        required=True,
        metadata={
            "description": "What holds on the days on which it does not: the first of these that holds on the day.",
            "example": [],
        },
    )


class Calendar(CalendarVersion):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Berlin office"})
    created_at = Timestamp(required=True)


class CalendarEdited(Calendar, Recomputed):
    """A calendar, and what follows from its change."""


class UsingPolicy(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Default"})
    version = fields.Integer(required=True)


class ClocksOfVersion(Schema):
    version = fields.Integer(required=True, metadata={"description": "Of the calendar."})
    count = fields.Integer(required=True, metadata={"example": 31})


class CalendarUses(Schema):
    policies = fields.List(
        fields.Nested(UsingPolicy), required=True, metadata={"description": "That are made on it now."}
    )
    open_clocks = fields.List(
        fields.Nested(ClocksOfVersion),
        required=True,
        metadata={"description": "Clocks that are not stopped, by the version that made them, the newest first."},
    )


class HolidayCountry(Schema):
    country = fields.String(required=True, metadata={"example": "GB"})
    subdivisions = fields.List(fields.String(), required=True, metadata={"example": ["ENG", "NIR", "SCT", "WLS"]})
    categories = fields.List(fields.String(), required=True, metadata={"example": ["public"]})


class HolidayCountries(Schema):
    release = fields.String(required=True, metadata={"description": "Of the package.", "example": "0.109"})
    items = fields.List(fields.Nested(HolidayCountry), required=True)


class HolidayChanges(Schema):
    kept_release = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "That made the calendar's days; null where it has no public holidays.",
            "example": "0.109",
        },
    )
    release = fields.String(required=True, metadata={"description": "That is installed.", "example": "0.110"})
    differs = fields.Boolean(required=True, metadata={"example": True})
    holidays_added = fields.Dict(required=True, metadata={"description": "Date -> name.", "example": _CLOSED})
    holidays_removed = fields.Dict(required=True, metadata={"description": "Date -> name.", "example": {}})
    working_days_added = fields.Dict(required=True, metadata={"description": "Date -> weekday.", "example": {}})
    working_days_removed = fields.Dict(required=True, metadata={"description": "Date -> weekday.", "example": {}})
