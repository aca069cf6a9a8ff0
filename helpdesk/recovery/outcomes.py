"""What came of an issuance that a provider was asked for, whoever tells: its answer, its callback, or that nobody knows.

The caller holds the offer (`queries.hold_any`) and then the order. What was recorded stays: what is said against it later is
kept beside it and told (`offer.issuance_contradicted`), and a person sees to it.
"""

from datetime import timedelta
from typing import Any, Final

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers, provider_queries, telling
from helpdesk.recovery.events import OfferContradicted, of_offer
from helpdesk.recovery.kinds import ASK
from helpdesk.recovery.provider_answers import FAILED, ISSUED, PENDING, Answer
from helpdesk.recovery.provider_models import RemedyOrder, duty_key
from helpdesk.recovery.queries import Held

UNKNOWN_PAUSE: Final = timedelta(hours=6)
"""Between two questions how it stands, when nobody knows."""
UNKNOWN_FOR: Final = timedelta(days=30)
"""Since it was first asked: how long the provider is asked so."""
MOST_CONTRADICTIONS: Final = 20
"""Kept of one issuance; the oldest go. Every one is in the complaint's history."""
MOST_REASON: Final = 500
"""Characters that are kept of why something went wrong."""
_MOST_WORDS: Final = 2000
_MOST_CLAIM: Final = 300
_THEN: Final = "asked again: "


def is_open(held: Held, order: RemedyOrder) -> bool:
    """Whether it is still to be said what came of it."""
    return order.closed_at is None and held.offer.status == "issuing" and held.offer.round == order.round


def issued(uow: UnitOfWork, held: Held, order: RemedyOrder, answer: Answer) -> None:
    order.state = ISSUED
    order.reference = answer.reference
    order.external_id = answer.external_id or order.external_id
    order.closed_at = uow.now
    order.last_error = None
    held.offer.issued_reference = answer.reference
    offers.advance(uow, SYSTEM, held, "record_issued", {})
    telling.issued(uow, held)


def refused(uow: UnitOfWork, held: Held, order: RemedyOrder, detail: str) -> None:
    """It is sure that it was not done. `detail`: the provider's words; empty: it gave none."""
    detail = detail or "it failed"
    order.state = "refused"
    order.in_doubt = 0
    order.closed_at = uow.now
    order.last_error = detail[:MOST_REASON]
    offers.advance(uow, SYSTEM, held, "fail", {"reason": f"The provider: {detail}"[:MOST_REASON]})


def pending(order: RemedyOrder, answer: Answer) -> None:
    """The provider works on it. Where nobody knew, that is still for a person to look at."""
    claimed(order, answer)
    order.external_id = answer.external_id or order.external_id
    if order.state == "open":
        order.state = PENDING


def lose_sight(uow: UnitOfWork, held: Held, order: RemedyOrder, detail: str) -> None:
    """It may have been done, and it is not asked for any more: a person is to find out. Its money stays reserved."""
    order.state = "unknown"
    note_error(order, detail)
    held.offer.issuance = "unknown"
    offers.advance(uow, SYSTEM, held, "doubt", {"reason": detail[:MOST_REASON]})
    owe(uow, held, order, UNKNOWN_PAUSE)


def may_be_done(order: RemedyOrder) -> bool:
    return order.in_doubt > 0 or order.claim is not None or order.state == PENDING


def unheard(order: RemedyOrder) -> None:
    """The provider says that it never heard of the key: nothing is in doubt any more, unless it has answered as if it had done it."""
    if order.claim is None:
        order.in_doubt = 0


def claimed(order: RemedyOrder, answer: Answer) -> None:
    """Keep the first answer that says, or may say, that it was done; and what it is called there, where that was said."""
    if answer.claim:
        order.claim = order.claim or answer.claim[:_MOST_CLAIM]
        order.external_id = answer.external_id or order.external_id


def note_error(order: RemedyOrder, detail: str) -> None:
    """What went wrong the last time, behind what the provider has claimed: of the two that is what somebody has to look into."""
    known = order.claim
    said = detail if known is None or known in detail else f"{known}; {_THEN}{detail}" if detail else known
    order.last_error = said[:MOST_REASON] or None


