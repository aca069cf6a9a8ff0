from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import duplicate_schemas, duplicates, queries
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint

blp = Blueprint("duplicates", __name__, description="Whether a complaint has been made before.")


@blp.read(
    "/complaints/<ref>/duplicates",
    operation_id="list_complaint_duplicates",
    summary="What a complaint may be a duplicate of, the likeliest first, with what speaks for it",
    description="A suggestion: nothing follows from it by itself. Only complaints that the caller may see.",
    answer=duplicate_schemas.Duplicates,
    query=duplicate_schemas.DuplicateQuery,
    permission="complaint:read",
)
def list_duplicates(session: Session, actor: Actor, given: dict[str, Any], ref: str) -> dict[str, Any]:
    complaint_id = queries.visible_id(session, actor, ref)
    found = duplicates.possible(session, actor, complaint_id, days=given["days"], most=duplicates.MOST)
    return {"items": found[: given["limit"]]}
