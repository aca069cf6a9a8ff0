"""What a manager can do with business calendars. A change is a new version; whoever makes it decides whether open clocks are
recomputed by it (`recomputing`), or go on by the version that made them.

A version may hold on some local dates only (summer hours, next year's hours). On the others holds what was there before it,
layer by layer, and a version says all of it (`otherwise`), so that a deadline that reaches from one season into the next
counts each day by its own hours, and a version alone tells how. One without dates replaces everything, also for days past.

Public holidays are expanded here, once, and kept (`public_holidays`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.administration import record_administration
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import (
    policies_in_force,
    policy_queries,
    public_holidays,
    queries,
    regime_in_force,
    regime_limits,
    regime_queries,
    specs,
)
from helpdesk.sla.business_time import DEFAULT_CONVENTIONS, BusinessTimeError, Conventions, Target, due_at
from helpdesk.sla.calendar_reading import UnreadableCalendarError, in_json, read_calendar, read_date
from helpdesk.sla.calendar_spec import Calendar, Problem, beyond_computing, contradictions, never_open
from helpdesk.sla.events import CalendarChanged
from helpdesk.sla.models import SlaCalendar, SlaCalendarVersion
from helpdesk.sla.policy_spec import every_target, terms_of
from helpdesk.sla.recompute_scope import REGULATED, concern, of_calendar
from helpdesk.sla.regime_counting import Working

MAX_SEASONS: Final = 50
Spec = dict[str, Any]


def create(uow: UnitOfWork, name: str, given: Spec) -> UUID:
    """Raises `ValidationFailed` naming everything that is wrong with the hours, `NameTaken`."""
    if queries.calendar_name_taken(uow.session, name):
        raise NameTaken
    spec = _own_words(uow, given)
    _check(uow, spec, name)
    calendar = SlaCalendar(id=new_id(), name=name, version=1)
    uow.session.add(calendar)
    _keep(uow, calendar, spec, differences({}, {"name": name, **spec}))  # nothing goes by it yet
    return calendar.id


def change(uow: UnitOfWork, calendar: SlaCalendar, given: Spec) -> UUID:
    """A new version. `valid_from`, `valid_until`: the first and the last local date on which it holds; without both always."""
    before = queries.calendar_version(uow.session, calendar.id, calendar.version).spec
    own = _own_words(uow, given)
    spec = own | {"otherwise": below} if (below := _below(own, before)) else own
    _check(uow, spec, calendar.name)
    _check_users(uow, calendar, spec)
    calendar.touch()
    _keep(uow, calendar, spec, differences(before, spec))
    _concern(uow, calendar, before, spec)
    return calendar.id


def refresh(uow: UnitOfWork, calendar: SlaCalendar) -> UUID:
    """Take over the public holidays as the installed release of the package has them: a new version where any differ, with all
    else as it was; where none does, nothing.
    """
    before = queries.calendar_version(uow.session, calendar.id, calendar.version).spec
    if not holiday_changes(before, uow.now)["differs"]:
        return calendar.id
    top, *below = [_expanded(layer, uow.now) for layer in specs.layers_of(before)]
    spec = top | {"otherwise": below} if below else top
    _check(uow, spec, calendar.name)
    _check_users(uow, calendar, spec)
    calendar.touch()
    _keep(uow, calendar, spec, differences(before, spec))
    _concern(uow, calendar, before, spec)
    return calendar.id


def _concern(uow: UnitOfWork, calendar: SlaCalendar, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Clocks on it; and hours of a regulator's that end on a day off by it, or did, which its clocks do not tell."""
    concern(uow, of_calendar(calendar.id, before, after))
    if regime_queries.counts_hours_by(uow.session, calendar.id):
        concern(uow, REGULATED)


def holiday_changes(spec: Mapping[str, Any], now: datetime) -> Spec:
    """What `refresh` would change: see `public_holidays.differences`, added up over the seasons of the calendar."""
    told: Spec = {
        "kept_release": None,
        "release": public_holidays.release(),
        "differs": False,
        **{f"{what}_{how}": {} for what in ("holidays", "working_days") for how in ("added", "removed")},
    }
    for layer in specs.layers_of(spec):
        if layer.get("public_holidays"):
            kept, now_said = layer["public_holidays"]["expanded"], _expanded(layer, now)["public_holidays"]["expanded"]
            found = public_holidays.differences(kept, now_said)
            told["kept_release"] = told["kept_release"] or found["kept_release"]
            told["differs"] |= found["differs"]
            for part in ("holidays_added", "holidays_removed", "working_days_added", "working_days_removed"):
                told[part] |= found[part]
    return told


def uncomputable(
    calendar: Calendar, start: datetime, target: Target, conventions: Conventions = DEFAULT_CONVENTIONS
) -> str | None:
    """Why a target has no due time on a calendar, None where it has."""
    try:
        due_at(calendar, start, target, (), conventions)
    except BusinessTimeError as error:
        return str(error)
    return None


def _keep(uow: UnitOfWork, calendar: SlaCalendar, spec: Spec, changed: dict[str, list[Any]]) -> None:
    uow.add_rows(SlaCalendarVersion, [{"calendar_id": calendar.id, "version": calendar.version, "spec": spec}])
    policies_in_force.changed(uow)
    regime_in_force.changed(uow)
    event = CalendarChanged(calendar_id=calendar.id, version=calendar.version, spec=spec, changes=changed)
    record_administration(uow, event)


