from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import get_visible
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.money import Money, MoneyError
from helpdesk.recovery import override_queries, suggestions, views
from helpdesk.recovery import suggestion_schemas as schemas
from helpdesk.recovery.case_facts import FACTS, as_kept, read_kept
from helpdesk.recovery.guard_queries import references

blp = Blueprint("remedies", __name__, description="What would make it right.")

_ADDED_UP = ("loss", "statutory", "price", "refunded")
_AMOUNTS = (*_ADDED_UP, "fare")


@blp.read(
    "/complaints/<ref>/suggestion",
    operation_id="get_complaint_suggestion",
    summary="What would make it right: what is owed, goodwill and alternatives, every factor shown",
    description="What was lost and what the law lays down is owed and is never reduced; the cap holds for goodwill only. "
    "What is offered on the complaint already is in `already_offered`; `remaining` and the remedies are what is to be offered yet. "
    "Facts that neither the query nor the record nor the complaint states are listed in `assumed`.",
    answer=schemas.Suggestion,
    query=schemas.SuggestionQuery,
    permission="offer:read",
)
def get_suggestion(session: Session, actor: Actor, given: dict[str, Any], ref: str) -> dict[str, Any]:
    complaint = get_visible(session, actor, ref)
    suggested = suggestions.suggestion_for(session, complaint, _read(session, complaint, given))
    already = override_queries.offered(
        session, complaint.id, suggested.suggestion.owed.currency, shares=suggested.shares
    )
    named = [*suggested.facts.failed_in, *suggested.by_merged]
    return views.suggestion(suggested, already, references(session, actor, named))


def _read(session: Session, complaint: Complaint, given: Mapping[str, Any]) -> dict[str, Any]:
    """The query as its facts are meant. Where neither the complaint nor the query names a currency, a tariff may, or what was
    recorded: its amounts are in the one that the rest of it is reckoned in then. Raises `ValidationFailed` for too many decimals.
    """
    currency = suggestions.currency_of(complaint, given.get("currency"))
    if complaint.currency is None and "currency" not in given and any(name in given for name in _ADDED_UP):
        rest = _in(currency, {name: value for name, value in given.items() if name not in _ADDED_UP})
        currency = suggestions.suggestion_for(session, complaint, rest).facts.loss.currency
        return _in(currency, {**given, "currency": currency})
    return _in(currency, given)


def _in(currency: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Decimals as money of this currency."""
    found, problems = dict(given), []
    for name in _AMOUNTS:
        if name in given:
            try:
                found[name] = Money.parse(given[name], currency)
            except MoneyError as error:
                problems.append(FieldError(parameter=name, code="invalid", detail=f"{error}."))
    if problems:
        raise ValidationFailed(errors=problems)
    case = {name: value for name, value in found.items() if name in FACTS}
    return found | read_kept(as_kept(case))
