"""Headers in the OpenAPI document: those that a request may have, and those of answers."""

from collections.abc import Sequence
from typing import Any


def headers_of_answer(answer: Any, *, paged: bool, location: bool) -> dict[str, Any]:
    text = {"type": "string"}
    found: dict[str, Any] = {"X-Request-ID": {"description": "Name it when you report a problem.", "schema": text}}
    found |= {name: {"description": what, "schema": text} for name, what in LIMITS.items()}
    if paged:
        found["Link"] = {"description": 'The next page, `rel="next"`; absent at the end.', "schema": text}
    if answer is not None:
        found["ETag"] = {"description": _ETAG, "schema": text}
    if location:
        found["Location"] = {"description": "Where the new resource is.", "schema": text}
    return found


def headers_of_languages(languages: Sequence[str]) -> list[dict[str, Any]]:
    if not languages:
        return []
    what = f"Language of texts for people: {', '.join(languages)}. The first, where none of them is asked for."
    return [_header("Accept-Language", what, {"type": "string", "examples": [languages[-1]]})]


def headers_of_files(*, sent: bool, given: bool) -> list[dict[str, Any]]:
    digest = _header("Content-Digest", _DIGEST, {"type": "string", "examples": [_DIGESTED]})
    part = _header("Range", "A part of it: `bytes=0-1023`. Several at once get the whole.", {"type": "string"})
    of = _header("If-Range", "The ETag of what the part belongs to; of another file, all of it comes.", _TAG)
    return [*([digest] if sent else []), *([part, of] if given else [])]


_DIGEST = "Digest of the whole body (RFC 9530), sha-256 or sha-512: a body that was changed on the way is refused."
_DIGESTED = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"


LIMITS = {
    "RateLimit-Policy": 'How much is allowed: `"credential";q=600;w=60` are 600 requests in any 60 seconds.',
    "RateLimit": 'How much is left: `"credential";r=588;t=42` are 588 requests in the next 42 seconds.',
}
_ETAG = (
    'Of a versioned resource `"v<version>-<digest>"`: `If-Match` compares the version, `If-None-Match` all of it. Of '
    "anything else a weak tag of the text, for `If-None-Match`."
)
_TAG = {"type": "string", "examples": ['"v3-8d5e957f297893487bd98fa8"']}
_KEY = {"type": "string", "pattern": "^[!-~]{1,255}$", "examples": ["8e03978e-40d5-43e8-bc93-6894a57f9324"]}


def header_parameters(if_match: str, idempotency_key: str | None, *, single: bool) -> list[dict[str, Any]]:
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
