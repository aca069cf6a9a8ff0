"""Versions of calendars, compiled: none ever changes, so each process reads it once."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.sla import queries
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.specs import already_compiled, compiled


def kept_calendar(session: Session, calendar_id: UUID, version: int) -> Calendar:
    known = already_compiled(calendar_id, version)
    if known is not None:
        return known
    row = queries.calendar_version(session, calendar_id, version)
    return compiled(calendar_id, version, row.spec, row.name)


def differ_in_days_only(session: Session, calendar_id: UUID, one: int, other: int) -> bool:
    """Whether two versions of a calendar have the same hours, and differ in holidays and make-up days."""
    before, after = kept_calendar(session, calendar_id, one), kept_calendar(session, calendar_id, other)
    return replace(before, holidays=after.holidays, working_days=after.working_days) == after
