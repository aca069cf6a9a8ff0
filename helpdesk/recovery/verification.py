"""Checks for `helpdesk verify`: the offers and what was issued tell one story (budgets: see `budget_verification`).

Each check reads with plain statements and names every row that breaks its promise. What a healthy database keeps by its
constraints is checked all the same: a restored dump or a hand on the console may have lost them.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from helpdesk.kernel.state_machine import replay
from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery import (
    authority_verification,
    guard_verification,
    playbook_verification,
    points_verification,
    provider_verification,
)
from helpdesk.recovery.breakdown_verification import offer_breakdowns
from helpdesk.recovery.counter_verification import offer_copies, offer_counters
from helpdesk.recovery.kinds import ISSUING_TOPICS
from helpdesk.recovery.lifecycle import ENDED, GRANTED, LIFECYCLE, SPENT
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.option_verification import offer_options

_BATCH: Final = 1_000

_ISSUED: Final = text("""
    SELECT o.id, o.kind, o.status, o.issued_reference, count(i.reference) AS issued,
           bool_or(i.reference = o.issued_reference) AS same, bool_or(i.amount_minor IS DISTINCT FROM o.amount_minor) AS other
    FROM offer o LEFT JOIN (
        SELECT offer_id, 'voucher' AS kind, code AS reference, amount_minor FROM voucher
        UNION ALL
        SELECT offer_id, 'apology_letter', id::text, NULL FROM letter
        UNION ALL
        SELECT offer_id, 'points', id::text, amount_minor FROM points_lot
    ) i ON i.offer_id = o.id
    GROUP BY o.id
    HAVING count(i.reference) > 1
        OR (o.kind = ANY(:ours) AND o.status = ANY(:spent)
            AND (count(i.reference) <> 1 OR NOT bool_or(i.reference = o.issued_reference)
                 OR bool_or(i.amount_minor IS DISTINCT FROM o.amount_minor) OR bool_or(i.kind <> o.kind)))
        OR ((o.status <> ALL(:may_have) OR o.kind <> ALL(:ours)) AND count(i.reference) > 0)
    ORDER BY o.id
""")
_OURS: Final = ("voucher", "apology_letter", "points")
"""Kinds whose issuances are rows here."""
_MAY_HAVE_ISSUANCE: Final = sorted({"issuing", "failed", "revoked", "reversed"} | SPENT)
"""`failed`, and `revoked` after it: the issuer may have been done when its answer was lost. It buys nothing."""


def issued_once(session: Session) -> Iterator[Violation]:
    """An issued offer of ours has one voucher, letter or lot of points, the one it names, of its amount; nothing was issued twice or
    unasked.
    """
    sets = {"spent": sorted(SPENT), "may_have": _MAY_HAVE_ISSUANCE, "ours": [*_OURS]}
    for row in session.execute(_ISSUED, sets):
        what = "of its own" if row.same else "which it does not name" if row.issued else "at all"
        detail = f"{row.kind} {row.status} with {row.issued} issuances {what}"
        if row.issued and row.other:
            detail += ", of another amount"
        yield Violation("recovery.issued_once", f"offer {row.id}", detail)


_LEDGER: Final = text("""
    SELECT o.id, v.balance_minor, v.amount_minor - e.taken AS found, e.strange, v.partial, e.parts
    FROM voucher v JOIN offer o ON o.id = v.offer_id CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE kind WHEN 'reverse' THEN -amount_minor ELSE amount_minor END), 0) AS taken,
               count(*) FILTER (WHERE kind = 'redeem' AND amount_minor < v.amount_minor) AS parts,
               count(*) FILTER (WHERE kind = 'reverse' AND NOT EXISTS (
                   SELECT FROM voucher_entry r WHERE r.id = voucher_entry.reverses_id AND r.voucher_id = v.id
                   AND r.kind = 'redeem' AND r.amount_minor = voucher_entry.amount_minor)) AS strange
        FROM voucher_entry WHERE voucher_id = v.id) e
    WHERE v.balance_minor <> v.amount_minor - e.taken OR v.balance_minor NOT BETWEEN 0 AND v.amount_minor
       OR e.strange > 0 OR (e.parts > 0 AND NOT v.partial) OR (v.balance_minor > 0 AND o.status = 'reversed')
       OR (e.taken <> 0 AND o.status <> ALL(:out))
    ORDER BY o.id
""")


def voucher_ledgers(session: Session) -> Iterator[Violation]:
    """What is left on a voucher is what its ledger left; what was taken back had been taken; nothing is left on one that
    was withdrawn, and nothing was used of one that was never out.
    """
    for row in session.execute(_LEDGER, {"out": sorted(SPENT | {"reversed"})}):
        detail = f"its voucher says {row.balance_minor} minor units are left; its ledger says {row.found}"
        if row.strange:
            detail += f"; {row.strange} reversals of nothing"
        if row.parts and not row.partial:
            detail += "; used in parts, which it does not allow"
        yield Violation("recovery.voucher_ledgers", f"offer {row.id}", detail)


_REDEEMED: Final = text("""
    SELECT o.id, o.status, v.redeemed_at FROM offer o JOIN voucher v ON v.offer_id = o.id
    WHERE (o.status = 'redeemed') <> (v.redeemed_at IS NOT NULL) ORDER BY o.id
