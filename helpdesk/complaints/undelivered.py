"""A mail to a complainant that does not arrive: it stands in the complaint's timeline, and whoever has it is told.

They correct the address, or tell them in another way; nobody else can.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import queries, thread_queries
from helpdesk.complaints.events import MailFailed
from helpdesk.kernel.unit_of_work import UnitOfWork

TO_AGENTS: Final = "notification"
"""Mail about a complaint that is for an agent: their address is not for those who work on it to correct."""

ComplaintOf = Callable[[Session, UUID], UUID | None]
"""The complaint that something else hangs on about which there is mail; None where it hangs on none."""


def tell(uow: UnitOfWork, mail_id: UUID, reason: str, complaint_of: ComplaintOf) -> bool:
    """`reason`: why it does not arrive. False for mail that is to no complainant."""
    row = thread_queries.of_mail(uow.session, mail_id)
    complaint_id = row.complaint_id or complaint_of(uow.session, row.subject_id)
    if complaint_id is None or row.reason == TO_AGENTS:
        return False
    complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
    uow.record(
        MailFailed(
            complaint_id=complaint.id,
            reference=complaint.reference,
            message_id=row.message_id,
            author_id=row.author_id,
            purpose=row.reason,
            reason=reason,
        ),
        stream=complaint,
    )
    return True
