"""From what a list, a view or a bulk change is asked for to what can be looked for: names become ids, words values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, custom_values, tag_queries
from helpdesk.complaints.custom_field_models import CustomField
from helpdesk.complaints.custom_values import Unfit
from helpdesk.complaints.folding import fold
from helpdesk.complaints.list_queries import NEWEST_FIRST, Holds, Wanted
from helpdesk.kernel.errors import FieldError, ValidationFailed

_NONE: Final = UUID(int=0)
"""No row's id: what a name leads to that there is not."""

_LOOKED_UP: Final = frozenset({"tag", "any_tag", "custom"})
_OF_THE_PAGE: Final = frozenset({"limit", "cursor", "count", "sort"})


@dataclass(frozen=True, slots=True)
class Fault:
    """A filter that cannot be looked for; `place`: which of its values."""

    name: str
    place: int
    code: str
    detail: str


def wanted(session: Session, given: Mapping[str, Any]) -> Wanted:
    """For a list: `resolve`, or `ValidationFailed` that names the parameters at fault."""
    found, faults = resolve(session, given)
    if faults:
        problems = [FieldError(parameter=fault.name, code=fault.code, detail=fault.detail) for fault in faults]
        raise ValidationFailed(f"{len(faults)} query parameters need attention.", errors=problems)
    return found


def resolve(session: Session, given: Mapping[str, Any]) -> tuple[Wanted, list[Fault]]:
    """`given`: filters and sort as `ComplaintQuery` loads them. Names are looked up in one statement for each kind, and none
    is sent where there are none. No complaint carries a tag that there is not: that is no fault, but an empty list.
    """
    tags, any_tags, conditions = given.get("tag", ()), given.get("any_tag", ()), given.get("custom", ())
    ids = tag_queries.ids_of(session, [*tags, *any_tags]) if tags or any_tags else {}
    keys = [condition.partition(":")[0] for condition in conditions]
    fields = custom_field_queries.fields_of(session, keys) if conditions else {}
    holds, faults = _conditions(fields, conditions)
    plain = {name: value for name, value in given.items() if name not in _LOOKED_UP | _OF_THE_PAGE}
    found = Wanted(
        given=plain,
        tags=tuple(dict.fromkeys(ids.get(fold(name), _NONE) for name in tags)),
        any_tags=tuple(dict.fromkeys(ids.get(fold(name), _NONE) for name in any_tags)),
        holds=holds,
        sort=given.get("sort", NEWEST_FIRST),
    )
    return found, faults


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
    return Holds(field.id, field.key, low=low, high=high)


def names_in(given: Mapping[str, Any]) -> Iterator[str]:
    """Tags that a filter names."""
    yield from given.get("tag", ())
    yield from given.get("any_tag", ())
