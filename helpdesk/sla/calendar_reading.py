"""A calendar out of JSON, whoever wrote it: every mistake with a JSON Pointer to where it stands.

Use it where a calendar is written (the API) or given (`helpdesk sla compute`). What is kept was read once and is taken at
its word by `specs.calendar_of`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from helpdesk.sla.calendar_spec import Calendar, Interval, Problem
from helpdesk.sla.specs import DAYS, minute_of

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MAX_SHIFTS: Final = 12
_MAX_DAYS: Final = 20_000  # more than the longest search has days


class UnreadableCalendarError(ValueError):
    """What was given is no calendar; `problems` says where and why, each."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.pointer}: {problem.message}" for problem in problems))


def read_calendar(given: Mapping[str, Any], name: str = "") -> Calendar:
    """`timezone`, and where given `weekly_hours`, `holidays`, `working_days`; other keys are the caller's. It may still be
    impossible: see `calendar_spec.validate`. Raises `UnreadableCalendarError`.
    """
    problems: list[Problem] = []
    timezone = given.get("timezone")
    if not isinstance(timezone, str):
        problems.append(Problem("/timezone", "invalid", "give the name of an IANA time zone, such as 'Europe/Berlin'"))
        timezone = ""
    hours = dict(_hours(given.get("weekly_hours", {}), problems))
    holidays = frozenset(_holidays(given.get("holidays", []), problems))
    working_days = dict(_working_days(given.get("working_days", {}), problems))
    for day in sorted(holidays & working_days.keys()):
        message = "it stands among the holidays too: is it a day off or not? Take it out of one"
        problems.append(Problem(f"/working_days/{day}", "contradiction", message))
    if problems:
        raise UnreadableCalendarError(problems)
    return Calendar(timezone, hours, holidays, working_days, name)


def in_json(pointer: str) -> str:
    """Where something wrong with a `Calendar` stands in the JSON that it was read from: `/weekly_hours/0/1/end_minute` is
    `/weekly_hours/mon/1/1` there.
    """
    parts = pointer.split("/")
    if parts[1] == "weekly_hours" and len(parts) > 2:
        parts[2] = DAYS[int(parts[2])]
        parts[4:5] = ["01"[["start_minute", "end_minute"].index(part)] for part in parts[4:5]]
    return "/".join(parts)


def read_date(text: Any) -> date:
    """Raises ValueError for whatever is not `YYYY-MM-DD`; `fromisoformat` alone would also take a week."""
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise ValueError("write a date as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day") from None


def _hours(given: Any, problems: list[Problem]) -> Iterator[tuple[int, tuple[Interval, ...]]]:
    if not isinstance(given, Mapping):
        problems.append(Problem("/weekly_hours", "invalid", 'write {"mon": [["09:00", "17:00"]], ...}'))
        return
    for day, shifts in given.items():
        pointer = f"/weekly_hours/{escaped(day)}"
        if day not in DAYS:
            problems.append(Problem(pointer, "unknown_weekday", f"a weekday is one of {', '.join(DAYS)}"))
        elif not isinstance(shifts, list) or len(shifts) > _MAX_SHIFTS:
            problems.append(Problem(pointer, "invalid", f"give a list of up to {_MAX_SHIFTS} shifts"))
        else:
            found = [_shift(f"{pointer}/{index}", shift, problems) for index, shift in enumerate(shifts)]
            yield DAYS.index(day), tuple(shift for shift in found if shift is not None)


def _shift(pointer: str, given: Any, problems: list[Problem]) -> Interval | None:
    if not isinstance(given, list) or len(given) != 2:
        problems.append(Problem(pointer, "invalid", 'a shift is ["HH:MM", "HH:MM"]'))
        return None
    ends = [_minute(f"{pointer}/{index}", text, problems) for index, text in enumerate(given)]
    if ends[0] is None or ends[1] is None:
        return None
    return Interval(ends[0], ends[1])


def _minute(pointer: str, text: Any, problems: list[Problem]) -> int | None:
    try:
        return minute_of(text if isinstance(text, str) else "")
    except ValueError as error:
        problems.append(Problem(pointer, "bad_time", str(error)))
        return None


def _holidays(given: Any, problems: list[Problem]) -> Iterator[date]:
    if not isinstance(given, list) or len(given) > _MAX_DAYS:
        problems.append(Problem("/holidays", "invalid", f"give a list of up to {_MAX_DAYS} dates"))
        return
    for index, text in enumerate(given):
        try:
            yield read_date(text)
        except ValueError as error:
            problems.append(Problem(f"/holidays/{index}", "bad_date", str(error)))


def _working_days(given: Any, problems: list[Problem]) -> Iterator[tuple[date, int]]:
    if not isinstance(given, Mapping) or len(given) > _MAX_DAYS:
        problems.append(Problem("/working_days", "invalid", 'write {"2026-02-14": "mon", ...}'))
        return
    for text, like in given.items():
        pointer = f"/working_days/{escaped(text)}"
        try:
            day = read_date(text)
        except ValueError as error:
            problems.append(Problem(pointer, "bad_date", str(error)))
            continue
        if not isinstance(like, str) or like not in DAYS:
            message = f"name the weekday whose hours it has: one of {', '.join(DAYS)}"
            problems.append(Problem(pointer, "unknown_weekday", message))
            continue
        yield day, DAYS.index(like)


def escaped(key: str) -> str:
    """A key as a step of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
