"""Answers: JSON with its tag, pages with their links, repeats of what was answered before."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request

from helpdesk.kernel import idempotency
from helpdesk.kernel.file_names import disposition
from helpdesk.kernel.schemas import SPARSE
from helpdesk.kernel.web import web

JSON = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def answered(
    schema: Any,
    shown: Any,
    status: int,
    location: Callable[[Any], str | None] | None,
    wanted: Sequence[str] | None = None,
) -> Response:
    """`wanted`: fields that there is to be nothing beside of."""
    dumped = None if schema is None else schema.dump(shown)
    version = dumped.get("version") if isinstance(dumped, dict) else None
    data = b"" if dumped is None else orjson.dumps(_only(wanted, dumped), option=JSON)
    headers: dict[str, str] = {}
    if version is not None:
        headers["ETag"] = f'"v{version}-{_digest(data)}"'
    address = None if location is None else location(shown)
    if address is not None:
        headers["Location"] = address
    return Response(data, status, headers, mimetype=_json_or(wanted))


def _only(wanted: Sequence[str] | None, dumped: dict[str, Any]) -> dict[str, Any]:
    return dumped if wanted is None else {name: dumped[name] for name in wanted if name in dumped}


def _json_or(wanted: Sequence[str] | None) -> str:
    return "application/json" if wanted is None else SPARSE


def conditional(schema: Any, result: Any, wanted: Sequence[str] | None = None) -> Response:
    """200 with an ETag, or 304. A versioned resource is tagged by its version, for `If-Match`, and by its text, for
    `If-None-Match`: what is shown also changes while the version stays (the clock runs out, somebody else's rights), and
    a 304 must not hide it. Anything else is tagged by its text alone.
    """
    response = answered(schema, result, 200, None, wanted)
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


def listed_answer(body: dict[str, Any], cursor: str | None, wanted: Sequence[str] | None = None) -> Response:
    if wanted is not None:
        body = {**body, "items": [_only(wanted, item) for item in body["items"]]}
    data = orjson.dumps(body, option=JSON)
    response = Response(data, 200, mimetype=_json_or(wanted), headers={"ETag": _text_tag(data)})
    if cursor is not None:
        args = request.args.to_dict(flat=False) | {"cursor": [cursor]}
        response.headers["Link"] = f'<{web().base_url}{request.path}?{_encode(args)}>; rel="next"'
    return _not_modified(response)


def _encode(args: Mapping[str, Sequence[str]]) -> str:
    return urlencode(args, doseq=True)


def table(text: str, name: str) -> Response:
    """A table for spreadsheets (`spreadsheets`) instead of JSON, to be saved under that name."""
    told = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(text, headers=told, content_type="text/csv; charset=utf-8")


def page(text: str, name: str, style: str) -> Response:
    """A page of its own, to be saved under that name. Opened where it came from, it stands in a sandbox: nothing runs, nothing
    is fetched, and of styles only this one counts, which is in it.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    told = {
        "Content-Disposition": disposition(name),
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    response = Response(text, headers=told, content_type="text/html; charset=utf-8")
    response.headers["ETag"] = _text_tag(response.get_data())
    return _not_modified(response)


def kept_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name in {"ETag", "Location", "Content-Type"}}


def replayed(kept: idempotency.IdempotentAnswer) -> Response:
    return Response(kept.body, kept.status, {**kept.headers, "Idempotent-Replayed": "true"})
