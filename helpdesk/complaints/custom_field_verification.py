"""What must hold of custom fields: what a complaint is found by is what it shows."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.custom_field_models import CustomField, CustomValue
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.tag_models import TERM
from helpdesk.kernel.verification import Violation


def values_agree(session: Session) -> Iterator[Violation]:
    """`Complaint.terms` and the keys of `Complaint.custom_fields` with the rows of `complaint_custom_value`."""
    row = CustomValue.__table__.c
    held = (
        select(
            row.complaint_id,
            func.json_agg(func.json_build_array(CustomField.key, row.text)).label("pairs"),
        )
        .join(CustomField, CustomField.id == row.field_id)
        .group_by(row.complaint_id)
        .subquery()
    )
    statement = (
        select(Complaint.reference, Complaint.terms, Complaint.custom_fields, held.c.pairs)
        .outerjoin(held, held.c.complaint_id == Complaint.id)
        .where((func.cardinality(Complaint.terms) > 0) | held.c.pairs.is_not(None) | (Complaint.custom_fields != {}))
    )
    for reference, terms, shown, pairs in session.execute(statement):
        subject = f"complaint {reference}"
        found = {term for term in terms if not term.startswith(TERM)}
        wanted = {f"{key}={text}" for key, text in pairs or () if text is not None}
        if found != wanted:
            yield Violation("custom_fields", subject, f"is found by {len(found)} values, has {len(wanted)}")
        if set(shown) != {key for key, _ in pairs or ()}:
            yield Violation("custom_fields", subject, "shows other fields than it has values in")


CHECKS = (values_agree,)
