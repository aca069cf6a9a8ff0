"""Reference and secret go in a body, the session in a header: addresses stand in the logs of everything on the way."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    following_on,
    form_queries,
    models,
    queries,
    tracking,
    tracking_queries,
    tracking_schemas,
    tracking_session,
)
from helpdesk.complaints.action_schemas import ReasonIn
from helpdesk.complaints.attachment_api import is_scanned
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.errors import SurvivorElsewhere
from helpdesk.complaints.phrases import LANGUAGES, first_of
from helpdesk.complaints.tracking_errors import ReopenWindowOver, StillOpen, TrackingRefused, TrackingSessionEnded
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.identity.actors import Actor
from helpdesk.kernel import cors, limiting
from helpdesk.kernel.errors import ActionNotAllowed, Forbidden, MovedMeanwhile
from helpdesk.kernel.http import Scheme, credentials, language, liked_language, web
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("tracking", __name__, description="What a complainant sees and does without an account.")


def share(blueprint: Any) -> None:
    """What is below `/public/tracking` is for pages of those sites too that have a form of ours, or the page that
    complainants are sent to.
    """
    cors.share(blueprint, _is_known, only="/api/v1/public/", asking="Authorization")


def _is_known(session: Session, origin: str) -> bool:
    page = urlsplit(web().settings.tracking_page)
    return origin == f"{page.scheme}://{page.netloc}" or form_queries.some_form_allows(session, origin)


share(blp)


@blp.write(
    "/complaints/<ref>/tracking-secret",
    operation_id="issue_tracking_secret",
    merged=True,
    summary="Give the complainant a new secret; the one before it opens nothing any more",
    description="By mail (`delivery: mail`), where there is an address and a mail server is set up; else it is shown here, "
    "once, to be told to them. That of a complaint that was merged opens the one in which it goes on: it is shown to who "
    "may see both, and mailed by anybody who may answer.",
    body=tracking_schemas.TrackingSecretIn,
    answer=tracking_schemas.TrackingSecret,
    status=201,
    permission="complaint:reply",
    load=queries.complaint_for_update,
    if_match="honoured",
    shown_once="tracking_secret",
    errors=(SurvivorElsewhere,),
)
def issue_secret(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> dict[str, Any]:
    mails = web().settings.smtp_url is not None
    return tracking.issue(uow, actor, complaint, Secrets(web().signing_key), given, mails=mails)


@blp.write(
    "/public/tracking",
    operation_id="open_tracking",
    summary="Exchange a reference and its secret for a session of half an hour",
    description="The same refusal, after the same work, for a wrong secret and for a reference that there is none of.",
    body=tracking_schemas.TrackingIn,
    answer=tracking_schemas.TrackingSession,
    public=True,
    limits=(limiting.TRACKING,),
    shown_once="token",
    errors=(TrackingRefused,),
)
def open_tracking(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    reference = parse_reference(given["reference"])
    limiting.count_extra(limiting.named(limiting.TRACKING), f"reference {reference or given['reference']}")
    opened = tracking.open_session(uow.session, given["reference"], given["secret"])
    token, ends = tracking_session.sign(web().signing_key, opened.id, opened.tracking_number, opened.seen_at)
    return {"token": token, "expires_at": ends}


def complainant(session: Session) -> Actor:
    """Whoever sends a session that still counts. Raises `TrackingSessionEnded`."""
    token = credentials("Tracking")
    opened = None if token is None else tracking_session.read(web().signing_key, token)
    actor = tracking.complainant(session, opened)
    if actor is None:
        raise TrackingSessionEnded
    return actor


BY_SESSION = Scheme("tracking", complainant, TrackingSessionEnded)
"""For everything that hangs on a complaint and is the complainant's too. The actor sees that one complaint."""


def speak(own: str | None) -> str:
    """What the caller likes best, and else the language of their complaint, of those that we have words in."""
    return language(first_of(own))


def _seen(session: Session, actor: Actor, _: object = None) -> dict[str, Any]:
    settings = web().settings
    return tracking.seen_by(
        session, actor, names=settings.tracking_names, window_days=settings.reopen_window_days, speak=speak
    )


