"""Files from the complainant and for them, by the session of their tracking. What they send is public between them and us;
what we keep among ourselves they never see.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import attachment_errors as errors
from helpdesk.complaints import attachment_queries as queries
from helpdesk.complaints import attachment_schemas as schemas
from helpdesk.complaints import attachments, beside, tracking
from helpdesk.complaints.attachment_api import check_room, file_link, is_scanned, terms
from helpdesk.complaints.errors import ComplaintMerged
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.tracking_api import BY_SESSION, share
from helpdesk.identity.actors import Actor
from helpdesk.kernel import limiting
from helpdesk.kernel.errors import MovedMeanwhile
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.kernel.uploads import Upload

blp = Blueprint("tracked files", __name__, description="Files that a complainant sends, and those meant for them.")
share(blp)


@blp.read(
    "/public/tracking/attachments",
    operation_id="list_tracked_attachments",
    summary="Files that the complainant sent, and those that we sent them, oldest first",
    answer=schemas.PublicAttachment,
    query=PageQuery,
    by=BY_SESSION,
    paged=True,
)
def list_attachments(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_attachments(session, actor, page, given, str(actor.id))


def _look(_session: Session, actor: Actor) -> Actor:
    return actor


@blp.upload(
    "/public/tracking/attachments",
    operation_id="add_tracked_attachment",
    summary="Send us a file",
    description="The file is the part `file` of a form. Only what is recognised by its content for what it is: pictures, "
    "PDF, text, Office documents without macros, mail, sound and film. Smaller ones, and fewer, than agents may add.",
    form=schemas.PublicAttachmentIn,
    answer=schemas.PublicAttachment,
    by=BY_SESSION,
    limits=(limiting.INTAKE,),
    look=_look,
    terms=terms,
    load=tracking.theirs,
    check=check_room,
    show=queries.shown,
    if_match="none",  # they are shown no version of it
    errors=(errors.TooManyAttachments, ComplaintMerged, MovedMeanwhile),
)
def add_attachment(uow: UnitOfWork, actor: Actor, complaint: Complaint, _given: dict[str, Any], upload: Upload) -> UUID:
    bounds = attachments.Bounds.of(web().settings, actor)
    given = {"internal": False}
    attachment_id = attachments.add(uow, actor, complaint, upload, given, bounds=bounds, scanned=is_scanned())
    if actor.beside_id is not None:
        beside.note_theirs(uow, actor.beside_id, "complaint_attachment", attachment_id)
    return attachment_id


def _load(session: Session, actor: Actor, attachment_id: UUID) -> Mapping[str, Any]:
    return queries.attachment_detail(session, actor, str(actor.id), attachment_id)


@blp.write(
    "/public/tracking/attachments/<uuid:attachment_id>/link",
    operation_id="link_tracked_attachment",
    summary="A short-lived address to have a file from",
    body=schemas.LinkIn,
    answer=schemas.FileLink,
    by=BY_SESSION,
    load=_load,
    errors=(errors.AttachmentNotClean,),
)
def link_attachment(uow: UnitOfWork, actor: Actor, row: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return file_link(uow, actor, row, given["seconds"])
