"""Checks for `helpdesk verify`: counter-offers and the offers that answer them, and copies of what came to nothing."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Violation
from helpdesk.recovery.lifecycle import COPIED, ENDED

_COUNTERS: Final = text("""
    SELECT o.id, o.status, o.counters, c.count, c.open
    FROM offer o CROSS JOIN LATERAL (
        SELECT count(*) AS count, count(*) FILTER (WHERE outcome IS NULL) AS open
        FROM offer_counter WHERE offer_id = o.id) c
    WHERE o.counters <> c.count OR c.open <> CASE WHEN o.status = 'countered' THEN 1 ELSE 0 END
    ORDER BY o.id
""")
_REPLACED: Final = text("""
    SELECT o.id, p.id AS predecessor, p.status, p.complaint_id = o.complaint_id AS same
    FROM offer o JOIN offer p ON p.id = o.successor_of
    WHERE p.complaint_id <> o.complaint_id OR (o.valid_until IS NOT NULL AND p.status <> ALL(:ended))
    ORDER BY o.id
""")


def offer_counters(session: Session) -> Iterator[Violation]:
    """An offer has as many counter-offers as it counts, and an open one exactly while it is countered; an offer that was put
    before the customer instead of another is alone.
    """
    for row in session.execute(_COUNTERS):
        detail = f"{row.status}, counts {row.counters} counter-offers; there are {row.count}, {row.open} of them open"
        yield Violation("recovery.offer_counters", f"offer {row.id}", detail)
    for row in session.execute(_REPLACED, {"ended": sorted(ENDED)}):
        where = "" if row.same else ", and is on another complaint"
        yield Violation(
            "recovery.offer_counters", f"offer {row.id}", f"replaces {row.predecessor}, which is {row.status}{where}"
        )


_COPIED: Final = text("""
    SELECT o.id, f.id AS first, f.status FROM offer o JOIN offer f ON f.id = o.copied_from
    WHERE f.status <> ALL(:copied) ORDER BY o.id
""")


def offer_copies(session: Session) -> Iterator[Violation]:
    """Only what came to nothing was drafted anew; it may be on another complaint since, with one that was merged."""
    for row in session.execute(_COPIED, {"copied": sorted(COPIED)}):
        yield Violation("recovery.offer_copies", f"offer {row.id}", f"is a copy of {row.first}, which is {row.status}")
