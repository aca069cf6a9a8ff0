"""The OpenAPI 3.1 document: what each declared route says of itself, with flask-smorest's known slips mended.

Mended: problem+json for every error (smorest documents its own shape), `exclusiveMinimum`, a type beside each `enum`,
money as one named schema, path parameters that say what they are, and headers (ETag, Link, Idempotency-Key) that really
come and go.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import flask_smorest
import marshmallow as ma
import orjson
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response
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
    SecondFactorRequired,
    TemporarilyUnavailable,
    Unauthenticated,
    ValidationFailed,
)
from helpdesk.kernel.incoming import may_be_empty
from helpdesk.kernel.limits import QuotaExceeded
from helpdesk.kernel.problems import InternalError, UnsupportedMediaType
from helpdesk.kernel.schemas import (
    SPARSE,
    BinaryFile,
    Choice,
    Code,
    CommaList,
    MoneyField,
    Names,
    Schema,
    Timestamp,
    example_of,
)
from helpdesk.kernel.sniffing import EXTENSIONS

TITLE = "Helpdesk"
VERSION = "1"

_MONEY: dict[str, Any] = {
    "type": "object",
    "description": "A decimal string and an ISO 4217 currency; never a number, which would lose a cent somewhere.",
    "properties": {
        "amount": {"type": "string", "pattern": r"^[0-9]{1,16}(\.[0-9]{1,8})?$"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
    "required": ["amount", "currency"],
    "additionalProperties": False,
    "examples": [{"amount": "25.00", "currency": "EUR"}],
}


class ProblemField(Schema):
    pointer = fields.String(metadata={"description": "JSON Pointer into the body", "example": "/severity"})
    parameter = fields.String(metadata={"description": "Name of a query or path parameter", "example": "limit"})
    header = fields.String(metadata={"description": "Name of a header", "example": "Content-Digest"})
    code = fields.String(required=True, metadata={"example": "required"})
    detail = fields.String(required=True, metadata={"example": "Missing data for required field."})


class Change(Schema):
    """Something that happened to a row, as a 409 or 412 tells it to whoever looked at an older version."""

    sequence = fields.Integer(required=True, metadata={"description": "Its place in the timeline.", "example": 4})
    type = fields.String(required=True, metadata={"example": "complaint.assigned"})
    occurred_at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    actor_name = fields.String(required=True, allow_none=True, metadata={"example": "Ana Costa"})
    changes = fields.Dict(
        required=True,
        metadata={
            "description": "Field -> [before, after]; empty where the event changed none, or was erased.",
            "example": {"assignee_id": [None, "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"]},
        },
    )


class Problem(Schema):
    """RFC 9457. Further members depend on `code` and are described on the page that `type` names; `about:blank` has none."""

    class Meta:
        unknown = ma.INCLUDE  # so that the document allows them

    type = fields.String(required=True, metadata={"example": "/problems/validation_failed"})
    title = fields.String(required=True, metadata={"example": "The request is not valid"})
    status = fields.Integer(required=True, metadata={"example": 422})
    detail = fields.String(required=True, metadata={"example": "1 field needs attention."})
    code = fields.String(required=True, metadata={"example": "validation_failed"})
    instance = fields.String(metadata={"example": "/api/v1/complaints"})
    request_id = fields.String(required=True, metadata={"example": "0f3f9a5c2b7d4e61a8c0d2e4"})
    errors = fields.List(fields.Nested(ProblemField))
    changes = fields.List(
        fields.Nested(Change),
        metadata={
            "description": "With 409 and 412 on a complaint: what happened since the version in `If-Match`, oldest first, at "
            "most the last 20. Without `If-Match` (or with one that names no version of the complaint) what others than the caller "
            "did in the last ten minutes: there is nothing else that could be news to them."
        },
    )
    changes_left_off = fields.Boolean(
        metadata={"description": "Whether more happened than `changes` tells; the timeline has it all."}
    )


@dataclass(frozen=True, slots=True)
class PathParameter:
    """What a path's `<name>` is; for those that are no UUID."""

    description: str
    example: str | int


