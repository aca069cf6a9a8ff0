"""Every select that puts what people wrote beside what the chain says of it.

The event of a message may be in another complaint's chain: the message came here by a merge or a split, or went and came
back. Ids of messages are nobody else's, so that the last event that names one is the one that counts, wherever it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, String, cast, func, or_, select, union
from sqlalchemy.orm import Session

from helpdesk.complaints.link_models import Link
from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.merge_queries import kin_of
from helpdesk.complaints.models import Complaint, Message
from helpdesk.complaints.telling import MOVING, OF_COMPLAINTS, OF_MESSAGES, WITH_MESSAGES, Move, Told, place_now
from helpdesk.complaints.text_seals import FACTS, OF_COMPLAINT, OF_MESSAGE, Seals, Written, message_facts
from helpdesk.kernel.event_log import Broken, EventRow, veiled

Kin = Mapping[UUID, Sequence[UUID]]


def texts_of(session: Session, complaint_ids: Sequence[UUID]) -> Iterator[Written]:
    """Subject and description of each, every message, and messages that are gone. To be read in one moment."""
    kin = kin_in(session, complaint_ids)
    told = told_in(session, {stream for streams in kin.values() for stream in streams})
    references: dict[UUID, str] = {}
    for row in session.execute(_COMPLAINTS.where(Complaint.id.in_(complaint_ids)).order_by(Complaint.id)):
        references[row.id] = row.reference
        said = told.complaints.get(row.id)
        yield Written(
            row.id,
            row.reference,
            "the complaint",
            {name: getattr(row, name) for name in OF_COMPLAINT},
            row.text_salt,
            said and said.seals,
            said.at(row.id) if said else 0,
            erased=told.lost(row.id),
        )
    yield from _messages(session, told, kin, references)


def kin_in(session: Session, complaint_ids: Sequence[UUID]) -> Kin:
    """Each of them -> itself, and all that messages may have come from or gone to."""
    kin: dict[UUID, Sequence[UUID]] = {complaint_id: [complaint_id] for complaint_id in complaint_ids}
    return kin | {complaint_id: kin_of(session, complaint_id) for complaint_id in _related(session, complaint_ids)}


def _messages(session: Session, told: Told, kin: Kin, references: Mapping[UUID, str]) -> Iterator[Written]:
    moves = _moves(session, told, references)
    anywhere = {one for one in references if not told.unsure.isdisjoint(kin[one])}
    there: dict[UUID, UUID] = {}
    rows = _MESSAGES.where(Message.complaint_id.in_(list(references))).order_by(Message.complaint_id, Message.id)
    for row in session.execute(rows):
        there[row.id] = row.complaint_id
        said, born = told.messages.get(row.id), told.born.get(row.id)
        strange = born is not None and row.complaint_id not in {*anywhere, place_now(born.home, moves.get(row.id, ()))}
        yield Written(
            row.complaint_id,
            references[row.complaint_id],
            f"message {row.id}",
            {name: getattr(row, name) for name in OF_MESSAGE},
            row.salt,
            said and said.seals,
            said.at(row.complaint_id) if said else 0,
            erased=said is None and told.lost_messages(kin[row.complaint_id]),
            facts=message_facts(row),
            facts_said=born.facts if born else {},
            fault="it was put here from another complaint" if strange else None,
        )
    places = {row_id: place_now(born.home, moves.get(row_id, ())) for row_id, born in told.born.items()}
    expected = {
        row_id: place
        for row_id, place in places.items()
        if place is not None and place in references and place not in anywhere and there.get(row_id) != place
    }
    yield from _missing(session, told, expected, references)


def _missing(
    session: Session, told: Told, expected: Mapping[UUID, UUID], references: Mapping[UUID, str]
) -> Iterator[Written]:
    """Messages that have to be in these complaints, and are not: `expected` has where."""
    if not expected:
        return
    elsewhere = set(session.scalars(select(Message.id).where(Message.id.in_(expected))))
    for message_id, home in sorted(expected.items()):
        fault = "it was put into another complaint" if message_id in elsewhere else "it was removed"
        said, born = told.messages.get(message_id), told.born[message_id]
        place = born.at(home) if said is None else said.at(home)
        yield Written(
            home, references[home], f"message {message_id}", {}, None, said and said.seals, place, fault=fault
        )


_COMPLAINTS: Final = select(
    Complaint.id, Complaint.reference, *(getattr(Complaint, name) for name in OF_COMPLAINT), Complaint.text_salt
)
_MESSAGES: Final = select(
    Message.id,
    Message.complaint_id,
    *(getattr(Message, name) for name in (*OF_MESSAGE, *FACTS)),
    Message.salt,
)


def _related(session: Session, complaint_ids: Sequence[UUID]) -> Iterable[UUID]:
    """Those of them that messages may have come to, or gone from."""
    sides = [select(side.label("id")).where(side.in_(complaint_ids)) for side in (Merge.source_id, Merge.survivor_id)]
    split = [
        select(side.label("id")).where(side.in_(complaint_ids), Link.kind == "split_from")
        for side in (Link.from_id, Link.to_id)
    ]
    return session.scalars(union(*sides, *split))


def told_in(session: Session, streams: Iterable[UUID]) -> Told:
    """What these complaints' chains say."""
    streams = list(streams)
    told = (
        select(
            EventRow.stream_id, EventRow.stream_seq, EventRow.seq, EventRow.type, EventRow.occurred_at, EventRow.payload
        )
        .where(
            EventRow.stream_id.in_(streams),
            EventRow.type.in_({*OF_COMPLAINTS, *OF_MESSAGES, *WITH_MESSAGES, *MOVING}),
        )
        .order_by(EventRow.seq)
    )
    found = Told(streams)
    for row in session.execute(told):
        found.hear(row)
    return found


