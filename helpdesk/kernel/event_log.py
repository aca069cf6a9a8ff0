"""The append-only log of events, its hash chains, and the cursor that never misses a late commit.

**Chain.** Each event of a stream carries `hash = SHA-256(header)`, where the header names the stream, the place in it,
the type, the time, the actor, the digest of the payload, and the hash before. The payload enters only through
`digest = SHA-256(salt || payload)`: an erasure removes payload and salt, the digest stays, and the chain still
verifies, while without the salt nobody can try out what a short payload may have been.

Events about what has no stream (customers, imports) carry the same hash without a place and a hash before.

**Cursor.** `(xid, seq)`, read only below `pg_snapshot_xmin(pg_current_snapshot())`: every transaction below that line has
ended, so nothing can appear behind a reader. A serial number, a UUIDv7 or a timestamp alone misses events whose
transaction commits late. Compare and sort `xid` in SQL only: as text, 10 comes before 9. A restored dump restarts the
transaction ids, therefore the cursor carries the log's epoch.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    DateTime,
    Identity,
    Index,
    UniqueConstraint,
    bindparam,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel.db import Base, Xid8
from helpdesk.kernel.errors import CursorExpired, CursorMismatch
from helpdesk.kernel.events import Recorded, Stream

_GENESIS = b""


class EventRow(Base):
    """One event. A trigger refuses every change but the erasure of a payload, and one that no event of its transaction names."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("stream_id", "stream_seq"),
        Index("ix_event_xid_seq", "xid", "seq"),
        Index("ix_event_subject", "subject_id"),
        CheckConstraint("(stream_id IS NULL) = (stream_seq IS NULL)", name="stream_and_place"),
        CheckConstraint("(payload IS NULL) = (salt IS NULL)", name="erased_whole"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    stream_id: Mapped[UUID | None]
    stream_seq: Mapped[int | None]
    stream_version: Mapped[int | None]
    """The owner's row version once the event's transaction is over: what tells a reader of an older one what is new to
    them. None where the owner has none. It is no evidence and not part of the hash.
    """
    type: Mapped[str]
    subject_id: Mapped[UUID]
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    salt: Mapped[bytes | None]
    digest: Mapped[bytes]
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]


class LogEpoch(Base):
    """One row, written by the first migration: tells one life of the log from another."""

    __tablename__ = "event_log_epoch"

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    epoch: Mapped[str]


