"""What a manager can set of a regulator's rule, as a new version of it. Clocks that run go on by the version that made them.

An amount can be set only where the rule has none that can be counted, and the one that it has is a default. A rule that is
switched off starts no clocks; what was judged before stays. Switched on it reaches complaints that are open already (`recomputing`).
"""

from typing import Any

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import ladder_checks, regime_in_force, regime_queries
from helpdesk.sla.recompute_scope import CHOSEN_ANEW, concern
from helpdesk.sla.regime_errors import AlreadySwitched, AmountOfTheLaw
from helpdesk.sla.regime_events import RuleChanged
from helpdesk.sla.regime_limits import uncomputable
from helpdesk.sla.regime_models import SlaRule, SlaRuleVersion
from helpdesk.sla.regime_rules import OWN, compiled


def change(uow: UnitOfWork, rule: SlaRule, given: dict[str, Any]) -> str:
    """`given`: any of amount, unit, timezone, owner, review_by, thresholds, ladder; null puts back what came with the program. Raises
    `AmountOfTheLaw`, `ValidationFailed`.
    """
    spec = regime_queries.rule_spec(uow.session, rule.id, rule.version)
    wanted = {name: value.isoformat() if name == "review_by" and value else value for name, value in given.items()}
    if wanted.keys() & {"amount", "unit"}:
        if "default" not in spec["shipped"]:
            raise AmountOfTheLaw
        if ("amount" in wanted) != ("unit" in wanted) or (wanted["amount"] is None) != (wanted["unit"] is None):
            raise ValidationFailed(errors=[FieldError.at("/unit", "together", "Give amount and unit together.")])
        if wanted["unit"] == "business_days" and spec["shipped"].get("calendar") is None:
            text = "This rule has no calendar of working days: use calendar_days, weeks, months, hours or minutes."
            raise ValidationFailed(errors=[FieldError.at("/unit", "no_calendar", text)])
    problems = list(ladder_checks.problems(uow, wanted.get("ladder") or (), "/ladder"))
    if problems:
        raise ValidationFailed(errors=problems)
    # What is put back is not kept; "off" is, for a rule may be shipped switched off.
    own = {name: value for name, value in {**spec["own"], **wanted}.items() if name == "off" or value is not None}
    if own == spec["own"]:
        return rule.id
    _check(uow, rule, {**spec, "own": own})
    return _write(uow, rule, spec, own, None)


def switch(uow: UnitOfWork, rule: SlaRule, *, on: bool, reason: str) -> str:
    """Raises `AlreadySwitched`, `ValidationFailed` where it is switched on and no deadline could be computed by it."""
    spec = regime_queries.rule_spec(uow.session, rule.id, rule.version)
    is_on = {**spec["shipped"], **spec["own"]}.get("off") is None
    if is_on == on:
        raise AlreadySwitched
    # Not put back to what was shipped, which may be off.
    own = {**spec["own"], "off": None if on else reason}
    if on:
        _check(uow, rule, {**spec, "own": own})
        concern(uow, CHOSEN_ANEW)
    return _write(uow, rule, spec, own, reason)


def _check(uow: UnitOfWork, rule: SlaRule, spec: dict[str, Any]) -> None:
    """Raises `ValidationFailed` where no deadline could be computed by it: it would refuse every complaint that it is for."""
    why = uncomputable(compiled(rule.id, rule.version, spec), uow.now, regime_in_force.in_force(uow.session).calendars)
    if why is not None:
        raise ValidationFailed(errors=[FieldError.at("/amount", "too_long", f"Cannot be computed: {why}.")])


def _write(uow: UnitOfWork, rule: SlaRule, spec: dict[str, Any], own: dict[str, Any], reason: str | None) -> str:
    before, after = ({**spec["shipped"], **what} for what in (spec["own"], own))
    rule.touch()
    kept = {"rule_id": rule.id, "version": rule.version, "created_at": uow.now}
    uow.add_rows(SlaRuleVersion, [{**kept, "spec": {"shipped": spec["shipped"], "own": own}}])
    changes = differences({name: before.get(name) for name in OWN}, {name: after.get(name) for name in OWN})
    record_administration(uow, RuleChanged(rule_id=rule.id, version=rule.version, changes=changes, reason=reason))
    regime_in_force.changed(uow)
    return rule.id
