from typing import TypeVar

from helpdesk.kernel.errors import Forbidden, NotFound
from helpdesk.kernel.events import Principal


def require(actor: Principal, permission: str) -> None:
    """Raises `Forbidden`, naming the permission that is missing. Say "not found" first: see the order in `http`."""
    if not actor.may(permission):
        raise Forbidden(f"This needs the permission {permission!r}.", permission=permission)


Row = TypeVar("Row")


def existing(row: Row | None) -> Row:
    """What a select has found. Raises `NotFound` where it is nothing, or nothing for this caller."""
    if row is None:
        raise NotFound
    return row
