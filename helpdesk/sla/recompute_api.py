from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel import jobs
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import calendar_queries, calendar_schemas, dry_running, policy_queries, policy_schemas, recomputing
from helpdesk.sla.dry_running import Edit
from helpdesk.sla.errors import DefaultPolicyStays, PolicyUsed
from helpdesk.sla.recompute_schemas import DeadlineDryRun, Recompute, RecomputeIn
from helpdesk.sla.recompute_scope import EVERY

blp = Blueprint(
    "recomputing", __name__, description="What becomes of open deadlines by an edit: before it is made, and after."
)

_TOLD: Final = (
    "Takes the body of the edit, refuses what it refuses, and changes nothing: how many open clocks would be due later or earlier, "
    "would start, be cancelled, become overdue or be saved, by kind and team, with a few examples that you see. The edit then does the "
    f"same, but for what happens in between. Beyond {dry_running.AT_ONCE} complaints a job (202), whose `result` it will be."
)

Asked = tuple[Edit, dict[str, Any] | None]


def _try(actor: Actor, name: str, target_id: UUID | None, given: Mapping[str, Any]) -> Asked:
    edit = Edit(name, target_id, {key: value for key, value in given.items() if key != "recompute"})
    return edit, dry_running.at_once(web().database, actor, edit)


def _told(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    edit, result = asked
    job_id = dry_running.begin(uow, actor, edit) if result is None else None
    return {"job_id": job_id, "result": result}


def _location(shown: Mapping[str, Any]) -> str | None:
    return None if shown["job_id"] is None else f"/api/v1/jobs/{shown['job_id']}"


def _goes_on(shown: Mapping[str, Any]) -> bool:
    return shown["job_id"] is not None


_DRY: Final[dict[str, Any]] = {
    "answer": DeadlineDryRun,
    "permission": "sla:manage",
    "location": _location,
    "accepted": _goes_on,
    "idempotency_key": "none",
    "description": _TOLD,
}


def _of_creation(actor: Actor, given: dict[str, Any]) -> Asked:
    return _try(actor, "create_policy", None, given)


@blp.write(
    "/sla/policies/dry-run",
    operation_id="dry_run_sla_policy_creation",
    summary="What a new policy would do to open deadlines",
    body=policy_schemas.PolicyIn,
    first=_of_creation,
    errors=(NameTaken,),
    **_DRY,
)
def dry_run_creation(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    return _told(uow, actor, asked)


def _of_order(actor: Actor, given: dict[str, Any]) -> Asked:
    return _try(actor, "reorder_policies", None, given)


@blp.write(
    "/sla/policies/reorder/dry-run",
    operation_id="dry_run_sla_policy_order",
    summary="What another order of policies would do to open deadlines",
    body=policy_schemas.PolicyOrder,
    first=_of_order,
    **_DRY,
)
def dry_run_order(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    return _told(uow, actor, asked)


def _policy(session: Session, _actor: Actor, policy_id: UUID) -> UUID:
    policy_queries.policy_detail(session, policy_id)
    return policy_id


def _calendar(session: Session, _actor: Actor, calendar_id: UUID) -> UUID:
    calendar_queries.calendar_detail(session, calendar_id)
    return calendar_id


def _of_edit(actor: Actor, given: dict[str, Any], row: UUID) -> Asked:
    return _try(actor, "change_policy", row, given)


@blp.write(
    "/sla/policies/<uuid:policy_id>/dry-run",
    operation_id="dry_run_sla_policy_edit",
    summary="What a change of a policy would do to open deadlines",
    body=policy_schemas.PolicyPatch,
    load=_policy,
    first=_of_edit,
    errors=(NameTaken, DefaultPolicyStays),
    **_DRY,
)
def dry_run_edit(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    return _told(uow, actor, asked)


def _of_deletion(actor: Actor, row: UUID) -> Asked:
    return _try(actor, "remove_policy", row, {})


@blp.write(
    "/sla/policies/<uuid:policy_id>/deletion/dry-run",
    operation_id="dry_run_sla_policy_deletion",
    summary="What the deletion of a policy would do to open deadlines",
    load=_policy,
    first=_of_deletion,
    errors=(DefaultPolicyStays, PolicyUsed),
    **_DRY,
)
def dry_run_deletion(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    return _told(uow, actor, asked)


def _of_calendar(actor: Actor, given: dict[str, Any], row: UUID) -> Asked:
    return _try(actor, "change_calendar", row, given)


@blp.write(
    "/sla/calendars/<uuid:calendar_id>/dry-run",
    operation_id="dry_run_sla_calendar_change",
    summary="What new hours or holidays of a calendar would do to open deadlines",
    body=calendar_schemas.CalendarBody,
    load=_calendar,
    first=_of_calendar,
    **_DRY,
)
def dry_run_calendar(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    return _told(uow, actor, asked)


def _of_refresh(actor: Actor, _given: dict[str, Any], row: UUID) -> Asked:
    return _try(actor, "refresh_calendar", row, {})


@blp.write(
    "/sla/calendars/<uuid:calendar_id>/refresh-holidays/dry-run",
    operation_id="dry_run_sla_calendar_refresh",
    summary="What the public holidays of the installed release would do to open deadlines",
    body=Recompute,
    load=_calendar,
    first=_of_refresh,
    **_DRY,
)
def dry_run_refresh(uow: UnitOfWork, actor: Actor, asked: Asked) -> dict[str, Any]:
    return _told(uow, actor, asked)


def _show_job(session: Session, actor: Actor, job_id: UUID) -> Mapping[str, Any]:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/sla/recomputes",
    operation_id="recompute_sla_clocks",
    summary="Recompute every open clock by what is promised now",
    description="After edits that left them by the versions that made them (`recompute: false`). Keeps what was used; twice changes "
    "nothing. The job's `result` says what became of them.",
    body=RecomputeIn,
    answer=JobOut,
    status=202,
    permission="sla:manage",
    show=_show_job,
    location=lambda shown: f"/api/v1/jobs/{shown['id']}",
)
def recompute(uow: UnitOfWork, actor: Actor, _given: dict[str, Any]) -> UUID:
    return recomputing.begin_for(uow, actor, EVERY)