@blp.read(
    "/public/tracking/complaint",
    operation_id="get_tracked_complaint",
    summary="How it stands, in plain words",
    answer=tracking_schemas.TrackedComplaint,
    by=BY_SESSION,
    languages=LANGUAGES,
)
def get_complaint(session: Session, actor: Actor) -> dict[str, Any]:
    return _seen(session, actor)


@blp.read(
    "/public/tracking/messages",
    operation_id="list_tracked_messages",
    summary="What was said between the complainant and us, oldest first",
    answer=tracking_schemas.TrackedMessage,
    query=PageQuery,
    by=BY_SESSION,
    languages=LANGUAGES,
    paged=True,
)
def list_messages(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    rows, cursor, total = tracking_queries.thread(session, actor, page, given)
    names, wished = web().settings.tracking_names, liked_language(LANGUAGES)
    references = tracking.references(session, actor)
    return [tracking.shown_entry(row, names, wished, references) for row in rows], cursor, total


def _entry(session: Session, actor: Actor, message_id: UUID) -> dict[str, Any]:
    row = tracking_queries.entry(session, actor, message_id)
    references = tracking.references(session, actor)
    return tracking.shown_entry(row, web().settings.tracking_names, liked_language(LANGUAGES), references)


@blp.write(
    "/public/tracking/messages",
    operation_id="add_tracked_message",
    summary="Write to us; it ends the waiting for the complainant",
    body=tracking_schemas.TrackedMessageIn,
    answer=tracking_schemas.TrackedMessage,
    status=201,
    by=BY_SESSION,
    load=tracking.thread_of_theirs,
    show=_entry,
    errors=(MovedMeanwhile,),
)
def add_message(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return tracking.write(uow, actor, complaint, given, scanned=is_scanned())


def _possible(action: str) -> Any:
    def check(session: Session, actor: Actor, complaint: models.Complaint) -> None:
        acts.check(session, actor, complaint, action)
        if action == "reopen":
            tracking.check_window(session, actor, complaint, web().settings.reopen_window_days)

    return check


@blp.write(
    "/public/tracking/withdraw",
    operation_id="withdraw_tracked_complaint",
    summary="Withdraw it",
    body=tracking_schemas.TrackedWithdrawIn,
    answer=tracking_schemas.TrackedComplaint,
    by=BY_SESSION,
    load=tracking.theirs,
    check=_possible("withdraw"),
    show=_seen,
    errors=(ActionNotAllowed, MovedMeanwhile),
)
def withdraw(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> None:
    tracking.withdraw(uow, actor, complaint, given)


@blp.write(
    "/public/tracking/reopen",
    operation_id="reopen_tracked_complaint",
    summary="Ask for it to be taken up again, within the window",
    description="After the window (`HELPDESK_REOPEN_WINDOW_DAYS`) a new complaint, linked to this one, is suggested.",
    body=ReasonIn,
    answer=tracking_schemas.TrackedComplaint,
    by=BY_SESSION,
    load=tracking.theirs,
    check=_possible("reopen"),
    show=_seen,
    errors=(ActionNotAllowed, ReopenWindowOver, MovedMeanwhile),
)
def reopen(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> None:
    acts.carry_out(uow, actor, complaint, "reopen", given)


@blp.write(
    "/public/tracking/complaints",
    operation_id="submit_related_complaint",
    summary="Complain again, once the one before is closed; the two are linked",
    description="As the same person. For when it is too late to reopen it; what is still open takes a message instead.",
    body=tracking_schemas.RelatedComplaintIn,
    answer=tracking_schemas.Receipt,
    status=201,
    by=BY_SESSION,
    limits=(limiting.INTAKE,),
    load=tracking.theirs,
    check=following_on.check_closed,
    shown_once="tracking_secret",
    errors=(StillOpen, Forbidden, MovedMeanwhile),
)
def complain_again(
    uow: UnitOfWork, _actor: Actor, complaint: models.Complaint, given: dict[str, Any]
) -> dict[str, Any]:
    return following_on.hand_in(uow, complaint, given, Secrets(web().signing_key))
