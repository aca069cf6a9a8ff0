"""What a manager can do with calendars and policies. A change is a new version; clocks go on by the one that made them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import calendar_spec, queries, specs
from helpdesk.sla.business_time import BusinessTimeError, Target, due_at
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.events import CalendarChanged, PolicyChanged
from helpdesk.sla.models import SlaCalendar, SlaCalendarVersion, SlaPolicy, SlaPolicyVersion


def create_calendar(uow: UnitOfWork, name: str, spec: dict[str, Any]) -> UUID:
    """Raises `ValidationFailed` naming everything that is wrong with the hours, or a name that is taken."""
    check_calendar(uow, spec, name)
    if queries.calendar_name_taken(uow.session, name):
        raise ValidationFailed(errors=[FieldError.at("/name", "taken", "Another calendar has this name.")])
    calendar = SlaCalendar(id=new_id(), name=name, version=1)
    uow.session.add(calendar)
    _calendar_version(uow, calendar, spec, _changes({}, {"name": name, **spec}))
    return calendar.id


def change_calendar(uow: UnitOfWork, calendar: SlaCalendar, spec: dict[str, Any]) -> UUID:
    check_calendar(uow, spec, calendar.name)
    _check_users(uow, calendar, spec)
    before = queries.calendar_version(uow.session, calendar.id, calendar.version).spec
    calendar.touch()
    _calendar_version(uow, calendar, spec, _changes(before, spec))
    return calendar.id


def _calendar_version(
    uow: UnitOfWork, calendar: SlaCalendar, spec: dict[str, Any], changes: dict[str, list[Any]]
) -> None:
    uow.add_rows(SlaCalendarVersion, [{"calendar_id": calendar.id, "version": calendar.version, "spec": spec}])
    record_administration(
        uow, CalendarChanged(calendar_id=calendar.id, version=calendar.version, spec=spec, changes=changes)
    )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Field -> [before, after], None where it was not there or is not any more."""
    names = sorted(before.keys() | after.keys())
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def check_calendar(uow: UnitOfWork, spec: dict[str, Any], name: str) -> None:
    """Also refuses a calendar that is never open in the coming year: its deadlines could not be computed."""
    try:
        calendar = specs.calendar_of(spec, name)
    except ValueError as error:
        raise ValidationFailed(
            errors=[FieldError.at("/weekly_hours", "invalid", f"Cannot be read: {error}.")]
        ) from error
    problems = calendar_spec.validate(calendar, uow.now)
    if problems:
        raise ValidationFailed(errors=[FieldError.at(item.pointer, item.code, item.message) for item in problems])


def change_policy(uow: UnitOfWork, policy: SlaPolicy, given: dict[str, Any]) -> UUID:
    """`given`: calendar_id, thresholds, targets. Holds for clocks that start, or change severity, from now on."""
    if not queries.calendar_exists(uow.session, given["calendar_id"]):
        raise ValidationFailed(errors=[FieldError.at("/calendar_id", "unknown", "There is no such calendar.")])
    spec = {"thresholds": given["thresholds"], "targets": given["targets"]}
    try:
        specs.targets_of(spec)
    except BusinessTimeError as error:
        raise ValidationFailed(errors=[FieldError.at("/targets", "invalid", str(error))]) from error
    _check_targets(uow, given["calendar_id"], spec)
    was = queries.policy_spec(uow.session, policy.id, policy.version)
    changes = _changes(
        {"calendar_id": str(was.calendar_id), **was.spec}, {"calendar_id": str(given["calendar_id"]), **spec}
    )
    policy.touch()
    uow.add_rows(
        SlaPolicyVersion,
        [{"policy_id": policy.id, "version": policy.version, "calendar_id": given["calendar_id"], "spec": spec}],
    )
    record_administration(uow, PolicyChanged(policy_id=policy.id, version=policy.version, spec=spec, changes=changes))
    return policy.id


def _check_targets(uow: UnitOfWork, calendar_id: UUID, spec: dict[str, Any]) -> None:
    """Refuse a promise that cannot be computed: it would refuse every complaint that comes in."""
    found = queries.calendar_detail(uow.session, calendar_id)
    calendar = specs.calendar_of(found, found["name"])
    problems = [
        FieldError.at(f"/targets/{severity}/{kind}", "too_long", f"Cannot be computed on this calendar: {why}.")
        for severity, kinds in specs.targets_of(spec).items()
        for kind, target in kinds.items()
        if (why := _uncomputable(calendar, uow.now, target)) is not None
    ]
    if problems:
        raise ValidationFailed(errors=problems)


def _uncomputable(calendar: Calendar, now: datetime, target: Target) -> str | None:
    try:
        due_at(calendar, now, target)
    except BusinessTimeError as error:
        return str(error)
    return None


def _check_users(uow: UnitOfWork, calendar: SlaCalendar, spec: dict[str, Any]) -> None:
    """The policies that use a calendar must be able to go on with its new hours."""
    changed = specs.calendar_of(spec, calendar.name)
    for policy in queries.specs_using(uow.session, calendar.id):
        for kinds in specs.targets_of(policy).values():
            for kind, target in kinds.items():
                why = _uncomputable(changed, uow.now, target)
                if why is not None:
                    message = f"The target {kind!r} of a policy that uses it could not be computed: {why}."
                    raise ValidationFailed(errors=[FieldError.at("/weekly_hours", "too_few", message)])


def install_defaults(uow: UnitOfWork) -> bool:
    """The shipped calendar and policy, where there is no default policy yet; whether they were installed."""
    if queries.default_policy_installed(uow.session):
        return False
    shipped = specs.shipped_policy()
    calendar = dict(shipped["calendar"])
    calendar_id = create_calendar(uow, calendar.pop("name"), calendar)
    policy = SlaPolicy(id=new_id(), name=shipped["policy"]["name"], is_default=True, version=1)
    uow.session.add(policy)
    spec = {name: shipped["policy"][name] for name in ("thresholds", "targets")}
    uow.add_rows(SlaPolicyVersion, [{"policy_id": policy.id, "version": 1, "calendar_id": calendar_id, "spec": spec}])
    changes = _changes({}, {"name": policy.name, "calendar_id": str(calendar_id), **spec})
    record_administration(uow, PolicyChanged(policy_id=policy.id, version=1, spec=spec, changes=changes))
    return True
