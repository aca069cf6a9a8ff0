from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity import allowance_queries, allowance_schemas, allowance_versions
from helpdesk.identity.actors import Actor
from helpdesk.identity.allowance_queries import Head
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("authority", __name__, description="How much the authority of a role may give away.")


def _show(session: Session, _actor: Actor, _head: Head) -> dict[str, Any]:
    return allowance_queries.allowances_detail(session)


@blp.read(
    "/authority-limits",
    operation_id="get_authority_limits",
    summary="The limits that hold now, and what is written for later",
    answer=allowance_schemas.AuthorityLimits,
    permission="offer:read",
)
def get_limits(session: Session, _actor: Actor) -> dict[str, Any]:
    return allowance_queries.allowances_detail(session)


@blp.write(
    "/authority-limits",
    operation_id="replace_authority_limits",
    summary="Set the limits: the whole table, from now or from later on",
    description="Every approval that is decided after the answer goes by it, in every process; each keeps the number of the "
    "version that it was judged by. What was written for later comes all the same: to call that off, set what is to hold "
    "instead from the same time on. Refused: an authority that may give more than the next one, more for one complaint than "
    "for a day or for a customer, an authority without a general row.",
    method="PUT",
    body=allowance_schemas.AuthorityLimitsIn,
    answer=allowance_schemas.AuthorityLimits,
    permission="authority:manage",
    load=allowance_queries.head_for_update,
    show=_show,
    if_match="required",
)
def replace_limits(uow: UnitOfWork, actor: Actor, head: Head, given: dict[str, Any]) -> Head:
    return allowance_versions.replace(uow, actor, head, given)


@blp.read(
    "/authority-limits/versions",
    operation_id="list_authority_limits_versions",
    summary="Every version of the limits, the newest first",
    answer=allowance_schemas.AuthorityLimitsVersion,
    query=PageQuery,
    permission="offer:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return allowance_queries.list_versions(session, page, given)


@blp.read(
    "/authority-limits/versions/<version:version>",
    operation_id="get_authority_limits_version",
    summary="One version of the limits",
    answer=allowance_schemas.AuthorityLimitsVersion,
    permission="offer:read",
)
def get_version(session: Session, _actor: Actor, version: int) -> dict[str, Any]:
    return allowance_queries.version_detail(session, version)
