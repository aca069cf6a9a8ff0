from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields
from sqlalchemy.orm import Session

from helpdesk.kernel import jobs
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.events import Principal
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Text, Timestamp
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("jobs", __name__, description="Long work: how far it is, and what came out.")


class JobQuery(PageQuery):
    kind = Text(max_length=100, metadata={"example": "complaints.bulk"})
    state = Choice(jobs.STATES, metadata={"example": "running"})


class JobOut(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={"example": "complaints.bulk"})
    state = Choice(jobs.STATES, required=True)
    total = fields.Integer(required=True, allow_none=True, metadata={"example": 250})
    done = fields.Integer(
        required=True, metadata={"description": "Items with an outcome, whichever it is.", "example": 120}
    )
    failed = fields.Integer(required=True, metadata={"description": "Of these, those refused.", "example": 2})
    result: fields.Field[Any] = fields.Dict(required=True, allow_none=True, metadata={"example": None})
    error = fields.String(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)
    started_at = Timestamp(required=True, allow_none=True)
    finished_at = Timestamp(required=True, allow_none=True, metadata={"example": None})


class JobItemOut(Schema):
    place = fields.Integer(required=True, metadata={"description": "From 0, as in the request.", "example": 0})
    subject = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    status = fields.Integer(
        required=True, metadata={"description": "As if the item had been a request of its own.", "example": 200}
    )
    code = fields.String(required=True, allow_none=True, metadata={"example": None})
    detail = fields.String(required=True, allow_none=True, metadata={"example": None})


@blp.read(
    "/jobs",
    operation_id="list_jobs",
    summary="One's own jobs, newest first; everybody's with `job:read_all`",
    answer=JobOut,
    query=JobQuery,
    paged=True,
)
def list_jobs(session: Session, actor: Principal, page: Page, given: dict[str, Any]) -> Listed:
    return jobs.list_jobs(session, actor, page, given)


@blp.read("/jobs/<uuid:job_id>", operation_id="get_job", summary="One job: how far it is", answer=JobOut)
def get_job(session: Session, actor: Principal, job_id: UUID) -> Mapping[str, Any]:
    return jobs.detail(session, actor, job_id)


@blp.read(
    "/jobs/<uuid:job_id>/items",
    operation_id="list_job_items",
    summary="What became of each item, in the order of the request",
    answer=JobItemOut,
    query=PageQuery,
    paged=True,
)
def list_job_items(session: Session, actor: Principal, page: Page, given: dict[str, Any], job_id: UUID) -> Listed:
    return jobs.list_items(session, actor, page, given, job_id)


def _show(session: Session, actor: Principal, job_id: UUID) -> Mapping[str, Any]:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/jobs/<uuid:job_id>/cancel",
    operation_id="cancel_job",
    summary="End a job where it stands; what it did stays done",
    answer=JobOut,
    description="One's own; somebody else's with `job:cancel_all`.",
    load=jobs.job_for_update,
    allow=jobs.check_own,
    check=jobs.check_running,
    show=_show,
    errors=(Forbidden, jobs.JobEnded),
)
def cancel_job(uow: UnitOfWork, _actor: Principal, job: jobs.Job) -> UUID:
    return jobs.cancel(uow, job)
