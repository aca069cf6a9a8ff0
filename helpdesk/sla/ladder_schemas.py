"""Ladders in payloads: rungs with their actions, each with its own body."""

from collections.abc import Mapping
from typing import Any, Final

import marshmallow as ma
from marshmallow import fields, validate, validates_schema

from helpdesk.kernel.schemas import ByName, Choice, Flag, MoneyField, Pattern, Schema, Text, Whole, json_safe, shallow
from helpdesk.sla.ladder import AT, BREACHED, MOST_OFFSET, MOST_PERCENT, MOST_RUNGS, place_of

MOST_ACTIONS: Final = 10
MOST_NAMED: Final = 50
MOST_DATA: Final = 20
TO: Final = ("assignee", "responsible", "team_leads", "team", "watchers")
OFFERS: Final = (
    "refund",
    "partial_refund",
    "replacement",
    "re_performance",
    "voucher",
    "points",
    "gift",
    "service_credit",
    "apology_letter",
    "goodwill_payment",
)
"""What can be drafted in the recovery domain."""
_EVENT_NAME: Final = Pattern(
    r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", error="Write words of small letters, digits and _, with dots between."
)


class NotifyIn(Schema):
    to = fields.List(
        Choice(TO),
        load_default=list,
        validate=validate.Length(max=len(TO)),
        metadata={
            "description": "Whoever has it; `responsible`: whoever has it, else who leads its team, else who leads and sees every team; "
            "who leads its team (`team:lead`); everybody in its team; whoever watches it.",
            "example": ["assignee", "team_leads"],
        },
    )
    agent_ids = fields.List(
        fields.UUID(), load_default=list, validate=validate.Length(max=MOST_NAMED), metadata={"example": []}
    )
    roles = fields.List(
        Text(max_length=50),
        load_default=list,
        validate=validate.Length(max=MOST_NAMED),
        metadata={"description": "Everybody of these roles who may see it.", "example": []},
    )
    mail = Flag(
        load_default=False,
        metadata={"description": "By mail too, whatever they chose, unless they muted it.", "example": False},
    )
    text = Text(
        max_length=500,
        load_default=None,
        allow_none=True,
        metadata={"description": "What to say beside which promise it is.", "example": None},
    )

    @validates_schema
    def _somebody(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.get(name) for name in ("to", "agent_ids", "roles")):
            raise ma.ValidationError("Say whom to tell: to, agent_ids or roles.", "to")


class ReassignIn(Schema):
    to = Choice(("lead",), load_default="lead", metadata={"example": "lead"})


class NothingIn(Schema):
    pass


