"""One step on many complaints, each by itself: what is refused for one is done for the next.

Every bulk change is a job, so a process that dies loses nothing and does nothing twice: an item's outcome is written in
the transaction of its act. A small one is done while the caller waits, by the caller's own process; the duty that would
take it up comes due a little later, and finds it done. A large one, and what a small one has not done in its time, is done
by workers.

Whoever asked is looked up again as the work goes on: who has lost a right meanwhile, or has left, does nothing more.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.complaints import filtering, list_queries, queries, saved_views, view_queries
from helpdesk.complaints.list_queries import Wanted
from helpdesk.complaints.schemas import sort_of
from helpdesk.complaints.steps import perform, read_step
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.recognition import recognised_again
from helpdesk.kernel import jobs
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import (
    DomainError,
    FieldError,
    IdempotencyKeyReused,
    NotFound,
    PreconditionFailed,
    Unauthenticated,
    ValidationFailed,
)
from helpdesk.kernel.idempotency import Attempt
from helpdesk.kernel.problems import InternalError, of_database
from helpdesk.kernel.retrying import again
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()

KIND: Final = "complaints.bulk"
TOPIC: Final = "complaints.bulk"
MOST: Final = 1_000
AT_ONCE: Final = 100
"""So many are done while the caller waits."""
PATIENCE: Final = 20.0
"""Seconds after which the caller is told that workers go on with the rest."""
_TAKEN_UP_AFTER: Final = timedelta(seconds=60)
_LOOKED_UP_EVERY: Final = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `versions`: of an item as it stands in `refs`, the version that whoever asks has looked at."""

    refs: Sequence[str]
    step: str
    given: Mapping[str, Any]
    versions: Mapping[str, int]
    dry_run: bool


class _Undone(Exception):
    """Rolls an item's transaction back: it was done before."""


class _Rehearsed(Exception):
    """Rolls an item's transaction back: it could be done, and was only to be tried. Says its reference."""


def plan(session: Session, actor: Actor, given: Mapping[str, Any]) -> Plan:
    """`given`: as `BulkIn` loads it. What is chosen by filter or view is chosen now, of what the actor sees. Raises
    `ValidationFailed` for a body that the step does not take, and for more complaints than can be changed in one go.
    """
    read_step(given)
    refs = given["refs"] if "refs" in given else _chosen(session, actor, given)
    return Plan(refs, given["step"], given["given"], given.get("versions", {}), given["dry_run"])


def _chosen(session: Session, actor: Actor, given: Mapping[str, Any]) -> list[str]:
    name = "where" if "where" in given else "view_id"
    found = list_queries.found(session, actor, _wanted(session, actor, given), MOST + 1)
    if len(found) > MOST:
        text = f"More than {MOST} complaints match; narrow it down."
        raise ValidationFailed(errors=[FieldError.at(f"/{name}", "too_many", text)], more_than=MOST)
    return [row.reference for row in found]


def _wanted(session: Session, actor: Actor, given: Mapping[str, Any]) -> Wanted:
    if "where" in given:
        return filtering.wanted_of_body(session, {**given["where"], "sort": sort_of(given["where"])}, "/where")
    try:
        view = view_queries.view(session, actor, given["view_id"])
    except NotFound:
        raise ValidationFailed(errors=[FieldError.at("/view_id", "unknown", "There is no such view.")]) from None
    if not view["filters"] and not given["everything"]:
        text = 'The view has no filters, so it is every complaint; say so with "everything": true.'
        raise ValidationFailed(errors=[FieldError.at("/view_id", "everything", text)])
    if view["filters"] and given["everything"]:
        text = "The view has filters, which say which; this is for where there are none."
        raise ValidationFailed(errors=[FieldError.at("/everything", "invalid", text)])
    return saved_views.wanted(session, view)


def begin(uow: UnitOfWork, actor: Actor, planned: Plan) -> UUID:
    """A job for workers; its id."""
    return _begin(uow, actor, planned, uow.attempt)


def do_now(database: Database, actor: Actor, planned: Plan, attempt: Attempt | None) -> UUID:
    """A job, done here as far as there is time for it; its id. A repeat of the same request (`attempt`) goes on with the
    job of the first, so it happens once even where the first one's process died before its answer was kept.
    """
    with database.unit_of_work(actor) as uow:
        job_id = _begin(uow, actor, planned, attempt, not_before=uow.now + _TAKEN_UP_AFTER)
    end = time.monotonic() + PATIENCE
    run(database, job_id, until=lambda: time.monotonic() > end)
    return job_id


