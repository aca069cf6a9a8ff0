from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import errors, models, role_queries, role_schemas, roles
from helpdesk.identity.actors import Actor
from helpdesk.identity.permissions import PERMISSIONS
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("roles", __name__, description="What people may do, on which complaints, and for how much.")


@blp.read(
    "/permissions",
    operation_id="list_permissions",
    summary="Every permission there is, and what it allows",
    answer=role_schemas.Permissions,
    permission="agent:read",
)
def list_permissions(_session: Session, _actor: Actor) -> dict[str, Any]:
    return {"items": [{"name": name, "description": allows} for name, allows in PERMISSIONS.items()]}


@blp.read(
    "/roles",
    operation_id="list_roles",
    summary="Every role and what it gives",
    answer=role_schemas.Role,
    query=PageQuery,
    permission="agent:read",
    paged=True,
)
def list_roles(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return role_queries.list_roles(session, page, given)


def _show(session: Session, _actor: Actor, role_id: UUID) -> dict[str, Any]:
    return role_queries.role_detail(session, role_id)


@blp.write(
    "/roles",
    operation_id="create_role",
    summary="Create a role",
    description="A role gives no more than its maker holds: permissions, scope and authority.",
    body=role_schemas.RoleIn,
    answer=role_schemas.Role,
    status=201,
    permission="role:manage",
    show=_show,
    location=lambda role: f"/api/v1/roles/{role['id']}",
    errors=(errors.NameTaken, errors.BeyondOwnRights),
)
def create_role(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return roles.create_role(uow, actor, given)


@blp.read(
    "/roles/<uuid:role_id>",
    operation_id="get_role",
    summary="One role",
    answer=role_schemas.Role,
    permission="agent:read",
)
def get_role(session: Session, _actor: Actor, role_id: UUID) -> dict[str, Any]:
    return role_queries.role_detail(session, role_id)


@blp.write(
    "/roles/<uuid:role_id>",
    operation_id="change_role",
    summary="Change what a role gives",
    description="Takes effect with the next request of everybody who has it. What it gains must be the caller's own; the "
    "role `admin` keeps what is needed to manage roles.",
    method="PATCH",
    body=role_schemas.RolePatch,
    answer=role_schemas.Role,
    permission="role:manage",
    load=role_queries.role_for_update,
    show=_show,
    if_match="required",
    errors=(errors.LastAdministrator, errors.BeyondOwnRights),
)
def change_role(uow: UnitOfWork, actor: Actor, role: models.Role, given: dict[str, Any]) -> UUID:
    return roles.change_role(uow, actor, role, given)


@blp.write(
    "/roles/<uuid:role_id>",
    operation_id="delete_role",
    summary="Delete a role that nobody has",
    method="DELETE",
    answer=None,
    status=204,
    permission="role:manage",
    load=role_queries.role_for_update,
    check=roles.check_deletion,
    if_match="required",
    errors=(errors.BuiltInRole, errors.RoleInUse),
)
def delete_role(uow: UnitOfWork, _actor: Actor, role: models.Role) -> None:
    roles.delete_role(uow, role)
