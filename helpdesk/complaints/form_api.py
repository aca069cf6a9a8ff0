from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import detail_queries, form_models, form_queries, form_schemas, forms, schemas, submissions
from helpdesk.complaints.form_errors import AlreadyDecided
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("forms", __name__, description="Forms through which the public complains, and what their trap caught.")


def _show(session: Session, _actor: Actor, form_id: UUID) -> Any:
    return form_queries.form_detail(session, form_id)


@blp.read(
    "/intake/forms",
    operation_id="list_intake_forms",
    summary="Forms",
    answer=form_schemas.Form,
    query=PageQuery,
    permission="form:read",
    paged=True,
)
def list_forms(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return form_queries.list_forms(session, page, given)


@blp.write(
    "/intake/forms",
    operation_id="create_intake_form",
    summary="Make a form",
    body=form_schemas.FormIn,
    answer=form_schemas.Form,
    status=201,
    permission="form:manage",
    show=_show,
    location=lambda form: f"/api/v1/intake/forms/{form['id']}",
    errors=(NameTaken,),
)
def create_form(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return forms.create(uow, given)


@blp.read(
    "/intake/forms/<uuid:form_id>",
    operation_id="get_intake_form",
    summary="One form",
    answer=form_schemas.Form,
    permission="form:read",
)
def get_form(session: Session, _actor: Actor, form_id: UUID) -> Any:
    return form_queries.form_detail(session, form_id)


@blp.write(
    "/intake/forms/<uuid:form_id>",
    operation_id="change_intake_form",
    summary="Change a form, or switch it off",
    method="PATCH",
    body=form_schemas.FormPatch,
    answer=form_schemas.Form,
    permission="form:manage",
    load=form_queries.form_for_update,
    show=_show,
    if_match="required",
    errors=(NameTaken,),
)
def change_form(uow: UnitOfWork, _actor: Actor, form: form_models.IntakeForm, given: dict[str, Any]) -> UUID:
    return forms.change(uow, form, given)


@blp.write(
    "/intake/forms/<uuid:form_id>/rotate-key",
    operation_id="rotate_intake_form_key",
    summary="Give a form a new key; the one before goes on for a while",
    body=form_schemas.RotateIn,
    answer=form_schemas.Form,
    permission="form:manage",
    load=form_queries.form_for_update,
    show=_show,
    if_match="honoured",
)
def rotate_key(uow: UnitOfWork, _actor: Actor, form: form_models.IntakeForm, given: dict[str, Any]) -> UUID:
    return forms.rotate_key(uow, form, given)


@blp.read(
    "/intake/quarantine",
    operation_id="list_quarantine",
    summary="What the forms' trap caught, oldest first",
    answer=form_schemas.QuarantineEntry,
    query=form_schemas.QuarantineQuery,
    permission="quarantine:review",
    paged=True,
)
def list_quarantine(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return form_queries.list_quarantine(session, page, given)


@blp.write(
    "/intake/quarantine/<uuid:entry_id>/release",
    operation_id="release_quarantined",
    summary="A person sent it: take it in as what they were told it is",
    answer=schemas.Complaint,
    status=201,
    permission="quarantine:review",
    load=form_queries.entry_for_update,
    check=submissions.check_undecided,
    show=detail_queries.detail,
    location=lambda shown: f"/api/v1/complaints/{shown['reference']}",
    errors=(AlreadyDecided,),
)
def release(uow: UnitOfWork, actor: Actor, entry: form_models.Quarantined) -> UUID:
    return submissions.release(uow, actor, entry, Secrets(web().signing_key))


def _show_entry(session: Session, _actor: Actor, entry_id: UUID) -> Any:
    return form_queries.entry_detail(session, entry_id)


@blp.write(
    "/intake/quarantine/<uuid:entry_id>/discard",
    operation_id="discard_quarantined",
    summary="No person sent it: throw it away, and keep that there was something",
    answer=form_schemas.QuarantineEntry,
    permission="quarantine:review",
    load=form_queries.entry_for_update,
    check=submissions.check_undecided,
    show=_show_entry,
    errors=(AlreadyDecided,),
)
def discard(uow: UnitOfWork, actor: Actor, entry: form_models.Quarantined) -> UUID:
    return submissions.discard(uow, actor, entry)