def _moves(session: Session, told: Told, references: Mapping[UUID, str]) -> Mapping[UUID, Sequence[Move]]:
    """Message -> what merges and splits did with it, in order; merges as their book has it."""
    found: dict[UUID, list[Move]] = {message_id: list(moves) for message_id, moves in told.split_off.items()}
    streams = {*references, *(born.home for born in told.born.values())}
    sides = or_(Merge.source_id.in_(streams), Merge.survivor_id.in_(streams))
    booked = (
        select(MergedRow.row_id, MergedRow.before, Merge)
        .join(Merge, Merge.id == MergedRow.merge_id)
        .where(MergedRow.kind == Message.__tablename__, sides)
    )
    for row in session.execute(booked):
        merge = row.Merge
        made = bool((row.before or {}).get("made"))
        steps = found.setdefault(row.row_id, [])
        if not made:
            steps.append(Move(merge.merged_at, None, merge.survivor_id))
        if merge.undone_at is not None:
            steps.append(Move(merge.undone_at, merge.survivor_id, None if made else merge.source_id))
    return {message_id: sorted(steps, key=lambda move: move.at) for message_id, steps in found.items()}


def seals_of(session: Session, complaint_id: UUID) -> Seals:
    """What the chain says of a complaint's subject and description by now; empty where it says nothing."""
    said = told_in(session, [complaint_id]).complaints.get(complaint_id)
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
    """Events in other complaints' chains that tell of messages which are this one's, or of events here that they erased,
    or that one written here was split off, oldest first.
    """
    streams = [stream for stream in kin_of(session, complaint_id) if stream != complaint_id]
    if not streams:
        return []
    here = list(map(str, session.scalars(select(Message.id).where(Message.complaint_id == complaint_id))))
    written = {str(message_id) for message_id in told_in(session, [complaint_id]).born} - set(here)
    told = select(EventRow).where(
        EventRow.stream_id.in_(streams),
        or_(
            EventRow.type.in_(OF_MESSAGES) & EventRow.payload["message_id"].astext.in_(here),
            EventRow.type.in_(WITH_MESSAGES)
            & func.jsonb_exists_any(EventRow.payload["message_texts"], cast(here, ARRAY(String))),
            EventRow.payload["carried"]["messages"].has_any(cast(here, ARRAY(String))),
            EventRow.payload["erased"].has_key(veiled(complaint_id)),
            (EventRow.type == "complaint.split")
            & func.jsonb_exists_any(EventRow.payload["moved_messages"], cast(sorted(written), ARRAY(String))),
        ),
    )
    return session.scalars(told.order_by(EventRow.seq)).all()
