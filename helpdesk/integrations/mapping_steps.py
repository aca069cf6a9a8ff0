"""What a mapping does with a record, step by step: each is made once, when the mapping is read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from marshmallow import fields

from helpdesk.complaints.schemas import EARLIEST
from helpdesk.integrations.mapping_schemas import COMPLAINT, CONDITIONS
from helpdesk.kernel.clock import parse_rfc3339, rfc3339

NOTES: Final = "_import"
"""Where `source_data` says what was made up for want of a value; no column may have this name."""

NUMBERS: Final = frozenset(name for name, known in COMPLAINT.fields.items() if isinstance(known, fields.Integer))
"""What the API takes as a number only. A CSV has nothing but text, and so have the translations of a mapping."""

Row = Mapping[str, Any]
"""A record by column name; CSV has text only, JSON Lines any JSON value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record cannot be taken in, by a field of ours."""

    name: str
    code: str
    detail: str


@dataclass(slots=True)
class Mapped:
    """A record in our words. `payload` is what the API would be sent; it is not validated yet."""

    payload: dict[str, Any] = field(default_factory=dict)
    clock_starts: dict[str, datetime] = field(default_factory=dict)
    source_data: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


Step = Callable[[Row, Mapped], None]


def _blank(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, str) and value.isspace())


def steps_of(data: Mapping[str, Any]) -> Iterator[Step]:
    texts_only = data["format"] == "csv"
    yield from (_whole(name, texts_only=texts_only) for name in data["whole"])
    if "external_id" in data:
        yield _external_id(**data["external_id"])
    specs = data["fields_"].items()
    plain = [(target, spec) for target, spec in specs if not CONDITIONS & set(spec)]
    conditional = [(target, spec) for target, spec in specs if CONDITIONS & set(spec)]
    yield from (_field(target, spec, texts_only=texts_only) for target, spec in plain + conditional)
    if any(target.startswith("issue.") for target in data["fields_"]):
        yield _category_of_issue
    if "needs" in data:
        yield _needs(**data["needs"])
    yield from (_clock_start(name, spec) for name, spec in data["clock_starts"].items())


def as_number(target: str, value: Any) -> Any:
    """The number that a text stands for, where the field takes one; anything else as it is, for the API to judge."""
    if target not in NUMBERS or not isinstance(value, str):
        return value
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else value


def _whole(name: str, *, texts_only: bool) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        value = row.get(name)
        if not _blank(value):
            mapped.payload[name] = as_number(name, value) if texts_only else value

    return step


def _external_id(column: str, *, required: bool) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        value = row.get(column)
        if not _blank(value):
            number = isinstance(value, int) and not isinstance(value, bool)
            mapped.payload["external_id"] = str(value) if number else value
        elif required:
            mapped.problems.append(Problem("external_id", "required", f"The column {column!r} is blank."))

    return step


def _field(target: str, spec: Mapping[str, Any], *, texts_only: bool) -> Step:
    take, put = _taker(target, spec), _putter(target)
    reads = target in NUMBERS and (texts_only or "values" in spec)
    with_, without = spec.get("only_with"), spec.get("only_without")
    instead = _joined(**spec["instead"]) if "instead" in spec else None

    def step(row: Row, mapped: Mapped) -> None:
        if with_ is not None and not _present(mapped.payload, with_):
            return
        if without is not None and _present(mapped.payload, without):
            return
        value = take(row, mapped)
        if value is None and instead is not None:
            value = instead(row, mapped)
            mapped.source_data.setdefault(NOTES, {})[target] = f"made from {', '.join(spec['instead']['columns'])}"
        if value is not None:
            put(mapped.payload, as_number(target, value) if reads else value)

    return step


def _taker(target: str, spec: Mapping[str, Any]) -> Callable[[Row, Mapped], Any]:
    if "columns" in spec:
        return _joined(spec["columns"], spec["joined_by"], spec["before"])
    if "date" in spec:
        dated = _dated(target, spec)
        return lambda row, mapped: None if (at := dated(row, mapped)) is None else rfc3339(at)
    column, values, otherwise = spec["column"], spec.get("values"), spec.get("otherwise")

    def take(row: Row, _mapped: Mapped) -> Any:
        value = row.get(column)
        if _blank(value):
            return otherwise
        if values is None:
            return value
        return values.get(value.strip(), otherwise) if isinstance(value, str) else otherwise

    return take


def _joined(columns: Sequence[str], joined_by: str, before: str) -> Callable[[Row, Mapped], str | None]:
    def take(row: Row, _mapped: Mapped) -> str | None:
        found = [str(value).strip() for name in columns if not _blank(value := row.get(name))]
        return before + joined_by.join(dict.fromkeys(found)) if found else None

    return take


def _putter(target: str) -> Callable[[dict[str, Any], Any], None]:
    part, _, name = target.partition(".")
    if not name:
        return lambda payload, value: payload.__setitem__(target, value)
    if part == "issue":
        return lambda payload, value: payload.setdefault("issues", [{}])[0].__setitem__(name, value)
    return lambda payload, value: payload.setdefault(part, {}).__setitem__(name, value)


def _present(payload: Mapping[str, Any], target: str) -> bool:
    part, _, name = target.partition(".")
    holder: Any = payload.get("issues", [{}])[0] if part == "issue" else payload.get(part)
    return name in (holder or {}) if name else part in payload


def _category_of_issue(_row: Row, mapped: Mapped) -> None:
    """An issue code says its category: `DEL.LATE` is of `DEL`."""
    for issue in mapped.payload.get("issues", []):
        if "category" not in issue and isinstance(issue.get("issue"), str):
            issue["category"] = issue["issue"].partition(".")[0]


def _needs(column: str, separator: str, values: Mapping[str, str], ground: str) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        cell = row.get(column)
        if isinstance(cell, str) and cell:
            flags = dict.fromkeys(values[tag] for part in cell.split(separator) if (tag := part.strip()) in values)
            if flags:
                mapped.payload["needs"] = [{"flag": flag, "ground": ground} for flag in flags]

    return step


def _clock_start(name: str, spec: Mapping[str, Any]) -> Step:
    """As bounded as `received_at`: from 1990 on here, and not in the future, which is asked when the record is written."""
    target = f"clock_starts.{name}"
    dated = _dated(target, spec)

    def step(row: Row, mapped: Mapped) -> None:
        at = dated(row, mapped)
        if at is None:
            return
        if at < EARLIEST:
            mapped.problems.append(Problem(target, "invalid", "Deadlines are computed from 1990 on."))
        else:
            mapped.clock_starts[name] = at

    return step


def _dated(target: str, spec: Mapping[str, Any]) -> Callable[[Row, Mapped], datetime | None]:
    """The instant in a column; None where it is blank, and where it is a problem."""
    column, pattern, zone = spec["column"], spec.get("date"), spec.get("time_zone")

    def take(row: Row, mapped: Mapped) -> datetime | None:
        value = row.get(column)
        if _blank(value):
            return None
        try:
            return _instant(str(value).strip(), pattern, zone)
        except (ValueError, OverflowError):
            like = f"a time like {pattern}" if pattern else "an RFC 3339 time with an offset"
            mapped.problems.append(Problem(target, "invalid", f"{str(value)[:60]!r} in {column!r} is not {like}."))
            return None

    return take


@lru_cache(maxsize=4096)
def _instant(value: str, pattern: str | None, zone: str | None) -> datetime:
    """In UTC. A local time that occurs twice is the first; one in a gap moves forward by it (see the SLA's conventions)."""
    if pattern is None or zone is None:
        return parse_rfc3339(value)
    return datetime.strptime(value, pattern).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
