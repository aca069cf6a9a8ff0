"""What a manager can do with policies. Every change is a new version; whoever edits decides whether open clocks are recomputed by it
(`recomputing`), or go on by the version that made them until a fact of their complaint changes.

A policy that is active promises something to whoever its condition is for, the default one to everybody else: it has no condition
and no days, stands last, and is always there. One that no clock was ever made by can be deleted; its row stays, because a
process may go by what it knew a second ago.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.administration import record_administration
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.expressions import ALWAYS, read
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.positions import STEP, behind
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import calendars, ladder_checks, policies_in_force, policy_facts, policy_queries, specs
from helpdesk.sla.errors import DefaultPolicyStays, PolicyUsed
from helpdesk.sla.events import PolicyChanged, PolicyRemoved
from helpdesk.sla.models import LAST, SlaPolicy, SlaPolicyVersion
from helpdesk.sla.policy_spec import calendars_of, every_target, terms_of
from helpdesk.sla.recompute_scope import EVERY, concern, of_policy

_SPEC: Final = (
    "name",
    "active",
    "position",
    "valid_from",
    "valid_until",
    "condition",
    "thresholds",
    "ladder",
    "targets",
    "tiers",
)
_OF_THE_DEFAULT: Final = {
    "active": True,
    "valid_from": None,
    "valid_until": None,
    "condition": dict(ALWAYS),
    "position": LAST,
}
"""What the default policy has, and no other value."""


def create(uow: UnitOfWork, given: Mapping[str, Any]) -> UUID:
    """`given`: all of a policy (`policy_schemas.PolicyIn`). Raises `ValidationFailed` that names every bad place, `NameTaken`."""
    if policy_queries.name_taken(uow.session, given["name"]):
        raise NameTaken
    position = given.get("position")
    if position is None:
        position = behind(policy_queries.last_position(uow.session))
    spec, calendar_id = _spec({**given, "position": position}), given["calendar_id"]
    spec = _checked(uow, spec, calendar_id, spec.keys())
    policy = SlaPolicy(
        id=new_id(), name=spec["name"], active=spec["active"], position=position, is_default=False, version=1
    )
    uow.session.add(policy)
    _keep(uow, policy, spec, calendar_id, {})
    return policy.id


def change(uow: UnitOfWork, policy: SlaPolicy, given: Mapping[str, Any]) -> UUID:
    """`given`: any of a policy's fields; the others stay. Raises as `create` does, and `DefaultPolicyStays`."""
    was = policy_queries.version_spec(uow.session, policy.id, policy.version)
    before = {"calendar_id": str(was.calendar_id), **was.spec}
    spec = _spec(was.spec | dict(given))
    calendar_id = given.get("calendar_id", was.calendar_id)
    if policy.is_default and any(spec[name] != value for name, value in _OF_THE_DEFAULT.items()):
        raise DefaultPolicyStays
    if spec["name"] != policy.name and policy_queries.name_taken(uow.session, spec["name"], policy.id):
        raise NameTaken
    spec = _checked(uow, spec, calendar_id, given.keys())
    if before == {"calendar_id": str(calendar_id), **spec}:
        return policy.id
    policy.touch()
    _keep(uow, policy, spec, calendar_id, before)
    return policy.id


def reorder(uow: UnitOfWork, policy_ids: Sequence[UUID]) -> None:
    """All but the default one, in the order in which they are to be asked. Raises `ValidationFailed` where some are missing, or
    one is none.
    """
    rows = {row.id: row for row in policy_queries.ordered_for_update(uow.session)}
    if len(set(policy_ids)) != len(policy_ids) or set(policy_ids) != rows.keys():
        there = ", ".join(map(str, rows)) or "none"
        text = f"Name each policy but the default one, once: {there}."
        raise ValidationFailed(errors=[FieldError.at("/policy_ids", "incomplete", text)])
    for place, policy_id in enumerate(policy_ids, start=1):
        if rows[policy_id].position != place * STEP:
            change(uow, rows[policy_id], {"position": place * STEP})


def remove(uow: UnitOfWork, policy: SlaPolicy) -> UUID:
    """Raises `DefaultPolicyStays`, `PolicyUsed`."""
    if policy.is_default:
        raise DefaultPolicyStays
    if policy_queries.was_used(uow.session, policy.id):
        raise PolicyUsed
    policy.removed_at = uow.now
    if policy.active:
        concern(uow, EVERY)  # whom it promised nothing the next one may promise something
    policies_in_force.changed(uow)
    changes = {"removed_at": json_safe([None, uow.now])}
    record_administration(uow, PolicyRemoved(policy_id=policy.id, version=policy.version, changes=changes))
    return policy.id


