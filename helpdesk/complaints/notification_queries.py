"""Every select on watchers, notifications and what agents wish to be told."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, Uuid, bindparam, func, select, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notification_models import APART, Notification, NotificationPreference, Watcher
from helpdesk.complaints.queries import Part, complaint_for_update, visible_id, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.forgetting import forget
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

KEPT: Final = timedelta(days=90)
MOST_COUNTED: Final = 1000

_WATCHING: Final[AnySelect] = select(Watcher.agent_id, Agent.name, Watcher.added_by, Watcher.created_at).join(
    Agent, Agent.id == Watcher.agent_id
)
_BY_AGENT: Final = Order((Watcher.agent_id,), (UUID,))


def list_watchers(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    statement = _WATCHING.where(Watcher.complaint_id == visible_id(session, actor, ref))
    return listed(session, page, statement, _BY_AGENT, given)


def watching_for_update(session: Session, actor: Actor, ref: str, agent_id: UUID) -> Part[UUID]:
    """The complaint, locked, and whose watching of it is to be changed: they need not watch it."""
    return Part(complaint_for_update(session, actor, ref), agent_id)


def watcher(session: Session, complaint_id: UUID, agent_id: UUID) -> dict[str, Any] | None:
    found = _WATCHING.where(Watcher.complaint_id == complaint_id, Watcher.agent_id == agent_id)
    row = session.execute(found).mappings().one_or_none()
    return None if row is None else dict(row)


def count_watchers(session: Session, complaint_id: UUID) -> int:
    counted = select(func.count()).select_from(Watcher).where(Watcher.complaint_id == complaint_id)
    return session.execute(counted).scalar_one()


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who may be told, and how."""

    agent_id: UUID
    mail: Collection[str]
    muted: Collection[str]


_PREFERRED: Final = select(NotificationPreference.mail, NotificationPreference.muted, NotificationPreference.version)
_ALSO: Final = func.unnest(bindparam("also", type_=ARRAY(Uuid()))).column_valued("agent_id")
_HEARING: Final = union_all(
    select(Watcher.agent_id).where(Watcher.complaint_id == bindparam("complaint_id")), select(_ALSO)
)
_LISTENERS: Final = (
    select(Agent.id, NotificationPreference.mail, NotificationPreference.muted)
    .outerjoin(NotificationPreference, NotificationPreference.agent_id == Agent.id)
    .where(Agent.id.in_(_HEARING), Agent.active)
)
"""One list of who hears of it: of two, joined by OR, PostgreSQL would make a walk through all agents."""


def listeners(session: Session, complaint_id: UUID | None, also: Collection[UUID]) -> list[Listener]:
    """The watchers of a complaint (None: of none), and some others."""
    rows = session.execute(_LISTENERS, {"complaint_id": complaint_id, "also": list(also)})
    return [Listener(row.id, row.mail or (), row.muted or ()) for row in rows]


def preferences(session: Session, agent_id: UUID) -> Mapping[str, Any]:
    row = session.execute(_PREFERRED.where(NotificationPreference.agent_id == agent_id)).mappings().one_or_none()
    return {"mail": [], "muted": [], "version": 0} if row is None else dict(row)


def preferences_for_update(session: Session, agent_id: UUID) -> NotificationPreference:
    """The agent is locked, so that of two that find none the second sees what the first has written."""
    session.execute(select(Agent.id).where(Agent.id == agent_id).with_for_update(key_share=True)).one()
    found = session.get(NotificationPreference, agent_id)
    return found or NotificationPreference(agent_id=agent_id, mail=[], muted=[], version=0)


_SHOWN: Final = (
    Notification.id,
    Notification.kind,
    Notification.complaint_id,
    Complaint.reference,
    Complaint.subject,
    Notification.message_id,
    Notification.actor_kind,
    Notification.actor_id,
    Notification.detail,
    Notification.created_at,
    Notification.read_at,
)
_NEWEST_FIRST: Final = Order((Notification.id,), (UUID,), descending=True)


def _of(actor: Actor) -> ColumnElement[bool]:
    """One's own, of complaints that one may still see, and of no complaint, as far as one may still read such. Complaints are
    joined from outside.
    """
    about = Notification.complaint_id.is_not(None) & visible_to(actor)
    apart = [kind for kind, permission in APART.items() if actor.may(permission)]
    if apart:
        about = about | (Notification.complaint_id.is_(None) & Notification.kind.in_(apart))
    return (Notification.agent_id == actor.id) & about


def list_notifications(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    statement: AnySelect = (
        select(*_SHOWN).outerjoin(Complaint, Complaint.id == Notification.complaint_id).where(_of(actor))
    )
    if "unread" in given:
        unread = Notification.read_at.is_(None)
        statement = statement.where(unread if given["unread"] else ~unread)
    if "kind" in given:
        statement = statement.where(Notification.kind == given["kind"])
    return listed(session, page, statement, _NEWEST_FIRST, given)


def notification(session: Session, actor: Actor, notification_id: UUID) -> Mapping[str, Any]:
    found = select(*_SHOWN).outerjoin(Complaint, Complaint.id == Notification.complaint_id)
    row = session.execute(found.where(Notification.id == notification_id, _of(actor))).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


def count_unread(session: Session, actor: Actor) -> dict[str, Any]:
    """Exact up to `MOST_COUNTED`."""
    some = (
        select(Notification.id)
        .outerjoin(Complaint, Complaint.id == Notification.complaint_id)
        .where(_of(actor), Notification.read_at.is_(None))
        .limit(MOST_COUNTED + 1)
    )
    count = session.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    return {"unread": min(count, MOST_COUNTED), "more": count > MOST_COUNTED}


def notification_for_update(session: Session, actor: Actor, notification_id: UUID) -> Notification:
    found = (
        select(Notification)
        .outerjoin(Complaint, Complaint.id == Notification.complaint_id)
        .where(Notification.id == notification_id, _of(actor))
        .with_for_update(of=Notification)
    )
    return existing(session.scalars(found).one_or_none())


def mark_all_read(session: Session, actor: Actor, up_to: UUID | None) -> int:
    """How many were unread; with `up_to`, that one and those before it."""
    unread = update(Notification).where(Notification.agent_id == actor.id, Notification.read_at.is_(None))
    if up_to is not None:
        unread = unread.where(Notification.id <= up_to)
    marked = unread.values(read_at=func.now()).returning(Notification.id)
    return len(session.execute(marked.execution_options(synchronize_session=False)).all())


def to_be_mailed(session: Session, notification_id: UUID) -> Any:
    """`(notification, complaint or None, agent's address)` while it is unread and its agent active; None otherwise."""
    found = (
        select(Notification, Complaint, Agent.email)
        .outerjoin(Complaint, Complaint.id == Notification.complaint_id)
        .join(Agent, Agent.id == Notification.agent_id)
        .where(Notification.id == notification_id, Notification.read_at.is_(None), Agent.active)
        .with_for_update(of=Notification)
    )
    return session.execute(found).one_or_none()


def forget_old(engine: Engine) -> int:
    """For the schedule: what is older than `KEPT`, read or not."""
    return forget(engine, Notification, Notification.created_at < func.now() - KEPT)
