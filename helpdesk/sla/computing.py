"""Deadlines out of plain data: what `helpdesk sla compute` does with each line of JSON.

So that anyone can check a deadline: no database, no settings, no time of its own. `answer` takes a line as it came and
never fails; `compute` takes what was in it.

Decisions, where the shapes leave room:

- `weekly_hours` may be left out for calendar days and weeks, which no opening hour touches; all of their time counts.
- `working_days` is understood as in a calendar of the API: make-up working day -> the weekday whose hours it has.
- A pause ends at null while it still runs. Where that leaves the due time open, `due_at` is null, the segments end where
  the pause begins, and `remaining_seconds` says what is left then.
- Anything not named here is refused, and so is a key that stands twice: a misspelt `hollidays` would silently move a
  deadline.
- One error for a line, the first in the order of the fields below.
"""

import codecs
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn, get_args

from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.sla.business_time import (
    Boundary,
    BusinessDay,
    BusinessTimeError,
    CalendarDay,
    CalendarExhaustedError,
    Conventions,
    Pauses,
    Segment,
    StillPausedError,
    Target,
    Unit,
    due_at,
    elapsed,
    remaining,
    segments,
)
from helpdesk.sla.calendar_reading import UnreadableCalendarError, escaped, in_json, read_calendar
from helpdesk.sla.calendar_spec import Calendar, contradictions, never_open

MAX_LINE_BYTES: Final = 1_048_576
_MAX_DEPTH: Final = 32
_MAX_PAUSES: Final = 10_000
_CALENDAR: Final = ("timezone", "weekly_hours", "holidays", "working_days")
_FIELDS: Final = ("id", *_CALENDAR, "start", "end", "target", "pauses", "conventions")
CHOICES: Final = {
    "boundary": get_args(Boundary),
    "business_day": get_args(BusinessDay),
    "calendar_day": get_args(CalendarDay),
}

Answer = dict[str, Any]


class LineError(Exception):
    """A line that has no answer. `pointer`: a JSON Pointer (RFC 6901) into it, None where it is no JSON object."""

    def __init__(self, code: str, detail: str, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.pointer = code, detail, pointer


class _Object(dict[str, Any]):
    """What stood between two braces, with the first key that stood there twice."""

    repeated: str | None = None


def answer(line: bytes, number: int) -> Answer | None:
    """What a line asks, or an error object: `{"error": {"code", "detail", "line", "pointer"}}`, `pointer` only where there
    is one; with the `id` of the line, where it has one. None for an empty line.
    """
    asked: Any = None
    try:
        if len(line) > MAX_LINE_BYTES:
            _refuse("too_long", f"a line has up to {MAX_LINE_BYTES} bytes")
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return None
        asked = _parsed(line)
        found = compute(asked)
    except LineError as error:
        where = {} if error.pointer is None else {"pointer": error.pointer}
        found = {"error": {"code": error.code, "detail": error.detail, "line": number, **where}}
    known = (
        isinstance(asked, _Object) and "id" in asked and asked.repeated != "id" and _repeated_in(asked["id"]) is None
    )
    return {"id": asked["id"], **found} if known else found


def compute(asked: Any) -> Answer:
    """`{"due_at", "segments"}` of a target, or `{"elapsed_seconds"}` up to an end. Raises `LineError`."""
    if not isinstance(asked, Mapping):
        _refuse("not_an_object", "a line is a JSON object")
    _known(asked, _FIELDS, "")
    repeated = _repeated_in(asked.get("id"), "/id")
    if repeated is not None:
        _refuse("repeated_key", "it stands there twice", repeated)
    if ("target" in asked) == ("end" in asked):
        _refuse("target_or_end", "give either `target`, for a due time, or `end`, for the time elapsed", "")
    calendar = _calendar_of(asked)
    start = _instant(asked, "start")
    target = _target(asked["target"]) if "target" in asked else None
    end = _instant(asked, "end") if "end" in asked else None
    pauses, conventions = _pauses(asked.get("pauses", [])), _conventions(asked.get("conventions", {}))
    try:
        if target is None or target.can_pause:
            for problem in never_open(calendar, start):
                _refuse(problem.code, problem.message, problem.pointer)
        if target is not None:
            return _due(calendar, start, target, pauses, conventions)
        if end is None:
            _refuse("missing", "it is needed", "/end")
        return {"elapsed_seconds": elapsed(calendar, start, end, pauses if conventions.pausable else ())}
    except CalendarExhaustedError as error:
        _refuse("beyond_the_search", str(error))
    except BusinessTimeError as error:
        _refuse("invalid", str(error))


def _due(calendar: Calendar, start: datetime, target: Target, pauses: Pauses, conventions: Conventions) -> Answer:
    if not conventions.pausable:
        pauses = ()
    try:
        due = due_at(calendar, start, target, pauses, conventions)
    except StillPausedError:
        since = max(start, min(begin for begin, end in pauses if end is None))
        left = remaining(calendar, start, target, since, pauses, conventions=conventions)
        counted = _written(segments(calendar, start, since, pauses))
        return {"due_at": None, "remaining_seconds": left, "segments": counted}
    if not target.can_pause:  # by the calendar on the wall: open or not, all of it counts
        whole = [Segment("counted", start.replace(microsecond=0), due)] if due > start else []
        return {"due_at": rfc3339(due), "segments": _written(whole)}
    return {"due_at": rfc3339(due), "segments": _written(segments(calendar, start, due, pauses))}


def _written(found: Sequence[Segment]) -> list[Answer]:
    return [
        {"kind": each.kind, "from": rfc3339(each.start), "to": rfc3339(each.end), "seconds": each.seconds}
        for each in found
    ]


def _refuse(code: str, detail: str, pointer: str | None = None) -> NoReturn:
    raise LineError(code, detail, pointer)


def _parsed(line: bytes) -> Any:
    try:
        found = json.loads(
            line.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_whole_number
        )
        _check_depth(found)
    except UnicodeDecodeError as error:
        _refuse("not_utf8", f"byte {error.start + 1} of the line is not UTF-8")
    except RecursionError:
        _refuse("too_deep", "it is nested too deeply")
    except json.JSONDecodeError as error:
        _refuse("not_json", f"{error.msg.removesuffix(' at')} at character {error.pos + 1}")
    else:
        return found


def _check_depth(found: Any) -> None:
    """What could be read need not be what can be written again."""
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise RecursionError
        below = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for several in below for each in several if isinstance(each, dict | list)]


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        found.repeated = _first_repeated(key for key, _ in pairs)
    return found


