"""Long work that somebody asked for and waits for: 202 with a job, which tells how far it is and what came out.

When to use it: for one request that is many acts, or one that takes longer than a caller should hold a connection. When
not: for what the program owes by itself (that is a duty alone). A job is a row beside its duty: `begin` writes both in
the transaction of the request, the handler of the topic does the work in short units of work of its own, and a crash at
any line goes on where it stood.

**Item by item.** An item's outcome is written in the same transaction as its act (`note_item`), and its place is unique,
so an item happens once however often the duty is rung for. `places_left` tells where to go on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import CheckConstraint, Engine, ForeignKey, Index, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel.access import require
from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp
from helpdesk.kernel.errors import Conflict, NotFound
from helpdesk.kernel.events import Principal
from helpdesk.kernel.forgetting import forget
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.kernel.unit_of_work import UnitOfWork

STATES: Final = ("queued", "running", "done", "failed", "cancelled")
ENDED: Final = ("done", "failed", "cancelled")
READ_ALL: Final = "job:read_all"
CANCEL_ALL: Final = "job:cancel_all"
KEPT: Final = timedelta(days=30)
"""An ended job and the outcomes of its items are forgotten after that."""
_FORGOTTEN_TOGETHER: Final = 100


class JobEnded(Conflict):
    code = "job_ended"
    title = "This job has ended"
    advice = "Read the job; what it did stays done."


class Job(Identified, Stamped, Base):
    """`given` is what the handler works from, never shown; `result` is shown. `done` counts items with any outcome."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint(f"(state IN {ENDED}) = (finished_at IS NOT NULL)", name="ended_at_a_time"),
        CheckConstraint("failed <= done AND (total IS NULL OR done <= total)", name="counts"),
        Index("ix_job_created_at_id", "created_at", "id"),
        Index("ix_job_created_by_created_at_id", "created_by", "created_at", "id"),
        Index("ix_job_finished_at", "finished_at"),
        Index("ix_job_kind_created_at_id", "kind", "created_at", "id"),
        Index("ix_job_state_created_at_id", "state", "created_at", "id"),
    )

    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="queued", server_default="queued")
    total: Mapped[int | None]
    """Items there are; None where that is not known before the end."""
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    failed: Mapped[int] = mapped_column(default=0, server_default="0")
    given: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None]
    created_by: Mapped[UUID | None]
    """The principal's id; None for the system's own."""
    started_at: Mapped[Timestamp | None]
    finished_at: Mapped[Timestamp | None]


class JobItem(Base):
    """What became of one item. `status` is the HTTP status that the same act would have had as a request of its own."""

    __tablename__ = "job_item"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    status: Mapped[int]
    code: Mapped[str | None]
    detail: Mapped[str | None]


def begin(
    uow: UnitOfWork,
    actor: Principal,
    *,
    kind: str,
    topic: str,
    given: Mapping[str, Any],
    total: int | None = None,
    job_id: UUID | None = None,
    not_before: datetime | None = None,
) -> UUID:
    """A new job and the duty to do it; its id, which is also the duty's subject. `topic` is a row of `wiring.HANDLERS`.

    `not_before`: no worker takes it up earlier, since the caller is at it. `job_id`: where a repeat has to find it.
    """
    job_id = job_id or new_id()
    row = {
        "id": job_id,
        "kind": kind,
        "state": "queued",
        "total": total,
        "given": dict(given),
        "created_by": actor.id,
        "created_at": uow.now,
    }
    uow.add_rows(Job, [row])
    uow.duty(topic, job_id, dedupe_key=str(job_id), not_before=not_before)
    return job_id


def start(session: Session, job_id: UUID) -> Job | None:
    """For the handler, first: the job, locked and running; None when it has ended."""
    job = session.scalars(select(Job).where(Job.id == job_id).with_for_update()).one_or_none()
    if job is None or job.state in ENDED:
        return None
    job.state = "running"
    job.started_at = job.started_at or func.now()
    return job


def is_wanted(session: Session, job_id: UUID) -> bool:
    """Whether the job still runs: asked between two items, since somebody may have cancelled it."""
    return session.execute(select(Job.state).where(Job.id == job_id)).scalar_one_or_none() == "running"


def is_under_way(session: Session, job_id: UUID) -> bool:
    """Whether the job has not ended yet, running or not; False also where it is forgotten."""
    found = session.execute(select(Job.id).where(Job.id == job_id, Job.state.not_in(ENDED)))
    return found.first() is not None


def places_left(session: Session, job_id: UUID, total: int) -> list[int]:
    """The places from 0 that have no outcome yet, in order."""
    known = set(session.scalars(select(JobItem.place).where(JobItem.job_id == job_id)))
    return [place for place in range(total) if place not in known]


