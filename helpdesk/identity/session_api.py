"""Signing in, and what one does with one's own account. Bodies hold passwords and codes, so no trace of them is kept for
an `Idempotency-Key`.
"""

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import (
    factor_service,
    password_service,
    queries,
    session_errors,
    session_queries,
    session_schemas,
    session_service,
    signing_in,
)
from helpdesk.identity.actors import Actor
from helpdesk.identity.authentication import session_rules
from helpdesk.identity.door import Door, Where
from helpdesk.identity.errors import BeyondOwnRights
from helpdesk.identity.models import Agent
from helpdesk.identity.session_errors import NoPassword, NoSession, PasswordRefused, TooManyAttempts
from helpdesk.identity.session_models import AgentSession
from helpdesk.identity.signing_in import Proof
from helpdesk.kernel.errors import Gone, NotFound, SecondFactorRequired
from helpdesk.kernel.http import Blueprint, request_id, user_agent, web
from helpdesk.kernel.limiting import client_address
from helpdesk.kernel.openapi import SESSION_COOKIE
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("sessions", __name__, description="Signing in: sessions, passwords and the second factor.")

_OWN: Final = (NoPassword, PasswordRefused, TooManyAttempts)


def door() -> Door:
    held = web()
    return Door(held.database, held.signing_key, held.base_url, session_rules())


def where() -> Where:
    return Where(client_address(), user_agent(), request_id())


def cookie(shown: Mapping[str, Any]) -> dict[str, str]:
    """`__Host-`: of this host alone, over TLS, for every path, and not for scripts."""
    if not shown.get("in_cookie"):
        return {}
    return {"Set-Cookie": f"{SESSION_COOKIE}={shown['secret']}; Path=/; Secure; HttpOnly; SameSite=Lax"}


def _cookie_of_session(shown: Mapping[str, Any]) -> dict[str, str]:
    return cookie(shown["session"]) if shown["session"] is not None else {}


def _no_cookie(_shown: object) -> dict[str, str]:
    return {"Set-Cookie": f"{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"}


def _prove(_actor: Actor, given: dict[str, Any]) -> Proof:
    return signing_in.prove(door(), given, where())


@blp.write(
    "/public/sessions",
    operation_id="sign_in",
    summary="Sign in with a password",
    body=session_schemas.SignIn,
    answer=session_schemas.NewSession,
    status=201,
    public=True,
    location=lambda _: "/api/v1/session",
    idempotency_key="none",
    first=_prove,
    headers=cookie,
    errors=(session_errors.SignInFailed, TooManyAttempts, SecondFactorRequired),
    description="The answer is the same for an address that nobody has, a wrong password and an agent who left. Failures "
    "are counted by account and by address, and make the next attempt wait.",
)
def sign_in(uow: UnitOfWork, _actor: Actor, proof: Proof) -> dict[str, Any]:
    return signing_in.conclude(uow, door(), proof)


@blp.read(
    "/sessions",
    operation_id="list_sessions",
    summary="One's own sessions, or everybody's with `session:manage`",
    answer=session_schemas.OneSession,
    query=session_schemas.SessionQuery,
    paged=True,
)
def list_sessions(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return session_queries.list_sessions(session, actor, page, given)


@blp.write(
    "/sessions/<uuid:session_id>",
    operation_id="end_session",
    summary="End a session at once",
    method="DELETE",
    answer=None,
    status=204,
    load=session_queries.session_for_update,
)
def end_session(uow: UnitOfWork, _actor: Actor, row: AgentSession) -> None:
    session_service.end(uow, row, "revoked")


@blp.write(
    "/sessions",
    operation_id="end_other_sessions",
    summary="End all of one's sessions but the one that asks",
    method="DELETE",
    answer=session_schemas.EndedSessions,
)
def end_other_sessions(uow: UnitOfWork, actor: Actor) -> dict[str, Any]:
    agent_id = password_service.agent_of(actor)
    return {"ended": session_service.end_all(uow, agent_id, "revoked", but=actor.session_id)}


@blp.read(
    "/session",
    operation_id="get_session",
    summary="The session of this request",
    answer=session_schemas.SignedIn,
    enrolling=True,
    errors=(NoSession,),
)
def get_session(session: Session, actor: Actor) -> dict[str, Any]:
    row = session_queries.own_session(session, actor)
    if row is None:
        raise NoSession
    return session_service.shown(row, None)


@blp.write(
    "/session/sign-out",
    operation_id="sign_out",
    summary="End the session of this request",
    answer=session_schemas.EndedSessions,
    enrolling=True,
    headers=_no_cookie,
    errors=(NoSession,),
)
def sign_out(uow: UnitOfWork, actor: Actor) -> dict[str, Any]:
    if actor.session_id is None:
        raise NoSession
    session_service.end(uow, session_queries.session_for_update(uow.session, actor, actor.session_id), "signed_out")
    return {"ended": 1}


def _prove_second_factor(actor: Actor, given: dict[str, Any]) -> None:
    if actor.session_id is None:
        raise NoSession
    agent_id = password_service.agent_of(actor)
    factor_service.prove_enabled(door(), actor, agent_id, given["code"], where())


@blp.write(
    "/session/second-factor",
    operation_id="prove_second_factor",
    summary="Prove the second factor in the session of this request",
    body=session_schemas.Code,
    answer=session_schemas.SignedIn,
    idempotency_key="none",
    first=_prove_second_factor,
    enrolling=True,
    headers=cookie,
    errors=(NoSession, NoPassword, session_errors.SecondFactorMissing, session_errors.CodeRefused, TooManyAttempts),
    description="The session gets another token; the one before does not count any more.",
)
def prove_second_factor(uow: UnitOfWork, actor: Actor, _proved: None) -> dict[str, Any]:
    return cast(dict[str, Any], session_service.raise_by_code(uow, actor))


# --- passwords ---


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
    headers=_cookie_of_session,
    errors=_OWN,
    description="All other sessions are ended, and the session of this request gets another token.",
)
def change_password(uow: UnitOfWork, actor: Actor, new: password_service.NewPassword) -> dict[str, Any]:
    return password_service.change(uow, actor, new)


