"""Every select on budgets and their ledgers, and the statements that move money. Budgets are locked last; several of them
in the order of their ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.role_queries import holding
from helpdesk.kernel.access import existing
from helpdesk.kernel.bulk import write_rows
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.budget_models import Budget, BudgetAlert, BudgetEntry
from helpdesk.recovery.lifecycle import RESERVED
from helpdesk.recovery.models import Offer
from helpdesk.recovery.queries import with_amount

_PAYING: Final = text("""
    SELECT id, team_id, allocated_minor + transferred_minor - reserved_minor - committed_minor AS available
    FROM budget
    WHERE currency = :currency AND starts_on <= :day AND ends_on >= :day AND closed_at IS NULL
      AND (team_id IS NULL OR team_id = :team_id)
    ORDER BY ends_on, id
""")


def paying_budgets(session: Session, team_id: UUID | None, currency: str, day: date) -> Sequence[Any]:
    """Budgets that may pay (`id`, `available`), the one that ends first before the others: the team's where it has any, else the
    firm's.
    """
    rows = session.connection().execute(_PAYING, {"currency": currency, "day": day, "team_id": team_id}).all()
    own = [row for row in rows if row.team_id is not None]
    return own or rows


_BUDGETS: Final = Budget.__table__.c
_STATE_TYPES: Final[dict[str, Any]] = {
    "id": _BUDGETS.id.type,
    "used": _BUDGETS.reserved_minor.type,
    "funds": _BUDGETS.allocated_minor.type,
    "available": _BUDGETS.allocated_minor.type,
    "alert_percents": _BUDGETS.alert_percents.type,
    "alerted": _BUDGETS.alerted.type,
    "closed_at": _BUDGETS.closed_at.type,
}
"""Told so that SQLAlchemy need not find out each time what they are."""
_MOVE: Final = text("""
    WITH moved AS (
        UPDATE budget SET reserved_minor = reserved_minor + :reserved, committed_minor = committed_minor + :committed,
                          version = version + 1
        WHERE id = :budget_id AND (CAST(:kind AS text) NOT IN ('reserve', 'overpay') OR closed_at IS NULL
              AND allocated_minor + transferred_minor - reserved_minor - committed_minor >= :amount_minor)
        RETURNING id, reserved_minor + committed_minor AS used, allocated_minor + transferred_minor AS funds,
    allocated_minor + transferred_minor - lapsed_minor - reserved_minor - committed_minor AS available,
    alert_percents, alerted, closed_at
    ), written AS (
        INSERT INTO budget_entry (id, budget_id, kind, amount_minor, offer_id, round, at, actor_kind, actor_id, note)
        SELECT :id, moved.id, CAST(:kind AS text), :amount_minor, :offer_id, :round, :at, :actor_kind, CAST(:actor_id AS uuid),
               CAST(:note AS text)
        FROM moved
    )
    SELECT id, used, funds, available, alert_percents, alerted, closed_at FROM moved
""").columns(**_STATE_TYPES)
_MOVE_SUMS: Final = text("""
    UPDATE budget SET reserved_minor = reserved_minor + :reserved, committed_minor = committed_minor + :committed,
                      version = version + 1
    WHERE id = :budget_id RETURNING id, reserved_minor + committed_minor AS used, allocated_minor + transferred_minor AS funds,
    allocated_minor + transferred_minor - lapsed_minor - reserved_minor - committed_minor AS available,
    alert_percents, alerted, closed_at
