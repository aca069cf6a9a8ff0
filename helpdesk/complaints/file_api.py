from sqlalchemy.orm import Session

from helpdesk.complaints import attachment_queries, attachments, evidence, file_links
from helpdesk.complaints.attachment_api import is_scanned
from helpdesk.complaints.attachment_errors import AttachmentNotClean
from helpdesk.complaints.evidence_errors import EvidenceNotReady
from helpdesk.identity.actors import Actor
from helpdesk.kernel.downloads import Download
from helpdesk.kernel.errors import Gone
from helpdesk.kernel.http import Blueprint, web

blp = Blueprint("files", __name__, description="Files given out by short-lived link.")


@blp.download(
    "/public/files/<link>",
    operation_id="get_public_file",
    summary="The file that a short-lived link leads to",
    description="Whole, or a part of it (`Range`). Always something to save, never to be shown in a browser's own window.",
    errors=(Gone, AttachmentNotClean, EvidenceNotReady),
)
def get_file(session: Session, _actor: Actor, link: str) -> Download:
    now = session.execute(attachment_queries.NOW).scalar_one()
    opened = file_links.unseal(session, web().signing_key, link, now)
    if opened.kind == "evidence":
        return evidence.given_out(session, opened.actor, opened.complaint_id, opened.row_id)
    return attachments.given_out(session, opened.actor, opened.complaint_id, opened.row_id, scanned=is_scanned())