def _begin(uow: UnitOfWork, actor: Actor, planned: Plan, attempt: Attempt | None, **more: Any) -> UUID:
    given: dict[str, Any] = {"plan": asdict(planned), "actor": [actor.kind, str(actor.id)], "attempt": None}
    if attempt is None:
        return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given=given, total=len(planned.refs), **more)
    job_id = UUID(bytes=attempt.scope[:16], version=4)
    given["attempt"] = attempt.fingerprint.hex()
    known = uow.session.get(jobs.Job, job_id)
    if known is None:
        return jobs.begin(
            uow, actor, kind=KIND, topic=TOPIC, given=given, total=len(planned.refs), job_id=job_id, **more
        )
    if known.given["attempt"] != given["attempt"]:
        raise IdempotencyKeyReused
    return job_id


def run(database: Database, job_id: UUID, *, until: Callable[[], bool] = lambda: False) -> bool:
    """Do what is left of a job, item by item, and end it; whether it has ended. False when `until` said to stop."""
    with database.unit_of_work(SYSTEM) as uow:
        job = jobs.start(uow.session, job_id)
        if job is None:
            return True
        work = _Work(database, job_id, Plan(**job.given["plan"]), *job.given["actor"])
        left = jobs.places_left(uow.session, job_id, len(work.plan.refs))
    actor = work.actor()
    for number, place in enumerate(left):
        if until():
            return False
        with database.reader() as session:
            if not jobs.is_wanted(session, job_id):
                return True
        if number % _LOOKED_UP_EVERY == _LOOKED_UP_EVERY - 1:
            actor = work.actor()
        work.do(actor, place)
    with database.unit_of_work(SYSTEM) as uow:
        jobs.end(uow.session, job_id, "done")
    return True


@dataclass(frozen=True, slots=True)
class _Work:
    """A job at work."""

    database: Database
    job_id: UUID
    plan: Plan
    kind: str
    actor_id: str

    def actor(self) -> Actor | None:
        """Whoever asked, with the rights that they have now; None when they are not here any more."""
        with self.database.reader() as session:
            return recognised_again(session, self.kind, UUID(self.actor_id))

    def do(self, actor: Actor | None, place: int) -> None:
        """One item, and its outcome."""
        try:
            again(lambda: self._try(actor, place), what="item of a bulk change")
        except _Undone:
            pass  # another had the item first
        except DomainError as error:
            self._note(place, error)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise  # the database is away: the duty brings the rest back
            self._note(place, of_database(error))
        except Exception:
            log.exception("an item of a bulk change failed", job=str(self.job_id), place=place)
            self._note(place, InternalError())

    def _try(self, actor: Actor | None, place: int) -> None:
        """The order of refusals is that of a request of its own: 401, 404, 403, 412, 409, 422."""
        if actor is None:
            raise Unauthenticated("Whoever asked for it is not here any more.")
        try:
            self._in_one_go(actor, place)
        except _Rehearsed as rehearsed:
            with self.database.unit_of_work(SYSTEM) as uow:
                jobs.note_item(uow.session, self.job_id, place, str(rehearsed), 200)

    def _in_one_go(self, actor: Actor, place: int) -> None:
        ref = self.plan.refs[place]
        given = read_step({"step": self.plan.step, "given": self.plan.given})
        with self.database.unit_of_work(actor) as uow:
            complaint = queries.complaint_for_update(uow.session, actor, ref)
            require(actor, given.step.permission)
            _check_version(self.plan.versions.get(ref), complaint.version)
            perform(uow, actor, complaint, given)
            if self.plan.dry_run:
                uow.finish()  # what follows from it may refuse it too
                raise _Rehearsed(complaint.reference)
            if not jobs.note_item(uow.session, self.job_id, place, complaint.reference, 200):
                raise _Undone

    def _note(self, place: int, error: DomainError) -> None:
        with self.database.unit_of_work(SYSTEM) as uow:
            ref = self.plan.refs[place]
            jobs.note_item(
                uow.session, self.job_id, place, ref, error.status, code=error.code, detail=error.in_one_text
            )


def _check_version(wanted: int | None, current: int) -> None:
    if wanted is not None and wanted != current:
        raise PreconditionFailed(f"You looked at version {wanted}; it is now {current}.")


def shown(database: Database, job_id: UUID) -> dict[str, Any]:
    """The job, with its outcomes once it has ended; for whoever has just asked for it."""
    with database.reader() as session:
        job = session.get(jobs.Job, job_id)
        if job is None:
            raise NotFound
        items = jobs.outcomes(session, job_id) if job.state in jobs.ENDED else []
        return {**{name: getattr(job, name) for name in _SHOWN}, "items": items}


def just_begun(uow: UnitOfWork, job_id: UUID, planned: Plan) -> dict[str, Any]:
    """As `shown`, of a job whose row is written with this unit of work."""
    row: dict[str, Any] = dict.fromkeys(_SHOWN) | {"id": job_id, "kind": KIND, "state": "queued", "created_at": uow.now}
    return row | {"total": len(planned.refs), "done": 0, "failed": 0, "items": []}


_SHOWN: Final = (
    "id",
    "kind",
    "state",
    "total",
    "done",
    "failed",
    "result",
    "error",
    "created_at",
    "started_at",
    "finished_at",
)
