"""Timed triggers: so many minutes after a time that a complaint has, once for each such time.

A sweep looks at complaints whose moment has come since the sweep before, and at those that have changed since, whose moment
had come already (then what did not hold may hold now). Both are found by indexes, and looked at in the order of time, so
that a sweep which is broken off is gone on with. Each is asked, and if the condition holds the trigger fires and remembers
the moment, for good. So a moment counts from when the condition became true, and a complaint that changes in nothing is
looked at once.

What is committed late is not missed: what a running transaction writes bears the time at which it began, and the next sweep
begins there, and a little before. One trigger that cannot look, whatever the reason, keeps no other from looking: those
that have waited longest come first, and each has its share of the time. Facts that change without a change of the complaint
(the customer's tier, a clock's state) are seen when the moment comes, or at the next change.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.automation import facts, imports, moment_queries, queries, rules
from helpdesk.automation.firing import AGAIN, CHANGED, fire
from helpdesk.automation.guard import Cause
from helpdesk.automation.rules import Rule
from helpdesk.automation.timing import Timer, calendar_of
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.calendar_spec import Calendar

log = structlog.get_logger()

OVERLAP: Final = timedelta(seconds=15)
"""An act takes its time from the request, which was recognised a moment before the transaction began."""
LONGEST: Final = timedelta(minutes=2)
"""No transaction of ours takes longer; others (a migration, a dump) are not waited for."""
PATIENCE: Final = 30.0
"""Seconds for all of them together, after which the next sweep goes on: there are alarms to ring."""
MOST: Final = 20_000
"""Complaints of one kind that one sweep of one trigger looks at."""


def run_timed(database: Database) -> int:
    """How often one fired. Any number of workers may run it at once: each moment is dealt with once."""
    end = time.monotonic() + PATIENCE
    with database.reader() as session:
        timed = {rule.id: rule for rule in rules.in_force(session).timed}
        waiting = [timed[trigger_id] for trigger_id in queries.longest_waiting(session) if trigger_id in timed]
    count = 0
    for place, rule in enumerate(waiting):
        now = time.monotonic()
        count += _sweep(database, rule, now + (end - now) / (len(waiting) - place))
    return count


def _sweep(database: Database, rule: Rule, end: float) -> int:
    try:
        with database.reader() as session:
            begun = queries.swept_to(session, rule.id)
            now, oldest = moment_queries.horizon(session)
        if begun is None:
            return 0
        sweep = _Sweep(database, rule, begun, now, end)
        count = sweep.go()
        settled = max(oldest, now - LONGEST) - OVERLAP
        with database.unit_of_work(SYSTEM) as uow:
            queries.note_swept(uow.session, rule.id, min(sweep.reached, settled))
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        log.exception("a timed trigger could not look", trigger=str(rule.id))
        return 0
    return count


class _Sweep:
    """What came due, or changed, in `(after, now]`. `reached`: up to when it has looked at all."""

    def __init__(self, database: Database, rule: Rule, after: datetime, now: datetime, end: float) -> None:
        if rule.timer is None:
            raise LookupError(f"the trigger {rule.id} waits for no time")
        self._database = database
        self._rule = rule
        self._timer: Timer = rule.timer
        self._now = now
        self._end = end
        self._calendar: Calendar | None = None
        self._after = after
        self.reached = now

    def go(self) -> int:
        with self._database.reader() as session:
            if self._timer.counted == "business":
                self._calendar = calendar_of(session)
            candidates = sorted(self._candidates(session), key=lambda pair: pair[0])
        count, seen = 0, set[UUID]()
        for moment, complaint_id in candidates:
            if moment > self.reached:
                break
            if time.monotonic() > self._end:
                self._before(moment)
                break
            if complaint_id in seen:
                continue
            seen.add(complaint_id)
            outcome = self._look(complaint_id)
            count += outcome == "done"
            if outcome in {AGAIN, CHANGED}:
                self._before(moment)  # the next sweep begins with it; what is settled is remembered
            if outcome == CHANGED:
                rules.look_again()
                break
        return count

    def _before(self, moment: datetime) -> None:
        """It has looked at what came before that."""
        self.reached = min(self.reached, moment - timedelta(microseconds=1))

    def _candidates(self, session: Session) -> Iterator[tuple[datetime, UUID]]:
        """With the moment at which there was reason to look."""
        timer, calendar = self._timer, self._calendar
        first, last = (timer.last_start(at, calendar) for at in (self._after, self._now))
        came = moment_queries.starts(session, timer.anchor, first, last, MOST)
        changed = moment_queries.changed(session, self._after, self._now, MOST)
        if len(came) == MOST:
            self._before(timer.due(came[-1].at, calendar))
        if len(changed) == MOST:
            self._before(changed[-1].at)
        # What began by `last` is due by now, so that its moment can be computed.
        yield from ((timer.due(row.at, calendar), row.complaint_id) for row in came)
        yield from ((row.at, row.complaint_id) for row in changed)

    def _look(self, complaint_id: UUID) -> str | None:
        """Without a lock; what then holds is asked again under one."""
        rule, since = self._rule, self._timer.since
        with self._database.reader() as session:
            row = queries.complaint_now(session, complaint_id)
            if row is None:
                return None
            found = facts.facts_of(session, row[0], rule.condition.fields | {since}, self._now)
            start = found.values.get(since)
            if start is None or not self._timer.is_due(start, self._now, self._calendar):
                return None
            if not rule.condition.holds(found):
                return None
            if queries.is_remembered(session, rule.id, complaint_id, start):
                return None
            cause = Cause(occurrence_at=start, chain=self._chain(session, complaint_id))
            if not rule.imports and imports.brought(queries.imported_at(session, complaint_id), cause):
                return None
        return fire(self._database, rule, complaint_id, cause)

    def _chain(self, session: Session, complaint_id: UUID) -> tuple[UUID, ...]:
        """Where nothing happened since the trigger itself did the last thing, that is what it waits after."""
        if self._timer.since != "updated_at":
            return ()
        by = queries.last_actor(session, complaint_id)
        return (self._rule.id,) if by == ("automation", self._rule.id) else ()
