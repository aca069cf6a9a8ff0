from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel import limiting, signatures
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.http import Blueprint, Scheme, message, web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.sealing import SealBroken
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import callbacks, provider_errors, provider_queries, provider_schemas, providers
from helpdesk.recovery.provider_models import RemedyProvider

log = structlog.get_logger()
blp = Blueprint("remedy_providers", __name__, description="Outside providers that issue remedies, and their callbacks.")

_MOST_CALLED_BACK = 64 * 1024


def _show(session: Session, _actor: Actor, provider_id: UUID) -> Mapping[Any, Any]:
    return provider_queries.provider_detail(session, provider_id)


@blp.read(
    "/recovery/providers",
    operation_id="list_remedy_providers",
    summary="Outside providers",
    answer=provider_schemas.RemedyProvider,
    query=provider_schemas.RemedyProviderQuery,
    permission="remedy_provider:read",
    paged=True,
)
def list_remedy_providers(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return provider_queries.list_providers(session, page, given)


@blp.write(
    "/recovery/providers",
    operation_id="create_remedy_provider",
    summary="Have remedies of some kinds issued by an outside provider",
    description="Offers of its kinds and currencies that are accepted from now on are issued through it: one that is asked over "
    "HTTP before the recording one, one that names the currency before one that takes all, then the older. What waits to be "
    "issued by hand goes on waiting.",
    body=provider_schemas.RemedyProviderIn,
    answer=provider_schemas.NewRemedyProvider,
    status=201,
    permission="remedy_provider:manage",
    location=lambda provider: f"/api/v1/recovery/providers/{provider['id']}",
    shown_once="secret",
    errors=(provider_errors.ProviderNameTaken,),
)
def create_remedy_provider(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return providers.create(uow, web().signing_key, given, private=web().settings.private_addresses)


@blp.read(
    "/recovery/providers/<uuid:remedy_provider_id>",
    operation_id="get_remedy_provider",
    summary="One outside provider",
    answer=provider_schemas.RemedyProvider,
    permission="remedy_provider:read",
)
def get_remedy_provider(session: Session, _actor: Actor, remedy_provider_id: UUID) -> Mapping[Any, Any]:
    return provider_queries.provider_detail(session, remedy_provider_id)


def _load(session: Session, actor: Actor, remedy_provider_id: UUID) -> RemedyProvider:
    return provider_queries.provider_for_update(session, actor, remedy_provider_id)


@blp.write(
    "/recovery/providers/<uuid:remedy_provider_id>",
    operation_id="change_remedy_provider",
    summary="Change an outside provider, or switch it off",
    description="Not its `mode` or `url` while anything that was asked of it is open (409): make another provider for the new "
    "address, and switch this one off; how earlier issuances stand is still asked here.",
    method="PATCH",
    body=provider_schemas.RemedyProviderPatch,
    answer=provider_schemas.RemedyProvider,
    permission="remedy_provider:manage",
    load=_load,
    show=_show,
    if_match="required",
    errors=(provider_errors.ProviderNameTaken, provider_errors.ProviderHasOrders),
)
def change_remedy_provider(uow: UnitOfWork, _actor: Actor, row: RemedyProvider, given: dict[str, Any]) -> UUID:
    return providers.change(uow, row, given, private=web().settings.private_addresses)


@blp.write(
    "/recovery/providers/<uuid:remedy_provider_id>/rotate",
    operation_id="rotate_remedy_provider_secret",
    summary="Give a provider another secret; for a while the one before counts too",
    body=provider_schemas.SecretRotationIn,
    answer=provider_schemas.NewRemedyProvider,
    permission="remedy_provider:manage",
    load=_load,
    if_match="required",
    shown_once="secret",
)
def rotate_secret(uow: UnitOfWork, _actor: Actor, row: RemedyProvider, given: dict[str, Any]) -> dict[str, Any]:
    return providers.rotate(uow, web().signing_key, row, given["overlap_seconds"])


def _signed(session: Session) -> Actor:
    """The provider of the path, if it signed the request; its name is the message's id. Raises `CallbackRefused`, the same for
    one that there is none of.
    """
    came = message(_MOST_CALLED_BACK)
    if came is None:
        raise provider_errors.CallbackTooLarge
    try:
        row, now = provider_queries.provider_of(session, came.path["remedy_provider_id"])
        keys = providers.keys_of(web().signing_key, row, now)
        message_id = signatures.verify(keys, came.headers, came.body, now)
    except (NotFound, signatures.BadSignature) as refused:
        raise provider_errors.CallbackRefused from refused
    except SealBroken as broken:  # nobody can know its signature any more, until its secret is rotated
        log.warning("callback cannot be checked", reason=str(broken))
        raise provider_errors.CallbackRefused from broken
    return Actor(kind="provider", id=row.id, name=message_id, seen_at=now)


BY_SIGNATURE = Scheme("webhook", _signed, provider_errors.CallbackRefused, limiting.CALLBACK)


@blp.write(
    "/public/recovery/callbacks/<uuid:remedy_provider_id>",
    operation_id="call_back_remedy",
    summary="A provider tells what came of an issuance",
    description="Signed with the provider's secret over `webhook-id`, `webhook-timestamp` and body (Standard Webhooks). A "
    "message counts once: the same again is answered as the first. What contradicts what is recorded is kept and told.",
    body=provider_schemas.CallbackIn,
    answer=provider_schemas.CallbackTaken,
    by=BY_SIGNATURE,
    idempotency_key="none",
    errors=(NotFound, provider_errors.CallbackDiffers, provider_errors.CallbackTooLarge),
)
def call_back(uow: UnitOfWork, actor: Actor, given: dict[str, Any], remedy_provider_id: UUID) -> dict[str, Any]:
    return callbacks.take(uow, remedy_provider_id, actor.name, given)
