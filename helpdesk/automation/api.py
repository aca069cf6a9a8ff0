"""Triggers, what they did, and what they would have done."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.automation import dry_running, errors, facts, models, queries, rules, schemas, timing, triggers
from helpdesk.automation.actions import ACTIONS
from helpdesk.automation.happenings import WATCHED
from helpdesk.complaints.facts import described
from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("automation", __name__, description="Triggers: what is to follow from what, and from time that passes.")

_HOLDS = "Whatever begins after the answer goes by it, in every process."


def _readable(session: Session, rows: Any) -> list[dict[str, Any]]:
    known = facts.vocabulary(session)
    return [{**row, "unreadable": not rules.can_be_read(row["condition"], known)} for row in rows]


def _show(session: Session, _actor: Actor, trigger_id: UUID) -> Any:
    return _readable(session, [queries.trigger_detail(session, trigger_id)])[0]


@blp.read(
    "/triggers/vocabulary",
    operation_id="get_trigger_vocabulary",
    summary="What triggers can be made of: events, fields of conditions, actions, times",
    answer=schemas.TriggerVocabulary,
    permission="automation:read",
)
def get_vocabulary(session: Session, _actor: Actor) -> dict[str, Any]:
    return {
        "events": list(WATCHED),
        "fields": described(facts.vocabulary(session)),
        "steps": list(ACTIONS),
        "times": list(timing.ANCHORS),
    }


@blp.read(
    "/triggers",
    operation_id="list_triggers",
    summary="Triggers in the order in which they are asked",
    answer=schemas.Trigger,
    query=PageQuery,
    permission="automation:read",
    paged=True,
)
def list_triggers(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    rows, cursor, total = queries.list_triggers(session, page, given)
    return _readable(session, rows), cursor, total


@blp.write(
    "/triggers",
    operation_id="create_trigger",
    summary="Add a trigger",
    description=f"{_HOLDS} It answers to what happens from now on. Its actions are such as you may do yourself.",
    body=schemas.TriggerIn,
    answer=schemas.Trigger,
    status=201,
    permission="automation:manage",
    show=_show,
    location=lambda trigger: f"/api/v1/triggers/{trigger['id']}",
    errors=(errors.TooManyTriggers,),
)
def create_trigger(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return triggers.create(uow, actor, given)


@blp.read(
    "/triggers/<uuid:trigger_id>",
    operation_id="get_trigger",
    summary="One trigger, also one that was taken away",
    answer=schemas.Trigger,
    permission="automation:read",
)
def get_trigger(session: Session, actor: Actor, trigger_id: UUID) -> Any:
    return _show(session, actor, trigger_id)


@blp.write(
    "/triggers/<uuid:trigger_id>",
    operation_id="change_trigger",
    summary="Change a trigger",
    description=f"{_HOLDS} What it did stays done, and names the version that did it.",
    method="PATCH",
    body=schemas.TriggerPatch,
    answer=schemas.Trigger,
    permission="automation:manage",
    load=queries.trigger_for_update,
    allow=triggers.check_own,
    show=_show,
    if_match="required",
)
def change_trigger(uow: UnitOfWork, actor: Actor, trigger: models.Trigger, given: dict[str, Any]) -> UUID:
    return triggers.change(uow, actor, trigger, given)


@blp.write(
    "/triggers/<uuid:trigger_id>",
    operation_id="remove_trigger",
    summary="Take a trigger away",
    description=f"{_HOLDS} It can still be read, and what it did.",
    method="DELETE",
    answer=schemas.Trigger,
    permission="automation:manage",
    load=queries.trigger_for_update,
    allow=triggers.check_own,
    show=_show,
    if_match="required",
)
def remove_trigger(uow: UnitOfWork, _actor: Actor, trigger: models.Trigger) -> UUID:
    return triggers.remove(uow, trigger)


@blp.read(
    "/triggers/<uuid:trigger_id>/versions",
    operation_id="list_trigger_versions",
    summary="A trigger as it was, the newest first",
    answer=schemas.TriggerVersion,
    query=PageQuery,
    permission="automation:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any], trigger_id: UUID) -> Any:
    return queries.list_versions(session, page, given, trigger_id)


@blp.read(
    "/triggers/<uuid:trigger_id>/firings",
    operation_id="list_trigger_firings",
    summary="What a trigger did, and why, the newest first",
    description="On complaints that you see. What its condition did not hold for is not kept: a trial tells of that.",
    answer=schemas.Firing,
    query=schemas.FiringQuery,
    permission="automation:read",
    paged=True,
)
def list_firings(session: Session, actor: Actor, page: Page, given: dict[str, Any], trigger_id: UUID) -> Any:
    return queries.list_firings(session, actor, page, given, trigger_id)


@blp.read(
    "/complaints/<ref>/automation",
    operation_id="list_complaint_automation",
    summary="What triggers did to a complaint, the newest first",
    description="Also what they failed to do, and what the guard against loops stopped.",
    answer=schemas.Firing,
    query=schemas.FiringQuery,
    permission="complaint:read",
    paged=True,
)
def list_of_complaint(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return queries.list_of_complaint(session, actor, page, given, ref)


def _show_job(session: Session, actor: Actor, job_id: UUID) -> Any:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/triggers/dry-runs",
    operation_id="try_trigger",
    summary="Try a trigger on what has happened already",
    description="A job looks through the events (or moments) of a period, and tells how often the condition would have held, "
    "with a sample (`GET /triggers/dry-runs/{job_id}`). Nothing is changed.",
    body=schemas.DryRunIn,
    answer=JobOut,
    status=202,
    permission="automation:manage",
    show=_show_job,
    location=lambda job: f"/api/v1/jobs/{job['id']}",
)
def try_trigger(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return dry_running.begin(uow, actor, given)


@blp.read(
    "/triggers/dry-runs/<uuid:dry_run_id>",
    operation_id="get_dry_run",
    summary="What a trial found, by the id of its job, once that is done",
    answer=schemas.DryRun,
    permission="automation:read",
)
def get_dry_run(session: Session, actor: Actor, dry_run_id: UUID) -> Any:
    return dry_running.shown(session, actor, dry_run_id)
