"""Duties: what must happen later, as rows written in the same transaction as their cause.

A duty names a topic and a subject. The relay rings a doorbell for it (an RQ job that carries only the duty's id), one
worker at a time performs it (see `duties`) and marks it done, so a duty that is delivered twice happens once, and one
whose doorbell is lost is rung again. Inserting duties notifies the relay by a trigger; nobody has to remember to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Engine,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    Update,
    Uuid,
    any_,
    bindparam,
    case,
    func,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp
from helpdesk.kernel.forgetting import forget
from helpdesk.kernel.ids import new_id

CHANNEL = "helpdesk_outbox"
MAX_FAILURES = 8
MAX_BEGUN = 10
"""Beginnings without any outcome: the handler takes its worker down each time. Then the duty is dead, and visible.
Rings are not counted for this: they go on while no worker is there at all."""


class Duty(Identified, Stamped, Base):
    """`not_before` is business time; `next_at` is when the relay rings next. Neither done nor dead: still owed."""

    __tablename__ = "duty"
    __table_args__ = (
        UniqueConstraint("topic", "dedupe_key"),
        Index("ix_duty_owed", "next_at", postgresql_where=text("done_at IS NULL AND dead_at IS NULL")),
        Index("ix_duty_done_at", "done_at", postgresql_where=text("done_at IS NOT NULL")),
    )

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    topic: Mapped[str]
    subject_id: Mapped[UUID]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    dedupe_key: Mapped[str | None]
    not_before: Mapped[Timestamp] = mapped_column(server_default=func.now())
    next_at: Mapped[Timestamp] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often it was rung for, since Redis last lost its memory; the leases between grow with it."""
    begun: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often a worker began since the last outcome."""
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str | None]
    done_at: Mapped[Timestamp | None]
    dead_at: Mapped[Timestamp | None]


@dataclass(frozen=True, slots=True)
class NewDuty:
    topic: str
    subject_id: UUID
    payload: dict[str, Any]
    dedupe_key: str | None
    not_before: datetime | None

    def row(self, now: datetime) -> dict[str, Any]:
        due = self.not_before or now
        return {
            "id": new_id(),
            "topic": self.topic,
            "subject_id": self.subject_id,
            "payload": self.payload,
            "dedupe_key": self.dedupe_key,
            "not_before": due,
            "next_at": due,
        }


@dataclass(frozen=True, slots=True)
class Ring:
    """A duty to ring for."""

    id: UUID
    topic: str


_LEASE = text("now() + least(interval '15 minutes', interval '20 seconds' * power(2, least(attempts, 6)))")
"""How long a ring may take before it is rung again. Exponential: a fixed lease shorter than the backlog sends the same
duties again and again until nothing else is done."""


_DUTY: Final = Duty.__table__
_OWED: Final = _DUTY.c.done_at.is_(None) & _DUTY.c.dead_at.is_(None)
_NAMED: Final = (_DUTY.c.id == bindparam("duty_id")) & _OWED

# Made once, all of them: every duty pays for them, and putting one together takes longer than the database's answer.
# The CTE is materialised: as a subquery the planner may run it once per row of the outer table, and each time it locks others.
_DUE: Final = (
    select(_DUTY.c.id)
    .where(_DUTY.c.next_at <= func.now(), _OWED, _DUTY.c.topic == any_(bindparam("topics", type_=ARRAY(Text))))
    .order_by(_DUTY.c.next_at, _DUTY.c.number)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
    .prefix_with("MATERIALIZED")
)
_CLAIM: Final = (
    update(_DUTY)
    .where(_DUTY.c.id == _DUE.c.id)
    .values(next_at=_LEASE, attempts=_DUTY.c.attempts + 1)
    .returning(_DUTY.c.id, _DUTY.c.topic, _DUTY.c.number)
)
_PEEK: Final = select(Duty).where(Duty.id == bindparam("duty_id"), Duty.done_at.is_(None), Duty.dead_at.is_(None))
_TAKE: Final = _PEEK.with_for_update()
_SETTLE: Final = update(_DUTY).where(_NAMED).values(done_at=func.now(), last_error=None).returning(_DUTY.c.id)
_MARK_DONE: Final = (
    update(_DUTY)
    .where(_DUTY.c.id == bindparam("duty_id"), _DUTY.c.done_at.is_(None))
    .values(done_at=func.now(), last_error=None)
)
_SETTLE_MANY: Final = (
    update(_DUTY)
    .where(_DUTY.c.id == any_(bindparam("duty_ids", type_=ARRAY(Uuid()))), _OWED)
    .values(done_at=func.now(), last_error=None)
)
_FRESH: Final = (
    select(_DUTY.c.id)
    .where(
        _DUTY.c.id == any_(bindparam("duty_ids", type_=ARRAY(Uuid()))),
        _DUTY.c.topic == any_(bindparam("topics", type_=ARRAY(Text))),
        _DUTY.c.begun == 0,
        _DUTY.c.failures == 0,
        _OWED,
    )
    .with_for_update(skip_locked=True)
    .cte("fresh")
    .prefix_with("MATERIALIZED")
)
_BEGIN_FRESH: Final = (
    update(_DUTY)
    .where(_DUTY.c.id == _FRESH.c.id)
    .values(begun=_DUTY.c.begun + 1)
    .returning(_DUTY.c.id, _DUTY.c.topic, _DUTY.c.subject_id, _DUTY.c.number)
)
_ALIVE: Final = (
    select(_DUTY.c.id)
    .where(_DUTY.c.id == any_(bindparam("duty_ids", type_=ARRAY(Uuid()))), _OWED)
    .with_for_update(skip_locked=True)
    .cte("alive")
    .prefix_with("MATERIALIZED")
)
_RENEW: Final = update(_DUTY).where(_DUTY.c.id == _ALIVE.c.id).values(next_at=func.greatest(_DUTY.c.next_at, _LEASE))
_PUT_OFF: Final = (
    update(_DUTY).where(_NAMED).values(not_before=bindparam("until"), next_at=bindparam("until"), begun=0, attempts=0)
)
_HASTEN: Final = (
    update(_DUTY)
    .where(
        _DUTY.c.topic == bindparam("of_topic"),
        _DUTY.c.dedupe_key == bindparam("key"),
        _OWED,
        _DUTY.c.next_at > func.now(),
    )
    .values(not_before=func.least(_DUTY.c.not_before, func.now()), next_at=func.now())
)
_BEGIN: Final = update(_DUTY).where(_NAMED).values(begun=_DUTY.c.begun + 1).returning(_DUTY.c.topic, _DUTY.c.subject_id)


def claim(connection: Connection, topics: list[str], limit: int = 100) -> list[Ring]:
    """Mark due duties as rung and return them. Commit before enqueueing: a fast worker would find the row still locked
    by us, skip it, and leave it lying for a whole lease.
    """
    rows = connection.execute(_CLAIM, {"topics": topics, "most": limit})
    return [Ring(row.id, row.topic) for row in sorted(rows, key=lambda row: row.number)]


def take(session: Session, duty_id: UUID) -> Duty | None:
    """Lock a duty that is still owed, for whoever needs to read it; None when it is done or dead.

    Waits for whoever holds the row for a moment (the relay that claims it, a renewal of its lease). To go past it would
    leave undone what has just been done.
    """
    return session.execute(_TAKE, {"duty_id": duty_id}).scalar_one_or_none()


def peek(session: Session, duty_id: UUID) -> Duty | None:
    """The duty if it is still owed, without a lock."""
    return session.execute(_PEEK, {"duty_id": duty_id}).scalar_one_or_none()


def settle(session: Session, duty_id: UUID) -> bool:
    """Take a duty that is still owed and mark it done, with what the transaction does for it; False when it is done or dead.
    Waits as `take` does.
    """
    return session.execute(_SETTLE, {"duty_id": duty_id}).one_or_none() is not None


def settle_many(session: Session, duty_ids: Sequence[UUID]) -> None:
    """`settle` of many, all of them in this transaction."""
    session.execute(_SETTLE_MANY, {"duty_ids": list(duty_ids)})


def mark_done(session: Session, duty_id: UUID) -> None:
    session.execute(_MARK_DONE, {"duty_id": duty_id})


def hasten(session: Session, topic: str, dedupe_key: str) -> None:
    """What is owed later is owed now. Nothing where it is done, dead, or due already; what is in hand stays so."""
    session.execute(_HASTEN, {"of_topic": topic, "key": dedupe_key})


def put_off(session: Session, duty_id: UUID, until: datetime) -> None:
    """Owe it later, for no fault of its own: whoever has it in hand leaves it undone."""
    session.execute(_PUT_OFF, {"duty_id": duty_id, "until": until})


def begin(connection: Connection | Session, duty_id: UUID) -> tuple[str, UUID] | None:
    """Note that a worker begins, in a transaction of its own; `(topic, subject_id)`, or None when the duty is done or
    dead. The note outlives the worker, which is its purpose. The caller holds the duty's fence (see `duties`).
    """
    row = connection.execute(_BEGIN, {"duty_id": duty_id}).one_or_none()
    return None if row is None else (row.topic, row.subject_id)


def begin_fresh(connection: Connection, duty_ids: Sequence[UUID], topics: Sequence[str]) -> Sequence[Any]:
    """`begin` of those that were never begun before, and of these topics: `id`, `topic` and `subject_id`, in the order in which they
    were owed. Those that somebody has just in hand (the relay, for a moment) are left out, as are the rest. The caller holds
    the fence of all of them.
    """
    rows = connection.execute(_BEGIN_FRESH, {"duty_ids": list(duty_ids), "topics": list(topics)})
    return sorted(rows, key=lambda row: row.number)


def renew(connection: Connection, duty_ids: Sequence[UUID]) -> None:
    """The worker is alive: begin the leases anew. A row that is just being settled is left alone."""
    connection.execute(_RENEW, {"duty_ids": list(duty_ids)})


def note_failure(
    session: Session, duty_id: UUID, error: str, *, final: bool = False, patience: int = MAX_FAILURES
) -> bool:
    """Count a failure and put the duty off (1 s, 2 s, 4 s ... 15 min); True when it is now dead, after `patience`."""
    row = session.execute(
        update(Duty)
        .where(Duty.id == duty_id, Duty.done_at.is_(None))
        .values(
            failures=Duty.failures + 1,
            last_error=error[:500],
            begun=0,
            next_at=text("now() + least(interval '15 minutes', interval '1 second' * power(2, least(failures, 10)))"),
            dead_at=func.now() if final else case((Duty.failures + 1 >= patience, func.now())),
        )
        .returning(Duty.dead_at)
    ).scalar_one_or_none()
    return row is not None


def silent(session: Session) -> Sequence[UUID]:
    """Duties that were begun again and again without an outcome."""
    return session.scalars(
        select(Duty.id).where(Duty.begun >= MAX_BEGUN, Duty.done_at.is_(None), Duty.dead_at.is_(None))
    ).all()


def ring_everything(connection: Connection) -> int:
    """Redis lost its memory: ring for everything still owed, now. The number of duties. The rings that were lost do not
    count: none of them says that the workers are behind.
    """
    return connection.execute(
        update(Duty)
        .where(Duty.done_at.is_(None), Duty.dead_at.is_(None), Duty.not_before <= func.now())
        .values(next_at=func.now(), attempts=0)
    ).rowcount


GIVEN_UP: Final = """dead_at IS NOT NULL AND done_at IS NULL AND NOT EXISTS (
    SELECT FROM duty AS later WHERE later.topic = duty.topic AND later.subject_id = duty.subject_id
    AND later.number > duty.number AND later.done_at IS NOT NULL AND later.dead_at IS NULL)"""
"""SQL: a duty that somebody has to look at. Not one that was dismissed, nor one whose work a later duty has done."""

COUNT_GIVEN_UP: Final = f"SELECT count(*) FROM duty WHERE {GIVEN_UP}"  # noqa: S608  # both are ours
_SETTLE_SUPERSEDED: Final = text(
    f"UPDATE duty SET done_at = now() WHERE dead_at IS NOT NULL AND done_at IS NULL AND NOT ({GIVEN_UP})"  # noqa: S608  # both are ours
)


def revive(session: Session, duty_id: UUID) -> bool:
    """Owe a dead duty anew, with all its patience; False when it is not dead."""
    dead = update(Duty).where(Duty.id == duty_id, Duty.dead_at.is_not(None), Duty.done_at.is_(None))
    fresh = {"dead_at": None, "failures": 0, "begun": 0, "attempts": 0, "not_before": func.now(), "next_at": func.now()}
    return _one(session, dead.values(fresh))


def dismiss(session: Session, duty_id: UUID) -> bool:
    """A dead duty is settled without having been done, and shows both; False when it is not dead."""
    dead = update(Duty).where(Duty.id == duty_id, Duty.dead_at.is_not(None), Duty.done_at.is_(None))
    return _one(session, dead.values(done_at=func.now()))


def _one(session: Session, statement: Update) -> bool:
    made = statement.returning(Duty.id).execution_options(synchronize_session=False)
    return session.execute(made).one_or_none() is not None


def owed(session: Session, *, dead: bool = False, limit: int = 1000) -> Sequence[Any]:
    """What is not done, oldest first; `dead`: only what was given up and needs somebody."""
    statement = select(
        Duty.id, Duty.topic, Duty.subject_id, Duty.failures, Duty.next_at, Duty.dead_at, Duty.last_error
    ).where(Duty.done_at.is_(None), text(GIVEN_UP) if dead else true())
    return session.execute(statement.order_by(Duty.number).limit(limit)).all()


def forget_done(engine: Engine, older_than: timedelta) -> int:
    """Delete done duties; what they caused is recorded elsewhere. The number deleted."""
    with engine.begin() as connection:
        # A dead one that a later one has done would count again when the later one is forgotten.
        connection.execute(_SETTLE_SUPERSEDED)
    return forget(engine, Duty, Duty.done_at < func.now() - older_than)
