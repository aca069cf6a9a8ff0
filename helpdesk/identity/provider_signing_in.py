"""Signing in through an identity provider: sent there, come back, recognised.

Who comes back must be who was sent: the `binding`, which stayed where the sign-in began, is asked for together with the
`state`, which travelled; both count once. An agent is known by the pair of issuer and subject. An e-mail address links
only if the provider says that it verified it and is believed for its domain, and never an agent whom the issuer has
another subject for already: addresses are given to other people, subjects are not.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from marshmallow import ValidationError
from sqlalchemy import delete

from helpdesk.identity import oidc, provider_queries, queries, service, session_queries, session_service, throttle
from helpdesk.identity.actors import ANONYMOUS, SYSTEM
from helpdesk.identity.administration import record_administration
from helpdesk.identity.authentication import token_hash
from helpdesk.identity.door import Door, Where
from helpdesk.identity.door_mail import tell_agent
from helpdesk.identity.oidc import Answer, NotVouchedFor, Vouched
from helpdesk.identity.oidc_knowledge import Client
from helpdesk.identity.provider_errors import ProviderNotActive
from helpdesk.identity.provider_events import IdentityLinked
from helpdesk.identity.provider_models import AgentIdentity, IdentityProvider, ProviderSignIn
from helpdesk.identity.provider_service import client_of
from helpdesk.identity.session_errors import SignInFailed
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import Email, Text
from helpdesk.kernel.unit_of_work import UnitOfWork

LASTS: Final = timedelta(minutes=10)
_REFUSED: Final = "The provider did not vouch for you, or nobody here is known by that."


@dataclass(frozen=True, slots=True)
class Departure:
    """Ready to be sent there."""

    provider_id: UUID
    issuer: str
    url: str
    state: str
    binding: str
    in_cookie: bool


def prepare(door: Door, provider_id: UUID, *, in_cookie: bool) -> Departure:
    """Call it with no transaction open: the provider may be asked where people go. Raises
    `ValidationFailed`, `ProviderNotActive`, `ProviderUnavailable`.
    """
    with door.database.unit_of_work(ANONYMOUS) as uow:
        row = provider_queries.active_provider(uow.session, provider_id)
        if row is None and not provider_queries.provider_exists(uow.session, provider_id):
            raise ValidationFailed(errors=[FieldError.at("/provider_id", "unknown", "There is no such provider.")])
        if row is None:
            raise ProviderNotActive
        client = client_of(row, door)
    state = secrets.token_urlsafe(32)
    url = oidc.authorization_url(client, door.key, state)
    return Departure(provider_id, client.issuer, url, state, "hdb_" + secrets.token_urlsafe(32), in_cookie)


def depart(uow: UnitOfWork, departure: Departure) -> dict[str, Any]:
    row = ProviderSignIn(
        state=token_hash(departure.state),
        binding=token_hash(departure.binding),
        provider_id=departure.provider_id,
        issuer=departure.issuer,
        in_cookie=departure.in_cookie,
        expires_at=uow.now + LASTS,
    )
    uow.session.add(row)
    return {
        "authorization_url": departure.url,
        "binding": None if departure.in_cookie else departure.binding,
        "secret": departure.binding,
        "in_cookie": departure.in_cookie,
        "expires_at": row.expires_at,
    }


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody is known: this agent. `second_factor`: the provider saw one."""

    agent_id: UUID
    second_factor: bool
    where: Where
    in_cookie: bool


def prove(door: Door, given: dict[str, Any], binding: str, where: Where) -> Arrival:
    """`given`: state, code, and perhaps iss. Call it with no transaction open. Raises `SignInFailed`, `TooManyAttempts`,
    `ProviderUnavailable`.
    """
    counted = door.lanes.of_sign_in("", where.address, known=False)[1:]
    with door.unit_of_work(ANONYMOUS, where) as uow:
        throttle.count(uow.session, counted)
        begun = _taken(uow, given["state"], binding)
        row = None if begun is None else provider_queries.active_provider(uow.session, begun.provider_id)
        client = client_of(row, door) if row is not None else None
        now = uow.now
    if begun is None or client is None or client.issuer != begun.issuer:
        raise _refused(door, where)
    vouched = _vouched(door, client, given, where, now)
    with door.unit_of_work(SYSTEM, where) as uow:
        throttle.take_back(uow.session, counted)
        agent_id = _recognised(uow, begun.provider_id, vouched)
    if agent_id is None:
        raise _refused(door, where)
    return Arrival(agent_id, vouched.second_factor, where, begun.in_cookie)


