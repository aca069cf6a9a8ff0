from typing import Any

from helpdesk.complaints import bulk_changes
from helpdesk.complaints.bulk_schemas import BulkChange, BulkIn
from helpdesk.complaints.view_errors import ViewBroken
from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("bulk changes", __name__, description="One step on many complaints.")


def _location(shown: dict[str, Any]) -> str:
    return f"/api/v1/jobs/{shown['id']}"


@blp.write(
    "/complaints/bulk",
    operation_id="change_complaints",
    summary="Do one step on many complaints",
    description="Each complaint by itself, in a transaction of its own, with an outcome as if it had been a request of its "
    f"own: one that is refused keeps none of the others back. Up to {bulk_changes.AT_ONCE} are done while you wait (200 with "
    f"all outcomes); more, up to {bulk_changes.MOST}, become a job (202). The steps and their bodies are those of the routes "
    "of the same names.",
    body=BulkIn,
    answer=BulkChange,
    permission="complaint:bulk",
    location=_location,
    accepted=lambda shown: shown["state"] not in jobs.ENDED,
    errors=(ViewBroken,),
)
def change_complaints(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    planned = bulk_changes.plan(uow.session, actor, given)
    if len(planned.refs) > bulk_changes.AT_ONCE:
        return bulk_changes.just_begun(uow, bulk_changes.begin(uow, actor, planned), planned)
    database = web().database
    return bulk_changes.shown(database, bulk_changes.do_now(database, actor, planned, uow.attempt))
