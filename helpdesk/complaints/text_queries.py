"""Every select that puts what people wrote beside what the chain says of it.

The event of a message may be in another complaint's chain: the message came here by a merge or a split, or went and came
back. Ids of messages are nobody else's, so that the last event that names one is the one that counts, wherever it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, String, cast, func, or_, select, union
from sqlalchemy.orm import Session

from helpdesk.complaints.link_models import Link
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.merge_queries import kin_of
from helpdesk.complaints.models import Complaint, Message
from helpdesk.complaints.text_seals import OF_COMPLAINT, OF_MESSAGE, Seals, Written
from helpdesk.kernel.event_log import Broken, EventRow

_OF_COMPLAINTS: Final = ("complaint.received", "complaint.edited", "complaint.text_redacted")
_OF_MESSAGES: Final = ("complaint.message_added", "complaint.message_redacted")
_WITH_MESSAGES: Final = ("complaint.received", "complaint.duplicate_merged")
"""Those that name messages which were made with them, in `message_texts`."""


class _Said(NamedTuple):
    seals: Seals
    stream_id: UUID
    place: int


@dataclass(slots=True)
class _Chains:
    """What some chains say of texts."""

    complaints: dict[UUID, _Said] = field(default_factory=dict)
    messages: dict[UUID, _Said] = field(default_factory=dict)
    added: dict[UUID, UUID] = field(default_factory=dict)
    """Messages that were written, and so have to be there -> in whose chain that is."""
    erased: dict[UUID, int] = field(default_factory=dict)
    """Stream -> place of its last event that told of its texts and was erased."""
    messages_erased: set[UUID] = field(default_factory=set)
    """Streams in which an event of a message was erased."""


def texts_of(session: Session, complaint_ids: Sequence[UUID]) -> Iterator[Written]:
    """Subject and description of each, every message, and messages that are gone. To be read in one moment."""
    kin: dict[UUID, Sequence[UUID]] = {complaint_id: [complaint_id] for complaint_id in complaint_ids}
    kin |= {complaint_id: kin_of(session, complaint_id) for complaint_id in _related(session, complaint_ids)}
    chains = _chains(session, {stream for streams in kin.values() for stream in streams})
    references: dict[UUID, str] = {}
    for row in session.execute(_COMPLAINTS.where(Complaint.id.in_(complaint_ids)).order_by(Complaint.id)):
        references[row.id] = row.reference
        said = chains.complaints.get(row.id)
        place = said.place if said else 0
        erased = chains.erased.get(row.id, 0) > place
        texts = _named(row, OF_COMPLAINT)
        yield Written(row.id, row.reference, "the complaint", texts, row.text_salt, said and said.seals, place, erased)
    there = set()
    rows = _MESSAGES.where(Message.complaint_id.in_(complaint_ids)).order_by(Message.complaint_id, Message.id)
    for row in session.execute(rows):
        there.add(row.id)
        said = chains.messages.get(row.id)
        place = said.place if said and said.stream_id == row.complaint_id else 0
        erased = said is None and not chains.messages_erased.isdisjoint(kin[row.complaint_id])
        texts = _named(row, OF_MESSAGE)
        reference = references[row.complaint_id]
        subject = f"message {row.id}"
        yield Written(row.complaint_id, reference, subject, texts, row.salt, said and said.seals, place, erased)
    yield from _gone(session, chains, there, references)


def _gone(session: Session, chains: _Chains, there: set[UUID], references: dict[UUID, str]) -> Iterator[Written]:
    missing = {
        message_id
        for message_id, stream_id in chains.added.items()
        if stream_id in references and message_id not in there
    }
    if missing:
        missing -= set(session.scalars(select(Message.id).where(Message.id.in_(missing))))
    for message_id in sorted(missing):
        said = chains.messages[message_id]
        home, subject = chains.added[message_id], f"message {message_id}"
        yield Written(home, references[home], subject, {}, None, said.seals, said.place, gone=True)


_COMPLAINTS: Final = select(
    Complaint.id, Complaint.reference, *(getattr(Complaint, name) for name in OF_COMPLAINT), Complaint.text_salt
)
_MESSAGES: Final = select(
    Message.id, Message.complaint_id, *(getattr(Message, name) for name in OF_MESSAGE), Message.salt
)


def _named(row: Any, names: Sequence[str]) -> dict[str, str | None]:
    return {name: getattr(row, name) for name in names}


def _related(session: Session, complaint_ids: Sequence[UUID]) -> Iterable[UUID]:
    """Those of them that messages may have come to, or gone from."""
    sides = [select(side.label("id")).where(side.in_(complaint_ids)) for side in (Merge.source_id, Merge.survivor_id)]
    split = [
        select(side.label("id")).where(side.in_(complaint_ids), Link.kind == "split_from")
        for side in (Link.from_id, Link.to_id)
    ]
    return session.scalars(union(*sides, *split))


def _chains(session: Session, streams: Iterable[UUID]) -> _Chains:
    payload = EventRow.payload
    told = (
        select(
            EventRow.stream_id,
            EventRow.stream_seq,
            EventRow.type,
            payload.is_(None).label("erased"),
            payload["message_id"].astext.label("message_id"),
            payload["texts"].label("texts"),
            payload["message_texts"].label("message_texts"),
        )
        .where(
            EventRow.stream_id.in_(list(streams)),
            EventRow.type.in_({*_OF_COMPLAINTS, *_OF_MESSAGES, *_WITH_MESSAGES}),
        )
        .order_by(EventRow.seq)
    )
    found = _Chains()
    for row in session.execute(told):
        _hear(found, row)
    return found


def _hear(chains: _Chains, row: Any) -> None:
    of_message = row.type in _OF_MESSAGES
    if row.erased:
        if of_message or row.type in _WITH_MESSAGES:
            chains.messages_erased.add(row.stream_id)
        if row.type in _OF_COMPLAINTS:
            chains.erased[row.stream_id] = row.stream_seq
        return
    for message_id, seals in (row.message_texts or {}).items():
        chains.messages[UUID(message_id)] = _Said(seals, row.stream_id, row.stream_seq)
    if not row.texts:
        return
    said = _Said(row.texts, row.stream_id, row.stream_seq)
    if not of_message:
        known = chains.complaints.get(row.stream_id)  # a correction says what it corrected, and the rest goes on
        chains.complaints[row.stream_id] = said if known is None else said._replace(seals=known.seals | said.seals)
        return
    message_id = UUID(row.message_id)
    chains.messages[message_id] = said
    if row.type == "complaint.message_added":
        chains.added[message_id] = row.stream_id


def seals_of(session: Session, complaint_id: UUID) -> Seals:
    """What the chain says of a complaint's subject and description by now; empty where it says nothing."""
    said = _chains(session, [complaint_id]).complaints.get(complaint_id)
    return {} if said is None else said.seals