def canonical(value: Any) -> bytes:
    """The one text of a JSON value: sorted keys, no blanks, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def _refuse_floats(value: Any) -> None:
    """`jsonb` gives 1e16 back as 10000000000000000, and the chain would look tampered with; NaN becomes null."""
    if isinstance(value, float):
        raise TypeError("an event holds no floats; write minor units, or text")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _refuse_floats(item)


def payload_digest(salt: bytes, payload: Any) -> bytes:
    return hashlib.sha256(salt + canonical(payload)).digest()


def link_hash(
    *,
    event_id: UUID,
    stream_id: UUID | None,
    stream_seq: int | None,
    kind: str,
    subject_id: UUID,
    occurred_at: datetime,
    actor_kind: str,
    actor_id: UUID | None,
    digest: bytes,
    prev_hash: bytes,
) -> bytes:
    """The hash of one link. Its input is a JSON list, so that no two different headers have the same text."""
    header = [
        str(event_id),
        str(stream_id),
        stream_seq,
        kind,
        str(subject_id),
        occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
        actor_kind,
        str(actor_id),
        digest.hex(),
        prev_hash.hex(),
    ]
    return hashlib.sha256(orjson.dumps(header)).digest()


def rows_for(recorded: Iterable[Recorded], request_id: str | None) -> list[dict[str, Any]]:
    """Rows to insert, in order; advances `event_count` and `event_head` of every stream on the way."""
    rows = []
    for item in recorded:
        # The payload is kept as read back from its own text: what was digested is what any later reader gets.
        given = item.event.payload()
        _refuse_floats(given)
        text_of_payload = canonical(given)
        payload = orjson.loads(text_of_payload)
        salt = secrets.token_bytes(16)
        digest = hashlib.sha256(salt + text_of_payload).digest()
        stream_id, stream_seq, prev_hash = _next_place(item.stream)
        link = link_hash(
            event_id=item.id,
            stream_id=stream_id,
            stream_seq=stream_seq,
            kind=item.event.type,
            subject_id=item.event.subject_id,
            occurred_at=item.occurred_at,
            actor_kind=item.actor.kind,
            actor_id=item.actor.id,
            digest=digest,
            prev_hash=prev_hash,
        )
        if item.stream is not None:
            item.stream.event_head = link
        rows.append(
            {
                "id": item.id,
                "stream_id": stream_id,
                "stream_seq": stream_seq,
                "stream_version": getattr(item.stream, "version", None),
                "type": item.event.type,
                "subject_id": item.event.subject_id,
                "occurred_at": item.occurred_at,
                "actor_kind": item.actor.kind,
                "actor_id": item.actor.id,
                "request_id": request_id,
                "payload": payload,
                "salt": salt,
                "digest": digest,
                "prev_hash": prev_hash,
                "hash": link,
            }
        )
    return rows


def _next_place(stream: Stream | None) -> tuple[UUID | None, int | None, bytes]:
    if stream is None:
        return None, None, _GENESIS
    stream.event_count += 1
    return stream.id, stream.event_count, bytes(stream.event_head)


def veiled(stream_id: UUID) -> str:
    """How an event names a stream that its reader may not know of: whoever knows the id knows which it is, nobody else."""
    return hashlib.sha256(str(stream_id).encode()).hexdigest()


def erase(session: Session, event_ids: Sequence[UUID]) -> dict[UUID, list[int]]:
    """Remove payloads and their salts for good: stream -> places. Digests and hashes stay, so the chains still verify.

    The same transaction must record an event that has what is returned as its `erased`, the streams `veiled`: the database
    refuses an erasure that no event tells, and so of events outside the chains, which cannot be named.
    """
    if not event_ids:
        return {}
    gone = update(EventRow).where(EventRow.id.in_(event_ids), EventRow.payload.is_not(None))
    made = gone.values(payload=None, salt=None).execution_options(synchronize_session=False)
    found: dict[UUID, list[int]] = {}
    for row in session.execute(made.returning(EventRow.stream_id, EventRow.stream_seq)):
        found.setdefault(row.stream_id, []).append(row.stream_seq)
    return {stream: sorted(places) for stream, places in sorted(found.items())}


FAULTS: Final = ("missing", "moved", "payload", "header", "link", "foreign", "head", "erased", "text", "field")
"""What can be wrong with a chain: events are gone; one stands in another's place; one's payload or header was changed;
one does not follow from the one before; there are some that its owner does not know of; the owner knows of another end;
what one says was erased, and no event accounts for it; a text is not what its event has the digest of (told by who keeps the texts).
"""


UNACCOUNTED: Final = "payload was erased, and no event accounts for it"


@dataclass(frozen=True, slots=True)
class Broken:
    """One fault of a chain, named by stream and place."""

    stream_id: UUID
    stream_seq: int
    what: str
    kind: str = "missing"


def verify_stream(
    rows: Sequence[EventRow], *, stream_id: UUID, count: int, head: bytes, erasures: Collection[int] = ()
) -> list[Broken]:
    """Every fault of one stream. `rows` are all its events in order of place; `count` and `head` stand on its owner;
    `erasures`: places of events that were lawfully erased, which whoever keeps the stream can tell.

    A changed row breaks its own hash, a removed one leaves a gap, one in another's place carries its old number in its
    hash, a replaced one breaks the link after it, and what was cut off or put on at the end the count and head.
    """
    checked = ChainCheck(stream_id, erasures=erasures)
    return [*checked.go_on(rows), *checked.end(count, head)]


class ChainCheck:
    """`verify_stream` for a chain too long to be read at once: `go_on` with each stretch, in order, then `end`. Begins
    after `place`, whose event has the hash `prev`.
    """

    def __init__(
        self, stream_id: UUID, place: int = 0, prev: bytes = _GENESIS, *, erasures: Collection[int] = ()
    ) -> None:
        self._stream_id = stream_id
        self._erasures = erasures
        self.place = place
        """The number of the last event by now."""
        self._prev = prev
        self._before: bytes | None = None
        """What the last event should follow from; to tell one that was put in between two."""
        self._excused = False
        """The last event was named already, so that the next cannot follow from it."""

    def go_on(self, rows: Iterable[Any]) -> list[Broken]:
        found: list[Broken] = []
        for row in rows:
            found += self._one(row)
        return found

    def _one(self, row: Any) -> Iterator[Broken]:
        number = row.stream_seq
        if number is None or number <= self.place:
            yield self._broken(number or 0, "stands at a place that there is none of", "foreign")
            return
        gap = number > self.place + 1
        if gap:
            yield self._gone(self.place + 1, number - 1, "")
        if payload_changed(row):
            yield self._broken(number, "payload was changed", "payload")
        if row.payload is None and number not in self._erasures:
            yield self._broken(number, UNACCOUNTED, "erased")
        was = _number_in_hash(row)
        if was is None:
            yield self._broken(number, "header was changed", "header")
        elif was != number:
            if row.prev_hash == self._before and not self._excused:
                yield self._broken(number - 1, "was put in between two others", "foreign")
            yield self._broken(number, f"was event number {was}", "moved")
        elif row.prev_hash != self._prev and not gap and not self._excused:
            yield self._broken(number, f"does not follow from event {number - 1}: that one was replaced", "link")
        self._excused = was != number
        self._before, self._prev, self.place = self._prev, row.hash, number

    def _broken(self, number: int, what: str, kind: str) -> Broken:
        return Broken(self._stream_id, number, what, kind)

    def _gone(self, first: int, last: int, where: str) -> Broken:
        what = f"is missing{where}" if first == last else f"and all up to {last} are missing{where}"
        return self._broken(first, what, "missing")

    def end(self, count: int, head: bytes) -> list[Broken]:
        if self.place < count:
            return [self._gone(self.place + 1, count, " at the end")]
        if self.place > count:
            text = f"was put on at the end, with all that follow: its owner knows of {count} events"
            return [self._broken(count + 1, text, "foreign")]
        if self._prev != head:
            return [self._broken(count, "is not the last event that its owner knows", "head")]
        return []


def verify_loose(row: Any) -> list[str]:
    """Every fault of one event that belongs to no stream. A changed one breaks its own hash. That one was removed cannot be
    seen: `seq` has gaps by nature (transactions that were rolled back), and the trigger is what refuses it.
    """
    found = []
    if row.stream_seq is not None:
        found.append(f"it is loose, and has the number {row.stream_seq}")
    if row.prev_hash != _GENESIS:
        found.append("it is loose, and follows from another")
    if payload_changed(row):
        found.append("payload was changed")
    if row.payload is None:
        found.append(UNACCOUNTED)
    if _hash_of(row, row.stream_seq) != row.hash:
        found.append("header was changed")
    return found


def payload_changed(row: Any) -> bool:
    """An erased one is not: its digest stays."""
    return (
        row.payload is not None and row.salt is not None and payload_digest(row.salt, row.payload) != bytes(row.digest)
    )


_NEAR: Final = 1_000
"""So far from where it stands an event's old place is looked for."""


