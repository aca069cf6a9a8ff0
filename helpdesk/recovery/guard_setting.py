"""Setting the guards' rules: a new version of all of it, which holds at once. None is ever changed."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import guard_queries
from helpdesk.recovery.guard_events import GuardRulesSet
from helpdesk.recovery.guard_models import GuardRulesVersion
from helpdesk.recovery.guard_queries import Head
from helpdesk.recovery.guard_rules import FIELDS, LINES, NUMBERS

_NAMES: Final = ("lines", *NUMBERS, *FIELDS)
_LISTED: Final = 50


def replace(uow: UnitOfWork, actor: Actor, head: Head, given: dict[str, Any]) -> Head:
    """`given`: lines, the numbers, the fields, and reason. A field's key that stood there before may stay, whether there is such
    a custom field or not: the shipped ones are names that many give theirs. Raises `ValidationFailed`, naming every fault.
    """
    before = guard_queries.content_of(uow.session, head.number)
    problems = [*_faults(given["lines"]), *_unknown_fields(uow.session, given, before)]
    if problems:
        raise ValidationFailed(errors=problems)
    content = {name: given[name] for name in _NAMES}
    row = GuardRulesVersion(
        id=new_id(),
        number=head.number + 1,
        content=content,
        reason=given["reason"],
        actor_kind=actor.kind,
        actor_id=actor.id,
        created_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()  # what is shown is read again
    record_administration(
        uow,
        GuardRulesSet(
            rules_id=row.id,
            number=row.number,
            reason=row.reason,
            changes={name: [before[name], content[name]] for name in _NAMES if before[name] != content[name]},
        ),
    )
    return Head(row.number)


def _faults(lines: list[dict[str, Any]]) -> Iterator[FieldError]:
    times = Counter(item["code"] for item in lines)
    for place, item in enumerate(lines):
        if times[item["code"]] > 1:
            yield FieldError.at(f"/lines/{place}/code", "duplicate", "There are two lines of this code.")
        if LINES[item["code"]].limit is None and item["limit"]:
            yield FieldError.at(f"/lines/{place}/limit", "no_limit", "This line has no limit: write 0.")
    missing = [code for code in LINES if code not in times]
    if missing:
        detail = f"Missing: {', '.join(missing)}. With 0 points a line is not looked at."
        yield FieldError.at("/lines", "missing", detail)


def _unknown_fields(session: Session, given: dict[str, Any], before: dict[str, Any]) -> Iterator[FieldError]:
    """A slip of the pen would be taken for a field that nobody fills in, and nothing would ever be of the same matter."""
    named = {f"/reference_fields/{place}": key for place, key in enumerate(given["reference_fields"])}
    stood = {*before["reference_fields"], before["purchase_date_field"]}
    if given["purchase_date_field"] is not None:
        named["/purchase_date_field"] = given["purchase_date_field"]
    fresh = {pointer: key for pointer, key in named.items() if key not in stood}
    if not fresh:
        return
    known = custom_field_queries.keys(session)
    there = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")
    advice = f"There are: {there}." if known else "There is none yet: make it first (POST /custom-fields)."
    for pointer, key in fresh.items():
        if key not in known:
            yield FieldError.at(pointer, "unknown", f"There is no custom field '{key}'. {advice}")
