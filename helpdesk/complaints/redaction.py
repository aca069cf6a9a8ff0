"""Taking text out of a complaint for good, and saying that it was taken out.

The text leaves the message (its plain words; its HTML goes altogether, since words in it are not where they are in the
text), the complaint's subject or description, the mail that carries it, what an act of the lifecycle was given, the
answers that are kept for repeats, and the event log: the payloads that hold it are erased with their salts, and their
digests stay, so that the chain still verifies. What remains is that it was redacted: who, when, why, at how many places,
and a salted digest of what was there. What has been mailed cannot be taken back; the answer says so.

Of two at once one wins: the route asks for the version that was looked at.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from marshmallow import fields

from helpdesk.complaints import carrying, cutting, merge_queries, redaction_queries
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.carrying import Erased, Standing
from helpdesk.complaints.cutting import MARK, Cut, NotThere
from helpdesk.complaints.errors import NothingLeft
from helpdesk.complaints.events import MessageRedacted, TextRedacted
from helpdesk.complaints.models import Complaint, Message
from helpdesk.complaints.queries import Part
from helpdesk.complaints.redaction_models import Redaction
from helpdesk.complaints.text_seals import OF_MESSAGE, new_salt, seal_row
from helpdesk.identity.actors import Actor
from helpdesk.kernel import idempotency, mail
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.event_log import veiled
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import Schema, Text
from helpdesk.kernel.unit_of_work import UnitOfWork

_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class Redacted:
    """What to show: the redaction, and the drafts, messages and counter-offers that still say what was there. They are left alone:
    whoever redacts decides about them, one by one.
    """

    redaction_id: UUID
    message_id: UUID | None = None
    drafts: Sequence[UUID] = ()
    messages: Sequence[Mapping[str, Any]] = ()
    counters: Sequence[Mapping[str, Any]] = ()

    def quoting(self) -> dict[str, Any]:
        """As the answer has it."""
        return {
            "drafts_quoting": self.drafts,
            "messages_quoting": self.messages,
            "counters_quoting": self.counters,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out, by whom, on which complaints it may still be said, and the counter-offers that say it."""

    cut: Cut
    actor: Actor
    kin: Sequence[UUID]
    counters: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Redactions:
    """Those of one unit of work, by their ids: whoever keeps a customer's words in a book of its own, and stands above this domain,
    looks there for what was taken out (no event tells it), and says where it still stands. A book, though it tells nothing.
    """

    taken: dict[UUID, Taken] = field(default_factory=dict)

    def settle(self, uow: UnitOfWork) -> None:
        """Nothing is to be told."""


def redact_message(uow: UnitOfWork, actor: Actor, part: Part[Message], given: dict[str, Any]) -> Redacted:
    """`part`: both locked. Raises `NothingLeft`, and `ValidationFailed` for what does not stand in the message."""
    complaint, message = part.complaint, part.row
    if message.redacted_whole:
        raise NothingLeft
    before = message.body
    cut = cut_of(before, given)
    posted = None
    if message.mail_id is not None:
        posted = mail.take_back(uow, message.mail_id, rewrite=cut.out_of, cancel=cut.whole)
    message.body, message.html, message.html_given = cut.left, None, None
    message.redactions += 1
    message.redacted_at, message.redacted_whole = uow.now, cut.whole
    message.salt = new_salt()  # the old one would let anybody try out what was taken
    kin = merge_queries.kin_of(uow.session, complaint.id)  # it may have been written on another that was merged with it
    found = redaction_queries.events_at(uow.session, kin, message.created_at)
    erased = carrying.erase(uow, kin, [row.id for row in found if _holds(cut, row.payload)], cut)
    for transition in redaction_queries.transitions_at(uow.session, kin, message.created_at):
        if _holds(cut, {"action": transition.action, "given": transition.given}):
            transition.given = {}  # whole, as the database allows it
    shown = {"body": cut.left, "body_html": None}
    rewrite_answers(uow, kin, lambda item: item.get("id") == str(message.id) and "body" in item, lambda _: shown)
    row = note(
        uow,
        actor,
        complaint,
        given,
        cut,
        before=before,
        part="message",
        message_id=message.id,
        mail=posted,
        erased=erased,
    )
    uow.record(
        MessageRedacted(
            complaint_id=complaint.id,
            reference=complaint.reference,
            message_id=message.id,
            mail=posted,
            texts=seal_row(message.salt, message, OF_MESSAGE),
            **told(row, erased),
        ),
        stream=complaint,
    )
    return where_it_still_stands(uow, complaint, row["id"], Taken(cut, actor, kin), message.id)


