from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import assignment, assignment_queries, detail_queries, errors, models, queries, schemas
from helpdesk.complaints.assignment_schemas import AssignmentIn, AssignmentPeriod, ClaimIn, ReleaseIn
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("assignment", __name__, description="Who has a complaint: given, taken, given back.")


@blp.write(
    "/complaints/<ref>/assignment",
    operation_id="assign_complaint",
    summary="Give a complaint to an agent or a team",
    description="Whoever has a complaint sees it, so it may be given to an agent of another team. Beyond the agent's "
    "capacity, or while they are away, only with `override` and a `reason`. Never to the person it is about. Given to a "
    "team alone, it is routed by that team's rules.",
    method="PUT",
    body=AssignmentIn,
    answer=schemas.Complaint,
    permission="complaint:assign",
    load=queries.complaint_for_update,
    show=detail_queries.detail,
    if_match="required",
    errors=(errors.AgentUnavailable, errors.SubjectCannotHandle),
)
def assign_complaint(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return assignment.assign(uow, actor, complaint, given)


@blp.write(
    "/complaints/<ref>/claim",
    operation_id="claim_complaint",
    summary="Take a complaint that nobody has",
    body=ClaimIn,
    answer=schemas.Complaint,
    permission="complaint:claim",
    load=queries.complaint_for_update,
    if_match="honoured",
    show=detail_queries.detail,
    errors=(errors.AlreadyAssigned, errors.AgentUnavailable, errors.SubjectCannotHandle, Forbidden),
)
def claim_complaint(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return assignment.claim(uow, actor, complaint, given)


@blp.write(
    "/complaints/<ref>/release",
    operation_id="release_complaint",
    summary="Give a complaint back to its queue",
    body=ReleaseIn,
    answer=schemas.Complaint,
    permission="complaint:claim",
    load=queries.complaint_for_update,
    if_match="honoured",
    show=detail_queries.detail,
)
def release_complaint(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return assignment.release(uow, actor, complaint, given)


@blp.read(
    "/complaints/<ref>/assignments",
    operation_id="list_complaint_assignments",
    summary="Who had it, from when until when",
    answer=AssignmentPeriod,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_assignments(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return assignment_queries.list_periods(session, actor, page, given, ref)
