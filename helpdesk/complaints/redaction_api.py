from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import models, queries, redaction, redaction_queries, thread_queries, value_redaction
from helpdesk.complaints import redaction_schemas as schemas
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.errors import NothingLeft
from helpdesk.complaints.queries import Part
from helpdesk.identity.actors import Actor
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("redactions", __name__, description="Taking text out of complaints for good; that it was done stays.")

_GONE = (
    "It is gone from where it stood, its HTML, the mail, the history (whose chain still verifies) and kept answers. Who, "
    "when, why and a salted digest of what was there stay. What has been mailed cannot be taken back: `mail` says so."
)


@blp.read(
    "/complaints/<ref>/redactions",
    operation_id="list_complaint_redactions",
    summary="What was taken out of a complaint: who, when and why",
    answer=schemas.Redaction,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_redactions(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return redaction_queries.list_redactions(session, actor, page, given, ref)


def _show(session: Session, _actor: Actor, done: redaction.Redacted) -> dict[str, Any]:
    message = None if done.message_id is None else thread_queries.message(session, done.message_id)
    shown = redaction_queries.redaction(session, done.redaction_id)
    return shown | done.quoting() | {"message": message}


@blp.write(
    "/complaints/<ref>/messages/<uuid:message_id>/redact",
    operation_id="redact_complaint_message",
    merged=True,
    summary="Take a message's text out for good, or parts of it",
    description=f"{_GONE} `If-Match` is about the complaint: ranges mean the text that was looked at.",
    body=schemas.MessageRedactionIn,
    answer=schemas.RedactionDone,
    permission="complaint:redact",
    load=redaction_queries.message_for_update,
    if_match="required",
    show=_show,
    errors=(NothingLeft,),
)
def redact_message(
    uow: UnitOfWork, actor: Actor, part: Part[models.Message], given: dict[str, Any]
) -> redaction.Redacted:
    return redaction.redact_message(uow, actor, part, given)


@blp.write(
    "/complaints/<ref>/redact",
    operation_id="redact_complaint",
    merged=True,
    summary="Take a complaint's subject, description or value of a custom field out for good, or parts of it",
    description=f"{_GONE} Of a custom field that is no text the value goes whole, and the field is empty then. A complaint that "
    "was merged with this one keeps its own.",
    body=schemas.TextRedactionIn,
    answer=schemas.RedactionDone,
    permission="complaint:redact",
    load=queries.complaint_for_update,
    if_match="required",
    show=_show,
    errors=(NothingLeft,),
)
def redact_text(
    uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]
) -> redaction.Redacted:
    redact = value_redaction.redact_value if given["part"] == value_redaction.PART else redaction.redact_text
    return redact(uow, actor, complaint, given)
