from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import erasure_queries
from helpdesk.complaints import timeline_queries as queries
from helpdesk.complaints import timeline_schemas as schemas
from helpdesk.complaints.replay_queries import broken_fields, replayed
from helpdesk.complaints.summaries import LANGUAGES
from helpdesk.complaints.text_queries import broken_texts, counted, texts_of
from helpdesk.identity.actors import Actor
from helpdesk.kernel.event_log import verify_stream
from helpdesk.kernel.http import Blueprint, language
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import one_moment

blp = Blueprint("timeline", __name__, description="Everything that happened to a complaint, chained.")


@blp.read(
    "/complaints/<ref>/timeline",
    operation_id="get_complaint_timeline",
    summary="Everything that happened, oldest first",
    description="Each entry has before and after of every field that changed, and one line for a person in the language of "
    "`Accept-Language` (English or Chinese).",
    answer=schemas.TimelineEntry,
    query=schemas.TimelineQuery,
    permission="complaint:read",
    languages=LANGUAGES,
    sparse=True,
    paged=True,
)
def get_timeline(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return queries.timeline(session, actor, page, given, ref, language=language(LANGUAGES))


@blp.read(
    "/complaints/<ref>/timeline/verification",
    operation_id="verify_complaint_timeline",
    summary="Recompute the hash chain of the timeline",
    description="An event that was changed, removed, put in or put elsewhere is found and named, and so is "
    "one whose payload was erased without a redaction that says so, and a text (subject, description, what a message says) that is not what its event has the salted digest of. Texts that have no digest (from "
    "before there were any, or redacted then) are counted in `texts_without_digest`: nothing can be said of them.",
    answer=schemas.ChainReport,
    permission="complaint:read",
)
def verify_timeline(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    with one_moment(session) as still:
        complaint, rows = queries.chain_of(still, actor, ref)
        texts = list(texts_of(still, [complaint.id]))
        fields = list(broken_fields(still, replayed(still, [complaint.id], rows)))
        erasures = erasure_queries.accounted_for(still, [complaint.id]).get(complaint.id, ())
    head = bytes(complaint.event_head)
    broken = verify_stream(rows, stream_id=complaint.id, count=complaint.event_count, head=head, erasures=erasures)
    broken += broken_texts(texts) + fields
    return {"valid": not broken, "events": len(rows), "head": head.hex(), "broken": broken, **counted(texts)}
