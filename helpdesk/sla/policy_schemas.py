from collections.abc import Callable, Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from helpdesk.complaints.fact_schemas import Vocabulary
from helpdesk.complaints.routing_schemas import CONDITION as OF_ROUTING
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.customers.models import TIERS
from helpdesk.kernel.expressions import ALWAYS
from helpdesk.kernel.positions import LARGEST
from helpdesk.kernel.schemas import ByName, Choice, Flag, Line, Pattern, Schema, Timestamp, Whole
from helpdesk.sla.calendar_reading import read_date
from helpdesk.sla.computing import CHOICES
from helpdesk.sla.ladder_schemas import LADDER_META, Ladder, Thresholds, read_ladder
from helpdesk.sla.models import POLICY_KINDS, REOPENED
from helpdesk.sla.policy_spec import CONVENTIONS, ON_REOPEN
from helpdesk.sla.recompute_schemas import Recomputed, Recomputing

__all__ = ["Vocabulary"]

UNITS: Final = ("minutes", "business_days", "calendar_days", "weeks")
MOST: Final = 100_000
CONDITION: Final = OF_ROUTING.replace("/routing/vocabulary", "/sla/policies/vocabulary")
_CONDITION_EXAMPLE: Final = {"field": "customer_tier", "operator": "is", "value": "key"}
_TARGETS_EXAMPLE: Final = {
    severity: {"acknowledge": [days * 60, "minutes"], "resolve": [days, "business_days"]}
    for days, severity in enumerate(SEVERITIES, start=1)
}
_LONG_EXAMPLE: Final = {
    "S1": {"next_response": {"amount": 30, "unit": "minutes", "pausable": False, "thresholds": [50, 90]}}
}
_TARGETS: Final = (
    "severity -> kind -> target: `[amount, unit]`, or an object with `amount` (whole, 0 to 100000), `unit` (`minutes` are business "
    "minutes; `business_days`, `calendar_days`, `weeks`) and, where they are not the policy's, `calendar_id`, `thresholds`, `ladder`, `pausable` "
    "(true: it pauses while somebody else is waited for; calendar days and weeks never do) and `conventions` (`boundary`, "
    "`business_day`, `calendar_day` as in `helpdesk sla compute`), and `on_reopen`, where the complaint is reopened: `restart` (the usual: "
    "the whole time anew from then on) or `continue` (what was used before stays used, and the time in which nothing was owed does not count; "
    "of calendar days and weeks, and where `pausable` is false, it does; not of `remedy_delivered` and `follow_up`). What is not named is not promised."
)


def _rising(given: Any) -> bool:
    return (
        isinstance(given, list)
        and len(given) <= 10
        and all(isinstance(each, int) and not isinstance(each, bool) and 1 <= each <= 99 for each in given)
        and sorted(set(given)) == given
    )


