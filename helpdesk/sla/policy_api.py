from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.facts import described
from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.facts import CHANGES
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import policies, policy_facts, recomputing
from helpdesk.sla import policy_queries as queries
from helpdesk.sla import policy_schemas as schemas
from helpdesk.sla.errors import DefaultPolicyStays, PolicyUsed
from helpdesk.sla.models import SlaPolicy

blp = Blueprint("policies", __name__, description="What is promised to whom, and by when: policies, in versions.")

_NEW_VERSION = (
    "A new version, by which whatever begins after the answer goes, in every process. Open clocks that it concerns are recomputed by a job, keeping what was used "
    "(`recompute_job_id`), and cancelled where nothing promises them any more (`unpromised_clocks`: at most so many); with `recompute: false` they go on by the version that made them, until a fact of their complaint changes."
)


Edited = tuple[UUID, UUID | None]
"""A policy, and the job that follows from its edit."""


def _show(session: Session, _actor: Actor, edited: Edited) -> dict[str, Any]:
    policy_id, job_id = edited
    shown = queries.policy_detail(session, policy_id)
    unpromised = queries.unpromised(session, policy_id, shown)
    return {**shown, "recompute_job_id": job_id, "unpromised_clocks": unpromised}


@blp.read(
    "/sla/policies",
    operation_id="list_sla_policies",
    summary="SLA policies, in the order in which they are asked",
    description="The first active one whose condition and days hold decides; the default one stands last.",
    answer=schemas.Policy,
    query=PageQuery,
    permission="sla:read",
    paged=True,
)
def list_policies(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_policies(session, page, given)


@blp.write(
    "/sla/policies",
    operation_id="create_sla_policy",
    summary="Create an SLA policy",
    body=schemas.PolicyIn,
    answer=schemas.PolicyEdited,
    status=201,
    permission="sla:manage",
    show=_show,
    location=lambda shown: f"/api/v1/sla/policies/{shown['id']}",
    errors=(NameTaken,),
)
def create_policy(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> Edited:
    wanted = given.pop("recompute")
    return policies.create(uow, given), recomputing.begin(uow, actor, wanted=wanted)


@blp.read(
    "/sla/policies/vocabulary",
    operation_id="get_sla_policy_vocabulary",
    summary="What conditions of policies can be made of: fields, and how to ask for them",
    answer=schemas.Vocabulary,
    permission="sla:read",
)
def get_vocabulary(session: Session, _actor: Actor) -> dict[str, Any]:
    return {"fields": described(policy_facts.vocabulary(session), without=CHANGES)}


def _show_all(session: Session, _actor: Actor, job_id: UUID | None) -> dict[str, Any]:
    return {"items": queries.all_in_order(session), "recompute_job_id": job_id}


@blp.write(
    "/sla/policies/reorder",
    operation_id="reorder_sla_policies",
    summary="Say in which order policies are asked",
    description=f"Names all but the default one. Those that get another position get a new version. {_NEW_VERSION}",
    body=schemas.PolicyOrder,
    answer=schemas.PoliciesInOrder,
    permission="sla:manage",
    show=_show_all,
)
def reorder_policies(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID | None:
    policies.reorder(uow, given["policy_ids"])
    return recomputing.begin(uow, actor, wanted=given["recompute"])


@blp.read(
    "/sla/policies/<uuid:policy_id>",
    operation_id="get_sla_policy",
    summary="One SLA policy, also one that was deleted",
    answer=schemas.Policy,
    permission="sla:read",
)
def get_policy(session: Session, _actor: Actor, policy_id: UUID) -> dict[str, Any]:
    return queries.policy_detail(session, policy_id)


def _change(uow: UnitOfWork, actor: Actor, policy: SlaPolicy, given: dict[str, Any]) -> Edited:
    wanted = given.pop("recompute")
    return policies.change(uow, policy, given), recomputing.begin(uow, actor, wanted=wanted)


@blp.write(
    "/sla/policies/<uuid:policy_id>",
    operation_id="edit_sla_policy",
    summary="Change anything of a policy: name, order, days, condition, targets, whether it is active",
    description=_NEW_VERSION,
    method="PATCH",
    body=schemas.PolicyPatch,
    answer=schemas.PolicyEdited,
    permission="sla:manage",
    load=queries.policy_for_update,
    show=_show,
    if_match="required",
    errors=(NameTaken, DefaultPolicyStays),
)
def edit_policy(uow: UnitOfWork, actor: Actor, policy: SlaPolicy, given: dict[str, Any]) -> Edited:
    return _change(uow, actor, policy, given)


@blp.write(
    "/sla/policies/<uuid:policy_id>",
    operation_id="change_sla_policy",
    summary="Give a policy new targets",
    description=f"{_NEW_VERSION} Calendar, thresholds, ladder, targets and tiers are put in the place of those it has.",
    method="PUT",
    body=schemas.PolicyTerms,
    answer=schemas.PolicyEdited,
    permission="sla:manage",
    load=queries.policy_for_update,
    show=_show,
    if_match="required",
)
def change_policy(uow: UnitOfWork, actor: Actor, policy: SlaPolicy, given: dict[str, Any]) -> Edited:
    return _change(uow, actor, policy, given)


@blp.write(
    "/sla/policies/<uuid:policy_id>",
    operation_id="delete_sla_policy",
    summary="Delete a policy that no clock was ever made by",
    description="It can still be read. One that was used is deactivated instead. Open complaints that it was for, and promised nothing, go "
    "by the next one, by a job (`recompute_job_id`).",
    method="DELETE",
    answer=schemas.PolicyEdited,
    permission="sla:manage",
    load=queries.policy_for_update,
    show=_show,
    if_match="required",
    errors=(DefaultPolicyStays, PolicyUsed),
)
def delete_policy(uow: UnitOfWork, actor: Actor, policy: SlaPolicy) -> Edited:
    return policies.remove(uow, policy), recomputing.begin(uow, actor)


@blp.read(
    "/sla/policies/<uuid:policy_id>/versions",
    operation_id="list_sla_policy_versions",
    summary="A policy as it was, the newest first",
    answer=schemas.PolicyVersion,
    query=PageQuery,
    permission="sla:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any], policy_id: UUID) -> Any:
    return queries.list_versions(session, page, given, policy_id)


@blp.read(
    "/sla/policies/<uuid:policy_id>/versions/<version:version>",
    operation_id="get_sla_policy_version",
    summary="One version of a policy",
    answer=schemas.PolicyVersion,
    permission="sla:read",
)
def get_version(session: Session, _actor: Actor, policy_id: UUID, version: int) -> dict[str, Any]:
    return queries.version_detail(session, policy_id, version)


@blp.read(
    "/sla/policies/<uuid:policy_id>/uses",
    operation_id="get_sla_policy_uses",
    summary="How many open clocks go by each version of a policy",
    answer=schemas.PolicyUses,
    permission="sla:read",
)
def get_uses(session: Session, _actor: Actor, policy_id: UUID) -> dict[str, Any]:
    return queries.uses_of(session, policy_id)