SESSION_COOKIE: Final = "__Host-helpdesk"
_COOKIE: Final[dict[str, Any]] = {
    "type": "apiKey",
    "in": "cookie",
    "name": SESSION_COOKIE,
    "description": "A browser's session, where one was asked for. It counts for a change only with the header "
    "`X-Requested-With` (any text) and from our own pages; a request with `Authorization` ignores it.",
}

Vocabularies = Mapping[str, Iterable[str]]


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest ships no types
    ERROR_SCHEMA = Problem
    path_parameters: Mapping[str, PathParameter]

    def handle_http_exception(self, error: Any) -> Response:
        return problems.handle_http_exception(error)

    def _openapi_json(self) -> Response:
        """The document as committed, without smorest's pretty-printing on each request."""
        if not hasattr(self, "_rendered"):
            self._rendered = orjson.dumps(document(self))
        return Response(self._rendered, mimetype="application/json")


class _Fields(MarshmallowPlugin):
    """apispec's reading of our fields. Set up in `init_spec`: flask-smorest renders its first schema right after it."""

    def __init__(self, vocabularies: Vocabularies) -> None:
        super().__init__(schema_name_resolver=_name)
        self._names = {tuple(words): name for name, words in vocabularies.items()}

    def init_spec(self, spec: Any) -> None:
        super().init_spec(spec)
        converter: Any = self.converter
        converter.add_attribute_function(_repairs_with(self._names))
        register: Any = self  # apispec annotates only half of its methods
        register.map_to_openapi_type(Timestamp, "string", "date-time")
        register.map_to_openapi_type(MoneyField, "object", None)
        register.map_to_openapi_type(CommaList, "string", None)
        register.map_to_openapi_type(Names, "string", None)
        register.map_to_openapi_type(BinaryFile, "string", "binary")


def configure(
    app: Flask,
    path_parameters: Mapping[str, PathParameter],
    vocabularies: Vocabularies,
    meanings: Mapping[str, str],
    codes: Mapping[str, Mapping[str, Any]],
) -> Api:
    """`codes`: the schema of each set of words that may change while the program runs (`schemas.Code`). `vocabularies` are the sets of words that several payloads use: each becomes one schema of its own, described by
    `meanings` where its words do not speak for themselves.
    """
    api = Api(
        app,
        spec_kwargs={
            "marshmallow_plugin": _Fields(vocabularies),
            "title": TITLE,
            "version": VERSION,
            "openapi_version": "3.1.0",
            "info": {
                "description": "Complaint handling and service recovery. Errors are RFC 9457 problem documents; lists are "
                "keyset pages; every POST takes an `Idempotency-Key`.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                "contact": {"name": "The operator of this installation"},
            },
            "servers": [{"url": "/", "description": "This installation"}],
        },
    )
    api.path_parameters = path_parameters
    api.spec.components.schema("Money", deepcopy(_MONEY))
    for name, words in vocabularies.items():
        described = {"description": meanings[name]} if name in meanings else {}
        api.spec.components.schema(name, {"type": "string", "enum": list(words), **described})
    for name, schema in codes.items():
        api.spec.components.schema(name, dict(schema))
    api.spec.components.security_scheme(
        "bearer",
        {
            "type": "http",
            "scheme": "bearer",
            "description": "A session from `POST /api/v1/public/sessions`, or a token from `POST /api/v1/tokens` or "
            "`helpdesk token`.",
        },
    )
    api.spec.components.security_scheme("cookie", _COOKIE)
    api.spec.components.security_scheme(
        "tracking",
        {
            "type": "http",
            "scheme": "Tracking",
            "description": "What reference and secret of one complaint were exchanged for (`POST /api/v1/public/tracking`).",
        },
    )
    return api


def _name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__)


