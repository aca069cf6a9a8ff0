from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import models, queries, schemas, service, specs

blp = Blueprint("sla", __name__, description="Promises about time: policies, regimes and clocks.")


@blp.read(
    "/complaints/<ref>/clocks",
    operation_id="list_complaint_clocks",
    summary="The clocks of a complaint",
    answer=schemas.Clocks,
    permission="complaint:read",
)
def list_clocks(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    return {"items": queries.clocks_of(session, actor, ref)}


@blp.read(
    "/sla/policies",
    operation_id="list_sla_policies",
    summary="SLA policies",
    answer=schemas.Policy,
    query=PageQuery,
    permission="sla:read",
    paged=True,
)
def list_policies(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_policies(session, page, given)


@blp.read(
    "/sla/policies/<uuid:policy_id>",
    operation_id="get_sla_policy",
    summary="One SLA policy",
    answer=schemas.Policy,
    permission="sla:read",
)
def get_policy(session: Session, _actor: Actor, policy_id: UUID) -> dict[str, Any]:
    return queries.policy_detail(session, policy_id)


def _show_policy(session: Session, _actor: Actor, policy_id: UUID) -> dict[str, Any]:
    return queries.policy_detail(session, policy_id)


@blp.write(
    "/sla/policies/<uuid:policy_id>",
    operation_id="change_sla_policy",
    summary="Give a policy new targets, as a new version",
    description="Clocks that run go on by the version that made them; new clocks, and those whose severity changes, use the "
    "new one.",
    method="PUT",
    body=schemas.PolicyIn,
    answer=schemas.Policy,
    permission="sla:manage",
    load=queries.policy_for_update,
    show=_show_policy,
    if_match="required",
)
def change_policy(uow: UnitOfWork, _actor: Actor, policy: models.SlaPolicy, given: dict[str, Any]) -> UUID:
    return service.change_policy(uow, policy, given)


@blp.read(
    "/sla/regimes",
    operation_id="list_sla_regimes",
    summary="Regulatory deadlines that are known",
    answer=schemas.Rules,
    permission="sla:read",
)
def list_regimes(_session: Session, _actor: Actor) -> dict[str, Any]:
    items = [
        {
            "id": rule.id,
            "jurisdiction": rule.jurisdiction,
            "sector": rule.sector,
            "instrument": rule.instrument,
            "milestone": rule.milestone,
            "clock_start": rule.clock_start,
            "target_amount": rule.target.amount,
            "target_unit": rule.target.unit,
            "timezone": rule.calendar.timezone,
            "source": rule.source,
            "confidence": rule.confidence,
        }
        for rule in specs.rules()
    ]
    return {"notice": "Information, not legal advice.", "items": items}
