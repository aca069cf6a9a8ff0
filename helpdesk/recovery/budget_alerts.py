"""Alerts: that the use of a budget reached one of its thresholds is told once, and again only after it had fallen below.

Which thresholds stand is kept in the budget's row (`alerted`), and follows from its sums with each change of them, under
the row's lock: of two changes at once the second sees what the first has told. An alert is a row, and a duty to tell it,
in the transaction that brought the use there; so none is lost, and none is told twice.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_queries
from helpdesk.recovery.budget_arithmetic import standing
from helpdesk.recovery.budget_events import BudgetAlerted
from helpdesk.recovery.budget_models import Budget

TELL: Final = "recovery.tell_budget_alert"
"""Topic of the duty to tell those who manage budgets; its subject is the alert."""


class Sums(Protocol):
    """A budget whose lock is held, after a change: the row itself, or what a statement returned of it."""

    @property
    def id(self) -> Any: ...
    @property
    def used(self) -> Any: ...
    @property
    def funds(self) -> Any: ...
    @property
    def alert_percents(self) -> Any: ...
    @property
    def alerted(self) -> Any: ...


def follow(uow: UnitOfWork, sums: Sums) -> list[int]:
    """The thresholds that stand now: for the row. Those that were just reached are owed to be told."""
    now = standing(sums.alert_percents, sums.used, sums.funds)
    _change(uow, sums, now)
    return now


def keep_up(uow: UnitOfWork, budget: Budget) -> None:
    """`follow`, for a row in hand, also a closed one: there nothing stands any more."""
    now = standing(budget.alert_percents, budget.used, budget.funds) if budget.closed_at is None else []
    if now != budget.alerted:
        _change(uow, budget, now)
        budget.alerted = now


def _change(uow: UnitOfWork, sums: Sums, now: Sequence[int]) -> None:
    fallen = sorted(set(sums.alerted) - set(now))
    if fallen:
        budget_queries.end_alerts(uow.session, sums.id, fallen, uow.now)
    for percent in sorted(set(now) - set(sums.alerted)):
        alert_id = new_id()
        row = {"id": alert_id, "budget_id": sums.id, "percent": percent, "at": uow.now, "used_minor": sums.used}
        budget_queries.add_alert(uow.session, row | {"funds_minor": sums.funds})
        uow.duty(TELL, alert_id)


def tell(uow: UnitOfWork, alert_id: UUID) -> None:
    """Once, however often it is called; also when the use has fallen again meanwhile: it had been reached."""
    found = budget_queries.alert_for_update(uow.session, alert_id)
    if found is None:
        return
    alert, budget = found
    alert.told_at = uow.now
    uow.record(
        BudgetAlerted(
            budget_id=budget.id,
            currency=budget.currency,
            alert_id=alert.id,
            name=budget.name,
            percent=alert.percent,
            used_minor=alert.used_minor,
            funds_minor=alert.funds_minor,
            at=rfc3339(alert.at),
        )
    )
