"""The second factor: enrolled, confirmed, given up, taken away. No trace of a body is kept for an `Idempotency-Key`."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import (
    factor_service,
    password_service,
    queries,
    session_errors,
    session_queries,
    session_schemas,
)
from helpdesk.identity.actors import Actor
from helpdesk.identity.authentication import session_rules
from helpdesk.identity.errors import BeyondOwnRights
from helpdesk.identity.models import Agent
from helpdesk.identity.session_api import OWN, cookie_of_session, door, where
from helpdesk.identity.session_errors import NoPassword
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("second factor", __name__, description="The second factor, and its recovery codes.")


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
    errors=(*OWN, session_errors.SecondFactorEnabled),
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
    headers=cookie_of_session,
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
    errors=(*OWN, session_errors.SecondFactorMissing, session_errors.CodeRefused),
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
    errors=(*OWN, session_errors.SecondFactorMissing, session_errors.CodeRefused),
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
