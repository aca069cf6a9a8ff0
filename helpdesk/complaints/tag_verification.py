"""What must hold of tags: what a complaint is found by is what it carries."""

from collections.abc import Iterator

from sqlalchemy import String, cast, func, literal, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.tag_models import TERM, ComplaintTag
from helpdesk.kernel.verification import Violation


def tags_agree(session: Session) -> Iterator[Violation]:
    """`Complaint.terms` and as many names as there are rows of `complaint_tag`. The names themselves may be the old ones
    while a job shows the new.
    """
    row = ComplaintTag.__table__.c
    term = literal(TERM) + cast(row.tag_id, String)
    carried = (
        select(row.complaint_id, func.array_agg(term).label("terms"), func.count().label("n"))
        .group_by(row.complaint_id)
        .subquery()
    )
    found = (
        select(Complaint.reference, Complaint.terms, Complaint.tags, carried.c.terms.label("carried"))
        .outerjoin(carried, carried.c.complaint_id == Complaint.id)
        .where((func.cardinality(Complaint.tags) > 0) | (carried.c.n > 0) | (func.cardinality(Complaint.terms) > 0))
    )
    for reference, terms, names, rows in session.execute(found):
        shown = [term for term in terms if term.startswith(TERM)]
        if sorted(shown) != sorted(rows or []):
            yield Violation(
                "tags", f"complaint {reference}", f"is found by {len(shown)} tags, carries {len(rows or [])}"
            )
        elif len(names) != len(rows or []):
            yield Violation("tags", f"complaint {reference}", f"shows {len(names)} tags, carries {len(rows or [])}")


CHECKS = (tags_agree,)
