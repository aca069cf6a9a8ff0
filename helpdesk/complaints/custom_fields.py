"""Custom fields: their definitions, and values on a complaint.

A complaint shows its values in `custom_fields`, by the field's key. What they are found by (`complaint_custom_value`, and
`Complaint.terms`) is written with them, in one place and one transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert
from sqlalchemy.dialects.postgresql import insert as upsert

from helpdesk.complaints import custom_field_queries, custom_values
from helpdesk.complaints.custom_field_errors import FieldInUse, FieldTaken, TooManyFields
from helpdesk.complaints.custom_field_events import CustomFieldChanged, CustomFieldCreated, CustomFieldDeleted
from helpdesk.complaints.custom_field_models import CustomField, CustomValue
from helpdesk.complaints.custom_values import FOUND_TO, Definition, Found, Unfit, Value
from helpdesk.complaints.events import ComplaintEdited
from helpdesk.complaints.models import Complaint
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.events import Stream
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import currencies
from helpdesk.kernel.unit_of_work import UnitOfWork

MOST: Final = 200
"""Definitions, in use or not."""


def set_values(uow: UnitOfWork, complaint: Complaint, given: Mapping[str, Any]) -> None:
    """Put values into fields of a locked complaint, by key; None empties one. The caller records the change. Raises
    `ValidationFailed` naming every value that its field does not let in.
    """
    fields = custom_field_queries.fields_to_write(uow.session, given)
    read = _read(fields, given, complaint.custom_fields)
    changed = {key: value for key, value in read.items() if _json(value) != complaint.custom_fields.get(key)}
    if changed:
        put(uow, complaint, fields, changed)


def put(
    uow: UnitOfWork, complaint: Complaint, fields: Mapping[str, CustomField], changed: Mapping[str, Value | None]
) -> None:
    """Values that were judged, or are what a redaction left, into a locked complaint; the caller records the change."""
    complaint.custom_fields = _shown(complaint.custom_fields, changed)
    complaint.terms = _terms(complaint.terms, changed)
    row = CustomValue.__table__.c
    old = [fields[key].id for key in changed]
    uow.session.execute(delete(CustomValue).where(row.complaint_id == complaint.id, row.field_id.in_(old)))
    rows = _rows(complaint.id, complaint.received_at, fields, changed)
    if rows:
        uow.session.execute(insert(CustomValue), rows)


def carry(uow: UnitOfWork, source: Complaint, complaint: Complaint, keys: Collection[str]) -> dict[str, UUID]:
    """Give a locked complaint the values that another has in these fields, in which it has none; the caller records the
    change. The fields, by key.
    """
    fields = custom_field_queries.fields_to_write(uow.session, keys)
    found = {key: field.id for key, field in fields.items()}
    taken = {key: source.custom_fields[key] for key in found}
    complaint.custom_fields = dict(sorted({**complaint.custom_fields, **taken}.items()))
    complaint.terms = sorted([*complaint.terms, *(term for term in source.terms if term.partition("=")[0] in found)])
    rows = custom_field_queries.value_rows(uow.session, source.id, found.values())
    moved = {"complaint_id": complaint.id, "received_at": complaint.received_at}
    if rows:
        uow.session.execute(insert(CustomValue), [row | moved for row in rows])
    return found


def drop(uow: UnitOfWork, complaint: Complaint, keys: Mapping[str, UUID]) -> None:
    """Empty these fields of a locked complaint; the caller records the change."""
    complaint.custom_fields = {key: value for key, value in complaint.custom_fields.items() if key not in keys}
    complaint.terms = [term for term in complaint.terms if term.partition("=")[0] not in keys]
    row = CustomValue.__table__.c
    uow.session.execute(
        delete(CustomValue).where(row.complaint_id == complaint.id, row.field_id.in_(list(keys.values())))
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """Values that have been judged, for a complaint that is about to be born."""

    fields: Mapping[str, CustomField]
    values: Mapping[str, Value | None]


def prepare(uow: UnitOfWork, many: Sequence[Mapping[str, Any]]) -> list[Prepared | ValidationFailed]:
    """Of the `custom_fields` of payloads, all in one go: the values, or what is wrong with them."""
    keys = {key for given in many for key in given}
    fields = custom_field_queries.fields_to_write(uow.session, keys) if keys else {}
    return [_prepared(fields, given) for given in many]


def _prepared(fields: Mapping[str, CustomField], given: Mapping[str, Any]) -> Prepared | ValidationFailed:
    try:
        return Prepared(fields, _read(fields, given, {}))
    except ValidationFailed as error:
        return error


def born_with(uow: UnitOfWork, row: dict[str, Any], prepared: Prepared, stream: Stream) -> None:
    """For intake: `row` becomes the complaint's."""
    row["custom_fields"] = _shown({}, prepared.values)
    row["terms"] = _terms(row["terms"], prepared.values)
    uow.add_rows(CustomValue, _rows(row["id"], row["received_at"], prepared.fields, prepared.values))
    changes = {"custom_fields": [{}, row["custom_fields"]]}
    uow.record(ComplaintEdited(complaint_id=row["id"], reference=row["reference"], changes=changes), stream=stream)