class TargetField(fields.Raw):
    """A target in either of its forms; kept as it was written."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, dict):
            self._check_object(value)
        elif not (isinstance(value, list) and len(value) == 2 and _is_amount(value[0]) and value[1] in UNITS):
            raise ValidationError(
                f"Write [amount, unit], or an object; a whole amount up to {MOST}, units {', '.join(UNITS)}."
            )
        return value

    def _check_object(self, value: dict[str, Any]) -> None:
        known = {"amount", "unit", "calendar_id", "pausable", "conventions", "thresholds", "ladder", "on_reopen"}
        problems: dict[str, list[str]] = {str(name): ["Unknown field."] for name in value if name not in known}
        problems |= {name: ["Missing data for required field."] for name in ("amount", "unit") if name not in value}
        if "amount" in value and not _is_amount(value["amount"]):
            problems["amount"] = [f"Write a whole number from 0 to {MOST}."]
        if "unit" in value and value["unit"] not in UNITS:
            problems["unit"] = [f"Must be one of: {', '.join(UNITS)}."]
        if value.get("thresholds") is not None and not _rising(value["thresholds"]):
            problems["thresholds"] = ["Give up to 10 thresholds from 1 to 99 in rising order, each once."]
        if value.get("calendar_id") is not None:
            problems |= _id_problems(value["calendar_id"])
        if "on_reopen" in value and value["on_reopen"] not in ON_REOPEN:
            problems["on_reopen"] = [f"Must be one of: {', '.join(ON_REOPEN)}."]
        problems |= _ladder_problems(value)
        problems |= _pausing_problems(value)
        problems |= _convention_problems(value.get("conventions"))
        if problems:
            raise ValidationError(problems)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _id_problems(value: Any) -> dict[str, list[str]]:
    try:
        fields.UUID().deserialize(value)
    except ValidationError:
        return {"calendar_id": ["Not a valid UUID."]}
    return {}


def _ladder_problems(value: dict[str, Any]) -> dict[str, Any]:
    """Where it is right it is put in the place of what was written."""
    if value.get("ladder") is None:
        return {}
    try:
        value["ladder"] = read_ladder(value["ladder"])
    except ValidationError as error:
        return {"ladder": error.messages}
    return {}


def _pausing_problems(value: dict[str, Any]) -> dict[str, list[str]]:
    pausable = value.get("pausable")
    if "pausable" in value and not isinstance(pausable, bool):
        return {"pausable": ["Write true or false."]}
    if pausable and value.get("unit") in {"calendar_days", "weeks"}:
        return {"pausable": ["Calendar days and weeks never pause: leave it out."]}
    return {}


def _convention_problems(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        return {"conventions": ['Write {"business_day": "close_of_nth_day", ...}.']}
    found = {str(name): ["Unknown field."] for name in given if name not in CONVENTIONS}
    for name in CONVENTIONS:
        if name in given and given[name] not in CHOICES[name]:
            found[name] = [f"Must be one of: {', '.join(CHOICES[name])}."]
    return {"conventions": found} if found else {}


class Targets(ByName):
    """severity -> kind -> target."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            keys=Choice(SEVERITIES), values=ByName(keys=Choice(POLICY_KINDS), values=TargetField()), **kwargs
        )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        problems = {
            severity: {kind: {"on_reopen": [f"Reopening begins none: only {', '.join(REOPENED)}."]} for kind in wrong}
            for severity, kinds in found.items()
            if (wrong := [kind for kind in kinds if kind not in REOPENED and "on_reopen" in kinds[kind]])
        }
        if problems:
            raise ValidationError(problems)
        return found


class _Day(fields.String):
    """A local date that there is."""

    def __init__(self, description: str, **kwargs: Any) -> None:
        checks: list[Callable[[Any], Any]] = [Pattern(r"^\d{4}-\d{2}-\d{2}$", error="Write YYYY-MM-DD."), _check_day]
        super().__init__(
            allow_none=True, validate=checks, metadata={"description": description, "example": None}, **kwargs
        )


def _check_day(given: str) -> None:
    try:
        read_date(given)
    except ValueError as error:
        raise ValidationError(f"{error}.") from error


_FROM: Final = "The first local date, in the calendar's zone, on which a clock may start that it is for."
_UNTIL: Final = "The last one: it ends at midnight after it."
_TARGETS_META: Final = {"description": _TARGETS, "example": _TARGETS_EXAMPLE}
_TIERS_META: Final = {
    "description": "Tier of customers -> targets, which go before `targets` kind by kind.",
    "example": {"key": _LONG_EXAMPLE},
}


class PolicyTerms(Recomputing):
    """What is promised, as a whole."""

    calendar_id = fields.UUID(required=True)
    thresholds = Thresholds(required=True)
    ladder = Ladder(load_default=list)
    targets = Targets(required=True, metadata=_TARGETS_META)
    tiers = ByName(keys=Choice(TIERS), values=Targets(), load_default=dict, metadata=_TIERS_META)


