"""When something of another domain is due that counts the hours at which a team works."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.sla import escalation_queries, policies_in_force
from helpdesk.sla.business_time import BusinessTimeError, add_business_seconds
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.errors import NoPolicy


def after_hours(session: Session, team_id: UUID | None, start: datetime, hours: int, *, business: bool) -> datetime:
    """By the team's own calendar where it has one, else by that of the default policy. On the wall where not `business`, and
    where no calendar can say.
    """
    on_the_wall = start + timedelta(hours=hours)
    if not business:
        return on_the_wall
    calendar = _calendar(session, team_id)
    try:
        return on_the_wall if calendar is None else add_business_seconds(calendar, start, hours * 3600)
    except BusinessTimeError:
        return on_the_wall


def _calendar(session: Session, team_id: UUID | None) -> Calendar | None:
    own = None if team_id is None else escalation_queries.team_calendars(session, [team_id]).get(team_id)
    if own is not None:
        return own
    try:
        return policies_in_force.default_policy(session).calendar
    except NoPolicy:
        return None
