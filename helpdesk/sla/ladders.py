"""The ladder by which a clock goes: that of the version of the policy, or of the regulator's rule, that made it."""

from sqlalchemy.orm import Session

from helpdesk.sla import policy_queries, regime_in_force
from helpdesk.sla.ladder import Rung, rungs_at, rungs_of
from helpdesk.sla.models import Clock
from helpdesk.sla.policy_spec import Ladder, Policy, ladder_in, ladder_of, remember


def places(session: Session, clock: Clock) -> tuple[str, ...]:
    """Where its rungs stand (`ladder.rungs_at`)."""
    return rungs_at(*_written(session, clock))


def rung(session: Session, clock: Clock, at: str) -> Rung | None:
    """With its actions; None where the ladder has none there any more: another version of the policy goes on with the clock."""
    return rungs_of(*_written(session, clock)).get(at)


def same_by(session: Session, clock: Clock, policy: Policy) -> bool:
    """Whether its rungs do by a policy what they do; what is only supposed is not looked up."""
    found = ladder_of(policy.id, policy.version, (clock.kind, clock.severity, clock.tier))
    return found is None or found == _written(session, clock)


def _written(session: Session, clock: Clock) -> Ladder:
    if clock.rule_id is not None and clock.rule_version is not None:
        rule = regime_in_force.rule_version(session, clock.rule_id, clock.rule_version)
        return rule.thresholds, rule.ladder
    if clock.policy_id is None or clock.policy_version is None:
        raise LookupError(f"clock {clock.id} was made by nothing")
    of = (clock.kind, clock.severity, clock.tier)
    found = ladder_of(clock.policy_id, clock.policy_version, of)
    if found is None:
        row = policy_queries.version_spec(session, clock.policy_id, clock.policy_version)
        found = ladder_in(remember(clock.policy_id, clock.policy_version, row.spec), *of)
    return found
