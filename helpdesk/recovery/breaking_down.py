"""What a customer is told of an offer's money: how much of it is owed, and by what (`breakdown`). Reckoned by the facts of when it is put
before them, and kept with the offer: it stays what they were told.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import (
    breakdown,
    breakdown_queries,
    compensation,
    guard_queries,
    kin_queries,
    option_queries,
    suggestions,
)
from helpdesk.recovery.breakdown import GOODWILL, RESTITUTION, Known, Line, Part, Said
from helpdesk.recovery.lifecycle import SHOWN_TO_CUSTOMER
from helpdesk.recovery.models import Offer
from helpdesk.recovery.playbook import Line as Item
from helpdesk.recovery.playbook import Suggestion
from helpdesk.recovery.queries import Held
from helpdesk.recovery.suggestions import Suggested

_UNTOLD: Final = frozenset({"facts_missing", "other_currency"})
"""Outcomes of tariffs that leave open what they lay down."""
_UNTOLD_UNLESS_RECORDED: Final = frozenset({"not_known", "not_in_force"})
"""The same, until somebody has recorded what is laid down: no version that is known holds on that day."""


def told(uow: UnitOfWork, held: Held) -> list[dict[str, Any]]:
    """To be kept with an offer that is put before the customer. Before a budget's lock: two that are sent at once for the same
    matter, on two complaints, would else each tell the same sum as owed (`kin_queries.one_at_a_time`).
    """
    if held.offer.currency is not None:
        kin_queries.one_at_a_time(uow.session, held.complaint.id, guard_queries.rules_in_force(uow.session))
    return breakdown.as_data(of(uow.session, held.complaint, held.offer, uow.now))


def of(session: Session, complaint: Complaint, offer: Offer, now: datetime) -> tuple[Part, ...]:
    """Of each of an offer's options what can be said of it if it is put before the customer now; nothing where that is not sure."""
    if offer.currency is None or offer.floor_waived:  # of what is missing, nobody knows by which road they have it
        return ()
    owed = _known(suggestions.suggestion_for(session, complaint, {"currency": offer.currency}))
    if owed is None or owed.currency != offer.currency:
        return ()
    others = _told(session, complaint, offer, now)
    return () if others is None else breakdown.parts(_options(session, offer), owed, others)


def _options(session: Session, offer: Offer) -> list[tuple[int, str, int]]:
    options: Sequence[Any] = option_queries.kept(session, offer.id)
    if not options:
        return [(1, offer.kind, offer.amount_minor or 0)]
    return [(option.number, option.kind, option.amount_minor or 0) for option in options]


def _known(suggested: Suggested) -> Known | None:
    """None: it is not known. Something may be laid down that cannot be told, or is in another currency, or for somebody else whose
    complaint was merged into this one; or nothing at all was said of what was lost.
    """
    if suggested.unconverted or suggested.is_for_others:
        return None
    open_ = _UNTOLD | (_UNTOLD_UNLESS_RECORDED if "statutory" in suggested.assumed else frozenset())
    if any(laid.outcome.code in open_ for laid in suggested.tariffs):
        return None
    found = _lines(suggested.suggestion)
    loss_stated = "loss" not in suggested.assumed
    return Known(suggested.facts.loss.currency, found, loss_stated) if found or loss_stated else None


def _lines(found: Suggestion) -> tuple[Line, ...]:
    owed = [line for line in found.lines if line.kind != GOODWILL and line.amount.minor]
    return tuple(_line(line) for line in sorted(owed, key=lambda line: line.kind == RESTITUTION))


def _line(line: Item) -> Line:
    laid = line.evidence if line.rule.startswith("tariffs.") else {}
    return Line(
        basis=line.kind,
        minor=line.amount.minor,
        tariff=laid.get("tariff"),
        tariff_version=laid.get("tariff_version"),
        title=laid.get("title"),
        source=laid.get("source"),
        net=line.kind == RESTITUTION and "set_off" in line.evidence,
    )


def _told(session: Session, complaint: Complaint, offer: Offer, now: datetime) -> list[list[Said]] | None:
    """What the customer was told of by other offers that stand, here and on other complaints about the same matter. None: some of
    it is in another currency.
    """
    here = breakdown_queries.told(session, complaint.id, besides=[offer.id, offer.successor_of])
    elsewhere = [
        one.offer
        for one in compensation.same_matter(session, complaint, now)
        if one.offer.complaint_id != complaint.id and one.offer.status in SHOWN_TO_CUSTOMER
    ]
    if {*(item.currency for item in here), *(one.currency for one in elsewhere)} - {offer.currency, None}:
        return None
    return [
        *(item.options for item in here),
        *([breakdown.said(one.kind, one.amount_minor, None, several=False)] for one in elsewhere),
    ]
