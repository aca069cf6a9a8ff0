"""Reads, changes and uploads as they run: the order of refusals, one transaction, one kept answer. How a route is
declared is in `http`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import marshmallow as ma
import structlog
from flask import Response, g, request
from psycopg import errors as pg_errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.kernel import faults, idempotency
from helpdesk.kernel.access import require
from helpdesk.kernel.answers import answered, conditional, kept_headers, listed_answer, replayed
from helpdesk.kernel.errors import Conflict, DomainError, FieldError, IdempotencyKeyRequired, PreconditionFailed
from helpdesk.kernel.events import EventStream
from helpdesk.kernel.incoming import (
    FORM_KEY,
    Given,
    GivenFile,
    GivenForm,
    check_if_match,
    load_query,
    looked_at,
)
from helpdesk.kernel.multipart import MEDIA_TYPE
from helpdesk.kernel.pagination import Count, Page
from helpdesk.kernel.retrying import again, met_others
from helpdesk.kernel.unit_of_work import COMMITTED, CONCLUDED, UnitOfWork
from helpdesk.kernel.uploads import FORM_ROOM, FormRequired, Sent, Terms, received, too_large
from helpdesk.kernel.web import API, Caller, Scheme, caller, web, who_of

log = structlog.get_logger()

WORKED: Final = "request.worked"
"""Fault point: the act has said what happened, and nothing followed from it yet."""
WRITTEN: Final = "request.written"
KEPT: Final = "request.kept"
"""Fault point: the answer is kept for a repeat."""
FAULT_POINTS: Final = (WORKED, WRITTEN, KEPT, CONCLUDED, COMMITTED)
"""Of every change, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
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
        return persistently(lambda: self._once(path))

    def _once(self, path: dict[str, Any]) -> Response:
        with web().database.reader() as session:
            actor = caller(session, public=self.public, limits=self.limits, enrolling=self.enrolling, by=self.by)
            if self.permission is not None:
                require(actor, self.permission)
            given = load_query(self.query)
            wanted = given.pop(FIELDS, None) if self.sparse else None
            if self.paged:
                body = self.page(session, actor, given, path, str(request.url_rule))
                return listed_answer(body, body["next_cursor"], wanted)
            result = self.view(session, actor, *((given,) if self.query else ()), **path)
        return result if isinstance(result, Response) else conditional(self.answer, result, wanted)

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


READS: dict[str, Read] = {}
"""Every GET by its rule, for `include`."""


