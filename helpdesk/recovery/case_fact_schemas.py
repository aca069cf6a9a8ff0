"""Payloads of the facts of a case: in a body, on a complaint, and as parameters of a query."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from helpdesk.kernel.facts import DECIMAL as DECIMAL_FACT
from helpdesk.kernel.schemas import Choice, Flag, Line, MoneyField, Pattern, Schema, Timestamp, Whole
from helpdesk.recovery.case_facts import CAUSES, FACTS, LOST, RANGES, plain

DECIMAL: Final = Pattern(r"^\d{1,16}(\.\d{1,8})?$", error="Write a plain decimal, for example 25.00.")
CODE: Final = r"^[a-z0-9]+([._-][a-z0-9]+)*$"


class DecimalField(fields.String):
    """A decimal as a string, within the range of the fact that it is."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(validate=DECIMAL, **kwargs)
        self._range = RANGES[name]

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        DECIMAL(text)  # marshmallow asks the validator only afterwards, and what is no decimal cannot be read
        found = DECIMAL_FACT.read(text)
        if not self._range.least <= found <= self._range.most:
            raise ValidationError(
                f"Must be greater than or equal to {self._range.least} and less than or equal to {self._range.most}."
            )
        return plain(found)


def _says(name: str, example: Any = None) -> dict[str, Any]:
    text = f"{FACTS[name].summary[0].upper()}{FACTS[name].summary[1:]}."
    if name in RANGES and FACTS[name].kind is DECIMAL_FACT:
        text += f" From {RANGES[name].least} to {RANGES[name].most}."  # a decimal is a text, whose bounds no schema can have
    return {"description": text, "example": example}


def _count(name: str, example: Any = None) -> Whole:
    limits = validate.Range(RANGES[name].least, RANGES[name].most)
    return Whole(allow_none=True, validate=limits, metadata=_says(name, example))


def _counted(name: str) -> fields.Integer:
    return fields.Integer(validate=validate.Range(RANGES[name].least, RANGES[name].most), metadata=_says(name))


def _tariff(example: str | None = None, **kwargs: Any) -> fields.String:
    code = Pattern(CODE, error="Write a tariff's code, for example eu.261.")
    return fields.String(validate=[validate.Length(1, 60), code], metadata=_says("tariff", example), **kwargs)


class CaseFactsIn(Schema):
    """What is left out stays as it is; null takes a fact away."""

    tariff = _tariff("eu.261", allow_none=True)
    happened_on = fields.Date(allow_none=True, metadata=_says("happened_on", "2025-03-01"))
    cause = Choice(CAUSES, allow_none=True, metadata=_says("cause", "delay"))
    distance_km = DecimalField("distance_km", allow_none=True, metadata=_says("distance_km", "1840"))
    within_eu = Flag(allow_none=True, metadata=_says("within_eu", True))
    delay_hours = DecimalField("delay_hours", allow_none=True, metadata=_says("delay_hours", "3.5"))
    notice_days = _count("notice_days")
    rerouted = Flag(allow_none=True, metadata=_says("rerouted"))
    departs_earlier_hours = DecimalField(
        "departs_earlier_hours", allow_none=True, metadata=_says("departs_earlier_hours")
    )
    extraordinary = Flag(allow_none=True, metadata=_says("extraordinary", False))
    passengers = _count("passengers", 1)
    fare = MoneyField(positive=False, allow_none=True, metadata=_says("fare"))
    international = Flag(allow_none=True, metadata=_says("international"))
    days_without_service = _count("days_without_service")
    days_of_delayed_start = _count("days_of_delayed_start")
    missed_appointments = _count("missed_appointments")
    failed_standards = _count("failed_standards")
    late_payments = _count("late_payments")
    lost = Choice(LOST, allow_none=True, metadata=_says("lost", "service"))
    product = Line(allow_none=True, max_length=200, metadata=_says("product"))
    weeks_overdue = _count("weeks_overdue")
    repeat = Flag(allow_none=True, metadata=_says("repeat"))
    statutory = MoneyField(positive=False, allow_none=True, metadata=_says("statutory"))
    refunded = MoneyField(positive=False, allow_none=True, metadata=_says("refunded"))


class CaseFactsOut(Schema):
    """Facts as they are recorded: only what is known."""

    complaint_id = fields.UUID(required=True)
    facts = fields.Dict(
        required=True,
        metadata={
            "description": "Name -> value: numbers, flags, decimals and days as texts, money as everywhere.",
            "example": {"distance_km": "1840", "cause": "delay", "delay_hours": "3.5", "within_eu": True},
        },
    )
    inherited = fields.Dict(
        required=True,
        metadata={
            "description": "Facts of duplicates of the same customer that were merged into it and of which nothing is said here.",
            "example": {},
        },
    )
    recorded_at = Timestamp(required=True, allow_none=True)
    version = fields.Integer(required=True, metadata={"description": "Of the complaint."})


class CaseFactsQuery(Schema):
    """The facts that a query may state beside those that `SuggestionQuery` has by itself."""

    tariff = _tariff()
    happened_on = fields.Date(metadata=_says("happened_on"))
    cause = Choice(CAUSES, metadata=_says("cause"))
    distance_km = DecimalField("distance_km", metadata=_says("distance_km"))
    within_eu = fields.Boolean(metadata=_says("within_eu"))
    delay_hours = DecimalField("delay_hours", metadata=_says("delay_hours"))
    notice_days = _counted("notice_days")
    rerouted = fields.Boolean(metadata=_says("rerouted"))
    departs_earlier_hours = DecimalField("departs_earlier_hours", metadata=_says("departs_earlier_hours"))
    extraordinary = fields.Boolean(metadata=_says("extraordinary"))
    passengers = _counted("passengers")
    international = fields.Boolean(metadata=_says("international"))
    days_without_service = _counted("days_without_service")
    days_of_delayed_start = _counted("days_of_delayed_start")
    missed_appointments = _counted("missed_appointments")
    failed_standards = _counted("failed_standards")
    late_payments = _counted("late_payments")
    lost = Choice(LOST, metadata=_says("lost"))
    product = Line(max_length=200, metadata=_says("product"))
