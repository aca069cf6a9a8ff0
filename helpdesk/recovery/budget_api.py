from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_queries, budget_schemas, budgets, errors, models

blp = Blueprint("budgets", __name__, description="The money that offers are paid from.")


@blp.read(
    "/budgets",
    operation_id="list_budgets",
    summary="Recovery budgets",
    answer=budget_schemas.Budget,
    query=budget_schemas.BudgetQuery,
    permission="budget:read",
    paged=True,
)
def list_budgets(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return budget_queries.list_budgets(session, page, given)


def _show_budget(session: Session, _actor: Actor, budget_id: UUID) -> dict[str, Any]:
    return budget_queries.budget_detail(session, budget_id)


@blp.write(
    "/budgets",
    operation_id="open_budget",
    summary="Open a budget, for a team or for the firm; it begins empty",
    description="An offer is paid from the budget of its complaint's team that covers today in the offer's currency, and "
    "where the team has none, from the firm's.",
    body=budget_schemas.BudgetIn,
    answer=budget_schemas.Budget,
    status=201,
    permission="budget:manage",
    show=_show_budget,
    location=lambda shown: f"/api/v1/budgets/{shown['id']}",
    errors=(errors.BudgetExists,),
)
def open_budget(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return budgets.open_budget(uow, given)


@blp.read(
    "/budgets/<uuid:budget_id>",
    operation_id="get_budget",
    summary="One budget",
    answer=budget_schemas.Budget,
    permission="budget:read",
)
def get_budget(session: Session, _actor: Actor, budget_id: UUID) -> dict[str, Any]:
    return budget_queries.budget_detail(session, budget_id)


@blp.write(
    "/budgets/<uuid:budget_id>/allocations",
    operation_id="allocate_budget",
    summary="Put money into a budget",
    body=budget_schemas.AllocationIn,
    answer=budget_schemas.Budget,
    status=201,
    permission="budget:manage",
    load=budget_queries.budget_for_update,
    show=_show_budget,
    location=lambda budget: f"/api/v1/budgets/{budget['id']}",
    if_match="required",
    idempotency_key="required",
)
def allocate_budget(uow: UnitOfWork, actor: Actor, budget: models.Budget, given: dict[str, Any]) -> UUID:
    return budgets.allocate(uow, actor, budget, given["amount"], given.get("note"))


@blp.read(
    "/budgets/<uuid:budget_id>/entries",
    operation_id="list_budget_entries",
    summary="A budget's ledger, oldest first",
    answer=budget_schemas.BudgetEntry,
    query=PageQuery,
    permission="budget:read",
    paged=True,
)
def list_entries(session: Session, _actor: Actor, page: Page, given: dict[str, Any], budget_id: UUID) -> Any:
    return budget_queries.list_entries(session, page, given, budget_id)
