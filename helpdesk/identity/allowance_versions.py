"""Setting the limits: a new version of the whole table, from now or from a later time on. None is ever changed.

A version that was written for later comes, whatever is set for now meanwhile; to call it off, set what is to hold instead
from the same time on.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from helpdesk.identity import allowance_queries, allowances_in_force
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.allowance_events import AuthorityLimitsSet
from helpdesk.identity.allowance_models import AuthorityLimits
from helpdesk.identity.allowance_queries import Head
from helpdesk.identity.allowances import RULES, SCOPES, Allowances, faults
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import exponent
from helpdesk.kernel.unit_of_work import UnitOfWork

AHEAD: Final = timedelta(days=3 * 366)
"""For how far ahead limits are set at most."""


def replace(uow: UnitOfWork, actor: Actor, head: Head, given: dict[str, Any]) -> Head:
    """`given`: limits, the rules beside them, reason, and valid_from or None for now. Raises `ValidationFailed`, naming every
    fault.
    """
    content = _content(given)
    number = head.number + 1
    problems = [*_faults_of(uow, content, number), *_faults_of_time(given.get("valid_from"), head.now)]
    if problems:
        raise ValidationFailed(errors=problems)
    valid_from = given.get("valid_from") or head.now
    before = allowance_queries.in_force_at(uow.session, valid_from)["content"]
    row = AuthorityLimits(
        id=new_id(),
        number=number,
        valid_from=valid_from,
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
        AuthorityLimitsSet(
            limits_id=row.id,
            number=number,
            valid_from=rfc3339(valid_from),
            reason=row.reason,
            changes={name: [before[name], content[name]] for name in content if before[name] != content[name]},
        ),
    )
    allowances_in_force.changed(uow)
    return head


def _content(given: dict[str, Any]) -> dict[str, Any]:
    limits = [
        {
            "authority": item["authority"],
            "currency": item["currency"],
            "team_id": None if item["team_id"] is None else str(item["team_id"]),
            **{scope: plain(item[scope]) for scope in SCOPES},
        }
        for item in given["limits"]
    ]
    return {"limits": limits, **{name: given[name] for name in RULES}}


def plain(amount: Decimal | str) -> str:
    """One spelling of a number: `50`, not `50.00`."""
    whole = Decimal(amount)
    return f"{whole.to_integral_value():f}" if whole == whole.to_integral_value() else f"{whole.normalize():f}"


def _faults_of(uow: UnitOfWork, content: dict[str, Any], number: int) -> Iterator[FieldError]:
    rows = [(item["authority"], item["currency"], item["team_id"]) for item in content["limits"]]
    twice = {row for row, times in Counter(rows).items() if times > 1}
    if twice:  # the table holds one row of each: nothing else could be said of it
        for place, row in enumerate(rows):
            if row in twice:
                detail = "There are two rows for this authority, currency and team."
                yield FieldError.at(f"/limits/{place}", "duplicate", detail)
        return
    for fault in faults(Allowances.of(number, content)):
        yield FieldError.at(fault.at, fault.code, fault.detail)
    known = allowance_queries.active_teams(uow.session, [UUID(row[2]) for row in rows if row[2] is not None])
    for place, item in enumerate(content["limits"]):
        if item["team_id"] is not None and UUID(item["team_id"]) not in known:
            yield FieldError.at(f"/limits/{place}/team_id", "unknown", "There is no such active team.")
        places = 0 if item["currency"] is None else exponent(item["currency"])
        for scope in SCOPES:
            in_minor = Decimal(item[scope]).scaleb(places)
            if in_minor != in_minor.to_integral_value():
                what = (
                    "A limit for any currency is a whole number"
                    if item["currency"] is None
                    else "It has fewer decimals"
                )
                yield FieldError.at(f"/limits/{place}/{scope}", "decimals", f"{what}.")


def _faults_of_time(wanted: datetime | None, now: datetime) -> Iterator[FieldError]:
    if wanted is not None and wanted <= now:
        detail = "Limits are not set for the past; leave it out for now."
        yield FieldError.at("/valid_from", "past", detail)
    if wanted is not None and wanted > now + AHEAD:
        yield FieldError.at("/valid_from", "range", "Limits are set for three years ahead at most.")
