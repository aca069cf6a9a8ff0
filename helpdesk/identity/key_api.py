from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import errors, key_models, key_queries, key_schemas, keys
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("api keys", __name__, description="How other systems call, and what they may do.")


@blp.read(
    "/api-keys",
    operation_id="list_api_keys",
    summary="API keys, newest first",
    answer=key_schemas.ApiKey,
    query=key_schemas.KeyQuery,
    permission="key:read",
    paged=True,
)
def list_keys(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return key_queries.list_keys(session, page, given)


def _location(key: dict[str, Any]) -> str:
    return f"/api/v1/api-keys/{key['id']}"


@blp.write(
    "/api-keys",
    operation_id="create_api_key",
    summary="Make an API key; the answer is the only time it is shown",
    description="The caller answers for it: it gives no more than they hold, now and later, and nothing once they have left.",
    body=key_schemas.KeyIn,
    answer=key_schemas.NewApiKey,
    status=201,
    permission="key:manage",
    location=_location,
    shown_once="key",
    errors=(errors.BeyondOwnRights,),
)
def create_key(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return keys.create_key(uow, actor, given)


@blp.read(
    "/api-keys/<uuid:key_id>",
    operation_id="get_api_key",
    summary="One API key",
    answer=key_schemas.ApiKey,
    permission="key:read",
)
def get_key(session: Session, _actor: Actor, key_id: UUID) -> dict[str, Any]:
    return key_queries.key_detail(session, key_id)


def _show(session: Session, _actor: Actor, key_id: UUID) -> dict[str, Any]:
    return key_queries.key_detail(session, key_id)


@blp.write(
    "/api-keys/<uuid:key_id>",
    operation_id="change_api_key",
    summary="Change what an API key gives, or who answers for it",
    method="PATCH",
    body=key_schemas.KeyPatch,
    answer=key_schemas.ApiKey,
    permission="key:manage",
    load=key_queries.key_for_update,
    check=keys.check_going,
    show=_show,
    if_match="required",
    errors=(errors.BeyondOwnRights, errors.KeyEnded),
)
def change_key(uow: UnitOfWork, actor: Actor, key: key_models.ApiKey, given: dict[str, Any]) -> UUID:
    return keys.change_key(uow, actor, key, given)


@blp.write(
    "/api-keys/<uuid:key_id>/rotate",
    operation_id="rotate_api_key",
    summary="Give an API key a new secret, while the old one still counts",
    description="Both count for `overlap_seconds`, so that nothing stands still while the new one is put in its place; then "
    "only the new one. 0 ends the old one at once.",
    body=key_schemas.RotationIn,
    answer=key_schemas.NewApiKey,
    permission="key:manage",
    load=key_queries.key_for_update,
    check=keys.check_going,
    if_match="honoured",
    shown_once="key",
    errors=(errors.BeyondOwnRights, errors.KeyEnded),
)
def rotate_key(uow: UnitOfWork, actor: Actor, key: key_models.ApiKey, given: dict[str, Any]) -> dict[str, Any]:
    return keys.rotate_key(uow, actor, key, given)


@blp.write(
    "/api-keys/<uuid:key_id>/revoke",
    operation_id="revoke_api_key",
    summary="End an API key at once and for good",
    answer=key_schemas.ApiKey,
    permission="key:manage",
    load=key_queries.key_for_update,
    show=_show,
    if_match="honoured",
)
def revoke_key(uow: UnitOfWork, _actor: Actor, key: key_models.ApiKey) -> UUID:
    return keys.revoke_key(uow, key)
