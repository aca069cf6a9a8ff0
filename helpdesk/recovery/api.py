from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import redaction_queries
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.errors import ConflictOfInterest, NothingLeft
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_for_update
from helpdesk.complaints.redaction import Redacted
from helpdesk.complaints.redaction_schemas import RedactionDone
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import ActionNotAllowed, DomainError
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import approvals, counter_redaction, decisions, drafting, errors, offers, queries, schemas, views
from helpdesk.recovery.counter_schemas import CounterRedactionIn
from helpdesk.recovery.errors import BeyondAuthority
from helpdesk.recovery.lifecycle import LIFECYCLE, moves_money
from helpdesk.recovery.public_api import links
from helpdesk.recovery.queries import Held

blp = Blueprint("recovery", __name__, description="Making it right: suggestions and offers.")


def show_offer(session: Session, actor: Actor, offer_id: UUID) -> dict[str, Any]:
    return views.offer(session, actor, queries.offer_detail(session, None, offer_id), links())


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
    drafting.check_takes_offers(complaint)


@blp.write(
    "/complaints/<ref>/offers",
    operation_id="draft_offer",
    summary="Draft an offer",
    description="A second live offer of the same kind and amount on one complaint is refused, unless `allow_duplicate` "
    "says that it is meant; so is compensation for a matter that was compensated on another complaint, beyond what is owed, "
    "unless `duplicate_reason` says why. All offers on a complaint are in one currency. Of several `options` the customer takes one; "
    "authority and budget have to cover the dearest.",
    body=schemas.OfferIn,
    answer=schemas.Offer,
    status=201,
    permission="offer:draft",
    load=complaint_for_update,
    if_match="honoured",
    check=_takes_offers,
    show=show_offer,
    location=lambda shown: f"/api/v1/offers/{shown['id']}",
    errors=(errors.ComplaintTakesNoOffers, errors.DuplicateOffer, errors.AlreadyCompensated),
)
def draft_offer(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    return drafting.draft(uow, actor, complaint, given)


def _is_copied(_session: Session, _actor: Actor, held: Held) -> None:
    drafting.check_copied(held)


@blp.write(
    "/offers/<uuid:offer_id>/copy",
    operation_id="copy_offer",
    summary="Draft anew an offer that was declined, has expired or was revoked",
    description="With the same terms, on its complaint, as a draft of the caller's: everything is looked at again, from what is "
    "owed to what was given for the same matter, and approval and budget are asked anew. `copied_from` names the first one, which "
    "stays as it is.",
    body=schemas.OfferCopyIn,
    answer=schemas.Offer,
    status=201,
    permission="offer:draft",
    load=queries.hold,
    if_match="honoured",
    check=_is_copied,
    show=show_offer,
    location=lambda shown: f"/api/v1/offers/{shown['id']}",
    errors=(errors.OfferStands, errors.ComplaintTakesNoOffers, errors.DuplicateOffer, errors.AlreadyCompensated),
)
def copy_offer(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    return drafting.copy(uow, actor, held, given)


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
    return views.offer(session, actor, queries.offer_detail(session, actor, offer_id), links())


_REFUSALS: dict[str, tuple[type[DomainError], ...]] = {
    "submit": (errors.BelowFloor, errors.NoBudget, errors.BudgetExhausted),
    "approve": (
        errors.BelowFloor,
        errors.NoBudget,
        errors.BudgetExhausted,
        BeyondAuthority,
        errors.OwnApproval,
        ConflictOfInterest,
        errors.ClaimUnderReview,
    ),
    "offer": (errors.BelowFloor, errors.PredecessorAccepted),
    "revoke": (errors.BelowFloor,),
    "reverse": (errors.BelowFloor,),
    "retry": (errors.NoBudget, errors.BudgetExhausted),
    "send_again": (errors.NoAddress, errors.NoMailServer, errors.OnItsWay),
    "send_letter_again": (errors.NoAddress, errors.NoMailServer, errors.OnItsWay, errors.VoucherNotValid),
}


_OPERATIONS = {
    "offer": "send_offer",
    "send_again": "send_offer_again",
    "send_letter_again": "send_letter_again",
    "record_issued": "record_offer_issued",
    "ask_again": "ask_provider_again",
    "post_letter": "record_letter_posted",
    "confirm_delivery": "confirm_offer_delivery",
    "take_back_counter": "take_back_offer_counter",
    "report_undelivered": "report_offer_undelivered",
}


def _keep_refused(uow: UnitOfWork, actor: Actor, refused: BeyondAuthority, offer_id: UUID) -> None:
    if any(item["limit"] == approvals.TOGETHER for item in refused.extra.get("limits", ())):
        decisions.keep_refused(uow, actor, queries.hold(uow.session, actor, offer_id))


_REMEMBERED = {"approve": (BeyondAuthority, _keep_refused)}


def _action_route(action: str) -> None:
    """One route per row of the lifecycle's table that a person can ask for."""
    step = LIFECYCLE.by_action(action)

    def check(session: Session, actor: Actor, held: Held) -> None:
        offers.check(session, actor, held, action)

    def run(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
        return offers.carry_out(uow, actor, held, action, given, to=links())

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
        show=show_offer,
        if_match="required",
        idempotency_key="required",
        errors=(ActionNotAllowed, *_REFUSALS.get(action, ())),
        remember=_REMEMBERED.get(action),
    )(run)


def _show_redaction(session: Session, _actor: Actor, done: Redacted) -> dict[str, Any]:
    shown = redaction_queries.redaction(session, done.redaction_id)
    return shown | done.quoting() | {"message": None}


@blp.write(
    "/offers/<uuid:offer_id>/counters/redact",
    operation_id="redact_offer_counter",
    summary="Take the words of a counter-offer out for good, or parts of them",
    description="They are gone from the offer, what its step was given, the history (whose chain still verifies) and kept answers. "
    "Who, when, why and a salted digest of what was there stay (`GET /complaints/{ref}/redactions`), and so do kind and amount of "
    "what was wished for. `If-Match` is about the offer: ranges mean the text that was looked at.",
    body=CounterRedactionIn,
    answer=RedactionDone,
    permission="complaint:redact",
    load=queries.hold,
    if_match="required",
    show=_show_redaction,
    errors=(NothingLeft,),
)
def redact_counter(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> Redacted:
    return counter_redaction.redact(uow, actor, held, given)


for _action in offers.ACTIONS:
    _action_route(_action)
