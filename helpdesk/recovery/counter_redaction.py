"""Taking the words of a counter-offer out for good, as `complaints.redaction` does with a complaint's own texts: out of the book of
counter-offers, of what the step was given, of the history, and of the answers that are kept for repeats.

Of what the step was given, and of the event that told it, all goes: the database lets nothing else be taken out of a step. What
was wished for stands in the book of counter-offers.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import carrying, merge_queries, redaction, redaction_queries
from helpdesk.complaints.cutting import MARK
from helpdesk.complaints.errors import NothingLeft
from helpdesk.complaints.events import MessageRedacted, TextRedacted
from helpdesk.complaints.redaction import Redacted
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import counter_queries
from helpdesk.recovery.counter_models import OfferCounter
from helpdesk.recovery.queries import Held

PART: Final = "counter"


def redact(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any]) -> Redacted:
    """`given`: number of the counter-offer, reason, and one of whole, ranges, strings. Raises `NothingLeft`, and
    `ValidationFailed` for a number that there is not, and for what does not stand in the words.
    """
    complaint, offer = held.complaint, held.offer
    counter = _counter(uow.session, offer.id, given["number"])
    if counter.words == MARK:
        raise NothingLeft
    before = counter.words
    cut = redaction.cut_of(before, dict(given))
    kin = merge_queries.kin_of(uow.session, complaint.id)  # the offer may have come here by a merge
    counter.words = cut.left
    for step in counter_queries.steps_at(uow.session, offer.id, counter.at):
        step.given = {}
    telling = [
        row.id
        for row in redaction_queries.events_at(uow.session, kin, counter.at)
        if row.payload.get("offer_id") == str(offer.id) and row.payload.get("action") == "counter"
    ]
    erased = carrying.erase(uow, kin, telling, cut)
    redaction.rewrite_answers(uow, kin, lambda item: item.get("words") == before, lambda _: {"words": cut.left})
    offer.touch()
    row = redaction.note(
        uow,
        actor,
        complaint,
        dict(given),
        cut,
        before=before,
        part=PART,
        message_id=None,
        mail=None,
        erased=erased,
        counter_id=counter.id,
    )
    uow.record(
        TextRedacted(
            complaint_id=complaint.id,
            reference=complaint.reference,
            part=PART,
            counter_id=counter.id,
            **redaction.told(row, erased),
        ),
        stream=complaint,
    )
    return redaction.where_it_still_stands(uow, complaint, row["id"], redaction.Taken(cut, actor, kin))


def find_quoting(uow: UnitOfWork, event: MessageRedacted | TextRedacted) -> None:
    """Other counter-offers that still say what was just taken out; they are left alone, and named in the answer."""
    taken = uow.book(redaction.Redactions).taken.get(event.redaction_id)
    if taken is None:  # of a value that is no text: nothing quotes it
        return
    itself = event.counter_id if isinstance(event, TextRedacted) else None
    for row in counter_queries.words_beside(uow.session, taken.actor, taken.kin, itself):
        if taken.cut.quoted_in(row.words):
            taken.counters.append({"offer_id": row.offer_id, "number": row.number})


def _counter(session: Session, offer_id: UUID, number: int) -> OfferCounter:
    found = counter_queries.counter_of(session, offer_id, number)
    if found is None:
        raise ValidationFailed(
            errors=[
                FieldError.at("/number", "unknown", "There is no such counter-offer; `counters` of the offer has them.")
            ]
        )
    return found
