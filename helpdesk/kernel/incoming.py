"""A request's body, query and preconditions, as they came and as they are understood."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import marshmallow as ma
import orjson
from flask import request

from helpdesk.kernel.errors import (
    FieldError,
    MalformedRequest,
    PreconditionFailed,
    PreconditionRequired,
    ValidationFailed,
)
from helpdesk.kernel.problems import UnsupportedMediaType
from helpdesk.kernel.schemas import Several, problems_of
from helpdesk.kernel.uploads import Upload
from helpdesk.kernel.words import need_attention

More = Callable[[dict[str, Any]], Iterable[FieldError]]
"""Of the fields that a schema lets through, what is wrong all the same: what only the database can tell."""


@dataclass(frozen=True, slots=True)
class Given:
    """A request's body, read but not yet validated: what is wrong with it is said after 404, 403 and 409."""

    raw: bytes
    parsed: Any

    @classmethod
    def read(cls, schema: ma.Schema | None) -> "Given":
        """Where nothing has to be given, no body at all (and no `Content-Type`) and `{}` are one and the same, everywhere."""
        if schema is None:
            raw = request.get_data()
            if raw.strip() not in {b"", b"{}"}:
                raise MalformedRequest("This request takes no body.")
            return cls(b"", None)
        if may_be_empty(schema) and not request.mimetype and not request.get_data():
            return cls(b"", {})
        if request.mimetype not in {"application/json", "application/merge-patch+json"}:
            raise UnsupportedMediaType
        raw = request.get_data()
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise MalformedRequest(f"The body is not well-formed JSON: {error}.") from error
        return cls(raw, parsed)

    def body(self, schema: ma.Schema | None, more: More | None = None) -> tuple[Any, ...]:
        """Raises `ValidationFailed` naming every bad field; `more` adds what it finds in the others."""
        if schema is None:
            return ()
        try:
            return (schema.load(self.parsed),)
        except ma.ValidationError as error:
            failed = validation_failed(error.messages)
            if more is None or not isinstance(error.valid_data, dict):
                raise failed from error
            found = [*failed.errors, *more(_sound(error, self.parsed))]
            raise ValidationFailed(need_attention(len(found), "field"), errors=found) from error


def _sound(error: ma.ValidationError, parsed: Any) -> dict[str, Any]:
    """Without lists of which something was left out: what is left would not stand at its place."""
    return {
        name: value
        for name, value in cast("dict[str, Any]", error.valid_data).items()
        if not isinstance(value, list) or len(value) == len(parsed.get(name, value))
    }


def may_be_empty(schema: ma.Schema) -> bool:
    """Whether a request's body has to say nothing."""
    return not any(field.required for field in schema.load_fields.values())


FORM: Final = "application/x-www-form-urlencoded"
FORM_KEY: Final = "key"
"""The field of a page's form that has what a repeat is known by, as `Idempotency-Key` has it."""


@dataclass(frozen=True, slots=True)
class GivenForm(Given):
    """A page's form."""

    @classmethod
    def of(cls, understand: Callable[[Mapping[str, str]], dict[str, Any]]) -> "GivenForm":
        """Raises `UnsupportedMediaType`, and werkzeug's `RequestEntityTooLarge`."""
        if request.mimetype != FORM:
            raise UnsupportedMediaType
        raw = request.get_data()  # before it is taken apart, which leaves nothing of it
        return cls(raw, understand(request.form))


@dataclass(frozen=True, slots=True)
class GivenFile(Given):
    """A form whose file is in the store by now."""

    upload: Upload

    def body(self, schema: ma.Schema | None, more: More | None = None) -> tuple[Any, ...]:
        return (*Given.body(self, schema, more), self.upload)


def validation_failed(messages: Any) -> ValidationFailed:
    found = problems_of(messages)
    return ValidationFailed(
        need_attention(len(found), "field"),
        errors=cast(Any, found),
    )


def load_query(schema: ma.Schema | None) -> dict[str, Any]:
    """The query's parameters. Raises `ValidationFailed`, also for any that `schema` does not know."""
    given: dict[str, Any] = {}
    problems = []
    for name, values in request.args.lists():
        if schema is None or name not in schema.load_fields:
            problems.append({"parameter": name, "code": "unknown_parameter", "detail": "There is no such parameter."})
        elif len(values) > 1 and isinstance(schema.load_fields[name], Several):
            given[name] = values
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
        raise ValidationFailed(need_attention(len(problems), "query parameter"), errors=cast(Any, problems))
    return given


_TAG_VERSION = re.compile(r'"v([0-9]{1,9})(?:-[0-9a-f]+)?"')


def check_if_match(row: Any, *, required: bool) -> None:
    """Comparison with the locked row's version, which is the first part of its ETag (`"v7-..."`) and will do alone
    (`"v7"`); `*` matches any. Strong (RFC 9110, 13.1.1): a weak tag matches nothing.
    """
    if "If-Match" not in request.headers:
        if required:
            raise PreconditionRequired
        return
    header = request.headers["If-Match"]
    current = f'"{row.etag}"'
    named = _versions(header)
    if header.strip() != "*" and row.version not in named:
        # Who is told "read it again" for a slip of the pen reads the same again, and slips again.
        text = (
            f"You looked at {header[:80]}; it is now {current}."
            if named
            else f"{header[:80]} names no version. Write it as the ETag is, with its quotes and without W/: {current}."
        )
        raise PreconditionFailed(text, current_etag=current, current_version=row.version)


def _versions(header: str) -> list[int]:
    offered = [_TAG_VERSION.fullmatch(tag.strip()) for tag in header.split(",")]
    return [int(tag.group(1)) for tag in offered if tag is not None]


def looked_at() -> int | None:
    """The version that the caller says they have seen, the newest where they name several."""
    return max(_versions(request.headers.get("If-Match", "")), default=None)
