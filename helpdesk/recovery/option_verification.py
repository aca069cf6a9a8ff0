"""A check for `helpdesk verify`: an offer with several options has the terms of the dearest, or of the one that was chosen."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Violation
from helpdesk.recovery.lifecycle import UNANSWERED
from helpdesk.recovery.option_terms import COLUMNS

_SAME: Final = " AND ".join(f"p.{name} IS NOT DISTINCT FROM o.{name}" for name in COLUMNS)
_OPTIONS: Final = text(f"""
    SELECT o.id, o.status, o.chosen_option, e.count, e.numbered, e.currencies, e.same, e.dearest, e.taken
    FROM offer o CROSS JOIN LATERAL (
        SELECT count(*) AS count, coalesce(max(number) = count(*), true) AS numbered,
               count(DISTINCT currency) AS currencies,
               coalesce(bool_or({_SAME}), false) AS same,
               coalesce(bool_or({_SAME} AND p.number = o.chosen_option), false) AS taken,
               coalesce(max(amount_minor), 0) = coalesce(o.amount_minor, 0) AS dearest
        FROM offer_option p WHERE p.offer_id = o.id) e
    WHERE (e.count > 0 OR o.chosen_option IS NOT NULL)
      AND (e.count < 2 OR NOT e.numbered OR e.currencies > 1
           OR CASE WHEN o.chosen_option IS NULL
                   THEN NOT (e.same AND e.dearest) OR EXISTS (
                       SELECT FROM offer_transition t WHERE t.offer_id = o.id AND t.action = 'accept')
                   ELSE NOT e.taken OR o.status = ANY(:unanswered) END)
    ORDER BY o.id
""")  # noqa: S608  # the names of columns are ours


def offer_options(session: Session) -> Iterator[Violation]:
    for row in session.execute(_OPTIONS, {"unanswered": sorted(UNANSWERED)}):
        whose = f"option {row.chosen_option}" if row.chosen_option else "the dearest"
        fits = row.taken if row.chosen_option else row.same and row.dearest
        detail = f"{row.status} with {row.count} options; its terms are {'' if fits else 'not '}those of {whose}"
        if not row.numbered or row.currencies > 1:
            detail += f"; numbered with gaps, or in {row.currencies} currencies"
        yield Violation("recovery.offer_options", f"offer {row.id}", detail)
