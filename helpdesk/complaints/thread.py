"""The thread of a complaint: what was said to the complainant, by them, and among ourselves."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from helpdesk.complaints import person_queries
from helpdesk.complaints.events import MessageAdded
from helpdesk.complaints.models import NOTICES, Complaint, Message
from helpdesk.complaints.phrases import said as in_phrase
from helpdesk.complaints.reply_files import Chosen, bind
from helpdesk.complaints.search_index import index_message
from helpdesk.complaints.text_seals import OF_MESSAGE, new_salt, seal
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.rich_text import RichText, from_text
from helpdesk.kernel.unit_of_work import UnitOfWork

TRACKING: Final = "tracking"
"""What completes the mail of an acknowledgement: how to follow the complaint."""
REPLY: Final = "reply"
"""What completes every other: who writes, the reference, where to follow it (`reply_footer`)."""


_NO_FILES: Final = Chosen()


class Sender(NamedTuple):
    """Who said an inbound message."""

    name: str | None
    email: str | None


def add_message(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    *,
    kind: str,
    body: str | RichText,
    purpose: str = "message",
    channel: str | None = None,
    in_reply_to: UUID | None = None,
    mentions: Sequence[UUID] = (),
    sender: Sender | None = None,
    mailed: bool = True,
    files: Chosen = _NO_FILES,
) -> UUID:
    """Append to the thread of a locked complaint. A public reply is also `mailed`, where there is an address. An inbound
    message without a `sender` is from whom we write to. `in_reply_to`, `mentions` and `files` (`reply_files.choose`) have been checked by the caller.

    The mail's subject is ours, never the complainant's text: an acknowledgement that repeats what anybody may type into
    a public form is a tool for flooding other people's inboxes.
    """
    message_id = new_id()
    said = from_text(body) if isinstance(body, str) else body
    if kind == "inbound" and sender is None:
        sender = _correspondent(uow, complaint)
    salt = new_salt()
    row: dict[str, Any] = {
        "id": message_id,
        "complaint_id": complaint.id,
        "kind": kind,
        "purpose": purpose,
        "channel": channel,
        "author_kind": actor.kind,
        "author_id": actor.id,
        "body": said.plain,
        "html": said.html,
        "html_given": said.given,
        "salt": salt,
        "in_reply_to": in_reply_to,
        "mentions": [str(agent_id) for agent_id in mentions],
        "sender_name": sender.name if sender else None,
        "sender_email": sender.email if sender else None,
        "mail_id": _mail(uow, actor, complaint, said, purpose, files=files.ids)
        if kind == "public_reply" and mailed
        else None,
        "created_at": uow.now,
    }
    uow.add_rows(Message, [row])
    index_message(uow, complaint.id, said.plain)
    uow.record(
        MessageAdded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            message_id=message_id,
            kind=kind,
            purpose=purpose,
            channel=channel,
            in_reply_to=in_reply_to,
            mentions=row["mentions"],
            author_kind=actor.kind,
            author_id=actor.id,
            texts=seal(salt, {name: row[name] for name in OF_MESSAGE}),
            attachment_ids=[str(attachment_id) for attachment_id in files.ids],
        ),
        stream=complaint,
    )
    bind(uow, complaint, message_id, kind, files)
    return message_id


def _correspondent(uow: UnitOfWork, complaint: Complaint) -> Sender | None:
    person = person_queries.complainant_of(uow.session, complaint.id)
    return None if person is None else Sender(person.name, person.email)


def unmailable(uow: UnitOfWork, people: Sequence[person_queries.Recipient], pointer: str) -> list[FieldError]:
    """Why nobody would be told by mail, at the field that asks for it; nothing where somebody would be. `people`: the
    complaint's recipients.
    """
    if not people:
        text = "There is no address to write to, and nobody would be told. Tell them in another way, and say in which."
        return [FieldError.at(pointer, "no_address", text)]
    if not uow.mails:
        text = "No mail server is set up (HELPDESK_SMTP_URL), and nobody would be told. Tell them in another way, and say in which."
        return [FieldError.at(pointer, "no_mail_server", text)]
    return []


def _mail(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, said: RichText, purpose: str, *, files: Sequence[UUID]
) -> UUID | None:
    """To each who is to read it, under the reference that they know; the first mail's id."""
    sent = [
        queue_mail(
            uow,
            subject_id=complaint.id,
            reason=purpose,
            recipient=person.email or "",
            subject=mail_subject(complaint, person),
            body=_as_known(said.plain, complaint, person),
            html=None if said.html is None else _as_known(said.html, complaint, person),
            completion=_completion(complaint, purpose, person),
            author_id=actor.id if _automatic(actor, purpose) is None else None,
            files=files,
            automatic=_automatic(actor, purpose),
            thread=person.merged_from or complaint.reference,
        )
        for person in person_queries.recipients_of(uow.session, complaint.id)
    ]
    return sent[0] if sent else None


def _as_known(text: str, complaint: Complaint, person: person_queries.Recipient) -> str:
    """By the reference that they know: the complaint's own may be another person's."""
    return text if person.merged_from is None else text.replace(complaint.reference, person.merged_from)


def mail_subject(complaint: Complaint, person: person_queries.Recipient) -> str:
    """Always the same for the same person, so that mailboxes keep the thread together; in their language."""
    reference = person.merged_from or complaint.reference
    language = person.language or complaint.language
    return in_phrase("mail_subject", language, record_type=complaint.record_type, reference=reference)


def _automatic(actor: Actor, purpose: str) -> str | None:
    """By RFC 3834; None: somebody wrote it, and whoever is out of office may say so."""
    if purpose == "acknowledgement":
        return "auto-replied"
    return None if actor.kind == "agent" and purpose not in NOTICES else "auto-generated"


def _completion(complaint: Complaint, purpose: str, person: person_queries.Recipient) -> str:
    """The secret is the complaint's own; who came with another one has theirs."""
    own = person.merged_from is None and complaint.tracking_number
    return TRACKING if purpose == "acknowledgement" and own else REPLY
