"""Entries in the ledger of a budget whose row is locked and in hand: the line, the sums after it, the alerts they bring.

For what offers do to budgets, see `reservations`: there no row is in hand.
"""

from typing import Any
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_alerts
from helpdesk.recovery.budget_arithmetic import EFFECTS
from helpdesk.recovery.budget_models import Budget, BudgetEntry


def put(uow: UnitOfWork, actor: Actor, budget: Budget, kind: str, amount: int, **more: Any) -> None:
    """`amount`: more than zero, and there is room for it. `more`: note, offer_id and round, transfer_id and other_budget_id."""
    effect = EFFECTS[kind]
    budget.allocated_minor += effect.allocated * amount
    budget.transferred_minor += effect.transferred * amount
    budget.lapsed_minor += effect.lapsed * amount
    budget.reserved_minor += effect.reserved * amount
    budget.committed_minor += effect.committed * amount
    budget.touch()
    budget_alerts.keep_up(uow, budget)
    row = {
        "id": new_id(),
        "budget_id": budget.id,
        "kind": kind,
        "amount_minor": amount,
        "offer_id": None,
        "round": None,
        "transfer_id": None,
        "other_budget_id": None,
        "at": uow.now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "note": None,
    }
    uow.add_rows(BudgetEntry, [row | more])


def pass_on(
    uow: UnitOfWork, actor: Actor, source: Budget, target: Budget, amount: int, *, kind: str = "transfer", **more: Any
) -> UUID:
    """Two lines of one transfer; its id. `kind`: transfer, or carry (with a reservation)."""
    transfer_id = new_id()
    put(uow, actor, source, f"{kind}_out", amount, transfer_id=transfer_id, other_budget_id=target.id, **more)
    put(uow, actor, target, f"{kind}_in", amount, transfer_id=transfer_id, other_budget_id=source.id, **more)
    return transfer_id
