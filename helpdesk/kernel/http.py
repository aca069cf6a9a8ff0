"""One road for every request: who is calling, what is asked, one call inside one transaction, one kind of answer.

A route is declared with `Blueprint.read` or `Blueprint.write`; the declaration is both what runs and what the OpenAPI
document says (flask-smorest renders it), so the two cannot differ. The order of refusals is 401, 404, 403, 412/428,
409, 422: who may not see a row learns nothing about it, not even that a body would have been wrong.

A write route names how its row is loaded (`load`, locked and only if visible), which permission it needs, what must
hold (`check`), and how the result is shown (`show`, run before the commit so that the answer can be kept for
`Idempotency-Key`, on rows as they will be committed).
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

import flask_smorest
import marshmallow as ma
import orjson
import structlog
from flask import Flask, Response, current_app, g, request
from psycopg import errors as pg_errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.kernel import idempotency, limiting
from helpdesk.kernel.access import require
from helpdesk.kernel.downloads import RangeNotSatisfiable, respond
from helpdesk.kernel.errors import (
    Conflict,
    DomainError,
    IdempotencyKeyRequired,
    MalformedRequest,
    MovedMeanwhile,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Unauthenticated,
    ValidationFailed,
)
from helpdesk.kernel.events import EventStream, Principal
from helpdesk.kernel.multipart import MEDIA_TYPE
from helpdesk.kernel.pagination import Count, Page
from helpdesk.kernel.presence import Presence
from helpdesk.kernel.problems import UnknownRoute, UnsupportedMediaType
from helpdesk.kernel.schemas import SPARSE, BinaryFile, Names, Schema, problems_of
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.storage import StorageFull, StorageUnavailable, Store
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.kernel.uploads import FORM_ROOM, FileTooLarge, FormRequired, Sent, Terms, Upload, received, too_large

JSON = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_ATTEMPTS = 3
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TAG_VERSION = re.compile(r'"v([0-9]{1,9})(?:-[0-9a-f]+)?"')
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Caller(Principal, Protocol):
    """A principal with the time at which the database knew it; the request's "now"."""

    @property
    def seen_at(self) -> Any: ...


ChangesOf = Callable[[Session, Any, Any, int | None], Mapping[str, Any]]
"""`(session, actor, row, version)`: members of a 409 or 412 that tell what happened to the row since that version, lately
where it is None; none for a row whose story nobody keeps.
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


def web() -> Web:
    return cast(Web, current_app.extensions["helpdesk"])


def request_id() -> str:
    return str(g.request_id)


def user_agent() -> str:
    """What the caller's program says that it is, to be shown to people; at most 300 characters."""
    return "".join(char for char in request.headers.get("User-Agent", "") if char.isprintable())[:300]


@dataclass(frozen=True, slots=True)
class Scheme:
    """Another way than a bearer token by which the callers of a route are known. `name` is the document's; `authenticate`
    raises `refused`, a 401.
    """

    name: str
    authenticate: Callable[[Session], Caller]
    refused: type[Unauthenticated]


def credentials(scheme: str) -> str | None:
    """What stands behind `Authorization: <scheme>`; None where it is not there, or longer than any of ours."""
    given, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if given.lower() == scheme.lower() and 1 <= len(token) <= 512 else None


