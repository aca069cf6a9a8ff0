from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_for_update
from helpdesk.identity.actors import Actor, complainant_actor
from helpdesk.kernel.errors import ActionNotAllowed, DomainError, Gone
from helpdesk.kernel.http import web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import (
    errors,
    offers,
    queries,
    schemas,
    views,
)
from helpdesk.recovery.lifecycle import LIFECYCLE, moves_money
from helpdesk.recovery.queries import Held

blp = Blueprint("recovery", __name__, description="Making it right: suggestions and offers.")


def _links() -> offers.Links:
    return offers.Links(web().signing_key, web().base_url)


def _show_offer(session: Session, actor: Actor, offer_id: UUID) -> dict[str, Any]:
    return views.offer(session, actor, queries.offer_detail(session, None, offer_id), _links())


@blp.read(
    "/complaints/<ref>/offers",
    operation_id="list_complaint_offers",
    summary="Offers on a complaint, newest first",
    answer=schemas.OfferSummary,
    query=PageQuery,
    permission="offer:read",
    paged=True,
)
def list_complaint_offers(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return queries.offers_of(session, actor, page, given, ref)


def _takes_offers(_session: Session, _actor: Actor, complaint: Complaint) -> None:
    offers.check_takes_offers(complaint)


@blp.write(
    "/complaints/<ref>/offers",
    operation_id="draft_offer",
    summary="Draft an offer",
    description="A second live offer of the same kind and amount on one complaint is refused, unless `allow_duplicate` "
    "says that it is meant. All offers on a complaint are in one currency.",
    body=schemas.OfferIn,
    answer=schemas.Offer,
    status=201,
    permission="offer:draft",
    load=complaint_for_update,
    if_match="honoured",
    check=_takes_offers,
    show=_show_offer,
    location=lambda shown: f"/api/v1/offers/{shown['id']}",
    errors=(errors.ComplaintTakesNoOffers, errors.DuplicateOffer),
)
def draft_offer(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    return offers.draft(uow, actor, complaint, given)


@blp.read(
    "/offers",
    operation_id="list_offers",
    summary="Offers on the complaints that the caller may see, newest first",
    answer=schemas.OfferSummary,
    query=schemas.OfferQuery,
    permission="offer:read",
    sparse=True,
    paged=True,
)
def list_offers(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_offers(session, actor, page, given)


@blp.read(
    "/offers/<uuid:offer_id>",
    operation_id="get_offer",
    summary="One offer, with what the caller can do with it",
    answer=schemas.Offer,
    permission="offer:read",
)
def get_offer(session: Session, actor: Actor, offer_id: UUID) -> dict[str, Any]:
    return views.offer(session, actor, queries.offer_detail(session, actor, offer_id), _links())


_REFUSALS: dict[str, tuple[type[DomainError], ...]] = {
    "submit": (errors.NoBudget, errors.BudgetExhausted),
    "approve": (
        errors.NoBudget,
        errors.BudgetExhausted,
        errors.BeyondAuthority,
        errors.OwnApproval,
        ConflictOfInterest,
    ),
    "retry": (errors.NoBudget, errors.BudgetExhausted),
}


_OPERATIONS = {
    "offer": "send_offer",
    "record_issued": "record_offer_issued",
    "confirm_delivery": "confirm_offer_delivery",
}


def _action_route(action: str) -> None:
    """One route per row of the lifecycle's table that a person can ask for."""
    step = LIFECYCLE.by_action(action)

    def check(session: Session, actor: Actor, held: Held) -> None:
        offers.check(session, actor, held, action)

    def run(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
        return offers.carry_out(uow, actor, held, action, given, to=_links())

    sources = ", ".join(sorted(step.sources, key=LIFECYCLE.states.index))
    waits = " ".join(f"Refused while {need.detail}" for need in step.requires)
    target = step.target or "the same"
    money = " Moves money in a budget." if moves_money(action) else ""
    blp.write(
        f"/offers/<uuid:offer_id>/actions/{action}",
        operation_id=_OPERATIONS.get(action, f"{action}_offer"),
        summary=step.summary,
        description=f"{step.summary}: from {sources} to {target}.{money} {waits}".strip(),
        body=schemas.BODIES[action],
        answer=schemas.Offer,
        permission=step.permission,
        load=queries.hold,
        check=check,
        show=_show_offer,
        if_match="required",
        idempotency_key="required",
        errors=(ActionNotAllowed, *_REFUSALS.get(action, ())),
    )(run)


for _action in offers.ACTIONS:
    _action_route(_action)


@blp.read(
    "/public/offers/<token>",
    operation_id="get_public_offer",
    summary="The customer's view of an offer, by signed link",
    answer=schemas.PublicOffer,
    public=True,
    errors=(Gone,),
)
def get_public_offer(session: Session, _actor: Actor, token: str) -> dict[str, Any]:
    return queries.by_link(session, web().signing_key, token)


def _hold_by_link(session: Session, _actor: Actor, token: str) -> Held:
    return queries.hold_by_link(session, web().signing_key, token)


def _show_public(session: Session, _actor: Actor, offer_id: UUID) -> dict[str, Any]:
    return queries.shown_to_customer(session, offer_id)


_ANSWERING = frozenset({"offer:answer"})


def _check_answer(action: str) -> Any:
    def check(session: Session, _actor: Actor, held: Held) -> None:
        offers.check(session, complainant_actor(held.complaint.id, _ANSWERING), held, action)

    return check


def _answer(uow: UnitOfWork, held: Held, action: str, given: dict[str, Any]) -> UUID:
    """The link is who they are: from here on, the log names the complainant instead of an anonymous caller."""
    customer = complainant_actor(held.complaint.id, _ANSWERING)
    uow.actor = customer
    return offers.carry_out(uow, customer, held, action, given, to=_links())


@blp.write(
    "/public/offers/<token>/accept",
    operation_id="accept_public_offer",
    summary="The customer accepts; issuing begins at once",
    answer=schemas.PublicOffer,
    public=True,
    load=_hold_by_link,
    if_match="honoured",
    check=_check_answer("accept"),
    show=_show_public,
    idempotency_key="required",
    errors=(ActionNotAllowed, Gone),
)
def accept_public_offer(uow: UnitOfWork, _actor: Actor, held: Held) -> UUID:
    return _answer(uow, held, "accept", {"said_by": "link"})


@blp.write(
    "/public/offers/<token>/decline",
    operation_id="decline_public_offer",
    summary="The customer declines",
    body=schemas.PublicDeclineIn,
    answer=schemas.PublicOffer,
    public=True,
    load=_hold_by_link,
    if_match="honoured",
    check=_check_answer("decline"),
    show=_show_public,
    idempotency_key="required",
    errors=(ActionNotAllowed, Gone),
)
def decline_public_offer(uow: UnitOfWork, _actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    return _answer(uow, held, "decline", {**given, "said_by": "link"})
