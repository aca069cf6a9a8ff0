"""Checks for `helpdesk verify budgets`: the ledger proves itself, and what is told follows from it.

Each check reads with plain statements and names every row that breaks its promise. What a healthy database keeps by its
constraints is checked all the same: a restored dump or a hand on the console may have lost them.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery.budget_alerts import TELL
from helpdesk.recovery.lifecycle import RESERVED, SPENT
from helpdesk.recovery.reservations import SETTLE_CLOSED

_SUMS: Final = text("""
    SELECT b.id, b.allocated_minor, b.transferred_minor, b.lapsed_minor, b.reserved_minor, b.committed_minor,
           e.allocated, e.transferred, e.lapsed, e.reserved, e.committed
    FROM budget b CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_minor) FILTER (WHERE kind = 'allocate'), 0)
               - coalesce(sum(amount_minor) FILTER (WHERE kind = 'withdraw'), 0) AS allocated,
               coalesce(sum(amount_minor) FILTER (WHERE kind IN ('transfer_in', 'carry_in')), 0)
               - coalesce(sum(amount_minor) FILTER (WHERE kind IN ('transfer_out', 'carry_out')), 0) AS transferred,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'lapse'), 0) AS lapsed,
               coalesce(sum(amount_minor) FILTER (WHERE kind IN ('reserve', 'carry_in')), 0)
               - coalesce(sum(amount_minor) FILTER (WHERE kind IN ('commit', 'release', 'reduce', 'carry_out')), 0) AS reserved,
               coalesce(sum(amount_minor) FILTER (WHERE kind IN ('commit', 'overpay')), 0)
               - coalesce(sum(amount_minor) FILTER (WHERE kind = 'reverse'), 0) AS committed
        FROM budget_entry WHERE budget_id = b.id) e
    WHERE (b.allocated_minor, b.transferred_minor, b.lapsed_minor, b.reserved_minor, b.committed_minor)
          <> (e.allocated, e.transferred, e.lapsed, e.reserved, e.committed)
       OR b.allocated_minor + b.transferred_minor - b.lapsed_minor - b.reserved_minor - b.committed_minor < 0
    ORDER BY b.id
""")


def budget_sums(session: Session) -> Iterator[Violation]:
    """The sums on a budget are those of its ledger, and leave nothing below zero."""
    for row in session.execute(_SUMS):
        kept = (
            f"allocated {row.allocated_minor}, transferred {row.transferred_minor}, lapsed {row.lapsed_minor}, "
            f"reserved {row.reserved_minor}, committed {row.committed_minor}"
        )
        found = f"{row.allocated}, {row.transferred}, {row.lapsed}, {row.reserved}, {row.committed}"
        yield Violation("budgets.budget_sums", f"budget {row.id}", f"says {kept}; its ledger says {found}")


_MONEY: Final = text("""
    SELECT o.id, o.status, o.budget_id, coalesce(o.amount_minor, 0) AS amount, e.reserved, e.committed, e.set_aside, e.spent,
           e.strange, e.elsewhere, b.currency <> o.currency AS foreign
    FROM offer o LEFT JOIN budget b ON b.id = o.budget_id CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE kind = 'reserve') - count(*) FILTER (WHERE kind IN ('commit', 'release')) AS reserved,
               count(*) FILTER (WHERE kind = 'commit') - count(*) FILTER (WHERE kind = 'reverse') AS committed,
               count(*) FILTER (WHERE kind = 'commit') AS commits,
               coalesce(sum(amount_minor) FILTER (WHERE kind IN ('reserve', 'carry_in')), 0)
               - coalesce(sum(amount_minor) FILTER (WHERE kind IN ('commit', 'release', 'reduce', 'carry_out')), 0)
                   AS set_aside,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'commit'), 0)
               - coalesce(sum(amount_minor) FILTER (WHERE kind = 'reverse'), 0) AS spent,
               (SELECT count(*) FROM (
                   SELECT FROM budget_entry r WHERE r.offer_id = o.id GROUP BY r.round
                   HAVING sum(CASE kind WHEN 'reserve' THEN amount_minor WHEN 'reduce' THEN -amount_minor ELSE 0 END)
                          <> coalesce(o.amount_minor, 0)
                       OR bool_or(kind IN ('commit', 'release', 'reverse', 'overpay') AND amount_minor IS DISTINCT FROM o.amount_minor))
                   x) AS strange,
               (SELECT count(*) FROM (
                   SELECT FROM budget_entry x WHERE x.offer_id = o.id AND x.budget_id IS DISTINCT FROM o.budget_id
                   GROUP BY x.budget_id
                   HAVING coalesce(sum(amount_minor) FILTER (WHERE kind IN ('reserve', 'carry_in')), 0)
                          <> coalesce(sum(amount_minor) FILTER (WHERE kind IN ('commit', 'release', 'reduce', 'carry_out')), 0)
                       OR count(*) FILTER (WHERE kind = 'commit') <> count(*) FILTER (WHERE kind = 'reverse')) a) AS elsewhere
        FROM budget_entry WHERE offer_id = o.id) e
    WHERE e.strange > 0 OR e.elsewhere > 0 OR e.commits > 1 OR (b.currency <> o.currency)
       OR e.set_aside <> CASE WHEN o.status = ANY(:reserved) THEN coalesce(o.amount_minor, 0) ELSE 0 END
       OR e.spent <> CASE WHEN o.status = ANY(:spent) THEN coalesce(o.amount_minor, 0) ELSE 0 END
    ORDER BY o.id
