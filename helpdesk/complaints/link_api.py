from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import detail_queries, errors, link_queries, link_schemas, linking, pair_queries, schemas
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.link_queries import LinkedPair
from helpdesk.complaints.pair_queries import Pair
from helpdesk.identity.actors import Actor
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("links", __name__, description="What complaints have to do with each other.")


@blp.read(
    "/complaints/<ref>/links",
    operation_id="list_complaint_links",
    summary="Complaints that this one is linked with",
    description="Each as it is called from this complaint, oldest first. Those that the caller may not see are not there "
    "and not counted.",
    answer=link_schemas.ComplaintLink,
    query=link_schemas.LinkQuery,
    permission="complaint:read",
    paged=True,
)
def list_links(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return link_queries.links_of(session, actor, page, given, ref)


def _both(session: Session, actor: Actor, body: Any, ref: str) -> Pair:
    return pair_queries.pair_for_update(session, actor, ref, body.get("to") if isinstance(body, dict) else None)


def _show(session: Session, actor: Actor, made: tuple[UUID, UUID]) -> dict[str, Any]:
    return link_queries.link_detail(session, actor, *made)


@blp.write(
    "/complaints/<ref>/links",
    operation_id="link_complaint",
    summary="Link a complaint with another one",
    description="A pair has one link of a kind, which is shown from both sides. A complaint has one parent at most, and is "
    "never above itself.",
    body=link_schemas.ComplaintLinkIn,
    answer=link_schemas.ComplaintLink,
    status=201,
    permission="complaint:link",
    load=_both,
    body_names_rows=True,
    if_match="honoured",
    show=_show,
    errors=(errors.AlreadyLinked, errors.ParentTaken, errors.ParentRing),
)
def link_complaint(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> tuple[UUID, UUID]:
    return linking.link(uow, actor, pair, given)


@blp.write(
    "/complaints/<ref>/links/<uuid:link_id>",
    operation_id="unlink_complaint",
    summary="Take a link away",
    method="DELETE",
    answer=schemas.Complaint,
    permission="complaint:link",
    load=link_queries.link_for_update,
    check=linking.check_unlink,
    if_match="required",
    errors=(errors.SplitStays,),
    show=detail_queries.detail,
)
def unlink_complaint(uow: UnitOfWork, _actor: Actor, pair: LinkedPair) -> UUID:
    return linking.unlink(uow, pair)
