"""What is known of a claim, put together for its score. Nobody vulnerable is scored, nor whoever is found to be on another
complaint: there is then no score to be seen, kept or acted upon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints.likeness import likeness, words
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.schemas import json_safe
from helpdesk.recovery import guard_queries, kin_queries
from helpdesk.recovery.claim_score import Claim, Earlier, Scored, score
from helpdesk.recovery.guard_rules import GuardRules
from helpdesk.recovery.kin_queries import MATTER, Kin

CLOSED: Final = frozenset({"resolved", "followed_up"})
UPHELD: Final = frozenset({"upheld", "partly_upheld"})
LOOKED_AT: Final = 50
"""Earlier complaints, the latest: texts are compared one by one."""
_TOLD_TWICE: Final = (MATTER | {"split"}) - {"reference"}
"""Parts of one complaint have its words and its time."""
_FIRST_ZONE: Final = timedelta(hours=14)
"""Where a day begins before it does anywhere else. The customer's own zone is not known."""


def look_at(session: Session, complaint: Complaint) -> Scored | None:
    """None: not scored, because somebody may be harmed by it."""
    rules = guard_queries.rules_in_force(session)
    kin = kin_queries.kin_of(session, complaint.id, rules)
    if is_protected(complaint, kin):
        return None
    return score(_claim(session, complaint, kin, rules), rules)


def is_protected(complaint: Complaint, kin: Sequence[Kin]) -> bool:
    """Somebody in need or in danger, on this complaint or another of the same person's."""
    return complaint.vulnerable or complaint.safety or any(one.protected for one in kin if one.same_person)


def is_protected_now(session: Session, complaint: Complaint) -> bool:
    return is_protected(complaint, kin_queries.kin_of(session, complaint.id, guard_queries.rules_in_force(session)))


def _claim(session: Session, complaint: Complaint, kin: Sequence[Kin], rules: GuardRules) -> Claim:
    before = [one for one in kin if _is_earlier(one, complaint, rules)][:LOOKED_AT]
    facts = kin_queries.claims(session, [complaint.id, *(one.id for one in before)], rules)
    mine = facts[complaint.id]
    since = kin_queries.customer_since(session, complaint.customer_id)
    customers = {one.customer_id for one in kin if one.ties & {"email", "phone"}} | {complaint.customer_id}
    return Claim(
        earlier=[_earlier(one, facts[one.id], mine) for one in before if one.id in facts],
        lost=complaint.loss_minor,
        price=complaint.price_minor,
        bought_before=_days_since(mine.bought, complaint.received_at),
        sharing=max(len(customers - {None}), 1),
        known_for=None if since is None else (complaint.received_at - since).days,
        firm_at_fault=complaint.fault in {"firm", "shared"},
        regulator=complaint.regulator or complaint.stage == "external",
        documented=mine.evidence or mine.files,
    )


def _is_earlier(one: Kin, complaint: Complaint, rules: GuardRules) -> bool:
    days = (complaint.received_at - one.received_at).days
    return (
        (one.same_person or "reference" in one.ties)
        and one.received_at <= complaint.received_at
        and days <= rules.window_days
    )


def _earlier(one: Kin, row: Any, mine: Any) -> Earlier:
    delivered = None
    if row.delivered_at is not None and row.delivered_at <= mine.received_at:
        delivered = (mine.received_at - row.delivered_at).days
    prices = (row.price_minor, mine.price_minor)
    return Earlier(
        id=one.id,
        same_matter=bool(one.ties & _TOLD_TWICE),
        likeness=likeness(words(row.words), words(mine.words)),
        decided=row.status in CLOSED,
        upheld=row.outcome in UPHELD,
        paid=row.paid,
        remedied_before=delivered,
        other_price="reference" in one.ties
        and None not in prices
        and row.currency == mine.currency
        and prices[0] != prices[1],
    )


def _days_since(bought: str | None, received_at: datetime) -> int | None:
    """None where it is no date: a field of that name may hold anything. Below zero only for a day that had begun nowhere yet."""
    try:
        day = date.fromisoformat(bought or "")
    except ValueError:
        return None
    days = (received_at.date() - day).days
    return max(days, 0) if day <= (received_at + _FIRST_ZONE).date() else days


def as_data(scored: Scored) -> list[dict[str, Any]]:
    """The reasons, JSON-safe, to be kept with a review."""
    return [json_safe(asdict(reason)) for reason in scored.reasons]


def shown(session: Session, actor: Actor, scored: Scored | None) -> dict[str, Any]:
    """For who may see scores. `protected` does not say by what: the need may be on a complaint that the caller does not see."""
    if scored is None:
        nothing: dict[str, Any] = dict.fromkeys(("score", "threshold", "rules", "review"))
        return nothing | {"scored": False, "why_not": "protected", "reasons": []}
    ids = sorted({each for reason in scored.reasons for each in reason.complaints})
    known = guard_queries.references(session, actor, ids)
    reasons: Sequence[Mapping[str, Any]] = as_data(scored)
    return {
        "scored": True,
        "why_not": None,
        "score": scored.score,
        "threshold": scored.threshold,
        "rules": scored.version,
        "review": scored.review,
        "reasons": [guard_queries.shown_reason(reason, known) for reason in reasons],
    }