""")


def offer_money(session: Session) -> Iterator[Violation]:
    """What is promised is reserved once, in the budget that the offer names; what was issued is committed once; the rest holds no
    money. What was paid beside that is as much again. In each round the amount of the offer is set aside, less what was freed when
    the customer took what costs less.
    """
    for row in session.execute(_MONEY, {"reserved": sorted(RESERVED), "spent": sorted(SPENT)}):
        detail = (
            f"{row.status} with {row.reserved} open reservations and {row.committed} commitments, by budget {row.budget_id}: "
            f"of {row.amount} minor units {row.set_aside} are set aside and {row.spent} spent"
        )
        if row.strange:
            detail += f"; entries of another amount in {row.strange} rounds"
        if row.elsewhere:
            detail += "; money of it lies in another budget"
        if row.foreign:
            detail += "; the budget is in another currency"
        yield Violation("budgets.offer_money", f"offer {row.id}", detail)


_SETTLED: Final = text("""
    SELECT offer_id, round, min(budget_id::text) AS budget_id, count(*) FILTER (WHERE kind = 'reserve') AS reserved,
           count(*) FILTER (WHERE kind IN ('commit', 'release')) AS settled
    FROM budget_entry WHERE offer_id IS NOT NULL
    GROUP BY offer_id, round
    HAVING count(*) FILTER (WHERE kind = 'reserve') <> 1 OR count(*) FILTER (WHERE kind IN ('commit', 'release')) > 1
    ORDER BY offer_id, round
""")


def settled_once(session: Session) -> Iterator[Violation]:
    """Money is set aside once for each round of an offer, and that is settled at most once."""
    for row in session.execute(_SETTLED):
        detail = (
            f"round {row.round}: {row.reserved} times reserved, {row.settled} times settled, in budget {row.budget_id}"
        )
        yield Violation("budgets.settled_once", f"offer {row.offer_id}", detail)


_TRANSFERS: Final = text("""
    SELECT e.id, e.budget_id, e.kind, e.transfer_id, e.offer_id, o.id AS other
    FROM budget_entry e LEFT JOIN budget_entry o
      ON o.transfer_id = e.transfer_id AND o.id <> e.id AND o.budget_id = e.other_budget_id AND o.other_budget_id = e.budget_id
     AND o.amount_minor = e.amount_minor AND o.offer_id IS NOT DISTINCT FROM e.offer_id
     AND o.round IS NOT DISTINCT FROM e.round
     AND (o.kind, e.kind) IN (('transfer_in', 'transfer_out'), ('transfer_out', 'transfer_in'),
                              ('carry_in', 'carry_out'), ('carry_out', 'carry_in'))
     AND (SELECT count(DISTINCT currency) FROM budget WHERE id IN (e.budget_id, o.budget_id)) = 1
    WHERE e.kind IN ('transfer_out', 'transfer_in', 'carry_out', 'carry_in')
      AND (o.id IS NULL OR (SELECT count(*) FROM budget_entry t WHERE t.transfer_id = e.transfer_id) <> 2)
    ORDER BY e.transfer_id, e.id
