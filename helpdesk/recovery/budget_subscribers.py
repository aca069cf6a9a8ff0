"""Who is told that much of a budget is used."""

from collections.abc import Sequence

from helpdesk.complaints.notifications import News, tell_apart
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_queries, texts
from helpdesk.recovery.budget_events import BudgetAlerted


def alerted(uow: UnitOfWork, events: Sequence[BudgetAlerted]) -> None:
    """Whoever may manage budgets."""
    for event in events:
        used, funds = (Money(minor, event.currency) for minor in (event.used_minor, event.funds_minor))
        detail = {
            "budget_id": str(event.budget_id),
            "budget": event.name,
            "percent": event.percent,
            "text": f"{event.percent} % of the budget {event.name} are used: {texts.money(used)} of {texts.money(funds)}.",
        }
        tell_apart(uow, event, News("budget_alert", budget_queries.managers(uow.session), detail=detail))
