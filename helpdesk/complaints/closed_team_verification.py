"""What must hold of complaints and teams that were closed."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from helpdesk.complaints import closed_team_queries
from helpdesk.complaints.closed_teams import TOPIC
from helpdesk.kernel.verification import Violation

_SHOWN = 1_000


def nothing_is_left_behind(session: Session) -> Iterator[Violation]:
    """An open complaint is not with a team that is closed, unless it is owed that it is given on."""
    for complaint_id in closed_team_queries.left_behind(session, TOPIC, _SHOWN):
        yield Violation("team", f"complaint {complaint_id}", "is with a team that is not active")


CHECKS = (nothing_is_left_behind,)
