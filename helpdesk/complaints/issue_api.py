from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import detail_queries, errors, issue_queries, issues, models, queries, schemas
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Conflict
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("complaint_issues", __name__, description="What went wrong, one by one.")


def _at(shown: dict[str, Any]) -> str:
    return f"/api/v1/complaints/{shown['reference']}"


def _open_only(_session: Session, _actor: Actor, complaint: models.Complaint) -> None:
    if complaint.status not in OPEN:
        raise Conflict(f"The complaint is {complaint.status}; reopen it first.", state=complaint.status)


def _part_open_only(session: Session, actor: Actor, part: queries.Part[models.Issue]) -> None:
    _open_only(session, actor, part.complaint)


@blp.write(
    "/complaints/<ref>/issues",
    operation_id="add_complaint_issue",
    summary="Add another thing that went wrong",
    body=schemas.IssueIn,
    answer=schemas.Complaint,
    status=201,
    permission="complaint:edit",
    load=queries.complaint_for_update,
    if_match="honoured",
    check=_open_only,
    show=detail_queries.detail,
    location=_at,
    errors=(Conflict,),
)
def add_issue(uow: UnitOfWork, _actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return issues.add(uow, complaint, given)


@blp.write(
    "/complaints/<ref>/issues/<uuid:issue_id>",
    operation_id="change_complaint_issue",
    summary="Correct what was written down of an issue",
    description="Severity, promises and search follow at once, as for an issue that is added: a severity is only raised by "
    "itself, and lowered by people.",
    method="PATCH",
    body=schemas.IssuePatch,
    answer=schemas.Complaint,
    permission="complaint:edit",
    load=issue_queries.issue_for_update,
    if_match="required",
    check=_part_open_only,
    show=detail_queries.detail,
    errors=(Conflict,),
)
def change_issue(uow: UnitOfWork, _actor: Actor, part: queries.Part[models.Issue], given: dict[str, Any]) -> UUID:
    return issues.change(uow, part, given)


@blp.write(
    "/complaints/<ref>/issues/<uuid:issue_id>",
    operation_id="remove_complaint_issue",
    summary="Take off an issue that was added by mistake",
    description="Never the last one, and none on which a finding, a cause or an outcome stands, or a merge that can still be "
    "undone; `uses` names them.",
    method="DELETE",
    answer=schemas.Complaint,
    permission="complaint:edit",
    load=issue_queries.issue_for_update,
    if_match="required",
    check=_part_open_only,
    show=detail_queries.detail,
    errors=(Conflict, errors.LastIssue, errors.IssueInUse),
)
def remove_issue(uow: UnitOfWork, _actor: Actor, part: queries.Part[models.Issue]) -> UUID:
    return issues.remove(uow, part)
