from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel import jobs, log_verification
from helpdesk.kernel.events import Principal
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("event log", __name__, description="The log of everything that happened, as a whole.")


def _show(session: Session, actor: Principal, job_id: UUID) -> Any:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/events/verifications",
    operation_id="start_event_verification",
    summary="Verify the whole event log",
    description="A job: every chain is recomputed, and every event outside of the chains. Its result says `valid`, how "
    "many `events` and `streams` there are, and names what was changed, removed, put in or put elsewhere in `violations`.",
    answer=JobOut,
    status=202,
    permission="audit:read",
    show=_show,
    location=lambda job: f"/api/v1/jobs/{job['id']}",
)
def start_verification(uow: UnitOfWork, actor: Principal) -> UUID:
    return log_verification.begin(uow, actor)
