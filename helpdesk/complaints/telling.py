"""What the events of some complaints say of their texts and messages, heard one after the other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from helpdesk.complaints.text_seals import TOLD_OF_MESSAGE, Facts, Seals
from helpdesk.kernel.event_log import veiled
from helpdesk.kernel.schemas import json_safe

OF_COMPLAINTS: Final = ("complaint.received", "complaint.edited", "complaint.text_redacted")
OF_MESSAGES: Final = ("complaint.message_added", "complaint.message_redacted")
WITH_MESSAGES: Final = ("complaint.received", "complaint.duplicate_merged")
"""Those that name messages which were made with them, in `message_texts`."""

MOVING: Final = ("complaint.split",)


class Said(NamedTuple):
    """Digests, and the event that told them last."""

    seals: Seals
    stream_id: UUID
    place: int
    seq: int

    def at(self, complaint_id: UUID) -> int:
        """The place in this complaint's chain; 0 where it was said in another one."""
        return self.place if self.stream_id == complaint_id else 0


class Born(NamedTuple):
    """A message that was written: in whose thread, and what else was told of it; and the event that tells so."""

    home: UUID
    facts: Facts
    stream_id: UUID
    place: int

    def at(self, complaint_id: UUID) -> int:
        return self.place if self.stream_id == complaint_id else 0


class Move(NamedTuple):
    """A message went: `source` None from wherever it was, else only if it was there; `target` None where it was taken away."""

    at: datetime
    source: UUID | None
    target: UUID | None


class _Erased(NamedTuple):
    stream_id: UUID
    place: int
    seq: int
    type: str


def place_now(home: UUID, moves: Iterable[Move]) -> UUID | None:
    """The complaint in whose thread a message has to be; None where it was taken away."""
    place: UUID | None = home
    for move in moves:
        if move.source is None or move.source == place:
            place = move.target
    return place


@dataclass(slots=True)
class Told:
    """What some chains say of texts. `streams`: whose chains they are."""

    streams: Iterable[UUID]
    complaints: dict[UUID, Said] = field(default_factory=dict)
    messages: dict[UUID, Said] = field(default_factory=dict)
    born: dict[UUID, Born] = field(default_factory=dict)
    split_off: dict[UUID, list[Move]] = field(default_factory=dict)
    unsure: set[UUID] = field(default_factory=set)
    """Complaints in whose chains a split was erased: what it moved may be anywhere."""
    sealing: dict[UUID, set[tuple[UUID, int]]] = field(default_factory=dict)
    """Complaint -> stream and place of every event that told of its texts."""
    erased: list[_Erased] = field(default_factory=list)
    """Events that told of texts."""
    settled: set[tuple[str, int]] = field(default_factory=set)
    """Veiled stream and place of erased events that a redaction names: what they told of other texts it tells again."""

    known: dict[str, UUID] = field(init=False)

    def __post_init__(self) -> None:
        self.known = {veiled(stream): stream for stream in self.streams}

    def hear(self, row: Any) -> None:
        """The next event; in the order of the log. One that was changed past the program, so that it cannot be read, is as one
        that was erased.
        """
        try:
            read = row.payload is not None
            if read:
                self._hear(row, row.payload)
        except (AttributeError, KeyError, TypeError, ValueError):
            read = False
        if not read:
            self.erased.append(_Erased(row.stream_id, row.stream_seq, row.seq, row.type))
            if row.type in MOVING:
                self.unsure.add(row.stream_id)

    def _hear(self, row: Any, payload: Mapping[str, Any]) -> None:
        for stream, places in payload.get("erased", {}).items():
            self.settled.update((stream, place) for place in places)
        for message_id in payload.get("moved_messages", ()) if row.type in MOVING else ():
            moved = Move(row.occurred_at, None, UUID(payload["new_id"]))
            self.split_off.setdefault(UUID(message_id), []).append(moved)
        self._hear_carried(row, payload.get("carried", {}))
        for message_id, seals in payload.get("message_texts", {}).items():
            self._tell_message(message_id, row, seals)
            self._bear(message_id, row, payload.get("message_facts", {}).get(message_id, {}))
        if row.type == "complaint.message_added":
            at = json_safe(row.occurred_at)
            known = {name: payload[name] for name in TOLD_OF_MESSAGE if name in payload} | {"created_at": at}
            self._bear(payload["message_id"], row, known)
        if payload.get("texts") and row.type in OF_MESSAGES:
            self._tell_message(payload["message_id"], row, payload["texts"])
        elif payload.get("texts"):
            self._tell_complaint(row.stream_id, row, payload["texts"])

    def _hear_carried(self, row: Any, carried: Mapping[str, Mapping[str, Any]]) -> None:
        for stream, seals in carried.get("texts", {}).items():
            if stream in self.known:
                self._tell_complaint(self.known[stream], row, seals)
        for message_id, seals in carried.get("message_texts", {}).items():
            self._tell_message(message_id, row, seals)
        for message_id, facts in carried.get("messages", {}).items():
            known = {name: value for name, value in facts.items() if name != "home"}
            if facts["home"] in self.known:
                home = self.known[facts["home"]]
                self.born[UUID(message_id)] = Born(home, known, row.stream_id, row.stream_seq)

    def _bear(self, message_id: str, row: Any, facts: Facts) -> None:
        self.born[UUID(message_id)] = Born(row.stream_id, facts, row.stream_id, row.stream_seq)

    def _tell_message(self, message_id: str, row: Any, seals: Seals) -> None:
        self.messages[UUID(message_id)] = Said(seals, row.stream_id, row.stream_seq, row.seq)

    def _tell_complaint(self, complaint_id: UUID, row: Any, seals: Seals) -> None:
        """A correction says what it corrected, and the rest goes on."""
        known = self.complaints.get(complaint_id)
        seals = (known.seals if known else {}) | seals
        self.complaints[complaint_id] = Said(seals, row.stream_id, row.stream_seq, row.seq)
        self.sealing.setdefault(complaint_id, set()).add((row.stream_id, row.stream_seq))

    def _unsettled(self) -> Iterator[_Erased]:
        return (one for one in self.erased if (veiled(one.stream_id), one.place) not in self.settled)

    def lost(self, complaint_id: UUID) -> bool:
        """Whether what was said last of the complaint's own texts may have been erased."""
        said = self.complaints.get(complaint_id)
        since = said.seq if said else 0
        return any(
            one.stream_id == complaint_id and one.seq > since and one.type in OF_COMPLAINTS for one in self._unsettled()
        )

    def lost_messages(self, streams: Sequence[UUID]) -> bool:
        return any(one.stream_id in streams and one.type in {*OF_MESSAGES, *WITH_MESSAGES} for one in self._unsettled())

    def only_by(self, places: Mapping[UUID, Sequence[int]]) -> dict[str, dict[str, Any]]:
        """What these events (stream -> places) said, and nobody since: `texts` of complaints, `message_texts`, `messages`."""
        gone = {(stream, place) for stream, each in places.items() for place in each}
        of_complaints = {
            veiled(row_id): said.seals for row_id, said in self.complaints.items() if self.sealing[row_id] & gone
        }
        of_messages = {
            str(row_id): said.seals for row_id, said in self.messages.items() if (said.stream_id, said.place) in gone
        }
        born = {
            str(row_id): {"home": veiled(one.home), **one.facts}
            for row_id, one in self.born.items()
            if (one.stream_id, one.place) in gone
        }
        found = {"texts": of_complaints, "message_texts": of_messages, "messages": born}
        return {name: told for name, told in found.items() if told}
