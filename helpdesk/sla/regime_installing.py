"""What comes with the program: rules and the calendars that they count on, put into an empty system, and brought up to date in
one that there is.

A rule that is another in the new edition gets a new version: what was set of it here stays, and so do the clocks that go by an
older one. Where rules are new, or are for others than before, which of them each open complaint goes by is chosen anew by a job: the law
asks nobody whether a complaint came before an upgrade. A calendar is put in once; from then on it is the operator's, who adds the days that were proclaimed.
"""

from typing import Any, Final

import structlog

from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import calendars, queries, recompute_queries, recomputing, regime_in_force, regime_queries
from helpdesk.sla.recompute_scope import CHOSEN_ANEW
from helpdesk.sla.regime_events import RulesShipped
from helpdesk.sla.regime_models import SlaRegimeCalendar, SlaRule, SlaRuleVersion
from helpdesk.sla.regime_rules import OWN, shipped
from helpdesk.sla.specs import DAYS

log = structlog.get_logger()

_CHOOSING: Final = (
    "jurisdiction",
    "sectors",
    "clock_start",
    "starts_after",
    "stops_on",
    "applies_if",
    "condition",
    "presumed",
    "replaces",
    "effective_from",
    "effective_to",
    "off",
)
"""Of a rule: what decides for whom it is, and since when its clock counts, or that of the next in its chain. A clock that there is
keeps all else.
"""


def install_rules(uow: UnitOfWork) -> bool:
    """Whether anything was added or changed. Safe to repeat; of two at once, one waits. An older edition than the one that is
    there changes nothing: processes of two releases run side by side while one follows the other.
    """
    regime_queries.installing(uow.session)
    data = shipped()
    known = {row.id: row for row in regime_queries.current_rules(uow.session)}
    if any(row.edition > data["edition"] for row in known.values()):
        return False
    made = _install_calendars(uow, data["calendars"])
    added, changed, chooses = list[str](), list[str](), False
    for item in data["rule"]:
        rule_id, spec = item["id"], {name: value for name, value in item.items() if name != "id"}
        if rule_id not in known:
            _add(uow, rule_id, data["edition"], spec)
            added.append(rule_id)
            chooses = True
        elif known[rule_id].spec["shipped"] != spec:
            _bring_up_to_date(uow, rule_id, data["edition"], spec, known[rule_id].spec["own"])
            changed.append(rule_id)
            chooses |= any(known[rule_id].spec["shipped"].get(name) != spec.get(name) for name in _CHOOSING)
    if not (made or added or changed):
        return False
    regime_in_force.changed(uow)
    record_administration(uow, RulesShipped(edition=data["edition"], added=added, changed=changed, calendars=made))
    if chooses and recompute_queries.count_of(uow.session, CHOSEN_ANEW):
        job_id = recomputing.begin_for(uow, SYSTEM, CHOSEN_ANEW)
        log.info("the rules of open complaints are chosen anew", job_id=str(job_id), added=added, changed=changed)
    return True


def _add(uow: UnitOfWork, rule_id: str, edition: int, spec: dict[str, Any]) -> None:
    uow.add_rows(SlaRule, [{"id": rule_id, "edition": edition, "version": 1, "created_at": uow.now}])
    _keep(uow, rule_id, 1, {"shipped": spec, "own": {}})


def _bring_up_to_date(uow: UnitOfWork, rule_id: str, edition: int, spec: dict[str, Any], own: dict[str, Any]) -> None:
    """An amount that was set here goes with its default: once the source has a number, that is the rule's."""
    rule = regime_queries.rule_for_update(uow.session, None, rule_id)
    if "default" not in spec:
        own = {name: value for name, value in own.items() if name not in {"amount", "unit"}}
    rule.touch()
    rule.edition = edition
    _keep(uow, rule_id, rule.version, {"shipped": spec, "own": {name: own[name] for name in OWN if name in own}})


def _keep(uow: UnitOfWork, rule_id: str, version: int, spec: dict[str, Any]) -> None:
    uow.add_rows(SlaRuleVersion, [{"rule_id": rule_id, "version": version, "spec": spec, "created_at": uow.now}])


def _install_calendars(uow: UnitOfWork, wanted: dict[str, Any]) -> list[str]:
    """Codes of those that were made."""
    known = {row.code for row in regime_queries.regime_calendars(uow.session)}
    made = [code for code in wanted if code not in known]
    for code in made:
        item = wanted[code]
        spec = {
            "timezone": item["timezone"],
            "weekly_hours": {day: [["00:00", "24:00"]] for day in DAYS[:5]},
            "holidays": [],
            "working_days": {},
            "public_holidays": _whole(item["public_holidays"]),
        }
        calendar_id = calendars.create(uow, _free_name(uow, item["name"]), spec)
        uow.add_rows(SlaRegimeCalendar, [{"code": code, "calendar_id": calendar_id}])
    return made


def _whole(wanted: dict[str, Any]) -> dict[str, Any]:
    """As a caller gives public holidays, who leaves nothing out."""
    given = {"country": None, "market": None, "subdivision": None, "categories": ["public"], "observed": True}
    return {**given, "from_year": None, "until_year": None, "without": [], "work_like": None, **wanted}


def _free_name(uow: UnitOfWork, name: str) -> str:
    """The operator may have a calendar of that name."""
    return name if not queries.calendar_name_taken(uow.session, name) else f"{name} (regulatory rules)"
