"""Somebody whose complaint goes on in another person's: they go on writing, and what they write stays theirs.

They see it, the other does not (`sharing_queries`), and it goes home with their complaint when the merge is undone.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import merge_ledger, sharing_queries, tracking_queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.thread import Sender
from helpdesk.kernel.unit_of_work import UnitOfWork


def beside(session: Session, complaint: Complaint) -> UUID | None:
    """The complaint's id where it goes on in another person's, else None."""
    merged = complaint.merged_into_id is not None
    return complaint.id if merged and not sharing_queries.is_of_one_person(session, complaint.id) else None


def sender_of(session: Session, beside_id: UUID) -> Sender:
    """The complainant whom the merged complaint brought along."""
    known = tracking_queries.complainant_of_merged(session, beside_id)
    return Sender(known.get("name"), known.get("email"))


def note_theirs(uow: UnitOfWork, beside_id: UUID, kind: str, row_id: UUID) -> None:
    """A row that has just been written to the complaint in which theirs goes on; `kind`: its table."""
    merge_ledger.note(uow, sharing_queries.merge_of(uow.session, beside_id), kind, {row_id: None})
