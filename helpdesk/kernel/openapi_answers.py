"""Answers in the OpenAPI document: what an operation gives, and everything that it can refuse."""

from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import fields

from helpdesk.kernel import problems
from helpdesk.kernel.errors import (
    CursorMismatch,
    DomainError,
    Forbidden,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    MalformedRequest,
    PreconditionFailed,
    PreconditionRequired,
    RequestInProgress,
    TemporarilyUnavailable,
    Unauthenticated,
    ValidationFailed,
)
from helpdesk.kernel.limits import QuotaExceeded
from helpdesk.kernel.openapi_headers import LIMITS, headers_of_answer
from helpdesk.kernel.problems import InternalError, UnsupportedMediaType
from helpdesk.kernel.schemas import (
    SPARSE,
    Schema,
    example_of,
)
from helpdesk.kernel.sniffing import EXTENSIONS


def answer_schema(answer: Any, operation_id: str, *, paged: bool) -> Any:
    if not paged:
        return answer
    name = "".join(part.capitalize() for part in operation_id.split("_")) + "Page"
    page: type[ma.Schema] = type(
        name,
        (Schema,),
        {
            "items": fields.List(fields.Nested(type(answer)), required=True),
            "next_cursor": fields.String(required=True, allow_none=True),
            "total": fields.Integer(),
        },
    )
    return page()


def answer_example(answer: Any, *, paged: bool) -> Any:
    if answer is None:
        return None
    one = example_of(answer, loading=False)
    return {"items": [one], "next_cursor": None} if paged else one


ALSO = "x-also"
"""Until the document is rendered: further contents of the answer by media type, which flask-smorest has no place for."""

CSV_CONTENT: dict[str, Any] = {
    "schema": {
        "type": "string",
        "description": "A table for spreadsheets (RFC 4180), in UTF-8 with a byte order mark.",
    },
    "example": "cause,currency,cost\r\nPRO.DESIGN,EUR,25.00\r\n",
}


HTML_CONTENT: dict[str, Any] = {
    "schema": {
        "type": "string",
        "description": "A page of its own, to be saved (UTF-8, no script, nothing from elsewhere).",
    },
    "example": "<!doctype html>...",
}


def further_contents(*, sparse: bool, paged: bool, csv: bool, html: bool) -> dict[str, Any]:
    """What an answer can be beside JSON of the whole."""
    found: dict[str, Any] = {SPARSE: sparse_content(paged=paged)} if sparse else {}
    return found | ({"text/csv": CSV_CONTENT} if csv else {}) | ({"text/html": HTML_CONTENT} if html else {})


def sparse_content(*, paged: bool) -> dict[str, Any]:
    """Some fields of the resource, whichever; each is as the schema of the whole has it."""
    some: dict[str, Any] = {"type": "object", "description": "Those fields that were asked for."}
    if not paged:
        return {"schema": some, "example": {"reference": "7K3M-9QX2-TAM"}}
    properties = {"items": {"type": "array", "items": some}, "next_cursor": {"type": ["string", "null"]}}
    page = {
        "type": "object",
        "properties": {**properties, "total": {"type": "integer"}, "total_is_exact": {"type": "boolean"}},
        "required": ["items", "next_cursor"],
    }
    return {"schema": page, "example": {"items": [{"reference": "7K3M-9QX2-TAM"}], "next_cursor": None}}


def file_responses() -> dict[str, Any]:
    text = {"type": "string"}
    content = {kind: {"schema": {"type": "string", "format": "binary"}, "example": "bytes"} for kind in EXTENSIONS}
    headers = headers_of_answer(None, paged=False, location=False) | {
        "ETag": {"description": "Strong: the digest of the file.", "schema": text},
        "Content-Disposition": {"description": "`attachment`, with the file's name.", "schema": text},
        "Accept-Ranges": {"description": "`bytes`.", "schema": text},
    }
    part = {"Content-Range": {"description": "Which part of how much.", "schema": text}}
    to = {"Location": {"description": "A short-lived address of the file in its store.", "schema": text}}
    REFUSALS["file"] = {"description": "The file, as its own media type", "content": content, "headers": headers}
    REFUSALS["file_part"] = {
        "description": "The part that was asked for",
        "content": content,
        "headers": headers | part,
    }
    return {
        "200": {"$ref": "#/components/responses/file"},
        "206": {"$ref": "#/components/responses/file_part"},
        "302": {"description": "The store gives it out itself", "headers": headers | to},
    }


def all_errors(
    errors: Sequence[type[DomainError]],
    body: Any,
    query: Any,
    permission: str | None,
    idempotency_key: str | None,
    *,
    public: bool,
    reads: bool,
) -> list[type[DomainError]]:
    found = [*errors, ValidationFailed, InternalError, TemporarilyUnavailable, QuotaExceeded]
    if not public:
        found.append(Unauthenticated)
    if permission:
        found.append(Forbidden)
    if not reads:  # also where no body is taken: it is read to see that
        found += [MalformedRequest, problems.BodyTooLarge]
    if body is not None:
        found.append(UnsupportedMediaType)
    if query is not None and "cursor" in query.fields:
        found.append(CursorMismatch)
    if idempotency_key in {"optional", "required"}:
        found += [IdempotencyKeyInvalid, IdempotencyKeyReused, RequestInProgress]
    if idempotency_key == "required":
        found.append(IdempotencyKeyRequired)
    return found


REFUSALS: dict[str, dict[str, Any]] = {}
"""Every answer that refuses, by its name under `components`: most operations share theirs with many others; and files."""


def error_responses(errors: Sequence[type[DomainError]]) -> dict[str, Any]:
    by_status: dict[int, dict[str, type[DomainError]]] = {}
    for kind in errors:
        by_status.setdefault(kind.status, {})[kind.code] = kind
    found = {}
    for status, kinds in sorted(by_status.items()):
        name = ".".join(sorted(kinds))
        REFUSALS.setdefault(name, _error_response(kinds))
        found[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return found


def _error_response(kinds: dict[str, type[DomainError]]) -> dict[str, Any]:
    headers: dict[str, dict[str, Any]] = {
        name: {"schema": {"type": "string"}} for kind in kinds.values() for name in kind().headers
    }
    response: dict[str, Any] = {
        "description": "; ".join(kind.title for _, kind in sorted(kinds.items())),
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"value": _problem_example(kind)} for code, kind in sorted(kinds.items())},
            }
        },
    }
    if {PreconditionFailed, PreconditionRequired} & set(kinds.values()):
        headers.setdefault("ETag", {"schema": {"type": "string"}})
    if QuotaExceeded in kinds.values():
        headers |= {name: {"description": what, "schema": {"type": "string"}} for name, what in LIMITS.items()}
    if headers:
        response["headers"] = headers
    return response


def _problem_example(kind: type[DomainError]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title,
        "code": kind.code,
        "request_id": "0f3f9a5c2b7d4e61a8c0d2e4",
    }
    if kind is ValidationFailed:
        body["errors"] = [{"pointer": "/channel", "code": "required", "detail": "Missing data for required field."}]
    return body
