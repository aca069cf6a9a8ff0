from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import notification_queries, notifications, watchers
from helpdesk.complaints import notification_schemas as schemas
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.errors import CannotSee, ComplaintMerged, TooManyWatchers
from helpdesk.complaints.notification_models import Notification, NotificationPreference
from helpdesk.complaints.queries import Part
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint(
    "notifications", __name__, description="Who watches what, and what agents are told: never of what they may not see."
)


@blp.read(
    "/complaints/<ref>/watchers",
    operation_id="list_complaint_watchers",
    summary="Who watches a complaint",
    answer=schemas.Watcher,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_watchers(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return notification_queries.list_watchers(session, actor, page, given, ref)


@blp.write(
    "/complaints/<ref>/watchers/<uuid:agent_id>",
    operation_id="watch_complaint",
    merged=True,
    summary="Watch a complaint, or have somebody watch it",
    description="Oneself with `complaint:read`, others with `complaint:assign`. To watch it shows nobody what they could "
    "not see anyway. Doing it twice is doing it once. One that was merged into another is watched by who wants to.",
    method="PUT",
    answer=schemas.Watcher,
    permission="complaint:read",
    load=notification_queries.watching_for_update,
    allow=watchers.check,
    check=watchers.check_merged,
    if_match="honoured",
    errors=(Forbidden, CannotSee, TooManyWatchers, ComplaintMerged),
)
def watch(uow: UnitOfWork, actor: Actor, part: Part[UUID]) -> dict[str, Any]:
    return watchers.watch(uow, actor, part)


@blp.write(
    "/complaints/<ref>/watchers/<uuid:agent_id>",
    operation_id="unwatch_complaint",
    merged=True,
    summary="Watch a complaint no more",
    method="DELETE",
    answer=None,
    status=204,
    permission="complaint:read",
    load=notification_queries.watching_for_update,
    allow=watchers.check,
    check=watchers.check_merged,
    if_match="honoured",
    errors=(Forbidden, ComplaintMerged),
)
def unwatch(uow: UnitOfWork, _actor: Actor, part: Part[UUID]) -> None:
    watchers.unwatch(uow, part)


@blp.read(
    "/notifications",
    operation_id="list_notifications",
    summary="What the caller was told, newest first",
    description="Of complaints that the caller may see now; kept for 90 days.",
    answer=schemas.Notification,
    query=schemas.NotificationQuery,
    permission="complaint:read",
    paged=True,
)
def list_notifications(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return notification_queries.list_notifications(session, actor, page, given)


@blp.read(
    "/notifications/unread",
    operation_id="get_unread_notifications",
    summary="How many notifications the caller has not read",
    answer=schemas.Unread,
    permission="complaint:read",
)
def get_unread(session: Session, actor: Actor) -> dict[str, Any]:
    return notification_queries.count_unread(session, actor)


def _show(session: Session, actor: Actor, notification_id: UUID) -> Mapping[str, Any]:
    return notification_queries.notification(session, actor, notification_id)


@blp.write(
    "/notifications/<uuid:notification_id>/read",
    operation_id="mark_notification_read",
    summary="A notification was read",
    answer=schemas.Notification,
    permission="complaint:read",
    load=notification_queries.notification_for_update,
    show=_show,
)
def mark_read(uow: UnitOfWork, _actor: Actor, notification: Notification) -> UUID:
    return notifications.mark_read(uow, notification)


@blp.write(
    "/notifications/read",
    operation_id="mark_notifications_read",
    summary="All notifications were read, or those up to one",
    body=schemas.ReadAllIn,
    answer=schemas.ReadAll,
    permission="complaint:read",
)
def mark_all_read(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, int]:
    return notifications.mark_all_read(uow, actor, given.get("up_to"))


@blp.read(
    "/notifications/preferences",
    operation_id="get_notification_preferences",
    summary="What the caller wishes to be told, and how",
    answer=schemas.Preferences,
    permission="complaint:read",
)
def get_preferences(session: Session, actor: Actor) -> Mapping[str, Any]:
    return notification_queries.preferences(session, notifications.listener_id(actor))


def _own_preferences(session: Session, actor: Actor) -> NotificationPreference:
    return notification_queries.preferences_for_update(session, notifications.listener_id(actor))


@blp.write(
    "/notifications/preferences",
    operation_id="set_notification_preferences",
    summary="Choose what to be told, and what also by mail",
    method="PUT",
    body=schemas.PreferencesIn,
    answer=schemas.Preferences,
    permission="complaint:read",
    load=_own_preferences,
    if_match="required",
    errors=(Forbidden,),
)
def set_preferences(
    uow: UnitOfWork, _actor: Actor, row: NotificationPreference, given: dict[str, Any]
) -> NotificationPreference:
    return notifications.prefer(uow, row, given)
