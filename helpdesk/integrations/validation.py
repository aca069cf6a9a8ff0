"""The API's own rules for a complaint, at the speed of an import.

Most of a payload repeats itself from record to record: constants, channels, issues, regions. What does not is a few texts
and the time. So each nested part and the flat remainder is loaded once for each different one and kept, and the texts go
through the very fields of `ComplaintIn`. No rule is written down twice. What this relies on: rules across fields look at
flat fields only (a rule between `needs` and `channel` would not be seen here); a test compares both ways on random
payloads.
"""

from functools import lru_cache
from typing import Any, Final

import marshmallow as ma
import orjson
from marshmallow import fields

from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.kernel.schemas import problems_of
from helpdesk.taxonomy.in_force import in_force

_SCHEMA: Final = ComplaintIn()
_OWN: Final[dict[str, Any]] = {
    "subject": "x",
    "description": "x",
    "received_at": "2000-01-01T00:00:00Z",
    "external_id": "x",
}
"""Fields that differ in every record, each with a value that is always right: whether one is there matters to rules
across fields, what is in it does not.
"""
_NESTED: Final = frozenset(
    name for name, field in _SCHEMA.load_fields.items() if isinstance(field, fields.Nested | fields.List)
)

Loaded = tuple[dict[str, Any], list[dict[str, str]]]
"""The result and its problems (`pointer`, `code`, `detail`); one of them is empty."""


def load(payload: dict[str, Any]) -> Loaded:
    """What `ComplaintIn` makes of the payload. Values must be such as JSON has.

    Parts of the result are shared between calls: do not change them.
    """
    version = in_force().version  # what is kept was checked by one taxonomy
    loaded: dict[str, Any] = {}
    problems: list[dict[str, str]] = []
    flat = {}
    for name, value in payload.items():
        if name in _OWN:
            found, wrong = _field(name, value)
        elif name in _NESTED:
            found, wrong = _kept_field(version, name, orjson.dumps(value))
        else:
            flat[name] = value
            continue
        loaded |= found
        problems += wrong
    found, wrong = _kept_flat(version, orjson.dumps(flat), tuple(name for name in _OWN if name in payload))
    return (loaded | found, []) if not (problems or wrong) else ({}, problems + wrong)


def _field(name: str, value: Any) -> Loaded:
    try:
        return {name: _SCHEMA.load_fields[name].deserialize(value)}, []
    except ma.ValidationError as error:
        return {}, problems_of({name: error.messages})


@lru_cache(maxsize=8192)
def _kept_field(_taxonomy: int, name: str, text: bytes) -> Loaded:
    return _field(name, orjson.loads(text))


@lru_cache(maxsize=8192)
def _kept_flat(_taxonomy: int, text: bytes, own: tuple[str, ...]) -> Loaded:
    try:
        loaded = _SCHEMA.load(orjson.loads(text) | {name: _OWN[name] for name in own})
    except ma.ValidationError as error:
        return {}, problems_of(error.messages)
    return {name: value for name, value in loaded.items() if name not in _OWN}, []
