"""Queues: what a team has open, the most urgent first, and "give me the next one"."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import assignment, detail_queries, errors, queue_queries, schemas
from helpdesk.complaints.queue_schemas import Queue, QueueItem, QueueQuery
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("queues", __name__, description="What a team has open, the most urgent first.")


@blp.read(
    "/queues",
    operation_id="list_queues",
    summary="The queue of every team that the caller may see",
    description="What no team has yet is `GET /queues/no-team`.",
    answer=Queue,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_queues(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queue_queries.list_queues(session, actor, page, given)


def _routes(path: str, name: str, whose: str, team_of: Callable[..., UUID | None]) -> None:
    """The same three for a team's queue and for that of no team. `team_of`: from the path's values."""

    def get_queue(session: Session, actor: Actor, **values: Any) -> Any:
        return queue_queries.queue(session, actor, team_of(**values))

    def list_queued(session: Session, actor: Actor, page: Page, given: dict[str, Any], **values: Any) -> Any:
        return queue_queries.list_queued(session, actor, page, given, team_of(**values))

    def take_next(uow: UnitOfWork, actor: Actor, team_id: UUID | None = None) -> UUID | None:
        return assignment.take_next(uow, actor, team_id)

    blp.read(
        path,
        operation_id=f"get_{name}",
        summary=f"The figures of the queue of {whose}",
        answer=Queue,
        permission="complaint:read",
    )(get_queue)
    blp.read(
        f"{path}/complaints",
        operation_id=f"list_{name}_complaints",
        summary=f"What {whose} has open, the most urgent first",
        description="By severity, then by the earliest open promise (`next_due_at`): what is overdue comes before what is "
        "not.",
        answer=QueueItem,
        query=QueueQuery,
        permission="complaint:read",
        paged=True,
    )(list_queued)
    blp.write(
        f"{path}/next",
        operation_id=f"take_next_of_{name}",
        summary=f"Take the most urgent complaint of {whose} that the caller can take",
        description="It is the caller's in the same moment: of many who ask at once, each gets another one. Passed over are "
        "those that wait for somebody else, that need a skill or a language which the caller has not, that are about the "
        "caller, and that would go beyond their capacity. Who is away or out of office, or has no room, is refused, and there "
        "is no `override` (`claim` takes one); off hours one may.",
        answer=schemas.Complaint,
        permission="complaint:claim",
        load=queue_queries.visible_queue if "<" in path else None,
        or_nothing=True,
        show=detail_queries.detail,
        errors=(errors.AgentUnavailable, Forbidden),
    )(take_next)


_routes("/queues/no-team", "queue_of_no_team", "no team", lambda: None)
_routes("/queues/<uuid:team_id>", "queue", "a team", lambda team_id: team_id)
