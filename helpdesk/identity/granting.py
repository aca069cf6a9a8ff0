"""Nobody gives what they do not hold themselves: permissions, scope, authority, and sight of a team.

Every act that gives somebody rights asks here: a role that is made or widened, a role or a team for an agent, a token in
another's name, an API key. The program itself holds everything.
"""

from collections.abc import Collection
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import BeyondOwnRights
from helpdesk.identity.permissions import Rights


def check_rights(actor: Actor, given: Rights) -> None:
    """Raises `BeyondOwnRights`, naming what is beyond."""
    if actor.kind == "system":
        return
    beyond = given.beyond(actor.rights)
    if beyond:
        raise BeyondOwnRights(beyond=beyond)


def check_teams(actor: Actor, team_ids: Collection[UUID]) -> None:
    """Whoever is put into a team sees its complaints. Raises `BeyondOwnRights`."""
    if actor.sees_all:
        return
    beyond = set(team_ids) - set(actor.team_ids) if actor.scope == "teams" else set(team_ids)
    if beyond:
        raise BeyondOwnRights(beyond={"team_ids": sorted(map(str, beyond))})
