"""What a customer says of an offer by their link, by the API as on the page: the same steps, checks and words for both."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import complainant_actor
from helpdesk.kernel.errors import ActionNotAllowed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers
from helpdesk.recovery.customer_states import ANSWERING, told_to_customer
from helpdesk.recovery.queries import Held


def check(session: Session, held: Held, action: str) -> None:
    """Raises `ActionNotAllowed`, in the customer's words."""
    with _in_their_words(held, action):
        offers.check(session, complainant_actor(held.complaint.id, ANSWERING), held, action)


def give(uow: UnitOfWork, held: Held, action: str, given: Mapping[str, Any], *, to: offers.Links) -> UUID:
    """For whoever has called `check` in the same transaction. Raises `ActionNotAllowed`, `ValidationFailed`."""
    # The link is who they are: from here on, the log names the complainant instead of an anonymous caller.
    customer = complainant_actor(held.complaint.id, ANSWERING)
    uow.actor = customer
    with _in_their_words(held, action):
        return offers.carry_out(uow, customer, held, action, {**given, "said_by": "link"}, to=to)


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
