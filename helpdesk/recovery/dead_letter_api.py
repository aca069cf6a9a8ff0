from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import (
    contradictions,
    dead_letter_queries,
    dead_letter_schemas,
    errors,
    provider_queries,
    queries,
    reissuing,
    schemas,
    views,
)
from helpdesk.recovery.api import show_offer
from helpdesk.recovery.public_api import links
from helpdesk.recovery.queries import Held

blp = Blueprint("dead_letters", __name__, description="Issuances that wait for a person to see to them.")


@blp.read(
    "/recovery/dead-letters",
    operation_id="list_dead_letters",
    summary="Offers whose issuance failed, is not known, or is told otherwise by the provider",
    description="Each with its last error and what can be done: `retry` what failed; `ask_again`, `record_issued` or `fail` what "
    "is not known; `settle` what is contradicted.",
    answer=dead_letter_schemas.DeadLetter,
    query=dead_letter_schemas.DeadLetterQuery,
    permission="offer:read",
    paged=True,
)
def list_dead_letters(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    rows, cursor, total = dead_letter_queries.list_dead_letters(session, actor, page, given)
    return [{**row, "allowed_actions": _allowed(session, actor, row)} for row in rows], cursor, total


def _allowed(session: Session, actor: Actor, row: dict[str, Any]) -> list[dict[str, Any]]:
    settles = row["why"] == "contradicted" and actor.may(dead_letter_queries.SETTLES)
    settle = [{"action": "settle", "supplies": ["outcome", "reason"], "missing": []}] if settles else []
    return settle + views.allowed(session, actor, row)


@blp.write(
    "/recovery/dead-letters/<uuid:offer_id>/settle",
    operation_id="settle_contradiction",
    summary="Record that what a provider says against what is recorded was seen to, and how",
    description="Until then what failed is neither issued anew nor taken back, and nobody is asked again. `outcome` says what holds. What failed and was `issued` "
    "all the same is booked: it is issued, the customer is written, and its money is spent from the budget that pays today; without "
    "room there, it waits until more is allocated. What is recorded as issued and was `not_issued` is to be reversed first. "
    "What was paid once more than is recorded (`issued_beside`) is spent once more, in the offer's own budget while that pays and has room; "
    "when it comes back, allocate it there. Of several payments each is settled by itself, by its `reference`, whichever issuance of the offer it is of.",
    body=dead_letter_schemas.ContradictionIn,
    answer=schemas.Offer,
    permission=dead_letter_queries.SETTLES,
    load=queries.hold,
    show=show_offer,
    if_match="required",
    idempotency_key="required",
    errors=(errors.NothingContradicted, errors.BooksDiffer, errors.NoBudget, errors.BudgetExhausted),
)
def settle_contradiction(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    return contradictions.settle(uow, actor, held, given)


@blp.write(
    "/recovery/providers/<uuid:remedy_provider_id>/retry-dead-letters",
    operation_id="retry_dead_letters",
    summary="Try once more what went wrong at one provider, when it is there again",
    description="Of the complaints that the caller sees, the oldest offer first, each by itself, in a transaction of its own, with an "
    "outcome as if it had been a request of its own: one that is refused keeps none of the others back. What failed is issued anew "
    "(`retry`, under a new key, its money set aside anew); of what nobody knows it is asked again (`ask_again`, under the same key). "
    "What is contradicted is refused until it is settled. Moves money in budgets.",
    body=dead_letter_schemas.DeadLetterRetryIn,
    answer=dead_letter_schemas.DeadLetterRetries,
    permission=dead_letter_queries.SETTLES,
    idempotency_key="required",
)
def retry_dead_letters(
    uow: UnitOfWork, actor: Actor, given: dict[str, Any], remedy_provider_id: UUID
) -> dict[str, Any]:
    provider_queries.provider_detail(uow.session, remedy_provider_id)  # is there
    return reissuing.retry_all(web().database, actor, remedy_provider_id, given, links())
