"""What a manager can do with policies. A change is a new version; clocks go on by the one that made them."""

from typing import Any
from uuid import UUID

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import calendar_queries, calendars, queries, specs
from helpdesk.sla.business_time import BusinessTimeError
from helpdesk.sla.events import PolicyChanged
from helpdesk.sla.models import SlaPolicy, SlaPolicyVersion


def change_policy(uow: UnitOfWork, policy: SlaPolicy, given: dict[str, Any]) -> UUID:
    """`given`: calendar_id, thresholds, targets. Holds for clocks that start, or change severity, from now on."""
    # Held, so that nobody gives it hours in the meantime that this could not be promised on.
    if not queries.calendar_held(uow.session, given["calendar_id"]):
        raise ValidationFailed(errors=[FieldError.at("/calendar_id", "unknown", "There is no such calendar.")])
    spec = {"thresholds": given["thresholds"], "targets": given["targets"]}
    try:
        specs.targets_of(spec)
    except BusinessTimeError as error:
        raise ValidationFailed(errors=[FieldError.at("/targets", "invalid", str(error))]) from error
    _check_targets(uow, given["calendar_id"], spec)
    was = queries.policy_spec(uow.session, policy.id, policy.version)
    changes = differences(
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
    found = calendar_queries.calendar_detail(uow.session, calendar_id)
    calendar = specs.calendar_of(found, found["name"])
    problems = [
        FieldError.at(f"/targets/{severity}/{kind}", "too_long", f"Cannot be computed on this calendar: {why}.")
        for severity, kinds in specs.targets_of(spec).items()
        for kind, target in kinds.items()
        if (why := calendars.uncomputable(calendar, uow.now, target)) is not None
    ]
    if problems:
        raise ValidationFailed(errors=problems)


def install_defaults(uow: UnitOfWork) -> bool:
    """The shipped calendar and policy, where there is no default policy yet; whether they were installed."""
    if queries.default_policy_installed(uow.session):
        return False
    shipped = specs.shipped_policy()
    calendar = dict(shipped["calendar"])
    calendar_id = calendars.create(uow, calendar.pop("name"), calendar)
    policy = SlaPolicy(id=new_id(), name=shipped["policy"]["name"], is_default=True, version=1)
    uow.session.add(policy)
    spec = {name: shipped["policy"][name] for name in ("thresholds", "targets")}
    uow.add_rows(SlaPolicyVersion, [{"policy_id": policy.id, "version": 1, "calendar_id": calendar_id, "spec": spec}])
    changes = differences({}, {"name": policy.name, "calendar_id": str(calendar_id), **spec})
    record_administration(uow, PolicyChanged(policy_id=policy.id, version=1, spec=spec, changes=changes))
    return True
