"""What a request has around it: the program it is put to, who is calling, its id, and the headers of every answer."""

import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Protocol, cast
from uuid import UUID

import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy.orm import Session
from werkzeug.routing import IntegerConverter, Map, UUIDConverter, ValidationError

from helpdesk.kernel import limiting
from helpdesk.kernel.errors import Unauthenticated
from helpdesk.kernel.events import Principal
from helpdesk.kernel.presence import Presence
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.storage import Store
from helpdesk.kernel.unit_of_work import Database

API: Final = "/api/v1"
"""Where every route stands that the OpenAPI document tells of."""


class Caller(Principal, Protocol):
    """A principal with the time at which the database knew it, the request's "now", and the revision of what was in force then."""

    @property
    def seen_at(self) -> Any: ...

    @property
    def revision(self) -> int | None: ...


ChangesOf = Callable[[Session, Any, Any, int | None], Mapping[str, Any]]
"""`(session, actor, row, version)`: members of a 409 or 412 that tell what happened to the row since that version, or
what others did lately where it is None; none for a row whose story nobody keeps.
"""


def _nothing_told(_session: Session, _actor: Any, _row: Any, _version: int | None) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Web:
    """What routes need of the program; put into `app.extensions["helpdesk"]` by `create_app`."""

    database: Database
    authenticate: Callable[..., Caller]
    """`authenticate(session, enrolling=False)`; `enrolling`: a session that lacks its second factor will do."""
    anonymous: Caller
    signing_key: str
    base_url: str
    store: Store
    changes_of: ChangesOf = _nothing_told
    settings: Settings = field(default_factory=Settings)
    presence: Presence = field(default_factory=lambda: Presence(None))


class RowId(UUIDConverter):
    """The id of a row in a path. What is none is the id of no row: so whoever asks is told, in the order of all refusals, that
    there is no such row, and not that there is no such address. A word that stands at such a place in an address is no id
    either: a method that is not for that address is refused as such.
    """

    regex = "[^/]+"
    part_isolating = True

    def to_python(self, value: str) -> UUID:
        if _ROW_ID.fullmatch(value):
            return UUID(value)
        if value in _words_beside_ids(self.map):
            raise ValidationError
        return NO_ROW


@cache
def _words_beside_ids(map_: Map) -> frozenset[str]:
    """Words of addresses that stand where another address, alike up to there, has something that is given."""
    words: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for rule in map_.iter_rules():
        parts = ["<>" if part.startswith("<") else part for part in rule.rule.split("/")]
        for place, part in enumerate(parts):
            words[tuple(parts[:place])].add(part)
    return frozenset().union(*(beside - {"<>"} for beside in words.values() if "<>" in beside))


class VersionNumber(IntegerConverter):
    """The number of a version in a path. What is none is the number of no version, as with `RowId`."""

    regex = "[^/]+"
    part_isolating = True

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, min=1, max=_MOST_VERSIONS)

    def to_python(self, value: str) -> int:
        number = int(value) if _VERSION.fullmatch(value) else NO_VERSION
        return number if number <= _MOST_VERSIONS else NO_VERSION


_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")
_MOST_VERSIONS: Final = 2**31 - 1
NO_VERSION: Final = 0
_ROW_ID: Final = re.compile(UUIDConverter.regex)
NO_ROW: Final = UUID(int=0)
"""Ids of rows have a time in them and are never this one."""


def web() -> Web:
    return cast(Web, current_app.extensions["helpdesk"])


def request_id() -> str:
    return str(g.request_id)


def user_agent() -> str:
    """What the caller's program says that it is, to be shown to people; at most 300 characters."""
    return "".join(char for char in request.headers.get("User-Agent", "") if char.isprintable())[:300]


def language(known: Sequence[str], wanted: str | None = None) -> str:
    """Which of these languages the caller likes best (`wanted`, or by `Accept-Language`; RFC 4647's look-up: `zh-CN` is
    content with `zh`); the first where it says nothing of them. The answer will say so.
    """
    return liked_language(known, wanted) or _speaking(known[0])


def liked_language(known: Sequence[str], wanted: str | None = None) -> str | None:
    """The same; None where it says nothing of them."""
    asked = [wanted] if wanted else [tag for tag, quality in request.accept_languages if quality > 0]
    spelled = {tag.lower(): tag for tag in known}
    liked = (spelled.get(shorter) for tag in asked for shorter in _shortened(tag.lower()))
    found = next((tag for tag in liked if tag is not None), None)
    return None if found is None else _speaking(found)


def _speaking(tag: str) -> str:
    g.language = tag
    return tag


def _shortened(tag: str) -> Iterator[str]:
    """`zh-hant-tw`, `zh-hant`, `zh`."""
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]


def request_cookie(name: str) -> str:
    """Empty when it did not come along."""
    return request.cookies.get(name, "")


def credentials(scheme: str) -> str | None:
    """What stands behind `Authorization: <scheme>`; None where it is not there, or longer than any of ours."""
    given, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if given.lower() == scheme.lower() and 1 <= len(token) <= 512 else None


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came, for who verifies a signature over it. Names of `headers` are in small letters."""

    headers: Mapping[str, str]
    body: bytes
    path: Mapping[str, Any]


def message(most: int) -> Message | None:
    """None for a body of more than so many bytes."""
    if (request.content_length or 0) > most:
        return None
    body = request.get_data()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return None if len(body) > most else Message(headers, body, request.view_args or {})


@dataclass(frozen=True, slots=True)
class Scheme:
    """Another way than a bearer token by which the callers of a route are known. `name` is the document's; `authenticate`
    raises `refused`, a 401. `limit`: the one that their address is counted under.
    """

    name: str
    authenticate: Callable[[Session], Caller]
    refused: type[Unauthenticated]
    limit: str = limiting.PUBLIC


def caller(
    session: Session,
    *,
    public: bool = False,
    limits: Sequence[str] = (),
    enrolling: bool = False,
    by: Scheme | None = None,
) -> Caller:
    """Who is calling, counted. Raises `Unauthenticated`, `QuotaExceeded`."""
    if public or by is not None:
        limiting.count_address(limiting.PUBLIC if by is None else by.limit, *limits)
    if by is not None:
        actor = by.authenticate(session)
    else:
        actor = web().anonymous if public else web().authenticate(session, enrolling=enrolling)
    if not public and by is None:
        limiting.count_credential(f"{actor.kind}:{actor.id}")
    structlog.contextvars.bind_contextvars(actor=f"{actor.kind}:{actor.id or ''}")
    return actor


def who_of(actor: Principal) -> str:
    """Whose keys they are. Of a public route's callers nothing is known that lasts (a telephone changes its address
    between two tries), so there the path tells them apart, which holds the signed token.
    """
    return f"{actor.kind}:{actor.id or ''}"


_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def bind_request(app: Flask) -> None:
    """Request ids, trace ids and security headers on everything."""

    @app.before_request
    def begin() -> None:
        offered = request.headers.get("X-Request-ID", "")
        g.request_id = offered if _REQUEST_ID.fullmatch(offered) else secrets.token_hex(12)
        trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=g.request_id, **({"trace_id": trace.group(1)} if trace else {})
        )

    @app.after_request
    def finish(response: Response) -> Response:
        headers = response.headers
        headers["X-Request-ID"] = g.get("request_id", "")
        for name, value in _HEADERS:
            headers.setdefault(name, value)
        if "language" in g:
            headers["Content-Language"] = g.language
            headers["Vary"] += ", Accept-Language"
        return response


_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Vary", "Authorization, Cookie"),
)