def _read(
    fields: Mapping[str, CustomField], given: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Value | None]:
    read: dict[str, Value | None] = {}
    problems = []
    for key, value in given.items():
        field = fields.get(key)
        at = f"/custom_fields/{key.replace('~', '~0').replace('/', '~1')}"
        if field is None:
            problems.append(
                FieldError.at(at, "unknown_field", "There is no such custom field; see GET /custom-fields.")
            )
        elif value is None:
            read[key] = None
        elif not field.active:
            problems.append(FieldError.at(at, "inactive", "This field is not in use any more."))
        else:
            try:
                read[key] = custom_values.read(custom_field_queries.definition(field), value, before.get(key))
            except Unfit as error:
                where = at if error.place is None else f"{at}/{error.place}"
                problems.append(FieldError.at(where, error.code, error.detail))
    if problems:
        raise ValidationFailed(errors=problems)
    return read


def _json(value: Value | None) -> Any:
    return None if value is None else value.json


def _shown(before: Mapping[str, Any], changed: Mapping[str, Value | None]) -> dict[str, Any]:
    after = {key: value for key, value in before.items() if key not in changed}
    after |= {key: value.json for key, value in changed.items() if value is not None}
    return dict(sorted(after.items()))


def _terms(terms: Iterable[str], changed: Mapping[str, Value | None]) -> list[str]:
    left = [term for term in terms if term.partition("=")[0] not in changed]
    new = [term_of(key, found) for key, value in changed.items() if value is not None for found in value.found]
    return sorted([*left, *(term for term in new if term is not None)])


def term_of(key: str, found: Found) -> str | None:
    """What stands in `Complaint.terms`; None for a text that is too long to be looked for."""
    return None if found.text is None else f"{key}={found.text}"


def _rows(
    complaint_id: UUID, received_at: Any, fields: Mapping[str, CustomField], changed: Mapping[str, Value | None]
) -> list[dict[str, Any]]:
    return [
        {
            "complaint_id": complaint_id,
            "field_id": fields[key].id,
            "place": place,
            "received_at": received_at,
            "text": found.text,
            "number": found.number,
        }
        for key, value in changed.items()
        if value is not None
        for place, found in enumerate(value.found)
    ]


_TOLD: Final = (
    "label",
    "label_zh",
    "description",
    "type",
    "options",
    "currency",
    "minimum",
    "maximum",
    "max_length",
    "mask",
    "required_for",
    "filterable",
    "active",
    "position",
)


def create(uow: UnitOfWork, given: Mapping[str, Any]) -> UUID:
    """`given`: as `CustomFieldIn` loads it. Raises `FieldTaken`, `TooManyFields`, and `ValidationFailed` for what does not
    go together.
    """
    if custom_field_queries.how_many(uow.session) >= MOST:
        raise TooManyFields
    row = {"id": new_id(), "key": given["key"], "version": 1, "active": True, **_defaults(given)}
    field = CustomField(**row)
    _check(field)
    made = upsert(CustomField).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(CustomField.id)
    if uow.session.execute(made).scalar_one_or_none() is None:
        raise FieldTaken
    told = {name: getattr(field, name) for name in _TOLD}
    record_administration(uow, CustomFieldCreated(field_id=field.id, key=field.key, definition=told))
    return field.id


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    absent: dict[str, Any] = {"options": [], "required_for": [], "filterable": False, "position": 0}
    return {name: given.get(name, absent.get(name)) for name in _TOLD if name != "active"}


