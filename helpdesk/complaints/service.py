"""What one can do with a complaint beside its lifecycle: edit, write. `issues`, `people` and `assignment` have the rest."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from helpdesk.complaints import (
    acts,
    beside,
    canned_replies,
    changes,
    custom_fields,
    mentions,
    queries,
    reply_files,
    thread_queries,
)
from helpdesk.complaints.events import ComplaintEdited
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.text_seals import OF_COMPLAINT, Seals, new_salt, seal_row
from helpdesk.complaints.thread import Sender, add_message
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.rich_text import RichText, from_html, from_text
from helpdesk.kernel.unit_of_work import UnitOfWork

_MESSAGE_PERMISSION = {
    "public_reply": "complaint:reply",
    "internal_note": "complaint:note",
    "inbound": "complaint:note",
}


_PLAIN = ("subject", "description", "language", "jurisdiction", "sector")


def edit(uow: UnitOfWork, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """`given`: any of subject, description, language, jurisdiction, sector, price, loss, custom_fields. Price and loss share a
    currency.
    """
    wanted: dict[str, Any] = {name: given[name] for name in _PLAIN if name in given}
    for name in ("price", "loss"):
        if name in given:
            wanted[f"{name}_minor"] = given[name].minor
            wanted.setdefault("currency", given[name].currency)
            other = complaint.loss_minor if name == "price" else complaint.price_minor
            both = "price" in given and "loss" in given
            if given[name].currency != wanted["currency"] or (
                other is not None and not both and complaint.currency != given[name].currency
            ):
                raise ValidationFailed(
                    errors=[FieldError.at(f"/{name}/currency", "currency", "Price and loss must be in one currency.")]
                )
    if complaint.offers_live and complaint.currency not in {None, wanted.get("currency", complaint.currency)}:
        text = f"There are offers in {complaint.currency}; take them back first."
        given_names = [name for name in ("price", "loss") if name in given]
        raise ValidationFailed(errors=[FieldError.at(f"/{name}/currency", "offers_live", text) for name in given_names])
    before = changes.values_of(complaint)
    for name, value in wanted.items():
        setattr(complaint, name, value)
    if "custom_fields" in given:
        custom_fields.set_values(uow, complaint, given["custom_fields"])
    changed = changes.since(before, complaint)
    if changed:
        complaint.changed_at(uow.now)
        uow.record(
            ComplaintEdited(
                complaint_id=complaint.id,
                reference=complaint.reference,
                changes=changed,
                texts=_seals(complaint, changed.keys()),
            ),
            stream=complaint,
        )
    return complaint.id


def _seals(complaint: Complaint, changed: Collection[str]) -> Seals:
    """With the salt that it has: what stood there before is in the event's changes, for everybody to compare. A text that
    did not change keeps the digest that it has: to seal it anew would make good what was done to it past the program.
    """
    names = tuple(name for name in OF_COMPLAINT if name in changed)
    if names and complaint.text_salt is None:
        complaint.text_salt, names = new_salt(), OF_COMPLAINT
    return seal_row(complaint.text_salt or b"", complaint, names)


def _said(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> RichText:
    written = None
    if "body" in given or "body_html" in given:
        written = from_html(given["body_html"]) if "body_html" in given else from_text(given["body"])
    if given.get("canned_reply_id") is None:
        return written or from_text("")
    return canned_replies.used(
        uow, actor, complaint, given["canned_reply_id"], pointer="/canned_reply_id", written=written
    )


def write_message(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any], *, scanned: bool = False
) -> UUID:
    """Append to the thread. A message from the complainant ends the waiting for it; with a merged complaint it goes to the
    survivor's (see `queries.thread_for_update`), while nobody else writes there by the old reference: raises
    `ComplaintMerged`. Raises `ValidationFailed` for an answer to a message of another complaint, and for whom a note
    names who may not read it, and for files that cannot go with it. `scanned`: there is a scanner for files.
    """
    require(actor, _MESSAGE_PERMISSION[given["kind"]])
    if given["kind"] != "inbound":
        queries.refuse_merged(uow.session, actor, complaint)
    beside_id = beside.beside(uow.session, complaint)
    complaint = queries.survivor_of(uow.session, complaint)
    in_reply_to = given.get("in_reply_to")
    if in_reply_to is not None and not thread_queries.belongs(uow.session, complaint.id, in_reply_to):
        text = "There is no such message in this thread."
        raise ValidationFailed(errors=[FieldError.at("/in_reply_to", "unknown", text)])
    sender = Sender(**{"name": None, "email": None} | given["sender"]) if given.get("sender") else None
    if sender is None and beside_id is not None:
        sender = beside.sender_of(uow.session, beside_id)
    files = reply_files.choose(
        uow.session, actor, complaint, given["kind"], given.get("attachment_ids") or (), scanned=scanned
    )
    said = _said(uow, actor, complaint, given)
    named = []
    if given["kind"] == "internal_note":
        named = mentions.resolve(uow, complaint, given.get("mentions") or [], said.plain)
    message_id = add_message(
        uow,
        actor,
        complaint,
        kind=given["kind"],
        body=said,
        channel=given.get("channel"),
        in_reply_to=in_reply_to,
        mentions=named,
        sender=sender,
        files=files,
    )
    if beside_id is not None:
        beside.note_theirs(uow, beside_id, "complaint_message", message_id)
    if given["kind"] == "inbound" and complaint.waiting_on == "customer":
        acts.act(uow, SYSTEM, complaint, "resume", {"note": "The complainant replied."})
    else:
        complaint.changed_at(uow.now)
    return message_id
