from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.recovery import approval_schemas, waiting, waiting_queries

blp = Blueprint("approvals", __name__, description="Offers that wait for approval, and how it was decided.")


@blp.read(
    "/approvals",
    operation_id="list_approvals",
    summary="Offers that wait for somebody whom the caller could be",
    description="Within the caller's authority, or one that was lent to them; not drafted by them, and in no conflict of "
    "interest with them. What is due first comes first.",
    answer=approval_schemas.WaitingOffer,
    query=approval_schemas.ApprovalQuery,
    permission="offer:approve",
    paged=True,
)
def list_approvals(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return waiting.list_waiting(session, actor, page, given)


@blp.read(
    "/approvals/counts",
    operation_id="get_approval_counts",
    summary="How many offers wait for somebody whom the caller could be",
    answer=approval_schemas.ApprovalCounts,
    permission="offer:approve",
)
def get_counts(session: Session, actor: Actor) -> dict[str, Any]:
    return waiting.counts(session, actor)


@blp.read(
    "/offers/<uuid:offer_id>/decisions",
    operation_id="list_offer_decisions",
    summary="Every decision on an offer: who, in whose name, why, and by which limits",
    answer=approval_schemas.OfferDecision,
    query=PageQuery,
    permission="offer:read",
    paged=True,
)
def list_decisions(session: Session, actor: Actor, page: Page, given: dict[str, Any], offer_id: UUID) -> Any:
    return waiting_queries.decisions_of(session, actor, page, given, offer_id)


@blp.read(
    "/offer-flags",
    operation_id="list_offer_flags",
    summary="Offers that are together more than one person may give, the newest first",
    answer=approval_schemas.ListedFlag,
    query=approval_schemas.FlagQuery,
    permission="authority:read",
    paged=True,
)
def list_flags(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return waiting_queries.list_flags(session, actor, page, given)
