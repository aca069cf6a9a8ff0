"""What of merges stands on an issue."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.models import Complaint, Issue
from helpdesk.complaints.queries import Part, part_for_update
from helpdesk.identity.actors import Actor


def issue_for_update(session: Session, actor: Actor, ref: str, issue_id: UUID) -> Part[Issue]:
    return part_for_update(session, actor, ref, Issue, issue_id)


def merges_that_need(session: Session, complaint_id: UUID, issue_id: UUID, now: datetime) -> list[dict[str, str]]:
    """Merges that can still be undone, and that brought this issue and no other that is left: without it the complaint that
    was merged could not go on by itself.
    """
    brought, other, there = aliased(MergedRow), aliased(MergedRow), aliased(Issue)
    others = select(other.row_id).join(there, there.id == other.row_id)
    left = others.where(
        other.merge_id == Merge.id,
        other.kind == Issue.__tablename__,
        other.row_id != issue_id,
        there.complaint_id == complaint_id,
    )
    statement = (
        select(Merge.id, Complaint.reference)
        .join(brought, brought.merge_id == Merge.id)
        .join(Complaint, Complaint.id == Merge.source_id)
        .where(
            brought.row_id == issue_id,
            brought.kind == Issue.__tablename__,
            Merge.survivor_id == complaint_id,
            Merge.undone_at.is_(None),
            Merge.undo_until > now,
            Complaint.issue_count == 0,
            ~left.exists(),
        )
        .order_by(Merge.id)
    )
    return [{"what": "merge", "id": str(row.id), "name": row.reference} for row in session.execute(statement)]
