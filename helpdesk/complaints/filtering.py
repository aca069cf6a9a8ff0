"""From what a list, a view or a bulk change is asked for to what can be looked for: names become ids, words values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, custom_values, tag_queries
from helpdesk.complaints.custom_field_models import CustomField
from helpdesk.complaints.custom_values import Unfit
from helpdesk.complaints.list_queries import NEWEST_FIRST, Holds, Wanted
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.folding import fold
from helpdesk.kernel.words import need_attention

_NONE: Final = UUID(int=0)
"""No row's id: what a name leads to that there is not."""

_LOOKED_UP: Final = frozenset({"tag", "any_tag", "custom"})
_OF_THE_PAGE: Final = frozenset({"limit", "cursor", "count", "sort"})

Filters = Mapping[str, Any]
"""Filters and sort as `ComplaintQuery` and `ComplaintFilters` load them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A filter that cannot be looked for; `place`: which of its values, where it has several."""

    name: str
    place: int | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the names in some filters lead to: tags by folded name, fields by key."""

    tags: Mapping[str, UUID]
    fields: Mapping[str, CustomField]


def wanted(session: Session, given: Filters) -> Wanted:
    """For a list. Raises `ValidationFailed` naming the parameters at fault. No complaint carries a tag that there is not:
    that is no fault, but an empty list.
    """
    found, faults = read(look_up(session, [given]), given)
    if faults:
        problems = [FieldError(parameter=fault.name, code=fault.code, detail=fault.detail) for fault in faults]
        raise ValidationFailed(need_attention(len(faults), "query parameter"), errors=problems)
    return found


def wanted_of_body(session: Session, given: Filters, pointer: str) -> Wanted:
    """As `wanted`, for filters that stand in a payload at `pointer`."""
    found, faults = read(look_up(session, [given]), given)
    if faults:
        raise ValidationFailed(errors=[problem(fault, pointer) for fault in faults])
    return found


def problem(fault: Fault, pointer: str) -> FieldError:
    place = "" if fault.place is None else f"/{fault.place}"
    return FieldError.at(f"{pointer}/{fault.name}{place}", fault.code, fault.detail)


def look_up(session: Session, many: Sequence[Filters]) -> Known:
    """In one statement for each kind of name, and in none where there are none."""
    names = [name for given in many for name in (*given.get("tag", ()), *given.get("any_tag", ()))]
    keys = {key_of(condition) for given in many for condition in given.get("custom", ())}
    tags = tag_queries.ids_of(session, names) if names else {}
    return Known(tags, custom_field_queries.fields_of(session, keys))


def read(known: Known, given: Filters) -> tuple[Wanted, list[Fault]]:
    """What is looked for, and what cannot be."""
    holds, faults = _conditions(known.fields, given.get("custom", ()))
    found = Wanted(
        given={name: value for name, value in given.items() if name not in _LOOKED_UP | _OF_THE_PAGE},
        tags=_tags(known, given.get("tag", ())),
        any_tags=_tags(known, given.get("any_tag", ())),
        holds=holds,
        sort=given.get("sort", NEWEST_FIRST),
    )
    return found, faults


def unknown_tags(known: Known, given: Filters) -> list[Fault]:
    """Tags that are named and not there: in a list that is nothing, in something that is kept it is a fault."""
    return [
        Fault(name, place, "unknown", f"There is no tag {tag!r}.")
        for name in ("tag", "any_tag")
        for place, tag in enumerate(given.get(name, ()))
        if fold(tag) not in known.tags
    ]


def _tags(known: Known, names: Sequence[str]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(known.tags.get(fold(name), _NONE) for name in names))


def key_of(condition: str) -> str:
    """Of the custom field that a condition is on."""
    return condition.partition(":")[0]


def faults_of_conditions(fields: Mapping[str, CustomField], conditions: Sequence[str]) -> list[Fault]:
    """What cannot be looked for of conditions on custom fields; `fields` by key."""
    return _conditions(fields, conditions)[1]


def _conditions(fields: Mapping[str, CustomField], conditions: Sequence[str]) -> tuple[tuple[Holds, ...], list[Fault]]:
    found, faults = [], []
    for place, condition in enumerate(conditions):
        key, _, words = condition.partition(":")
        field = fields.get(key)
        if field is None or not field.active:
            faults.append(Fault("custom", place, "unknown_field", f"There is no custom field {key} in use."))
        elif not field.filterable:
            faults.append(Fault("custom", place, "not_filterable", f"{key} is not made to be looked for."))
        else:
            try:
                found.append(_holds(field, words.strip()))
            except Unfit as error:
                faults.append(Fault("custom", place, error.code, f"{key}: {error.detail}"))
    return tuple(found), faults


def _holds(field: CustomField, words: str) -> Holds:
    definition = custom_field_queries.definition(field)
    if not custom_values.has_spans(field.type) or ".." not in words:
        return Holds(field.id, field.key, text=custom_values.found_by(definition, words).text)
    ends = [end.strip() for end in words.split("..", 1)]
    low, high = (custom_values.bound(definition, end) if end else None for end in ends)
    if low is None and high is None:
        raise Unfit("invalid", "Give one end at least.")
    if low is not None and high is not None and low > high:
        raise Unfit("range", "Give the lower end first.")
    return Holds(field.id, field.key, low=low, high=high)
