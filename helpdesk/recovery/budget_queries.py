"""Every select on budgets and their ledgers."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.models import Budget, BudgetEntry
from helpdesk.recovery.queries import with_amount


def paying_budgets(session: Session, team_id: UUID | None, currency: str, day: date) -> Sequence[UUID]:
    """Budgets that may pay, the one that ends first before the others: the team's where it has any, else the firm's."""
    rows = session.execute(
        select(Budget.id, Budget.team_id)
        .where(
            Budget.currency == currency,
            Budget.starts_on <= day,
            Budget.ends_on >= day,
            or_(Budget.team_id.is_(None), Budget.team_id == team_id),
        )
        .order_by(Budget.ends_on, Budget.id)
    ).all()
    own = [row.id for row in rows if row.team_id is not None]
    return own or [row.id for row in rows]


_BUDGET: Final[Any] = select(
    Budget.id,
    Budget.name,
    Budget.team_id,
    Budget.starts_on,
    Budget.ends_on,
    Budget.currency,
    Budget.allocated_minor,
    Budget.reserved_minor,
    Budget.committed_minor,
    Budget.version,
    Budget.created_at,
)
_BY_BUDGET: Final = Order((Budget.id,), (UUID,))
_BY_ENTRY: Final = Order((BudgetEntry.id,), (UUID,))


def _with_sums(row: Mapping[Any, Any]) -> dict[str, Any]:
    shown = dict(row)
    currency = shown["currency"]
    sums = {name: shown.pop(f"{name}_minor") for name in ("allocated", "reserved", "committed")}
    sums["available"] = sums["allocated"] - sums["reserved"] - sums["committed"]
    return shown | {name: (minor, currency) for name, minor in sums.items()}


def list_budgets(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement = _BUDGET
    if "currency" in given:
        statement = statement.where(Budget.currency == given["currency"])
    if "team_id" in given:
        statement = statement.where(Budget.team_id == given["team_id"])
    if "on" in given:
        statement = statement.where(Budget.starts_on <= given["on"], Budget.ends_on >= given["on"])
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
        BudgetEntry.at,
        BudgetEntry.actor_kind,
        BudgetEntry.actor_id,
        BudgetEntry.note,
    ).where(BudgetEntry.budget_id == budget_id)
    rows, cursor, total = listed(session, page, statement, _BY_ENTRY, given)
    return [with_amount({**row, "currency": currency}) for row in rows], cursor, total
