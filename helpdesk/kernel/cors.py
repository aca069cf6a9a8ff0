"""Pages of other sites that may call some of our routes (CORS): those, and no others, are told that they may read the answer.

Nothing else follows from it: no cookie is taken from them, and what a form may be used for, its routes check.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from helpdesk.kernel import limiting
from helpdesk.kernel.http import web
from helpdesk.kernel.limits import QuotaExceeded

_SHOWN: Final = "Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, X-Request-ID"


def foreign_origin() -> str | None:
    """The site whose page is calling; None where it is ours, or no page at all."""
    origin = request.headers.get("Origin")
    ours = urlsplit(web().base_url)
    return None if origin in {None, f"{ours.scheme}://{ours.netloc}"} else origin


def share(blueprint: Blueprint, allows: Callable[[Session, str], bool], *, only: str = "/", asking: str = "") -> None:
    """Let the pages of origins that `allows` knows read what the routes of this blueprint answer; `only` those below that
    address. `asking`: headers that they may send beside the usual ones.
    """
    headers = ", ".join(filter(None, ("Content-Type", "Idempotency-Key", asking)))

    @blueprint.after_request
    def answer(response: Response) -> Response:
        if not request.path.startswith(only):
            return response
        response.headers["Vary"] = "Authorization, Origin"
        origin = foreign_origin()
        if origin is None or len(origin) > 300 or not _counted() or not _known(allows, origin):
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _SHOWN
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = headers
            response.headers["Access-Control-Max-Age"] = "600"
        return response


def _counted() -> bool:
    """A question beforehand is a request too; every other was counted when it was answered."""
    if request.method == "OPTIONS":
        try:
            limiting.count_address(limiting.PUBLIC)
        except QuotaExceeded:
            return False
    return True


def _known(allows: Callable[[Session, str], bool], origin: str) -> bool:
    with web().database.reader() as session:
        return allows(session, origin)
