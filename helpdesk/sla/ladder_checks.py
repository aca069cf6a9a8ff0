"""Whether a ladder that somebody writes can be theirs: whom it names is there, today at least, and it does nothing that they may not
do themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from helpdesk.identity.queries import known_active_agents
from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import escalation_queries
from helpdesk.sla.escalating import NEEDED


def problems(uow: UnitOfWork, ladder: Sequence[Mapping[str, Any]], pointer: str) -> Iterator[FieldError]:
    """`ladder`: as `ladder_schemas.Ladder` gives it, which stands at `pointer`."""
    actions = [
        (f"{pointer}/{number}/actions/{place}", action)
        for number, rung in enumerate(ladder)
        for place, action in enumerate(rung["actions"])
    ]
    for where, action in actions:
        permission = NEEDED[action["step"]]
        if not uow.actor.may(permission):
            yield FieldError.at(f"{where}/step", "beyond_you", f"You need {permission} yourself for that.")
    told = [(f"{where}/given", action["given"]) for where, action in actions if action["step"] == "notify"]
    agents = {UUID(agent_id) for _, given in told for agent_id in given["agent_ids"]}
    there = {str(agent_id) for agent_id in known_active_agents(uow.session, list(agents))}
    unknown = escalation_queries.unknown_roles(uow.session, {name for _, given in told for name in given["roles"]})
    for where, given in told:
        for place, agent_id in enumerate(given["agent_ids"]):
            if agent_id not in there:
                yield FieldError.at(f"{where}/agent_ids/{place}", "unknown", "There is no such active agent.")
        for place, name in enumerate(given["roles"]):
            if name in unknown:
                yield FieldError.at(f"{where}/roles/{place}", "unknown", "There is no such role.")
