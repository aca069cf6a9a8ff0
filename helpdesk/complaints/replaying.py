"""The columns of a complaint as its events tell them, one after the other, to be held against its row.

What it was at birth is told by `complaint.received`: as `born` has it, but for what the event itself names and what all are
born with. After that every event tells before and after of what it changed. Custom fields are personal and may be redacted:
the event of a redaction has a salted digest of what is left of them, and no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from helpdesk.complaints.changes import TOLD
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.pack_check import RECEIVED
from helpdesk.complaints.text_seals import CUSTOM_FIELDS, seal_fields
from helpdesk.kernel.event_log import payload_changed, veiled
from helpdesk.kernel.schemas import json_safe

UNPROVEN: Final = frozenset({"subject", "description", "source_data"})
"""The first two have digests (`text_seals`); what an import brought beside has nothing."""

REPLAYED: Final = tuple(name for name in TOLD if name not in UNPROVEN)

IN_THE_EVENT: Final = tuple(RECEIVED)
_COUNTS: Final = (
    "escalation_level",
    "reopened_count",
    "child_count",
    "offers_live",
    "offers_drafted",
    "offers_approved",
    "offers_minor",
    "remedies_undelivered",
    "tracking_number",
)
NEWBORN: Final[Mapping[str, Any]] = (
    dict.fromkeys(REPLAYED)
    | dict.fromkeys(_COUNTS, 0)
    | dict.fromkeys(("double_deviation", "vulnerable", "safety"), False)
    | {"status": LIFECYCLE.initial, "waiting_on": "us", "stage": "1", "issue_count": 1, "tags": [], CUSTOM_FIELDS: {}}
)
"""What a complaint is born with where nothing else is said."""

_OF_A_PART: Final = frozenset({"issue_id", "person_id", "need_id", "attachment_id"})
"""An event that names one of these tells its `changes`, and the complaint's as `complaint_changes`."""


def born(row: Mapping[str, Any]) -> dict[str, Any]:
    """For `complaint.received`: what is known of a new complaint beside what the event names. Custom fields are not told."""
    found = json_safe({name: row.get(name) for name in REPLAYED if name not in {*IN_THE_EVENT, CUSTOM_FIELDS}})
    return {name: value for name, value in found.items() if value is not None and value != NEWBORN[name]}


class Word(NamedTuple):
    """What was said last of a column, and by which event. `sealed`: a digest, not the value."""

    value: Any
    stream_id: UUID
    place: int
    sealed: bool = False


@dataclass(slots=True)
class Replay:
    """Of one complaint."""

    complaint_id: UUID
    words: dict[str, Word] = field(default_factory=dict)
    lost: dict[int, frozenset[str]] = field(default_factory=dict)
    """Place of an erased event -> what had been said before it: no redaction has told yet what it said."""
    place: int = 0
    """Of the last event."""

    veiled: str = field(init=False)

    def __post_init__(self) -> None:
        self.veiled = veiled(self.complaint_id)

    def hear(self, row: Any) -> None:
        """The next event; of other complaints' chains only redactions concern this one. One that was changed past the program,
        so that it cannot be read, is as one that was erased.
        """
        try:
            read = row.payload is not None and not payload_changed(row)
            if read:
                self._hear(row, row.payload)
        except (AttributeError, KeyError, TypeError, ValueError):
            read = False
        if row.stream_id == self.complaint_id:
            if row.stream_seq != self.place + 1:
                self.lost[row.stream_seq] = frozenset(self.words)
            self.place = row.stream_seq
        if not read and row.stream_id == self.complaint_id and row.type != "complaint.message_added":
            self.lost[row.stream_seq] = frozenset(self.words)

    def _hear(self, row: Any, payload: Mapping[str, Any]) -> None:
        own = row.stream_id == self.complaint_id
        for place in payload.get("erased", {}).get(self.veiled, ()):
            self.lost.pop(place, None)
        carried = payload.get("carried", {})
        for name, value in carried.get("values", {}).get(self.veiled, {}).items():
            self._say(name, value, row)
        for name in carried.get("unknown", {}).get(self.veiled, ()):
            self.words.pop(name, None)
        if own and row.type == "complaint.received":
            self._hear_birth(row, payload)
        if own:
            for name, (_, after) in told(payload):
                self._say(name, after, row)
            sealed = payload.get("texts", {}).get(CUSTOM_FIELDS)
            if sealed is not None and "message_id" not in payload:
                self.words[CUSTOM_FIELDS] = Word(sealed, row.stream_id, row.stream_seq, sealed=True)

    def _hear_birth(self, row: Any, payload: Mapping[str, Any]) -> None:
        known = {name: payload[name] for name in IN_THE_EVENT}
        if "born" in payload:
            known = {**NEWBORN, **payload["born"], **known}
        else:  # from before it was told
            known |= {name: NEWBORN[name] for name in ("status", "waiting_on")}
        for name, value in known.items():
            self._say(name, value, row)

    def _say(self, name: str, value: Any, row: Any) -> None:
        if name in NEWBORN:
            self.words[name] = Word(value, row.stream_id, row.stream_seq)
            self.lost = {place: names - {name} for place, names in self.lost.items()}

    def known(self) -> Mapping[str, Word]:
        """What can be held against the row: not what an event may have told that is erased, and that no redaction names."""
        unknown = frozenset().union(*self.lost.values())
        return {name: word for name, word in self.words.items() if name not in unknown}

    def faults(self, row: Any) -> Iterator[tuple[int, str]]:
        """Place of the event that told it last (0: of another complaint) and the column that is another. `row`: of the table."""
        for name, word in self.known().items():
            if not _agrees(word, getattr(row, name), row.text_salt):
                yield (word.place if word.stream_id == self.complaint_id else 0), name

    def only_by(self, places: Sequence[int], may_tell: Callable[[Any], bool]) -> tuple[dict[str, Any], list[str]]:
        """What these events of its chain said and nobody since: values, and columns whose values are not to be told again."""
        gone = {
            name: word
            for name, word in self.known().items()
            if word.stream_id == self.complaint_id and word.place in places
        }
        tell = {name: word.value for name, word in gone.items() if name != CUSTOM_FIELDS and may_tell(word.value)}
        return tell, sorted(gone.keys() - tell.keys())


def told(payload: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Columns of the complaint itself that an event changed, each with before and after."""
    if not _OF_A_PART & payload.keys():
        yield from payload.get("changes", {}).items()
    yield from payload.get("complaint_changes", {}).items()


def _agrees(word: Word, value: Any, salt: bytes | None) -> bool:
    if word.sealed:
        return salt is not None and seal_fields(salt, value)[CUSTOM_FIELDS] == word.value
    return bool(json_safe(value) == word.value)
