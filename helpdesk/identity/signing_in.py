"""Signing in with a password: whoever does it is told nothing but yes or no, and takes the same time for both.

`prove` runs with no transaction open, since a hash takes long and a failure must stay counted; `conclude` runs in the
request's own. An address that nobody has goes the whole way, with a hash that nothing matches.
"""

from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from helpdesk.identity import factor_service, passwords, session_queries, session_service, throttle
from helpdesk.identity.actors import ANONYMOUS
from helpdesk.identity.door import Door, Where
from helpdesk.identity.session_errors import SignInFailed, TooManyAttempts
from helpdesk.identity.throttle import Lane
from helpdesk.kernel.errors import SecondFactorRequired, TemporarilyUnavailable
from helpdesk.kernel.unit_of_work import UnitOfWork

_REFUSED = "The address, the password or the code is wrong."


@dataclass(frozen=True, slots=True)
class Proof:
    """Somebody proved to be this agent, with the password of this hash. `renewed`: its hash as it is made today."""

    agent_id: UUID
    hash: str
    renewed: str | None
    second_factor: str
    wants_second_factor: bool
    lanes: tuple[Lane, ...]
    where: Where
    in_cookie: bool


def prove(door: Door, given: dict[str, Any], where: Where) -> Proof:
    """`given`: email, password, and perhaps code and cookie. Raises `SignInFailed`, `TooManyAttempts`,
    `SecondFactorRequired`.
    """
    email = given["email"].lower()
    lanes = door.lanes
    with door.unit_of_work(ANONYMOUS, where) as uow:
        found = session_queries.sign_in_facts(uow.session, email, lanes.place(where.address))
        counted = lanes.of_sign_in(email, where.address, known=found is not None and found.known)
        throttle.count(uow.session, counted)
    kept = found.hash if found is not None and found.active else None
    try:
        right = passwords.fits(kept, given["password"])
    except TemporarilyUnavailable:
        _take_back(door, counted)
        raise
    if kept is None or not right:
        _refuse(door, email, found, where, _reason(found))
    second_factor = "none"
    if found.has_second_factor:
        if "code" not in given:
            _take_back(door, counted)
            raise SecondFactorRequired("Send the code of your second factor too, as `code`.")
        try:
            spent = factor_service.prove(door, ANONYMOUS, where, found.id, given["code"])
        except TooManyAttempts:
            _take_back(door, counted)  # the password was right
            raise
        if spent is None:
            _refuse(door, email, found, where, "code")
        second_factor = spent
    return Proof(
        agent_id=found.id,
        hash=kept,
        renewed=passwords.hashed(given["password"]) if passwords.is_outdated(kept) else None,
        second_factor=second_factor,
        wants_second_factor=found.has_second_factor or found.needs_second_factor,
        lanes=tuple(counted),
        where=where,
        in_cookie=given["cookie"],
    )


def _reason(found: Any) -> str:
    if found is None:
        return "unknown"
    if not found.active:
        return "inactive"
    return "password" if found.hash is not None else "no_password"


def _take_back(door: Door, counted: list[Lane]) -> None:
    with door.database.unit_of_work(ANONYMOUS) as uow:
        throttle.take_back(uow.session, counted)


def _refuse(door: Door, email: str, found: Any, where: Where, reason: str) -> NoReturn:
    account = door.lanes.name("told", email).hex()[:16]
    with door.unit_of_work(ANONYMOUS, where) as uow:
        session_service.record_refusal(uow, where, reason, None if found is None else found.id, account)
    raise SignInFailed(_REFUSED)


def conclude(uow: UnitOfWork, door: Door, proof: Proof) -> dict[str, Any]:
    """The session. Raises `SignInFailed` when the agent left or the password was changed since it was proved."""
    if session_queries.active_agent_held(uow.session, proof.agent_id) is None:
        raise SignInFailed(_REFUSED)
    kept = session_queries.password_for_update(uow.session, proof.agent_id)
    if kept is None or kept.hash != proof.hash:
        raise SignInFailed(_REFUSED)
    if proof.renewed is not None:
        kept.hash = proof.renewed
    account, others = proof.lanes[0], proof.lanes[1:]
    throttle.forgive(uow.session, [account])
    throttle.take_back(uow.session, others)  # not forgiven: one's own account would clear the way for guesses at others
    begun = session_service.begin(
        uow,
        door,
        proof.agent_id,
        proof.where,
        how="password",
        second_factor=proof.second_factor,
        in_cookie=proof.in_cookie,
    )
    due = proof.second_factor == "none" and (proof.wants_second_factor or door.rules.second_factor_required)
    return {**begun, "second_factor_required": due}


__all__ = ["Proof", "TooManyAttempts", "conclude", "prove"]
