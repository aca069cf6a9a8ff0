"""What an edit of policies or calendars would do to the deadlines that are open, told before anybody does it.

The edit is made as it would be, with all that refuses it, read, and rolled back; then each complaint that it concerns is recomputed
by what it would say (`recomputing.follow`, which is what the recompute does) in a transaction that never commits, and that locks no
complaint. So a trial and the edit after it say the same, but for what happens between the two. A few complaints at a time: any
number of them takes the memory of those.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.recognition import recognised_again
from helpdesk.kernel import jobs
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla import (
    calendar_queries,
    calendars,
    policies,
    policies_in_force,
    policy_queries,
    recompute_queries,
    regime_in_force,
)
from helpdesk.sla.outcomes import Followed, Tally, told_apart
from helpdesk.sla.policy_spec import Policies
from helpdesk.sla.recompute_scope import Edits, Scope
from helpdesk.sla.recomputing import follow
from helpdesk.sla.regime_in_force import Regimes

log = structlog.get_logger()

KIND: Final = "sla.dry_run"
TOPIC: Final = "sla.dry_run"
AT_ONCE: Final = 200
"""So many complaints are looked at while the caller waits."""
EXAMPLES: Final = 5
_TOGETHER: Final = 50
_NARROW: Final = 2_000


@dataclass(frozen=True, slots=True)
class Edit:
    """One of `EDITS`, with what it is done to (None: to nothing that is there), and the body of the request."""

    name: str
    target_id: UUID | None
    given: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        target = None if self.target_id is None else str(self.target_id)
        return {"name": self.name, "target_id": target, "given": json_safe(self.given)}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Edit":
        given = dict(written["given"])
        if given.get("calendar_id") is not None:
            given["calendar_id"] = UUID(given["calendar_id"])
        if "policy_ids" in given:
            given["policy_ids"] = list(map(UUID, given["policy_ids"]))
        target = written["target_id"]
        return cls(written["name"], None if target is None else UUID(target), given)


def _policy(uow: UnitOfWork, edit: Edit) -> Any:
    return policy_queries.policy_for_update(uow.session, SYSTEM, _named(edit))


def _calendar(uow: UnitOfWork, edit: Edit) -> Any:
    return calendar_queries.calendar_for_update(uow.session, SYSTEM, _named(edit))


def _named(edit: Edit) -> UUID:
    if edit.target_id is None:
        raise LookupError(f"{edit.name} is done to nothing")
    return edit.target_id


EDITS: Final[Mapping[str, Callable[[UnitOfWork, Edit], Any]]] = {
    "create_policy": lambda uow, edit: policies.create(uow, edit.given),
    "change_policy": lambda uow, edit: policies.change(uow, _policy(uow, edit), edit.given),
    "remove_policy": lambda uow, edit: policies.remove(uow, _policy(uow, edit)),
    "reorder_policies": lambda uow, edit: policies.reorder(uow, edit.given["policy_ids"]),
    "change_calendar": lambda uow, edit: calendars.change(uow, _calendar(uow, edit), dict(edit.given)),
    "refresh_calendar": lambda uow, edit: calendars.refresh(uow, _calendar(uow, edit)),
}
"""The very acts that the routes do."""


@dataclass(frozen=True, slots=True)
class Supposed:
    """What would be in force, and whom it may concern."""

    policies: Policies
    regimes: Regimes
    scope: Scope


def suppose(database: Database, actor: Actor, edit: Edit, now: datetime | None = None) -> Supposed:
    """Raises whatever the edit would."""
    with database.unit_of_work(actor, now=now) as uow, uow.rehearsal() as tried:
        EDITS[edit.name](tried, edit)
        tried.write()
        return Supposed(
            policies_in_force.as_written(tried.session),
            regime_in_force.as_written(tried.session),
            tried.book(Edits).scope,
        )


@dataclass(slots=True)
class Trial:
    """What was found so far. `actor`: whose sight the examples are of."""

    database: Database
    actor: Actor
    supposed: Supposed
    now: datetime | None = None
    tally: Tally = field(default_factory=Tally)
    looked_at: int = 0
    failed: int = 0
    _examples: dict[str, list[str]] = field(default_factory=dict)

    def of_some(self, complaint_ids: Sequence[UUID]) -> None:
        for start in range(0, len(complaint_ids), _TOGETHER):
            self._batch(complaint_ids[start : start + _TOGETHER])

    def _batch(self, complaint_ids: Sequence[UUID]) -> None:
        with self.database.unit_of_work(SYSTEM, now=self.now) as uow:
            with uow.rehearsal() as tried:
                found = list(self._follow(tried, complaint_ids))
            self._note_examples(uow, found)

    def _follow(self, tried: UnitOfWork, complaint_ids: Sequence[UUID]) -> list[Followed]:
        done = []
        for complaint, clocks in recompute_queries.clocks_seen(tried.session, complaint_ids):
            self.looked_at += 1
            tried.know_stream(complaint)
            try:
                item = follow(tried, complaint, clocks, self.supposed.policies, self.supposed.regimes)
            except DBAPIError:
                raise
            except Exception:
                log.exception("a complaint could not be recomputed", name=str(complaint.id))
                self.failed += 1
            else:
                self.tally.add(item)
                done.append(item)
        return done

    def _note_examples(self, uow: UnitOfWork, found: Sequence[Followed]) -> None:
        wanted = {
            item.complaint_id: names
            for item in found
            if (names := [name for name in told_apart(item) if len(self._examples.get(name, ())) < EXAMPLES])
        }
        if not wanted:
            return
        seen = recompute_queries.references_seen(uow.session, self.actor, wanted)
        for complaint_id, names in wanted.items():
            for name in names if complaint_id in seen else ():
                mine = self._examples.setdefault(name, [])
                if len(mine) < EXAMPLES:
                    mine.append(seen[complaint_id])

    def shown(self) -> dict[str, Any]:
        examples = [{"outcome": name, "references": own} for name, own in sorted(self._examples.items())]
        return {"looked_at": self.looked_at, "failed": self.failed, **self.tally.shown(), "examples": examples}


def at_once(database: Database, actor: Actor, edit: Edit, now: datetime | None = None) -> dict[str, Any] | None:
    """What it would do; None where it concerns more complaints than a caller can wait for. Raises whatever the edit would."""
    supposed = suppose(database, actor, edit, now)
    trial = Trial(database, actor, supposed, now)
    if supposed.scope:
        with database.reader() as session:
            ids = recompute_queries.concerned(session, supposed.scope, None, AT_ONCE + 1)
        if len(ids) > AT_ONCE:
            return None
        trial.of_some(ids)
    return trial.shown()


def begin(uow: UnitOfWork, actor: Actor, edit: Edit) -> UUID:
    """A job for workers; its result is what `at_once` gives."""
    given = {"edit": edit.as_json(), "actor": [actor.kind, str(actor.id)]}
    return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given=given)


def run(database: Database, job_id: UUID) -> None:
    """Safe to run twice: it begins anew, since nothing was written. Raises `GiveUp` where the edit could not be made any more."""
    with database.unit_of_work(SYSTEM) as uow:
        job = jobs.start(uow.session, job_id)
        if job is None:
            return
        edit, (kind, actor_id) = Edit.from_json(job.given["edit"]), job.given["actor"]
        actor = recognised_again(uow.session, kind, UUID(actor_id))
    if actor is None:
        raise GiveUp("Whoever asked for it is not here any more.")
    try:
        supposed = suppose(database, actor, edit)
    except DomainError as error:
        raise GiveUp(error.in_one_text) from error
    trial = Trial(database, actor, supposed)
    if _walk(database, job_id, trial):
        with database.unit_of_work(SYSTEM) as uow:
            jobs.end(uow.session, job_id, "done", result=trial.shown())


def _walk(database: Database, job_id: UUID, trial: Trial) -> bool:
    """Whether it came to the end: somebody may have cancelled it."""
    with database.unit_of_work(SYSTEM) as uow:
        total = recompute_queries.count_of(uow.session, trial.supposed.scope) if trial.supposed.scope else 0
        jobs.expect(uow.session, job_id, total)
    last: UUID | None = None
    while trial.supposed.scope:
        with database.reader() as session:
            ids = recompute_queries.concerned(session, trial.supposed.scope, last, _NARROW)
        if not ids:
            break
        for start in range(0, len(ids), _TOGETHER):
            with database.reader() as session:
                if not jobs.is_wanted(session, job_id):
                    return False
            trial.of_some(ids[start : start + _TOGETHER])
            with database.unit_of_work(SYSTEM) as uow:
                jobs.progress(uow.session, job_id, done=min(trial.looked_at, total))
        last = ids[-1]
    return True