def install_default(uow: UnitOfWork) -> bool:
    """The shipped calendar and policy, where there is no default policy yet; whether they were installed."""
    if policy_queries.default_policy_installed(uow.session):
        return False
    shipped = specs.shipped_policy()
    hours = dict(shipped["calendar"])
    calendar_id = calendars.create(uow, hours.pop("name"), hours)
    spec = _spec(shipped["policy"] | _OF_THE_DEFAULT)
    policy = SlaPolicy(id=new_id(), name=spec["name"], active=True, position=LAST, is_default=True, version=1)
    uow.session.add(policy)
    _keep(uow, policy, spec, calendar_id, {})
    return True


def _spec(given: Mapping[str, Any]) -> dict[str, Any]:
    """All of it in one form. Tiers and severities of which nothing is said are left out."""
    named = {"valid_from": None, "valid_until": None, "condition": dict(ALWAYS), "ladder": [], "tiers": {}, **given}
    spec: dict[str, Any] = json_safe({name: named[name] for name in _SPEC})
    return spec


def _keep(
    uow: UnitOfWork, policy: SlaPolicy, spec: dict[str, Any], calendar_id: UUID, before: Mapping[str, Any]
) -> None:
    policy.name, policy.active, policy.position = spec["name"], spec["active"], spec["position"]
    uow.add_rows(
        SlaPolicyVersion,
        [
            {
                "policy_id": policy.id,
                "version": policy.version,
                "calendar_id": calendar_id,
                "spec": spec,
                "created_at": uow.now,
            }
        ],
    )
    policies_in_force.changed(uow)
    after = {"calendar_id": str(calendar_id), **spec}
    concern(uow, of_policy(policy.id, before, after))
    changes = differences(before, after)
    record_administration(uow, PolicyChanged(policy_id=policy.id, version=policy.version, spec=spec, changes=changes))


def _checked(uow: UnitOfWork, spec: dict[str, Any], calendar_id: UUID, changed: Any) -> dict[str, Any]:
    """With its condition in one spelling. What is not `changed` was checked when it was written."""
    problems = list(_day_problems(spec))
    if "condition" in changed:
        try:
            expression = read(spec["condition"], policy_facts.vocabulary(uow.session), "/condition", changes=False)
        except ValidationFailed as error:
            problems += error.errors
        else:
            spec = spec | {"condition": expression.as_json()}
            if expression.asks_for_changes:
                text = "A policy looks at a complaint as it is, not at what changed."
                problems.append(FieldError.at("/condition", "changes", text))
    if {"calendar_id", "targets", "tiers"} & set(changed):
        problems += _target_problems(uow, spec, calendar_id)
    if {"ladder", "targets", "tiers"} & set(changed):
        problems += _ladder_problems(uow, spec)
    if problems:
        raise ValidationFailed(errors=problems)
    return spec


def _day_problems(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    since, until = spec["valid_from"], spec["valid_until"]
    if since is not None and until is not None and since > until:
        yield FieldError.at("/valid_until", "backwards", "The last day is the first one or later.")


def _ladder_problems(uow: UnitOfWork, spec: Mapping[str, Any]) -> Iterator[FieldError]:
    yield from ladder_checks.problems(uow, spec["ladder"], "/ladder")
    for pointer, _, _, written in every_target(spec):
        yield from ladder_checks.problems(uow, terms_of(written).ladder or (), f"{pointer}/ladder")


def _target_problems(uow: UnitOfWork, spec: Mapping[str, Any], calendar_id: UUID) -> Iterator[FieldError]:
    """A promise that cannot be computed is refused: it would refuse every complaint that comes in."""
    # Held, so that nobody gives them hours in the meantime that this could not be promised on.
    held = policy_queries.calendars_held(uow.session, calendars_of(calendar_id, spec))
    compiled = {each: specs.compiled(each, row.version, row.spec, row.name) for each, row in held.items()}
    if calendar_id not in compiled:
        yield FieldError.at("/calendar_id", "unknown", "There is no such calendar.")
    for pointer, _, _, written in every_target(spec):
        terms = terms_of(written)
        on = terms.calendar_id or calendar_id
        if on not in compiled:
            if terms.calendar_id is not None:
                yield FieldError.at(f"{pointer}/calendar_id", "unknown", "There is no such calendar.")
            continue
        why = calendars.uncomputable(compiled[on], uow.now, terms.target, terms.conventions)
        if why is not None:
            yield FieldError.at(pointer, "too_long", f"Cannot be computed on this calendar: {why}.")
