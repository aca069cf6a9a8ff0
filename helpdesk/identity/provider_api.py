"""Identity providers: who is believed, and signing in through them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import (
    provider_errors,
    provider_queries,
    provider_schemas,
    provider_service,
    provider_signing_in,
    session_errors,
    session_schemas,
)
from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import BeyondOwnRights, NameTaken
from helpdesk.identity.provider_models import AgentIdentity, IdentityProvider
from helpdesk.identity.provider_signing_in import Arrival, Departure
from helpdesk.identity.session_api import cookie, door, where
from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.http import Blueprint, request_cookie
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("providers", __name__, description="Signing in through OpenID Connect identity providers.")

BINDING_COOKIE = "__Host-helpdesk-sign-in"


def _show(session: Session, _actor: Actor, provider_id: UUID) -> Any:
    return provider_queries.provider_detail(session, provider_id)


@blp.read(
    "/identity-providers",
    operation_id="list_identity_providers",
    summary="Identity providers",
    answer=provider_schemas.Provider,
    query=PageQuery,
    permission="provider:read",
    paged=True,
)
def list_identity_providers(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return provider_queries.list_providers(session, page, given)


def _faults(session: Session, _actor: Actor, given: dict[str, Any]) -> list[FieldError]:
    return provider_service.faults(session, door(), given)


@blp.write(
    "/identity-providers",
    operation_id="create_identity_provider",
    summary="Believe an identity provider",
    description="Whoever it vouches for gets in: by who they are there (issuer and subject), at the first time by a "
    "verified e-mail address of an allowed domain.",
    body=provider_schemas.ProviderIn,
    answer=provider_schemas.Provider,
    status=201,
    permission="provider:manage",
    show=_show,
    location=lambda provider: f"/api/v1/identity-providers/{provider['id']}",
    idempotency_key="none",
    faults=_faults,
    errors=(NameTaken, BeyondOwnRights),
)
def create_identity_provider(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return provider_service.create(uow, door(), actor, given)


@blp.read(
    "/identity-providers/<uuid:provider_id>",
    operation_id="get_identity_provider",
    summary="One identity provider",
    answer=provider_schemas.Provider,
    permission="provider:read",
)
def get_identity_provider(session: Session, _actor: Actor, provider_id: UUID) -> Any:
    return provider_queries.provider_detail(session, provider_id)


@blp.write(
    "/identity-providers/<uuid:provider_id>",
    operation_id="change_identity_provider",
    summary="Change an identity provider, or whether it is believed",
    method="PATCH",
    body=provider_schemas.ProviderPatch,
    answer=provider_schemas.Provider,
    permission="provider:manage",
    load=provider_queries.provider_for_update,
    show=_show,
    if_match="required",
    faults=_faults,
    errors=(NameTaken, BeyondOwnRights),
)
def change_identity_provider(uow: UnitOfWork, actor: Actor, row: IdentityProvider, given: dict[str, Any]) -> UUID:
    return provider_service.change(uow, door(), actor, row, given)


@blp.write(
    "/identity-providers/<uuid:provider_id>",
    operation_id="delete_identity_provider",
    summary="Delete an identity provider, and who is whom there",
    method="DELETE",
    answer=None,
    status=204,
    permission="provider:manage",
    load=provider_queries.provider_for_update,
    if_match="required",
)
def delete_identity_provider(uow: UnitOfWork, _actor: Actor, row: IdentityProvider) -> None:
    provider_service.delete(uow, row)


@blp.read(
    "/identities",
    operation_id="list_identities",
    summary="Who one is at identity providers; everybody's with `agent:manage`",
    answer=provider_schemas.Identity,
    query=provider_schemas.IdentityQuery,
    paged=True,
)
def list_identities(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return provider_queries.list_identities(session, actor, page, given)


@blp.write(
    "/identities/<uuid:identity_id>",
    operation_id="unlink_identity",
    summary="Undo the link between an agent and who that is at a provider",
    method="DELETE",
    answer=None,
    status=204,
    load=provider_queries.identity_for_update,
)
def unlink_identity(uow: UnitOfWork, _actor: Actor, row: AgentIdentity) -> None:
    provider_service.unlink(uow, row)


@blp.read(
    "/public/identity-providers",
    operation_id="list_sign_in_providers",
    summary="Identity providers that one can sign in through",
    answer=provider_schemas.ProviderDoor,
    query=PageQuery,
    public=True,
    paged=True,
)
def list_sign_in_providers(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return provider_queries.list_doors(session, page, given)


def binding_cookie(shown: Mapping[str, Any]) -> dict[str, str]:
    """Lax, not Strict: it must come along when the provider sends the browser back."""
    if not shown["in_cookie"]:
        return {}
    lasts = int(provider_signing_in.LASTS.total_seconds())
    text = f"{BINDING_COOKIE}={shown['secret']}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lasts}"
    return {"Set-Cookie": text}


def _prepare(_actor: Actor, given: dict[str, Any]) -> Departure:
    return provider_signing_in.prepare(door(), given["provider_id"], in_cookie=given["cookie"])


@blp.write(
    "/public/provider-sign-ins",
    operation_id="begin_provider_sign_in",
    summary="Begin to sign in through an identity provider",
    description="Send the browser to `authorization_url`; it comes back to the provider's `redirect_uri` with `code` and "
    "`state`.",
    body=provider_schemas.ProviderSignInBegin,
    answer=provider_schemas.ProviderSignInBegun,
    status=201,
    public=True,
    idempotency_key="none",
    first=_prepare,
    headers=binding_cookie,
    errors=(provider_errors.ProviderNotActive, provider_errors.ProviderUnavailable),
)
def begin_provider_sign_in(uow: UnitOfWork, _actor: Actor, departure: Departure) -> dict[str, Any]:
    return provider_signing_in.depart(uow, departure)


def _prove(_actor: Actor, given: dict[str, Any]) -> Arrival:
    binding = given.get("binding") or request_cookie(BINDING_COOKIE)
    return provider_signing_in.prove(door(), given, binding, where())


@blp.write(
    "/public/provider-sessions",
    operation_id="sign_in_with_provider",
    summary="Sign in with what an identity provider sent back",
    description="`state` and `code` count once, and only together with the `binding` of where the sign-in began.",
    body=provider_schemas.ProviderSignInEnd,
    answer=session_schemas.NewSession,
    status=201,
    public=True,
    location=lambda _: "/api/v1/session",
    idempotency_key="none",
    first=_prove,
    headers=cookie,
    errors=(session_errors.SignInFailed, session_errors.TooManyAttempts, provider_errors.ProviderUnavailable),
)
def sign_in_with_provider(uow: UnitOfWork, _actor: Actor, arrival: Arrival) -> dict[str, Any]:
    return provider_signing_in.conclude(uow, door(), arrival)
