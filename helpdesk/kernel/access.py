from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.events import Principal


def require(actor: Principal, permission: str) -> None:
    """Raises `Forbidden`, naming the permission that is missing. Say "not found" first: see the order in `http`."""
    if not actor.may(permission):
        raise Forbidden(f"This needs the permission {permission!r}.", permission=permission)
