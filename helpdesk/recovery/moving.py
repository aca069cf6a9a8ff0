"""Offers follow their complaint when it is merged, and come back when that is undone: the case in which they count, for
authority, duplicates and budgets, is the one that goes on. Only offers that are settled move (delivered, or ended), since
a complaint with any other is not merged.
"""

from typing import Final

from helpdesk.complaints import merge_queries, remedies
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.complaints.merge_ledger import note
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.differences import Changes
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import queries
from helpdesk.recovery.events import OfferMoved, of_offer
from helpdesk.recovery.lifecycle import counted
from helpdesk.recovery.models import Offer

_BOOK: Final = "offer"
_EARLIER: Final = 0
"""The round of what was approved before the present one, in the count of another complaint."""


def move(uow: UnitOfWork, event: DuplicateMerged) -> None:
    source = complaints.complaint_by_id_for_update(uow.session, event.source_id)
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    for offer in queries.offers_for_update(uow.session, source.id):
        note(uow, event.merge_id, _BOOK, {offer.id: {"granted_round": offer.granted_round}})
        present = offer.granted_round == source.round
        granted_round = None if offer.granted_round is None else survivor.round if present else _EARLIER
        _hand_over(uow, offer, source, survivor, granted_round)


def move_back(uow: UnitOfWork, event: DuplicateParted) -> None:
    noted = merge_queries.ledger_of(uow.session, event.merge_id, _BOOK)
    if not noted:
        return
    source = complaints.complaint_by_id_for_update(uow.session, event.source_id)
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    for offer in queries.offers_for_update(uow.session, survivor.id, list(noted)):
        _hand_over(uow, offer, survivor, source, noted[offer.id]["granted_round"])


def _hand_over(uow: UnitOfWork, offer: Offer, giver: Complaint, taker: Complaint, granted_round: int | None) -> None:
    given = _count(giver, offer, -1)
    offer.complaint_id, offer.granted_round = taker.id, granted_round
    taken = _count(taker, offer, 1)
    offer.touch()
    for complaint, changed in ((giver, given), (taker, taken)):
        uow.record(
            OfferMoved(
                **of_offer(complaint, offer),
                complaint_changes=changed,
                moved_from=giver.id,
                moved_to=taker.id,
            ),
            stream=complaint,
        )


def _count(complaint: Complaint, offer: Offer, times: int) -> Changes:
    counts = counted(offer.status, delivered=offer.delivered_at is not None)
    this_round = offer.granted_round == complaint.round
    return remedies.count(
        complaint,
        live=times * counts["live"],
        drafts=times * counts["drafts"],
        approved=times * counts["approved"] * this_round,
        undelivered=times * counts["undelivered"],
        amount=offer.amount_minor,
    )