def request_cookie(name: str) -> str:
    """Empty when it did not come along."""
    return request.cookies.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A GET as it runs. See `Blueprint.read`."""

    view: Callable[..., Any]
    answer: Any
    query: ma.Schema | None
    permission: str | None
    public: bool
    paged: bool
    limits: Sequence[str]
    enrolling: bool
    by: Scheme | None
    sparse: bool

    def __call__(self, **path: Any) -> Response:
        return _persistently(lambda: self._once(path))

    def _once(self, path: dict[str, Any]) -> Response:
        with web().database.reader() as session:
            actor = caller(session, public=self.public, limits=self.limits, enrolling=self.enrolling, by=self.by)
            if self.permission is not None:
                require(actor, self.permission)
            given = load_query(self.query)
            wanted = given.pop(FIELDS, None) if self.sparse else None
            if self.paged:
                body = self.page(session, actor, given, path, str(request.url_rule))
                return _listed(body, body["next_cursor"], wanted)
            result = self.view(session, actor, *((given,) if self.query else ()), **path)
        return result if isinstance(result, Response) else _conditional(self.answer, result, wanted)

    def page(
        self, session: Session, actor: Caller, given: dict[str, Any], path: dict[str, Any], rule: str
    ) -> dict[str, Any]:
        # The route is part of what the cursor stands for: two lists without filters are not one list.
        page = Page.of({**given, **path, "/": rule}, web().signing_key)
        rows, cursor, total = self.view(session, actor, page, given, **path)
        body: dict[str, Any] = {"items": self.answer.dump(rows, many=True), "next_cursor": cursor}
        if isinstance(total, Count):
            body["total"] = total.number
            if not total.exact:
                body["total_is_exact"] = False
        elif total is not None:
            body["total"] = total
        return body

    def included(self, session: Session, actor: Caller, path: dict[str, Any], rule: str) -> Any:
        """What the route answers to who asks it for nothing in particular."""
        if self.permission is not None:
            require(actor, self.permission)
        given: dict[str, Any] = {} if self.query is None else self.query.load({})
        if self.paged:
            return self.page(session, actor, given, path, rule)
        return self.answer.dump(self.view(session, actor, *((given,) if self.query else ()), **path))


FIELDS: Final = "fields"
_reads: dict[str, _Read] = {}
"""Every GET by its rule, for `include`."""


def include(session: Session, actor: Caller, rule: str, **path: Any) -> Any:
    """What another GET of ours answers to this caller, to be shown inside this one's answer: the same rights, the same
    bounds, and its cursor goes on there. `rule` is as it was declared. Raises `Forbidden`.
    """
    own = str(request.url_rule)
    prefix = own[: own.index("/", own.index("/", 1) + 1)]  # `/api/v1`
    return _reads[rule].included(session, actor, path, f"{prefix}{rule}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """A change as it runs. See `Blueprint.write`."""

    view: Callable[..., Any]
    answer: Any
    body: ma.Schema | None
    status: int
    permission: str | None
    public: bool
    load: Callable[..., Any] | None
    body_names_rows: bool = False
    allow: Callable[[Session, Any, Any], None] | None = None
    check: Callable[[Session, Any, Any], None] | None
    show: Callable[..., Any] | None
    location: Callable[[Any], str] | None
    if_match: str
    key_required: bool
    shown_once: str | None
    limits: Sequence[str]
    keyed: bool = True
    first: Callable[..., Any] | None = None
    headers: Callable[[Any], Mapping[str, str]] | None = None
    enrolling: bool = False
    body_optional: bool = False
    or_nothing: bool = False
    accepted: Callable[[Any], bool] | None = None
    by: Scheme | None = None

    def __call__(self, **path: Any) -> Response:
        if self.first is not None:
            return self._after_first(self.first, path)
        return _persistently(lambda: self._once(path))

    def _known_caller(self) -> Caller:
        with web().database.reader() as session:
            return caller(session, public=self.public, limits=self.limits, enrolling=self.enrolling, by=self.by)

    def _after_first(self, first: Callable[..., Any], path: dict[str, Any]) -> Response:
        """Only the last part is done again where nothing of it happened: what `first` did has been done."""
        actor = _persistently(self._known_caller)
        given = _Given.read(self.body)
        if self.permission is not None:
            require(actor, self.permission)
        load_query(None)
        found = first(actor, *given.body(self.body), **path)
        return _persistently(lambda: self._concluded(actor, found))

    def _concluded(self, actor: Caller, found: Any) -> Response:
        with web().database.unit_of_work(actor, request_id=g.request_id) as uow:
            result = self.view(uow, actor, found)
            uow.finish()
            shown = self.show(uow.session, actor, result) if self.show is not None else result
            return self._answered(shown)

    def _answered(self, shown: Any) -> Response:
        status = 202 if self.accepted is not None and self.accepted(shown) else self.status
        response = _answer(self.answer, shown, status, self.location)
        for name, value in self.headers(shown).items() if self.headers is not None else ():
            response.headers[name] = value
        return response

    def _once(self, path: dict[str, Any]) -> Response:
        return self._settled(self._known_caller(), _Given.read(self.body, optional=self.body_optional), path)

    def _settled(self, actor: Caller, given: "_Given", path: dict[str, Any]) -> Response:
        tried = self._attempt(actor, given)
        with web().database.unit_of_work(actor, now=actor.seen_at, request_id=g.request_id) as uow:
            if tried is not None:
                kept = idempotency.earlier_answer(uow.session, tried)
                if kept is not None:
                    return _replayed(kept)
                uow.attempt = tried
            result = self._work(uow, actor, given, path)
            uow.finish()
            shown, response = self._shown(uow.session, actor, result)
            if tried is not None:
                self._keep(uow.session, tried, response, shown, uow.about)
        return response

    def _shown(self, session: Session, actor: Caller, result: Any) -> tuple[Any, Response]:
        if self.or_nothing and result is None:
            return None, Response(status=204)
        shown = self.show(session, actor, result) if self.show is not None else result
        return shown, self._answered(shown)

    def _keep(
        self, session: Session, tried: idempotency.Attempt, response: Response, shown: Any, about: Collection[UUID]
    ) -> None:
        """For a repeat; without the secret, which is shown once and kept nowhere."""
        if self.shown_once is not None:
            response = _answer(self.answer, {**shown, self.shown_once: None}, self.status, self.location)
        headers = _kept_headers(response)
        idempotency.keep(session, tried, response.status_code, headers, response.get_data(), about=about)

    def _attempt(self, actor: Caller, given: "_Given") -> idempotency.Attempt | None:
        key = request.headers.get("Idempotency-Key") if request.method == "POST" and self.keyed else None
        if key is None:
            if self.key_required:
                raise IdempotencyKeyRequired
            return None
        return idempotency.attempt(_who(actor), request.method, request.full_path, key, given.raw)

    def _work(self, uow: UnitOfWork, actor: Caller, given: "_Given", path: dict[str, Any]) -> Any:
        """The order of refusals: 404, 403, 412/428, 409, 422."""
        if self.load is None:
            if self.permission is not None:
                require(actor, self.permission)
            load_query(None)
            return self.view(uow, actor, *given.body(self.body), **path)
        row = self.load(uow.session, actor, *((given.parsed,) if self.body_names_rows else ()), **path)
        uow.about |= _about(row)
        if self.permission is not None:
            require(actor, self.permission)
        if self.allow is not None:
            self.allow(uow.session, actor, row)
        try:
            return self._on(uow, actor, row, given)
        except (Conflict, PreconditionFailed) as refused:
            refused.extra.update(web().changes_of(uow.session, actor, row, _looked_at()))
            raise

    def _on(self, uow: UnitOfWork, actor: Caller, row: Any, given: "_Given") -> Any:
        if self.if_match != "none":
            _check_if_match(row, required=self.if_match == "required")
        if self.check is not None:
            self.check(uow.session, actor, row)
        load_query(None)
        return self.view(uow, actor, row, *given.body(self.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload(_Write):
    """A POST with a file as it runs. See `Blueprint.upload`."""

    look: Callable[..., Any]
    terms: Callable[[Any], Terms]

    def __call__(self, **path: Any) -> Response:
        with web().database.reader() as session:
            actor = caller(session, public=self.public, limits=self.limits, by=self.by)
            terms = self._asked(session, actor, path)
        # No connection is held from here on until all of it is there: a slow sender keeps nobody else waiting.
        request.max_content_length = terms.max_bytes + FORM_ROOM
        with received(web().database, web().store, actor, _sent(terms), terms) as upload:
            given = _GivenFile(upload.fingerprint(), dict(upload.fields), upload)
            return _persistently(lambda: self._settled(actor, given, path))

    def _asked(self, session: Session, actor: Caller, path: dict[str, Any]) -> Terms:
        """What can be refused before the file comes is refused then."""
        seen = self.look(session, actor, **path)
        if self.permission is not None:
            require(actor, self.permission)
        if request.mimetype != MEDIA_TYPE:
            raise FormRequired
        load_query(None)
        return self.terms(seen)


def _sent(terms: Terms) -> Sent:
    if (request.content_length or 0) > terms.max_bytes + FORM_ROOM:
        raise too_large(terms)
    return Sent(request.stream, cast(Mapping[str, str], request.headers))


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest ships no types
    """A domain's routes. See the module for what a declaration means."""

    def read(
        self,
        rule: str,
        *,
        operation_id: str,
        summary: str,
        answer: Any,
        query: Any = None,
        permission: str | None = None,
        public: bool = False,
        errors: Sequence[type[DomainError]] = (),
        paged: bool = False,
        limits: Sequence[str] = (),
        enrolling: bool = False,
        by: Scheme | None = None,
        languages: Sequence[str] = (),
        sparse: bool = False,
        description: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A GET: `view(session, actor, [query], **path)` returns what `answer` dumps, or a whole `Response`.

        `sparse`: callers may ask for some of its fields alone (`fields=`).

        `languages`: those of the texts for people in it; `language` tells which is wanted.

        `limits`: further ones (`limiting`) of the address, beside that of every token, or of every public caller.
        `enrolling`: also for a session that lacks its second factor. `by`: how callers are known, where it is not by a
        bearer token or a session of ours.

        With `paged`: `view(session, actor, page, query, **path)` returns `(rows, next_cursor, total or None)`. A total that
        is a `Count` and not exact is told so, in `total_is_exact`.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            run = _Read(
                view=view,
                answer=_instance(answer),
                query=_with_fields(_instance(query), _instance(answer)) if sparse else _instance(query),
                permission=permission,
                public=public,
                paged=paged,
                limits=limits,
                enrolling=enrolling,
                by=by,
                sparse=sparse,
            )
            _reads[rule] = run
            self._register(
                rule,
                "GET",
                run,
                operation_id=operation_id,
                summary=summary,
                description=description,
                answer=run.answer,
                statuses={200: "OK"},
                query=run.query,
                errors=[*errors, *([NotFound] if "<" in rule else [])],
                permission=permission,
                public=public,
                enrolling=enrolling,
                by=by,
                paged=paged,
                single=not paged,
                languages=languages,
                sparse=sparse,
            )
            return view

        return register

    def write(
        self,
        rule: str,
        *,
        operation_id: str,
        summary: str,
        answer: Any,
        body: Any = None,
        method: str = "POST",
        status: int = 200,
        permission: str | None = None,
        public: bool = False,
        load: Callable[..., Any] | None = None,
        body_names_rows: bool = False,
        allow: Callable[[Session, Any, Any], None] | None = None,
        check: Callable[[Session, Any, Any], None] | None = None,
        show: Callable[..., Any] | None = None,
        location: Callable[[Any], str] | None = None,
        if_match: str = "none",
        idempotency_key: str = "optional",
        shown_once: str | None = None,
        limits: Sequence[str] = (),
        first: Callable[..., Any] | None = None,
        headers: Callable[[Any], Mapping[str, str]] | None = None,
        enrolling: bool = False,
        body_optional: bool = False,
        or_nothing: bool = False,
        accepted: Callable[[Any], bool] | None = None,
        by: Scheme | None = None,
        errors: Sequence[type[DomainError]] = (),
        description: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A change: `view(uow, actor, [row], [body], **path)`; what it returns goes through `show` and `answer`.

        `load(session, actor, **path)` gives the locked row or raises `NotFound`; with it, the path's values go there
        and not to the view. With `body_names_rows`, rows that the body names are locked together with it, so `load(session,
        actor, body, **path)` is given the body as it was parsed: any JSON, of which nothing is known yet.
        `allow(session, actor, row)` raises `Forbidden` for whom the permission is not enough, because of whose row it
        is; `check(session, actor, row)`, after If-Match, refuses for what state the row is in, before the body is
        looked at. `if_match` is none, honoured or required. `shown_once` names a field of the answer (then a mapping) that is shown once: the kept
        answer has null in its place. `headers(shown)` are further ones of the answer. `limits`
        and `by` as in `read`.

        `idempotency_key` is optional, required or none: no trace is kept of a body that holds a password or a code, and
        a kept answer would tell whoever guesses the key whether the guess in the body was right.

        `first(actor, [body], **path)` runs before the unit of work, with no transaction open: what takes long (a
        password's hash, another system) or must last though the request is refused (a failure that is counted). What
        it returns is all that the view gets: `view(uow, actor, found)`. It goes without `load` and a key.

        `enrolling`: also for a session that lacks its second factor.

        `body_optional`: a request without a body is one with an empty object. `or_nothing`: the view may return None,
        which is a 204. `accepted(shown)`: whether the work is still to be done, which is a 202.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            run = _Write(
                view=view,
                answer=_instance(answer),
                body=_instance(body),
                status=status,
                permission=permission,
                public=public,
                load=load,
                body_names_rows=body_names_rows,
                allow=allow,
                check=check,
                show=show,
                location=location,
                if_match=if_match,
                key_required=idempotency_key == "required",
                shown_once=shown_once,
                limits=limits,
                keyed=idempotency_key != "none",
                first=first,
                headers=headers,
                enrolling=enrolling,
                body_optional=body_optional,
                or_nothing=or_nothing,
                accepted=accepted,
                by=by,
            )
            self._register(
                rule,
                method,
                run,
                operation_id=operation_id,
                summary=summary,
                description=_saying_once(description or f"{summary}.", shown_once),
                answer=run.answer,
                statuses=_successes(status, or_nothing=or_nothing, accepted=accepted is not None),
                body=run.body,
                body_optional=body_optional,
                errors=[*errors, *_refusals(rule, load if by is None else None, if_match)],
                permission=permission,
                public=public,
                enrolling=enrolling,
                by=by,
                if_match=if_match,
                idempotency_key=idempotency_key if method == "POST" else None,
                location=location is not None,
            )
            return view

        return register

    def upload(
        self,
        rule: str,
        *,
        operation_id: str,
        summary: str,
        form: Any,
        answer: Any,
        look: Callable[..., Any],
        terms: Callable[[Any], Terms],
        load: Callable[..., Any],
        permission: str | None = None,
        public: bool = False,
        by: Scheme | None = None,
        check: Callable[[Session, Any, Any], None] | None = None,
        show: Callable[..., Any] | None = None,
        location: Callable[[Any], str] | None = None,
        if_match: str = "honoured",
        limits: Sequence[str] = (),
        errors: Sequence[type[DomainError]] = (),
        description: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A POST with a file: `view(uow, actor, row, given, upload)`; the rest as in `write`.

        `form` is the schema of the fields beside the file. `look(session, actor, **path)` refuses before the file comes
        (`NotFound` first of all), and `terms` says of what it gave how large the file may be, and of which kinds.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            run = _Upload(
                view=view,
                answer=_instance(answer),
                body=_instance(form),
                status=201,
                permission=permission,
                public=public,
                load=load,
                check=check,
                show=show,
                location=location,
                if_match=if_match,
                key_required=False,
                shown_once=None,
                limits=limits,
                by=by,
                look=look,
                terms=terms,
            )
            self._register(
                rule,
                "POST",
                run,
                operation_id=operation_id,
                summary=summary,
                description=description or f"{summary}.",
                answer=run.answer,
                statuses={201: "Created"},
                form=_with_file(form)(),
                errors=[*errors, *_refusals(rule, load if by is None else None, if_match), *_OF_FILES],
                permission=permission,
                public=public,
                by=by,
                if_match=if_match,
                idempotency_key="optional",
                location=location is not None,
            )
            return view

        return register

    def download(
        self,
        rule: str,
        *,
        operation_id: str,
        summary: str,
        errors: Sequence[type[DomainError]] = (),
        limits: Sequence[str] = (),
        description: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A public GET whose answer is a file: `view(session, actor, **path)` gives a `Download`. Its address is the
        right to it, so it takes no token.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            def run(**path: Any) -> Response:
                with web().database.reader() as session:
                    actor = caller(session, public=True, limits=limits)
                    load_query(None)
                    file = view(session, actor, **path)
                return respond(web().store, file)

            self._register(
                rule,
                "GET",
                lambda **path: _persistently(lambda: run(**path)),
                operation_id=operation_id,
                summary=summary,
                description=description,
                answer=None,
                statuses={},
                errors=[*errors, NotFound, RangeNotSatisfiable, StorageUnavailable],
                permission=None,
                public=True,
                single=True,
                binary=True,
            )
            return view

        return register

    def _register(
        self, rule: str, method: str, run: Callable[..., Response], *, operation_id: str, **what: Any
    ) -> None:
        from helpdesk.kernel.openapi import describe  # noqa: PLC0415  # it imports this module's names

        def view(**path: Any) -> Response:
            return run(**path)

        if "<" in rule:
            what["errors"] = [*what["errors"], UnknownRoute]  # a value that cannot stand there is another address
        view._apidoc = describe(self, operation_id=operation_id, **what)  # type: ignore[attr-defined]  # noqa: SLF001  # where flask-smorest looks for it
        self.add_url_rule(rule, operation_id, view, methods=[method])


_OF_FILES: Final = (FileTooLarge, FormRequired, StorageUnavailable, StorageFull)


def _with_file(form: type[ma.Schema]) -> type[ma.Schema]:
    """The form as the document shows it: with the part that is the file."""
    return type(form.__name__, (form,), {"file": BinaryFile(required=True, metadata={"example": "bytes"})})


def _about(row: Any) -> set[UUID]:
    """The row with a chain that a loaded row is, or belongs to."""
    if isinstance(row, EventStream):
        return {row.id}  # type: ignore[attr-defined]  # every such row has one
    owner = getattr(row, "complaint", None)
    found = owner.id if isinstance(owner, EventStream) else getattr(row, "complaint_id", None)  # type: ignore[attr-defined]
    return {found} if isinstance(found, UUID) else set()


def _successes(status: int, *, or_nothing: bool, accepted: bool) -> dict[int, str]:
    found = {status: HTTPStatus(status).phrase}
    if accepted:
        found[202] = "The work goes on; the job tells how far it is."
    if or_nothing:
        found[204] = "There is none."
    return found


def _with_fields(query: ma.Schema | None, answer: ma.Schema) -> ma.Schema:
    """The query, with the parameter that names fields of the answer."""
    base = Schema if query is None else type(query)
    names = Names(
        answer.dump_fields,
        metadata={"description": f"Only these fields, separated by commas; as `{SPARSE}`.", "example": None},
    )
    made: ma.Schema = type(base.__name__, (base,), {FIELDS: names})()
    return made


def _saying_once(description: str, secret: str | None) -> str:
    if secret is None:
        return description
    return (
        f"{description} `{secret}` is shown once and kept nowhere: the answer to a repeat with the same "
        f"`Idempotency-Key` (`Idempotent-Replayed: true`) has null in its place."
    )


def _refusals(rule: str, load: object, if_match: str) -> list[type[DomainError]]:
    found: list[type[DomainError]] = [NotFound] if load is not None or "<" in rule else []
    if if_match != "none":
        found.append(PreconditionFailed)
    if if_match == "required":
        found.append(PreconditionRequired)
    return found


def _instance(schema: Any) -> Any:
    return schema() if isinstance(schema, type) else schema


def _who(actor: Principal) -> str:
    """Whose keys they are. Of a public route's callers nothing is known that lasts (a telephone changes its address
    between two tries), so there the path tells them apart, which holds the signed token.
    """
    return f"{actor.kind}:{actor.id or ''}"


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
        limiting.count_address(limiting.PUBLIC, *limits)
    if by is not None:
        actor = by.authenticate(session)
    else:
        actor = web().anonymous if public else web().authenticate(session, enrolling=enrolling)
    if not public and by is None:
        limiting.count_credential(f"{actor.kind}:{actor.id}")
    structlog.contextvars.bind_contextvars(actor=f"{actor.kind}:{actor.id or ''}")
    return actor


@dataclass(frozen=True, slots=True)
class _Given:
    """A request's body, read but not yet validated: what is wrong with it is said after 404, 403 and 409."""

    raw: bytes
    parsed: Any

    @classmethod
    def read(cls, schema: ma.Schema | None, *, optional: bool = False) -> "_Given":
        if schema is None:
            raw = request.get_data()
            if raw.strip() not in {b"", b"{}"}:
                raise MalformedRequest("This request takes no body.")
            return cls(b"", None)
        if optional and not request.get_data().strip():
            return cls(b"", {})
        if request.mimetype not in {"application/json", "application/merge-patch+json"}:
            raise UnsupportedMediaType
        raw = request.get_data()
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise MalformedRequest(f"The body is not well-formed JSON: {error}.") from error
        return cls(raw, parsed)

    def body(self, schema: ma.Schema | None) -> tuple[Any, ...]:
        if schema is None:
            return ()
        try:
            return (schema.load(self.parsed),)
        except ma.ValidationError as error:
            raise validation_failed(error.messages) from error


@dataclass(frozen=True, slots=True)
class _GivenFile(_Given):
    """A form whose file is in the store by now."""

    upload: Upload

    def body(self, schema: ma.Schema | None) -> tuple[Any, ...]:
        return (*_Given.body(self, schema), self.upload)


def validation_failed(messages: Any) -> ValidationFailed:
    found = problems_of(messages)
    return ValidationFailed(
        "1 field needs attention." if len(found) == 1 else f"{len(found)} fields need attention.",
        errors=cast(Any, found),
    )


def language(known: Sequence[str]) -> str:
    """Which of these languages the caller likes best (`Accept-Language`, by RFC 4647's look-up: `zh-CN` is content with
    `zh`); the first where it says nothing of them. The answer will say so.
    """
    liked = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality > 0)
    found: str = next((tag for tag in liked if tag in known), known[0])
    g.language = found
    return found


def load_query(schema: ma.Schema | None) -> dict[str, Any]:
    """The query's parameters. Raises `ValidationFailed`, also for any that `schema` does not know."""
    given: dict[str, Any] = {}
    problems = []
    for name, values in request.args.lists():
        if schema is None or name not in schema.load_fields:
            problems.append({"parameter": name, "code": "unknown_parameter", "detail": "There is no such parameter."})
        elif len(values) > 1:
            problems.append({"parameter": name, "code": "repeated", "detail": "Give this parameter once."})
        else:
            given[name] = values[0]
    if schema is not None:
        try:
            given = schema.load(given)
        except ma.ValidationError as error:
            for item in problems_of(error.messages):
                name = item["pointer"].removeprefix("/").split("/")[0]
                problems.append({"parameter": name, "code": item["code"], "detail": item["detail"]})
    if problems:
        raise ValidationFailed(f"{len(problems)} query parameters need attention.", errors=cast(Any, problems))
    return given


def _check_if_match(row: Any, *, required: bool) -> None:
    """Comparison with the locked row's version, which is the first part of its ETag (`"v7-..."`) and will do alone
    (`"v7"`); `*` matches any. Strong (RFC 9110, 13.1.1): a weak tag matches nothing.
    """
    if "If-Match" not in request.headers:
        if required:
            raise PreconditionRequired
        return
    header = request.headers["If-Match"]
    current = f'"{row.etag}"'
    if header.strip() != "*" and row.version not in _versions(header):
        raise PreconditionFailed(
            f"You looked at {header[:80]}; it is now {current}.", current_etag=current, current_version=row.version
        )


def _versions(header: str) -> list[int]:
    offered = [_TAG_VERSION.fullmatch(tag.strip()) for tag in header.split(",")]
    return [int(tag.group(1)) for tag in offered if tag is not None]


def _looked_at() -> int | None:
    """The version that the caller says they have seen, the newest where they name several."""
    return max(_versions(request.headers.get("If-Match", "")), default=None)


def _answer(
    schema: Any,
    shown: Any,
    status: int,
    location: Callable[[Any], str] | None,
    wanted: Sequence[str] | None = None,
) -> Response:
    """`wanted`: fields that there is to be nothing beside of."""
    dumped = None if schema is None else schema.dump(shown)
    version = dumped.get("version") if isinstance(dumped, dict) else None
    data = b"" if dumped is None else orjson.dumps(_only(wanted, dumped), option=JSON)
    headers: dict[str, str] = {}
    if version is not None:
        headers["ETag"] = f'"v{version}-{_digest(data)}"'
    if location is not None:
        headers["Location"] = location(shown)
    return Response(data, status, headers, mimetype=_json_or(wanted))


def _only(wanted: Sequence[str] | None, dumped: dict[str, Any]) -> dict[str, Any]:
    return dumped if wanted is None else {name: dumped[name] for name in wanted if name in dumped}


def _json_or(wanted: Sequence[str] | None) -> str:
    return "application/json" if wanted is None else SPARSE


def _conditional(schema: Any, result: Any, wanted: Sequence[str] | None = None) -> Response:
    """200 with an ETag, or 304. A versioned resource is tagged by its version, for `If-Match`, and by its text, for
    `If-None-Match`: what is shown also changes while the version stays (the clock runs out, somebody else's rights), and
    a 304 must not hide it. Anything else is tagged by its text alone.
    """
    response = _answer(schema, result, 200, None, wanted)
    if "ETag" not in response.headers:
        response.headers["ETag"] = _text_tag(response.get_data())
    return _not_modified(response)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _text_tag(data: bytes) -> str:
    return f'W/"{_digest(data)}"'


def _not_modified(response: Response) -> Response:
    asked = request.headers.get("If-None-Match")
    if asked:
        tag = response.headers["ETag"].removeprefix("W/")
        if asked.strip() == "*" or tag in {item.strip().removeprefix("W/") for item in asked.split(",")}:
            return Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response


def _listed(body: dict[str, Any], cursor: str | None, wanted: Sequence[str] | None = None) -> Response:
    if wanted is not None:
        body = {**body, "items": [_only(wanted, item) for item in body["items"]]}
    data = orjson.dumps(body, option=JSON)
    response = Response(data, 200, mimetype=_json_or(wanted), headers={"ETag": _text_tag(data)})
    if cursor is not None:
        args = request.args.to_dict() | {"cursor": cursor}
        response.headers["Link"] = f'<{web().base_url}{request.path}?{_encode(args)}>; rel="next"'
    return _not_modified(response)


def _encode(args: Mapping[str, str]) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415  # only on pages that go on

    return urlencode(args)


def _kept_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name in {"ETag", "Location", "Content-Type"}}


def _replayed(kept: idempotency.IdempotentAnswer) -> Response:
    return Response(kept.body, kept.status, {**kept.headers, "Idempotent-Replayed": "true"})


_Done = TypeVar("_Done")


def _persistently(run: Callable[[], _Done]) -> _Done:
    """The whole request again, where nothing of it happened."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return run()
        except MovedMeanwhile:
            structlog.get_logger().info("request repeated", attempt=attempt, reason="MovedMeanwhile")
        except DBAPIError as error:
            if not _worth_repeating(error):
                raise
            structlog.get_logger().info("request repeated", attempt=attempt, reason=type(error.orig).__name__)
    return run()


def _worth_repeating(error: DBAPIError) -> bool:
    """Errors after which the transaction certainly did not happen, so that the whole request can run again."""
    if isinstance(error.orig, pg_errors.DeadlockDetected | pg_errors.SerializationFailure):
        return True
    # A connection that was dead before we used it: the server went away between two requests. A failure inside COMMIT
    # itself has an open outcome and is told to the caller, who has an Idempotency-Key for that.
    return error.connection_invalidated and error.statement is not None


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

__all__ = [
    "Blueprint",
    "Caller",
    "Scheme",
    "Web",
    "bind_request",
    "caller",
    "credentials",
    "include",
    "language",
    "load_query",
    "request_cookie",
    "request_id",
    "user_agent",
    "validation_failed",
    "web",
]