def _first_repeated(keys: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def _repeated_in(given: Any, at: str = "") -> str | None:
    """Where in a value that may be anything a key stands twice; None: nowhere. It is as deep as a line may be."""
    if isinstance(given, _Object) and given.repeated is not None:
        return f"{at}/{escaped(given.repeated)}"
    below = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    found = (_repeated_in(value, f"{at}/{escaped(str(key))}") for key, value in below)
    return next((each for each in found if each is not None), None)


def _no_constant(name: str) -> NoReturn:
    _refuse("not_json", f"{name} is no number in JSON")


def _whole_number(text: str) -> int:
    if len(text) > 400:  # Python itself refuses only above 4300 digits, and then not as a mistake in the line
        _refuse("not_a_number", "a number has up to 400 digits")
    return int(text)


def _known(given: Mapping[str, Any], fields: Sequence[str], below: str) -> None:
    repeated = getattr(given, "repeated", None)
    if repeated is not None:
        _refuse("repeated_key", "it stands there twice", f"{below}/{escaped(repeated)}")
    for key in given:
        if key not in fields:
            _refuse("unknown_field", f"known here: {', '.join(fields)}", f"{below}/{escaped(key)}")


def _calendar_of(asked: Mapping[str, Any]) -> Calendar:
    given = {name: asked[name] for name in _CALENDAR if name in asked}
    if "timezone" not in given:
        _refuse("missing", "it is needed", "/timezone")
    for name in ("weekly_hours", "working_days"):
        repeated = getattr(given.get(name), "repeated", None)
        if repeated is not None:
            _refuse("repeated_key", "it stands there twice", f"/{name}/{escaped(repeated)}")
    return _calendar(json.dumps(given))


@lru_cache(maxsize=256)
def _calendar(text: str) -> Calendar:
    """Many lines have one calendar, and a calendar that was used before is ready."""
    try:
        calendar = read_calendar(json.loads(text))
    except UnreadableCalendarError as error:
        first = error.problems[0]
        _refuse(first.code, first.message, first.pointer)
    for problem in contradictions(calendar)[0]:
        _refuse(problem.code, problem.message, in_json(problem.pointer))
    return calendar


def _instant(asked: Mapping[str, Any], name: str) -> datetime:
    if name not in asked:
        _refuse("missing", "it is needed", f"/{name}")
    return _time(asked[name], f"/{name}")


def _time(given: Any, pointer: str) -> datetime:
    try:
        return parse_rfc3339(given if isinstance(given, str) else "")
    except OverflowError:
        _refuse("bad_time", "it lies outside the years 1 to 9999 in UTC", pointer)
    except ValueError as error:
        _refuse("bad_time", str(error), pointer)


def _target(given: Any) -> Target:
    if not isinstance(given, Mapping):
        _refuse("invalid", 'write {"amount": 2, "unit": "business_days"}', "/target")
    _known(given, ("amount", "unit"), "/target")
    for name in ("amount", "unit"):
        if name not in given:
            _refuse("missing", "it is needed", f"/target/{name}")
    amount, unit = given["amount"], given["unit"]
    if unit not in get_args(Unit):
        _refuse("invalid", f"a unit is one of {', '.join(get_args(Unit))}", "/target/unit")
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        _refuse("invalid", "an amount is a number", "/target/amount")
    try:
        return Target(amount, unit)
    except BusinessTimeError as error:
        _refuse("invalid", str(error), "/target/amount")


def _pauses(given: Any) -> Pauses:
    if not isinstance(given, list) or len(given) > _MAX_PAUSES:
        _refuse("invalid", f"give a list of up to {_MAX_PAUSES} pauses, each [from, to]", "/pauses")
    return [_pause(pair, f"/pauses/{index}") for index, pair in enumerate(given)]


def _pause(given: Any, pointer: str) -> tuple[datetime, datetime | None]:
    if not isinstance(given, list) or len(given) != 2:
        _refuse("invalid", "a pause is [from, to]; `to` is null while it still runs", pointer)
    start = _time(given[0], f"{pointer}/0")
    end = None if given[1] is None else _time(given[1], f"{pointer}/1")
    if end is not None and end < start:
        _refuse("backwards", "a pause ends at its start or later", f"{pointer}/1")
    return start, end


def _conventions(given: Any) -> Conventions:
    if not isinstance(given, Mapping):
        _refuse("invalid", 'write {"business_day": "close_of_nth_day", ...}', "/conventions")
    _known(given, (*CHOICES, "pausable"), "/conventions")
    for name, choices in CHOICES.items():
        if name in given and given[name] not in choices:
            _refuse("invalid", f"use one of {', '.join(choices)}", f"/conventions/{name}")
    if not isinstance(given.get("pausable", True), bool):
        _refuse("invalid", "write true or false", "/conventions/pausable")
    return Conventions(**given)
