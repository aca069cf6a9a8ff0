"""The ladder by which a clock goes: that of the version of the policy, or of the regulator's rule, that made it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from helpdesk.sla import policy_queries, regime_in_force
from helpdesk.sla.ladder import Rung, rungs_at, rungs_of
from helpdesk.sla.models import Clock
from helpdesk.sla.policy_spec import Policy, ladder_in, remember, remembered


def places(session: Session, clock: Clock) -> tuple[str, ...]:
    """Where its rungs stand (`ladder.rungs_at`)."""
    return rungs_at(*_written(session, clock))


def rung(session: Session, clock: Clock, at: str) -> Rung | None:
    """With its actions; None where the ladder has none there any more: another version of the policy goes on with the clock."""
    return rungs_of(*_written(session, clock)).get(at)


def same_by(session: Session, clock: Clock, policy: Policy) -> bool:
    """Whether its rungs do by a policy what they do; what is only supposed is not looked up."""
    spec = remembered(policy.id, policy.version)
    return spec is None or ladder_in(spec, clock.kind, clock.severity, clock.tier) == _written(session, clock)


def _written(session: Session, clock: Clock) -> tuple[Sequence[int], Sequence[Mapping[str, Any]]]:
    """Thresholds, and what is written beside them."""
    if clock.rule_id is not None and clock.rule_version is not None:
        rule = regime_in_force.rule_version(session, clock.rule_id, clock.rule_version)
        return rule.thresholds, rule.ladder
    if clock.policy_id is None or clock.policy_version is None:
        raise LookupError(f"clock {clock.id} was made by nothing")
    spec = remembered(clock.policy_id, clock.policy_version)
    if spec is None:
        row = policy_queries.version_spec(session, clock.policy_id, clock.policy_version)
        spec = remember(clock.policy_id, clock.policy_version, row.spec)
    return ladder_in(spec, clock.kind, clock.severity, clock.tier)
