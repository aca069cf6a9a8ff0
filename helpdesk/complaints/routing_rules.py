"""Routing rules: which complaints go to which team, and how one of its agents is chosen. Data, in every version.

**In force.** Each process keeps the rules (`kernel.in_force`), so that a complaint that comes in costs no statement for them.

**Order.** First the rules of the complaint's own team, then everybody's, each in the order of their positions; the first
that holds decides. A rule that leaves the strategy open leaves it to the rules of the team that it sends to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.complaints import routing_queries
from helpdesk.complaints.choosing import language_skill
from helpdesk.complaints.facts import VOCABULARY, signature_of, vocabulary
from helpdesk.complaints.routing_events import RoutingRuleChanged, RoutingRuleCreated, RoutingRuleRemoved
from helpdesk.complaints.routing_models import RoutingRule, RoutingRuleVersion
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.expressions import Expression, read
from helpdesk.kernel.facts import Facts, Vocabulary
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.positions import behind
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rule:
    """`team_id`: whose complaints it is for; `to_team`: where they go, None where they are."""

    id: UUID
    version: int
    name: str
    team_id: UUID | None
    condition: Expression
    to_team: UUID | None
    strategy: str | None
    required_skills: tuple[str, ...]
    match_category: bool
    match_language: str | None

    def required(self, facts: Facts) -> Iterator[str]:
        """What a handler of this complaint must be able to do."""
        yield from self.required_skills
        category, language = facts.values.get("category"), facts.values.get("language")
        if self.match_category and category is not None:
            yield category
        if self.match_language is not None and language:
            yield language_skill(language, self.match_language)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one complaint. `rule`: the one that decided."""

    rule: Rule
    team_id: UUID | None
    strategy: str
    required: tuple[str, ...]


def judge(rules: Sequence[Rule], facts: Facts, *, wide: bool) -> Verdict | None:
    """None where no rule holds. `wide`: everybody's rules too, not only those of the complaint's team."""
    team_id: UUID | None = facts.values.get("team_id")
    first = _first(rules, team_id, facts) if team_id is not None else None
    if first is None and wide:
        first = _first(rules, None, facts)
    if first is None:
        return None
    to_team = first.to_team or team_id
    needed = dict.fromkeys(first.required(facts))
    strategy = first.strategy
    if strategy is None:
        there = Facts({**facts.values, "team_id": to_team}, facts.changes)
        second = _first((rule for rule in rules if rule.strategy), to_team, there) if to_team is not None else None
        if second is not None:
            strategy = second.strategy
            needed |= dict.fromkeys(second.required(there))
    return Verdict(first, to_team, strategy or "queue_only", tuple(needed))


def _first(rules: Iterable[Rule], team_id: UUID | None, facts: Facts) -> Rule | None:
    return next((rule for rule in rules if rule.team_id == team_id and rule.condition.holds(facts)), None)


def wanted_facts(rules: Sequence[Rule]) -> frozenset[str]:
    """What has to be known of a complaint before the rules can be asked."""
    found = {name for rule in rules for name in rule.condition.fields}
    if any(rule.match_category for rule in rules):
        found.add("category")
    return frozenset(found)


def read_rule(row: Any, known: Vocabulary) -> Rule | None:
    """From a row; None where its condition asks for what is not known any more, which is logged."""
    result = row.spec["result"]
    try:
        condition = read(row.spec["condition"], known, kept=True)
    except ValidationFailed as error:
        log.warning("routing rule cannot be read", rule=str(row.id), problems=[dict(item) for item in error.errors])
        return None
    return Rule(
        id=row.id,
        version=row.version,
        name=row.name,
        team_id=row.team_id,
        condition=condition,
        to_team=None if result["team_id"] is None else UUID(result["team_id"]),
        strategy=result["strategy"],
        required_skills=tuple(result["required_skills"]),
        match_category=result["match_category"],
        match_language=result["match_language"],
    )


def _look(session: Session, known: Known[tuple[Rule, ...]] | None) -> Known[tuple[Rule, ...]]:
    rows = routing_queries.rules_in_force(session)
    signature = signature_of(session, rows)
    if known is not None and known.signature == signature:
        return known
    words = signature.vocabulary(session, VOCABULARY, vocabulary)
    return Known(signature, tuple(rule for row in rows if (rule := read_rule(row, words)) is not None))


_kept: Final = Kept(_look)


def in_force(session: Session) -> tuple[Rule, ...]:
    """In their order; a statement at most once a second, and another where custom fields are asked for."""
    return _kept.compared(session)


