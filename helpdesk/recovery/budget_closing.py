"""Closing a budget before its time or after it, for good: from then on another budget pays, and its books show how it ended.

What is left goes to a successor, or lapses. What is set aside for offers on their way is settled here as ever (issued, or
free again), or carried into the successor, one offer after another, since an offer is locked before its budget. What comes
back into a closed budget goes the same way as what was left. All that comes after the closing is owed (`SETTLE_CLOSED`), and
may be done any number of times. A closed budget is not opened again: whoever closed it by mistake opens another.
"""

from typing import Any, Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel import outbox
from helpdesk.kernel.errors import FieldError, MovedMeanwhile, ValidationFailed
from helpdesk.kernel.money import MAX_MINOR
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import budget_alerts, budget_ledger, budget_queries, budgets, queries
from helpdesk.recovery.budget_events import BudgetClosed, BudgetLapsed
from helpdesk.recovery.budget_models import Budget
from helpdesk.recovery.budget_queries import Pair
from helpdesk.recovery.events import OfferCarried, of_offer
from helpdesk.recovery.lifecycle import RESERVED
from helpdesk.recovery.queries import Held
from helpdesk.recovery.reservations import SETTLE_CLOSED

_CAME_BACK = "It came back after the budget was closed."


class Tools(Protocol):
    @property
    def database(self) -> Database: ...


def close(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> UUID:
    """`given`: reason, and with a successor (the pair's other) carry_reservations. Raises `ValidationFailed`."""
    budget, reason = pair.budget, given["reason"]
    successor = pair.other
    if given.get("successor_id") is not None:
        _check_successor(pair)
    left = budget.available
    budget.closed_at, budget.closed_reason, budget.closed_by = uow.now, reason, actor.person_id
    budget.successor_id = None if successor is None else successor.id
    budget.carries = given.get("carry_reservations", False)
    _dispose(uow, actor, budget, successor, reason)
    budget.touch()
    budget_alerts.keep_up(uow, budget)
    record_administration(
        uow,
        BudgetClosed(
            budget_id=budget.id,
            currency=budget.currency,
            reason=reason,
            successor_id=budget.successor_id,
            carries=budget.carries,
            left_minor=left,
            reserved_minor=budget.reserved_minor,
        ),
    )
    if budget.carries and budget.reserved_minor > 0:
        uow.duty(SETTLE_CLOSED, budget.id)
    return budget.id


def _check_successor(pair: Pair) -> None:
    pointer, successor = "/successor_id", pair.other
    problems = budgets.unfit(pair, pointer)
    if not problems and successor is not None and successor.funds + pair.budget.funds > MAX_MINOR:
        detail = "With what this budget has, it would have more than can be counted to the cent."
        problems = [FieldError.at(pointer, "range", detail)]
    if problems:
        raise ValidationFailed(errors=problems)


def _dispose(uow: UnitOfWork, actor: Actor, budget: Budget, heir: Budget | None, reason: str) -> int:
    """What a closed budget has left goes to its heir, or lapses; how much that was."""
    left = budget.available
    if left > 0 and heir is not None:
        budgets.pass_on(uow, actor, budget, heir, amount=left, reason=reason)
    elif left > 0:
        budget_ledger.put(uow, actor, budget, "lapse", left, note=reason)
    return left


def settle_closed(tools: Tools, duty_id: UUID, budget_id: UUID) -> None:
    """The handler of the duty: reservations one by one, each in its own transaction, then what is left."""
    with tools.database.reader() as session:
        carried = (
            budget_queries.offers_paid_by(session, budget_id) if budget_queries.carries(session, budget_id) else ()
        )
    for offer_id in carried:
        with tools.database.unit_of_work(SYSTEM) as uow:
            carry(uow, offer_id, budget_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        if outbox.settle(uow.session, duty_id):
            settle_left(uow, budget_id)


def carry(uow: UnitOfWork, offer_id: UUID, budget_id: UUID) -> bool:
    """Have what is set aside for an offer paid by the heir of its closed budget. False when it was settled meanwhile."""
    held = queries.hold_any(uow.session, offer_id)
    offer = held.offer
    if offer.budget_id != budget_id or offer.status not in RESERVED or offer.amount_minor is None:
        return False
    pair = _with_heir(uow, budget_id)
    if pair.other is None:
        return False
    budget_ledger.pass_on(
        uow, SYSTEM, pair.budget, pair.other, offer.amount_minor, kind="carry", offer_id=offer.id, round=offer.round
    )
    offer.budget_id = pair.other.id
    offer.touch()
    _tell_carried(uow, held, pair)
    return True


def _tell_carried(uow: UnitOfWork, held: Held, pair: Pair) -> None:
    offer = held.offer
    if offer.budget_id is None:
        raise ValueError(f"offer {offer.id} has no budget")
    uow.record(
        OfferCarried(
            **of_offer(held.complaint, offer),
            from_budget_id=pair.budget.id,
            to_budget_id=offer.budget_id,
        ),
        stream=held.complaint,
        actor=SYSTEM,
    )


def settle_left(uow: UnitOfWork, budget_id: UUID) -> None:
    """What came back since the budget was closed."""
    pair = _with_heir(uow, budget_id)
    budget = pair.budget
    if budget.closed_at is None:
        return
    left = _dispose(uow, SYSTEM, budget, pair.other, _CAME_BACK)
    if left > 0 and pair.other is None:
        lapsed = BudgetLapsed(budget_id=budget.id, currency=budget.currency, amount_minor=left)
        record_administration(uow, lapsed, actor=SYSTEM)


def _with_heir(uow: UnitOfWork, budget_id: UUID) -> Pair:
    """Both locked. Raises `MovedMeanwhile` when the heir was closed while its lock was waited for."""
    pair = budget_queries.pair_for_update(uow.session, budget_id, budget_queries.heir(uow.session, budget_id))
    if pair.other is not None and pair.other.closed_at is not None:
        raise MovedMeanwhile
    return pair
