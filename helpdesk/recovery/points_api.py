from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import points, points_errors, points_queries, points_schemas, voucher_schemas
from helpdesk.recovery.points_queries import Burnt

blp = Blueprint("points", __name__, description="Points of customers: what they have, and using it at a shop.")


@blp.read(
    "/customers/<uuid:customer_id>/points",
    operation_id="get_customer_points",
    summary="What a customer has in points, by currency",
    answer=points_schemas.PointsBalances,
    permission="points:read",
)
def get_points(session: Session, actor: Actor, customer_id: UUID) -> dict[str, Any]:
    return {"items": points_queries.balances(session, points_queries.existing_customer(session, actor, customer_id))}


@blp.read(
    "/customers/<uuid:customer_id>/points/entries",
    operation_id="list_customer_points_entries",
    summary="The ledger of a customer's points, oldest first",
    answer=points_schemas.PointsEntry,
    query=PageQuery,
    permission="points:read",
    paged=True,
)
def list_entries(session: Session, actor: Actor, page: Page, given: dict[str, Any], customer_id: UUID) -> Any:
    points_queries.existing_customer(session, actor, customer_id)
    return points_queries.list_entries(session, page, given, customer_id)


def _show(session: Session, _actor: Actor, entry_id: UUID) -> dict[str, Any]:
    return points_queries.burn_detail(session, entry_id)


@blp.write(
    "/customers/<uuid:customer_id>/points/burns",
    operation_id="burn_points",
    summary="Take points from a customer for what they buy; what ends first is taken first",
    description="`external_id` is the caller's own reference: sent again by the same caller, with another "
    "`Idempotency-Key` or after days, it is the same burning and takes nothing more.",
    body=points_schemas.PointsBurnIn,
    answer=points_schemas.PointsBurn,
    permission="points:burn",
    load=points_queries.existing_customer,
    show=_show,
    idempotency_key="required",
    errors=(points_errors.TooFewPoints, points_errors.BurnDiffers, points_errors.BurnReversed),
)
def burn_points(uow: UnitOfWork, actor: Actor, customer_id: UUID, given: dict[str, Any]) -> UUID:
    return points.burn(uow, actor, customer_id, given)


@blp.write(
    "/customers/<uuid:customer_id>/points/burns/<uuid:burn_id>/reverse",
    operation_id="reverse_points_burn",
    summary="Take back a burning of points that was a mistake; the customer has them again",
    description="One's own; anybody's for who may revoke offers. What comes back after its time cannot be used.",
    body=points_schemas.PointsBurnReverseIn,
    answer=points_schemas.PointsBurn,
    permission="points:burn",
    load=points_queries.hold_burn,
    show=_show,
    idempotency_key="required",
    errors=(points_errors.BurnReversed,),
)
def reverse_burn(uow: UnitOfWork, actor: Actor, burnt: Burnt, given: dict[str, Any]) -> UUID:
    return points.reverse(uow, actor, burnt, given)


@blp.read(
    "/liabilities/points",
    operation_id="get_points_liabilities",
    summary="What is owed on points that can still be used, by currency, and what became of the rest",
    answer=voucher_schemas.Liabilities,
    permission="budget:read",
)
def get_points_liabilities(session: Session, _actor: Actor) -> dict[str, Any]:
    return {"items": points_queries.liabilities(session)}
