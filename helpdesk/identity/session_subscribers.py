"""What follows for sessions from what happens to agents."""

from collections.abc import Sequence

from helpdesk.identity import session_service
from helpdesk.identity.events import AgentChanged
from helpdesk.kernel.unit_of_work import UnitOfWork


def end_sessions(uow: UnitOfWork, events: Sequence[AgentChanged]) -> None:
    """Who leaves is signed out for good: coming back takes the password again."""
    for event in events:
        if event.changes.get("active", [None, True])[1] is False:
            session_service.end_all(uow, event.agent_id, "deactivated")