def _own_words(uow: UnitOfWork, given: Spec) -> Spec:
    """What is kept of what a caller said, its public holidays expanded. Raises `ValidationFailed`."""
    try:
        read_calendar(given)
    except UnreadableCalendarError as error:
        _refuse(error.problems)
    _refuse(list(_validity_problems(given)))
    spec = {name: value for name, value in given.items() if value is not None}
    if (public := given.get("public_holidays")) is not None:
        wrong = public_holidays.problems_of(public)
        wrong = wrong or public_holidays.idle_exceptions(public, uow.now.year)
        _refuse([Problem(f"/public_holidays{each.pointer}", each.code, each.message) for each in wrong])
        spec = _expanded(spec, uow.now)
    return spec


def _expanded(spec: Mapping[str, Any], now: datetime) -> Spec:
    """Its public holidays worked out, anew where they were before: of the years that were, none is forgotten."""
    if not spec.get("public_holidays"):
        return dict(spec)
    wanted = {name: value for name, value in spec["public_holidays"].items() if name != "expanded"}
    kept = spec["public_holidays"].get("expanded", {})
    found = public_holidays.expand(wanted, spec["weekly_hours"], now.year, since=kept.get("from_year"))
    return {**spec, "public_holidays": {**wanted, "expanded": found}}


def _validity_problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("valid_from", "valid_until"):
        if given.get(name) is not None:
            try:
                day = read_date(given[name])
            except ValueError as error:
                yield Problem(f"/{name}", "bad_date", str(error))
                return
            if (beyond := beyond_computing(day)) is not None:
                yield Problem(f"/{name}", "out_of_range", f"{beyond}, or leave it out: then it has no such end")
                return
    since, until = given.get("valid_from"), given.get("valid_until")
    if since is not None and until is not None and until < since:
        yield Problem("/valid_until", "backwards", "it is the last day, so it is not before the first")


def _below(own: Mapping[str, Any], before: Mapping[str, Any]) -> list[Spec]:
    """What holds on the days on which a new version does not: all that it does not cover wholly."""
    first, last = specs.validity_of(own)
    if (first, last) == (date.min, date.max):
        return []
    below = []
    for layer in specs.layers_of(before):
        since, until = specs.validity_of(layer)
        if since < first or until > last:
            below.append(layer)
    if own["timezone"] != before["timezone"]:
        message = f"a calendar of which something else holds on other days stays in its time zone, {before['timezone']}"
        _refuse([Problem("/timezone", "other_timezone", message)])
    if len(below) > MAX_SEASONS:
        message = f"more than {MAX_SEASONS} seasons lie one over the other: write one without dates, then begin anew"
        _refuse([Problem("/valid_from", "too_many", message)])
    return below


def _check(uow: UnitOfWork, spec: Spec, name: str) -> None:
    """Refuses what contradicts itself, and a calendar that is never open in the coming year, or in the year in which it begins
    to hold: its deadlines could not be computed.
    """
    own, whole = specs.calendar_of({**spec, "otherwise": []}, name), specs.calendar_of(spec, name)
    problems, _ = contradictions(own)
    _refuse([_as_written(spec, problem) for problem in problems])
    for moment in _moments(uow, spec):
        _refuse(never_open(whole, moment))


def _moments(uow: UnitOfWork, spec: Mapping[str, Any]) -> list[datetime]:
    """Now, and where a version is for later its first day."""
    first, _ = specs.validity_of(spec)
    begins = datetime.combine(first, time(), UTC)
    return [uow.now, begins] if begins > uow.now else [uow.now]


def _as_written(spec: Mapping[str, Any], problem: Problem) -> Problem:
    """Where it stands in what the caller wrote: a make-up day may come from the country's."""
    written = {f"/working_days/{day}" for day in spec.get("working_days", {})}
    if problem.pointer.startswith("/working_days/") and problem.pointer not in written:
        day = problem.pointer.rpartition("/")[2]
        return Problem("/public_holidays/work_like", problem.code, f"{day} is a make-up day there: {problem.message}")
    return Problem(in_json(problem.pointer), problem.code, problem.message)


def _check_users(uow: UnitOfWork, calendar: SlaCalendar, spec: Spec) -> None:
    """The policies and the regulators' rules that use a calendar must be able to go on with its new hours."""
    changed = specs.calendar_of(spec, calendar.name)
    _check_rules(uow, calendar, changed, _moments(uow, spec))
    for policy in policy_queries.current_specs(uow.session):
        for _, _, kind, written in every_target(policy.spec):
            terms = terms_of(written)
            if (terms.calendar_id or policy.calendar_id) != calendar.id:
                continue
            for moment in _moments(uow, spec):
                why = uncomputable(changed, moment, terms.target, terms.conventions)
                if why is not None:
                    message = f"the target {kind!r} of the policy {policy.name!r} could not be computed: {why}"
                    _refuse([Problem("/weekly_hours", "too_few", message)])


def _check_rules(uow: UnitOfWork, calendar: SlaCalendar, changed: Calendar, moments: Sequence[datetime]) -> None:
    regimes = regime_in_force.in_force(uow.session)
    codes = {code for code, working in regimes.calendars.items() if working.id == calendar.id}
    known = {**regimes.calendars} | dict.fromkeys(codes, Working(calendar.id, calendar.version + 1, changed))
    for rule in regimes.rules.values():
        for moment in moments if rule.calendar in codes else ():
            why = regime_limits.uncomputable(rule, moment, known)
            if why is not None:
                message = f"the regulator's rule {rule.id!r} could not be computed: {why}"
                _refuse([Problem("/weekly_hours", "too_few", message)])


def _refuse(problems: Sequence[Problem]) -> None:
    """Nothing where there are none; each place once."""
    if problems:
        once = {problem.pointer: problem for problem in reversed(problems)}
        raise ValidationFailed(
            errors=[
                FieldError.at(each.pointer, each.code, f"{each.message[:1].upper()}{each.message[1:]}.")
                for each in reversed(once.values())
            ]
        )
