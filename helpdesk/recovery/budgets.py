"""What people do to budgets: open, change, allocate, withdraw, transfer. Each budget is locked; closing is in `budget_closing`, and what
offers do to budgets in `reservations`.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import MAX_MINOR, Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_alerts, budget_ledger, budget_queries
from helpdesk.recovery.budget_arithmetic import DEFAULT_ALERTS
from helpdesk.recovery.budget_errors import BudgetExists, BudgetIsClosed, TransferTooLarge, WithdrawalTooLarge
from helpdesk.recovery.budget_events import (
    BudgetAllocated,
    BudgetChanged,
    BudgetOpened,
    BudgetTransferred,
    BudgetWithdrawn,
)
from helpdesk.recovery.budget_models import Budget
from helpdesk.recovery.budget_queries import Pair


def open_budget(uow: UnitOfWork, given: dict[str, Any]) -> UUID:
    """`given`: name, currency, starts_on, ends_on, team_id or None for the firm's, alert_percents. It begins empty."""
    team_id = given.get("team_id")
    if team_id is not None and not identity.active_team(uow.session, team_id):
        raise ValidationFailed(errors=[FieldError.at("/team_id", "unknown", "There is no such active team.")])
    _refuse_same(uow, given)
    budget = Budget(
        id=new_id(),
        version=1,
        name=given["name"],
        team_id=team_id,
        starts_on=given["starts_on"],
        ends_on=given["ends_on"],
        currency=given["currency"],
        alert_percents=sorted(given.get("alert_percents", DEFAULT_ALERTS)),
        alerted=[],
    )
    uow.session.add(budget)
    record_administration(
        uow,
        BudgetOpened(
            budget_id=budget.id,
            currency=budget.currency,
            name=budget.name,
            team_id=team_id,
            starts_on=budget.starts_on.isoformat(),
            ends_on=budget.ends_on.isoformat(),
            alert_percents=budget.alert_percents,
        ),
    )
    return budget.id


def _refuse_same(uow: UnitOfWork, given: dict[str, Any]) -> None:
    found = budget_queries.same_budget(uow.session, given)
    if found is not None:
        raise BudgetExists(budget_id=found)


def check_open(_session: Session, _actor: Actor, row: Budget | Pair) -> None:
    """Raises `BudgetIsClosed`."""
    budget = row.budget if isinstance(row, Pair) else row
    if budget.closed_at is not None:
        raise BudgetIsClosed(closed_at=budget.closed_at, successor_id=budget.successor_id)


def change(uow: UnitOfWork, budget: Budget, given: dict[str, Any]) -> UUID:
    """`given`: name, alert_percents; what is as it was changes nothing."""
    before = {name: getattr(budget, name) for name in given}
    after = {name: sorted(value) if name == "alert_percents" else value for name, value in given.items()}
    changes = {name: [before[name], after[name]] for name in given if before[name] != after[name]}
    if not changes:
        return budget.id
    if "name" in changes:
        period = {name: getattr(budget, name) for name in ("team_id", "starts_on", "ends_on", "currency")}
        _refuse_same(uow, period | {"name": after["name"]})
    for name, value in after.items():
        setattr(budget, name, value)
    budget.touch()
    budget_alerts.keep_up(uow, budget)
    record_administration(uow, BudgetChanged(budget_id=budget.id, currency=budget.currency, changes=changes))
    return budget.id


def allocate(uow: UnitOfWork, actor: Actor, budget: Budget, amount: Money, note: str | None) -> UUID:
    """Put money in. Raises `ValidationFailed`."""
    problems = [*_other_currency(budget, amount), *_too_much(budget, amount)]
    if problems:
        raise ValidationFailed(errors=problems)
    before = budget.allocated_minor
    budget_ledger.put(uow, actor, budget, "allocate", amount.minor, note=note)
    record_administration(
        uow,
        BudgetAllocated(
            budget_id=budget.id,
            currency=budget.currency,
            amount_minor=amount.minor,
            note=note,
            changes={"allocated_minor": [before, budget.allocated_minor]},
        ),
    )
    return budget.id


def withdraw(uow: UnitOfWork, actor: Actor, budget: Budget, amount: Money, reason: str) -> UUID:
    """Take out what was allocated. Raises `WithdrawalTooLarge`, or `ValidationFailed`."""
    problems = _other_currency(budget, amount)
    if problems:
        raise ValidationFailed(errors=problems)
    # Money of another budget is no money of this one's allocations: it has a ledger to go back to.
    most = min(budget.available, budget.allocated_minor)
    if amount.minor > most:
        raise WithdrawalTooLarge(withdrawable=dump_money((most, budget.currency)))
    before = budget.allocated_minor
    budget_ledger.put(uow, actor, budget, "withdraw", amount.minor, note=reason)
    record_administration(
        uow,
        BudgetWithdrawn(
            budget_id=budget.id,
            currency=budget.currency,
            amount_minor=amount.minor,
            reason=reason,
            changes={"allocated_minor": [before, budget.allocated_minor]},
        ),
    )
    return budget.id


def _other_currency(budget: Budget, amount: Money) -> list[FieldError]:
    if amount.currency == budget.currency:
        return []
    return [FieldError.at("/amount/currency", "currency", f"This budget is in {budget.currency}.")]


def _too_much(budget: Budget, amount: Money) -> list[FieldError]:
    # Each of the two sums is shown, and so is what they make together.
    if max(budget.allocated_minor, budget.funds) + amount.minor <= MAX_MINOR:
        return []
    message = "With what is in it, this is more than can be counted to the cent."
    return [FieldError.at("/amount/amount", "range", message)]


def transfer(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> UUID:
    """Take `amount` out of the one and into the other. Raises `TransferTooLarge`, or `ValidationFailed`."""
    source, target = pair.budget, pair.other
    amount: Money = given["amount"]
    problems = [*_other_currency(source, amount), *unfit(pair, "/to_budget_id")]
    if problems or target is None:
        raise ValidationFailed(errors=problems)
    problems = _too_much(target, amount)
    if problems:
        raise ValidationFailed(errors=problems)
    if amount.minor > source.available:
        raise TransferTooLarge(available=dump_money((source.available, source.currency)))
    pass_on(uow, actor, source, target, amount=amount.minor, reason=given["reason"])
    return source.id


def unfit(pair: Pair, pointer: str) -> list[FieldError]:
    """Why the other budget cannot take the money of the first."""
    target = pair.other
    if target is None:
        return [FieldError.at(pointer, "unknown", "There is no such budget.")]
    if target.id == pair.budget.id:
        return [FieldError.at(pointer, "same", "This is the budget itself; name another one.")]
    if target.currency != pair.budget.currency:
        return [FieldError.at(pointer, "currency", f"It is in {target.currency}, this one in {pair.budget.currency}.")]
    if target.closed_at is not None:
        return [FieldError.at(pointer, "closed", "It was closed; name one that is open.")]
    return []


def pass_on(uow: UnitOfWork, actor: Actor, source: Budget, target: Budget, *, amount: int, reason: str) -> None:
    """A transfer that is known to be possible, and its event."""
    before = source.transferred_minor, target.transferred_minor
    transfer_id = budget_ledger.pass_on(uow, actor, source, target, amount, note=reason)
    record_administration(
        uow,
        BudgetTransferred(
            budget_id=source.id,
            currency=source.currency,
            transfer_id=transfer_id,
            to_budget_id=target.id,
            amount_minor=amount,
            reason=reason,
            changes={"transferred_minor": [before[0], source.transferred_minor]},
            to_changes={"transferred_minor": [before[1], target.transferred_minor]},
        ),
        actor=actor,
    )
