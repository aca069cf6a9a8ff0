"""Signing in, and one's sessions. Bodies hold passwords and codes, so no trace of them is kept for an `Idempotency-Key`."""

from collections.abc import Mapping
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from helpdesk.identity import (
    factor_service,
    password_service,
    session_errors,
    session_queries,
    session_schemas,
    session_service,
    signing_in,
)
from helpdesk.identity.actors import Actor
from helpdesk.identity.authentication import session_rules
from helpdesk.identity.door import Door, Where
from helpdesk.identity.session_errors import NoPassword, NoSession, PasswordRefused, TooManyAttempts
from helpdesk.identity.session_models import AgentSession
from helpdesk.identity.signing_in import Proof
from helpdesk.kernel.errors import SecondFactorRequired
from helpdesk.kernel.http import Blueprint, request_id, user_agent, web
from helpdesk.kernel.limiting import client_address
from helpdesk.kernel.openapi import SESSION_COOKIE
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("sessions", __name__, description="Signing in, and who is signed in where.")

OWN: Final = (NoPassword, PasswordRefused, TooManyAttempts)
"""Of what asks for one's own password."""


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


def cookie_of_session(shown: Mapping[str, Any]) -> dict[str, str]:
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
