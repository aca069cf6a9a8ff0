from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import evidence
from helpdesk.complaints import evidence_errors as errors
from helpdesk.complaints import evidence_queries as queries
from helpdesk.complaints import evidence_schemas as schemas
from helpdesk.complaints.attachment_schemas import FileLink, LinkIn
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_for_update
from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.http import web
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("evidence", __name__, description="Everything on a complaint in one archive, with the proof.")


@blp.read(
    "/complaints/<ref>/evidence",
    operation_id="list_complaint_evidence",
    summary="Evidence packs of a complaint, newest first",
    description="Those that tell of needs or offers are only shown to who may read these.",
    answer=schemas.Evidence,
    query=PageQuery,
    permission="evidence:read",
    paged=True,
)
def list_evidence(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return queries.list_packs(session, actor, page, given, ref)


def _show_job(session: Session, actor: Actor, job_id: UUID) -> Any:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/complaints/<ref>/evidence",
    operation_id="request_complaint_evidence",
    merged=True,
    summary="Have an evidence pack made",
    description="A job makes a ZIP archive of the complaint, its timeline, thread, letters, clocks, offers, people, files "
    "and the proof of its chain, with a manifest and a program that checks it. It can be had for 30 days. Who asked, and "
    "why, stands in the timeline.",
    body=schemas.EvidenceIn,
    answer=JobOut,
    status=202,
    permission="evidence:create",
    load=complaint_for_update,
    if_match="honoured",
    check=evidence.check_none_in_progress,
    show=_show_job,
    location=lambda job: f"/api/v1/jobs/{job['id']}",
    errors=(errors.EvidenceInProgress,),
)
def request_evidence(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    return evidence.ask(uow, actor, complaint, given)


@blp.read(
    "/complaints/<ref>/evidence/<uuid:evidence_id>",
    operation_id="get_complaint_evidence",
    summary="One evidence pack: whether it is ready, and until when",
    answer=schemas.Evidence,
    permission="evidence:read",
)
def get_evidence(session: Session, actor: Actor, ref: str, evidence_id: UUID) -> Mapping[str, Any]:
    return queries.pack_detail(session, actor, ref, evidence_id)


@blp.write(
    "/complaints/<ref>/evidence/<uuid:evidence_id>/link",
    operation_id="link_complaint_evidence",
    merged=True,
    summary="A short-lived address to have an evidence pack from",
    body=LinkIn,
    answer=FileLink,
    permission="evidence:read",
    load=queries.pack_detail,
    errors=(errors.EvidenceNotReady,),
)
def link_evidence(uow: UnitOfWork, actor: Actor, row: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    made = evidence.link(web().signing_key, actor, row, given["seconds"], uow.now)
    return {"url": f"{web().base_url}/api/v1/public/files/{made.token}", "expires_at": made.expires_at}