class DraftOfferIn(Schema):
    kind = Choice(OFFERS, load_default="voucher", metadata={"example": "voucher"})
    amount = MoneyField(
        load_default=None,
        allow_none=True,
        metadata={"description": "As much as the playbook suggests for goodwill, when absent. A letter has none."},
    )
    reason = Text(
        max_length=2000,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Why, in words for the customer. Required for all but a letter.",
            "example": "We kept you waiting.",
        },
    )
    valid_days = Whole(load_default=None, allow_none=True, validate=validate.Range(1, 365), metadata={"example": 30})

    @validates_schema
    def _fits_kind(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("kind") != "apology_letter" and not data.get("reason"):
            raise ma.ValidationError("Say why, in words for the customer.", "reason")
        if data.get("kind") == "apology_letter" and data.get("amount") is not None:
            raise ma.ValidationError("A letter has no amount.", "amount")


class RaiseEventIn(Schema):
    name = Text(required=True, max_length=100, validate=_EVENT_NAME, metadata={"example": "crm.call_back"})
    data = ByName(
        keys=Text(max_length=100),
        values=Text(max_length=500, min_length=0),
        load_default=dict,
        validate=validate.Length(max=MOST_DATA),
        metadata={"description": f"At most {MOST_DATA} texts by name.", "example": {"queue": "key"}},
    )


BODIES: Final[Mapping[str, type[Schema]]] = {
    "notify": NotifyIn,
    "reassign": ReassignIn,
    "raise_level": NothingIn,
    "raise_severity": NothingIn,
    "draft_offer": DraftOfferIn,
    "raise_event": RaiseEventIn,
}
"""Every action there is."""


class LadderAction(Schema):
    step = Choice(BODIES, required=True, metadata={"example": "notify"})
    given = ByName(
        keys=fields.String(),
        load_default=dict,
        validate=shallow,
        metadata={
            "description": "`notify`: `to` (assignee, responsible, team_leads, team, watchers), `agent_ids`, `roles`, `mail`, `text`. `reassign`: `to` "
            "(lead). `raise_level`, `raise_severity`: nothing, by one. `draft_offer`: `kind`, `amount`, `reason`, `valid_days`. "
            "`raise_event`: `name`, `data`, for other systems.",
            "example": {"to": ["assignee", "team_leads"]},
        },
    )

    @validates_schema
    def _body(self, data: dict[str, Any], **_: Any) -> None:
        if "step" in data and "given" in data:
            try:
                BODIES[data["step"]]().load(data["given"])
            except ma.ValidationError as error:
                raise ma.ValidationError({"given": error.messages}) from error


def _place(at: str) -> None:
    try:
        place_of(at)
    except ValueError as error:
        raise ma.ValidationError(str(error)) from error


class LadderRung(Schema):
    at = fields.String(
        required=True,
        validate=[Pattern(AT, error='Write "75%", "-30 minutes" or "+1 business_days".'), _place],
        metadata={
            "description": f"A share of the time, up to {MOST_PERCENT}%; or so long before (`-`) or after (`+`) it is due, in business "
            f"`minutes` (up to {MOST_OFFSET['minutes']}) or `business_days` (up to {MOST_OFFSET['business_days']}, at the same time of day).",
            "example": "-30 minutes",
        },
    )
    at_any_time = Flag(
        load_default=False,
        metadata={
            "description": "Tell also outside the working time of whoever is told; else it is held until then, and dropped if by then "
            "there is nothing to do any more.",
            "example": False,
        },
    )
    actions = fields.List(
        fields.Nested(LadderAction),
        required=True,
        validate=validate.Length(min=1, max=MOST_ACTIONS, error=f"Between 1 and {MOST_ACTIONS} actions."),
    )


def _check_order(rungs: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    last: dict[str, int] = {}
    problems: dict[int, Any] = {}
    for number, rung in enumerate(rungs):
        place = place_of(rung["at"])
        unit, amount = (place.unit, place.amount) if place.percent is None else ("%", place.percent)
        if rung["at"] in seen:
            problems[number] = {"at": ["There is a rung there already."]}
        elif amount < last.get(unit, amount):
            problems[number] = {"at": ["Rungs of one kind (%, minutes, business_days) stand in rising order."]}
        seen.add(rung["at"])
        last[unit] = amount
    if problems:
        raise ma.ValidationError(problems)


LADDER_META: Final = {
    "description": f"What happens when a clock comes so far, at most {MOST_RUNGS} rungs. Thresholds are rungs that tell whoever has the "
    f"complaint; so is the breach, `{BREACHED}`, where no rung of its own stands there. After the breach it goes on until the clock is stopped.",
    "example": [
        {"at": "90%", "actions": [{"step": "notify", "given": {"to": ["assignee", "team_leads"]}}]},
        {"at": "+60 minutes", "at_any_time": True, "actions": [{"step": "raise_level"}, {"step": "reassign"}]},
    ],
}


class Ladder(fields.List[Any]):
    """As it is kept: with every default written out, and JSON-safe."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            fields.Nested(LadderRung),
            validate=validate.Length(max=MOST_RUNGS),
            metadata=LADDER_META,
            **kwargs,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        given: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        _check_order(given)
        return [_whole(rung) for rung in given]


def _whole(rung: Mapping[str, Any]) -> dict[str, Any]:
    actions = [
        {"step": action["step"], "given": json_safe(BODIES[action["step"]]().load(action["given"]))}
        for action in rung["actions"]
    ]
    return {"at": rung["at"], "at_any_time": rung["at_any_time"], "actions": actions}


def read_ladder(given: Any) -> list[Any]:
    """For a target, which is read without a schema. Raises marshmallow's error."""
    read: list[Any] = Ladder().deserialize(given)
    return read


def _check_thresholds(given: Any) -> None:
    if sorted(set(given)) != given:
        raise ma.ValidationError("Give thresholds in rising order, each once.")


class Thresholds(fields.List[int]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            Whole(validate=validate.Range(1, 99)),
            validate=[validate.Length(max=10), _check_thresholds],
            metadata={"description": "Percent of the time used at which to warn.", "example": [50, 75, 90]},
            **kwargs,
        )
