"""Taking the value of a custom field out of a complaint for good, as `redaction` does with its texts: out of the complaint and
what it is found by, the history that told of it, the answers that are kept for repeats, and what merges noted.

A text can lose parts of it; any other value goes whole, and the field is empty then.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from helpdesk.complaints import (
    carrying,
    custom_field_queries,
    custom_fields,
    custom_values,
    cutting,
    merge_queries,
    redaction_queries,
)
from helpdesk.complaints.carrying import Standing
from helpdesk.complaints.custom_field_models import CustomField
from helpdesk.complaints.custom_values import Value
from helpdesk.complaints.cutting import MARK, Cut
from helpdesk.complaints.errors import NothingLeft
from helpdesk.complaints.events import TextRedacted
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.redaction import Redacted, Taken, cut_of, note, rewrite_answers, told, where_it_still_stands
from helpdesk.identity.actors import Actor
from helpdesk.kernel import event_log
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork

PART: Final = "custom_field"


class _Told(NamedTuple):
    """An event that told of the field: the values that it tells, before and after."""

    row: Any
    values: list[Any]

    def holds(self, cut: Cut) -> bool:
        return cut.whole or cutting.any_holds(cut, cutting.leaves(self.values))


def redact_value(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> Redacted:
    """Of a locked complaint; `given["custom_field"]` is the field's key. What it held before is in the history only, and is
    found there. Raises `NothingLeft`, and `ValidationFailed` for a field that there is not, and for what does not stand in it.
    """
    key = given["custom_field"]
    field = _field(uow, given)
    history = _history(uow, complaint, key)
    before = _as_text(complaint, key, history)
    cut = cut_of(before, given, [leaf for item in history for leaf in cutting.leaves(item.values)])
    left = cut.left if field.type == "text" and key in complaint.custom_fields else None
    standing = Standing.of(uow, complaint)
    _replace(uow, complaint, field, left, cut)
    holding = [item.row for item in history if item.holds(cut)]
    seals = {}
    if complaint.text_salt is not None:  # what is from before there were digests gets none
        seals = standing.fields_without(complaint, standing.sealed_anew(complaint), key, left)
    erased = carrying.erase(uow, [complaint.id], [row.id for row in holding], cut)
    row = note(
        uow,
        actor,
        complaint,
        given,
        cut,
        before=before,
        part=PART,
        message_id=None,
        mail=None,
        erased=erased,
        field_key=key,
    )
    uow.record(
        TextRedacted(
            complaint_id=complaint.id,
            reference=complaint.reference,
            part=PART,
            custom_field=key,
            texts=seals,
            **told(row, erased),
        ),
        stream=complaint,
    )
    if field.type != "text" or not before:
        return Redacted(row["id"])
    kin = merge_queries.kin_of(uow.session, complaint.id)
    return where_it_still_stands(uow, complaint, row["id"], Taken(cut, actor, kin))


def _field(uow: UnitOfWork, given: Mapping[str, Any]) -> CustomField:
    key = given["custom_field"]
    field = custom_field_queries.fields_to_write(uow.session, [key]).get(key)
    if field is None:
        raise ValidationFailed(errors=[FieldError.at("/custom_field", "unknown", "There is no such custom field.")])
    if field.type != "text" and not given.get("whole"):
        raise ValidationFailed(errors=[FieldError.at("/whole", "whole_only", "This is no text: it goes whole.")])
    return field


def _history(uow: UnitOfWork, complaint: Complaint, key: str) -> list[_Told]:
    """An event tells all values of a complaint before and after, whichever changed."""
    rows = redaction_queries.events_that_changed(uow.session, complaint.id, "custom_fields")
    found = [
        _Told(
            row, [side[key] for side in row.payload.get("changes", {}).get("custom_fields", ()) if key in (side or ())]
        )
        for row in rows
    ]
    return [item for item in found if item.values]


def _as_text(complaint: Complaint, key: str, history: list[_Told]) -> str:
    """The value, to be cut and digested; empty where there is none any more. Raises `NothingLeft` where there was none."""
    value = complaint.custom_fields.get(key)
    gone = value is None or value == MARK
    if gone and not any(leaf != MARK for item in history for leaf in item.values):
        raise NothingLeft
    if value is None:
        return ""
    return value if isinstance(value, str) else event_log.canonical(value).decode()


def _replace(uow: UnitOfWork, complaint: Complaint, field: CustomField, left: str | None, cut: Cut) -> None:
    """In every place but the history. `left`: None where the field is to be empty."""
    found = None if left is None else Value(left, (custom_values.found_text(left, field.max_length),))
    custom_fields.put(uow, complaint, {field.key: field}, {field.key: found})
    redaction_queries.rewrite_brought(uow.session, complaint.id, field.key, left)
    if field.type == "text" and complaint.source_data is not None and any(cut.removed):
        complaint.source_data = cutting.mapped(
            complaint.source_data, lambda text: cut.out_of(text) if cut.holds(text) else text
        )

    def shown(item: dict[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in item["custom_fields"].items() if name != field.key}
        return {"custom_fields": values if left is None else values | {field.key: left}}

    rewrite_answers(
        uow,
        [complaint.id],
        lambda item: (
            field.key in (item.get("custom_fields") or ())
            and str(complaint.id) in {item.get("id"), item.get("complaint_id")}
        ),
        shown,
    )
