"""What must hold of the index: a complaint is found by each of its words, and by no other."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.search_index import segments_of
from helpdesk.complaints.search_models import SearchSegment, Unsearched
from helpdesk.complaints.search_text_queries import texts_of
from helpdesk.kernel.verification import Check, Violation

_BATCH: Final = 500
_SHOWN: Final = 5


def index_is_of_the_text(session: Session) -> Iterator[Violation]:
    last: UUID | None = None
    while True:
        ids = select(Complaint.id).order_by(Complaint.id).limit(_BATCH)
        ids = ids.where(Complaint.id.not_in(select(Unsearched.complaint_id)))
        batch = session.scalars(ids if last is None else ids.where(Complaint.id > last)).all()
        if not batch:
            return
        last = batch[-1]
        indexed = _indexed(session, batch)
        for found in texts_of(session, batch):
            wanted = {token for segment in segments_of(found) for token in segment.places}
            yield from _differences(found.reference, wanted, indexed.get(found.id, set()))
        for reference in session.scalars(_misplaced(batch)):
            yield Violation("search", f"complaint {reference}", "is not found at the time when it was received")


def _misplaced(complaint_ids: Sequence[UUID]) -> Select[str]:
    """References of those whose place among the newest is not their own."""
    return (
        select(Complaint.reference)
        .join(SearchSegment, SearchSegment.complaint_id == Complaint.id)
        .where(Complaint.id.in_(complaint_ids), SearchSegment.received_at != Complaint.received_at)
        .distinct()
    )


def _indexed(session: Session, complaint_ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    rows = session.execute(
        select(SearchSegment.complaint_id, func.tsvector_to_array(SearchSegment.vector)).where(
            SearchSegment.complaint_id.in_(complaint_ids)
        )
    )
    found: dict[UUID, set[str]] = {}
    for complaint_id, words in rows:
        found.setdefault(complaint_id, set()).update(words)
    return found


def _differences(reference: str, wanted: set[str], there: set[str]) -> Iterator[Violation]:
    for words, what in ((wanted - there, "is not found by"), (there - wanted, "is found by words it does not have:")):
        if words:
            shown = ", ".join(sorted(words)[:_SHOWN])
            yield Violation("search", f"complaint {reference}", f"{what} {shown} ({len(words)} in all)")


CHECKS: Final[tuple[Check, ...]] = (index_is_of_the_text,)
