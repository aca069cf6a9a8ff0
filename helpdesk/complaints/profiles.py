"""What one can do with agents as handlers: skills and capacity by those who lead them, availability by themselves."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import profile_queries
from helpdesk.complaints.profile_events import (
    AgentAbsenceCancelled,
    AgentAbsenceChanged,
    AgentAbsencePlanned,
    AgentAvailabilityChanged,
    AgentProfileChanged,
)
from helpdesk.complaints.profile_models import AgentAbsence, AgentProfile
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import Conflict, FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

MAX_ABSENCES: Final = 100
"""That are not over."""

_ABSENCE: Final = ("starts_at", "ends_at", "substitute_id", "note")


def check_lead(session: Any, actor: Actor, profile: AgentProfile) -> None:
    """Raises `Forbidden` for whoever does not lead this agent; oneself one does not."""
    if not profile_queries.leads(session, actor, profile.agent_id):
        raise Forbidden("You do not lead this agent.", permission="team:lead")


def check_own(session: Any, actor: Actor, row: AgentProfile | AgentAbsence) -> None:
    """Oneself, or whoever leads them."""
    if actor.kind != "agent" or actor.id != row.agent_id:
        if profile_queries.leads(session, actor, row.agent_id):
            return
        raise Forbidden("You do not lead this agent.", permission="team:lead")


def change(uow: UnitOfWork, profile: AgentProfile, given: dict[str, Any]) -> UUID:
    """`given`: any of skills, languages, capacity, weights, working_hours. What somebody has already stays theirs, also
    beyond a lower capacity. `profile`: as by `profile_queries.profile_for_update`.
    """
    if "skills" in given:
        given = given | {"skills": list(dict.fromkeys(given["skills"]))}
    changes = _set(profile, given)
    if changes:
        _keep(uow, profile)
        record_administration(uow, AgentProfileChanged(agent_id=profile.agent_id, changes=changes))
    return profile.agent_id


def set_availability(uow: UnitOfWork, profile: AgentProfile, given: dict[str, Any]) -> UUID:
    """There, or away (until when, and why). Raises `ValidationFailed` for a time that is over."""
    if given.get("away_until") is not None and given["away_until"] <= uow.now:
        raise ValidationFailed(errors=[FieldError.at("/away_until", "past", "It is over already.")])
    wanted = {"away_until": None, "away_reason": None} | given
    changes = _set(profile, wanted)
    if changes:
        _keep(uow, profile)
        uow.record(AgentAvailabilityChanged(agent_id=profile.agent_id, changes=changes))
    return profile.agent_id


def _set(row: Any, wanted: dict[str, Any]) -> dict[str, list[Any]]:
    changes = {}
    for name, value in wanted.items():
        if getattr(row, name) != value:
            changes[name] = json_safe([getattr(row, name), value])
            setattr(row, name, value)
    return changes


def _keep(uow: UnitOfWork, profile: AgentProfile) -> None:
    profile.touch()
    uow.session.add(profile)  # an agent of whom nothing was written down has no row yet


def plan_absence(uow: UnitOfWork, profile: AgentProfile, given: dict[str, Any]) -> UUID:
    """`profile`: of the agent, who is locked. Raises `Conflict` when there are too many."""
    if profile_queries.absences_to_come(uow.session, profile.agent_id) >= MAX_ABSENCES:
        raise Conflict(f"An agent has at most {MAX_ABSENCES} absences to come; cancel one that no longer holds.")
    absence = profile_queries.new_absence(profile.agent_id)
    _check_absence(uow, absence, given)
    for name, value in given.items():
        setattr(absence, name, value)
    uow.session.add(absence)
    changes = {name: json_safe([None, getattr(absence, name)]) for name in _ABSENCE if getattr(absence, name)}
    uow.record(AgentAbsencePlanned(agent_id=absence.agent_id, absence_id=absence.id, changes=changes))
    return absence.id


def change_absence(uow: UnitOfWork, absence: AgentAbsence, given: dict[str, Any]) -> UUID:
    _check_absence(uow, absence, given)
    changes = _set(absence, given)
    if changes:
        absence.touch()
        uow.record(AgentAbsenceChanged(agent_id=absence.agent_id, absence_id=absence.id, changes=changes))
    return absence.id


def cancel_absence(uow: UnitOfWork, absence: AgentAbsence) -> None:
    uow.session.delete(absence)
    changes = {name: json_safe([getattr(absence, name), None]) for name in _ABSENCE if getattr(absence, name)}
    uow.record(AgentAbsenceCancelled(agent_id=absence.agent_id, absence_id=absence.id, changes=changes))


def _check_absence(uow: UnitOfWork, absence: AgentAbsence, given: dict[str, Any]) -> None:
    problems = []
    starts: datetime = given.get("starts_at", absence.starts_at)
    ends: datetime = given.get("ends_at", absence.ends_at)
    if ends <= starts:
        problems.append(FieldError.at("/ends_at", "range", "It ends before it begins."))
    elif ends <= uow.now and ends != absence.ends_at:
        problems.append(FieldError.at("/ends_at", "past", "It is over already."))
    substitute_id = given.get("substitute_id")
    if substitute_id == absence.agent_id:
        problems.append(FieldError.at("/substitute_id", "self", "Somebody else."))
    elif substitute_id is not None and identity.active_agent(uow.session, substitute_id) is None:
        problems.append(FieldError.at("/substitute_id", "unknown", "There is no such active agent."))
    if problems:
        raise ValidationFailed(errors=problems)