def _repairs_with(names: Mapping[tuple[str, ...], str]) -> Callable[..., dict[str, Any]]:
    def repairs(_converter: Any, field: fields.Field[Any], ret: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Runs last, on what apispec has found (`ret`)."""
        if isinstance(field, MoneyField):
            return _named("Money", field, ret) | _repairs(field, ret)
        if isinstance(field, Code):
            return _named(field.name_of_all, field, ret) | _repairs(field, ret)
        if isinstance(field, Choice):
            name = names.get(field.choices)
            words = {"type": "string", "enum": list(field.choices)}
            return (_one_of(words, field, ret) if name is None else _named(name, field, ret)) | _repairs(field, ret)
        return _repairs(field, ret)

    return repairs


def _named(name: str, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    return _one_of({"$ref": f"#/components/schemas/{name}"}, field, ret)


def _one_of(schema: dict[str, Any], field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """The schema in place of what apispec said of the type. "Or null" as an alternative: generators make one type of it."""
    for key in ("type", "enum"):
        ret.pop(key, None)
    return {"anyOf": [schema, {"type": "null"}]} if field.allow_none else schema


def _repairs(field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in field.validators:
        if isinstance(rule, ma.validate.Range) and rule.min is not None and not rule.min_inclusive:
            found["exclusiveMinimum"] = rule.min
    # `example` is deprecated in 3.1. Its None means "leave it out" to `example_of`, and is an example only of what may be null.
    if "example" in ret:
        example = ret.pop("example")
        if example is not None or field.allow_none:
            found["examples"] = [example]
    return found


def describe(
    blueprint: Any,
    *,
    operation_id: str,
    summary: str,
    description: str | None,
    answer: Any,
    statuses: dict[int, str],
    errors: Sequence[type[DomainError]],
    permission: str | None,
    public: bool,
    by: Any = None,
    body: Any = None,
    query: Any = None,
    paged: bool = False,
    single: bool = False,
    if_match: str = "none",
    idempotency_key: str | None = None,
    enrolling: bool = False,
    location: bool = False,
    form: Any = None,
    binary: bool = False,
    languages: Sequence[str] = (),
    sparse: bool = False,
) -> dict[str, Any]:
    """What flask-smorest reads of a view (`document_view`), built through its own decorators."""

    def view() -> None: ...

    documented: Any = view
    for status, phrase in statuses.items():
        said = None if status == HTTPStatus.NO_CONTENT else answer
        documented = blueprint.response(
            status,
            _answer_schema(said, operation_id, paged=paged),
            description=phrase,
            example=_answer_example(said, paged=paged),
            headers=_headers(said, paged=paged, location=location),
        )(documented)
    for schema, where in ((query, "query"), (body, "json"), (form, "files")):
        if schema is not None:
            extra: dict[str, Any] = {} if where == "query" else {"example": example_of(schema, loading=True)}
            if where == "json" and may_be_empty(schema):
                extra["required"] = False
            documented = blueprint.arguments(schema, location=where, **extra)(documented)
    reads = single or paged
    known = public or by is not None
    refusals = [
        *errors,
        *([] if known or enrolling else [SecondFactorRequired]),
        *([by.refused] if by is not None else []),
    ]
    all_errors = _all_errors(refusals, body, query, permission, idempotency_key, public=known, reads=reads)
    extra_parameters = _header_parameters(if_match, idempotency_key, single=reads)
    extra_parameters += _headers_of_files(sent=form is not None, given=binary)
    extra_parameters += _headers_of_languages(languages)
    apidoc: dict[str, Any] = getattr(documented, "_apidoc", {})  # flask-smorest's own place for it
    apidoc.setdefault("arguments", {}).setdefault("parameters", []).extend(extra_parameters)
    apidoc["arguments"].pop("responses", None)
    manual: dict[str, Any] = {
        "operationId": operation_id,
        "summary": summary,
        "description": description or summary + ".",
        "responses": _error_responses(all_errors),
        "security": [] if public else [{"bearer": []}, {"cookie": []}] if by is None else [{by.name: []}],
        "x-problem-codes": sorted({kind.code for kind in all_errors}),
        **({_ALSO_SPARSE: _sparse_content(paged=paged)} if sparse else {}),
    }
    if binary:
        manual["responses"] |= _file_responses()
    if reads:
        manual["responses"]["304"] = {"description": "Not modified since the ETag in `If-None-Match`."}
    if permission:
        manual["x-permission"] = permission
    if idempotency_key == "none":
        manual["x-no-idempotency-key"] = "No trace is kept of a password or a code; do it again instead."
    apidoc["manual_doc"] = manual
    return apidoc


def document_view(view: Any, described: Mapping[str, Any]) -> None:
    """Hang what `describe` made on a view, where flask-smorest looks for it."""
    view._apidoc = described  # noqa: SLF001  # its only way in


def _answer_schema(answer: Any, operation_id: str, *, paged: bool) -> Any:
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


def _answer_example(answer: Any, *, paged: bool) -> Any:
    if answer is None:
        return None
    one = example_of(answer, loading=False)
    return {"items": [one], "next_cursor": None} if paged else one


def _headers(answer: Any, *, paged: bool, location: bool) -> dict[str, Any]:
    text = {"type": "string"}
    found: dict[str, Any] = {"X-Request-ID": {"description": "Name it when you report a problem.", "schema": text}}
    found |= {name: {"description": what, "schema": text} for name, what in _LIMITS.items()}
    if paged:
        found["Link"] = {"description": 'The next page, `rel="next"`; absent at the end.', "schema": text}
    if answer is not None:
        found["ETag"] = {"description": _ETAG, "schema": text}
    if location:
        found["Location"] = {"description": "Where the new resource is.", "schema": text}
    return found


_ALSO_SPARSE = "x-also-sparse"
"""Until the document is rendered: a second content of the answer, which flask-smorest has no place for."""


def _sparse_content(*, paged: bool) -> dict[str, Any]:
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


def _headers_of_languages(languages: Sequence[str]) -> list[dict[str, Any]]:
    if not languages:
        return []
    what = f"Language of texts for people: {', '.join(languages)}. The first, where none of them is asked for."
    return [_header("Accept-Language", what, {"type": "string", "examples": [languages[-1]]})]


def _headers_of_files(*, sent: bool, given: bool) -> list[dict[str, Any]]:
    digest = _header("Content-Digest", _DIGEST, {"type": "string", "examples": [_DIGESTED]})
    part = _header("Range", "A part of it: `bytes=0-1023`. Several at once get the whole.", {"type": "string"})
    of = _header("If-Range", "The ETag of what the part belongs to; of another file, all of it comes.", _TAG)
    return [*([digest] if sent else []), *([part, of] if given else [])]


_DIGEST = "Digest of the whole body (RFC 9530), sha-256 or sha-512: a body that was changed on the way is refused."
_DIGESTED = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"


def _file_responses() -> dict[str, Any]:
    text = {"type": "string"}
    content = {kind: {"schema": {"type": "string", "format": "binary"}, "example": "bytes"} for kind in EXTENSIONS}
    headers = _headers(None, paged=False, location=False) | {
        "ETag": {"description": "Strong: the digest of the file.", "schema": text},
        "Content-Disposition": {"description": "`attachment`, with the file's name.", "schema": text},
        "Accept-Ranges": {"description": "`bytes`.", "schema": text},
    }
    part = {"Content-Range": {"description": "Which part of how much.", "schema": text}}
    to = {"Location": {"description": "A short-lived address of the file in its store.", "schema": text}}
    _refusals["file"] = {"description": "The file, as its own media type", "content": content, "headers": headers}
    _refusals["file_part"] = {
        "description": "The part that was asked for",
        "content": content,
        "headers": headers | part,
    }
    return {
        "200": {"$ref": "#/components/responses/file"},
        "206": {"$ref": "#/components/responses/file_part"},
        "302": {"description": "The store gives it out itself", "headers": headers | to},
    }


_LIMITS = {
    "RateLimit-Policy": 'How much is allowed: `"credential";q=600;w=60` are 600 requests in any 60 seconds.',
    "RateLimit": 'How much is left: `"credential";r=588;t=42` are 588 requests in the next 42 seconds.',
}
_ETAG = (
    'Of a versioned resource `"v<version>-<digest>"`: `If-Match` compares the version, `If-None-Match` all of it. Of '
    "anything else a weak tag of the text, for `If-None-Match`."
)
_TAG = {"type": "string", "examples": ['"v3-8d5e957f297893487bd98fa8"']}
_KEY = {"type": "string", "pattern": "^[!-~]{1,255}$", "examples": ["8e03978e-40d5-43e8-bc93-6894a57f9324"]}


def _header_parameters(if_match: str, idempotency_key: str | None, *, single: bool) -> list[dict[str, Any]]:
    found = []
    if single:
        found.append(_header("If-None-Match", "An ETag seen before: 304 when it is still current.", _TAG))
    if if_match != "none":
        what = 'The ETag of the version you looked at; `"v3"` is enough.'
        found.append(_header("If-Match", what, _TAG, required=if_match == "required"))
    if idempotency_key in {"optional", "required"}:
        what = "A fresh random value per intent; a repeat with the same value gets the first answer (kept 48 h)."
        found.append(_header("Idempotency-Key", what, _KEY, required=idempotency_key == "required"))
    return found


def _header(name: str, description: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"in": "header", "name": name, "required": required, "description": description, "schema": schema}


def _all_errors(
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


_refusals: dict[str, dict[str, Any]] = {}
"""Every answer that refuses, by its name under `components`: most operations share theirs with many others; and files."""


def _error_responses(errors: Sequence[type[DomainError]]) -> dict[str, Any]:
    by_status: dict[int, dict[str, type[DomainError]]] = {}
    for kind in errors:
        by_status.setdefault(kind.status, {})[kind.code] = kind
    found = {}
    for status, kinds in sorted(by_status.items()):
        name = ".".join(sorted(kinds))
        _refusals.setdefault(name, _error_response(kinds))
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
        headers |= {name: {"description": what, "schema": {"type": "string"}} for name, what in _LIMITS.items()}
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


def document(api: Api) -> dict[str, Any]:
    """The whole document, in a stable order, without what flask-smorest adds and nothing uses."""
    if "Problem" not in api.spec.components.schemas:
        api.spec.components.schema("Problem", schema=Problem)
    found: dict[str, Any] = deepcopy(api.spec.to_dict())
    for item in found["paths"].values():
        for parameter in item.get("parameters", ()):
            _describe_path_parameter(parameter, api.path_parameters)
        for operation in item.values():
            if isinstance(operation, dict):
                operation.get("responses", {}).pop("default", None)
                if _ALSO_SPARSE in operation:
                    operation["responses"]["200"]["content"][SPARSE] = operation.pop(_ALSO_SPARSE)
    components = found["components"]
    used = {answer["$ref"].rpartition("/")[2] for answer in _answers(found) if "$ref" in answer}
    components["responses"] = {name: _refusals[name] for name in sorted(used)}
    components["schemas"].pop("PaginationMetadataSchema", None)
    found["tags"] = sorted(found.get("tags", []), key=lambda tag: str(tag["name"]))
    return found


def _answers(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in found["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                yield from operation["responses"].values()


def _describe_path_parameter(parameter: dict[str, Any], known: Mapping[str, PathParameter]) -> None:
    name = str(parameter["name"])
    if parameter["schema"].get("format") == "uuid":
        parameter["description"] = f"Id of the {name.removesuffix('_id').replace('_', ' ')}."
        parameter["schema"]["examples"] = ["0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"]
    else:
        parameter["description"] = known[name].description
        parameter["schema"]["examples"] = [known[name].example]
