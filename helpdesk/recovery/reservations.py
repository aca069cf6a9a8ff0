"""What offers do to budgets: set money aside at approval, spend it at issuance, free it or give it back when it comes to nothing.

The row of a budget is the one that everybody waits for. So it is only looked at when an offer is granted; what is to be
done to it is noted in the unit of work (`Movements`) and done at its very end, in one statement each, right before the
commit: the UPDATE, whose WHERE asks for room, and the ledger's entry with it. The database itself decides who of forty at
once still fits; who saw room that another has taken meanwhile is refused, or does everything again where another budget
has some. Budgets are locked last (complaint, offer, customer, budget), several of them in the order of their ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import MovedMeanwhile
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_alerts, budget_queries
from helpdesk.recovery.budget_arithmetic import EFFECTS
from helpdesk.recovery.errors import BudgetExhausted, NoBudget
from helpdesk.recovery.models import Offer

SETTLE_CLOSED: Final = "recovery.settle_closed_budget"
"""Topic of the duty to see to what a closed budget still has; its subject is the budget (`budget_closing`)."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """Who asked for money to be set aside, to look again where it was not there any more."""

    team_id: UUID | None
    currency: str


@dataclass(slots=True)
class Movements:
    """What one unit of work does to budgets. A book, though it tells nothing."""

    noted: list[tuple[dict[str, Any], _Wish | None]] = field(default_factory=list)

    def settle(self, uow: UnitOfWork) -> None:
        """Nothing is to be told."""

    def make(self, uow: UnitOfWork) -> None:
        in_order = sorted(self.noted, key=lambda item: item[0]["budget_id"])
        for _, group in groupby(in_order, key=lambda item: item[0]["budget_id"]):
            of_one = list(group)
            if len(of_one) > 1 and all(wish is None for _, wish in of_one):
                _follow(uow, budget_queries.move_many(uow.session, [entry for entry, _ in of_one]))
            else:
                self._one_by_one(uow, of_one)

    def _one_by_one(self, uow: UnitOfWork, of_one: Sequence[tuple[dict[str, Any], _Wish | None]]) -> None:
        for entry, wish in of_one:
            state = budget_queries.move(uow.session, entry)
            if state is not None:
                _follow(uow, state)
            elif wish is not None:
                _refuse(uow, entry["amount_minor"], wish)


def reserve(uow: UnitOfWork, actor: Actor, offer: Offer, team_id: UUID | None) -> None:
    """Set the offer's money aside in the budget that pays today. Raises `NoBudget` or `BudgetExhausted`, here or at the end of
    the unit of work, or there `MovedMeanwhile`.
    """
    amount, currency = _amount(offer)
    wish = _Wish(team_id, currency)
    offer.budget_id = _with_room(uow, amount, wish)
    _note(uow, actor, offer, "reserve", wish=wish)


def commit(uow: UnitOfWork, actor: Actor, offer: Offer) -> None:
    """What was set aside is spent."""
    _note(uow, actor, offer, "commit")


def release(uow: UnitOfWork, actor: Actor, offer: Offer) -> None:
    """What was set aside is free again."""
    _note(uow, actor, offer, "release")


def reverse(uow: UnitOfWork, actor: Actor, offer: Offer) -> None:
    """What was spent comes back."""
    _note(uow, actor, offer, "reverse")


def reduce(uow: UnitOfWork, actor: Actor, offer: Offer, amount: int) -> None:
    """A part of what was set aside is free again: the customer took what costs `amount` minor units less."""
    _note(uow, actor, offer, "reduce", amount=amount)


def overpay(uow: UnitOfWork, actor: Actor, offer: Offer, team_id: UUID | None, note: str) -> None:
    """The offer's amount is spent once more, beside its own entries: from its own budget while that pays and has room, else from the one
    that pays today. Raises as `reserve` does.
    """
    amount, currency = _amount(offer)
    wish = _Wish(team_id, currency)
    _note(uow, actor, offer, "overpay", wish=wish, budget_id=_with_room(uow, amount, wish, offer.budget_id), note=note)


def _with_room(uow: UnitOfWork, amount: int, wish: _Wish, rather: UUID | None = None) -> UUID:
    """The budget that would pay, as far as can be seen without a lock; `rather`: before the others, where it does. Raises `NoBudget`,
    `BudgetExhausted`.
    """
    return _room(uow.session, uow.now.date(), amount, wish, rather)


def lacking(session: Session, team_id: UUID | None, amount: Money, now: datetime) -> NoBudget | BudgetExhausted | None:
    """Why it could not be set aside now, as far as can be seen without a lock; None: it could."""
    try:
        _room(session, now.date(), amount.minor, _Wish(team_id, amount.currency))
    except (NoBudget, BudgetExhausted) as refused:
        return refused
    return None


def _room(session: Session, day: date, amount: int, wish: _Wish, rather: UUID | None = None) -> UUID:
    candidates = budget_queries.paying_budgets(session, wish.team_id, wish.currency, day)
    if not candidates:
        raise NoBudget(f"There is no budget in {wish.currency} for {day.isoformat()}.", currency=wish.currency)
    roomy: list[UUID] = [candidate.id for candidate in candidates if candidate.available >= amount]
    if roomy:
        return rather if rather in roomy else roomy[0]
    raise BudgetExhausted(
        f"{Money(amount, wish.currency)} {wish.currency} is more than is left.",
        budget_ids=[str(candidate.id) for candidate in candidates],
    )


def _refuse(uow: UnitOfWork, amount: int, wish: _Wish) -> None:
    """There was room, and another took it, or closed the budget. Raises what is true by now."""
    _with_room(uow, amount, wish)
    raise MovedMeanwhile


def _note(
    uow: UnitOfWork,
    actor: Actor,
    offer: Offer,
    kind: str,
    *,
    wish: _Wish | None = None,
    amount: int | None = None,
    budget_id: UUID | None = None,
    note: str | None = None,
) -> None:
    """`amount` and `budget_id`: the offer's where none is given."""
    budget_id = budget_id or offer.budget_id
    if budget_id is None:
        raise ValueError(f"offer {offer.id} has no budget")
    amount = amount or _amount(offer)[0]
    effect = EFFECTS[kind]
    entry = {
        "id": new_id(),
        "budget_id": budget_id,
        "kind": kind,
        "amount_minor": amount,
        "reserved": effect.reserved * amount,
        "committed": effect.committed * amount,
        "offer_id": offer.id,
        "round": offer.round,
        "at": uow.now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "note": note,
    }
    movements = uow.book(Movements)
    movements.noted.append((entry, wish))
    uow.at_last(Movements, movements.make)


def _follow(uow: UnitOfWork, state: Any) -> None:
    """`state`: the row after the movement, whose lock is held."""
    if state.closed_at is None:
        alerted = budget_alerts.follow(uow, state)
        if alerted != state.alerted:
            budget_queries.set_alerted(uow.session, state.id, alerted)
    elif state.available > 0:
        uow.duty(SETTLE_CLOSED, state.id)


def _amount(offer: Offer) -> tuple[int, str]:
    if offer.amount_minor is None or offer.currency is None:
        raise ValueError(f"offer {offer.id} costs nothing")
    return offer.amount_minor, offer.currency
