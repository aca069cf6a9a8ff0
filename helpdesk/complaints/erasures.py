"""Which events may have lost what they said: those that a redaction names.

A redaction's event names, by stream (`event_log.veiled`: not everybody who reads it may see that complaint) and place, every event that it erased. One from before they were named says how many
there were: of a message, of what was recorded when it was written; of a text, of what its own chain had told until then.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk.kernel.event_log import veiled

REDACTIONS: Final = ("complaint.text_redacted", "complaint.message_redacted")

Places = Mapping[UUID, frozenset[int]]
"""Stream -> places in it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """An event without a payload. `seq`: its place in the whole log."""

    stream_id: UUID
    place: int
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Redaction:
    """The event of one. `erased`: veiled stream -> places; None where only `count` is told. `written_at`: of a redacted message."""

    stream_id: UUID
    seq: int
    erased: Mapping[str, Sequence[int]] | None
    count: int = 0
    of_message: bool = False
    written_at: datetime | None = None


def accounted(gone: Iterable[Gone], redactions: Sequence[Redaction]) -> Places:
    """Those of them that the redactions account for; where only a number is told, the first ones that fit."""
    named = {(stream, place) for one in redactions for stream, each in (one.erased or {}).items() for place in each}
    found: dict[UUID, set[int]] = defaultdict(set)
    left = []
    for one in sorted(gone, key=lambda one: one.seq):
        if (veiled(one.stream_id), one.place) in named:
            found[one.stream_id].add(one.place)
        else:
            left.append(one)
    for redaction in sorted((one for one in redactions if one.erased is None), key=lambda one: one.seq):
        fitting = [one for one in left if _fits(one, redaction)][: redaction.count]
        for one in fitting:
            left.remove(one)
            found[one.stream_id].add(one.place)
    return {stream: frozenset(places) for stream, places in found.items()}


def _fits(one: Gone, redaction: Redaction) -> bool:
    if one.seq >= redaction.seq:
        return False
    if not redaction.of_message:
        return one.stream_id == redaction.stream_id
    return redaction.written_at is None or one.at == redaction.written_at