class PolicyPatch(Recomputing):
    """What is left out stays."""

    name = Line(max_length=100, metadata={"example": "Key customers"})
    active = Flag(metadata={"example": True})
    position = Whole(
        validate=validate.Range(0, LARGEST),
        metadata={"description": "Smaller ones are asked first. At the end, when absent.", "example": 10},
    )
    valid_from = _Day(_FROM)
    valid_until = _Day(_UNTIL)
    condition = fields.Dict(metadata={"description": CONDITION, "example": _CONDITION_EXAMPLE})
    calendar_id = fields.UUID()
    thresholds = Thresholds()
    ladder = Ladder()
    targets = Targets(metadata=_TARGETS_META)
    tiers = ByName(keys=Choice(TIERS), values=Targets(), metadata=_TIERS_META)


class PolicyIn(PolicyPatch):
    name = Line(required=True, max_length=100, metadata={"example": "Key customers"})
    active = Flag(load_default=True, metadata={"example": True})
    valid_from = _Day(_FROM, load_default=None)
    valid_until = _Day(_UNTIL, load_default=None)
    condition = fields.Dict(
        load_default=lambda: dict(ALWAYS), metadata={"description": CONDITION, "example": _CONDITION_EXAMPLE}
    )
    calendar_id = fields.UUID(required=True)
    thresholds = Thresholds(load_default=lambda: [50, 75, 90])
    ladder = Ladder(load_default=list)
    targets = Targets(required=True, metadata=_TARGETS_META)
    tiers = ByName(keys=Choice(TIERS), values=Targets(), load_default=dict, metadata=_TIERS_META)


class PolicyVersion(Schema):
    version = fields.Integer(required=True)
    name = fields.String(required=True, metadata={"example": "Key customers"})
    active = fields.Boolean(required=True)
    position = fields.Integer(required=True, metadata={"example": 10})
    valid_from = fields.String(required=True, allow_none=True, metadata={"example": None})
    valid_until = fields.String(required=True, allow_none=True, metadata={"example": None})
    condition = fields.Dict(required=True, metadata={"example": _CONDITION_EXAMPLE})
    calendar_id = fields.UUID(required=True)
    thresholds = fields.List(fields.Integer(), required=True, metadata={"example": [50, 75, 90]})
    ladder = fields.List(fields.Dict(), required=True, metadata=LADDER_META)
    targets = fields.Dict(required=True, metadata={"example": _TARGETS_EXAMPLE})
    tiers = fields.Dict(required=True, metadata={"example": {"key": _LONG_EXAMPLE}})
    created_at = Timestamp(required=True, metadata={"description": "Of this version."})


class Policy(PolicyVersion):
    id = fields.UUID(required=True)
    is_default = fields.Boolean(required=True, metadata={"description": "For everything, and the last."})
    removed_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)


class PolicyOrder(Recomputing):
    policy_ids = fields.List(
        fields.UUID(),
        required=True,
        validate=validate.Length(max=1000),
        metadata={"description": "All but the default one, which stands last."},
    )


class PolicyEdited(Policy, Recomputed):
    """A policy, and what follows from its edit."""

    unpromised_clocks = fields.Integer(
        required=True,
        metadata={
            "description": "Open clocks that were made by this policy and of which it promises nothing any more, by severity, tier and kind: "
            "the recompute cancels each that no other policy promises. After an edit that takes no target away it is 0.",
            "example": 0,
        },
    )


class PoliciesInOrder(Recomputed):
    items = fields.List(fields.Nested(Policy), required=True)


class ClocksOfPolicy(Schema):
    version = fields.Integer(required=True, metadata={"description": "Of the policy."})
    count = fields.Integer(required=True, metadata={"example": 31})


class PolicyUses(Schema):
    open_clocks = fields.List(
        fields.Nested(ClocksOfPolicy),
        required=True,
        metadata={"description": "Clocks that are not stopped, by the version that made them, the newest first."},
    )
