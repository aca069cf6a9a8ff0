"""Agents and teams that bodies of steps name by their ids: whether they are there, when what is kept is written."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.queries import active_teams

_AGENTS: Final = ("agent_ids", "mentions")


def missing(session: Session, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where in a body, as its schema has read it, somebody or some team is named that is not there or not active, and what to say."""
    agents = [(f"{name}/{place}", one) for name in _AGENTS for place, one in enumerate(body.get(name) or ())]
    if body.get("assignee_id") is not None:
        agents.append(("assignee_id", body["assignee_id"]))
    there = {actor.id for actor in active_actors(session, [agent_id for _, agent_id in agents])}
    yield from ((name, "There is no such active agent.") for name, agent_id in agents if agent_id not in there)
    teams = [(f"team_ids/{place}", one) for place, one in enumerate(body.get("team_ids") or ())]
    if body.get("team_id") is not None:
        teams.append(("team_id", body["team_id"]))
    known = active_teams(session, {team_id for _, team_id in teams})
    yield from ((name, "There is no such active team.") for name, team_id in teams if team_id not in known)
