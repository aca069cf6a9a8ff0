"""Policies out of a TOML file, in the format of the shipped one (`data/default_policy.toml`), with as many calendars and policies as
one likes:

    [calendar]                       # of [policy], and of every policy that names none
    [policy]                         # for everything, asked last: thresholds, targets, tiers

    [calendars.Shanghai]             # more calendars, by name
    timezone = "Asia/Shanghai"

    [[policies]]                     # asked before, in their order; the fields of `POST /sla/policies`
    name = "Key customers"
    calendar = "Shanghai"            # instead of `calendar_id`, also in a target
    condition = { field = "customer_tier", operator = "is", value = "key" }
    [policies.targets.S1]
    acknowledge = { amount = 5, unit = "minutes", pausable = false, conventions = { boundary = "next_opening" } }
"""

import json
import tomllib
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from marshmallow import ValidationError

from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import ALWAYS, read
from helpdesk.kernel.schemas import problems_of
from helpdesk.sla.calendar_reading import UnreadableCalendarError, read_calendar
from helpdesk.sla.calendar_spec import contradictions
from helpdesk.sla.policy_facts import VOCABULARY
from helpdesk.sla.policy_schemas import PolicyIn
from helpdesk.sla.policy_spec import Calendars, Policies, Policy, compiled_targets, day_of

OWN: Final = ""
"""The name of the calendar of `[policy]`."""
_NAMES: Final = UUID("5d2f8f0e-8c1b-4f5c-9a55-1f0f3a0c2b11")
"""A calendar has an id here as it has in the database: made of its name."""


class UnusablePolicies(Exception):
    """What the file says is no policy; the message names each place."""


def read_policies(text: str) -> Policies:
    """Raises `UnusablePolicies`."""
    try:
        given = json.loads(json.dumps(tomllib.loads(text), default=str))  # a TOML date is written as JSON has it
    except tomllib.TOMLDecodeError as error:
        raise UnusablePolicies(f"not well-formed TOML: {error}") from error
    unknown = given.keys() - {"calendar", "policy", "calendars", "policies"}
    if unknown:
        raise UnusablePolicies(f"unknown: {', '.join(sorted(unknown))}")
    if not isinstance(given.get("policy"), dict) or not isinstance(given.get("calendar"), dict):
        raise UnusablePolicies("a file has [calendar] and [policy], for all that nothing else is for")
    if not isinstance(given.get("policies", []), list) or not isinstance(given.get("calendars", {}), dict):
        raise UnusablePolicies("write [[policies]] and [calendars.NAME]")
    calendars = _calendars({OWN: given["calendar"], **given.get("calendars", {})})
    written = [*given.get("policies", []), given["policy"]]
    items = [
        _policy(one, calendars, f"/policies/{place}" if place < len(written) - 1 else "/policy", place)
        for place, one in enumerate(written)
        if not isinstance(one, dict) or one.get("active", True)
    ]
    return Policies(tuple(items), frozenset())


def _calendars(written: Mapping[str, Any]) -> Calendars:
    found: dict[UUID, tuple[int, Any]] = {}
    for name, one in written.items():
        where = f"/calendars/{name}" if name != OWN else "/calendar"
        if not isinstance(one, dict):
            raise UnusablePolicies(f"{where}: write a table")
        unknown = one.keys() - {"name", "timezone", "weekly_hours", "holidays", "working_days"}
        if unknown:
            raise UnusablePolicies(f"{where}: unknown: {', '.join(sorted(unknown))}")
        try:
            calendar = read_calendar(one, str(one.get("name", name)))
        except UnreadableCalendarError as error:
            raise UnusablePolicies(f"{where}{error.problems[0].pointer}: {error.problems[0].message}") from error
        for problem in contradictions(calendar)[0]:
            raise UnusablePolicies(f"{where}: {problem.message}")
        if not any(calendar.weekly_hours.values()):
            raise UnusablePolicies(f"{where}/weekly_hours: it is never open: add hours")
        found[uuid5(_NAMES, name)] = (1, calendar)
    return found


def _policy(written: Any, calendars: Calendars, where: str, place: int) -> Policy:
    default = where == "/policy"
    if not isinstance(written, dict):
        raise UnusablePolicies(f"{where}: write a table")
    try:
        given = PolicyIn().load({"name": f"policy {place + 1}", **_with_ids(written, calendars, where)})
        condition = given["condition"]
        expression = None if condition == ALWAYS else read(condition, VOCABULARY, "/condition")
    except ValidationError as error:
        wrong = problems_of(error.messages)
        raise UnusablePolicies("; ".join(f"{where}{item['pointer']}: {item['detail']}" for item in wrong)) from error
    except ValidationFailed as error:
        raise UnusablePolicies(
            "; ".join(f"{where}{item['pointer']}: {item['detail']}" for item in error.errors)
        ) from error
    if default and (expression is not None or given["valid_from"] or given["valid_until"]):
        raise UnusablePolicies(f"{where}: it is for everything, and has no condition and no days")
    targets, tiers = compiled_targets(given, given["calendar_id"], calendars)
    return Policy(
        id=uuid5(_NAMES, where),
        version=1,
        name=given["name"],
        is_default=default,
        calendar=calendars[given["calendar_id"]][1],
        targets=targets,
        tiers=tiers,
        condition=expression,
        valid_from=day_of(given["valid_from"]),
        valid_until=day_of(given["valid_until"]),
    )


def _with_ids(written: dict[str, Any], calendars: Calendars, where: str) -> dict[str, Any]:
    """With the ids of calendars in place of their names, wherever a policy names one."""
    if "calendar_id" in written:
        raise UnusablePolicies(f'{where}/calendar_id: name the calendar: calendar = "..."')

    def put(value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            return value
        found = {key: put(one, f"{at}/{key}") for key, one in value.items() if key != "calendar"}
        return found | ({"calendar_id": _id_of(value["calendar"], calendars, at)} if "calendar" in value else {})

    own = _id_of(written.get("calendar", OWN), calendars, where)
    rest = {key: put(value, f"{where}/{key}") for key, value in written.items() if key != "calendar"}
    return {**rest, "calendar_id": own}


def _id_of(name: Any, calendars: Calendars, where: str) -> str:
    found = uuid5(_NAMES, str(name))
    if found not in calendars:
        raise UnusablePolicies(f"{where}/calendar: there is no calendar {name!r}")
    return str(found)
