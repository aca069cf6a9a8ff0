from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint, language
from helpdesk.sla import explain_schemas, explaining
from helpdesk.sla.telling import LANGUAGES

blp = Blueprint("explanations", __name__, description="Why a deadline is what it is.")


@blp.read(
    "/complaints/<ref>/clocks/<uuid:clock_id>/explain",
    operation_id="get_clock_explanation",
    summary="Why a clock says what it says, in numbers and in words",
    description="What counted, what was paused and what was closed until the deadline and until now, to the second, with the "
    "versions and conventions by which it was counted.",
    answer=explain_schemas.Explanation,
    permission="complaint:read",
    languages=LANGUAGES,
)
def explain_clock(session: Session, actor: Actor, ref: str, clock_id: UUID) -> dict[str, Any]:
    return explaining.explain(session, actor, ref, clock_id, language(LANGUAGES))
