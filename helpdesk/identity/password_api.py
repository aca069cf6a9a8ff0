"""Passwords: set by a link, changed by who knows the old one. No trace of a body is kept for an `Idempotency-Key`."""

from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity import (
    password_service,
    queries,
    session_errors,
    session_schemas,
)
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.identity.session_api import OWN, cookie_of_session, door, where
from helpdesk.identity.session_errors import TooManyAttempts
from helpdesk.kernel.errors import Gone, NotFound
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("passwords", __name__, description="Passwords: invitations, resets, changes.")


@blp.write(
    "/public/password-resets",
    operation_id="request_password_reset",
    summary="Ask for a link to set a new password",
    body=session_schemas.PasswordResetIn,
    answer=session_schemas.Accepted,
    status=202,
    public=True,
    errors=(TooManyAttempts,),
    description="The answer is always the same. A link is mailed, for an hour and for once, if an active agent who has a "
    "password has this address.",
)
def request_password_reset(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    password_service.ask_for_reset(uow, door(), given["email"], where())
    return {"detail": "If an account has this address, a link is on its way to it."}


@blp.read(
    "/public/password-resets/<reset_token>",
    operation_id="get_password_reset",
    summary="Whose password a link sets, and until when",
    answer=session_schemas.PasswordLink,
    public=True,
    errors=(Gone,),
)
def get_password_reset(session: Session, _actor: Actor, reset_token: str) -> Any:
    return password_service.link_of(session, web().signing_key, reset_token)


def _prepare_reset(_actor: Actor, given: dict[str, Any], reset_token: str) -> password_service.NewPassword:
    return password_service.prepare_by_link(door(), reset_token, given["password"])


@blp.write(
    "/public/password-resets/<reset_token>",
    operation_id="reset_password",
    summary="Set a password with the link of an invitation or a reset",
    body=session_schemas.PasswordByLink,
    answer=session_schemas.PasswordWritten,
    public=True,
    idempotency_key="none",
    first=_prepare_reset,
    errors=(NotFound, Gone, session_errors.NotActive),
    description="The link counts once. Every session of the agent is ended, and failed attempts are forgiven.",
)
def reset_password(uow: UnitOfWork, _actor: Actor, new: password_service.NewPassword) -> dict[str, Any]:
    return password_service.set_by_link(uow, door(), new, where())


@blp.write(
    "/agents/<uuid:agent_id>/invitation",
    operation_id="invite_agent",
    summary="Mail an agent the link to a first password",
    answer=session_schemas.Invitation,
    status=202,
    permission="agent:manage",
    load=queries.agent_for_update,
    if_match="honoured",
    errors=(session_errors.NotActive, session_errors.HasPassword),
)
def invite_agent(uow: UnitOfWork, _actor: Actor, agent: Agent) -> dict[str, Any]:
    return password_service.invite(uow, agent, web().signing_key, web().base_url)


def _prepare_change(actor: Actor, given: dict[str, Any]) -> password_service.NewPassword:
    return password_service.prepare_change(door(), actor, where(), given["current_password"], given["new_password"])


@blp.write(
    "/me/password",
    operation_id="change_password",
    summary="Change one's password",
    method="PUT",
    body=session_schemas.PasswordChange,
    answer=session_schemas.RenewedSession,
    first=_prepare_change,
    headers=cookie_of_session,
    errors=OWN,
    description="All other sessions are ended, and the session of this request gets another token.",
)
def change_password(uow: UnitOfWork, actor: Actor, new: password_service.NewPassword) -> dict[str, Any]:
    return password_service.change(uow, actor, new)
