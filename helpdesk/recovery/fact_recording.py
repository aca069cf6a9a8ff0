"""Recording what suggestions need to know of a case, so that every later suggestion and offer goes by it."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.events import Principal
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import tariff_queries
from helpdesk.recovery.case_fact_models import CaseFacts
from helpdesk.recovery.case_fact_queries import own_row, recorded
from helpdesk.recovery.case_facts import SPLIT_OFF, as_kept
from helpdesk.recovery.tariff_events import FactsRecorded


def record(uow: UnitOfWork, actor: Principal, complaint: Complaint, given: Mapping[str, Any]) -> UUID:
    """On a locked complaint. `given`: name -> value as its kind reads it; None takes the fact away; the others stay. Raises
    `ValidationFailed` for what is paid in another currency than the complaint's, a tariff that is not there, and a day to come.
    """
    problems = [*_currency_problems(complaint, given), *_tariff_problems(uow, given), *_day_problems(uow, given)]
    if problems:
        raise ValidationFailed(errors=problems)
    return _keep(uow, actor, complaint, given)


def _keep(uow: UnitOfWork, actor: Principal, complaint: Complaint, given: Mapping[str, Any]) -> UUID:
    row = own_row(uow.session, complaint.id)
    before = {} if row is None else dict(row.facts)
    kept = before | as_kept({name: value for name, value in given.items() if value is not None})
    after = {name: value for name, value in kept.items() if given.get(name, value) is not None}
    changes = differences(before, after)
    if not changes:
        return complaint.id
    if row is None:
        row = CaseFacts(complaint_id=complaint.id)
        uow.session.add(row)
    row.facts, row.recorded_at, row.recorded_by = after, uow.now, actor.id
    complaint.touch()
    uow.record(
        FactsRecorded(complaint_id=complaint.id, reference=complaint.reference, changes=changes), stream=complaint
    )
    return complaint.id


def take_along(uow: UnitOfWork, source: Complaint, new: Complaint) -> None:
    """What was recorded of a complaint (or of a duplicate of it) and goes along with a part that was split from it."""
    known = recorded(uow.session, source).facts
    taken = {name: value for name, value in known.items() if name in SPLIT_OFF}
    if taken:
        _keep(uow, uow.actor, new, taken)


_PAID = ("statutory", "refunded")
"""Amounts that are added up with the complaint's own. A fare is reckoned with by its tariff alone."""


def _currency_problems(complaint: Complaint, given: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in _PAID:
        if given.get(name) is not None and complaint.currency not in {None, given[name].currency}:
            yield FieldError.at(f"/{name}/currency", "currency", f"This complaint is reckoned in {complaint.currency}.")


def _tariff_problems(uow: UnitOfWork, given: Mapping[str, Any]) -> Iterator[FieldError]:
    code = given.get("tariff")
    if code is not None and not tariff_queries.known(uow.session, code):
        yield FieldError.at("/tariff", "unknown", "There is no such tariff; GET /tariffs lists them.")


def _day_problems(uow: UnitOfWork, given: Mapping[str, Any]) -> Iterator[FieldError]:
    """Somewhere it is tomorrow already."""
    day = given.get("happened_on")
    if day is not None and day > uow.now.date() + timedelta(days=1):
        yield FieldError.at("/happened_on", "future", "It is the day on which it happened: not one to come.")
