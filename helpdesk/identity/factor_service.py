"""The second factor: enrolled, confirmed, proved, disabled."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from helpdesk.identity import role_queries, session_queries, session_service, throttle, totp
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.door import Door, Where
from helpdesk.identity.door_mail import tell_agent
from helpdesk.identity.granting import check_rights
from helpdesk.identity.models import Agent
from helpdesk.identity.password_models import RecoveryCode, SecondFactor
from helpdesk.identity.session_errors import CodeRefused, SecondFactorEnabled, SecondFactorMissing
from helpdesk.identity.session_events import (
    RecoveryCodesMade,
    RecoveryCodeUsed,
    SecondFactorDisabled,
    SecondFactorEnrolled,
)
from helpdesk.kernel.sealing import SealBroken, seal, unseal
from helpdesk.kernel.unit_of_work import UnitOfWork

_PURPOSE = "second factor"
_ISSUER = "Helpdesk"


def enrol(uow: UnitOfWork, door: Door, agent_id: UUID) -> dict[str, Any]:
    """A new seed, shown this once; nothing is asked for until it is confirmed. One that was never confirmed gives way.
    Raises `SecondFactorEnabled`.
    """
    seed = totp.new_seed()
    row = insert(SecondFactor).values(agent_id=agent_id, secret=seal(door.key, _PURPOSE, agent_id, seed))
    made = uow.session.execute(
        row.on_conflict_do_update(
            index_elements=["agent_id"],
            set_={"secret": row.excluded.secret, "last_step": 0},
            where=SecondFactor.confirmed_at.is_(None),
        ).returning(SecondFactor.agent_id)
    )
    if made.one_or_none() is None:
        raise SecondFactorEnabled
    email = session_queries.agent_named(uow.session, agent_id).email
    return {"secret": seed, "uri": totp.enrolment_uri(seed, email, _ISSUER)}


def confirm(uow: UnitOfWork, door: Door, actor: Actor, agent_id: UUID, code: str) -> dict[str, Any]:
    """Enabled with its first code. Raises `SecondFactorMissing`, `SecondFactorEnabled`, `CodeRefused`."""
    factor = session_queries.second_factor_for_update(uow.session, agent_id)
    if factor is None:
        raise SecondFactorMissing
    if factor.confirmed_at is not None:
        raise SecondFactorEnabled
    if not _takes(uow, door, factor, totp.tidied(code)):
        raise CodeRefused
    factor.confirmed_at = uow.now
    codes = _new_codes(uow, agent_id)
    record_administration(uow, SecondFactorEnrolled(agent_id=agent_id))
    tell_agent(uow, agent_id, "second_factor_enabled")
    session = session_service.raise_by_code(uow, actor)
    return {"recovery_codes": codes, "session": session}


def _takes(uow: UnitOfWork, door: Door, factor: SecondFactor, code: str) -> bool:
    """Whether it is a code of now that was not taken before; from here on it was. The row is locked: of two who come
    with one code at once, one gets in.
    """
    try:
        seed = unseal(door.key, _PURPOSE, factor.agent_id, factor.secret)
    except SealBroken as error:
        structlog.get_logger().error("second factor cannot be checked", reason=str(error))
        return False
    step = totp.step_of(seed, code, uow.now)
    if step is None or step <= factor.last_step:
        return False
    factor.last_step = step
    return True


def _spend(uow: UnitOfWork, door: Door, agent_id: UUID, code: str) -> str | None:
    """`code` or `recovery_code`, whichever it was and is spent now; None when it was neither."""
    factor = session_queries.second_factor_for_update(uow.session, agent_id)
    if factor is None or factor.confirmed_at is None:
        return None
    if totp.is_by_time(code):
        return "code" if _takes(uow, door, factor, code) else None
    spent = (
        delete(RecoveryCode)
        .where(RecoveryCode.agent_id == agent_id, RecoveryCode.hash == totp.recovery_hash(code))
        .returning(RecoveryCode.hash)
        .execution_options(synchronize_session=False)
    )
    if uow.session.execute(spent).one_or_none() is None:
        return None
    left = session_queries.codes_left(uow.session, agent_id)
    record_administration(uow, RecoveryCodeUsed(agent_id=agent_id, left=left), actor=Actor(kind="agent", id=agent_id))
    tell_agent(uow, agent_id, "recovery_code_used")
    return "recovery_code"


def prove(door: Door, actor: Actor, where: Where, agent_id: UUID, code: str) -> str | None:
    """As `_spend`, in transactions of its own: what is spent stays spent and what failed stays counted, whatever comes of
    the rest. Call it with no transaction open. Raises `TooManyAttempts`.

    Recovery codes are not counted: with 80 bits nobody guesses one, and who is kept out by the guesses of somebody else
    still gets in with one.
    """
    code = totp.tidied(code)
    counted = [door.lanes.of_second_factor(agent_id)] if totp.is_by_time(code) else []
    with door.unit_of_work(actor, where) as uow:
        throttle.count(uow.session, counted)
    with door.unit_of_work(actor, where) as uow:
        spent = _spend(uow, door, agent_id, code)
        if spent is not None:
            throttle.forgive(uow.session, counted)
        return spent


def prove_enabled(door: Door, actor: Actor, agent_id: UUID, code: str, where: Where) -> None:
    """Of somebody who is signed in. Raises `SecondFactorMissing`, `CodeRefused`, `TooManyAttempts`."""
    with door.database.reader() as session:
        if session_queries.second_factor_state(session, agent_id)["enabled_at"] is None:
            raise SecondFactorMissing
    if prove(door, actor, where, agent_id, code) is None:
        with door.unit_of_work(actor, where) as uow:
            session_service.record_refusal(uow, where, "code", agent_id)
        raise CodeRefused


def _new_codes(uow: UnitOfWork, agent_id: UUID) -> list[str]:
    """All earlier ones stop to count."""
    _forget_codes(uow, agent_id)
    codes = totp.new_recovery_codes()
    uow.add_rows(RecoveryCode, [{"agent_id": agent_id, "hash": totp.recovery_hash(code)} for code in codes])
    record_administration(uow, RecoveryCodesMade(agent_id=agent_id))
    return codes


def _forget_codes(uow: UnitOfWork, agent_id: UUID) -> None:
    uow.session.execute(
        delete(RecoveryCode).where(RecoveryCode.agent_id == agent_id).execution_options(synchronize_session=False)
    )


def renew_codes(uow: UnitOfWork, agent_id: UUID) -> dict[str, Any]:
    """Raises `SecondFactorMissing`."""
    _enabled(uow, agent_id)
    return {"recovery_codes": _new_codes(uow, agent_id)}


def _enabled(uow: UnitOfWork, agent_id: UUID) -> SecondFactor:
    factor = session_queries.second_factor_for_update(uow.session, agent_id)
    if factor is None or factor.confirmed_at is None:
        raise SecondFactorMissing
    return factor


def disable(uow: UnitOfWork, agent_id: UUID, *, by_administrator: bool = False) -> None:
    """Raises `SecondFactorMissing`."""
    uow.session.delete(_enabled(uow, agent_id))
    _forget_codes(uow, agent_id)
    session_service.forget_second_factor(uow, agent_id)
    record_administration(uow, SecondFactorDisabled(agent_id=agent_id, by_administrator=by_administrator))
    tell_agent(uow, agent_id, "second_factor_disabled")


def remove(uow: UnitOfWork, actor: Actor, agent: Agent) -> UUID:
    """Taken away by an administrator, from one who lost telephone and codes. Raises `SecondFactorMissing`, and
    `BeyondOwnRights` for one who may do more than the administrator: the account would be easier to get into.
    """
    rights = role_queries.rights_of_role(uow.session, agent.role)
    if rights is not None:
        check_rights(actor, rights)
    disable(uow, agent.id, by_administrator=True)
    return agent.id