def _vouched(door: Door, client: Client, given: dict[str, Any], where: Where, now: Any) -> Vouched:
    try:
        answer = Answer(given["state"], given["code"], given.get("iss"))
        return oidc.vouched_for(client, door.key, answer, now)
    except NotVouchedFor as error:
        structlog.get_logger().warning("identity provider's answer refused", reason=str(error))
        raise _refused(door, where) from error


def _taken(uow: UnitOfWork, state: str, binding: str) -> Any:
    """The sign-in that began there and has not ended; it ends here. Of two who come back at once, one finds it."""
    found = (
        delete(ProviderSignIn)
        .where(
            ProviderSignIn.state == token_hash(state),
            ProviderSignIn.binding == token_hash(binding),
            ProviderSignIn.expires_at > uow.now,
        )
        .returning(ProviderSignIn.provider_id, ProviderSignIn.issuer, ProviderSignIn.in_cookie)
        .execution_options(synchronize_session=False)
    )
    return uow.session.execute(found).one_or_none()


def _refused(door: Door, where: Where) -> SignInFailed:
    with door.unit_of_work(ANONYMOUS, where) as uow:
        session_service.record_refusal(uow, where, "provider", None)
    return SignInFailed(_REFUSED)


def conclude(uow: UnitOfWork, door: Door, arrival: Arrival) -> dict[str, Any]:
    """The session. Raises `SignInFailed` when the agent left in between."""
    agent_id, proved = arrival.agent_id, arrival.second_factor
    if session_queries.active_agent_held(uow.session, agent_id) is None:
        raise SignInFailed(_REFUSED)
    begun = session_service.begin(
        uow,
        door,
        agent_id,
        arrival.where,
        how="provider",
        second_factor="provider" if proved else "none",
        in_cookie=arrival.in_cookie,
    )
    wanted = door.rules.second_factor_required or provider_queries.wants_second_factor(uow.session, agent_id)
    return {**begun, "second_factor_required": wanted and not proved}


def _recognised(uow: UnitOfWork, provider_id: UUID, vouched: Vouched) -> UUID | None:
    """The active agent that this is, linked or made where that is wanted."""
    # Whoever links or makes an agent does it alone: two first sign-ins at once would both find nobody.
    queries.lock_membership(uow.session)
    provider = provider_queries.active_provider(uow.session, provider_id)
    if provider is None or provider.issuer != vouched.issuer:
        return None
    known = provider_queries.agent_of_identity(uow.session, vouched.issuer, vouched.subject)
    if known is not None:
        return known if session_queries.active_agent_held(uow.session, known) is not None else None
    if vouched.email is None or not _is_believed(provider, vouched.email):
        return None
    agent = queries.agent_by_email(uow.session, vouched.email)
    if agent is None:
        return _provisioned(uow, provider, vouched)
    if not agent.active or provider_queries.identity_at(uow.session, agent.id, vouched.issuer) is not None:
        return None
    _link(uow, provider, vouched, agent.id, "email")
    tell_agent(uow, agent.id, "provider_linked")
    return agent.id


def _is_believed(provider: IdentityProvider, email: str) -> bool:
    return email.rpartition("@")[2].lower() in provider.allowed_domains


def _provisioned(uow: UnitOfWork, provider: IdentityProvider, vouched: Vouched) -> UUID | None:
    email = _as_typed(Email(), vouched.email)
    if provider.provision_role is None or email is None:
        return None
    name = _as_typed(Text(max_length=200), vouched.name) or email
    given = {"email": email, "name": name, "role": provider.provision_role}
    agent_id = service.create_agent(uow, SYSTEM, given)
    _link(uow, provider, vouched, agent_id, "provisioned")
    return agent_id


def _as_typed(field: Text | Email, value: str | None) -> str | None:
    """What another system says must keep to what we ask of people; None where it does not."""
    try:
        return str(field.deserialize(value))
    except ValidationError:
        return None


def _link(uow: UnitOfWork, provider: IdentityProvider, vouched: Vouched, agent_id: UUID, how: str) -> None:
    row = AgentIdentity(
        id=new_id(), agent_id=agent_id, provider_id=provider.id, issuer=vouched.issuer, subject=vouched.subject
    )
    uow.session.add(row)
    record_administration(
        uow,
        IdentityLinked(
            agent_id=agent_id, provider_id=provider.id, issuer=vouched.issuer, subject=vouched.subject, how=how
        ),
        actor=SYSTEM,
    )


__all__ = ["Arrival", "Departure", "conclude", "depart", "prepare", "prove"]