""")


def vouchers_redeemed(session: Session) -> Iterator[Violation]:
    """A voucher is used up exactly when its offer is redeemed."""
    for row in session.execute(_REDEEMED):
        used = "was used" if row.redeemed_at else "was not used"
        yield Violation("recovery.vouchers_redeemed", f"offer {row.id}", f"{row.status}, but its voucher {used}")


_FORGOTTEN: Final = text("""
    SELECT o.id, o.status FROM offer o
    WHERE o.status = 'accepted'
       OR (o.issuance = 'automatic' AND NOT EXISTS (
            SELECT FROM duty d WHERE d.topic = ANY(:topics) AND d.subject_id = o.id AND d.done_at IS NULL AND d.dead_at IS NULL))
    ORDER BY o.id
""")


def accepted_is_issued(session: Session) -> Iterator[Violation]:
    """What was accepted is being issued, and a duty owes it, or it waits for a person to do it."""
    for row in session.execute(_FORGOTTEN, {"topics": [*ISSUING_TOPICS]}):
        yield Violation("recovery.accepted_is_issued", f"offer {row.id}", f"{row.status}, and no duty to issue it")


def offer_replay(session: Session) -> Iterator[Violation]:
    """The recorded steps of an offer follow the table and end in its status. Read in batches, in order of id."""
    last = UUID(int=0)
    while True:
        rows = session.execute(
            select(Offer.id, Offer.status, Offer.steps).where(Offer.id > last).order_by(Offer.id).limit(_BATCH)
        ).all()
        if not rows:
            return
        last = rows[-1].id
        steps = _steps(session, [row.id for row in rows])
        for row in rows:
            detail = _replayed(steps.get(row.id, []), row.status, row.steps)
            if detail is not None:
                yield Violation("recovery.offer_replay", f"offer {row.id}", detail)


def _steps(session: Session, offer_ids: list[UUID]) -> dict[UUID, list[Any]]:
    rows = session.execute(
        select(
            OfferTransition.offer_id,
            OfferTransition.number,
            OfferTransition.action,
            OfferTransition.from_status,
            OfferTransition.to_status,
        )
        .where(OfferTransition.offer_id.in_(offer_ids))
        .order_by(OfferTransition.offer_id, OfferTransition.number)
    )
    return {offer_id: list(group) for offer_id, group in groupby(rows, key=lambda row: row.offer_id)}


def _replayed(steps: list[Any], status: str, count: int) -> str | None:
    """What is wrong with the steps, or None."""
    if [step.number for step in steps] != list(range(1, count + 1)):
        return f"has {len(steps)} steps, but counted {count}, or their numbers have a gap"
    try:
        state = replay(LIFECYCLE, [(step.action, step.from_status, step.to_status) for step in steps])
    except (KeyError, ValueError) as error:
        return str(error)
    return None if state == status else f"its steps end in {state!r}, but it is {status!r}"


_COUNTERS: Final = text("""
    SELECT c.reference, c.offers_live, c.offers_drafted, c.offers_approved, c.remedies_undelivered, c.offers_minor,
           o.live, o.drafts, o.approved, o.waiting, o.minor
    FROM complaint c CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE status <> ALL(:ended)) AS live,
               count(*) FILTER (WHERE status <> ALL(:ended) AND status <> ALL(:granted)) AS drafts,
               count(*) FILTER (WHERE status = ANY(:granted) AND granted_round = c.reopened_count + 1) AS approved,
               count(*) FILTER (WHERE status <> ALL(:ended) AND delivered_at IS NULL) AS waiting,
               coalesce(sum(amount_minor) FILTER (WHERE status <> ALL(:ended)), 0) AS minor
        FROM offer WHERE complaint_id = c.id) o
    WHERE (c.offers_live, c.offers_drafted, c.offers_approved, c.remedies_undelivered,
           c.offers_minor) <> (o.live, o.drafts, o.approved, o.waiting, o.minor)
    ORDER BY c.id
""")


def complaint_counters(session: Session) -> Iterator[Violation]:
    """A complaint's five counters of offers are what its offers say."""
    sets = {"ended": sorted(ENDED), "granted": sorted(GRANTED)}
    for row in session.execute(_COUNTERS, sets):
        detail = (
            f"counts {row.offers_live} live offers, {row.offers_drafted} drafts, {row.offers_approved} approved, "
            f"{row.remedies_undelivered} undelivered, {row.offers_minor} minor units; its offers are {row.live}, "
            f"{row.drafts}, {row.approved}, {row.waiting} and {row.minor}"
        )
        yield Violation("recovery.complaint_counters", f"complaint {row.reference}", detail)


CHECKS: Final[tuple[Check, ...]] = (
    *guard_verification.CHECKS,
    offer_options,
    offer_breakdowns,
    offer_counters,
    offer_copies,
    issued_once,
    voucher_ledgers,
    vouchers_redeemed,
    accepted_is_issued,
    offer_replay,
    complaint_counters,
    *authority_verification.CHECKS,
    *playbook_verification.CHECKS,
    *points_verification.CHECKS,
    *provider_verification.CHECKS,
)
