"""Checks for `helpdesk verify recovery`: what providers were asked, said and did is the story that the offers tell."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery.kinds import OUTSIDE
from helpdesk.recovery.lifecycle import SPENT

_ISSUED_OUTSIDE: Final = text("""
    SELECT o.id, o.kind, o.status, o.issued_reference, count(p.id) FILTER (WHERE p.state = 'issued') AS issued,
           bool_or(p.reference = o.issued_reference) AS same,
           EXISTS (SELECT FROM offer_transition t WHERE t.offer_id = o.id AND t.action = 'record_issued'
                   AND t.given ->> 'reference' = o.issued_reference) AS by_hand
    FROM offer o LEFT JOIN remedy_order p ON p.offer_id = o.id
    WHERE o.kind = ANY(:outside) AND (p.id IS NOT NULL OR o.status = ANY(:spent))
    GROUP BY o.id
    HAVING count(p.id) FILTER (WHERE p.state = 'issued') > 1
        OR (o.status = ANY(:spent) AND NOT coalesce(bool_or(p.reference = o.issued_reference), false)
            AND NOT EXISTS (SELECT FROM offer_transition t WHERE t.offer_id = o.id AND t.action = 'record_issued'
                            AND t.given ->> 'reference' = o.issued_reference))
        OR (o.status <> ALL(:may_have) AND count(p.id) FILTER (WHERE p.state = 'issued') > 0)
    ORDER BY o.id
""")


def issued_outside(session: Session) -> Iterator[Violation]:
    """What was issued outside names one issuance, of its provider or of who did it by hand; nothing was issued unrecorded."""
    sets = {"outside": sorted(OUTSIDE), "spent": sorted(SPENT), "may_have": sorted(SPENT | {"reversed"})}
    for row in session.execute(_ISSUED_OUTSIDE, sets):
        detail = f"{row.kind} {row.status} with {row.issued} issuances of providers"
        if row.status in SPENT and not row.same and not row.by_hand:
            detail += f", and nobody issued {row.issued_reference!r}"
        yield Violation("recovery.issued_outside", f"offer {row.id}", detail)


_ORDERS: Final = text("""
    SELECT o.id, o.status, o.issuance, o.round, p.round AS asked, p.state FROM remedy_order p JOIN offer o ON o.id = p.offer_id
    WHERE p.round > o.round
       OR (p.closed_at IS NULL AND (o.status <> 'issuing' OR p.round <> o.round))
       OR (o.status = 'issuing' AND p.round = o.round AND p.closed_at IS NULL
           AND (p.state = 'unknown') <> (o.issuance = 'unknown'))
    UNION ALL
    SELECT o.id, o.status, o.issuance, o.round, NULL, NULL FROM offer o
    WHERE o.kind = ANY(:outside) AND o.issuance IN ('automatic', 'unknown') AND NOT EXISTS (
        SELECT FROM remedy_order p WHERE p.offer_id = o.id AND p.round = o.round AND p.closed_at IS NULL)
    ORDER BY 1
""")


def orders_follow_offers(session: Session) -> Iterator[Violation]:
    """A provider is asked for what is being issued, and for nothing else; what nobody knows is unknown in both books."""
    for row in session.execute(_ORDERS, {"outside": sorted(OUTSIDE)}):
        asked = "and nobody is asked" if row.asked is None else f"and its order of round {row.asked} is {row.state}"
        detail = f"{row.status} ({row.issuance or 'settled'}) in round {row.round}, {asked}"
        yield Violation("recovery.orders_follow_offers", f"offer {row.id}", detail)


_RECORDED: Final = text("""
    SELECT o.offer_id AS id, r.reference FROM recorded_remedy r LEFT JOIN remedy_order o ON o.key = r.key
    WHERE o.id IS NULL OR (o.state = 'issued' AND o.reference <> r.reference) OR o.state = 'refused' ORDER BY r.id
""")


def recorded_is_issued(session: Session) -> Iterator[Violation]:
    """What the recording provider was asked is what it is said to have done."""
    for row in session.execute(_RECORDED):
        yield Violation(
            "recovery.recorded_is_issued", f"offer {row.id}", f"{row.reference} was recorded, and not issued"
        )


CHECKS: Final[tuple[Check, ...]] = (issued_outside, orders_follow_offers, recorded_is_issued)