def _number_in_hash(row: Any) -> int | None:
    """The place that the event had when it was written, told by its hash; None where no place near explains it."""
    number: int = row.stream_seq
    for far in range(_NEAR):
        for tried in (number - far, number + far):
            if tried >= 1 and _hash_of(row, tried) == row.hash:
                return tried
    return None


def _hash_of(row: Any, number: int | None) -> bytes:
    return link_hash(
        event_id=row.id,
        stream_id=row.stream_id,
        stream_seq=number,
        kind=row.type,
        subject_id=row.subject_id,
        occurred_at=row.occurred_at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        digest=row.digest,
        prev_hash=row.prev_hash,
    )


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where a reader stands: everything up to and including `(xid, seq)` was read in this epoch."""

    epoch: str
    xid: int
    seq: int

    def encode(self) -> str:
        return f"{self.epoch}.{self.xid}.{self.seq}"

    @classmethod
    def decode(cls, cursor: str) -> "FeedPosition":
        epoch, _, rest = cursor.partition(".")
        xid, _, seq = rest.partition(".")
        if not (epoch.isalnum() and _is_number(xid) and _is_number(seq)):
            raise CursorMismatch("This is not a cursor of the event feed.")
        return cls(epoch, int(xid), int(seq))


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def current_epoch(connection: Connection | Session) -> str:
    return connection.execute(select(LogEpoch.epoch)).scalar_one()


def start_of_log(epoch: str) -> FeedPosition:
    return FeedPosition(epoch, 0, 0)


BELOW_HORIZON = text("event.xid < pg_snapshot_xmin(pg_current_snapshot())")
"""Only transactions that can have nothing running before them."""


def after_position(position: FeedPosition, epoch: str) -> Any:
    """The condition "after this position", to be used together with `BELOW_HORIZON` and `FEED_ORDER`.

    Raises `CursorExpired` when the database was restored since.
    """
    if position.epoch != epoch:
        raise CursorExpired
    return text("(event.xid, event.seq) > (CAST(CAST(:after_xid AS text) AS xid8), :after_seq)").bindparams(
        bindparam("after_xid", str(position.xid)), bindparam("after_seq", position.seq, BigInteger)
    )


FEED_ORDER = text("event.xid, event.seq")
