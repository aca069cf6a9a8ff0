from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    detail_queries,
    duplicates,
    errors,
    filtering,
    intake,
    list_queries,
    message_schemas,
    models,
    people,
    person_queries,
    person_schemas,
    queries,
    schemas,
    service,
    thread_queries,
    tracking_schemas,
)
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.attachment_api import is_scanned
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.lifecycle import CLOSING, LIFECYCLE, PAIRED
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import ActionNotAllowed, Conflict, Forbidden, MovedMeanwhile
from helpdesk.kernel.http import include, web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import Schema
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("complaints", __name__, description="Complaints and their life.")


def _at(shown: dict[str, Any]) -> str:
    return f"/api/v1/complaints/{shown['reference']}"


@blp.read(
    "/complaints",
    operation_id="list_complaints",
    summary="Complaints that the caller may see",
    answer=schemas.ComplaintSummary,
    query=schemas.ComplaintQuery,
    permission="complaint:read",
    sparse=True,
    paged=True,
)
def list_complaints(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return list_queries.listing(session, actor, page, filtering.wanted(session, given), count=given["count"])


def _secrets() -> Secrets:
    return Secrets(web().signing_key)


def _show_new(session: Session, actor: Actor, complaint_id: UUID) -> dict[str, Any]:
    shown = detail_queries.detail(session, actor, complaint_id)
    return shown | {
        "tracking_secret": _secrets().of(complaint_id, 1),
        "possible_duplicates": duplicates.at_intake(session, actor, shown),
    }


@blp.write(
    "/complaints",
    operation_id="create_complaint",
    summary="Take in a complaint",
    body=schemas.ComplaintIn,
    answer=tracking_schemas.NewComplaint,
    status=201,
    permission="complaint:create",
    show=_show_new,
    shown_once="tracking_secret",
    location=_at,
    errors=(errors.AlreadyReceived,),
)
def create_complaint(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return intake.receive(uow, actor, given, _secrets())


@blp.read(
    "/complaints/<ref>",
    operation_id="get_complaint",
    summary="One complaint, with what the caller can do with it",
    description="With `include`, also what hangs on it: each as the list of its own address answers it, up to its first "
    "page, whose `next_cursor` goes on there, and only to who may read it there.",
    answer=schemas.Complaint,
    query=schemas.IncludeQuery,
    permission="complaint:read",
    sparse=True,
)
def get_complaint(session: Session, actor: Actor, given: dict[str, Any], ref: str) -> Any:
    shown = detail_queries.detail(session, actor, ref)
    if schemas.INCLUDE in given:
        names = given[schemas.INCLUDE]
        shown["included"] = {name: include(session, actor, f"/complaints/<ref>/{name}", ref=ref) for name in names}
    return shown


@blp.write(
    "/complaints/<ref>",
    operation_id="edit_complaint",
    summary="Correct what was written down",
    method="PATCH",
    body=schemas.ComplaintPatch,
    answer=schemas.Complaint,
    permission="complaint:edit",
    load=queries.complaint_for_update,
    show=detail_queries.detail,
    if_match="required",
)
def edit_complaint(uow: UnitOfWork, _actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return service.edit(uow, complaint, given)


_NAMES = {
    "ask_customer": "ask_customer",
    "set_severity": "set_complaint_severity",
    "ask_third_party": "ask_third_party",
    "resolve_on_the_spot": "resolve_complaint_on_the_spot",
    "refer_externally": "refer_complaint_externally",
}
"""Operation ids, where "action_complaint" would not read well in a client."""


def _action_route(action: str) -> None:
    """One route per row of the lifecycle table."""
    step = LIFECYCLE.by_action(action)

    def check(session: Session, actor: Actor, complaint: models.Complaint) -> None:
        acts.check(session, actor, complaint, action)

    def run(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
        return acts.carry_out(uow, actor, complaint, action, given).id

    sources = ", ".join(sorted(step.sources, key=LIFECYCLE.states.index))
    moves = f"to {step.target}" if step.target else "which stays as it is"
    waits = " ".join(f"Refused while {need.detail}" for need in step.requires)
    blp.write(
        f"/complaints/<ref>/actions/{action}",
        operation_id=_NAMES.get(action, f"{action}_complaint"),
        summary=step.summary,
        description=f"{step.summary}: from {sources} {moves}. {waits}".strip(),
        body=BODIES[action],
        answer=schemas.Complaint,
        permission=step.permission,
        load=queries.complaint_for_update,
        check=check,
        show=detail_queries.detail,
        if_match="honoured",
        errors=(ActionNotAllowed, *((errors.ConflictOfInterest,) if action in CLOSING else ())),
    )(run)


for _action in LIFECYCLE.actions:
    if _action not in PAIRED:
        _action_route(_action)


def _person_route(role: str, path: str, body: type[Schema], summary: str) -> None:
    def run(uow: UnitOfWork, _actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
        return people.add(uow, complaint, role, given)

    blp.write(
        f"/complaints/<ref>/{path}",
        operation_id=f"add_complaint_{role}",
        summary=summary,
        body=body,
        answer=schemas.Complaint,
        status=201,
        permission="complaint:edit",
        load=queries.complaint_for_update,
        if_match="honoured",
        show=detail_queries.detail,
        location=_at,
    )(run)


_person_route("affected", "affected", person_schemas.PersonIn, "Add a person who was harmed")
_person_route(
    "representative", "representatives", person_schemas.RepresentativeIn, "Add a representative, with the authority"
)
_person_route("subject", "subjects", person_schemas.SubjectIn, "Name the agent whom the complaint is about")


@blp.write(
    "/complaints/<ref>/people/<uuid:person_id>",
    operation_id="change_complaint_person",
    summary="Correct what is known of a person on a complaint",
    method="PATCH",
    body=person_schemas.PersonPatch,
    answer=schemas.Complaint,
    permission="complaint:edit",
    load=person_queries.person_for_update,
    if_match="required",
    show=detail_queries.detail,
)
def change_person(uow: UnitOfWork, _actor: Actor, part: queries.Part[models.Person], given: dict[str, Any]) -> UUID:
    return people.change(uow, part, given)


@blp.write(
    "/complaints/<ref>/people/<uuid:person_id>",
    operation_id="remove_complaint_person",
    summary="Take an affected person, a representative or a subject off a complaint",
    method="DELETE",
    answer=schemas.Complaint,
    permission="complaint:edit",
    load=person_queries.person_for_update,
    if_match="required",
    check=people.check_removal,
    show=detail_queries.detail,
    errors=(errors.ConflictOfInterest, errors.ComplainantStays),
)
def remove_person(uow: UnitOfWork, _actor: Actor, part: queries.Part[models.Person]) -> UUID:
    return people.remove(uow, part)


@blp.write(
    "/complaints/<ref>/needs",
    operation_id="record_complaint_need",
    summary="Record a vulnerability and the adjustment it asks for",
    body=person_schemas.NeedIn,
    answer=schemas.Complaint,
    status=201,
    permission="complaint:edit",
    load=queries.complaint_for_update,
    if_match="honoured",
    show=detail_queries.detail,
    location=_at,
    errors=(Conflict,),
)
def record_need(uow: UnitOfWork, _actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return people.record_need(uow, complaint, given)


@blp.write(
    "/complaints/<ref>/needs/<uuid:need_id>",
    operation_id="end_complaint_need",
    summary="A vulnerability holds no more, or consent was taken back",
    method="DELETE",
    answer=schemas.Complaint,
    permission="complaint:edit",
    load=person_queries.need_for_update,
    if_match="required",
    show=detail_queries.detail,
)
def end_need(uow: UnitOfWork, _actor: Actor, part: queries.Part[models.Need]) -> UUID:
    return people.end_need(uow, part)


@blp.read(
    "/complaints/<ref>/messages",
    operation_id="list_complaint_messages",
    summary="The thread, oldest first unless asked otherwise",
    answer=message_schemas.Message,
    query=message_schemas.MessageQuery,
    permission="complaint:read",
    paged=True,
)
def list_messages(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return thread_queries.list_messages(session, actor, page, given, ref)


@blp.read(
    "/complaints/<ref>/messages/<uuid:message_id>",
    operation_id="get_complaint_message",
    summary="One message of the thread",
    answer=message_schemas.Message,
    permission="complaint:read",
)
def get_message(session: Session, actor: Actor, ref: str, message_id: UUID) -> dict[str, Any]:
    return thread_queries.message_of(session, actor, ref, message_id)


def _show_message(session: Session, actor: Actor, message_id: UUID) -> dict[str, Any]:
    """It may have gone to another complaint than that in the path, of which not everybody is to learn."""
    shown = thread_queries.message(session, message_id)
    return shown | {"seen": queries.sees_held(session, actor, shown["complaint_id"])}


def _message_at(shown: dict[str, Any]) -> str | None:
    return f"/api/v1/complaints/{shown['complaint_id']}/messages/{shown['id']}" if shown["seen"] else None


@blp.write(
    "/complaints/<ref>/messages",
    operation_id="add_complaint_message",
    merged=True,
    summary="Write to the complainant, note something, or record what they said",
    description="A `public_reply` is also mailed to the complainant where there is an address. An `inbound` message ends "
    "the waiting for the complainant; on a complaint that was merged it goes to the one in which that goes on. Files that are on "
    "the complaint already go with it (`attachment_ids`), and with its mail: too many bytes for a mail as a link.",
    body=message_schemas.MessageIn,
    answer=message_schemas.Message,
    status=201,
    permission="complaint:note",
    load=queries.thread_for_update,
    if_match="honoured",
    show=_show_message,
    location=_message_at,
    errors=(Forbidden, errors.ComplaintMerged, MovedMeanwhile),
)
def add_message(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return service.write_message(uow, actor, complaint, given, scanned=is_scanned())