def include(session: Session, actor: Caller, rule: str, **path: Any) -> Any:
    """What another GET of ours answers to this caller, to be shown inside this one's answer: the same rights, the same
    bounds, and its cursor goes on there. `rule` is as it was declared. Raises `Forbidden`.
    """
    return READS[rule].included(session, actor, path, f"{API}{rule}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
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
    location: Callable[[Any], str | None] | None
    if_match: str
    key_required: bool
    shown_once: str | None
    limits: Sequence[str]
    keyed: bool = True
    first: Callable[..., Any] | None = None
    headers: Callable[[Any], Mapping[str, str]] | None = None
    enrolling: bool = False
    or_nothing: bool = False
    accepted: Callable[[Any], bool] | None = None
    by: Scheme | None = None
    faults: Callable[[Session, Any, dict[str, Any]], Iterable[FieldError]] | None = None
    remember: tuple[type[DomainError], Callable[..., None]] | None = None

    def __call__(self, **path: Any) -> Response:
        if self.first is not None:
            return self._after_first(self.first, path)
        try:
            return persistently(lambda: self._once(path))
        except DomainError as refused:
            if self.remember is not None and isinstance(refused, self.remember[0]):
                self._remember(refused, self.remember[1], path)
            raise

    def _remember(self, refused: DomainError, keep: Callable[..., None], path: dict[str, Any]) -> None:
        """In a transaction of its own, now that the request's is undone. The caller is told of the refusal in any case."""

        def once() -> None:
            actor = self._known_caller()
            with web().database.unit_of_work(actor, revision=actor.revision, request_id=g.request_id) as uow:
                keep(uow, actor, refused, **path)

        try:
            persistently(once)
        except Exception:
            log.exception("a refusal was not kept", code=refused.code)

    def _known_caller(self) -> Caller:
        with web().database.reader() as session:
            return caller(session, public=self.public, limits=self.limits, enrolling=self.enrolling, by=self.by)

    def _after_first(self, first: Callable[..., Any], path: dict[str, Any]) -> Response:
        """Only the last part is done again where nothing of it happened: what `first` did has been done."""
        actor = persistently(self._known_caller)
        given = Given.read(self.body)
        seen = {"row": self._looked_up(actor, path)} if self.load is not None else path
        if self.permission is not None:
            require(actor, self.permission)
        load_query(None)
        found = first(actor, *given.body(self.body), **seen)
        return persistently(lambda: self._concluded(actor, found))

    def _looked_up(self, actor: Caller, path: dict[str, Any]) -> Any:
        load = cast(Callable[..., Any], self.load)

        def once() -> Any:
            with web().database.reader() as session:
                return load(session, actor, **path)

        return persistently(once)

    def _concluded(self, actor: Caller, found: Any) -> Response:
        with web().database.unit_of_work(actor, request_id=g.request_id) as uow:
            result = self.view(uow, actor, found)
            uow.finish()
            shown = self.show(uow.session, actor, result) if self.show is not None else result
            return self._answered(shown)

    def _answered(self, shown: Any) -> Response:
        status = 202 if self.accepted is not None and self.accepted(shown) else self.status
        response = answered(self.answer, shown, status, self.location)
        for name, value in self.headers(shown).items() if self.headers is not None else ():
            response.headers[name] = value
        return response

    def _once(self, path: dict[str, Any]) -> Response:
        return self._settled(self._known_caller(), Given.read(self.body), path)

    def _settled(self, actor: Caller, given: "Given", path: dict[str, Any]) -> Response:
        tried = self._attempt(actor, given)
        with web().database.unit_of_work(
            actor, now=actor.seen_at, revision=actor.revision, request_id=g.request_id
        ) as uow:
            if tried is not None:
                kept = idempotency.earlier_answer(uow.session, tried)
                if kept is not None:
                    return replayed(kept)
                uow.attempt = tried
            result = self._work(uow, actor, given, path)
            faults.point(WORKED)
            uow.finish()
            faults.point(WRITTEN)
            shown, response = self._shown(uow.session, actor, result)
            if tried is not None:
                self._keep(uow.session, tried, response, shown, uow.about)
            faults.point(KEPT)
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
            response = answered(self.answer, {**shown, self.shown_once: None}, self.status, self.location)
        headers = kept_headers(response)
        idempotency.keep(session, tried, response.status_code, headers, response.get_data(), about=about)

    def _attempt(self, actor: Caller, given: "Given") -> idempotency.Attempt | None:
        key = self._key() if request.method == "POST" and self.keyed else None
        if key is None:
            if self.key_required:
                raise IdempotencyKeyRequired
            return None
        return idempotency.attempt(who_of(actor), request.method, request.full_path, key, given.raw)

    def _key(self) -> str | None:
        return request.headers.get("Idempotency-Key")

    def _work(self, uow: UnitOfWork, actor: Caller, given: "Given", path: dict[str, Any]) -> Any:
        """The order of refusals: 404, 403, 412/428, 409, 422."""
        if self.load is None:
            if self.permission is not None:
                require(actor, self.permission)
            load_query(None)
            return self.view(uow, actor, *self._read(uow, actor, given), **path)
        row = self.load(uow.session, actor, *((given.parsed,) if self.body_names_rows else ()), **path)
        uow.about |= _about(row)
        if self.permission is not None:
            require(actor, self.permission)
        if self.allow is not None:
            self.allow(uow.session, actor, row)
        try:
            return self._on(uow, actor, row, given)
        except (Conflict, PreconditionFailed) as refused:
            refused.extra.update(web().changes_of(uow.session, actor, row, looked_at()))
            raise

    def _on(self, uow: UnitOfWork, actor: Caller, row: Any, given: "Given") -> Any:
        if self.if_match != "none":
            check_if_match(row, required=self.if_match == "required")
        if self.check is not None:
            self.check(uow.session, actor, row)
        load_query(None)
        return self.view(uow, actor, row, *self._read(uow, actor, given))

    def _read(self, uow: UnitOfWork, actor: Caller, given: "Given") -> tuple[Any, ...]:
        faults = self.faults
        return given.body(self.body, None if faults is None else lambda sound: faults(uow.session, actor, sound))


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadWrite(Write):
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
            given = GivenFile(upload.fingerprint(), dict(upload.fields), upload)
            # Recognised once more: a slow line took minutes, in which a right may have ended, and "now" is when it is done.
            return persistently(lambda: self._settled(self._known_caller(), given, path))

    def _asked(self, session: Session, actor: Caller, path: dict[str, Any]) -> Terms:
        """What can be refused before the file comes is refused then."""
        seen = self.look(session, actor, **path)
        if self.permission is not None:
            require(actor, self.permission)
        if request.mimetype != MEDIA_TYPE:
            raise FormRequired
        load_query(None)
        return self.terms(seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormWrite(Write):
    """A POST of a page's form as it runs: as any other change, but its key is a field of the form, since browsers send no
    header of ours, and the answer leads on to the page at `location` (303), so that looking at it again sends nothing again.

    `understand(fields)`: the body that the form stands for, as JSON would have it. `most_bytes`: how much is read of it.
    """

    understand: Callable[[Mapping[str, str]], dict[str, Any]]
    most_bytes: int

    def _once(self, path: dict[str, Any]) -> Response:
        request.max_content_length = self.most_bytes
        return self._settled(self._known_caller(), GivenForm.of(self.understand), path)

    def _key(self) -> str | None:
        return request.form.get(FORM_KEY)

    def _answered(self, shown: Any) -> Response:
        address = None if self.location is None else self.location(shown)
        if address is None:
            raise ValueError("a page's form leads on to a page")
        return Response(status=303, headers={"Location": address})


def _sent(terms: Terms) -> Sent:
    if (request.content_length or 0) > terms.max_bytes + FORM_ROOM:
        raise too_large(terms)
    return Sent(request.stream, cast(Mapping[str, str], request.headers))


def _about(row: Any) -> set[UUID]:
    """The row with a chain that a loaded row is, or belongs to."""
    if isinstance(row, EventStream):
        return {row.id}
    owner = getattr(row, "complaint", None)
    found = owner.id if isinstance(owner, EventStream) else getattr(row, "complaint_id", None)
    return {found} if isinstance(found, UUID) else set()


_Done = TypeVar("_Done")


def persistently(run: Callable[[], _Done]) -> _Done:
    """The whole request again, where nothing of it happened."""
    return again(run, what="request", worth=_worth_repeating)


def _worth_repeating(error: Exception) -> bool:
    """Errors after which the transaction certainly did not happen, so that the whole request can run again."""
    # Where two give one name at once, the second finds it taken when it looks again, and is told so.
    if met_others(error, pg_errors.UniqueViolation, pg_errors.ExclusionViolation):
        return True
    # A connection that was dead before we used it: the server went away between two requests. A failure inside COMMIT
    # itself has an open outcome and is told to the caller, who has an Idempotency-Key for that.
    return isinstance(error, DBAPIError) and error.connection_invalidated and error.statement is not None
