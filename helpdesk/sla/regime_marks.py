"""How a rule, and a clock of one, is shown: never without the notice, and marked where nobody has looked at it in time."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from helpdesk.sla import regime_in_force, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_rules import ANY_SECTOR, NOTICE, Rule, compiled


def shown(session: Session, rule: Rule, today: date) -> dict[str, Any]:
    """Everything that a reader has to know of it. `today`: by which its review date is judged."""
    working = regime_in_force.in_force(session).calendars.get(rule.calendar or "")
    return {
        "notice": NOTICE,
        "id": rule.id,
        "version": rule.version,
        "jurisdiction": rule.jurisdiction,
        "sectors": list(rule.sectors),
        "instrument": rule.instrument,
        "milestone": rule.milestone,
        "clock_start": rule.clock_start,
        "starts_after": rule.starts_after,
        "stops_on": sorted(rule.stops_on),
        "target_amount": rule.amount,
        "target_unit": rule.unit,
        "counting": rule.counting,
        "calendar": rule.calendar,
        "calendar_id": None if working is None else working.id,
        "calendar_name": None if working is None else working.calendar.name,
        "timezone": rule.timezone,
        "default": rule.default is not None,
        "default_reason": rule.default,
        "stated": rule.stated,
        "applies_if": rule.applies_if,
        "decided_by": _decided_by(rule),
        "condition": None if rule.condition is None else rule.condition.as_json(),
        "presumed": rule.presumed,
        "replaces": sorted(rule.replaces),
        "extensions": [
            {"to": step.to, "add": step.add, "condition": step.condition, "requires": step.requires}
            for step in rule.extensions
        ],
        "on_breach": rule.on_breach,
        "effective_from": rule.effective_from,
        "effective_to": rule.effective_to,
        "notes": rule.notes,
        "source": rule.source,
        "confidence": rule.confidence,
        "owner": rule.owner,
        "review_by": rule.review_by,
        "review_overdue": rule.review_overdue(today),
        "off_because": rule.off,
        "thresholds": list(rule.thresholds),
        "ladder": list(rule.ladder),
    }


def _decided_by(rule: Rule) -> str:
    if rule.condition is not None:
        return "record"
    return "everything" if rule.applies_if is None else "person"


def shown_row(session: Session, row: Any, rule_id: str, today: date) -> dict[str, Any]:
    """Of a row with `version`, `spec` and `created_at`."""
    return {**shown(session, compiled(rule_id, row["version"], row["spec"]), today), "created_at": row["created_at"]}


def list_rules(session: Session, given: Mapping[str, Any], today: date) -> list[dict[str, Any]]:
    """`given`: jurisdiction, sector, milestone, on (a day), review_overdue, switched_off; what is absent filters nothing."""
    found = []
    for row in regime_queries.current_rules(session):
        rule = compiled(row.id, row.version, row.spec)
        if _wanted(rule, given, today):
            found.append({**shown(session, rule, today), "created_at": row.created_at})
    return found


def _wanted(rule: Rule, given: Mapping[str, Any], today: date) -> bool:
    jurisdiction, sector = given.get("jurisdiction"), given.get("sector")
    if jurisdiction is not None and not rule.is_for(jurisdiction, sector or rule.sectors[0]):
        return False
    if sector is not None and not rule.is_for(rule.jurisdiction, sector):
        return False
    if given.get("milestone") not in {None, rule.milestone}:
        return False
    if given.get("on") is not None and not rule.in_force_on(given["on"]):
        return False
    if given.get("review_overdue") not in {None, rule.review_overdue(today)}:
        return False
    return given.get("switched_off") in {None, rule.off is not None}


def marked(session: Session, clocks: Sequence[Clock], now: datetime) -> Sequence[Clock]:
    """The same, those of a regulator with `regime`: what their rule says, and whether its review date has passed by now,
    whichever version made the clock.
    """
    for clock in clocks:
        clock.regime = regime_of(session, clock, now)
    return clocks


def regime_of(session: Session, clock: Clock, now: datetime) -> dict[str, Any] | None:
    """None for a clock of a policy."""
    if clock.rule_id is None or clock.rule_version is None:
        return None
    rule = regime_in_force.rule_version(session, clock.rule_id, clock.rule_version)
    current = regime_in_force.in_force(session).rules.get(clock.rule_id, rule)
    marks = {
        "owner": current.owner,
        "review_by": current.review_by,
        "review_overdue": current.review_overdue(now.date()),
    }
    return {**shown(session, rule, now.date()), **marks}


def list_sectors(session: Session) -> list[dict[str, Any]]:
    """What a complaint's `sector` has to say for a rule to be for it, by name, with whose rules these are. Not what is for any sector."""
    found: dict[str, list[Rule]] = {}
    for rule in regime_in_force.in_force(session).rules.values():
        for sector in rule.sectors:
            found.setdefault(sector, []).append(rule)
    return [
        {
            "sector": sector,
            "jurisdictions": sorted({rule.jurisdiction for rule in rules}),
            "rules": [rule.id for rule in rules],
        }
        for sector, rules in sorted(found.items())
        if sector != ANY_SECTOR
    ]
