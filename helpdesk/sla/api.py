from datetime import datetime
from typing import Any, cast

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.sla import queries, regime_marks, schemas

blp = Blueprint("sla", __name__, description="Promises about time: the clocks of complaints.")


@blp.read(
    "/complaints/<ref>/clocks",
    operation_id="list_complaint_clocks",
    summary="The clocks of a complaint",
    answer=schemas.Clocks,
    permission="complaint:read",
)
def list_clocks(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    now = cast(datetime, actor.seen_at)  # every request has its moment
    return {"items": regime_marks.marked(session, queries.clocks_of(session, actor, ref), now)}
