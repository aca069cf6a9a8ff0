"""Checks for `helpdesk verify recovery`: what customers have in points is what the ledger left them."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery.lifecycle import SPENT

_ACCOUNTS: Final = text("""
    SELECT a.id, a.balance_minor, e.found, l.lots
    FROM points_account a
    CROSS JOIN LATERAL (SELECT coalesce(sum(CASE WHEN kind IN ('earn', 'reverse') THEN amount_minor ELSE -amount_minor END), 0)
                        AS found FROM points_entry WHERE account_id = a.id) e
    CROSS JOIN LATERAL (SELECT coalesce(sum(balance_minor), 0) AS lots FROM points_lot WHERE account_id = a.id) l
    WHERE a.balance_minor <> e.found OR a.balance_minor <> l.lots OR a.balance_minor < 0
    ORDER BY a.id
""")


def points_accounts(session: Session) -> Iterator[Violation]:
    """What is on an account is what its ledger left, and what its lots have together."""
    for row in session.execute(_ACCOUNTS):
        detail = f"says {row.balance_minor} are left; its ledger says {row.found}, its lots {row.lots}"
        yield Violation("recovery.points_accounts", f"points account {row.id}", detail)


_LOTS: Final = text("""
    SELECT o.id, o.status, l.balance_minor, l.amount_minor, p.found, p.earned, p.strangers
    FROM points_lot l JOIN offer o ON o.id = l.offer_id CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN e.kind IN ('earn', 'reverse') THEN t.amount_minor ELSE -t.amount_minor END), 0) AS found,
               coalesce(sum(t.amount_minor) FILTER (WHERE e.kind = 'earn'), 0) AS earned,
               count(*) FILTER (WHERE e.account_id <> l.account_id OR (e.offer_id <> o.id)) AS strangers
        FROM points_part t JOIN points_entry e ON e.id = t.entry_id WHERE t.lot_id = l.id) p
    WHERE l.balance_minor <> p.found OR l.balance_minor NOT BETWEEN 0 AND l.amount_minor OR p.strangers > 0
       OR p.earned <> CASE WHEN o.status = ANY(:out) THEN l.amount_minor ELSE 0 END
       OR (o.status = 'reversed' AND l.balance_minor > 0)
    ORDER BY o.id
""")


def points_lots(session: Session) -> Iterator[Violation]:
    """What is left of an offer's points is what the ledger left; they were earned once, when it was issued; nothing is left of
    what was withdrawn.
    """
    for row in session.execute(_LOTS, {"out": sorted(SPENT | {"reversed"})}):
        detail = (
            f"{row.status}: its lot of {row.amount_minor} says {row.balance_minor} are left; the ledger says {row.found}, "
            f"earned {row.earned}"
        )
        if row.strangers:
            detail += f"; {row.strangers} entries of others take part"
        yield Violation("recovery.points_lots", f"offer {row.id}", detail)


_ENTRIES: Final = text("""
    SELECT e.id, e.account_id, e.kind, e.amount_minor, p.parts, b.amount_minor AS burnt, b.kind AS of_kind
    FROM points_entry e
    CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS parts FROM points_part WHERE entry_id = e.id) p
    LEFT JOIN points_entry b ON b.id = e.reverses_id
    WHERE e.amount_minor <> p.parts
       OR (e.kind = 'reverse' AND (b.kind IS DISTINCT FROM 'burn' OR b.amount_minor <> e.amount_minor
                                   OR b.account_id <> e.account_id))
    ORDER BY e.id
""")


def points_entries(session: Session) -> Iterator[Violation]:
    """Every entry is the sum of its parts; what was taken back had been burnt."""
    for row in session.execute(_ENTRIES):
        detail = f"{row.kind} {row.id} of {row.amount_minor} has parts of {row.parts}"
        if row.kind == "reverse":
            detail += f"; it takes back a {row.of_kind} of {row.burnt}"
        yield Violation("recovery.points_entries", f"points account {row.account_id}", detail)


CHECKS: Final[tuple[Check, ...]] = (points_accounts, points_lots, points_entries)