def note_item(
    session: Session,
    job_id: UUID,
    place: int,
    subject: str,
    status: int,
    *,
    code: str | None = None,
    detail: str | None = None,
) -> bool:
    """An item's outcome, in the transaction of its act. False when another had it first: then roll back."""
    row = {"job_id": job_id, "place": place, "subject": subject, "status": status, "code": code, "detail": detail}
    written = session.execute(insert(JobItem).values(row).on_conflict_do_nothing().returning(JobItem.place)).first()
    if written is None:
        return False
    counts = {"done": Job.done + 1, "failed": Job.failed + int(status >= 400)}
    session.execute(update(Job).where(Job.id == job_id).values(counts))
    return True


def expect(session: Session, job_id: UUID, total: int) -> None:
    """How many items there are, found out on the way; begun anew, none of them is done."""
    session.execute(update(Job).where(Job.id == job_id).values(total=total, done=0, failed=0))


def progress(session: Session, job_id: UUID, *, done: int, failed: int = 0) -> None:
    """For a job without items: how far it is by now."""
    session.execute(update(Job).where(Job.id == job_id).values(done=done, failed=failed))


def end(session: Session, job_id: UUID, state: str, *, result: Any = None, error: str | None = None) -> None:
    """The job has ended; only the first end counts."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.not_in(ENDED))
        .values(state=state, result=result, error=error, finished_at=func.now())
    )


def give_up(uow: UnitOfWork, job_id: UUID, reason: str) -> None:
    """For `Outside.give_up`: the duty is dead, so the job has failed."""
    end(uow.session, job_id, "failed", error=reason)


def job_for_update(session: Session, actor: Principal, job_id: UUID) -> Job:
    job = session.scalars(select(Job).where(Job.id == job_id, _visible_to(actor)).with_for_update()).one_or_none()
    if job is None:
        raise NotFound
    return job


def check_own(_session: Session, actor: Principal, job: Job) -> None:
    """Who reads everybody's does not thereby end them. Raises `Forbidden`."""
    if job.created_by != actor.id:
        require(actor, CANCEL_ALL)


def check_running(_session: Session, _actor: Principal, job: Job) -> None:
    if job.state in ENDED:
        raise JobEnded(state=job.state)


def cancel(uow: UnitOfWork, job: Job) -> UUID:
    """End it where it stands. What it did stays done."""
    end(uow.session, job.id, "cancelled")
    return job.id


def _visible_to(actor: Principal) -> Any:
    """One's own; everybody's for who may read them all."""
    return literal_column("true") if actor.may(READ_ALL) else Job.created_by == actor.id


def outcomes(session: Session, job_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Of every item that has one, in order."""
    columns: Sequence[Any] = (JobItem.place, JobItem.subject, JobItem.status, JobItem.code, JobItem.detail)
    found = select(*columns).where(JobItem.job_id == job_id).order_by(JobItem.place)
    return cast(Sequence[Mapping[str, Any]], session.execute(found).mappings().all())


_SHOWN: Final = (
    Job.id,
    Job.kind,
    Job.state,
    Job.total,
    Job.done,
    Job.failed,
    Job.result,
    Job.error,
    Job.created_at,
    Job.started_at,
    Job.finished_at,
)
_NEWEST_FIRST: Final = Order((Job.created_at, Job.id), (datetime, UUID), descending=True)
"""Not by id alone: that of a job which a repeat has to find says nothing of its time."""
_BY_PLACE: Final = Order((JobItem.place,), (int,))


def detail(session: Session, actor: Principal, job_id: UUID) -> Mapping[str, Any]:
    row = session.execute(select(*_SHOWN).where(Job.id == job_id, _visible_to(actor))).mappings().one_or_none()
    if row is None:
        raise NotFound
    return cast(Mapping[str, Any], row)


def list_jobs(session: Session, actor: Principal, page: Page, given: dict[str, Any]) -> Listed:
    statement = select(*_SHOWN).where(_visible_to(actor))
    for name in ("kind", "state"):
        if name in given:
            statement = statement.where(getattr(Job, name) == given[name])
    return listed(session, page, statement, _NEWEST_FIRST, given)


def list_items(session: Session, actor: Principal, page: Page, given: dict[str, Any], job_id: UUID) -> Listed:
    detail(session, actor, job_id)
    columns: Sequence[Any] = (JobItem.place, JobItem.subject, JobItem.status, JobItem.code, JobItem.detail)
    return listed(session, page, select(*columns).where(JobItem.job_id == job_id), _BY_PLACE, given)


def forget_ended(engine: Engine) -> int:
    """For the schedule. Each may have thousands of items, which go with it: few at a time."""
    return forget(engine, Job, Job.finished_at < func.now() - KEPT, together=_FORGOTTEN_TOGETHER)
