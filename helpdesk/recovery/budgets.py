"""Budgets and their ledger: allocate, reserve at approval, commit at issuance, release or reverse when it comes to nothing.

A reservation is one UPDATE whose WHERE asks for room, so the database itself decides who of forty at once still fits;
reading the rest first and writing it afterwards would let two see the same money. Every act writes one ledger entry in
the same transaction. Budgets are locked last (complaint, offer, budget).
"""

from typing import Any
from uuid import UUID

from sqlalchemy import update

from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import MAX_MINOR, Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_queries
from helpdesk.recovery.errors import BudgetExhausted, BudgetExists, NoBudget
from helpdesk.recovery.events import BudgetAllocated, BudgetOpened
from helpdesk.recovery.models import Budget, BudgetEntry, Offer


def open_budget(uow: UnitOfWork, given: dict[str, Any]) -> UUID:
    """`given`: name, currency, starts_on, ends_on, and team_id or None for the firm's. It begins empty."""
    team_id = given.get("team_id")
    if team_id is not None and not identity.active_team(uow.session, team_id):
        raise ValidationFailed(errors=[FieldError.at("/team_id", "unknown", "There is no such active team.")])
    existing = budget_queries.same_budget(uow.session, given)
    if existing is not None:
        raise BudgetExists(budget_id=existing)
    budget = Budget(
        id=new_id(),
        version=1,
        name=given["name"],
        team_id=team_id,
        starts_on=given["starts_on"],
        ends_on=given["ends_on"],
        currency=given["currency"],
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
        ),
    )
    return budget.id


def allocate(uow: UnitOfWork, actor: Actor, budget: Budget, amount: Money, note: str | None) -> UUID:
    """Put money in; `budget` is locked. What was put in is not taken out again: close the period instead."""
    if amount.currency != budget.currency:
        message = f"This budget is in {budget.currency}."
        raise ValidationFailed(errors=[FieldError.at("/amount/currency", "currency", message)])
    if budget.allocated_minor + amount.minor > MAX_MINOR:
        message = "With what is in it, this is more than can be counted to the cent."
        raise ValidationFailed(errors=[FieldError.at("/amount/amount", "range", message)])
    before = budget.allocated_minor
    budget.allocated_minor += amount.minor
    budget.touch()
    uow.add_rows(BudgetEntry, [_entry(uow, actor, budget.id, "allocate", amount.minor, note=note)])
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


def reserve(uow: UnitOfWork, actor: Actor, offer: Offer, team_id: UUID | None) -> None:
    """Set the offer's money aside in the budget that pays today. Raises `NoBudget` or `BudgetExhausted`."""
    amount, currency = _amount(offer)
    candidates = budget_queries.paying_budgets(uow.session, team_id, currency, uow.now.date())
    if not candidates:
        raise NoBudget(f"There is no budget in {currency} for {uow.now.date().isoformat()}.", currency=currency)
    for budget_id in candidates:
        if _set_aside(uow, budget_id, amount):
            offer.budget_id = budget_id
            _write(uow, actor, offer, "reserve")
            return
    raise BudgetExhausted(
        f"{Money(amount, currency)} {currency} is more than is left.", budget_ids=[str(item) for item in candidates]
    )


def _set_aside(uow: UnitOfWork, budget_id: UUID, amount: int) -> bool:
    room = Budget.allocated_minor - Budget.reserved_minor - Budget.committed_minor
    taken = uow.session.execute(
        update(Budget)
        .where(Budget.id == budget_id, room >= amount)
        .values(reserved_minor=Budget.reserved_minor + amount, version=Budget.version + 1)
        .returning(Budget.id)
        .execution_options(synchronize_session=False)
    )
    return taken.first() is not None


def commit(uow: UnitOfWork, actor: Actor, offer: Offer) -> None:
    """What was set aside is spent."""
    _shift(uow, offer, reserved=-1, committed=1)
    _write(uow, actor, offer, "commit")


def release(uow: UnitOfWork, actor: Actor, offer: Offer) -> None:
    """What was set aside is free again."""
    _shift(uow, offer, reserved=-1, committed=0)
    _write(uow, actor, offer, "release")


def reverse(uow: UnitOfWork, actor: Actor, offer: Offer) -> None:
    """What was spent comes back."""
    _shift(uow, offer, reserved=0, committed=-1)
    _write(uow, actor, offer, "reverse")


def reduce(uow: UnitOfWork, actor: Actor, offer: Offer, amount: int) -> None:
    """A part of what was set aside is free again: the customer took what costs `amount` minor units less."""
    _shift(uow, offer, reserved=-1, committed=0, amount=amount)
    _write(uow, actor, offer, "reduce", amount)


def _shift(uow: UnitOfWork, offer: Offer, *, reserved: int, committed: int, amount: int | None = None) -> None:
    amount = amount or _amount(offer)[0]
    uow.session.execute(
        update(Budget)
        .where(Budget.id == offer.budget_id)
        .values(
            reserved_minor=Budget.reserved_minor + reserved * amount,
            committed_minor=Budget.committed_minor + committed * amount,
            version=Budget.version + 1,
        )
        .execution_options(synchronize_session=False)
    )


def _amount(offer: Offer) -> tuple[int, str]:
    if offer.amount_minor is None or offer.currency is None:
        raise ValueError(f"offer {offer.id} costs nothing")
    return offer.amount_minor, offer.currency


def _write(uow: UnitOfWork, actor: Actor, offer: Offer, kind: str, amount: int | None = None) -> None:
    if offer.budget_id is None:
        raise ValueError(f"offer {offer.id} has no budget")
    amount = amount or _amount(offer)[0]
    entry = _entry(uow, actor, offer.budget_id, kind, amount, offer_id=offer.id, round_=offer.round)
    uow.add_rows(BudgetEntry, [entry])


def _entry(
    uow: UnitOfWork,
    actor: Actor,
    budget_id: UUID,
    kind: str,
    amount: int,
    *,
    offer_id: UUID | None = None,
    round_: int | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "budget_id": budget_id,
        "kind": kind,
        "amount_minor": amount,
        "offer_id": offer_id,
        "round": round_,
        "at": uow.now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "note": note,
    }
