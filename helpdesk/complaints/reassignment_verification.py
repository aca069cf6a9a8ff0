"""What must hold of complaints and those who have left."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from helpdesk.complaints import reassignment_queries
from helpdesk.complaints.reassignment import TOPIC
from helpdesk.kernel.verification import Violation

_SHOWN = 1_000


def nothing_is_left_behind(session: Session) -> Iterator[Violation]:
    """An open complaint is not with an agent who has left, unless it is owed that it is given on."""
    for _, agent_id, reference in reassignment_queries.left_behind(session, TOPIC, _SHOWN):
        yield Violation("assignee", f"complaint {reference}", f"is with agent {agent_id}, who has left")


CHECKS = (nothing_is_left_behind,)
