from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_errors as errors
from helpdesk.complaints import custom_field_models as models
from helpdesk.complaints import custom_field_queries as queries
from helpdesk.complaints import custom_field_schemas as schemas
from helpdesk.complaints import custom_fields
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("custom fields", __name__, description="Fields of one's own on complaints: what they hold and ask for.")


@blp.read(
    "/custom-fields",
    operation_id="list_custom_fields",
    summary="Every custom field, in order of place",
    answer=schemas.CustomField,
    query=schemas.CustomFieldQuery,
    permission="complaint:read",
    paged=True,
)
def list_fields(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return queries.list_fields(session, page, given)


def _show(session: Session, _actor: Actor, field_id: UUID) -> Mapping[str, Any]:
    return queries.detail(session, field_id)


@blp.write(
    "/custom-fields",
    operation_id="create_custom_field",
    summary="Define a field",
    body=schemas.CustomFieldIn,
    answer=schemas.CustomField,
    status=201,
    permission="custom_field:manage",
    show=_show,
    location=lambda field: f"/api/v1/custom-fields/{field['id']}",
    errors=(errors.FieldTaken, errors.TooManyFields),
)
def create_field(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return custom_fields.create(uow, given)


@blp.read(
    "/custom-fields/<uuid:field_id>",
    operation_id="get_custom_field",
    summary="One custom field",
    answer=schemas.CustomField,
    permission="complaint:read",
)
def get_field(session: Session, _actor: Actor, field_id: UUID) -> Mapping[str, Any]:
    return queries.detail(session, field_id)


@blp.write(
    "/custom-fields/<uuid:field_id>",
    operation_id="change_custom_field",
    summary="Change a field's definition, or put it out of use",
    description="While complaints have values in it, its type and currency stay, and codes of options are retired instead "
    "of taken away. Bounds, mask and length hold for what is written from now on.",
    method="PATCH",
    body=schemas.CustomFieldPatch,
    answer=schemas.CustomField,
    permission="custom_field:manage",
    load=queries.field_for_update,
    if_match="required",
    show=_show,
    errors=(errors.FieldInUse, errors.FieldNamed),
)
def change_field(uow: UnitOfWork, _actor: Actor, field: models.CustomField, given: dict[str, Any]) -> UUID:
    return custom_fields.change(uow, field, given)


@blp.write(
    "/custom-fields/<uuid:field_id>",
    operation_id="delete_custom_field",
    summary="Delete a field that no complaint has a value in",
    method="DELETE",
    status=204,
    answer=None,
    permission="custom_field:manage",
    load=queries.field_for_update,
    if_match="required",
    errors=(errors.FieldInUse, errors.FieldNamed),
)
def delete_field(uow: UnitOfWork, _actor: Actor, field: models.CustomField) -> None:
    custom_fields.remove_definition(uow, field)