def redact_text(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> Redacted:
    """`given`: `part`, subject or description. What stood there before a correction is in the history only, and is found
    there.
    """
    name = given["part"]
    before: str = getattr(complaint, name)
    history = redaction_queries.events_that_changed(uow.session, complaint.id, name)
    past = [leaf for row in history for leaf in _told_of(row.payload, name)]
    if before == MARK and not past:
        raise NothingLeft
    cut = cut_of(before, given, past)
    standing = Standing.of(uow, complaint)
    setattr(complaint, name, cut.left)
    left = standing.sealed_anew(complaint, name if cut.whole else None)
    submission = redaction_queries.submission_of(uow.session, complaint.id)
    if submission is not None and submission.given is not None:
        submission.given = cutting.mapped(submission.given, lambda text: cut.out_of(text) if cut.holds(text) else text)
    if complaint.source_data is not None:
        complaint.source_data = cutting.mapped(
            complaint.source_data, lambda text: cut.out_of(text) if cut.holds(text) else text
        )
    holding = [row.id for row in history if cut.whole or cutting.any_holds(cut, _told_of(row.payload, name))]
    erased = carrying.erase(uow, [complaint.id], holding, cut)
    rewrite_answers(
        uow,
        [complaint.id],
        lambda item: name in item and str(complaint.id) in {item.get("id"), item.get("complaint_id")},
        lambda _: {name: cut.left},
    )
    row = note(uow, actor, complaint, given, cut, before=before, part=name, message_id=None, mail=None, erased=erased)
    uow.record(
        TextRedacted(
            complaint_id=complaint.id, reference=complaint.reference, part=name, texts=left, **told(row, erased)
        ),
        stream=complaint,
    )
    kin = merge_queries.kin_of(uow.session, complaint.id)
    return where_it_still_stands(uow, complaint, row["id"], Taken(cut, actor, kin))


def cut_of(text: str, given: dict[str, Any], past: Sequence[str] = ()) -> Cut:
    """What is to be taken out of a text. `given`: `whole`, `ranges` or `strings`; `past`: what stood there before, where a
    string may be found that is not there any more. Raises `ValidationFailed` for what is in neither.
    """
    try:
        if given.get("whole"):
            return cutting.whole(text)
        if "ranges" in given:
            return cutting.spans(text, [(item["start"], item["end"]) for item in given["ranges"]])
        return cutting.strings(text, given["strings"], lambda one: any(Cut("", (one,), 1).holds(old) for old in past))
    except NotThere as error:
        name = "ranges" if "ranges" in given else "strings"
        why = "It is not there." if name == "strings" else _misplaced(given["ranges"][error.place], len(text))
        raise ValidationFailed(errors=[FieldError.at(f"/{name}/{error.place}", "not_there", why)]) from error


def _misplaced(span: Mapping[str, int], length: int) -> str:
    if span["start"] >= span["end"]:
        return "It ends before it has begun: `end` is the first character after it, and lies behind `start`."
    return f"This is not within the text, which has {length} characters."


def _holds(cut: Cut, payload: Mapping[str, Any]) -> bool:
    if any(cut.holds(leaf) for leaf in cutting.leaves(payload)):
        return True
    return cutting.any_holds(cut, _free_texts(str(payload.get("action")), payload.get("given")))


def _free_texts(action: str, given: Any) -> Iterator[str]:
    """What a person wrote among that which an action was given: its other values are words of lists, ids, numbers."""
    if action in BODIES and isinstance(given, dict):
        yield from _written(BODIES[action](), given)


def _written(schema: Schema, given: Mapping[str, Any]) -> Iterator[str]:
    for name, written in schema.load_fields.items():
        inner = written.inner if isinstance(written, fields.List) else written
        values = given.get(name)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(inner, Text) and isinstance(value, str):
                yield value
            elif isinstance(inner, fields.Nested) and isinstance(value, dict) and isinstance(inner.schema, Schema):
                yield from _written(inner.schema, value)


def _told_of(payload: Mapping[str, Any], name: str) -> Iterator[str]:
    """What an event tells of a field before and after."""
    for told in ("changes", "given"):
        yield from cutting.leaves((payload.get(told) or {}).get(name))


def rewrite_answers(
    uow: UnitOfWork,
    complaint_ids: Iterable[UUID],
    concerns: Callable[[dict[str, Any]], bool],
    shown: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Put what is `shown` of an object now in the place of what the answers that are kept for repeats of requests say of
    it, wherever in them an object `concerns` it.
    """

    def rewritten(value: Any) -> Any:
        if isinstance(value, dict):
            inner = {name: rewritten(item) for name, item in value.items()}
            return inner | shown(value) if concerns(value) else inner
        return [rewritten(item) for item in value] if isinstance(value, list) else value

    for complaint_id in complaint_ids:
        idempotency.rewrite(uow.session, complaint_id, rewritten)


def where_it_still_stands(
    uow: UnitOfWork, complaint: Complaint, redaction_id: UUID, taken: Taken, message_id: UUID | None = None
) -> Redacted:
    """Of drafts, messages and counter-offers, the last two as far as the actor sees their complaints, in all of a merge: an
    answer that quotes it, a copy that a split made, the message in which a merge repeats a description. `message_id`: the message
    that it was taken out of.
    """
    uow.book(Redactions).taken[redaction_id] = taken
    drafts = redaction_queries.drafts_on(uow.session, complaint.id)
    beside = redaction_queries.messages_beside(uow.session, taken.actor, taken.kin, message_id)
    return Redacted(
        redaction_id,
        message_id,
        [row.id for row in drafts if taken.cut.quoted_in(row.body)],
        [{"reference": row.reference, "message_id": row.message_id} for row in beside if taken.cut.quoted_in(row.body)],
        taken.counters,  # found when the event of the redaction has its consequences
    )


def note(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    given: dict[str, Any],
    cut: Cut,
    *,
    before: str,
    part: str,
    message_id: UUID | None,
    mail: str | None,
    erased: Erased,
    field_key: str | None = None,
    counter_id: UUID | None = None,
) -> dict[str, Any]:
    """The row of a redaction. `given`: the reason; `before`: the whole text, of which a salted digest is kept; `erased`:
    the events that lost their payload.
    """
    salt = secrets.token_bytes(_SALT)
    row = {
        "id": new_id(),
        "complaint_id": complaint.id,
        "part": part,
        "message_id": message_id,
        "field_key": field_key,
        "counter_id": counter_id,
        "whole": cut.whole,
        "places": cut.count,
        "reason": given["reason"],
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "salt": salt,
        "digest": hashlib.sha256(salt + before.encode()).digest(),
        "mail": mail,
        "erased_events": erased.count,
        "created_at": uow.now,
    }
    uow.add_rows(Redaction, [row])
    complaint.changed_at(uow.now)
    return row


def told(row: Mapping[str, Any], erased: Erased) -> dict[str, Any]:
    """What every event of a redaction says of it (`events.Redacted`)."""
    return {
        "redaction_id": row["id"],
        "whole": row["whole"],
        "places": row["places"],
        "reason": row["reason"],
        "digest": row["digest"].hex(),
        "erased_events": row["erased_events"],
        "erased": {veiled(stream): places for stream, places in erased.places.items()},
        "carried": dict(erased.carried),
    }
