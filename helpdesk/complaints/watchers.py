"""Who wants to hear of a complaint without having it."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import notification_queries, queries
from helpdesk.complaints.errors import CannotSee, TooManyWatchers
from helpdesk.complaints.events import WatcherAdded, WatcherRemoved
from helpdesk.complaints.notification_models import Watcher
from helpdesk.complaints.queries import Part
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.unit_of_work import UnitOfWork

MAX_WATCHERS: Final = 100


def check(_session: Session, actor: Actor, part: Part[UUID]) -> None:
    """Oneself with the right to read; others with the right to assign."""
    if not (actor.kind == "agent" and actor.id == part.row):
        require(actor, "complaint:assign")


def check_merged(session: Session, actor: Actor, part: Part[UUID]) -> None:
    """One that was merged is watched by who wants to. Raises `ComplaintMerged` for others."""
    if not (actor.kind == "agent" and actor.id == part.row):
        queries.refuse_merged(session, actor, part.complaint)


def watch(uow: UnitOfWork, actor: Actor, part: Part[UUID]) -> dict[str, Any]:
    """Doing it twice is doing it once. Raises `NotFound` for an agent who is not there or not active, `CannotSee` for one
    who could not read what they would be told of.
    """
    complaint, agent_id = part.complaint, part.row
    known = notification_queries.watcher(uow.session, complaint.id, agent_id)
    if known is not None:
        return known
    watching = active_actors(uow.session, [agent_id])
    if not watching:
        raise NotFound("There is no such active agent.")
    if not queries.sees(watching[0], complaint):
        raise CannotSee(f"{watching[0].name} may not see this complaint.", agent_id=agent_id)
    if notification_queries.count_watchers(uow.session, complaint.id) >= MAX_WATCHERS:
        raise TooManyWatchers
    uow.session.add(Watcher(complaint_id=complaint.id, agent_id=agent_id, added_by=actor.id, created_at=uow.now))
    uow.record(
        WatcherAdded(complaint_id=complaint.id, reference=complaint.reference, agent_id=agent_id), stream=complaint
    )
    return {"agent_id": agent_id, "name": watching[0].name, "added_by": actor.id, "created_at": uow.now}


def unwatch(uow: UnitOfWork, part: Part[UUID]) -> None:
    """Raises `NotFound` for who does not watch it."""
    complaint, agent_id = part.complaint, part.row
    watcher = uow.session.get(Watcher, (complaint.id, agent_id))
    if watcher is None:
        raise NotFound
    uow.session.delete(watcher)
    uow.record(
        WatcherRemoved(complaint_id=complaint.id, reference=complaint.reference, agent_id=agent_id), stream=complaint
    )