""")


def transfers_pair_up(session: Session) -> Iterator[Violation]:
    """What went out of one budget came into another of the same currency, once."""
    for row in session.execute(_TRANSFERS):
        offer = f" for offer {row.offer_id}" if row.offer_id else ""
        detail = f"its {row.kind} {row.id}{offer} is not one of two that match, of transfer {row.transfer_id}"
        yield Violation("budgets.transfers_pair_up", f"budget {row.budget_id}", detail)


_ALERTS: Final = text("""
    SELECT b.id, b.alerted, s.should, r.rows, d.untold
    FROM budget b
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT p ORDER BY p), '{}') AS should FROM unnest(b.alert_percents) AS p
        WHERE b.closed_at IS NULL AND b.allocated_minor + b.transferred_minor > 0
          AND (b.reserved_minor + b.committed_minor) * 100 >= p * (b.allocated_minor + b.transferred_minor)) s
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(percent ORDER BY percent), '{}') AS rows FROM budget_alert
        WHERE budget_id = b.id AND fell_at IS NULL) r
    CROSS JOIN LATERAL (
        SELECT count(*) AS untold FROM budget_alert a WHERE a.budget_id = b.id AND a.told_at IS NULL AND NOT EXISTS (
            SELECT FROM duty WHERE topic = :tell AND subject_id = a.id AND done_at IS NULL AND dead_at IS NULL)) d
    WHERE b.alerted <> s.should OR r.rows <> s.should OR d.untold > 0
    ORDER BY b.id
""")


def alerts_stand(session: Session) -> Iterator[Violation]:
    """The thresholds that a budget's use has reached are those that were told, or are owed to be."""
    for row in session.execute(_ALERTS, {"tell": TELL}):
        detail = f"its use has reached {row.should}; the row says {row.alerted}, the alerts {row.rows}"
        if row.untold:
            detail += f"; {row.untold} were not told, and nobody owes it"
        yield Violation("budgets.alerts_stand", f"budget {row.id}", detail)


_CLOSED: Final = text("""
    SELECT b.id, b.allocated_minor + b.transferred_minor - b.lapsed_minor - b.reserved_minor - b.committed_minor AS available,
           CASE WHEN b.carries AND EXISTS (
               WITH RECURSIVE line (id, closed_at, successor_id) AS (
                   SELECT b.id, b.closed_at, b.successor_id
                   UNION SELECT n.id, n.closed_at, n.successor_id FROM line JOIN budget n ON n.id = line.successor_id
                   WHERE line.closed_at IS NOT NULL)
               SELECT FROM line WHERE line.closed_at IS NULL)
           THEN b.reserved_minor ELSE 0 END AS to_carry
    FROM budget b
    WHERE b.closed_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM duty WHERE topic = :settle AND subject_id = b.id AND done_at IS NULL AND dead_at IS NULL)
    ORDER BY b.id
""")


def closed_are_empty(session: Session) -> Iterator[Violation]:
    """A closed budget has nothing left but what is set aside, and nothing that was to be carried on; or somebody owes that."""
    for row in session.execute(_CLOSED, {"settle": SETTLE_CLOSED}):
        if row.available or row.to_carry:
            detail = (
                f"closed, with {row.available} minor units left and {row.to_carry} to be carried into its successor"
            )
            yield Violation("budgets.closed_are_empty", f"budget {row.id}", detail)


CHECKS: Final[tuple[Check, ...]] = (
    budget_sums,
    offer_money,
    settled_once,
    transfers_pair_up,
    alerts_stand,
    closed_are_empty,
)
