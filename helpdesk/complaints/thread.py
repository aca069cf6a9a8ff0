"""The thread of a complaint: what was said to the complainant, by them, and among ourselves."""

from typing import Any
from uuid import UUID

from helpdesk.complaints import queries
from helpdesk.complaints.events import MessageAdded
from helpdesk.complaints.models import Complaint, Message
from helpdesk.identity.actors import Actor
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.unit_of_work import UnitOfWork


def add_message(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    *,
    kind: str,
    body: str,
    purpose: str = "message",
    channel: str | None = None,
) -> UUID:
    """Append to the thread of a locked complaint. A public reply is also mailed, where there is an address.

    The mail's subject is ours, never the complainant's text: an acknowledgement that repeats what anybody may type into
    a public form is a tool for flooding other people's inboxes.
    """
    message_id = new_id()
    row: dict[str, Any] = {
        "id": message_id,
        "complaint_id": complaint.id,
        "kind": kind,
        "purpose": purpose,
        "channel": channel,
        "author_kind": actor.kind,
        "author_id": actor.id,
        "body": body,
        "created_at": uow.now,
    }
    uow.add_rows(Message, [row])
    uow.record(
        MessageAdded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            message_id=message_id,
            kind=kind,
            purpose=purpose,
            channel=channel,
        ),
        stream=complaint,
    )
    if kind == "public_reply":
        _mail(uow, complaint, body, purpose)
    return message_id


def _mail(uow: UnitOfWork, complaint: Complaint, body: str, purpose: str) -> None:
    person = queries.complainant_of(uow.session, complaint.id)
    if person is None or not person.email:
        return
    queue_mail(
        uow,
        subject_id=complaint.id,
        reason=purpose,
        recipient=person.email,
        subject=f"Your complaint {complaint.reference}",
        body=body,
    )
