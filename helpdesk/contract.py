"""The published contract as text: what is committed under `openapi/` and compared by a test.

The OpenAPI document, and for each event a JSON Schema of its payload, as the feed gives it out. Inside v1 both only ever
grow: a field is added, never taken away, so the schemas leave room for fields that their reader does not know.
"""

import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

import helpdesk.kernel.reviving  # noqa: F401  # its events are recorded by the command line alone
from helpdesk.app import api_of, create_app
from helpdesk.kernel.events import Event
from helpdesk.kernel.openapi import document
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import assemble

DOCUMENT: Final = "openapi.json"
EVENTS: Final = "events"


def rendered() -> str:
    """The OpenAPI document, pretty-printed, keys in a stable order. Needs no database: nothing is connected to."""
    settings = Settings(database_url="postgresql://nowhere/nothing", secret_key="0" * 32)
    return _text(document(api_of(create_app(program=assemble(settings)))))


def files() -> dict[str, str]:
    """Everything that is committed: path under `openapi/` -> text."""
    found = {f"{EVENTS}/{kind}.json": _text(schema) for kind, schema in event_schemas().items()}
    return {DOCUMENT: rendered(), **found}


def write(folder: Path) -> None:
    """All files into a folder; schemas of events that are no more are removed."""
    (folder / EVENTS).mkdir(parents=True, exist_ok=True)
    wanted = files()
    for path in (folder / EVENTS).glob("*.json"):
        if f"{EVENTS}/{path.name}" not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


def event_schemas() -> dict[str, dict[str, Any]]:
    """Event type -> JSON Schema of its payload. Raises ValueError when two classes share a type."""
    found: dict[str, dict[str, Any]] = {}
    for kind in event_types():
        if kind.type in found:
            raise ValueError(f"two events are called {kind.type}")
        found[kind.type] = _schema_of(kind)
    return dict(sorted(found.items()))


def event_types(base: type[Event] = Event) -> Iterator[type[Event]]:
    """Every event of the program that can be recorded; bases that several share have no type of their own."""
    for kind in base.__subclasses__():
        # Tests make some too; and a dataclass with slots leaves the class it replaced behind until the next collection.
        if kind.__module__.startswith("helpdesk.") and getattr(sys.modules[kind.__module__], kind.__name__) is kind:
            if "type" in vars(kind):
                yield kind
            yield from event_types(kind)


def _schema_of(kind: type[Event]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    names = [item.name for item in fields(kind)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:helpdesk:event:{kind.type}",
        "title": kind.type,
        "description": _described(kind),
        "type": "object",
        "properties": {name: _type_schema(hints[name]) for name in names},
        "required": sorted(names),
        "x-personal": sorted(kind.personal),
    }


def _described(kind: type[Event]) -> str:
    """Its own words and those of its bases. A dataclass without a docstring is given its signature as one."""
    said = [base.__doc__ for base in kind.__mro__ if issubclass(base, Event) and base is not Event]
    own = [
        cleandoc(text) for base, text in zip(kind.__mro__, said, strict=False) if text and not _signature(base, text)
    ]
    return " ".join(" ".join(text.split()) for text in own)


def _signature(kind: type, text: str) -> bool:
    return text.startswith(f"{kind.__name__}(")


_PLAIN: Final[Mapping[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
    object: {},
}


def _type_schema(hint: Any) -> dict[str, Any]:
    """Raises TypeError for what an event must not hold (see `kernel.events`)."""
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    build = _BUILT.get(typing.get_origin(hint))
    if build is None:
        raise TypeError(f"an event cannot hold {hint}")
    return build(typing.get_args(hint))


def _union(parts: Sequence[Any]) -> dict[str, Any]:
    schemas = [_type_schema(part) for part in parts]
    if len(schemas) == 2 and schemas[1] == {"type": "null"} and isinstance(schemas[0].get("type"), str):
        return {**schemas[0], "type": [schemas[0]["type"], "null"]}
    return {"anyOf": schemas}


def _array(parts: Sequence[Any]) -> dict[str, Any]:
    return {"type": "array", "items": _type_schema(parts[0])}


def _object(parts: Sequence[Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _type_schema(parts[1])}


_BUILT: Final[Mapping[Any, Callable[[Sequence[Any]], dict[str, Any]]]] = {
    types.UnionType: _union,
    typing.Union: _union,
    list: _array,
    tuple: _array,
    dict: _object,
}
