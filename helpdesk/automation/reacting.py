"""Looking at what happened: which triggers it concerns, and which of them fire.

A look costs the complaint's row and what the conditions ask for, without a lock; only what then holds is locked and asked
again. Facts are those of the moment of the look, changes are those of the event. What was dealt with before is not dealt
with again, so that a look that was broken off goes on where it stood.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.automation import facts, imports, queries, rules
from helpdesk.automation.firing import AGAIN, CHANGED, NOT_MET, fire
from helpdesk.automation.guard import Cause
from helpdesk.automation.happenings import Happened
from helpdesk.automation.rules import Rule
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.unit_of_work import Database

log = structlog.get_logger()

_LOOKS: Final = 3
"""At one event, while triggers are being changed."""


class Unsettled(Exception):
    """Some of it met with others every time, or could not be looked at; the rest is done. Whoever looks again later settles
    it.
    """


def react(database: Database, event_ids: Sequence[UUID]) -> int:
    """How often a trigger fired. Raises `Unsettled`, or what the driver does where the database is away: the duty then
    brings back what is left.
    """
    with database.reader() as session:
        events = queries.events(session, event_ids)
        settled = queries.settled(session, event_ids)
        known = queries.causes(session, events)
    count, unsettled = 0, 0
    for event in events:
        depth, chain = known.get(event.id, (0, ()))
        cause = Cause(event=event, depth=depth, chain=chain)
        one = _One(database, event, cause, settled)
        try:
            count += one.go()
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            log.exception("an event could not be looked at", event_id=str(event.id), type=event.type)
            one.unsettled = True  # it keeps no other from being looked at
        unsettled += one.unsettled
    if unsettled:
        raise Unsettled(f"{unsettled} events are not settled")
    return count


class _One:
    """One event, and the triggers that listen to it, in their order."""

    def __init__(
        self, database: Database, event: Happened, cause: Cause, settled: dict[tuple[UUID, UUID], str]
    ) -> None:
        self._database = database
        self._event = event
        self._cause = cause
        self._settled = settled
        self._facts: Facts | None = None
        self.unsettled = False

    def go(self) -> int:
        count = 0
        with self._database.reader() as session:
            for _ in range(_LOOKS):
                done, changed = self._through(session)
                count += done
                if not changed:
                    return count
                rules.look_again()
                self._facts = None  # others may be asked for
                self._settled = queries.settled(session, [self._event.id])
        self.unsettled = True
        return count

    def _through(self, session: Session) -> tuple[int, bool]:
        """How often one fired, and whether one of them is another by now: then it begins anew, and finds done what is."""
        count = 0
        listening = rules.in_force(session).listening.get(self._event.type, ())
        # What was there before a trigger was, is not its business.
        concerned = [rule for rule in listening if rule.created_at <= self._event.occurred_at]
        for rule in concerned:
            outcome = self._settled.get((self._event.id, rule.id))
            if outcome is None:
                outcome = self._ask(session, rule, concerned)
                count += outcome == "done"
            if outcome == CHANGED:
                return count, True
            if outcome == AGAIN:
                self.unsettled = True  # those after it wait for it: their order is promised
                break
            if outcome == NOT_MET:  # another may have been quicker, and its firing ends the asking all the same
                outcome = queries.settled(session, [self._event.id]).get((self._event.id, rule.id))
            if outcome == "done":
                self._facts = None  # it is another complaint now
                if rule.stop_after:
                    break
        return count, False

    def _ask(self, session: Session, rule: Rule, concerned: Sequence[Rule]) -> str | None:
        found = self._look(session, concerned)
        if found is None or not rule.condition.holds(found):
            return None
        if not rule.imports and imports.brought(queries.imported_at(session, self._event.complaint_id), self._cause):
            return None
        return fire(self._database, rule, self._event.complaint_id, self._cause)

    def _look(self, session: Session, concerned: Sequence[Rule]) -> Facts | None:
        """None where the complaint is not there any more."""
        if self._facts is None:
            session.expunge_all()  # rows that were looked at before a trigger changed them
            found = queries.complaint_now(session, self._event.complaint_id)
            if found is None:
                return None
            wanted = frozenset[str]().union(*(rule.condition.fields for rule in concerned))
            complaint, now = found
            self._facts = facts.facts_of(session, complaint, wanted, now, self._event)
        return self._facts
