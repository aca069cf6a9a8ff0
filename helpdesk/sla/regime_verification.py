"""What must hold of every regulator's clock, beside what holds of all clocks (`verification`)."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Violation
from helpdesk.sla import regime_in_force, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_counting import count
from helpdesk.sla.regime_rules import Rule


def rules_are_kept_in_every_version(session: Session) -> Iterator[Violation]:
    """The version of the rule that made a clock can be read."""
    for row in regime_queries.clocks_without_their_rule(session):
        detail = f"was made by version {row.rule_version} of {row.rule_id}, which is not kept"
        yield Violation("regime", f"clock {row.id}", detail)


def targets_follow_from_rules(session: Session) -> Iterator[Violation]:
    """An open clock counts what its version of the rule says, moved as often as notices have moved it."""
    gone = {row.id for row in regime_queries.clocks_without_their_rule(session)}
    for clock in regime_queries.open_rule_clocks(session):
        if clock.id in gone or clock.rule_id is None or clock.rule_version is None:
            continue
        rule = regime_in_force.rule_version(session, clock.rule_id, clock.rule_version)
        expected = None if rule.counting is not None else _amount(session, rule, clock)
        if expected is not None and expected != clock.target_amount:
            detail = f"counts {clock.target_amount} {clock.target_unit}, but its rule gives {expected}"
            yield Violation("regime", f"clock {clock.id}", detail)


def _amount(session: Session, rule: Rule, clock: Clock) -> int:
    """-1 where the rule does not allow that many extensions."""
    if clock.extensions > len(rule.extensions):
        return -1
    calendars = regime_in_force.in_force(session).calendars
    amount = int(count(rule, clock.started_at, clock.timezone or "UTC", calendars).target.amount)
    for step in rule.extensions[: clock.extensions]:
        amount = step.amount(amount)
    return amount


CHECKS = (rules_are_kept_in_every_version, targets_follow_from_rules)
