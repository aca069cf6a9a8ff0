from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import draft_queries, drafts, models, queries, thread_queries
from helpdesk.complaints import draft_schemas as schemas
from helpdesk.complaints.attachment_api import is_scanned
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.draft_queries import Writing
from helpdesk.complaints.errors import ThreadMovedOn
from helpdesk.complaints.message_schemas import Message
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Conflict, Forbidden
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("drafts", __name__, description="Messages that are being written.")


@blp.read(
    "/complaints/<ref>/drafts",
    operation_id="list_complaint_drafts",
    summary="What is being written to or about a complainant, one's own and colleagues'",
    answer=schemas.Draft,
    query=schemas.DraftQuery,
    permission="complaint:read",
    paged=True,
)
def list_drafts(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return draft_queries.list_drafts(session, actor, page, given, ref)


def _show(session: Session, _actor: Actor, draft_id: UUID) -> dict[str, Any]:
    return draft_queries.draft(session, draft_id)


@blp.write(
    "/complaints/<ref>/drafts",
    operation_id="begin_complaint_draft",
    summary="Begin a draft",
    body=schemas.DraftIn,
    answer=schemas.Draft,
    status=201,
    permission="complaint:note",
    load=queries.complaint_for_update,
    if_match="honoured",
    show=_show,
    location=lambda draft: f"/api/v1/complaints/{draft['complaint_id']}/drafts/{draft['id']}",
    errors=(Forbidden, Conflict),
)
def begin_draft(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return drafts.begin(uow, actor, complaint, given)


@blp.read(
    "/complaints/<ref>/drafts/<uuid:draft_id>",
    operation_id="get_complaint_draft",
    summary="One draft",
    answer=schemas.Draft,
    permission="complaint:read",
)
def get_draft(session: Session, actor: Actor, ref: str, draft_id: UUID) -> dict[str, Any]:
    return draft_queries.draft_of(session, actor, ref, draft_id)


@blp.write(
    "/complaints/<ref>/drafts/<uuid:draft_id>",
    operation_id="save_complaint_draft",
    summary="Save a draft of one's own as it is by now",
    method="PUT",
    body=schemas.DraftIn,
    answer=schemas.Draft,
    permission="complaint:note",
    load=draft_queries.to_be_written,
    allow=drafts.check_own,
    if_match="required",
    show=_show,
    errors=(Forbidden,),
)
def save_draft(uow: UnitOfWork, actor: Actor, writing: Writing, given: dict[str, Any]) -> UUID:
    return drafts.save(uow, actor, writing, given)


@blp.write(
    "/complaints/<ref>/drafts/<uuid:draft_id>",
    operation_id="remove_complaint_draft",
    summary="Throw a draft away",
    description="One's own; a colleague's with `complaint:assign`.",
    method="DELETE",
    answer=None,
    status=204,
    permission="complaint:note",
    load=draft_queries.to_be_written,
    allow=drafts.check_removal,
    if_match="required",
    errors=(Forbidden,),
)
def remove_draft(uow: UnitOfWork, _actor: Actor, writing: Writing) -> None:
    drafts.remove(uow, writing)


def _show_message(session: Session, _actor: Actor, message_id: UUID) -> dict[str, Any]:
    return thread_queries.message(session, message_id)


@blp.write(
    "/complaints/<ref>/drafts/<uuid:draft_id>/send",
    operation_id="send_complaint_draft",
    summary="Send a draft of one's own: it becomes a message and is gone",
    description="`If-Match` is about the draft. Refused (409, `new_messages`) when somebody else wrote since the draft was "
    "begun, unless `seen_message_id` names the last message.",
    body=schemas.SendIn,
    answer=Message,
    status=201,
    permission="complaint:note",
    load=draft_queries.to_be_sent,
    allow=drafts.check_own,
    if_match="honoured",
    show=_show_message,
    location=lambda message: f"/api/v1/complaints/{message['complaint_id']}/messages/{message['id']}",
    errors=(Forbidden, ThreadMovedOn),
)
def send_draft(uow: UnitOfWork, actor: Actor, writing: Writing, given: dict[str, Any]) -> UUID:
    return drafts.send(uow, actor, writing, given, scanned=is_scanned())
