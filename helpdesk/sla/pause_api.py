from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.sla import pause_audit, pause_schemas

blp = Blueprint("pauses", __name__, description="Time in which clocks stood still though the complainant had replied.")


@blp.read(
    "/sla/pause-audit",
    operation_id="list_paused_replies",
    summary="Replies that clocks went on standing still after",
    description="Of the complaints that you see: the first reply of a complainant in each pause, and for how much business time, by "
    "each clock's own calendar, it went on. The newest first.",
    answer=pause_schemas.PausedReply,
    query=pause_schemas.PauseListQuery,
    permission="sla:read",
    paged=True,
)
def list_paused_replies(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return pause_audit.page_of(session, actor, page, given)


@blp.read(
    "/sla/pause-audit/summary",
    operation_id="get_pause_audit_summary",
    summary="The same, added up by team, agent or complaint",
    description="By the team or the agent that has the complaint now, or by complaint; the most time first.",
    answer=pause_schemas.PauseSummary,
    query=pause_schemas.PauseSummaryQuery,
    permission="sla:read",
)
def get_pause_audit_summary(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return {"by": given["by"], "items": pause_audit.summary(session, actor, given)}
