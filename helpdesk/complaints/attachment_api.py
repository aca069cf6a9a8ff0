from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import attachment_errors as errors
from helpdesk.complaints import attachment_queries as queries
from helpdesk.complaints import attachment_schemas as schemas
from helpdesk.complaints import attachments
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_for_update, refuse_merged, visible_id
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.kernel.uploads import Terms, Upload

blp = Blueprint(
    "attachments", __name__, description="Files on complaints: sent, scanned, given out by short-lived link."
)


def is_scanned() -> bool:
    return web().settings.clamd_url is not None


@blp.read(
    "/complaints/<ref>/attachments",
    operation_id="list_complaint_attachments",
    summary="Files on a complaint, oldest first",
    answer=schemas.Attachment,
    query=schemas.AttachmentQuery,
    permission="complaint:read",
    paged=True,
)
def list_attachments(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return queries.list_attachments(session, actor, page, given, ref)


def _look(session: Session, actor: Actor, ref: str) -> Actor:
    visible_id(session, actor, ref)
    return actor


def terms(actor: Actor) -> Terms:
    return attachments.terms_for(web().settings, actor)


def check_room(session: Session, actor: Actor, complaint: Complaint) -> None:
    refuse_merged(session, actor, complaint)
    attachments.check_room(session, complaint, attachments.Bounds.of(web().settings, actor))


@blp.upload(
    "/complaints/<ref>/attachments",
    operation_id="add_complaint_attachment",
    summary="Put a file on a complaint, or on one of its messages",
    description="The file is the part `file` of a form. Its type is told from its content: where the name says something "
    "else, the right extension is appended, and what is not recognised is kept as `application/octet-stream`; programs "
    "are refused. Where a virus scanner is configured, it can be had once it is `clean`.",
    form=schemas.AttachmentIn,
    answer=schemas.Attachment,
    look=_look,
    terms=terms,
    load=complaint_for_update,
    permission="attachment:add",
    check=check_room,
    show=queries.shown,
    location=lambda shown: f"/api/v1/complaints/{shown['complaint_id']}/attachments/{shown['id']}",
    errors=(errors.TooManyAttachments,),
)
def add_attachment(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any], upload: Upload) -> UUID:
    bounds = attachments.Bounds.of(web().settings, actor)
    return attachments.add(uow, actor, complaint, upload, given, bounds=bounds, scanned=is_scanned())


@blp.read(
    "/complaints/<ref>/attachments/<uuid:attachment_id>",
    operation_id="get_complaint_attachment",
    summary="What is known of a file",
    answer=schemas.Attachment,
    permission="complaint:read",
)
def get_attachment(session: Session, actor: Actor, ref: str, attachment_id: UUID) -> Mapping[str, Any]:
    return queries.attachment_detail(session, actor, ref, attachment_id)


@blp.write(
    "/complaints/<ref>/attachments/<uuid:attachment_id>",
    operation_id="change_complaint_attachment",
    summary="Show a file to the complainant, or keep it from them",
    method="PATCH",
    body=schemas.AttachmentPatch,
    answer=schemas.Attachment,
    permission="attachment:add",
    load=queries.attachment_for_update,
    check=attachments.check_there,
    show=queries.shown,
    if_match="required",
    errors=(errors.AttachmentRedactedAlready,),
)
def change_attachment(uow: UnitOfWork, _actor: Actor, held: queries.Held, given: dict[str, Any]) -> UUID:
    return attachments.change(uow, held, given)


@blp.write(
    "/complaints/<ref>/attachments/<uuid:attachment_id>/redact",
    operation_id="redact_complaint_attachment",
    merged=True,
    summary="Remove a file for good; that it was there stays, with its digest",
    body=schemas.RedactionIn,
    answer=schemas.Attachment,
    permission="attachment:redact",
    load=queries.attachment_for_update,
    check=attachments.check_there,
    show=queries.shown,
    if_match="honoured",
    errors=(errors.AttachmentRedactedAlready,),
)
def redact_attachment(uow: UnitOfWork, actor: Actor, held: queries.Held, given: dict[str, Any]) -> UUID:
    return attachments.redact(uow, actor, held, given["reason"])


@blp.write(
    "/complaints/<ref>/attachments/<uuid:attachment_id>/scan",
    operation_id="scan_complaint_attachment",
    summary="Have a file scanned for viruses once more",
    answer=schemas.Attachment,
    permission="attachment:add",
    load=queries.attachment_for_update,
    check=attachments.check_there,
    show=queries.shown,
    if_match="honoured",
    errors=(errors.AttachmentRedactedAlready, errors.ScannerNotConfigured),
)
def scan_attachment(uow: UnitOfWork, _actor: Actor, held: queries.Held) -> UUID:
    return attachments.scan_anew(uow, held, scanned=is_scanned())


@blp.write(
    "/complaints/<ref>/attachments/<uuid:attachment_id>/link",
    operation_id="link_complaint_attachment",
    merged=True,
    summary="A short-lived address to have a file from",
    description="The address is the right to this one file, for the caller's sake: it ends with its time, with the "
    "caller's sight of the complaint, and with the file. It needs no token, so that a browser can save from it.",
    body=schemas.LinkIn,
    answer=schemas.FileLink,
    permission="complaint:read",
    load=queries.attachment_detail,
    errors=(errors.AttachmentRedactedAlready, errors.AttachmentNotClean),
)
def link_attachment(uow: UnitOfWork, actor: Actor, row: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return file_link(uow, actor, row, given["seconds"])


def file_link(uow: UnitOfWork, actor: Actor, row: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """A fresh link for this actor, as it is shown."""
    made = attachments.link(web().signing_key, actor, row, seconds, uow.now, scanned=is_scanned())
    return {"url": f"{web().base_url}/api/v1/public/files/{made.token}", "expires_at": made.expires_at}
