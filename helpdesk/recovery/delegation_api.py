from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.allowance_versions import plain
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import delegation_queries, delegation_schemas, delegations, errors
from helpdesk.recovery.delegation_models import AuthorityDelegation

blp = Blueprint("delegations", __name__, description="Authority over offers, lent for a time.")


def _shown(row: Any) -> dict[str, Any]:
    return {**row, "up_to": None if row["up_to"] is None else plain(row["up_to"])}


def _show(session: Session, _actor: Actor, delegation_id: UUID) -> dict[str, Any]:
    return _shown(delegation_queries.delegation_detail(session, None, delegation_id))


@blp.read(
    "/authority-delegations",
    operation_id="list_authority_delegations",
    summary="Authority that was lent by or to the caller",
    description="Everybody's for who may read it (`authority:read`); the newest first.",
    answer=delegation_schemas.Delegation,
    query=delegation_schemas.DelegationQuery,
    permission="offer:read",
    paged=True,
)
def list_delegations(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    rows, cursor, total = delegation_queries.list_delegations(session, actor, page, given)
    return [_shown(row) for row in rows], cursor, total


@blp.write(
    "/authority-delegations",
    operation_id="lend_authority",
    summary="Lend one's authority to somebody for a time",
    description="They approve in the caller's name as far as the caller's own authority goes, or `up_to`. Both are named on the "
    "approval, and it counts against the caller's limits. Neither may have drafted the offer, or be in conflict with it. What "
    "was borrowed is not lent on.",
    body=delegation_schemas.DelegationIn,
    answer=delegation_schemas.Delegation,
    status=201,
    permission="offer:approve",
    show=_show,
    location=lambda shown: f"/api/v1/authority-delegations/{shown['id']}",
    errors=(errors.DelegationOverlaps,),
)
def lend_authority(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return delegations.lend(uow, actor, given)


@blp.read(
    "/authority-delegations/<uuid:delegation_id>",
    operation_id="get_authority_delegation",
    summary="One delegation",
    answer=delegation_schemas.Delegation,
    permission="offer:read",
)
def get_delegation(session: Session, actor: Actor, delegation_id: UUID) -> dict[str, Any]:
    return _shown(delegation_queries.delegation_detail(session, actor, delegation_id))


@blp.write(
    "/authority-delegations/<uuid:delegation_id>/revoke",
    operation_id="revoke_authority_delegation",
    summary="Take lent authority back, or give it back, before its time is over",
    description="By whoever lent it or was lent it; anybody's by who manages authority. What is approved after the answer is "
    "not by it; what was approved stands.",
    body=delegation_schemas.DelegationRevokeIn,
    answer=delegation_schemas.Delegation,
    permission="offer:read",
    load=delegation_queries.delegation_for_update,
    check=delegations.check_open,
    show=_show,
    if_match="required",
    errors=(errors.DelegationEnded,),
)
def revoke_delegation(uow: UnitOfWork, actor: Actor, row: AuthorityDelegation, given: dict[str, Any]) -> UUID:
    return delegations.revoke(uow, actor, row, given["reason"])