# --- the second factor ---


@blp.read(
    "/me/second-factor",
    operation_id="get_second_factor",
    summary="Whether one has a second factor",
    answer=session_schemas.SecondFactorState,
    enrolling=True,
    errors=(NoPassword,),
)
def get_second_factor(session: Session, actor: Actor) -> dict[str, Any]:
    return _show_state(session, actor, password_service.agent_of(actor))


def _show_state(session: Session, _actor: Actor, agent_id: UUID) -> dict[str, Any]:
    state = session_queries.second_factor_state(session, agent_id)
    return {**state, "required": state["required"] or session_rules().second_factor_required}


def _prove_password(actor: Actor, given: dict[str, Any]) -> UUID:
    password_service.prove_own(door(), actor, where(), given.get("password"))
    return password_service.agent_of(actor)


@blp.write(
    "/me/second-factor",
    operation_id="enrol_second_factor",
    summary="Begin with a second factor: the seed for an app",
    body=session_schemas.OwnPassword,
    answer=session_schemas.Enrolment,
    status=201,
    location=lambda _: "/api/v1/me/second-factor",
    idempotency_key="none",
    first=_prove_password,
    enrolling=True,
    errors=(*_OWN, session_errors.SecondFactorEnabled),
    description="The seed is shown this once. It is asked for after `POST /me/second-factor/confirm` with its first code.",
)
def enrol_second_factor(uow: UnitOfWork, _actor: Actor, agent_id: UUID) -> dict[str, Any]:
    return factor_service.enrol(uow, door(), agent_id)


@blp.write(
    "/me/second-factor/confirm",
    operation_id="confirm_second_factor",
    summary="Enable the second factor with its first code",
    body=session_schemas.Code,
    answer=session_schemas.EnabledSecondFactor,
    idempotency_key="none",
    enrolling=True,
    headers=_cookie_of_session,
    errors=(
        NoPassword,
        session_errors.SecondFactorMissing,
        session_errors.SecondFactorEnabled,
        session_errors.CodeRefused,
    ),
    description="The session of this request gets another token; all others have to prove the second factor.",
)
def confirm_second_factor(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return factor_service.confirm(uow, door(), actor, password_service.agent_of(actor), given["code"])


def _prove_both(actor: Actor, given: dict[str, Any]) -> UUID:
    agent_id = _prove_password(actor, given)
    factor_service.prove_enabled(door(), actor, agent_id, given["code"], where())
    return agent_id


@blp.write(
    "/me/second-factor/recovery-codes",
    operation_id="renew_recovery_codes",
    summary="Make new recovery codes; the old ones stop to count",
    body=session_schemas.PasswordAndCode,
    answer=session_schemas.RecoveryCodes,
    idempotency_key="none",
    first=_prove_both,
    errors=(*_OWN, session_errors.SecondFactorMissing, session_errors.CodeRefused),
)
def renew_recovery_codes(uow: UnitOfWork, _actor: Actor, agent_id: UUID) -> dict[str, Any]:
    return factor_service.renew_codes(uow, agent_id)


@blp.write(
    "/me/second-factor/disable",
    operation_id="disable_second_factor",
    summary="Disable one's second factor",
    body=session_schemas.PasswordAndCode,
    answer=session_schemas.SecondFactorState,
    idempotency_key="none",
    first=_prove_both,
    show=_show_state,
    errors=(*_OWN, session_errors.SecondFactorMissing, session_errors.CodeRefused),
)
def disable_second_factor(uow: UnitOfWork, _actor: Actor, agent_id: UUID) -> UUID:
    factor_service.disable(uow, agent_id)
    return agent_id


@blp.write(
    "/agents/<uuid:agent_id>/second-factor/remove",
    operation_id="remove_second_factor",
    summary="Take an agent's second factor away, for one who lost it",
    answer=session_schemas.SecondFactorState,
    permission="agent:manage",
    load=queries.agent_for_update,
    if_match="honoured",
    show=_show_state,
    errors=(session_errors.SecondFactorMissing, BeyondOwnRights),
)
def remove_second_factor(uow: UnitOfWork, actor: Actor, agent: Agent) -> UUID:
    return factor_service.remove(uow, actor, agent)


__all__ = ["blp", "cookie", "door", "where"]
