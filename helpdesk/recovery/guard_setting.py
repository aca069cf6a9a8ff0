"""Setting the guards' rules: a new version of all of it, which holds at once. None is ever changed."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

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


def replace(uow: UnitOfWork, actor: Actor, head: Head, given: dict[str, Any]) -> Head:
    """`given`: lines, the numbers, the fields, and reason. Raises `ValidationFailed`, naming every fault."""
    problems = list(_faults(given["lines"]))
    if problems:
        raise ValidationFailed(errors=problems)
    content = {name: given[name] for name in _NAMES}
    before = guard_queries.content_of(uow.session, head.number)
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
