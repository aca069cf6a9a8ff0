"""What one can do with roles. A change takes effect with the next request of everybody who has the role.

Roles, agents and memberships are changed one act at a time (`queries.lock_membership`): whether somebody is left who can
administer is a question about all of them together.
"""

from typing import Any, Final
from uuid import UUID

from helpdesk.identity import queries, role_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.errors import BuiltInRole, LastAdministrator, NameTaken
from helpdesk.identity.granting import check_rights
from helpdesk.identity.models import KnownPermission, Role
from helpdesk.identity.permissions import ADMINISTERING, ADMINISTRATOR, PERMISSIONS, SCOPES, SHIPPED, Rights
from helpdesk.identity.role_events import RoleChanged, RoleCreated, RoleDeleted
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

_FIELDS: Final = ("description", "permissions", "scope", "authority", "second_factor")


def create_role(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    """`given`: name, description, permissions, scope, authority, and perhaps second_factor. Raises `NameTaken`, `BeyondOwnRights`."""
    queries.lock_membership(uow.session)
    wanted = {"second_factor": False, **given, "permissions": sorted(set(given["permissions"]))}
    check_rights(actor, _rights(wanted))
    if role_queries.role_named(uow.session, given["name"]) is not None:
        raise NameTaken
    role = Role(id=new_id(), version=1, built_in=False, **wanted)
    uow.session.add(role)
    changes = {name: [None, wanted[name]] for name in _FIELDS}
    record_administration(uow, RoleCreated(role_id=role.id, name=role.name, changes=changes))
    return role.id


def change_role(uow: UnitOfWork, actor: Actor, role: Role, given: dict[str, Any]) -> UUID:
    """`given`: any of description, permissions, scope, authority, second_factor. `role`: as by `role_queries.role_for_update`.

    Only what it gains must be the actor's own. Raises `BeyondOwnRights`, `LastAdministrator`, and `ValidationFailed` for
    an `admin` that could not manage roles any more.
    """
    wanted = {name: given.get(name, getattr(role, name)) for name in _FIELDS}
    wanted["permissions"] = sorted(set(wanted["permissions"]))
    before, after = _rights({name: getattr(role, name) for name in _FIELDS}), _rights(wanted)
    check_rights(actor, _gained(before, after))
    if role.name == ADMINISTRATOR and not after.permissions >= ADMINISTERING:
        text = f"The role {ADMINISTRATOR} keeps {', '.join(sorted(ADMINISTERING))}."
        raise ValidationFailed(errors=[FieldError.at("/permissions", "needed", text)])
    if before.permissions >= ADMINISTERING and not after.permissions >= ADMINISTERING:
        _keep_an_administrator(uow, role)
    _set(uow, role, wanted)
    return role.id


def _rights(row: dict[str, Any]) -> Rights:
    return Rights(frozenset(row["permissions"]), row["scope"], row["authority"])


def _gained(before: Rights, after: Rights) -> Rights:
    beyond = after.beyond(before)
    return Rights(
        frozenset(beyond.get("permissions", ())), beyond.get("scope", SCOPES[0]), beyond.get("authority", "none")
    )


def _keep_an_administrator(uow: UnitOfWork, role: Role) -> None:
    if role_queries.has_active_agents(uow.session, role.name) and not role_queries.another_administrator(
        uow.session, role_name=role.name
    ):
        raise LastAdministrator


def _set(uow: UnitOfWork, role: Role, wanted: dict[str, Any]) -> None:
    changes = {name: [getattr(role, name), wanted[name]] for name in _FIELDS if getattr(role, name) != wanted[name]}
    for name in changes:
        setattr(role, name, wanted[name])
    if changes:
        role.touch()
        record_administration(uow, RoleChanged(role_id=role.id, name=role.name, changes=changes))


def check_deletion(_session: Any, _actor: Actor, role: Role) -> None:
    """Raises `BuiltInRole`."""
    if role.built_in:
        raise BuiltInRole


def delete_role(uow: UnitOfWork, role: Role) -> None:
    """`check_deletion` comes first. Raises `RoleInUse`, whoever names it."""
    changes = {name: [getattr(role, name), None] for name in _FIELDS}
    record_administration(uow, RoleDeleted(role_id=role.id, name=role.name, changes=changes))
    uow.session.delete(role)


def reset_role(uow: UnitOfWork, name: str) -> bool:
    """What a shipped role was given, as it is shipped; False for any other role. The operator's way back, when nobody is
    left who holds what they would have to give.
    """
    queries.lock_membership(uow.session)
    role = next((item for item in role_queries.built_in_roles(uow.session) if item.name == name), None)
    if role is None:
        return False
    shipped = SHIPPED[name]
    _set(
        uow,
        role,
        {
            "description": shipped.description,
            "permissions": sorted(shipped.rights.permissions),
            "scope": shipped.rights.scope,
            "authority": shipped.rights.authority,
            "second_factor": False,
        },
    )
    return True


def install_permissions(uow: UnitOfWork) -> list[str]:
    """Permissions that came with this version of the program go to the shipped roles that hold them; which ones. Each once:
    what somebody has taken from a role since stays taken.
    """
    queries.lock_membership(uow.session)
    known = role_queries.known_permissions(uow.session)
    new = [name for name in PERMISSIONS if name not in known]
    for role in role_queries.built_in_roles(uow.session) if new else ():
        gained = SHIPPED[role.name].rights.permissions.intersection(new)
        fields = {name: getattr(role, name) for name in _FIELDS}
        _set(uow, role, {**fields, "permissions": sorted(gained.union(role.permissions))})
    uow.add_rows(KnownPermission, [{"name": name} for name in new])
    return new