def hand_over(uow: UnitOfWork, held: Held, order: RemedyOrder, reason: str) -> None:
    """It was surely not done, and is not asked for any more: it waits for a person."""
    order.state = "settled"
    order.closed_at = uow.now
    held.offer.issuance = "by_hand"
    offers.advance(uow, SYSTEM, held, "hand_over", {"reason": reason})


def owe(uow: UnitOfWork, held: Held, order: RemedyOrder, after: timedelta) -> None:
    """The next duty to ask; the ones before it may not any more."""
    order.turn += 1
    uow.duty(
        ASK,
        held.offer.id,
        payload={"turn": order.turn},
        dedupe_key=duty_key(held.offer.id, order.round, order.turn),
        not_before=uow.now + after,
    )


def late(uow: UnitOfWork, held: Held, order: RemedyOrder, answer: Answer) -> None:
    """What is said of what is settled: the same again, or something else."""
    against = _against(held, order, answer)
    if against is None or any(known["says"] == against for known in order.contradictions):
        return
    _contradict(uow, order, against, answer)
    offer = held.offer
    uow.record(
        OfferContradicted(
            **of_offer(held.complaint, offer),
            provider_id=order.provider_id,
            round=order.round,
            says=against,
        ),
        stream=held.complaint,
        actor=SYSTEM,
    )
    if answer.says == ISSUED and offer.status == "issuing":
        _hold_back(uow, held, f"The provider says of round {order.round}: {against}"[:MOST_REASON])


def _contradict(uow: UnitOfWork, order: RemedyOrder, says: str, answer: Answer) -> None:
    """Keep it beside what it said before: of two payments and a failure none may hide another."""
    item = {
        "says": says,
        "word": answer.says,
        "reference": answer.reference,
        "at": rfc3339(uow.now),
        "settled": False,
    }
    order.contradictions = [*order.contradictions, item][-MOST_CONTRADICTIONS:]
    order.contradicted_at = uow.now
    order.contradiction_settled_at = None
    order.contradiction = in_words(order)


def in_words(order: RemedyOrder) -> str:
    """What is to be seen to, what was paid before what was not; where nothing is, what was said last."""
    waiting = unsettled(order) or order.contradictions[-1:]
    return " ".join(item["says"] for item in sorted(waiting, key=lambda item: item["word"] != ISSUED))[:_MOST_WORDS]


def unsettled(order: RemedyOrder) -> list[dict[str, Any]]:
    return [item for item in order.contradictions if not item["settled"]]


def open_payments(order: RemedyOrder) -> list[str]:
    """What the provider calls that which it has issued against the books, and nobody has seen to; the oldest first."""
    return [item["reference"] for item in unsettled(order) if item["word"] == ISSUED and item["reference"] is not None]


def booked_by(order: RemedyOrder) -> set[str]:
    """What was booked of it, when it was issued or when it was settled."""
    settled = (item for item in order.contradictions if item["settled"])
    # What was settled before `booked` was kept counts as booked: of two mistakes that is the one that costs no money.
    return {known for known in (order.reference, *(item.get("booked", item["reference"]) for item in settled)) if known}


def _hold_back(uow: UnitOfWork, held: Held, reason: str) -> None:
    """An earlier round was issued after all, it is said: what is being issued anew waits for a person, or it would be twice."""
    order = provider_queries.open_order_for_update(uow.session, held.offer.id)
    if order is None or order.state == "unknown":
        return
    if may_be_done(order):
        lose_sight(uow, held, order, reason)
    else:
        hand_over(uow, held, order, reason)


def _against(held: Held, order: RemedyOrder, answer: Answer) -> str | None:
    """What contradicts what is recorded, in words; None where it does not."""
    offer = held.offer
    if answer.says == FAILED:
        if order.state != ISSUED or offer.status == "reversed":  # it came back, and the books have it
            return None
        return f"It failed: {answer.detail or 'no reason'}"[:MOST_REASON]
    if answer.says != ISSUED:
        return None
    known = order.reference if order.state == ISSUED else offer.issued_reference
    return None if known == answer.reference else f"It was issued as {answer.reference}."
