"""Of what happens to complaints, what agents are told."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from helpdesk.complaints.events import ComplaintActed, ComplaintAssigned, MailFailed, MessageAdded
from helpdesk.complaints.intake import NewComplaint
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notifications import News, tell
from helpdesk.kernel.events import Event
from helpdesk.kernel.unit_of_work import UnitOfWork


def message_added(uow: UnitOfWork, events: Sequence[MessageAdded]) -> None:
    """What the complainant says goes to who has it and who watches it; a mention to whom it names."""
    for event in events:
        if event.kind == "inbound":
            _tell_owner(uow, event, "inbound_message", to_watchers=True, message_id=event.message_id)
        elif event.mentions:
            named = [UUID(agent_id) for agent_id in event.mentions]
            _tell(uow, event.complaint_id, event, News("mentioned", named, message_id=event.message_id))


def mail_failed(uow: UnitOfWork, events: Sequence[MailFailed]) -> None:
    """Who has the complaint is told, who watches it, and who wrote what does not arrive."""
    for event in events:
        also = () if event.author_id is None else (event.author_id,)
        _tell_owner(uow, event, "mail_failed", also, to_watchers=True, message_id=event.message_id)


def assigned(uow: UnitOfWork, events: Sequence[ComplaintAssigned]) -> None:
    for event in events:
        _, after = event.changes.get("assignee_id", (None, None))
        if after is None:
            continue
        complaint = uow.stream_of(event.complaint_id)
        if isinstance(complaint, NewComplaint):  # routed as it came in: they are told of it as it will be
            complaint = Complaint(**complaint.row)
        if isinstance(complaint, Complaint):
            tell(uow, complaint, event, News("assigned", [UUID(str(after))]))


def moved(uow: UnitOfWork, events: Sequence[ComplaintActed]) -> None:
    for event in events:
        if event.from_status != event.to_status:
            detail = {"from_status": event.from_status, "to_status": event.to_status}
            news = News("status_changed", (), to_watchers=True, detail=detail)
            _tell(uow, event.complaint_id, event, news)


def _tell_owner(uow: UnitOfWork, event: Event, kind: str, also: Sequence[UUID] = (), **more: Any) -> None:
    complaint = uow.stream_of(event.subject_id)
    owner = list(also)
    if isinstance(complaint, Complaint) and complaint.assignee_id is not None:
        owner.append(complaint.assignee_id)
    if owner or more.get("to_watchers"):
        _tell(uow, event.subject_id, event, News(kind, owner, **more))


def _tell(uow: UnitOfWork, complaint_id: UUID, event: Event, news: News) -> None:
    complaint = uow.stream_of(complaint_id)
    if isinstance(complaint, Complaint):  # nobody watches one that is just being taken in
        tell(uow, complaint, event, news)
