from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy import code_map_models as models
from helpdesk.taxonomy import code_map_queries as queries
from helpdesk.taxonomy import code_map_schemas as schemas
from helpdesk.taxonomy import code_maps, errors

blp = Blueprint("code maps", __name__, description="What our codes are called by other systems, both ways.")


@blp.read(
    "/code-maps",
    operation_id="list_code_maps",
    summary="Systems whose words for our codes are known",
    answer=schemas.CodeMapSummary,
    query=schemas.CodeMapQuery,
    paged=True,
)
def list_maps(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_maps(session, page, given)


def _show(session: Session, _actor: Actor, map_id: UUID) -> Any:
    return queries.map_detail(session, map_id)


@blp.write(
    "/code-maps",
    operation_id="create_code_map",
    summary="Map another system's words to our codes",
    description="A word of theirs is one code of ours; several may be the same one, and of those one is preferred.",
    body=schemas.CodeMapIn,
    answer=schemas.CodeMap,
    status=201,
    permission="taxonomy:manage",
    show=_show,
    location=lambda row: f"/api/v1/code-maps/{row['id']}",
    errors=(errors.SystemTaken,),
)
def create_map(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return code_maps.create(uow, given)


@blp.read(
    "/code-maps/<uuid:map_id>",
    operation_id="get_code_map",
    summary="One system's words, all of them",
    answer=schemas.CodeMap,
)
def get_map(session: Session, _actor: Actor, map_id: UUID) -> Any:
    return queries.map_detail(session, map_id)


@blp.read(
    "/code-maps/<uuid:map_id>/codes",
    operation_id="list_external_codes",
    summary="Look a word up, either way",
    description="With `external`: our code for a word of theirs. With `code` and `preferred`: what they are told.",
    answer=schemas.ExternalCode,
    query=schemas.ExternalCodeQuery,
    paged=True,
)
def list_codes(session: Session, _actor: Actor, page: Page, given: dict[str, Any], map_id: UUID) -> Any:
    return queries.list_codes(session, page, given, map_id)


@blp.write(
    "/code-maps/<uuid:map_id>",
    operation_id="replace_code_map",
    summary="Set one system's words",
    description="Imports that begin, or go on, from now on go by it.",
    method="PUT",
    body=schemas.CodeMapPut,
    answer=schemas.CodeMap,
    permission="taxonomy:manage",
    load=queries.map_for_update,
    show=_show,
    if_match="required",
)
def replace_map(uow: UnitOfWork, _actor: Actor, row: models.CodeMap, given: dict[str, Any]) -> UUID:
    return code_maps.replace(uow, row, given)


@blp.write(
    "/code-maps/<uuid:map_id>",
    operation_id="delete_code_map",
    summary="Forget one system's words",
    description="Not while an import mapping that comes with the program names it.",
    method="DELETE",
    answer=None,
    status=204,
    permission="taxonomy:manage",
    load=queries.map_for_update,
    if_match="required",
    errors=(errors.CodeInUse,),
)
def delete_map(uow: UnitOfWork, _actor: Actor, row: models.CodeMap) -> None:
    code_maps.delete(uow, row)
