"""Teams: made, renamed, and closed and opened again.

A team that is closed is given nothing any more. What it had open goes on elsewhere, in the hands of the domain of complaints,
which hears of it; what still names the team in somebody's settings is refused by whoever knows it (`TeamInUse`).
"""

from typing import Any
from uuid import UUID

from helpdesk.identity import queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.errors import NameTaken
from helpdesk.identity.events import TeamChanged, TeamCreated
from helpdesk.identity.granting import check_rights
from helpdesk.identity.models import Team
from helpdesk.identity.permissions import Rights
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork


def create_team(uow: UnitOfWork, name: str) -> UUID:
    """Raises `NameTaken`."""
    queries.lock_membership(uow.session)
    if queries.team_named(uow.session, name) is not None:
        raise NameTaken
    team_id = new_id()
    uow.session.add(Team(id=team_id, name=name, active=True, version=1))
    record_administration(uow, TeamCreated(team_id=team_id, name=name))
    return team_id


def change_team(uow: UnitOfWork, actor: Actor, team: Team, given: dict[str, Any]) -> UUID:
    """`given`: any of name, active, reassign_to. `team`: as by `queries.team_for_update`. Raises `NameTaken`,
    `BeyondOwnRights`, or `ValidationFailed` for another team that is not there; and what subscribers do, `TeamInUse`.
    """
    wanted: dict[str, Any] = {name: given[name] for name in ("name", "active") if name in given}
    if "name" in given and queries.team_named(uow.session, given["name"], besides=team.id) is not None:
        raise NameTaken
    if "active" in given:
        wanted["successor_id"] = _successor(uow, actor, team, given)
    elif "reassign_to" in given:
        raise _not_closing()
    changes = differences({name: getattr(team, name) for name in wanted}, wanted)
    for name, value in wanted.items():
        setattr(team, name, value)
    if changes:
        team.touch()
        record_administration(uow, TeamChanged(team_id=team.id, changes=changes))
    return team.id


def _successor(uow: UnitOfWork, actor: Actor, team: Team, given: dict[str, Any]) -> UUID | None:
    """Whoever says which team is to have another's complaints, wherever they are, assigns them. Of one that is closed already
    what was said stays, unless something else is said.
    """
    if given["active"]:
        if "reassign_to" in given:
            raise _not_closing()
        return None
    if "reassign_to" not in given and not team.active:
        return team.successor_id
    if given.get("reassign_to") is None:
        return None
    check_rights(actor, Rights(frozenset({"complaint:assign"}), "everything"))
    heir: UUID = given["reassign_to"]["team_id"]
    if heir == team.id or not queries.active_team(uow.session, heir):
        text = "There is no such other active team."
        raise ValidationFailed(errors=[FieldError.at("/reassign_to/team_id", "unknown", text)])
    return heir


def _not_closing() -> ValidationFailed:
    text = "Only together with `active: false`."
    return ValidationFailed(errors=[FieldError.at("/reassign_to", "not_closing", text)])
