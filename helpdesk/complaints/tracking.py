"""The complainant's way back to a complaint without an account: a secret of their own, told once or mailed.

What they may do with it, `tracking_api` says. Agents can issue a new one; the one before it then opens nothing any more,
and neither does what was opened with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    beside,
    changes,
    person_queries,
    queries,
    reply_files,
    sharing_queries,
    tracking_queries,
)
from helpdesk.complaints.errors import SurvivorElsewhere
from helpdesk.complaints.events import TrackingSecretIssued
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.phrases import retold, said
from helpdesk.complaints.thread import TRACKING, add_message, mail_subject
from helpdesk.complaints.tracking_errors import ReopenWindowOver, TrackingRefused
from helpdesk.complaints.tracking_secret import Secrets, fits, hash_of
from helpdesk.complaints.tracking_session import Session as Opened
from helpdesk.identity.actors import SYSTEM, Actor, complainant_actor
from helpdesk.kernel.errors import FieldError, MovedMeanwhile, ValidationFailed
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.unit_of_work import UnitOfWork

COMPLETION: Final = TRACKING
"""What completes a mail on its way out; the secret lies in no table."""

DELIVERIES: Final = ("mail", "show")


def issue(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, secrets: Secrets, given: dict[str, Any], *, mails: bool
) -> dict[str, Any]:
    """A new secret for a locked complaint, mailed to whom we write to, or shown this once. `given`: delivery; `mails`:
    there is a server for it. Raises `ValidationFailed` where it is to be mailed and cannot be: the one before it would open
    nothing any more, and nobody would know the new one. Raises `SurvivorElsewhere` where it would show the actor a way into
    a complaint that they may not see: the secret of a merged one leads to where that goes on.
    """
    if given["delivery"] == "show" and not _sees_where_it_goes_on(uow.session, actor, complaint):
        raise SurvivorElsewhere
    if given["delivery"] == "mail" and not mails:
        text = "No mail server is set up (HELPDESK_SMTP_URL); show it, and tell it to them."
        raise ValidationFailed(errors=[FieldError.at("/delivery", "no_mail_server", text)])
    recipient = person_queries.whose(uow.session, complaint) if given["delivery"] == "mail" else None
    if given["delivery"] == "mail" and (recipient is None or not recipient.email):
        text = "There is no address to mail it to; show it, and tell it to them."
        raise ValidationFailed(errors=[FieldError.at("/delivery", "no_address", text)])
    before = changes.values_of(complaint)
    complaint.tracking_number += 1
    secret = secrets.of(complaint.id, complaint.tracking_number)
    complaint.tracking_hash = hash_of(secret)
    complaint.changed_at(uow.now)
    if recipient is not None and recipient.email:
        language = recipient.language or complaint.language
        body = said("new_secret", language, record_type=complaint.record_type, reference=complaint.reference)
        queue_mail(
            uow,
            subject_id=complaint.id,
            reason="tracking_secret",
            recipient=recipient.email,
            subject=mail_subject(complaint, recipient),
            body=body,
            completion=COMPLETION,
            thread=complaint.reference,
        )
    uow.record(
        TrackingSecretIssued(
            complaint_id=complaint.id,
            reference=complaint.reference,
            delivery=given["delivery"],
            changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    return {
        "reference": complaint.reference,
        "delivery": given["delivery"],
        "tracking_secret": secret if given["delivery"] == "show" else None,
    }


def _sees_where_it_goes_on(session: Session, actor: Actor, complaint: Complaint) -> bool:
    goes_on_id = complaint.merged_into_id
    return goes_on_id is None or queries.is_visible(session, actor, str(goes_on_id))


MAY: Final = frozenset({"complaint:read", "complaint:withdraw", "complaint:reopen"})
"""What somebody may do with their own complaint; what they write has a door of its own."""

MAY_BESIDE: Final = frozenset({"complaint:read"})
"""Where their complaint was merged into another person's."""

_NO_REASON: Final = "The complainant withdrew it themselves."


def open_session(session: Session, reference: str, secret: str) -> Any:
    """The complaint's `id`, `tracking_number` and the moment, `seen_at`. Raises `TrackingRefused`, with the same words and
    after the same work whether there is no such complaint or the secret is another's.
    """
    row = tracking_queries.secret_by_reference(session, parse_reference(reference) or "")
    if not fits(secret, None if row is None else row.tracking_hash):
        raise TrackingRefused
    return row


def complainant(session: Session, opened: Opened | None) -> Actor | None:
    """Whoever holds a session that still counts: it has not ended, and its secret is in force. That of a complaint that was
    merged leads to the one in which it goes on; where that is another person's, they read what is theirs, write, and do not
    end it.
    """
    row = None if opened is None else tracking_queries.opened(session, opened.complaint_id)
    if opened is None or row is None or row.seen_at >= opened.expires_at or row.tracking_number != opened.number:
        return None
    if row.goes_on_id != row.id and not sharing_queries.is_of_one_person(session, row.id):
        known = complainant_actor(row.goes_on_id, MAY_BESIDE, row.seen_at, beside_id=row.id, opened_id=row.id)
    else:
        known = complainant_actor(row.goes_on_id, MAY, row.seen_at, opened_id=row.id)
    return replace(known, revision=row.revision)


def theirs(session: Session, actor: Actor) -> Complaint:
    """The complaint in which that of the actor's session goes on, locked. Raises `MovedMeanwhile` where it was merged, or its
    merge undone, before the lock was had: what they do would be done to another person's.
    """
    return _still_theirs(session, actor, queries.complaint_for_update(session, actor, str(actor.id)))


