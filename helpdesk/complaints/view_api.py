from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import list_queries, saved_views, view_queries
from helpdesk.complaints.schemas import ComplaintSummary
from helpdesk.complaints.view_errors import TooManyViews, ViewBroken
from helpdesk.complaints.view_models import View as Row
from helpdesk.complaints.view_schemas import View, ViewIn, ViewPut, ViewQuery
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("views", __name__, description="Lists that somebody wants to see again, with how many are in them.")


@blp.read(
    "/views",
    operation_id="list_views",
    summary="Views that the caller may use, in order of place, each with its count",
    description="One's own, those of one's teams, and what is shared. A view never shows more than its caller may see, and "
    "one that asks for what is not there any more says so in `broken`.",
    answer=View,
    query=ViewQuery,
    permission="complaint:read",
    paged=True,
)
def list_views(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    rows, cursor, total = view_queries.list_views(session, actor, page, given)
    return saved_views.shown(session, actor, rows, counts=given["counts"]), cursor, total


def _show(session: Session, actor: Actor, view_id: UUID) -> Mapping[str, Any]:
    return saved_views.shown(session, actor, [view_queries.written(session, view_id)])[0]


@blp.write(
    "/views",
    operation_id="create_view",
    summary="Keep a list",
    description="For oneself, or with `view:share` for a team or for everybody. What its filters name must be there.",
    body=ViewIn,
    answer=View,
    status=201,
    permission="view:edit",
    show=_show,
    location=lambda shown: f"/api/v1/views/{shown['id']}",
    faults=saved_views.faults,
    errors=(Forbidden, TooManyViews),
)
def create_view(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return saved_views.SHELF.create(uow, actor, given)


@blp.read(
    "/views/<uuid:view_id>",
    operation_id="get_view",
    summary="One view, with its count",
    answer=View,
    permission="complaint:read",
)
def get_view(session: Session, actor: Actor, view_id: UUID) -> Mapping[str, Any]:
    return saved_views.shown(session, actor, [view_queries.view(session, actor, view_id)])[0]


@blp.write(
    "/views/<uuid:view_id>",
    operation_id="replace_view",
    summary="Write a view anew",
    description="What is left out is what it is in a new view; only `filters` has to be given, because without them a view shows "
    "every complaint.",
    method="PUT",
    body=ViewPut,
    answer=View,
    permission="view:edit",
    load=view_queries.view_for_update,
    allow=saved_views.SHELF.check,
    if_match="required",
    show=_show,
    faults=saved_views.faults,
    errors=(Forbidden, TooManyViews),
)
def replace_view(uow: UnitOfWork, actor: Actor, row: Row, given: dict[str, Any]) -> UUID:
    return saved_views.SHELF.change(uow, actor, row, given)


@blp.write(
    "/views/<uuid:view_id>",
    operation_id="delete_view",
    summary="Throw a view away",
    method="DELETE",
    status=204,
    answer=None,
    permission="view:edit",
    load=view_queries.view_for_update,
    allow=saved_views.SHELF.check,
    if_match="required",
    errors=(Forbidden,),
)
def delete_view(uow: UnitOfWork, _actor: Actor, row: Row) -> None:
    saved_views.SHELF.delete(uow, row)


@blp.read(
    "/views/<uuid:view_id>/complaints",
    operation_id="list_view_complaints",
    summary="The complaints of a view that the caller may see, in its order",
    description="A cursor belongs to the view as it was: once it has been changed, begin without one.",
    answer=ComplaintSummary,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
    errors=(ViewBroken,),
)
def list_view_complaints(session: Session, actor: Actor, page: Page, given: dict[str, Any], view_id: UUID) -> Listed:
    view = view_queries.view(session, actor, view_id)
    wanted = saved_views.wanted(session, view)
    return list_queries.listing(session, actor, page.within(str(view["version"])), wanted, count=given["count"])
