"""Steps that the tests of queues, assignment and routing share."""

from typing import Any
from uuid import UUID

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, complaint_body


def arrive(caller: Caller, team: UUID | None = None, **more: Any) -> dict[str, Any]:
    """A complaint that has just come in, over HTTP."""
    given = complaint_body(**more)
    if team is not None:
        given["team_id"] = str(team)
    answer = caller.post("/complaints", given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def profile(caller: Caller, agent: Caller, **given: Any) -> dict[str, Any]:
    """Set something of an agent's profile."""
    answer = caller.patch(f"/agents/{agent.id}/profile", given, if_match="*")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def at(complaint: dict[str, Any], more: str = "") -> str:
    return f"/complaints/{complaint['reference']}{more and '/' + more}"


def assign(caller: Caller, complaint: dict[str, Any], **given: Any) -> Any:
    body = {name: str(value) if isinstance(value, UUID) else value for name, value in given.items()}
    return caller.put(at(complaint, "assignment"), body, if_match="*")


def assignees(database: Database) -> list[UUID | None]:
    with database.reader() as session:
        return list(session.scalars(Complaint.__table__.select().with_only_columns(Complaint.assignee_id)))


def urgency(caller: Caller, team: UUID | None, impact: int, urgency_: int, **more: Any) -> dict[str, Any]:
    return arrive(caller, team, impact=impact, urgency=urgency_, **more)
