from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints.phrases import LANGUAGES
from helpdesk.complaints.tracking_api import BY_SESSION, share, speak
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.sla import milestones, tracking_schemas

blp = Blueprint("milestones", __name__, description="What was promised to a complainant, as they are told.")
share(blp)


@blp.read(
    "/public/tracking/milestones",
    operation_id="read_tracked_milestones",
    summary="What was promised and is still to come, the next one first",
    answer=tracking_schemas.Milestones,
    by=BY_SESSION,
    languages=LANGUAGES,
)
def read_milestones(session: Session, actor: Actor) -> dict[str, Any]:
    return {"items": milestones.of(session, actor, speak)}
