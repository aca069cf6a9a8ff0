"""A trial of a playbook's version on past complaints: what it would have suggested, beside what is suggested now.

Nothing is changed. A job goes through the complaints from the newest to the oldest, some at a time; what is found of each
is a row, written once in the transaction of its batch, so that a crash at any line goes on behind the last batch. The figures
are reckoned from the rows in the end.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.recognition import recognised_again
from helpdesk.kernel import jobs
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.errors import FieldError, NotFound, ValidationFailed
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import playbook_queries, playbooks_in_force, trial_queries
from helpdesk.recovery.playbook_models import PlaybookVersion
from helpdesk.recovery.playbooks_in_force import Playbooks
from helpdesk.recovery.suggestions import suggestion_for

log = structlog.get_logger()

KIND: Final = "recovery.playbook_dry_run"
TOPIC: Final = "recovery.playbook_dry_run"
_TOGETHER: Final = 100
_FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)


def begin(uow: UnitOfWork, actor: Actor, row: PlaybookVersion, given: Mapping[str, Any]) -> UUID:
    """A job; its id. The version is tried as it is now: a draft that is changed later is not. Raises `ValidationFailed`."""
    until = min(given.get("until") or uow.now, uow.now)
    since = max(given["since"], _FIRST)
    if since >= until:
        raise ValidationFailed(errors=[FieldError.at("/since", "range", "It is to be before `until`, and past.")])
    kept = {
        "playbook_id": row.playbook_id,
        "number": row.number,
        "spec": row.spec,
        "since": since,
        "until": until,
        "limit": given["limit"],
        "actor_kind": actor.kind,
        "actor_id": actor.id,
    }
    return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given=json_safe(kept))


def run(database: Database, job_id: UUID) -> None:
    """Bring the trial to its end; nothing where it has ended. Raises `GiveUp` where it cannot be made any more."""
    with database.unit_of_work(SYSTEM) as uow:
        job = jobs.start(uow.session, job_id)
        given = None if job is None else job.given
        if given is not None:
            jobs.expect(uow.session, job_id, min(trial_queries.count(uow.session, *_span(given)), given["limit"]))
    if given is None or not _walk(database, job_id, given):
        return
    with database.unit_of_work(SYSTEM) as uow:
        if jobs.is_wanted(uow.session, job_id):
            asked_by = recognised_again(uow.session, given.get("actor_kind", "agent"), UUID(given["actor_id"]))
            figures = trial_queries.figures(uow.session, asked_by, job_id)
            named = {"playbook_id": given["playbook_id"], "number": given["number"]}
            jobs.end(uow.session, job_id, "done", result={**named, **figures})


def _walk(database: Database, job_id: UUID, given: Mapping[str, Any]) -> bool:
    """Whether it came to the end: somebody may have cancelled it."""
    while True:
        with database.unit_of_work(SYSTEM) as uow:
            if not jobs.is_wanted(uow.session, job_id):
                return False
            done = trial_queries.done(uow.session, job_id)
            left = given["limit"] - done.count
            if left <= 0 or not _batch(uow, job_id, given, done.last, min(_TOGETHER, left)):
                return True
            told = trial_queries.done(uow.session, job_id)
            trial_queries.tell(uow.session, job_id, told)


def _span(given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return parse_rfc3339(given["since"]), parse_rfc3339(given["until"])


def _batch(uow: UnitOfWork, job_id: UUID, given: Mapping[str, Any], last: Any, most: int) -> bool:
    """Whether there were any behind `last`."""
    found = trial_queries.some(uow.session, *_span(given), last, most)
    if not found:
        return False
    playbook_id = UUID(given["playbook_id"])
    try:
        name = playbook_queries.playbook_detail(uow.session, playbook_id)["name"]
    except NotFound as error:
        raise GiveUp("The playbook is not there any more.") from error
    try:
        supposed = playbooks_in_force.trial(uow.session, playbook_id, name, given["number"], given["spec"])
    except ValidationFailed as error:  # it may ask for a custom field that is not there any more, or is of another type
        raise GiveUp(f"The playbook's condition cannot be read any more: {error.in_one_text}") from error
    rows = [_try(uow, job_id, complaint, supposed, playbook_id) for complaint in found]
    trial_queries.note(uow.session, rows)
    return True


def _try(uow: UnitOfWork, job_id: UUID, complaint: Any, supposed: Playbooks, playbook_id: UUID) -> dict[str, Any]:
    """What is found of one complaint. One that cannot be reckoned stops no other."""
    row = {"job_id": job_id, "complaint_id": complaint.id, "received_at": complaint.received_at, "outcome": "failed"}
    row |= {"severity": complaint.severity, "tier": None, "currency": None, "before_minor": None, "after_minor": None}
    try:
        after = suggestion_for(uow.session, complaint, None, supposed)
        if after.playbook_id != playbook_id:
            return row | {"outcome": "other_playbook"}
        before = suggestion_for(uow.session, complaint)
    except DBAPIError:
        raise
    except Exception:
        log.exception("a playbook could not be tried on a complaint", complaint=str(complaint.id))
        return row
    return row | {
        "outcome": "tried",
        "tier": after.facts.tier,
        "currency": after.suggestion.offer.currency,
        "before_minor": before.suggestion.offer.minor,
        "after_minor": after.suggestion.offer.minor,
    }