def changed(uow: UnitOfWork) -> None:
    """For whoever changes one."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()


def create(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    """Raises `ValidationFailed` that names every bad place in the condition and the result."""
    spec = _spec(uow, actor, given)
    if given.get("position") is None:
        given = given | {"position": behind(routing_queries.last_position(uow.session))}
    rule = RoutingRule(
        id=new_id(),
        name=given["name"],
        team_id=given.get("team_id"),
        position=given["position"],
        active=given["active"],
        spec=spec,
        version=1,
    )
    uow.session.add(rule)
    uow.session.flush()  # the version refers to it
    after = _whole(rule)
    _note(uow, rule, after)
    changes = {name: [None, value] for name, value in after.items()}
    record_administration(uow, RoutingRuleCreated(rule_id=rule.id, version=1, changes=changes))
    return rule.id


def change(uow: UnitOfWork, actor: Actor, rule: RoutingRule, given: dict[str, Any]) -> UUID:
    """`given`: any of name, team_id, position, active, condition, result. Decisions that were made stay as they are."""
    before = _whole(rule)
    wanted = {"condition": rule.spec["condition"], "result": rule.spec["result"], "team_id": rule.team_id} | given
    revived = {"team_id", "result"} if given.get("active") and not rule.active else set()  # may be closed by now
    rule.spec = _spec(uow, actor, wanted, changed=given.keys() | revived)
    for name in ("name", "team_id", "position", "active"):
        if name in given:
            setattr(rule, name, given[name])
    after = _whole(rule)
    changes = differences(before, after)
    if changes:
        rule.touch()
        _note(uow, rule, after)
        record_administration(uow, RoutingRuleChanged(rule_id=rule.id, version=rule.version, changes=changes))
    return rule.id


def remove(uow: UnitOfWork, rule: RoutingRule) -> UUID:
    """It decides nothing any more; what it decided still names it."""
    rule.removed_at = uow.now
    rule.touch()
    changed(uow)
    changes = {"removed_at": json_safe([None, uow.now])}
    record_administration(uow, RoutingRuleRemoved(rule_id=rule.id, version=rule.version, changes=changes))
    return rule.id


def check_own(_session: Session, actor: Actor, rule: RoutingRule) -> None:
    """Everybody's rules are for those who see every complaint."""
    if not actor.sees_all and rule.team_id not in actor.team_ids:
        raise Forbidden("This rule is for every team; you see only some.", permission="routing:manage")


def _note(uow: UnitOfWork, rule: RoutingRule, spec: dict[str, Any]) -> None:
    uow.add_rows(
        RoutingRuleVersion, [{"rule_id": rule.id, "version": rule.version, "spec": spec, "created_at": uow.now}]
    )
    changed(uow)


def _whole(rule: RoutingRule) -> dict[str, Any]:
    names = ("name", "team_id", "position", "active")
    whole: dict[str, Any] = json_safe({name: getattr(rule, name) for name in names} | rule.spec)
    return whole


def _spec(
    uow: UnitOfWork, actor: Actor, given: Mapping[str, Any], changed: Iterable[str] = ("team_id", "condition", "result")
) -> dict[str, Any]:
    """Condition and result in one spelling. What is not `changed` was checked when it was written."""
    problems: list[FieldError] = []
    condition, result = given["condition"], json_safe(given["result"])
    if "condition" in changed:
        try:
            expression = read(condition, vocabulary(uow.session), "/condition", changes=False)
        except ValidationFailed as error:
            problems += error.errors
        else:
            condition = expression.as_json()
            if expression.asks_for_changes:
                text = "Routing looks at a complaint as it is, not at what changed."
                problems.append(FieldError.at("/condition", "changes", text))
    for pointer, name, team_id in (
        ("/team_id", "team_id", given.get("team_id")),
        ("/result/team_id", "result", given["result"].get("team_id")),
    ):
        if name in changed:
            problems += _team_problems(uow, actor, pointer, team_id)
    if problems:
        raise ValidationFailed(errors=problems)
    return {"condition": condition, "result": result}


def _team_problems(uow: UnitOfWork, actor: Actor, pointer: str, team_id: UUID | None) -> Iterator[FieldError]:
    if team_id is None:
        if pointer == "/team_id" and not actor.sees_all:
            yield FieldError.at(pointer, "required", "You see only some teams: name the one whose rule it is.")
    elif (not actor.sees_all and team_id not in actor.team_ids) or not identity.active_team(uow.session, team_id):
        yield FieldError.at(pointer, "unknown", "There is no such active team.")
