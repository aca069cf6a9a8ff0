from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.identity.actors import Actor
from helpdesk.kernel import cors
from helpdesk.kernel.errors import ActionNotAllowed, Gone
from helpdesk.kernel.http import web
from helpdesk.kernel.schemas import Schema
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import link_answers, offers, option_schemas, public_queries, schemas
from helpdesk.recovery.counter_schemas import PublicCounterIn
from helpdesk.recovery.queries import Held

blp = Blueprint("public_offers", __name__, description="An offer as the customer sees and answers it, by signed link.")


def _is_page(_session: Session, origin: str) -> bool:
    address = web().settings.offer_url
    page = urlsplit(address or "")
    return address is not None and origin == f"{page.scheme}://{page.netloc}"


cors.share(blp, _is_page, only="/api/v1/public/offers/")


def links() -> offers.Links:
    return offers.Links(web().signing_key, web().settings.offer_page)


@blp.read(
    "/public/offers/<token>",
    operation_id="get_public_offer",
    summary="The customer's view of an offer, by signed link",
    answer=schemas.PublicOffer,
    public=True,
    errors=(Gone,),
)
def get_public_offer(session: Session, _actor: Actor, token: str) -> dict[str, Any]:
    return public_queries.by_link(session, web().signing_key, token)


def _hold_by_link(session: Session, _actor: Actor, token: str) -> Held:
    return public_queries.hold_by_link(session, web().signing_key, token)


def _show_public(session: Session, _actor: Actor, offer_id: UUID) -> dict[str, Any]:
    return public_queries.shown_to_customer(session, offer_id)


def _check_answer(action: str) -> Any:
    def check(session: Session, _actor: Actor, held: Held) -> None:
        link_answers.check(session, held, action)

    return check


def _answer_route(
    action: str, *, path: str = "", operation_id: str = "", summary: str, body: Any, description: str | None = None
) -> None:
    """One answer that the customer gives by the link; `path` and `operation_id` where they are not called as the action."""

    def run(uow: UnitOfWork, _actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
        return link_answers.give(uow, held, action, given, to=links())

    blp.write(
        f"/public/offers/<token>/{path or action}",
        operation_id=operation_id or f"{action}_public_offer",
        summary=summary,
        description=description,
        body=body,
        answer=schemas.PublicOffer,
        public=True,
        load=_hold_by_link,
        if_match="honoured",
        check=_check_answer(action),
        show=_show_public,
        idempotency_key="required",
        errors=(ActionNotAllowed, Gone),
    )(run)


_answer_route(
    "accept",
    summary="The customer accepts; issuing begins at once",
    body=option_schemas.PublicAcceptIn,
    description="Where there are several options, `option` says which of them; they get that one.",
)
_answer_route("decline", summary="The customer declines", body=schemas.PublicDeclineIn)
_answer_route(
    "counter",
    summary="The customer asks for something else",
    body=PublicCounterIn,
    description="The offer stands until somebody answers, or its time ends; the answer is another offer, or the same again. "
    "They cannot accept meanwhile, but take back what they asked. `counters_left` tells how often they can ask.",
)
_answer_route(
    "take_back_counter",
    path="counter/withdraw",
    operation_id="take_back_public_offer_counter",
    summary="The customer asks for nothing else any more, and can accept again",
    body=Schema,
)
_answer_route(
    "confirm_delivery",
    path="arrived",
    operation_id="confirm_public_offer_delivery",
    summary="The customer says that it came",
    body=Schema,
)
_answer_route(
    "report_undelivered",
    path="not-arrived",
    operation_id="report_public_offer_undelivered",
    summary="The customer says that it did not come; who has the complaint is told",
    body=schemas.PublicNoteIn,
)
