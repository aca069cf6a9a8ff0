"""A check for `helpdesk verify`: what a customer was told of an offer's money adds up to what it gives them."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Violation
from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.lifecycle import SHOWN_TO_CUSTOMER

_BREAKDOWNS: Final = text("""
    SELECT o.id, o.status, t.number, t.goodwill, s.owed, coalesce(p.kind, o.kind) AS kind,
           CASE WHEN p.id IS NULL THEN o.amount_minor ELSE p.amount_minor END AS minor,
           o.status = ANY(:shown) AS sent, p.id IS NOT NULL OR (t.number = 1 AND e.alone) AS there
    FROM offer o
    CROSS JOIN LATERAL (SELECT NOT EXISTS (SELECT FROM offer_option x WHERE x.offer_id = o.id) AS alone) e
    CROSS JOIN LATERAL jsonb_array_elements(o.breakdown) b
    CROSS JOIN LATERAL (SELECT (b ->> 'number')::int AS number, (b ->> 'goodwill')::bigint AS goodwill) t
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((line ->> 'minor')::bigint), 0) AS owed FROM jsonb_array_elements(b -> 'lines') line) s
    LEFT JOIN offer_option p ON p.offer_id = o.id AND p.number = t.number
    ORDER BY o.id, t.number
""")


def offer_breakdowns(session: Session) -> Iterator[Violation]:
    for row in session.execute(_BREAKDOWNS, {"shown": sorted(SHOWN_TO_CUSTOMER)}):
        if not row.sent:
            wrong: str | None = f"kept, though it is {row.status}"
        elif not row.there:
            wrong = "of an option that there is not"
        else:
            wrong = _wrong(row.owed, row.goodwill, row.minor, row.kind)
        if wrong is not None:
            yield Violation("recovery.offer_breakdowns", f"offer {row.id}", f"option {row.number}: {wrong}")


def _wrong(owed: int, goodwill: int | None, minor: int | None, kind: str) -> str | None:
    """In minor units."""
    if owed and kind not in SETTLES:
        return f"{owed} of it was told as owed, and {kind} pays nothing that is owed"
    if (goodwill is None and owed > (minor or 0)) or (goodwill is not None and owed + goodwill != minor):
        return f"{owed} told as owed and {goodwill} as goodwill, of {minor}"
    return None
