"""Every failure as `application/problem+json` (RFC 9457), whoever raised it: our domains, Flask, or the database."""

import http
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g, request
from psycopg import errors as pg_errors
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from helpdesk.kernel.errors import (
    Conflict,
    DomainError,
    MalformedRequest,
    OutcomeUnknown,
    TemporarilyUnavailable,
    catalogue,
)
from helpdesk.kernel.schemas import json_safe

MEDIA_TYPE = "application/problem+json"


class UnsupportedMediaType(DomainError):
    status = 415
    code = "unsupported_media_type"
    title = "The body must be JSON"
    advice = "Send `Content-Type: application/json`."


class UnknownRoute(DomainError):
    status = 404
    code = "unknown_route"
    title = "There is nothing at this address"
    advice = "The API's addresses are listed in the OpenAPI document at `/api/v1/openapi.json`."


class MethodNotAllowed(DomainError):
    status = 405
    code = "method_not_allowed"
    title = "This address does not take that method"
    advice = "`Allow` lists the methods it takes."


class BodyTooLarge(DomainError):
    status = 413
    code = "body_too_large"
    title = "The body is too large"
    advice = "Send less, or upload large files through the resource made for them."


class InternalError(DomainError):
    """The catch-all: carries only the request id; what happened is in the log under it."""


_BY_STATUS: dict[int, type[DomainError]] = {
    400: MalformedRequest,
    404: UnknownRoute,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
    500: InternalError,
    503: TemporarilyUnavailable,
}


def document(error: DomainError) -> dict[str, Any]:
    """The problem document of one refusal. Its type leads to a page, or says that the status is all there is to say."""
    has_page = error.code == type(error).code
    body: dict[str, Any] = {
        "type": f"/problems/{error.code}" if has_page else "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.advice if error.detail == error.title else error.detail,  # not the title once more
        "code": error.code,
        "instance": request.path,
        "request_id": g.get("request_id", ""),
    }
    if error.errors:
        body["errors"] = list(error.errors)
    body.update(json_safe(error.extra))
    return body


def respond(error: DomainError) -> Response:
    return Response(orjson.dumps(document(error)), error.status, error.headers, content_type=MEDIA_TYPE)


def register(app: Flask) -> None:
    @app.errorhandler(DomainError)
    def refused(error: DomainError) -> Response:
        return respond(error)

    @app.errorhandler(DBAPIError)
    def database(error: DBAPIError) -> Response:
        return respond(of_database(error))

    @app.errorhandler(PoolTimeout)
    def pool(_: PoolTimeout) -> Response:
        return respond(TemporarilyUnavailable("The database is busy."))

    def log_exception(exc_info: Any) -> None:
        """Flask's own names the path, which may hold a signed link."""
        route = request.url_rule.rule if request.url_rule else "unknown"
        structlog.get_logger().error("unhandled", method=request.method, route=route, exc_info=exc_info)

    app.log_exception = log_exception  # type: ignore[method-assign]

    @app.get("/problems/<code>")
    def problem_page(code: str) -> Response:
        kind = catalogue().get(code)
        if kind is None:
            raise UnknownRoute
        text = f"{kind.title}\n\ncode: {kind.code}\nstatus: {kind.status}\n\nWhat to do: {kind.advice}\n"
        return Response(text, mimetype="text/plain")


def of_database(error: DBAPIError) -> DomainError:
    """What a failure of the database is to whoever asked for something."""
    cause = error.orig
    if isinstance(cause, pg_errors.LockNotAvailable | pg_errors.QueryCanceled):
        return TemporarilyUnavailable("The request waited too long for another one.")
    if isinstance(cause, pg_errors.UniqueViolation | pg_errors.ExclusionViolation):
        # A promise kept by the database against a race that no check before it could see.
        return Conflict("Another request did this at the same moment.", constraint=cause.diag.constraint_name)
    if error.connection_invalidated and error.statement is None:
        return OutcomeUnknown()  # it broke inside COMMIT
    if error.connection_invalidated or isinstance(error, OperationalError):
        return TemporarilyUnavailable()
    structlog.get_logger().error("database error", exc_info=error)
    return InternalError()


def handle_http_exception(error: HTTPException) -> Response:
    """For flask-smorest's `Api`: its own handler drops the exception's headers (`Allow`, `Retry-After`)."""
    if error.code is not None and error.code < 400:
        return error.get_response()  # type: ignore[return-value]  # a redirect
    kind = _BY_STATUS.get(error.code or 500)
    response = respond(_other(error) if kind is None else kind())
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _other(error: HTTPException) -> DomainError:
    """What none of our errors stands for: named after its status, without a page (RFC 9457, 4.2.1)."""
    problem = DomainError(error.description or "")
    phrase = http.HTTPStatus(error.code or 400).phrase
    problem.__dict__.update(status=error.code, code=phrase.lower().replace(" ", "_").replace("'", ""), title=phrase)
    return problem
