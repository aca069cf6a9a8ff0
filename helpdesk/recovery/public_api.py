from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.identity.actors import Actor, complainant_actor
from helpdesk.kernel.errors import ActionNotAllowed, Gone
from helpdesk.kernel.http import web
from helpdesk.kernel.schemas import Schema
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers, option_schemas, public_queries, schemas
from helpdesk.recovery.counter_schemas import PublicCounterIn
from helpdesk.recovery.customer_states import told_to_customer
from helpdesk.recovery.queries import Held

blp = Blueprint("public_offers", __name__, description="An offer as the customer sees and answers it, by signed link.")

_ANSWERING = frozenset({"offer:answer"})


def links() -> offers.Links:
    return offers.Links(web().signing_key, web().base_url)


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


@contextmanager
def _in_their_words(held: Held, action: str) -> Iterator[None]:
    """A refusal tells the customer the state that they see, and asks them for nothing that the link says already."""
    try:
        yield
    except ActionNotAllowed as refused:
        valid_until = held.offer.valid_until
        state = told_to_customer(held.offer.status, in_time=valid_until is None or held.now < valid_until)
        allowed = [
            {**item, "supplies": [name for name in item["supplies"] if name != "said_by"]}
            for item in refused.extra["allowed_actions"]
        ]
        raise ActionNotAllowed(
            f"The offer is {state}: that cannot be said of it now.",
            state=state,
            action=action,
            missing=refused.extra["missing"],
            allowed_actions=allowed,
        ) from None


def _check_answer(action: str) -> Any:
    def check(session: Session, _actor: Actor, held: Held) -> None:
        with _in_their_words(held, action):
            offers.check(session, complainant_actor(held.complaint.id, _ANSWERING), held, action)

    return check


def _answer_route(
    action: str, *, path: str = "", operation_id: str = "", summary: str, body: Any, description: str | None = None
) -> None:
    """One answer that the customer gives by the link; `path` and `operation_id` where they are not called as the action."""

    def run(uow: UnitOfWork, _actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
        # The link is who they are: from here on, the log names the complainant instead of an anonymous caller.
        customer = complainant_actor(held.complaint.id, _ANSWERING)
        uow.actor = customer
        with _in_their_words(held, action):
            return offers.carry_out(uow, customer, held, action, {**given, "said_by": "link"}, to=links())

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
