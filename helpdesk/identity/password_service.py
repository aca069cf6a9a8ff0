"""Passwords: asked for by mail, set with a link, changed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.identity import passwords, session_queries, session_service, throttle
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.door import Door, Where
from helpdesk.identity.door_mail import mail_link, tell_agent
from helpdesk.identity.models import Agent
from helpdesk.identity.password_models import AgentPassword, PasswordLink
from helpdesk.identity.session_errors import HasPassword, NoPassword, NotActive, PasswordRefused
from helpdesk.identity.session_events import PasswordLinkSent, PasswordSet
from helpdesk.kernel import links
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "identity.password_reset"
PURPOSE: Final = "password"
LASTS: Final = {"invitation": timedelta(hours=72), "reset": timedelta(hours=1)}


def ask_for_reset(uow: UnitOfWork, door: Door, email: str, where: Where) -> None:
    """Note that somebody wants a link. Whether the address is anybody's is found out later, by a worker: here the same is
    done for every address. Raises `TooManyAttempts` for the address that the request comes from; of one account, more
    than a few are not noted.
    """
    email = email.lower()
    lanes = door.lanes
    throttle.count(uow.session, [lanes.of_resets_from(where.address)])
    if throttle.may_count(uow.session, lanes.of_reset(email)):
        uow.duty(TOPIC, new_id(), payload={"email": email})


def send_reset(uow: UnitOfWork, email: str, key: str, base_url: str) -> bool:
    """A link by mail, if an active agent with a password has this address. A first password begins with an invitation."""
    found = session_queries.sign_in_facts(uow.session, email, b"")
    if found is None or not found.active or found.hash is None:
        return False
    _send_link(uow, found.id, "reset", key, base_url)
    return True


def invite(uow: UnitOfWork, agent: Agent, key: str, base_url: str) -> dict[str, Any]:
    """Mail the link of an invitation. `agent`: as by `queries.agent_for_update`. Raises `NotActive`, `HasPassword`, and
    `ValidationFailed` where no mail goes out.
    """
    link = make_invitation(uow, agent, key, base_url)
    if not uow.mails:
        text = (
            "No mail server is set up (HELPDESK_SMTP_URL): `helpdesk agent password-link` prints a link to hand over."
        )
        raise ValidationFailed(errors=[FieldError.at("", "no_mail_server", text)])
    mail_link(uow, agent.id, "invitation", link)
    return {"agent_id": agent.id, "sent_to": agent.email, "expires_at": uow.now + LASTS["invitation"]}


def make_invitation(uow: UnitOfWork, agent: Agent, key: str, base_url: str) -> str:
    """The link itself, for who hands it over in another way. Raises `NotActive`, `HasPassword`."""
    if not agent.active:
        raise NotActive
    if session_queries.password_hash(uow.session, agent.id) is not None:
        raise HasPassword
    return _make_link(uow, agent.id, "invitation", key, base_url)


def make_link(uow: UnitOfWork, agent: Agent, key: str, base_url: str) -> str:
    """For the operator, who hands it over: of an invitation, or of a reset where there is a password. Raises
    `NotActive`.
    """
    if not agent.active:
        raise NotActive
    kind = "invitation" if session_queries.password_hash(uow.session, agent.id) is None else "reset"
    return _make_link(uow, agent.id, kind, key, base_url)


def _send_link(uow: UnitOfWork, agent_id: UUID, kind: str, key: str, base_url: str) -> None:
    mail_link(uow, agent_id, kind, _make_link(uow, agent_id, kind, key, base_url))


def _make_link(uow: UnitOfWork, agent_id: UUID, kind: str, key: str, base_url: str) -> str:
    expires_at = uow.now + LASTS[kind]
    row = PasswordLink(id=new_id(), agent_id=agent_id, kind=kind, expires_at=expires_at)
    uow.session.add(row)
    record_administration(uow, PasswordLinkSent(agent_id=agent_id, kind=kind))
    return f"{base_url}/api/v1/public/password-resets/{links.sign(key, PURPOSE, row.id, expires_at)}"


@dataclass(frozen=True, slots=True)
class NewPassword:
    """Thought about and hashed, ready to be written. `before`: the hash that it takes the place of, where that was
    proved; `link_id`: the link that it is set with.
    """

    agent_id: UUID
    hash: str
    before: str | None = None
    link_id: UUID | None = None


def prepare_by_link(door: Door, token: str, password: str) -> NewPassword:
    """Call it with no transaction open. Raises `NotFound`, `Gone`, `ValidationFailed`."""
    with door.database.reader() as session:
        link = link_of(session, door.key, token)
    _check(password, link["email"], link["name"], "/password")
    return NewPassword(link["agent_id"], passwords.hashed(password), link_id=link["id"])


def link_of(session: Session, key: str, token: str) -> Any:
    """What a link is good for: as `session_queries.link_detail`."""
    return session_queries.link_detail(session, links.read(key, PURPOSE, token, session_queries.moment(session)))


def set_by_link(uow: UnitOfWork, door: Door, new: NewPassword, where: Where) -> dict[str, Any]:
    """One of two who come at once with the same link gets through; the other is told `Gone`. Ends every session, forgives
    the failures of others, and makes the place known, so that the owner can sign in from there at once.
    """
    if new.link_id is None:
        raise ValueError("this password was not prepared with a link")
    link = session_queries.open_link_for_update(uow.session, new.link_id)
    agent = session_queries.active_agent_held(uow.session, new.agent_id)
    if agent is None:
        raise NotActive
    _write(uow, new)
    uow.session.execute(
        update(PasswordLink)
        .where(PasswordLink.agent_id == agent.id, PasswordLink.used_at.is_(None))
        .values(used_at=uow.now)
        .execution_options(synchronize_session=False)
    )
    record_administration(uow, PasswordSet(agent_id=agent.id, how=link.kind), actor=Actor(kind="agent", id=agent.id))
    session_service.end_all(uow, agent.id, "password_reset")
    session_service.remember_place(uow, door, agent.id, where)
    email = agent.email.lower()
    lanes = door.lanes
    forgiven = [lane for known in (True, False) for lane in lanes.of_sign_in(email, where.address, known=known)[:1]]
    throttle.forgive(uow.session, [*forgiven, lanes.of_second_factor(agent.id), lanes.of_own_password(agent.id)])
    if link.kind == "reset":
        tell_agent(uow, agent.id, "password_changed")
    return {"agent_id": agent.id, "email": agent.email}


def prepare_change(door: Door, actor: Actor, where: Where, current: str, password: str) -> NewPassword:
    """Call it with no transaction open. Raises `NoPassword`, `PasswordRefused`, `TooManyAttempts`, `ValidationFailed`."""
    agent_id = agent_of(actor)
    with door.database.reader() as session:
        agent = session_queries.agent_named(session, agent_id)
    before = prove_own(door, actor, where, current)
    if before is None:
        raise NoPassword
    _check(password, agent.email, agent.name, "/new_password")
    if passwords.fits(before, password):
        raise ValidationFailed(errors=[FieldError.at("/new_password", "same", "Choose another one than you have.")])
    return NewPassword(agent_id, passwords.hashed(password), before=before)


def change(uow: UnitOfWork, actor: Actor, new: NewPassword) -> dict[str, Any]:
    """Ends all other sessions, and gives this one another secret. Raises `PasswordRefused` when the password was changed
    by somebody else in between.
    """
    kept = session_queries.password_for_update(uow.session, new.agent_id)
    if kept is None or kept.hash != new.before:
        raise PasswordRefused
    _write(uow, new)
    record_administration(uow, PasswordSet(agent_id=new.agent_id, how="change"))
    session_service.end_all(uow, new.agent_id, "password_changed", but=actor.session_id)
    tell_agent(uow, new.agent_id, "password_changed")
    return {"session": session_service.renew_secret(uow, actor)}


def _check(password: str, email: str, name: str, pointer: str) -> None:
    weak = passwords.weakness(password, (email, name))
    if weak is not None:
        raise ValidationFailed("1 field needs attention.", errors=[FieldError.at(pointer, "weak_password", weak)])


def _write(uow: UnitOfWork, new: NewPassword) -> None:
    row = insert(AgentPassword).values(agent_id=new.agent_id, hash=new.hash, set_at=uow.now)
    uow.session.execute(
        row.on_conflict_do_update(
            index_elements=["agent_id"], set_={"hash": row.excluded.hash, "set_at": row.excluded.set_at}
        )
    )


def agent_of(actor: Actor) -> UUID:
    """Whose account it is about: the agent's who calls."""
    if actor.kind != "agent" or actor.id is None:
        raise NoPassword("Only agents have a password and a second factor.")
    return actor.id


def prove_own(door: Door, actor: Actor, where: Where, password: str | None) -> str | None:
    """That whoever is signed in knows the password: its hash, or None for an agent who has none, of whom none is asked.
    Call it with no transaction open. Raises `PasswordRefused`, `TooManyAttempts`.
    """
    agent_id = agent_of(actor)
    with door.unit_of_work(actor, where) as uow:
        kept = session_queries.password_hash(uow.session, agent_id)
        if kept is None:
            return None
        if password is None:
            raise PasswordRefused("Write your password too.")
        lane = door.lanes.of_own_password(agent_id)
        throttle.count(uow.session, [lane])
    right = passwords.fits(kept, password)
    with door.unit_of_work(actor, where) as uow:
        if right:
            throttle.forgive(uow.session, [lane])
            return kept
        session_service.record_refusal(uow, where, "password", agent_id)
    raise PasswordRefused
