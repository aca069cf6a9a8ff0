"""Checks for `helpdesk verify`: what the guards say of themselves is so."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation

_REVIEWS: Final = text("""
    SELECT r.id, r.score, (g.content ->> 'threshold')::int AS threshold, o.drafted_by = r.settled_by AS own,
           r.state = 'open' AND (c.vulnerable OR c.safety) AS of_protected
    FROM claim_review r JOIN offer o ON o.id = r.offer_id JOIN guard_rules g ON g.number = r.rules
    JOIN complaint c ON c.id = r.complaint_id
    WHERE o.drafted_by = r.settled_by OR r.score < (g.content ->> 'threshold')::int
        OR (r.state = 'open' AND (c.vulnerable OR c.safety))
    ORDER BY r.id
""")


def claim_reviews(session: Session) -> Iterator[Violation]:
    """A review was asked for by its score, nobody settled one of their own offer, and none is open where a need or a danger is
    recorded.
    """
    for row in session.execute(_REVIEWS):
        if row.of_protected:
            yield Violation("recovery.claim_reviews", f"review {row.id}", "open, though a need or a danger is recorded")
        if row.own:
            yield Violation("recovery.claim_reviews", f"review {row.id}", "settled by whoever drafted the offer")
        if row.score is not None and row.score < row.threshold:
            detail = f"a score of {row.score}, below the threshold of {row.threshold} of its rules"
            yield Violation("recovery.claim_reviews", f"review {row.id}", detail)


_PASSED: Final = text("""
    SELECT r.id, o.id AS offer_id FROM claim_review r JOIN offer o ON o.id = r.offer_id
    JOIN complaint c ON c.id = r.complaint_id
    WHERE r.state = 'open' AND o.granted_at >= r.created_at AND o.status NOT IN ('drafted', 'pending_approval')
      AND NOT c.vulnerable AND NOT c.safety AND o.amount_minor > 0 AND coalesce((o.suggestion #>> '{owed,amount}')::numeric, 0) = 0
    ORDER BY r.id
""")


def nothing_passed_review(session: Session) -> Iterator[Violation]:
    """An offer of which nothing is owed was not approved while its review was open."""
    for row in session.execute(_PASSED):
        detail = f"offer {row.offer_id} was approved though nobody had looked at it"
        yield Violation("recovery.nothing_passed_review", f"review {row.id}", detail)


_OVERRIDES: Final = text("""
    SELECT d.id, d.offer_id, jsonb_array_length(d.found) AS found, count(o.id) AS there
    FROM duplicate_override d
    LEFT JOIN LATERAL jsonb_array_elements(d.found) f ON true LEFT JOIN offer o ON o.id = (f ->> 'offer_id')::uuid
    GROUP BY d.id HAVING jsonb_array_length(d.found) = 0 OR count(o.id) <> jsonb_array_length(d.found)
    ORDER BY d.id
""")


def duplicate_overrides(session: Session) -> Iterator[Violation]:
    """What an override went by is there."""
    for row in session.execute(_OVERRIDES):
        detail = f"names {row.found} offers for the same matter, of which {row.there} are there"
        yield Violation("recovery.duplicate_overrides", f"offer {row.offer_id}", detail)


_GAPS: Final = text("SELECT max(number) AS newest, count(*) AS versions FROM guard_rules")


def guard_rules(session: Session) -> Iterator[Violation]:
    """The guards' numbers have every version, from the first on."""
    row = session.execute(_GAPS).one()
    if row.versions == 0 or row.newest != row.versions:
        detail = f"{row.versions} versions, the newest is number {row.newest}"
        yield Violation("recovery.guard_rules", "guard_rules", detail)


CHECKS: Final[tuple[Check, ...]] = (claim_reviews, nothing_passed_review, duplicate_overrides, guard_rules)
