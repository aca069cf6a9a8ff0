"""Rows as this caller may see them: what they can do, and secrets only for who hands them on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.money import Money
from helpdesk.recovery import (
    approvals,
    breakdown,
    breakdown_words,
    breaking_down,
    counter_queries,
    floor,
    option_queries,
    override_queries,
    provider_queries,
    queries,
    remaining,
    resending,
    reservations,
    reviews,
    voucher_queries,
    waiting_queries,
)
from helpdesk.recovery.breakdown import Part
from helpdesk.recovery.case_facts import as_kept
from helpdesk.recovery.errors import ClaimUnderReview
from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER, LIFECYCLE, SHOWN_TO_CUSTOMER
from helpdesk.recovery.models import Offer
from helpdesk.recovery.offers import Links
from helpdesk.recovery.playbook import Line, Suggestion
from helpdesk.recovery.remaining import Already
from helpdesk.recovery.suggestions import Suggested
from helpdesk.recovery.voucher_models import Voucher, VoucherEntry


def offer(session: Session, actor: Actor, row: dict[str, Any], to: Links) -> dict[str, Any]:
    """`row` from `queries.offer_detail`, with `allowed_actions`; link and voucher code only with `offer:send`."""
    hands_on = actor.may("offer:send")
    shown = dict(row)
    shown["link"] = to.of(row["id"], row["valid_until"]) if hands_on and row["status"] in BEFORE_CUSTOMER else None
    if row["kind"] == "voucher" and not hands_on:
        shown["issued_reference"] = None
    # What the customer took may cost nothing; it was judged, and flagged, as the dearest of what they could choose from.
    priced = row["amount"] is not None or row["chosen_option"] is not None
    shown["flags"] = waiting_queries.flags_of(session, actor, row["id"]) if priced else []
    options = option_queries.shown(session, row["id"], row)
    shown |= breakdown_words.in_offer(row, options, _parts(session, row))
    shown["override"] = override_queries.shown(row["override"])
    shown["under_review"] = is_under_review(session, row)
    shown["counters"] = counter_queries.shown(session, row["id"]) if row["counters"] else []
    shown["successor_id"] = counter_queries.successor_of(session, row["id"]) if row["counters"] else None
    shown["issuing"] = provider_queries.issuing(session, row) if row["issuance"] in {"automatic", "unknown"} else None
    shown["allowed_actions"] = allowed(session, actor, row)
    return shown


def _parts(session: Session, row: dict[str, Any]) -> Mapping[int, Part]:
    """What the customer was told; of what was not put before them yet, what they would be told now."""
    if row["status"] in SHOWN_TO_CUSTOMER:
        return breakdown.read(row["breakdown"])
    complaint, offer = session.get_one(Complaint, row["complaint_id"]), session.get_one(Offer, row["id"])
    return {part.number: part for part in breaking_down.of(session, complaint, offer, row["now"])}


def is_under_review(session: Session, row: dict[str, Any]) -> bool:
    return row["status"] == "pending_approval" and reviews.waits(session, row)


def allowed(session: Session, actor: Actor, row: dict[str, Any]) -> list[dict[str, Any]]:
    facts = queries.situation(
        row["kind"],
        row["valid_until"],
        row["now"],
        used=row["used"],
        ended=row["ended"],
        settles=row["issuance"] != "automatic",
        delivered=row["delivered_at"] is not None,
        unknown=row["issuance"] == "unknown",
        asked=queries.is_asked(row["kind"], row["issuance"]),
        contradicted=row["contradicted"],
        counters=row["counters"],
        reported=row["reported_at"] is not None,
    )
    found = LIFECYCLE.allowed(row["status"], facts, actor.may)
    for item in found:
        refused = _foretold(session, actor, row, item["action"])
        item["missing"] = [*item["missing"], *({"code": it.code, "detail": it.detail} for it in refused)]
    return found


def _foretold(session: Session, actor: Actor, row: dict[str, Any], action: str) -> Iterator[DomainError]:
    """What the action would be refused with beyond the table. Whoever may say why it is less than the floor does so with the step."""
    found: list[DomainError | None] = []
    if action == "approve":
        found.append(approvals.refusal(session, actor, _asked(row), row["now"]))
        found.append(ClaimUnderReview() if is_under_review(session, row) else None)
    if action in _SETTING_ASIDE:
        found.append(_short_of_money(session, actor, row, action))
    if action in floor.LOOKED_AT:
        complaint = session.get_one(Complaint, row["complaint_id"])
        found.append(floor.refusal(session, actor, complaint, session.get_one(Offer, row["id"]), action))
    if action in resending.REASONS:
        found.append(resending.refusal(session, action, session.get_one(Offer, row["id"]), row["now"]))
    yield from (refused for refused in found if refused is not None)


_SETTING_ASIDE: Final = frozenset({"submit", "approve", "retry"})
"""Actions that set money aside; the first where nobody else is asked."""


def _short_of_money(session: Session, actor: Actor, row: dict[str, Any], action: str) -> DomainError | None:
    """What the budget would say."""
    asked = _asked(row)
    if asked.amount is None:
        return None
    short = reservations.lacking(session, asked.team_id, asked.amount, row["now"])
    if short is None or (action == "submit" and not approvals.grants_at_once(session, actor, asked, row["now"])):
        return None
    return short


def _asked(row: dict[str, Any]) -> approvals.Asked:
    return approvals.Asked(
        offer_id=row["id"],
        complaint_id=row["complaint_id"],
        customer_id=row["customer_id"],
        team_id=row["team_id"],
        drafted_by=row["drafted_by"],
        approvals=row["approvals"],
        amount=None if row["amount"] is None else Money(*row["amount"]),
    )


_SUGGESTED: Final = (
    "playbook",
    "version",
    "lines",
    "owed",
    "statutory",
    "goodwill",
    "cap",
    "offer",
    "tactics",
    "remedies",
    "rules",
    "lost",
    "alternatives",
)


def suggestion(suggested: Suggested, already: Already, seen: Mapping[UUID, str]) -> dict[str, Any]:
    """With what is left of it: what one of the complaint's own offers refunds, nobody has to state. `seen`: references of the
    complaints in which it failed before, and of those that were merged into it, of those that the reader sees.
    """
    found = _naming(suggested.suggestion, suggested.facts.failed_in, seen)
    refunds = already.has(*remaining.BACK)
    return {name: getattr(found, name) for name in _SUGGESTED} | {
        "already_offered": remaining.offered(found, already),
        "remaining": remaining.left_of(found, already),
        "remedies": remaining.remedies_left(found, already),
        "alternatives": remaining.alternatives_left(found, already),
        "assumed": [name for name in suggested.assumed if name != "refunded" or not refunds],
        "playbook_id": suggested.playbook_id,
        "facts": as_kept(suggested.case),
        "tariffs": [
            suggested.tariff_data(laid)
            | {"complaint_reference": None if laid.complaint_id is None else seen.get(laid.complaint_id)}
            for laid in suggested.tariffs
        ],
        "other_currencies": list(suggested.elsewhere),
    }


def _naming(found: Suggestion, failed_in: Sequence[UUID], seen: Mapping[UUID, str]) -> Suggestion:
    """With the earlier complaints named beside the factor that they make."""
    if not failed_in:
        return found
    named = {
        "complaints": [{"id": str(one), "reference": seen[one]} for one in failed_in if one in seen],
        "hidden": sum(one not in seen for one in failed_in),
    }

    def told(line: Line) -> Line:
        factors = line.evidence.get("factors")
        if factors is None:
            return line
        shown = [factor | named if factor["factor"] == "repeat" else factor for factor in factors]
        return replace(line, evidence={**line.evidence, "factors": shown})

    options = tuple(replace(option, lines=tuple(map(told, option.lines))) for option in found.alternatives)
    return replace(found, lines=tuple(map(told, found.lines)), alternatives=options)


def voucher(row: Voucher, offer_status: str, now: datetime) -> dict[str, Any]:
    return {
        "code": row.code,
        "amount": (row.amount_minor, row.currency),
        "balance": (row.balance_minor, row.currency),
        "partial_use": row.partial,
        "status": voucher_queries.voucher_status(row, offer_status, now),
        "expires_at": row.expires_at,
        "redeemed_at": row.redeemed_at,
    }


def redemption(row: VoucherEntry, reversed_at: datetime | None, currency: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "amount": (row.amount_minor, currency),
        "external_id": row.external_id,
        "at": row.at,
        "reversed_at": reversed_at,
    }
