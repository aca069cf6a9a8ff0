"""Telling agents what happened: once per event and agent, as rows, written in the same transaction as the event.

Nobody is told what they did themselves, nor of a complaint that they may not see; a list asks again when it is read, and
a mail again when it is sent, since teams change in between.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

from helpdesk.complaints import notification_queries, queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notification_models import APART, Notification, NotificationPreference
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel import outbox
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.events import Event, Principal
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

TOPIC: Final = "notification.mail"

_SAID: Final = {
    "inbound_message": "The complainant has written.",
    "assigned": "The complaint was assigned to you.",
    "mentioned": "You are mentioned in a note.",
    "status_changed": "The complaint that you watch has moved on.",
    "sla_warned": "The time of a promise comes to its end.",
    "sla_breached": "A promise about time was broken.",
    "sla_overdue": "A promise about time was broken, and is not kept yet.",
    "trigger_fired": "A trigger has a word for you about it.",
    "trigger_paused": "A trigger failed again and again, the last time on this complaint, and was paused.",
    "mail_failed": "A mail to the complainant does not arrive.",
    "approval_overdue": "An offer on it waits for approval longer than it should.",
    "budget_alert": "Much of a budget is used.",
    "offer_countered": "The complainant asks for something else instead of an offer.",
    "offer_undelivered": "The complainant says that a remedy did not come.",
    "issuance_contradicted": "A provider says something else of the issuance of a remedy than what is recorded.",
    "owed_not_offered": "What is owed by a law or tariff is not offered any more, while goodwill stands.",
}


_WHY_MAILED: Final = {
    False: "You chose to be mailed about this (PUT /notifications/preferences).",
    True: "The ladder of the promise has you mailed; to be told nothing of the kind, mute it (PUT /notifications/preferences).",
}


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell, and to whom: `also`, and who watches the complaint if `to_watchers`."""

    kind: str
    also: Collection[UUID]
    to_watchers: bool = False
    message_id: UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def tell(uow: UnitOfWork, complaint: Complaint, event: Event, news: News) -> None:
    """The complaint is the locked row, as the event left it."""
    _tell(uow, event, news, complaint.id, lambda actor: queries.sees(actor, complaint))


def tell_apart(uow: UnitOfWork, event: Event, news: News) -> None:
    """Of what is about no complaint, whoever is named and may read such (`APART`)."""
    permission = APART[news.kind]
    _tell(uow, event, news, None, lambda actor: actor.may(permission))


def _tell(
    uow: UnitOfWork, event: Event, news: News, complaint_id: UUID | None, may_know: Callable[[Actor], bool]
) -> None:
    recorded = uow.recorded(event)
    listeners = notification_queries.listeners(
        uow.session,
        complaint_id if news.to_watchers else None,
        [one for one in news.also if not _did(recorded.actor, one)],
    )
    wanted = {
        one.agent_id: news.kind in one.mail
        for one in listeners
        if news.kind not in one.muted and not _did(recorded.actor, one.agent_id)
    }
    for actor in active_actors(uow.session, wanted):
        if actor.id is None or not may_know(actor):
            continue
        notification_id = new_id()
        row = {
            "id": notification_id,
            "agent_id": actor.id,
            "complaint_id": complaint_id,
            "event_id": recorded.id,
            "kind": news.kind,
            "message_id": news.message_id,
            "actor_kind": recorded.actor.kind,
            "actor_id": recorded.actor.id,
            "detail": news.detail,
            "created_at": uow.now,
        }
        uow.add_rows(Notification, [row])
        if wanted[actor.id]:
            uow.duty(TOPIC, notification_id)


def _did(doer: Principal, agent_id: UUID) -> bool:
    return doer.kind == "agent" and doer.id == agent_id


class Tools(Protocol):
    @property
    def database(self) -> Database: ...


def mail_notification(tools: Tools, duty_id: UUID, notification_id: UUID) -> None:
    """The handler of `TOPIC`: decide whether it is still to be mailed, and owe that mail, in one transaction."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        if not outbox.settle(uow.session, duty_id):
            return
        found = notification_queries.to_be_mailed(uow.session, notification_id)
        if found is not None:
            _mail(uow, *found)


def _mail(uow: UnitOfWork, notification: Notification, complaint: Complaint | None, address: str) -> None:
    actors = active_actors(uow.session, [notification.agent_id])
    if not actors or not _may_know_still(actors[0], notification, complaint):
        return
    about = "" if complaint is None else f"Complaint: {complaint.reference}\n\n"
    words = notification.kind.replace("_", " ")
    queue_mail(
        uow,
        subject_id=notification.id if complaint is None else complaint.id,
        reason="notification",
        recipient=address,
        subject=words.capitalize() if complaint is None else f"Complaint {complaint.reference}: {words}",
        body=f"{_SAID[notification.kind]}\n\n{_more(notification)}{about}{_WHY_MAILED[bool(notification.detail.get('mail'))]}\n",
    )


def _may_know_still(actor: Actor, notification: Notification, complaint: Complaint | None) -> bool:
    if complaint is None:
        return actor.may(APART[notification.kind])
    return queries.sees(actor, complaint)


def _more(notification: Notification) -> str:
    """Of a promise: which, when it is due, and how late the alarm was; of a budget, how much is used. Nothing that a person
    wrote about the complaint.
    """
    telling = notification.kind.startswith("sla_") or notification.kind in APART
    text = notification.detail.get("text") if telling else None
    return f"{text}\n\n" if text else ""


def mark_read(uow: UnitOfWork, notification: Notification) -> UUID:
    """Reading twice is reading once."""
    if notification.read_at is None:
        notification.read_at = uow.now
    return notification.id


def mark_all_read(uow: UnitOfWork, actor: Actor, up_to: UUID | None) -> dict[str, int]:
    return {"marked": notification_queries.mark_all_read(uow.session, actor, up_to)}


def listener_id(actor: Actor) -> UUID:
    """Raises `Forbidden` for a caller whom nothing is told: only agents listen."""
    if actor.kind != "agent" or actor.id is None:
        raise Forbidden("Only agents are notified.")
    return actor.id


def prefer(uow: UnitOfWork, row: NotificationPreference, given: dict[str, Any]) -> NotificationPreference:
    """`row`: as by `notification_queries.preferences_for_update`; `given`: mail and muted, lists of kinds, both whole."""
    wanted = {name: sorted(set(given[name])) for name in ("mail", "muted")}
    if row.version == 0 or any(getattr(row, name) != value for name, value in wanted.items()):
        row.mail, row.muted = wanted["mail"], wanted["muted"]
        row.touch()
        uow.session.add(row)
    return row
