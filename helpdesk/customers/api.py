from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.customers import errors, models, queries, schemas, service
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("customers", __name__, description="People and organisations who complained.")


@blp.read(
    "/customers",
    operation_id="list_customers",
    summary="Customers",
    answer=schemas.Customer,
    query=schemas.CustomerQuery,
    permission="customer:read",
    sparse=True,
    paged=True,
)
def list_customers(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_customers(session, page, given)


@blp.write(
    "/customers",
    operation_id="create_customer",
    summary="Create a customer",
    body=schemas.CustomerIn,
    answer=schemas.Customer,
    status=201,
    permission="customer:edit",
    location=lambda customer: f"/api/v1/customers/{customer.id}",
    errors=(errors.ExternalIdTaken,),
)
def create_customer(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> models.Customer:
    return service.create(uow, given)


@blp.read(
    "/customers/<uuid:customer_id>",
    operation_id="get_customer",
    summary="One customer",
    answer=schemas.Customer,
    permission="customer:read",
)
def get_customer(session: Session, _actor: Actor, customer_id: UUID) -> models.Customer:
    return queries.get(session, customer_id)


@blp.write(
    "/customers/<uuid:customer_id>",
    operation_id="change_customer",
    summary="Change a customer",
    method="PATCH",
    body=schemas.CustomerPatch,
    answer=schemas.Customer,
    permission="customer:edit",
    load=queries.for_update,
    if_match="required",
)
def change_customer(
    uow: UnitOfWork, _actor: Actor, customer: models.Customer, given: dict[str, Any]
) -> models.Customer:
    return service.change(uow, customer, given)