def change(uow: UnitOfWork, field: CustomField, given: Mapping[str, Any]) -> UUID:
    """`given`: any part of the definition, and `even_if_named`. While complaints have values in it, its type and currency stay,
    codes of options stay too (retire one instead), and a text that is looked for does not become longer. Raises `FieldInUse`.
    """
    before = {name: getattr(field, name) for name in _TOLD}
    for name, value in given.items():
        if name in before:
            setattr(field, name, value)
    _check(field)
    changes = {name: [old, getattr(field, name)] for name, old in before.items() if old != getattr(field, name)}
    if _breaks(before, field, changes) and custom_field_queries.is_used(uow.session, field.id):
        raise FieldInUse
    if changes:
        field.touch()
        even_if_named = given.get("even_if_named", False)
        event = CustomFieldChanged(field_id=field.id, key=field.key, changes=changes, even_if_named=even_if_named)
        record_administration(uow, event)
    return field.id


def _breaks(before: Mapping[str, Any], field: CustomField, changes: Mapping[str, Any]) -> bool:
    """Whether values that there are could not be shown or found any more."""
    gone = {option["code"] for option in before["options"]} - {option["code"] for option in field.options}
    short = [(length or FOUND_TO) <= FOUND_TO for length in (before["max_length"], field.max_length)]
    return bool(gone) or bool({"type", "currency"} & changes.keys()) or (field.type == "text" and short[0] != short[1])


def _check(field: CustomField) -> None:
    """What one part of a definition asks of another. Raises `ValidationFailed` naming each."""
    problems = [FieldError.at(f"/{name}", code, detail) for name, code, detail in _misfits(field)]
    if problems:
        raise ValidationFailed(errors=problems)


_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "options": frozenset({"choice", "multi_choice"}),
    "currency": frozenset({"money"}),
    "minimum": frozenset({"number", "date", "money"}),
    "maximum": frozenset({"number", "date", "money"}),
    "max_length": frozenset({"text"}),
    "mask": frozenset({"text"}),
}
"""Parts of a definition that only fields of these types have."""


def _misfits(field: CustomField) -> Iterable[tuple[str, str, str]]:
    for name, types in _ONLY.items():
        if getattr(field, name) and field.type not in types:
            yield name, "misplaced", f"A field of the type {field.type} has none."
    if field.type in _ONLY["options"] and not field.options:
        yield "options", "required", "A choice needs options."
    codes = [option["code"] for option in field.options]
    if len(set(codes)) < len(codes):
        yield "options", "repeated", "Each code stands once."
    if field.type == "money" and not field.currency:
        yield "currency", "required", "Amounts are compared, so a field is in one currency."
    if field.currency and field.currency not in currencies():
        yield "currency", "invalid", f"{field.currency} is not a current ISO 4217 currency."
    if field.type == "text" and field.filterable and (field.max_length or FOUND_TO) > FOUND_TO:
        yield "filterable", "length", f"A text that is looked for has at most {FOUND_TO} characters."
    yield from _bad_bounds(field)


def _bad_bounds(field: CustomField) -> Iterable[tuple[str, str, str]]:
    if field.type not in _ONLY["minimum"] or (field.type == "money" and field.currency not in currencies()):
        return
    judged: Definition = custom_field_queries.definition(field)
    bounds = {}
    for name in ("minimum", "maximum"):
        written = getattr(field, name)
        if written is not None:
            try:
                bounds[name] = custom_values.bound(judged, written)
            except Unfit as error:
                yield name, error.code, error.detail
    if len(bounds) == 2 and bounds["minimum"] > bounds["maximum"]:
        yield "maximum", "range", "Not below the minimum."


def remove_definition(uow: UnitOfWork, field: CustomField) -> UUID:
    """One that no complaint has a value in, and that no rule in force names. Raises `FieldInUse`; `FieldNamed`, whoever names
    it.
    """
    if custom_field_queries.is_used(uow.session, field.id):
        raise FieldInUse
    uow.session.delete(field)
    record_administration(uow, CustomFieldDeleted(field_id=field.id, key=field.key))
    return field.id
