"""What an evidence pack tells of deadlines: every clock, with the very versions of policy, rule and calendar that made it,
and each time that it rang, with what followed.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from helpdesk.kernel.schemas import json_safe
from helpdesk.sla.escalation_queries import actions_of, alarm_of
from helpdesk.sla.models import Alarm, Clock, SlaCalendar, SlaCalendarVersion, SlaPolicy, SlaPolicyVersion
from helpdesk.sla.regime_models import SlaRuleVersion

_CLOCKS: Final = (
    select(
        *Clock.__table__.c,
        SlaPolicy.name.label("policy_name"),
        SlaPolicyVersion.spec.label("policy_spec"),
        SlaCalendar.name.label("calendar_name"),
        SlaCalendarVersion.spec.label("calendar_spec"),
        SlaRuleVersion.spec.label("rule_spec"),
    )
    .outerjoin(SlaPolicy, SlaPolicy.id == Clock.policy_id)
    .outerjoin(
        SlaPolicyVersion,
        and_(SlaPolicyVersion.policy_id == Clock.policy_id, SlaPolicyVersion.version == Clock.policy_version),
    )
    .outerjoin(SlaCalendar, SlaCalendar.id == Clock.calendar_id)
    .outerjoin(
        SlaCalendarVersion,
        and_(SlaCalendarVersion.calendar_id == Clock.calendar_id, SlaCalendarVersion.version == Clock.calendar_version),
    )
    .outerjoin(
        SlaRuleVersion, and_(SlaRuleVersion.rule_id == Clock.rule_id, SlaRuleVersion.version == Clock.rule_version)
    )
    .order_by(Clock.round, Clock.started_at, Clock.id)
)


def clocks_as_evidence(session: Session, complaint_id: UUID) -> list[dict[str, Any]]:
    rows = session.execute(_CLOCKS.where(Clock.complaint_id == complaint_id)).mappings().all()
    rang = (
        session.execute(
            select(*Alarm.__table__.c)
            .where(Alarm.clock_id.in_([row["id"] for row in rows]))
            .order_by(Alarm.clock_id, Alarm.fired_at, Alarm.planned_for, Alarm.threshold)
        )
        .mappings()
        .all()
    )
    actions = actions_of(session, rang)
    alarms: dict[UUID, list[Any]] = {}
    for alarm in rang:
        alarms.setdefault(alarm["clock_id"], []).append({**alarm, "actions": actions.get(alarm_of(alarm), [])})
    return [json_safe({**row, "alarms": alarms.get(row["id"], [])}) for row in rows]
