"""Timed triggers: so many minutes after a time that a complaint has, once for each such time.

A sweep looks at complaints whose moment has come since the sweep before, and at those that have changed since, whose moment
had come already (then what did not hold may hold now). Both are found by indexes. Each is asked, and if the condition holds
the trigger fires and remembers the moment, for good. So a moment counts from when the condition became true, and a
complaint that changes in nothing is looked at once.

What is committed late is not missed: each sweep begins a little before the end of the last one. Facts that change without a
change of the complaint (the customer's tier, a clock's state) are seen when the moment comes, or at the next change.
"""

import time
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.automation import facts, moment_queries, queries, rules
from helpdesk.automation.firing import AGAIN, fire
from helpdesk.automation.guard import Cause
from helpdesk.automation.rules import Rule
from helpdesk.automation.timing import Timer
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.errors import NoPolicy
from helpdesk.sla.queries import default_policy

log = structlog.get_logger()

OVERLAP: Final = timedelta(minutes=2)
"""Longer than any transaction takes."""
STRETCH: Final = timedelta(hours=1)
"""What is looked at before it is noted how far it has come: after days without a sweep."""
PATIENCE: Final = 120.0
"""Seconds after which the next sweep goes on."""


def run_timed(database: Database) -> int:
    """How often one fired. Any number of workers may run it at once: each moment is dealt with once."""
    end = time.monotonic() + PATIENCE
    with database.reader() as session:
        timed = rules.in_force(session).timed
    return sum(_sweep(database, rule, end) for rule in timed)


def _sweep(database: Database, rule: Rule, end: float) -> int:
    count = 0
    try:
        while time.monotonic() < end:
            with database.reader() as session:
                begun, now = queries.swept_to(session, rule.id), queries.clock_time(session)
            if begun is None or begun >= now:
                break
            until = min(now, begun + STRETCH)
            stretch = _Stretch(database, rule, begun - OVERLAP, until, now)
            count += stretch.go()
            if stretch.unsettled:
                break  # the next sweep looks at it once more; what is settled is remembered
            with database.unit_of_work(SYSTEM) as uow:
                queries.note_swept(uow.session, rule.id, until)
            if until == now:
                break
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        log.exception("a timed trigger could not look", trigger=str(rule.id))
    return count


class _Stretch:
    """What came due, or changed, in `(after, until]`."""

    def __init__(self, database: Database, rule: Rule, after: datetime, until: datetime, now: datetime) -> None:
        if rule.timer is None:
            raise LookupError(f"the trigger {rule.id} waits for no time")
        self._database = database
        self._rule = rule
        self._timer: Timer = rule.timer
        self._after = after
        self._until = until
        self._now = now
        self._calendar: Calendar | None = None
        self.unsettled = False

    def go(self) -> int:
        with self._database.reader() as session:
            if self._timer.counted == "business":
                self._calendar = calendar_of(session)
                if self._calendar is None:
                    return 0
            first = self._timer.last_start(self._after, self._calendar)
            last = self._timer.last_start(self._until, self._calendar)
            came = moment_queries.started(session, self._timer.anchor, first, last)
            changed = moment_queries.changed(session, self._after, self._until)
        return sum(self._look(complaint_id) for complaint_id in dict.fromkeys((*came, *changed)))

    def _look(self, complaint_id: UUID) -> int:
        """Without a lock; what then holds is asked again under one."""
        rule, since = self._rule, self._timer.since
        with self._database.reader() as session:
            row = queries.complaint_now(session, complaint_id)
            if row is None:
                return 0
            complaint, _ = row
            found = facts.facts_of(session, complaint, rule.condition.fields | {since}, self._now)
            start = found.values.get(since)
            if start is None or self._timer.due(start, self._calendar) > self._now or not rule.condition.holds(found):
                return 0
            if queries.is_remembered(session, rule.id, complaint_id, start):
                return 0
            cause = Cause(occurrence_at=start, chain=self._chain(session, complaint_id))
        outcome = fire(self._database, rule, complaint_id, cause)
        self.unsettled = self.unsettled or outcome == AGAIN
        return int(outcome == "done")

    def _chain(self, session: Session, complaint_id: UUID) -> tuple[UUID, ...]:
        """Where nothing happened since the trigger itself did the last thing, that is what it waits after."""
        if self._timer.since != "updated_at":
            return ()
        by = queries.last_actor(session, complaint_id)
        return (self._rule.id,) if by == ("automation", self._rule.id) else ()


def calendar_of(session: Session) -> Calendar | None:
    """Of the default policy; None where there is none."""
    try:
        return default_policy(session).calendar
    except NoPolicy:
        return None
