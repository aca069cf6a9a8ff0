from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import conflict_models, conflict_queries, conflict_schemas, conflicts, errors

blp = Blueprint("conflicts", __name__, description="Conflicts of interest: who may not approve whose offers.")


def _show(session: Session, _actor: Actor, conflict_id: UUID) -> Any:
    return conflict_queries.conflict_detail(session, None, conflict_id)


@blp.read(
    "/interest-conflicts",
    operation_id="list_interest_conflicts",
    summary="One's own conflicts of interest",
    description="Everybody's for who may read or record them (`authority:read`, `conflict:manage`); the newest first.",
    answer=conflict_schemas.InterestConflict,
    query=conflict_schemas.ConflictQuery,
    permission="offer:read",
    paged=True,
)
def list_conflicts(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return conflict_queries.list_conflicts(session, actor, page, given)


@blp.write(
    "/interest-conflicts",
    operation_id="declare_interest_conflict",
    summary="Declare a conflict of interest with a colleague, a complaint or a customer",
    description="From its beginning to its end who has it does not approve what that colleague drafted, or what is offered on "
    "that complaint or to that customer, nor is it approved in their name; what they submit waits for somebody else. One's own; "
    "anybody's for who may record them (`conflict:manage`).",
    body=conflict_schemas.ConflictIn,
    answer=conflict_schemas.InterestConflict,
    status=201,
    permission="offer:draft",
    show=_show,
    location=lambda shown: f"/api/v1/interest-conflicts/{shown['id']}",
)
def declare_conflict(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return conflicts.declare(uow, actor, given)


@blp.read(
    "/interest-conflicts/<uuid:conflict_id>",
    operation_id="get_interest_conflict",
    summary="One conflict of interest",
    answer=conflict_schemas.InterestConflict,
    permission="offer:read",
)
def get_conflict(session: Session, actor: Actor, conflict_id: UUID) -> Any:
    return conflict_queries.conflict_detail(session, actor, conflict_id)


@blp.write(
    "/interest-conflicts/<uuid:conflict_id>/end",
    operation_id="end_interest_conflict",
    summary="End a conflict of interest",
    description="By somebody who manages conflicts and has no part in this one: nobody ends their own.",
    body=conflict_schemas.ConflictEndIn,
    answer=conflict_schemas.InterestConflict,
    permission="conflict:manage",
    load=conflict_queries.conflict_for_update,
    allow=conflicts.check_end,
    check=conflicts.check_open,
    show=_show,
    if_match="required",
    errors=(errors.ConflictOver,),
)
def end_conflict(uow: UnitOfWork, _actor: Actor, row: conflict_models.InterestConflict, given: dict[str, Any]) -> UUID:
    return conflicts.end(uow, row, given["reason"])
