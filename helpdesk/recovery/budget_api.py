from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budget_closing, budget_errors, budget_queries, budget_schemas, budget_views, budgets
from helpdesk.recovery.budget_models import Budget
from helpdesk.recovery.budget_queries import Pair

blp = Blueprint("budgets", __name__, description="The money that offers are paid from.")

_MANAGE = "budget:manage"


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
    permission=_MANAGE,
    show=_show_budget,
    location=lambda shown: f"/api/v1/budgets/{shown['id']}",
    errors=(budget_errors.BudgetExists,),
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
    "/budgets/<uuid:budget_id>",
    operation_id="change_budget",
    summary="Rename a budget, or change at which parts of it somebody is told",
    method="PATCH",
    body=budget_schemas.BudgetChangeIn,
    answer=budget_schemas.Budget,
    permission=_MANAGE,
    load=budget_queries.budget_for_update,
    check=budgets.check_open,
    show=_show_budget,
    if_match="required",
    errors=(budget_errors.BudgetIsClosed, budget_errors.BudgetExists),
)
def change_budget(uow: UnitOfWork, _actor: Actor, budget: Budget, given: dict[str, Any]) -> UUID:
    return budgets.change(uow, budget, given)


@blp.write(
    "/budgets/<uuid:budget_id>/allocations",
    operation_id="allocate_budget",
    summary="Put money into a budget",
    body=budget_schemas.AllocationIn,
    answer=budget_schemas.Budget,
    status=201,
    permission=_MANAGE,
    load=budget_queries.budget_for_update,
    check=budgets.check_open,
    show=_show_budget,
    location=lambda budget: f"/api/v1/budgets/{budget['id']}",
    if_match="required",
    idempotency_key="required",
    errors=(budget_errors.BudgetIsClosed,),
)
def allocate_budget(uow: UnitOfWork, actor: Actor, budget: Budget, given: dict[str, Any]) -> UUID:
    return budgets.allocate(uow, actor, budget, given["amount"], given.get("note"))


@blp.write(
    "/budgets/<uuid:budget_id>/withdrawals",
    operation_id="withdraw_from_budget",
    summary="Take money out of a budget again that was allocated by mistake, or is needed elsewhere",
    description="What is available of what was allocated here, and no more: what is set aside or spent stays. What came from another budget is "
    "transferred, back or to another one.",
    body=budget_schemas.WithdrawalIn,
    answer=budget_schemas.Budget,
    status=201,
    permission=_MANAGE,
    load=budget_queries.budget_for_update,
    check=budgets.check_open,
    show=_show_budget,
    location=lambda budget: f"/api/v1/budgets/{budget['id']}",
    if_match="required",
    idempotency_key="required",
    errors=(budget_errors.BudgetIsClosed, budget_errors.WithdrawalTooLarge),
)
def withdraw_from_budget(uow: UnitOfWork, actor: Actor, budget: Budget, given: dict[str, Any]) -> UUID:
    return budgets.withdraw(uow, actor, budget, given["amount"], given["reason"])


def _pair(field: str) -> Any:
    """Loads the budget of the path and that which the body names in a field, both locked in the order of ids."""

    def load(session: Session, _actor: Actor, body: Any, budget_id: UUID) -> Pair:
        named = body.get(field) if isinstance(body, Mapping) else None
        return budget_queries.pair_for_update(session, budget_id, _parsed(named))

    return load


def _parsed(named: Any) -> UUID | None:
    """What is no id names no budget; what is wrong with it is said when the body is read."""
    try:
        return UUID(named) if isinstance(named, str) else None
    except ValueError:
        return None


@blp.write(
    "/budgets/<uuid:budget_id>/transfers",
    operation_id="transfer_budget",
    summary="Transfer money out of a budget into another of the same currency",
    description="What is available, and no more: what is set aside for offers stays. The ledgers of both have an entry with "
    "the same `transfer_id`.",
    body=budget_schemas.TransferIn,
    answer=budget_schemas.Budget,
    status=201,
    permission=_MANAGE,
    load=_pair("to_budget_id"),
    body_names_rows=True,
    check=budgets.check_open,
    show=_show_budget,
    location=lambda budget: f"/api/v1/budgets/{budget['id']}",
    if_match="required",
    idempotency_key="required",
    errors=(budget_errors.BudgetIsClosed, budget_errors.TransferTooLarge),
)
def transfer_budget(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> UUID:
    return budgets.transfer(uow, actor, pair, given)


@blp.write(
    "/budgets/<uuid:budget_id>/actions/close",
    operation_id="close_budget",
    summary="Close a budget, for good",
    description="From then on nothing is set aside in it: another budget of the team or of the firm pays, or none. What is left "
    "goes to `successor_id`, or lapses; so does whatever comes back later. What is set aside for offers on their way is settled "
    "here as ever, or with `carry_reservations` carried into the successor, shortly after the answer.",
    body=budget_schemas.CloseIn,
    answer=budget_schemas.Budget,
    permission=_MANAGE,
    load=_pair("successor_id"),
    body_names_rows=True,
    check=budgets.check_open,
    show=_show_budget,
    if_match="required",
    idempotency_key="required",
    errors=(budget_errors.BudgetIsClosed,),
)
def close_budget(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> UUID:
    return budget_closing.close(uow, actor, pair, given)


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


@blp.read(
    "/budgets/<uuid:budget_id>/alerts",
    operation_id="list_budget_alerts",
    summary="What was told of how much of a budget is used, newest first",
    answer=budget_schemas.BudgetAlert,
    query=PageQuery,
    permission="budget:read",
    paged=True,
)
def list_alerts(session: Session, _actor: Actor, page: Page, given: dict[str, Any], budget_id: UUID) -> Any:
    return budget_queries.list_alerts(session, page, given, budget_id)


@blp.read(
    "/budgets/<uuid:budget_id>/forecast",
    operation_id="get_budget_forecast",
    summary="How long a budget will last, by what was spent of it lately",
    description="The rate is what was spent in a window of days before now (less what came back), divided by the days. It is "
    "null where nothing was spent, and so is what would follow from it.",
    answer=budget_schemas.BudgetForecast,
    query=budget_schemas.ForecastQuery,
    permission="budget:read",
)
def get_forecast(session: Session, _actor: Actor, given: dict[str, Any], budget_id: UUID) -> dict[str, Any]:
    return budget_views.forecast_of(session, budget_id, given["days"])
