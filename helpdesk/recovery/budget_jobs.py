"""Handlers of what is owed about budgets."""

from typing import Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import budget_alerts


class Tools(Protocol):
    @property
    def database(self) -> Database: ...


def tell_alert(tools: Tools, duty_id: UUID, alert_id: UUID) -> None:
    """Tell of an alert and mark the duty done, in one transaction."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        if outbox.settle(uow.session, duty_id):
            budget_alerts.tell(uow, alert_id)
