"""Routing rules, and what they decided."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    detail_queries,
    errors,
    models,
    queries,
    routing,
    routing_models,
    routing_queries,
    routing_rules,
    schemas,
)
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.fact_schemas import Vocabulary
from helpdesk.complaints.facts import described, vocabulary
from helpdesk.complaints.routing_schemas import (
    RoutingDecision,
    RoutingPreview,
    RoutingRule,
    RoutingRuleIn,
    RoutingRulePatch,
    RoutingRuleQuery,
    RoutingRuleVersion,
)
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Conflict
from helpdesk.kernel.facts import CHANGES
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("routing", __name__, description="Which team a complaint goes to, and who takes it: rules as data.")

_HOLDS = "Whatever begins after the answer goes by it, in every process."


def _show(session: Session, actor: Actor, rule_id: UUID) -> Any:
    return routing_queries.rule_detail(session, actor, rule_id)


@blp.read(
    "/routing/vocabulary",
    operation_id="get_routing_vocabulary",
    summary="What conditions of rules can be made of: fields, and how to ask for them",
    answer=Vocabulary,
    permission="routing:read",
)
def get_vocabulary(session: Session, _actor: Actor) -> dict[str, Any]:
    return {"fields": described(vocabulary(session), without=CHANGES)}


@blp.read(
    "/routing/rules",
    operation_id="list_routing_rules",
    summary="Rules in the order in which they are asked",
    description="First the rules of a complaint's own team, then everybody's (`team_id` null); the first that holds decides.",
    answer=RoutingRule,
    query=RoutingRuleQuery,
    permission="routing:read",
    paged=True,
)
def list_rules(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return routing_queries.list_rules(session, actor, page, given)


@blp.write(
    "/routing/rules",
    operation_id="create_routing_rule",
    summary="Add a rule",
    description=_HOLDS,
    body=RoutingRuleIn,
    answer=RoutingRule,
    status=201,
    permission="routing:manage",
    show=_show,
    location=lambda rule: f"/api/v1/routing/rules/{rule['id']}",
)
def create_rule(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return routing_rules.create(uow, actor, given)


@blp.read(
    "/routing/rules/<uuid:rule_id>",
    operation_id="get_routing_rule",
    summary="One rule, also one that was taken away",
    answer=RoutingRule,
    permission="routing:read",
)
def get_rule(session: Session, actor: Actor, rule_id: UUID) -> Any:
    return routing_queries.rule_detail(session, actor, rule_id)


@blp.write(
    "/routing/rules/<uuid:rule_id>",
    operation_id="change_routing_rule",
    summary="Change a rule",
    description=f"{_HOLDS} Decisions name the version that made them.",
    method="PATCH",
    body=RoutingRulePatch,
    answer=RoutingRule,
    permission="routing:manage",
    load=routing_queries.rule_for_update,
    allow=routing_rules.check_own,
    show=_show,
    if_match="required",
)
def change_rule(uow: UnitOfWork, actor: Actor, rule: routing_models.RoutingRule, given: dict[str, Any]) -> UUID:
    return routing_rules.change(uow, actor, rule, given)


@blp.write(
    "/routing/rules/<uuid:rule_id>",
    operation_id="remove_routing_rule",
    summary="Take a rule away",
    description=f"{_HOLDS} It can still be read.",
    method="DELETE",
    answer=RoutingRule,
    permission="routing:manage",
    load=routing_queries.rule_for_update,
    allow=routing_rules.check_own,
    show=_show,
    if_match="required",
)
def remove_rule(uow: UnitOfWork, _actor: Actor, rule: routing_models.RoutingRule) -> UUID:
    return routing_rules.remove(uow, rule)


@blp.read(
    "/routing/rules/<uuid:rule_id>/versions",
    operation_id="list_routing_rule_versions",
    summary="A rule as it was, the newest first",
    answer=RoutingRuleVersion,
    query=PageQuery,
    permission="routing:read",
    paged=True,
)
def list_versions(session: Session, actor: Actor, page: Page, given: dict[str, Any], rule_id: UUID) -> Any:
    return routing_queries.list_versions(session, actor, page, given, rule_id)


@blp.read(
    "/complaints/<ref>/routing",
    operation_id="list_complaint_routing",
    summary="What rules decided of a complaint, and why, the newest first",
    answer=RoutingDecision,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_decisions(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return routing_queries.list_decisions(session, actor, page, given, ref)


@blp.read(
    "/complaints/<ref>/routing/preview",
    operation_id="get_complaint_routing_preview",
    summary="What the rules would decide now, if nobody had it",
    answer=RoutingPreview,
    permission="complaint:read",
)
def preview_routing(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    complaint = queries.get_visible(session, actor, ref)
    decision = routing.preview(session, complaint, cast(datetime, actor.seen_at))  # every request has its moment
    told = routing.NOTHING_TOLD if decision is None else decision.told(decision.team_id)
    return routing_queries.told_to(actor, told)


@blp.write(
    "/complaints/<ref>/routing",
    operation_id="route_complaint",
    summary="Route a complaint that nobody has",
    description="For what came in before there were rules, or by an import. Where no rule is for it, it stays as it is.",
    answer=schemas.Complaint,
    permission="complaint:assign",
    load=queries.complaint_for_update,
    check=routing.check_free,
    if_match="honoured",
    show=detail_queries.detail,
    errors=(errors.AlreadyAssigned, Conflict),
)
def route_complaint(uow: UnitOfWork, _actor: Actor, complaint: models.Complaint) -> UUID:
    routing.route(uow, complaint, "asked_for")
    return complaint.id
