"""A trigger fires: one complaint, one transaction, all of its actions or none.

Who calls has looked whether the condition holds; here it is asked again under the complaint's lock (with the moment, where
one came due, and whether the trigger is what it was), then the guard, then the actions run by the doors that people use.
The row of the log is written with them, and there is one for each event (or moment) and trigger: of two who come to it at
once the second finds it done, and one that was killed has done nothing.

What is refused stays refused (the log says why), since to repeat it would change nothing. What failed because two met in
the database is repeated, here first and then by whoever called; what failed because the database is away, by the duty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

from helpdesk.automation import facts, queries, triggers
from helpdesk.automation.actions import ACTIONS, read_actions
from helpdesk.automation.events import TriggerFired
from helpdesk.automation.guard import HOUR, Cause
from helpdesk.automation.happenings import request_id_of
from helpdesk.automation.rules import Rule
from helpdesk.complaints.errors import ComplaintMerged
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.steps import Given, perform
from helpdesk.identity.actors import Actor
from helpdesk.kernel import faults
from helpdesk.kernel.errors import DomainError, MovedMeanwhile
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.problems import InternalError, of_database
from helpdesk.kernel.retrying import again, met_others
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()

BEGUN: Final = "automation.begun"
PERFORMED: Final = "automation.performed"
FIRED: Final = "automation.fired"
FAULT_POINTS: Final = (BEGUN, PERFORMED, FIRED)

NOT_MET: Final = "not_met"
"""The condition does not hold any more, or another was quicker."""
CHANGED: Final = "changed"
"""The trigger was changed, paused or taken away since it was read: whoever goes on reads it anew."""
AGAIN: Final = "again"
"""It met with others every time: nothing was done, and it is to be tried later."""


class _Undone(Exception):
    """Rolls it back: another had this event first."""


@dataclass(slots=True)
class _Attempt:
    """What is known of one attempt, for the log, whatever becomes of it."""

    rule: Rule
    complaint_id: UUID
    cause: Cause
    id: UUID = field(default_factory=new_id)
    why: Any = None
    place: int | None = None
    """Of the action at work."""
    began: float = field(default_factory=monotonic)

    def row(self, now: Any, outcome: str, problem: DomainError | None = None, reason: str | None = None) -> Any:
        event = self.cause.event
        return {
            "id": self.id,
            "trigger_id": self.rule.id,
            "trigger_version": self.rule.version,
            "complaint_id": self.complaint_id,
            "event_id": None if event is None else event.id,
            "event_type": None if event is None else event.type,
            "occurrence_at": self.cause.occurrence_at,
            "outcome": outcome,
            "reason": reason if problem is None else problem.code,
            "detail": None if problem is None else problem.in_one_text,
            "depth": self.cause.depth + 1,
            "chain": [str(trigger_id) for trigger_id in self.cause.chain],
            "why": self.why or {},
            "actions": list(self._actions(outcome)),
            "at": now,
            "duration_ms": int((monotonic() - self.began) * 1000),
        }

    def _actions(self, outcome: str) -> Any:
        for place, item in enumerate(self.rule.actions):
            if outcome == "done":
                became = "done"
            elif outcome == "failed" and self.place is not None and place <= self.place:
                became = "refused" if place == self.place else "undone"
            else:
                became = "not_tried"
            yield {"step": item["step"], "given": item["given"], "outcome": became}


def fire(database: Database, rule: Rule, complaint_id: UUID, cause: Cause) -> str:
    """`done`, `failed`, `stopped`, `NOT_MET`, `CHANGED` or `AGAIN`. Raises where the database is away, and where not even the
    failure can be noted: then nothing of it happened, and it is to be tried later.
    """
    try:
        return again(lambda: _try(database, _Attempt(rule, complaint_id, cause)), what="trigger", worth=_passes)
    except (MovedMeanwhile, DBAPIError) as error:
        if _passes(error):
            return AGAIN
        raise


def _passes(error: Exception) -> bool:
    """Also a lock that was not to be had: nobody waits for the answer."""
    return met_others(error, LockNotAvailable)


def _try(database: Database, tried: _Attempt) -> str:
    try:
        outcome = _in_one_go(database, tried)
    except _Undone:
        return NOT_MET
    except (DomainError, DBAPIError) as error:
        return _failed(database, tried, _problem(error))
    except Exception:
        log.exception("a trigger failed", trigger=str(tried.rule.id), complaint=str(tried.complaint_id))
        return _failed(database, tried, InternalError())
    faults.point(FIRED)
    return outcome


def _problem(error: DomainError | DBAPIError) -> DomainError:
    """What the log says of it. Raises what passes, and where the database is away."""
    if _passes(error):
        raise error
    if isinstance(error, DomainError):
        return error
    if error.connection_invalidated:
        raise error
    return of_database(error)


def _in_one_go(database: Database, tried: _Attempt) -> str:
    rule, actor = tried.rule, tried.rule.actor
    with database.unit_of_work(actor, request_id=request_id_of(tried.id)) as uow:
        complaint = queries.complaint_locked(uow.session, tried.complaint_id)
        if not queries.is_in_force(uow.session, rule.id, rule.version):
            return CHANGED
        known = _known(uow, complaint, tried)
        if known is None or not rule.condition.holds(known):
            return NOT_MET
        tried.why = facts.explained(rule.condition.explain(known), rule.told)
        recent = queries.recent_firings(uow.session, rule.id, complaint.id, uow.now - HOUR)
        stopped = tried.cause.stops(rule.id, own_changes=rule.own_changes, recent=recent) or _over(rule, complaint)
        if stopped is not None:
            if not queries.keep_firing(uow.session, tried.row(uow.now, "stopped", reason=stopped)):
                raise _Undone
            log.warning("trigger stopped", trigger=str(rule.id), complaint=str(complaint.id), reason=stopped)
            return "stopped"
        faults.point(BEGUN)
        _perform(uow, actor, complaint, tried)
        uow.finish()  # what follows from it may refuse it too
        faults.point(PERFORMED)
        queries.forget_failures(uow.session, rule.id)
        if not queries.keep_firing(uow.session, tried.row(uow.now, "done")):
            raise _Undone
    return "done"


def _over(rule: Rule, complaint: Complaint) -> str | None:
    """A complaint that was merged takes no changes. That is no failure of the trigger, and pauses none."""
    if complaint.merged_into_id is None or all(ACTIONS[item["step"]].merged for item in rule.actions):
        return None
    return ComplaintMerged.code


def _known(uow: UnitOfWork, complaint: Complaint, tried: _Attempt) -> Facts | None:
    """The facts now; None where the moment that came due is none any more: what it was counted from has moved."""
    timer, cause = tried.rule.timer, tried.cause
    since = None if timer is None or cause.occurrence_at is None else timer.since
    wanted = tried.rule.condition.fields | (frozenset() if since is None else {since})
    known = facts.facts_of(uow.session, complaint, wanted, uow.now, cause.event)
    return known if since is None or known.values.get(since) == cause.occurrence_at else None


def _perform(uow: UnitOfWork, actor: Actor, complaint: Complaint, tried: _Attempt) -> None:
    rule, cause = tried.rule, tried.cause
    uow.record(
        TriggerFired(
            complaint_id=complaint.id,
            reference=complaint.reference,
            trigger_id=rule.id,
            trigger_name=rule.name,
            firing_id=tried.id,
            trigger_version=rule.version,
            actions=[item["step"] for item in rule.actions],
            depth=cause.depth + 1,
            cause=None if cause.event is None else cause.event.type,
        ),
        stream=complaint,
    )
    for place, given in enumerate(_read(rule.actions, tried)):
        tried.place = place
        perform(uow, actor, complaint, given)
        uow.write()  # the next one finds its rows
    tried.place = None


def _read(actions: Sequence[Mapping[str, Any]], tried: _Attempt) -> list[Given]:
    """Anew each time: an act may keep what it was given. Raises where a later version of the program takes other bodies."""
    tried.place = 0
    return read_actions(actions)


def _failed(database: Database, tried: _Attempt, problem: DomainError) -> str:
    """Into the log, in a transaction of its own: that of the actions is rolled back."""
    if tried.place is not None:
        step = tried.rule.actions[tried.place]["step"]
        problem.detail = f"Action {tried.place + 1} ({step}): {problem.detail}"
    with database.unit_of_work(tried.rule.actor, request_id=request_id_of(tried.id)) as uow:
        complaint = queries.complaint_locked(uow.session, tried.complaint_id)
        if not queries.keep_firing(uow.session, tried.row(uow.now, "failed", problem)):
            return NOT_MET
        trigger = queries.trigger_if_there_for_update(uow.session, tried.rule.id)
        if trigger is not None:
            triggers.note_failure(uow, trigger, complaint, problem.detail)
    return "failed"