def thread_of_theirs(session: Session, actor: Actor) -> Complaint:
    """The same, by `queries.thread_for_update`."""
    return _still_theirs(session, actor, queries.thread_for_update(session, actor, str(actor.id)))


def _still_theirs(session: Session, actor: Actor, complaint: Complaint) -> Complaint:
    if actor.opened_id is not None:
        row = tracking_queries.opened(session, actor.opened_id)
        if row is None or row.goes_on_id != complaint.id:
            raise MovedMeanwhile
    return complaint


Speak = Callable[[str | None], str]
"""The language in which to say something to somebody; it is given that of their complaint."""


def seen_by(session: Session, actor: Actor, *, names: str, window_days: int, speak: Speak) -> dict[str, Any]:
    """A complaint as its complainant sees it. `names`: who is said to handle it, by first name or team. `window_days`:
    how long after it was closed they can ask for it to be reopened.
    """
    row = tracking_queries.seen(session, actor)
    closed_at, status = row.pop("closed_at"), row["status"]
    until = None if closed_at is None or status in OPEN else closed_at + timedelta(days=window_days)
    seen_at, may_reopen = row.pop("seen_at"), actor.may("complaint:reopen")
    can = {
        "write": True,
        "withdraw": status in OPEN and actor.may("complaint:withdraw"),
        "reopen": until is not None and seen_at < until and may_reopen,
        "complain_again": until is not None and seen_at >= until and may_reopen,
    }
    waits = row.pop("waiting_on") == "customer" and status in OPEN
    word = "status_waiting" if waits else f"status_{status}"
    return row | {
        "status_text": said(word, speak(row["language"])),
        "waiting_on_you": waits,
        "handled_by": row.pop("first_name" if names == "first_name" else "team"),
        "reopen_until": until,
        "can": [name for name, possible in can.items() if possible],
    }


_OURS: Final[Mapping[str, Sequence[str]]] = {
    "acknowledgement": ("acknowledgement",),
    "merged": ("merged", "merged_beside"),
    "unmerged": ("unmerged", "unmerged_beside"),
    "split": ("split",),
}
"""Purpose of a message -> names of the phrases that it may be."""


def references(session: Session, actor: Actor) -> tuple[str, str] | None:
    """The reference of the other person's complaint in which the actor's goes on, and the one that they know in its place; None
    where it goes on in none.
    """
    if actor.beside_id is None or actor.id is None:
        return None
    known = tracking_queries.references_of(session, [actor.id, actor.beside_id])
    return known[actor.id], known[actor.beside_id]


def shown_entry(
    row: Any, names: str, language: str | None, references: tuple[str, str] | None = None
) -> dict[str, Any]:
    """A message as the complainant sees it: what the program said itself in the language that they asked for, where they did;
    `references`: see there.
    """
    shown = dict(row)
    first_name, team, record_type = (shown.pop(name) for name in ("first_name", "team", "record_type"))
    for phrase in _OURS.get(shown["purpose"], ()) if language and shown["body_html"] is None else ():
        shown["body"] = retold(phrase, shown["body"], language, record_type=record_type) or shown["body"]
    if references is not None:
        for part in ("body", "body_html"):
            shown[part] = shown[part] and shown[part].replace(*references)
    return shown | {"name": first_name if names == "first_name" else team}


def write(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any], *, scanned: bool = False) -> UUID:
    """A message from the complainant; it ends the waiting for it. `scanned`: there is a scanner for files. `complaint`: by `queries.thread_for_update`, since it may
    just have been merged into another.
    """
    complaint = queries.survivor_of(uow.session, complaint)
    sender = None if actor.beside_id is None else beside.sender_of(uow.session, actor.beside_id)
    ids = given.get("attachment_ids") or ()
    files = reply_files.choose(uow.session, actor, complaint, "inbound", ids, scanned=scanned)
    message_id = add_message(
        uow, actor, complaint, kind="inbound", body=given["body"], channel="WEB", sender=sender, files=files
    )
    if actor.beside_id is not None:
        beside.note_theirs(uow, actor.beside_id, "complaint_message", message_id)
    if complaint.waiting_on == "customer" and complaint.status in OPEN:
        acts.act(uow, SYSTEM, complaint, "resume", {"note": "The complainant replied."})
    else:
        complaint.changed_at(uow.now)
    return message_id


def withdraw(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    acts.carry_out(uow, actor, complaint, "withdraw", {"reason": given.get("reason") or _NO_REASON})


def check_window(session: Session, actor: Actor, complaint: Complaint, window_days: int) -> None:
    """Raises `ReopenWindowOver` for whoever comes too late; of an open complaint the lifecycle says that it is open."""
    closed_at = tracking_queries.closed_at(session, complaint.id) if complaint.status not in OPEN else None
    if closed_at is None or actor.seen_at is None or actor.seen_at < closed_at + timedelta(days=window_days):
        return
    raise ReopenWindowOver(
        f"It was closed more than {window_days} days ago.",
        closed_at=closed_at,
        window_days=window_days,
        suggestion="new_complaint",
        related_to=complaint.reference,
    )


def paragraph(session: Session, complaint_id: UUID, secrets: Secrets, page: str) -> str:
    """How to follow a complaint, with the secret that is in force when it is mailed. The `page` takes both from behind the
    `#`, which browsers send to nobody.
    """
    row = tracking_queries.secret_of(session, complaint_id)
    person = person_queries.whose(session, row)
    language = (person and person.language) or row.language
    secret = secrets.told_again(complaint_id, row.tracking_number, row.tracking_hash)
    if secret is None:
        return said("following_without_secret", language, reference=row.reference)
    url = f"{page}#reference={row.reference}&secret={secret}"
    return said("following", language, url=url, reference=row.reference, secret=secret)
