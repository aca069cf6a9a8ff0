from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import canned_replies, macros, template_queries
from helpdesk.complaints import template_models as rows
from helpdesk.complaints import template_schemas as schemas
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.errors import CannedReplyNamed, ShortcutTaken
from helpdesk.complaints.queries import Part
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Conflict, Forbidden
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("templates", __name__, description="Canned replies and macros: what is said and done again and again.")


@blp.read(
    "/canned-replies",
    operation_id="list_canned_replies",
    summary="Canned replies that the caller may use",
    answer=schemas.CannedReply,
    query=schemas.CannedReplyQuery,
    permission="complaint:read",
    paged=True,
)
def list_replies(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return template_queries.list_replies(session, actor, page, given)


def _show_reply(session: Session, _actor: Actor, reply_id: UUID) -> dict[str, Any]:
    return template_queries.reply_detail(session, reply_id)


@blp.write(
    "/canned-replies",
    operation_id="create_canned_reply",
    summary="Write a canned reply",
    description="For oneself, or with `template:share` for a team or for everybody.",
    body=schemas.CannedReplyIn,
    answer=schemas.CannedReply,
    status=201,
    permission="complaint:note",
    show=_show_reply,
    location=lambda shown: f"/api/v1/canned-replies/{shown['id']}",
    errors=(Forbidden, ShortcutTaken),
)
def create_reply(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return canned_replies.SHELF.create(uow, actor, given)


@blp.read(
    "/canned-replies/<uuid:canned_reply_id>",
    operation_id="get_canned_reply",
    summary="One canned reply",
    answer=schemas.CannedReply,
    permission="complaint:read",
)
def get_reply(session: Session, actor: Actor, canned_reply_id: UUID) -> Any:
    return template_queries.reply(session, actor, canned_reply_id)


@blp.write(
    "/canned-replies/<uuid:canned_reply_id>",
    operation_id="replace_canned_reply",
    summary="Write a canned reply anew",
    method="PUT",
    body=schemas.CannedReplyIn,
    answer=schemas.CannedReply,
    permission="complaint:note",
    load=template_queries.reply_for_update,
    allow=canned_replies.SHELF.check,
    if_match="required",
    show=_show_reply,
    errors=(Forbidden, ShortcutTaken, CannedReplyNamed),
)
def replace_reply(uow: UnitOfWork, actor: Actor, row: rows.CannedReply, given: dict[str, Any]) -> UUID:
    return canned_replies.SHELF.change(uow, actor, row, given)


@blp.write(
    "/canned-replies/<uuid:canned_reply_id>",
    operation_id="delete_canned_reply",
    summary="Throw a canned reply away",
    method="DELETE",
    answer=None,
    status=204,
    permission="complaint:note",
    load=template_queries.reply_for_update,
    allow=canned_replies.SHELF.check,
    if_match="required",
    errors=(Forbidden, CannedReplyNamed),
)
def delete_reply(uow: UnitOfWork, _actor: Actor, row: rows.CannedReply) -> None:
    canned_replies.SHELF.delete(uow, row)


@blp.write(
    "/complaints/<ref>/canned-replies/<uuid:canned_reply_id>/preview",
    operation_id="preview_canned_reply",
    merged=True,
    summary="A canned reply as it would read on this complaint",
    description="In the language of who is written to, else the complaint's, else the first there is. Nothing is sent.",
    body=schemas.PreviewIn,
    answer=schemas.Preview,
    permission="complaint:read",
    load=template_queries.previewed,
)
def preview_reply(
    uow: UnitOfWork, actor: Actor, found: template_queries.Previewed, given: dict[str, Any]
) -> dict[str, Any]:
    filled = canned_replies.fill(uow, actor, found.complaint, found.reply, given.get("language"))
    return {
        "canned_reply_id": found.reply.id,
        "language": filled.language,
        "body": filled.text.plain,
        "body_html": filled.text.html,
        "missing": filled.missing,
    }


@blp.read(
    "/macros",
    operation_id="list_macros",
    summary="Macros that the caller may use",
    answer=schemas.Macro,
    query=schemas.TemplateQuery,
    permission="complaint:read",
    paged=True,
)
def list_macros(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return template_queries.list_macros(session, actor, page, given)


def _show_macro(session: Session, _actor: Actor, macro_id: UUID) -> dict[str, Any]:
    return template_queries.macro_detail(session, macro_id)


@blp.write(
    "/macros",
    operation_id="create_macro",
    summary="Put several acts together under one name",
    description="For oneself, or with `template:share` for a team or for everybody. A step is what the route of its name "
    "does, with the same body; every step is checked when the macro is written.",
    body=schemas.MacroIn,
    answer=schemas.Macro,
    status=201,
    permission="complaint:note",
    show=_show_macro,
    location=lambda shown: f"/api/v1/macros/{shown['id']}",
    faults=macros.faults,
    errors=(Forbidden,),
)
def create_macro(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return macros.SHELF.create(uow, actor, given)


@blp.read(
    "/macros/<uuid:macro_id>",
    operation_id="get_macro",
    summary="One macro",
    answer=schemas.Macro,
    permission="complaint:read",
)
def get_macro(session: Session, actor: Actor, macro_id: UUID) -> Any:
    return template_queries.macro(session, actor, macro_id)


@blp.write(
    "/macros/<uuid:macro_id>",
    operation_id="replace_macro",
    summary="Write a macro anew",
    method="PUT",
    body=schemas.MacroIn,
    answer=schemas.Macro,
    permission="complaint:note",
    load=template_queries.macro_for_update,
    allow=macros.SHELF.check,
    if_match="required",
    show=_show_macro,
    faults=macros.faults,
    errors=(Forbidden,),
)
def replace_macro(uow: UnitOfWork, actor: Actor, row: rows.Macro, given: dict[str, Any]) -> UUID:
    return macros.SHELF.change(uow, actor, row, given)


@blp.write(
    "/macros/<uuid:macro_id>",
    operation_id="delete_macro",
    summary="Throw a macro away",
    method="DELETE",
    answer=None,
    status=204,
    permission="complaint:note",
    load=template_queries.macro_for_update,
    allow=macros.SHELF.check,
    if_match="required",
    errors=(Forbidden,),
)
def delete_macro(uow: UnitOfWork, _actor: Actor, row: rows.Macro) -> None:
    macros.SHELF.delete(uow, row)


def _show_outcome(_session: Session, actor: Actor, outcome: macros.Applied | dict[str, Any]) -> dict[str, Any]:
    return outcome if isinstance(outcome, dict) else macros.show(actor, outcome)


@blp.write(
    "/complaints/<ref>/macros/<uuid:macro_id>/apply",
    operation_id="apply_macro",
    summary="Do all steps of a macro on a complaint, or none",
    description="Each step needs the permission that it needs by itself, and is refused as by itself; a refusal names the "
    "step (`step`, and pointers such as `/steps/2/given/message`), and then nothing has happened. With `preview` "
    "everything is done, shown, and undone.",
    body=schemas.ApplyIn,
    answer=schemas.MacroOutcome,
    permission="complaint:read",
    load=template_queries.macro_part,
    if_match="honoured",
    show=_show_outcome,
    errors=(Forbidden, Conflict),
)
def apply_macro(
    uow: UnitOfWork, actor: Actor, part: Part[rows.Macro], given: dict[str, Any]
) -> macros.Applied | dict[str, Any]:
    return macros.apply(uow, actor, part, preview=given["preview"])