""").columns(**_STATE_TYPES)
_MOVES: Final = ("reserved", "committed")


def move(session: Session, entry: Mapping[str, Any]) -> Any:
    """Change the sums and write the ledger's line, in one statement, since the row stays locked until the commit. The row as
    it is then; None for what takes what was not set aside before, and does not fit, or whose budget was closed.
    """
    return session.connection().execute(_MOVE, entry).one_or_none()


def move_many(session: Session, entries: Sequence[Mapping[str, Any]]) -> Any:
    """`move` of several in one budget, none of which asks for room. Their lines are written first: the row is locked for one
    statement. The row after all of them.
    """
    lines = [{name: value for name, value in entry.items() if name not in _MOVES} for entry in entries]
    write_rows(session, {BudgetEntry.__table__: lines})
    sums = {name: sum(entry[name] for entry in entries) for name in _MOVES}
    return session.connection().execute(_MOVE_SUMS, {"budget_id": entries[0]["budget_id"], **sums}).one()


def set_alerted(session: Session, budget_id: UUID, percents: list[int]) -> None:
    session.execute(
        update(Budget)
        .where(Budget.id == budget_id)
        .values(alerted=percents)
        .execution_options(synchronize_session=False)
    )


def add_alert(session: Session, row: Mapping[str, Any]) -> None:
    session.execute(insert(BudgetAlert), row)


def end_alerts(session: Session, budget_id: UUID, percents: Sequence[int], now: datetime) -> None:
    session.execute(
        update(BudgetAlert)
        .where(BudgetAlert.budget_id == budget_id, BudgetAlert.percent.in_(percents), BudgetAlert.fell_at.is_(None))
        .values(fell_at=now)
        .execution_options(synchronize_session=False)
    )


def alert_for_update(session: Session, alert_id: UUID) -> tuple[BudgetAlert, Budget] | None:
    """An alert that is to be told, locked, and its budget, not locked: its name is all that is wanted of it."""
    row = session.execute(
        select(BudgetAlert, Budget)
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .where(BudgetAlert.id == alert_id, BudgetAlert.told_at.is_(None))
        .with_for_update(of=BudgetAlert)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def managers(session: Session, limit: int = 100) -> Sequence[UUID]:
    """Active agents who may manage budgets."""
    return session.scalars(holding("budget:manage").limit(limit)).all()


_BUDGET: Final[Any] = select(
    Budget.id,
    Budget.name,
    Budget.team_id,
    Budget.starts_on,
    Budget.ends_on,
    Budget.currency,
    Budget.allocated_minor,
    Budget.transferred_minor,
    Budget.lapsed_minor,
    Budget.reserved_minor,
    Budget.committed_minor,
    Budget.alert_percents,
    Budget.alerted,
    Budget.closed_at,
    Budget.closed_reason,
    Budget.closed_by,
    Budget.successor_id,
    Budget.carries,
    Budget.version,
    Budget.created_at,
)
_BY_BUDGET: Final = Order((Budget.id,), (UUID,))
_BY_ENTRY: Final = Order((BudgetEntry.id,), (UUID,))
_BY_ALERT: Final = Order((BudgetAlert.id,), (UUID,), descending=True)
_SUMS: Final = ("allocated", "transferred", "lapsed", "reserved", "committed")


def _with_sums(row: Mapping[Any, Any]) -> dict[str, Any]:
    shown = dict(row)
    currency = shown["currency"]
    sums = {name: shown.pop(f"{name}_minor") for name in _SUMS}
    funds = sums["allocated"] + sums["transferred"]
    sums["available"] = funds - sums["lapsed"] - sums["reserved"] - sums["committed"]
    return shown | {name: (minor, currency) for name, minor in sums.items()}


def list_budgets(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement = _BUDGET
    if "currency" in given:
        statement = statement.where(Budget.currency == given["currency"])
    if "team_id" in given:
        statement = statement.where(Budget.team_id == given["team_id"])
    if "on" in given:
        open_then = (Budget.starts_on <= given["on"], Budget.ends_on >= given["on"], Budget.closed_at.is_(None))
        statement = statement.where(*open_then)
    if "closed" in given:
        closed = Budget.closed_at.is_not(None)
        statement = statement.where(closed if given["closed"] else ~closed)
    rows, cursor, total = listed(session, page, statement, _BY_BUDGET, given)
    return [_with_sums(row) for row in rows], cursor, total


def budget_detail(session: Session, budget_id: UUID) -> dict[str, Any]:
    row = session.execute(_BUDGET.where(Budget.id == budget_id)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _with_sums(row)


def budget_for_update(session: Session, _actor: Actor, budget_id: UUID) -> Budget:
    return existing(
        session.execute(select(Budget).where(Budget.id == budget_id).with_for_update()).scalar_one_or_none()
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """A budget and the other one that is named with it, both locked; `other` None: none is named, or there is no such."""

    budget: Budget
    other: Budget | None

    @property
    def version(self) -> int:
        return self.budget.version

    @property
    def etag(self) -> str:
        return self.budget.etag


def pair_for_update(session: Session, budget_id: UUID, other_id: UUID | None) -> Pair:
    """Raises `NotFound` for the first."""
    named = {budget_id, other_id or budget_id}
    locked = select(Budget).where(Budget.id.in_(named)).order_by(Budget.id).with_for_update()
    rows = {row.id: row for row in session.scalars(locked)}
    return Pair(existing(rows.get(budget_id)), None if other_id is None else rows.get(other_id))


def heir(session: Session, budget_id: UUID) -> UUID | None:
    """Where the money of a closed budget goes: the first open one in the row of successors; None: it lapses."""
    row = session.execute(_HEIR, {"budget_id": budget_id}).one_or_none()
    return None if row is None else row.id


_HEIR: Final = text("""
    WITH RECURSIVE line (id, closed_at, successor_id) AS (
        SELECT id, closed_at, successor_id FROM budget WHERE id = :budget_id
        UNION
        SELECT b.id, b.closed_at, b.successor_id FROM line JOIN budget b ON b.id = line.successor_id
        WHERE line.closed_at IS NOT NULL
    )
    SELECT id FROM line WHERE closed_at IS NULL AND id <> :budget_id
