"""Which identity providers are believed: configured, changed, taken away; and links to them undone."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import provider_queries, queries, role_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.door import Door
from helpdesk.identity.errors import NameTaken
from helpdesk.identity.granting import check_rights
from helpdesk.identity.oidc_calls import is_acceptable_url
from helpdesk.identity.oidc_knowledge import Client
from helpdesk.identity.provider_errors import ProviderUnavailable
from helpdesk.identity.provider_events import IdentityUnlinked, ProviderChanged, ProviderCreated, ProviderDeleted
from helpdesk.identity.provider_models import AgentIdentity, IdentityProvider
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.sealing import SealBroken, seal, unseal
from helpdesk.kernel.unit_of_work import UnitOfWork

PURPOSE: Final = "client secret"
CALLBACK: Final = "/sign-in/callback"
"""Our own page that people are sent back to."""

_FIELDS: Final = ("name", "issuer", "client_id", "redirect_uri", "allowed_domains", "provision_role", "active")


def create(uow: UnitOfWork, door: Door, actor: Actor, given: dict[str, Any]) -> UUID:
    """Raises `NameTaken`, `BeyondOwnRights`, and `ValidationFailed` for an address that no secret is sent to."""
    queries.lock_membership(uow.session)  # the role that is named must still be there at the end
    _check(uow, door, actor, given)
    if provider_queries.provider_named(uow.session, given["name"]) is not None:
        raise NameTaken
    provider_id = new_id()
    secret = given.pop("client_secret")
    row = IdentityProvider(
        id=provider_id, version=1, active=True, client_secret=_sealed(door, provider_id, secret), **given
    )
    uow.session.add(row)
    changes: dict[str, list[object]] = {name: [None, getattr(row, name)] for name in _FIELDS}
    changes["has_client_secret"] = [None, secret is not None]
    record_administration(uow, ProviderCreated(provider_id=provider_id, name=row.name, changes=changes))
    return provider_id


def change(uow: UnitOfWork, door: Door, actor: Actor, row: IdentityProvider, given: dict[str, Any]) -> UUID:
    """As `create`. A new secret is a change, though it does not say which."""
    _check(uow, door, actor, given)
    if "name" in given:
        holder = provider_queries.provider_named(uow.session, given["name"])
        if holder is not None and holder.id != row.id:
            raise NameTaken
    changes: dict[str, list[object]] = {
        name: [getattr(row, name), given[name]]
        for name in _FIELDS
        if name in given and given[name] != getattr(row, name)
    }
    for name in changes:
        setattr(row, name, given[name])
    if "client_secret" in given:
        changes["has_client_secret"] = [row.client_secret is not None, given["client_secret"] is not None]
        row.client_secret = _sealed(door, row.id, given["client_secret"])
    if changes:
        row.touch()
        record_administration(uow, ProviderChanged(provider_id=row.id, name=row.name, changes=changes))
    return row.id


def delete(uow: UnitOfWork, row: IdentityProvider) -> None:
    """And with it who is whom there."""
    changes: dict[str, list[object]] = {name: [getattr(row, name), None] for name in _FIELDS}
    record_administration(uow, ProviderDeleted(provider_id=row.id, name=row.name, changes=changes))
    uow.session.delete(row)


def unlink(uow: UnitOfWork, row: AgentIdentity) -> None:
    event = IdentityUnlinked(agent_id=row.agent_id, provider_id=row.provider_id, issuer=row.issuer, subject=row.subject)
    record_administration(uow, event)
    uow.session.delete(row)


def _check(uow: UnitOfWork, door: Door, actor: Actor, given: dict[str, Any]) -> None:
    errors = faults(uow.session, door, given)
    if errors:
        raise ValidationFailed(errors=errors)
    role = given.get("provision_role")
    rights = None if role is None else role_queries.rights_of_role(uow.session, role)
    if rights is not None:
        check_rights(actor, rights)


def faults(session: Session, door: Door, given: dict[str, Any]) -> list[FieldError]:
    """`given`: of a provider that is written, what is sound of it by itself."""
    errors = []
    for name in ("issuer", "redirect_uri"):
        url = given.get(name)
        if url is not None and not is_acceptable_url(url, insecure=door.oidc_insecure):
            errors.append(FieldError.at(f"/{name}", "url", "Write an https:// address, without credentials or `#`."))
    if "?" in given.get("issuer", ""):
        errors.append(FieldError.at("/issuer", "url", "An issuer has no query."))
    role = given.get("provision_role")
    if role is not None and role_queries.rights_of_role(session, role) is None:
        errors.append(FieldError.at("/provision_role", "unknown", "There is no such role; see GET /roles."))
    return errors


def _sealed(door: Door, provider_id: UUID, secret: str | None) -> bytes | None:
    return None if secret is None else seal(door.key, PURPOSE, provider_id, secret)


def client_of(row: IdentityProvider, door: Door) -> Client:
    """How we are known there. Raises `ProviderUnavailable` when the secret does not open any more."""
    try:
        secret = None if row.client_secret is None else unseal(door.key, PURPOSE, row.id, row.client_secret)
    except SealBroken as error:
        raise ProviderUnavailable("Its client secret must be given anew: HELPDESK_SECRET_KEY has changed.") from error
    return Client(
        row.issuer, row.client_id, secret, row.redirect_uri or f"{door.base_url}{CALLBACK}", door.oidc_insecure
    )
