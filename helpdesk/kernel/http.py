"""One road for every request: who is calling, what is asked, one call inside one transaction, one kind of answer.

A route is declared with `Blueprint.read` or `Blueprint.write`; the declaration is both what runs and what the OpenAPI
document says (flask-smorest renders it), so the two cannot differ. The order of refusals is 401, 404, 403, 412/428,
409, 422: who may not see a row learns nothing about it, not even that a body would have been wrong.

A write route names how its row is loaded (`load`, locked and only if visible), which permission it needs, what must
hold (`check`), and how the result is shown (`show`, run before the commit so that the answer can be kept for
`Idempotency-Key`, on rows as they will be committed).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import flask_smorest
import marshmallow as ma
from flask import Response
from sqlalchemy.orm import Session

from helpdesk.kernel.answers import JSON
from helpdesk.kernel.downloads import RangeNotSatisfiable, respond
from helpdesk.kernel.errors import DomainError, FieldError, NotFound, PreconditionFailed, PreconditionRequired
from helpdesk.kernel.handling import FIELDS, READS, Read, UploadWrite, Write, include, persistently
from helpdesk.kernel.incoming import load_query, validation_failed
from helpdesk.kernel.openapi import describe, document_view
from helpdesk.kernel.problems import UnknownRoute
from helpdesk.kernel.schemas import SPARSE, BinaryFile, Names, Schema
from helpdesk.kernel.storage import StorageFull, StorageUnavailable
from helpdesk.kernel.uploads import FileTooLarge, FormRequired, Terms
from helpdesk.kernel.web import (
    Caller,
    Scheme,
    Web,
    bind_request,
    caller,
    credentials,
    language,
    liked_language,
    message,
    request_cookie,
    request_id,
    user_agent,
    web,
)


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
        csv: bool = False,
        html: bool = False,
        description: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A GET: `view(session, actor, [query], **path)` returns what `answer` dumps, or a whole `Response`.

        `sparse`: callers may ask for some of its fields alone (`fields=`). `csv`: the view may answer with a table instead,
        `html`: with a page (`answers.page`).

        `languages`: those of the texts for people in it; `language` tells which is wanted.

        `limits`: further ones (`limiting`) of the address, beside that of every token, or of every public caller.
        `enrolling`: also for a session that lacks its second factor. `by`: how callers are known, where it is not by a
        bearer token or a session of ours.

        With `paged`: `view(session, actor, page, query, **path)` returns `(rows, next_cursor, total or None)`. A total that
        is a `Count` and not exact is told so, in `total_is_exact`.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            run = Read(
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
            READS[rule] = run
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
                csv=csv,
                html=html,
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
        location: Callable[[Any], str | None] | None = None,
        if_match: str = "none",
        idempotency_key: str = "optional",
        shown_once: str | None = None,
        limits: Sequence[str] = (),
        first: Callable[..., Any] | None = None,
        headers: Callable[[Any], Mapping[str, str]] | None = None,
        enrolling: bool = False,
        or_nothing: bool = False,
        accepted: Callable[[Any], bool] | None = None,
        by: Scheme | None = None,
        faults: Callable[[Session, Any, dict[str, Any]], Iterable[FieldError]] | None = None,
        remember: tuple[type[DomainError], Callable[..., None]] | None = None,
        errors: Sequence[type[DomainError]] = (),
        description: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A change: `view(uow, actor, [row], [body], **path)`; what it returns goes through `show` and `answer`.

        `load(session, actor, **path)` gives the locked row or raises `NotFound`; with it, the path's values go there
        and not to the view. With `body_names_rows`, rows that the body names are locked together with it, so `load(session,
        actor, body, **path)` is given the body as it was parsed: any JSON, of which nothing is known yet.
        `allow(session, actor, row)` raises `Forbidden` for whom the permission is not enough, because of whose row it
        is; `check(session, actor, row)`, after If-Match, refuses for what state the row is in, before the body is
        looked at. `if_match` is none, honoured or required. `shown_once` names a field of the answer (then a mapping)
        that is shown once: the kept answer has null in its place. `headers(shown)` are further ones of the answer.
        `limits` and `by` as in `read`.

        `location(shown)`: where a GET finds what was made; None where this caller finds it nowhere.

        `idempotency_key` is optional, required or none: no trace is kept of a body that holds a password or a code, and
        a kept answer would tell whoever guesses the key whether the guess in the body was right.

        `first(actor, [body], **path)` runs before the unit of work, with no transaction open: what takes long (a
        password's hash, another system) or must last though the request is refused (a failure that is counted). What
        it returns is all that the view gets: `view(uow, actor, found)`. It goes without a key. With `load`, which then
        locks nothing, it is `first(actor, [body], row=...)`.

        `enrolling`: also for a session that lacks its second factor. `remember`: of refusals of this kind something is kept,
        `keep(uow, actor, refused, **path)`, in a transaction of its own after the request's was undone.

        Where `body` requires nothing, no body is the same as `{}`. `or_nothing`: the view may return None,
        which is a 204. `accepted(shown)`: whether the work is still to be done, which is a 202.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            run = Write(
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
                or_nothing=or_nothing,
                accepted=accepted,
                by=by,
                faults=faults,
                remember=remember,
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
                errors=[*errors, *_refusals(rule, if_match)],
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
        location: Callable[[Any], str | None] | None = None,
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
            run = UploadWrite(
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
                errors=[*errors, *_refusals(rule, if_match), *_OF_FILES],
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
                lambda **path: persistently(lambda: run(**path)),
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
        def view(**path: Any) -> Response:
            return run(**path)

        if "<" in rule:
            what["errors"] = [*what["errors"], UnknownRoute]  # a value that cannot stand there is another address
        document_view(view, describe(self, operation_id=operation_id, **what))
        self.add_url_rule(rule, operation_id, view, methods=[method])


_OF_FILES: Final = (FileTooLarge, FormRequired, StorageUnavailable, StorageFull)


def _with_file(form: type[ma.Schema]) -> type[ma.Schema]:
    """The form as the document shows it: with the part that is the file."""
    return type(form.__name__, (form,), {"file": BinaryFile(required=True, metadata={"example": "bytes"})})


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


def _refusals(rule: str, if_match: str) -> list[type[DomainError]]:
    found: list[type[DomainError]] = [NotFound] if "<" in rule else []
    if if_match != "none":
        found.append(PreconditionFailed)
    if if_match == "required":
        found.append(PreconditionRequired)
    return found


def _instance(schema: Any) -> Any:
    return schema() if isinstance(schema, type) else schema


__all__ = [
    "JSON",
    "Blueprint",
    "Caller",
    "Scheme",
    "Web",
    "bind_request",
    "caller",
    "credentials",
    "include",
    "language",
    "liked_language",
    "load_query",
    "message",
    "request_cookie",
    "request_id",
    "user_agent",
    "validation_failed",
    "web",
]