""")


def carries(session: Session, budget_id: UUID) -> bool:
    """Whether a closed budget's reservations go on into its successor."""
    found = select(Budget.id).where(Budget.id == budget_id, Budget.closed_at.is_not(None), Budget.carries)
    return session.execute(found).first() is not None


def offers_paid_by(session: Session, budget_id: UUID) -> Sequence[UUID]:
    """Offers for which it has money set aside."""
    found = select(Offer.id).where(
        Offer.budget_id == budget_id, Offer.status.in_(RESERVED), Offer.amount_minor.is_not(None)
    )
    return session.scalars(found.order_by(Offer.id)).all()


def same_budget(session: Session, given: Mapping[str, Any]) -> UUID | None:
    return session.execute(
        select(Budget.id).where(
            Budget.team_id.is_not_distinct_from(given.get("team_id")),
            Budget.starts_on == given["starts_on"],
            Budget.ends_on == given["ends_on"],
            Budget.currency == given["currency"],
            Budget.name == given["name"],
        )
    ).scalar_one_or_none()


def list_entries(session: Session, page: Page, given: dict[str, Any], budget_id: UUID) -> Listed:
    """The ledger, oldest first."""
    currency = budget_detail(session, budget_id)["currency"]
    statement: Any = select(
        BudgetEntry.id,
        BudgetEntry.kind,
        BudgetEntry.amount_minor,
        BudgetEntry.offer_id,
        BudgetEntry.round,
        BudgetEntry.transfer_id,
        BudgetEntry.other_budget_id,
        BudgetEntry.at,
        BudgetEntry.actor_kind,
        BudgetEntry.actor_id,
        BudgetEntry.note,
    ).where(BudgetEntry.budget_id == budget_id)
    rows, cursor, total = listed(session, page, statement, _BY_ENTRY, given)
    return [with_amount({**row, "currency": currency}) for row in rows], cursor, total


def list_alerts(session: Session, page: Page, given: dict[str, Any], budget_id: UUID) -> Listed:
    """Newest first."""
    currency = budget_detail(session, budget_id)["currency"]
    statement: Any = select(
        BudgetAlert.id,
        BudgetAlert.percent,
        BudgetAlert.at,
        BudgetAlert.used_minor,
        BudgetAlert.funds_minor,
        BudgetAlert.told_at,
        BudgetAlert.fell_at,
    ).where(BudgetAlert.budget_id == budget_id)
    rows, cursor, total = listed(session, page, statement, _BY_ALERT, given)
    shown = [{**row, "used": (row["used_minor"], currency), "funds": (row["funds_minor"], currency)} for row in rows]
    return shown, cursor, total


_SPENT: Final = text("""
    SELECT at::date AS day, sum(CASE kind WHEN 'reverse' THEN -amount_minor ELSE amount_minor END) AS spent, count(*) AS entries
    FROM budget_entry
    WHERE budget_id = :budget_id AND kind IN ('commit', 'reverse', 'overpay') AND at >= :first AND at < CAST(:last AS date) + 1
    GROUP BY at::date ORDER BY at::date
""")


def spent_by_day(session: Session, budget_id: UUID, first: date, last: date) -> dict[date, tuple[int, int]]:
    """Of the days (UTC, as sessions are) from the first to the last that have entries: what was spent less what came back, in
    minor units, and how many entries that rests on.
    """
    rows = session.execute(_SPENT, {"budget_id": budget_id, "first": first, "last": last})
    return {row.day: (int(row.spent), row.entries) for row in rows}
