"""The OpenAPI 3.1 document: what each declared route says of itself, with flask-smorest's known slips mended.

Mended: problem+json for every error (smorest documents its own shape), `exclusiveMinimum`, a type beside each `enum`,
money as one named schema, path parameters that say what they are, and headers (ETag, Link, Idempotency-Key) that really
come and go.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

import flask_smorest
import marshmallow as ma
import orjson
from flask import Flask, Response
from marshmallow import fields

from helpdesk.kernel import problems
from helpdesk.kernel.errors import (
    DomainError,
    SecondFactorRequired,
)
from helpdesk.kernel.incoming import may_be_empty
from helpdesk.kernel.openapi_answers import (
    ALSO,
    REFUSALS,
    all_errors,
    answer_example,
    answer_schema,
    error_responses,
    file_responses,
    further_contents,
)
from helpdesk.kernel.openapi_fields import Fields, Vocabularies
from helpdesk.kernel.openapi_headers import header_parameters, headers_of_answer, headers_of_files, headers_of_languages
from helpdesk.kernel.schemas import (
    Schema,
    Timestamp,
    example_of,
)

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
_MONEY_BALANCE: dict[str, Any] = {
    **_MONEY,
    "description": "As `Money`; below zero where more went out than came in.",
    "properties": {
        **_MONEY["properties"],
        "amount": {"type": "string", "pattern": r"^-?[0-9]{1,16}(\.[0-9]{1,8})?$"},
    },
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


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest ships no types
    """Blueprints are described when the document is asked for, not when they are registered: that would be most of what it takes to
    start, in each process, and most of those never show it.
    """

    ERROR_SCHEMA = Problem
    path_parameters: Mapping[str, PathParameter]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._undescribed: list[flask_smorest.Blueprint] = []
        self._describing = Lock()
        self._rendered: bytes | None = None
        super().__init__(*args, **kwargs)

    def register_blueprint(self, blp: flask_smorest.Blueprint, **options: Any) -> None:
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp, **options)
        self._undescribed.append(blp)

    def describe_all(self) -> None:
        """Bring what was registered into `spec`. By one thread only, and each blueprint once."""
        while self._undescribed:
            blp = self._undescribed.pop(0)
            blp.register_views_in_doc(self, self._app, self.spec, name=blp.name, parameters=None)
            self.spec.tag({"name": blp.name, "description": blp.description})

    def handle_http_exception(self, error: Any) -> Response:
        return problems.handle_http_exception(error)

    def _openapi_json(self) -> Response:
        """The document as committed, without smorest's pretty-printing on each request."""
        with self._describing:
            if self._rendered is None:
                self._rendered = orjson.dumps(document(self))
        return Response(self._rendered, mimetype="application/json")


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
            "marshmallow_plugin": Fields(vocabularies),
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
    api.spec.components.schema("MoneyBalance", deepcopy(_MONEY_BALANCE))
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
    api.spec.components.security_scheme(
        "webhook",
        {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature` (`v1,` and the base64 "
            "of HMAC-SHA-256 with the provider's secret over `{id}.{timestamp}.{body}`).",
        },
    )
    return api


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
    csv: bool = False,
    html: bool = False,
) -> dict[str, Any]:
    """What flask-smorest reads of a view (`document_view`), built through its own decorators."""

    def view() -> None: ...

    documented: Any = view
    for status, phrase in statuses.items():
        said = None if status == HTTPStatus.NO_CONTENT else answer
        documented = blueprint.response(
            status,
            answer_schema(said, operation_id, paged=paged),
            description=phrase,
            example=answer_example(said, paged=paged),
            headers=headers_of_answer(said, paged=paged, location=location),
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
    refused = all_errors(refusals, body, query, permission, idempotency_key, public=known, reads=reads)
    extra_parameters = header_parameters(if_match, idempotency_key, single=reads)
    extra_parameters += headers_of_files(sent=form is not None, given=binary)
    extra_parameters += headers_of_languages(languages)
    apidoc: dict[str, Any] = getattr(documented, "_apidoc", {})  # flask-smorest's own place for it
    apidoc.setdefault("arguments", {}).setdefault("parameters", []).extend(extra_parameters)
    apidoc["arguments"].pop("responses", None)
    manual: dict[str, Any] = {
        "operationId": operation_id,
        "summary": summary,
        "description": description or summary + ".",
        "responses": error_responses(refused),
        "security": [] if public else [{"bearer": []}, {"cookie": []}] if by is None else [{by.name: []}],
        "x-problem-codes": sorted({kind.code for kind in refused}),
        ALSO: further_contents(sparse=sparse, paged=paged, csv=csv, html=html),
    }
    if binary:
        manual["responses"] |= file_responses()
    if reads:
        manual["responses"]["304"] = {"description": "Not modified since the ETag in `If-None-Match`."}
    if permission:
        manual["x-permission"] = permission
    if idempotency_key == "none":
        manual["x-no-idempotency-key"] = (
            "Nothing of the request is kept to know a repetition by, such as a password or a code; do it again instead."
        )
    apidoc["manual_doc"] = manual
    return apidoc


def document_view(view: Any, described: Mapping[str, Any]) -> None:
    """Hang what `describe` made on a view, where flask-smorest looks for it."""
    view._apidoc = described  # noqa: SLF001  # its only way in


def document(api: Api) -> dict[str, Any]:
    """The whole document, in a stable order, without what flask-smorest adds and nothing uses."""
    api.describe_all()
    if "Problem" not in api.spec.components.schemas:
        api.spec.components.schema("Problem", schema=Problem)
    found: dict[str, Any] = deepcopy(api.spec.to_dict())
    for item in found["paths"].values():
        for parameter in item.get("parameters", ()):
            _describe_path_parameter(parameter, api.path_parameters)
        for operation in item.values():
            if isinstance(operation, dict):
                operation.get("responses", {}).pop("default", None)
                also = operation.pop(ALSO, {})
                if also:
                    operation["responses"]["200"]["content"] |= also
    components = found["components"]
    used = {answer["$ref"].rpartition("/")[2] for answer in _answers(found) if "$ref" in answer}
    components["responses"] = {name: REFUSALS[name] for name in sorted(used)}
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
