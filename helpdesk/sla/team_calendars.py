"""By which calendar a team works."""

from uuid import UUID

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import escalation_queries
from helpdesk.sla.escalation_events import TeamCalendarChanged
from helpdesk.sla.escalation_models import TeamCalendar


def set_calendar(uow: UnitOfWork, row: TeamCalendar, calendar_id: UUID | None) -> UUID:
    """`row`: as by `escalation_queries.team_calendar_for_update`. Raises `ValidationFailed` for a calendar that is not there."""
    if calendar_id is not None and not escalation_queries.calendar_exists(uow.session, calendar_id):
        raise ValidationFailed(errors=[FieldError.at("/calendar_id", "unknown", "There is no such calendar.")])
    if row.version == 0 or row.calendar_id != calendar_id:
        changes = {"calendar_id": json_safe([row.calendar_id, calendar_id])}
        row.calendar_id = calendar_id
        row.touch()
        uow.session.add(row)  # a team of which nothing was said has no row yet
        record_administration(uow, TeamCalendarChanged(team_id=row.team_id, changes=changes))
    return row.team_id
