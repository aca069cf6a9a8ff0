"""Whom an internal note names: by id, or as `@handle` in its text.

A handle is an agent's e-mail address, the part of it before the @, or the name with dots for blanks (`@ana.souza`). One
that could be several agents is refused rather than guessed; one that is nobody's is a word like any other.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import queries
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actor_queries import active_actors, agents_by_handle
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork

MAX_MENTIONS: Final = 20
_HANDLE: Final = re.compile(r"(?<![\w@.+-])@(\w[\w.+-]{0,99}(?:@\w[\w.-]{0,199})?)")


def resolve(uow: UnitOfWork, complaint: Complaint, ids: Sequence[UUID], text: str) -> list[UUID]:
    """The agents named, each once. Raises `ValidationFailed` naming everybody who is not there, not clear, or may not see
    the complaint.
    """
    problems: list[FieldError] = []
    where = {agent_id: f"/mentions/{place}" for place, agent_id in enumerate(ids)}
    for agent_id, pointer in _called(uow, text, where, problems).items():
        where.setdefault(agent_id, pointer)
    if len(where) > MAX_MENTIONS:
        problems.append(FieldError.at("/body", "too_many", f"At most {MAX_MENTIONS} agents can be mentioned at once."))
    known = {actor.id: actor for actor in active_actors(uow.session, where)}
    for agent_id, pointer in where.items():
        actor = known.get(agent_id)
        if actor is None:
            problems.append(FieldError.at(pointer, "unknown", f"There is no active agent {agent_id}."))
        elif not queries.sees(actor, complaint):
            problems.append(FieldError.at(pointer, "cannot_see", f"{actor.name} may not see this complaint."))
    if problems:
        raise ValidationFailed(errors=problems)
    return list(where)


def _called(uow: UnitOfWork, text: str, given: dict[UUID, str], problems: list[FieldError]) -> dict[UUID, str]:
    """Agents called by a handle in the text, which stands in `/body`."""
    handles = {found.rstrip(".-+").lower() for found in _HANDLE.findall(text)}
    if not handles:
        return {}
    by_handle: dict[str, list[Any]] = {}
    for row in agents_by_handle(uow.session, handles):
        for handle in handles & _handles_of(row):
            by_handle.setdefault(handle, []).append(row)
    called = {}
    for handle, rows in sorted(by_handle.items()):
        if len(rows) == 1:
            called[rows[0].id] = "/body"
        elif not any(row.id in given for row in rows):
            who = ", ".join(f"{row.name} ({row.email})" for row in rows[:5])
            text = f"@{handle} could be {who}: write the whole address, or name one in `mentions`."
            problems.append(FieldError.at("/body", "ambiguous", text))
    return called


def _handles_of(row: Any) -> set[str]:
    email = row.email.lower()
    return {email, email.partition("@")[0], row.name.lower().replace(" ", ".")}