def broken_texts(texts: Iterable[Written]) -> list[Broken]:
    return [
        Broken(text.complaint_id, text.place, f"{text.subject}: {fault}", "text")
        for text in texts
        for fault in text.faults
    ]


def counted(texts: Sequence[Written]) -> Mapping[str, int]:
    """How many could be compared, and how many have nothing to be compared with."""
    silent = sum(1 for text in texts if not text.faults and not text.proven)
    return {"texts": len(texts) - silent, "texts_without_digest": silent}


def seals_elsewhere(session: Session, complaint_id: UUID) -> Sequence[EventRow]:
    """Events in other complaints' chains that have digests of messages which are this one's, oldest first."""
    streams = [stream for stream in kin_of(session, complaint_id) if stream != complaint_id]
    if not streams:
        return []
    here = list(map(str, session.scalars(select(Message.id).where(Message.complaint_id == complaint_id))))
    told = select(EventRow).where(
        EventRow.stream_id.in_(streams),
        or_(
            EventRow.type.in_(_OF_MESSAGES) & EventRow.payload["message_id"].astext.in_(here),
            EventRow.type.in_(_WITH_MESSAGES)
            & func.jsonb_exists_any(EventRow.payload["message_texts"], cast(here, ARRAY(String))),
        ),
    )
    return session.scalars(told.order_by(EventRow.seq)).all()
