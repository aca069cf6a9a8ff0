"""When somebody is at work next: by their own hours, else by the calendar of their team, else by that of the clock.

Whoever is out of office is not at work until they are back, unless another stands in for them, who is told instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from helpdesk.complaints.working_hours import next_working
from helpdesk.identity.actors import Actor
from helpdesk.sla.business_time import BusinessTimeError, next_opening
from helpdesk.sla.calendar_spec import Calendar


@dataclass(frozen=True, slots=True)
class Colleague:
    """An active agent as one who may be told. `hours`: their own; `absent_until`: of an absence that holds now."""

    actor: Actor
    hours: Mapping[str, Any] | None
    absent_until: datetime | None
    substitute_id: UUID | None
    mail: frozenset[str]
    muted: frozenset[str]


def calendar_for(
    colleague: Colleague, team_id: UUID | None, by_team: Mapping[UUID, Calendar], own: Calendar
) -> Calendar:
    """Of an agent without hours of their own: the one of the complaint's team, if it is theirs; else of any of their teams. `own`: the
    clock's.
    """
    mine = sorted(colleague.actor.team_ids, key=lambda each: (each != team_id, each))
    return next((by_team[each] for each in mine if each in by_team), own)


def at_work(colleague: Colleague, calendar: Calendar, now: datetime) -> datetime | None:
    """The first moment from now on at which they are at work: `now` itself where they are; None: never."""
    since = now if colleague.absent_until is None else max(now, colleague.absent_until)
    if colleague.hours is not None:
        return next_working(colleague.hours, since)
    try:
        opens = next_opening(calendar, since)
    except BusinessTimeError:
        return None
    return max(opens, since)  # which drops the parts of a second
