"""Who is looking at a complaint, and who is writing. Only whoever may see the complaint learns it, and of others only
whoever may see agents. Nothing is written to the database, and no answer of another route depends on it. Redis is asked
while no transaction is open.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import presence_queries, queries
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.presence_schemas import Presence, PresenceIn
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.http import web
from helpdesk.kernel.presence import LASTS, Seen
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("presence", __name__, description="Who is at work on a complaint at this moment.")

_SAID: Final = (
    f"Repeat it every half minute for as long as it holds: it is forgotten {LASTS} seconds after it was last said. Answers "
    "with everybody who is there. `available` is false while that cannot be told (there is no Redis, or it does not "
    "answer); everything else goes on."
)


def _shown(session: Session, actor: Actor, found: Sequence[Seen] | None) -> dict[str, Any]:
    if found is None:
        return {"available": False, "present": []}
    seen = [item for item in found if item.who == actor.id or actor.may("agent:read")]
    names = presence_queries.names(session, [item.who for item in seen])
    present = [
        {"agent_id": item.who, "name": names[item.who], "state": item.state, "since": item.since, "until": item.until}
        for item in seen
        if item.who in names
    ]
    return {"available": True, "present": present}


def _find(session: Session, actor: Actor, ref: str) -> UUID:
    """The complaint, not locked: a heartbeat waits for nobody."""
    return queries.visible_id(session, actor, ref)


def _own(actor: Actor) -> UUID:
    if actor.kind != "agent" or actor.id is None:
        raise Forbidden("Only an agent is present; a program is not.")
    return actor.id


def _note(actor: Actor, given: dict[str, Any], row: UUID) -> Sequence[Seen] | None:
    return web().presence.note(row, _own(actor), given["state"])


def _leave(actor: Actor, row: UUID) -> Sequence[Seen] | None:
    return web().presence.leave(row, _own(actor))


@blp.read(
    "/complaints/<ref>/presence",
    operation_id="get_complaint_presence",
    summary="Who is looking at it, and who is writing",
    answer=Presence,
    permission="complaint:read",
)
def get_presence(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    return _shown(session, actor, web().presence.of(queries.visible_id(session, actor, ref)))


@blp.write(
    "/complaints/<ref>/presence",
    operation_id="note_complaint_presence",
    merged=True,
    summary="Say that one is looking at it, or writing",
    description=_SAID,
    method="PUT",
    body=PresenceIn,
    answer=Presence,
    permission="complaint:read",
    load=_find,
    first=_note,
    show=_shown,
)
def note_presence(_uow: UnitOfWork, _actor: Actor, found: Sequence[Seen] | None) -> Sequence[Seen] | None:
    return found


@blp.write(
    "/complaints/<ref>/presence",
    operation_id="end_complaint_presence",
    merged=True,
    summary="Say that one has left it",
    method="DELETE",
    answer=Presence,
    permission="complaint:read",
    load=_find,
    first=_leave,
    show=_shown,
)
def end_presence(_uow: UnitOfWork, _actor: Actor, found: Sequence[Seen] | None) -> Sequence[Seen] | None:
    return found
