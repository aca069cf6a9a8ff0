"""The sweep for complaints that wait for somebody: when an agent comes back, finishes something, learns something or gets
more room, they are given what has waited, the most urgent first.

It looks at who is ready now and at what waits, in memory, and locks only what fits: then the complaint is routed again, by
the rules of now, as everything is. So a long queue for which nobody is ready costs a few selects. When the rules have
changed since this process looked last, everything that waits is routed again, whether somebody is ready for it or not.
"""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.complaints import handler_queries, routing, routing_queries, routing_rules
from helpdesk.complaints.choosing import CANNOT, Handler
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database

log = structlog.get_logger()

BATCH: Final = 500
MOST: Final = 10_000
"""Complaints of one team looked at in one sweep; the next one begins with the most urgent again."""

_judged_by: dict[str, tuple[tuple[UUID, int], ...]] = {}
"""Which rules this process has judged everything by that waits, by database."""


def route_waiting(database: Database) -> int:
    """How many found somebody. Any number of workers may run it at once."""
    with database.reader() as session:
        rules = tuple((rule.id, rule.version) for rule in routing_rules.in_force(session))
        teams = routing_queries.teams_waiting(session)
    name = str(database.engine.url)
    changed = _judged_by.get(name) != rules
    count = sum(_route_team(database, team_id, all_of_them=changed) for team_id in teams)
    _judged_by[name] = rules
    return count


def _route_team(database: Database, team_id: UUID | None, *, all_of_them: bool) -> int:
    count = 0
    with database.reader() as session:
        ready = _ready(session, team_id)
        for row in _waiting(session, team_id):
            if team_id is not None and not all_of_them:
                if not ready:
                    break
                if not any(_fits(handler, row) for handler in ready):
                    continue
            if _route(database, row.id):
                count += 1
                ready = _ready(session, team_id)  # one of them has less room now
    return count


def _ready(session: Session, team_id: UUID | None) -> list[Handler]:
    if team_id is None:
        return []
    found = handler_queries.handlers_of_team(session, team_id, None, lock=False)
    return [handler for handler in found if handler.may_handle and not handler.unready()]


def _fits(handler: Handler, row: Any) -> bool:
    return not set(handler.reasons(row.severity, row.required_skills or ())) - {CANNOT}


def _waiting(session: Session, team_id: UUID | None) -> Iterator[Any]:
    last: routing_queries.Urgency | None = None
    for _ in range(0, MOST, BATCH):
        rows = routing_queries.waiting(session, team_id, last, BATCH)
        yield from rows
        if len(rows) < BATCH:
            return
        last = (rows[-1].severity, rows[-1].next_due_at, rows[-1].id)


def _route(database: Database, complaint_id: UUID) -> int:
    try:
        with database.unit_of_work(SYSTEM) as uow:
            complaint = routing_queries.waiting_for_update(uow.session, complaint_id)
            if complaint is None:
                return 0
            decision = routing.route(uow, complaint, "agent_available")
            return int(decision is not None and decision.handler is not None)
    except Exception:
        log.exception("a waiting complaint could not be routed", complaint=str(complaint_id))
        return 0
