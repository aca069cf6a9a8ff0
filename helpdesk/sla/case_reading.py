"""Complaints as they went, out of a file: JSON Lines, or CSV with a header. Every line comes out once, as a case or as a problem
with its number.

Columns (keys): `received`, which must be there; `acknowledged`, `first_replied`, `investigated`, `resolved`, `followed_up`, `ended`
(withdrawn or dismissed), or what a promise of that kind is called (`acknowledge`, `first_response` ...); `severity`, `tier`,
`team`; `pauses` (JSON: `[[from, to], ...]`; CSV: `from/to` separated by spaces or semicolons, an open end left out); and the facts
that conditions may ask for (`category`, `channel`, `tags` ...). Others are passed over. Times are RFC 3339, or local ones (`2026-03-02`, which is its midnight, or `2026-03-02 09:30`) where a time zone is given.
What lies in the future has not gone in any way, and is a slip of whoever wrote the file, or of its time zone.
"""

import csv
import json
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.customers.models import TIERS
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.sla.policy_facts import VOCABULARY
from helpdesk.sla.simulating import Case

KINDS: Final[Mapping[str, str]] = {
    "acknowledged": "acknowledge",
    "first_replied": "first_response",
    "investigated": "investigate",
    "resolved": "resolve",
    "followed_up": "follow_up",
}
"""Column -> what was done then."""
COLUMNS: Final = ("received", *KINDS, "ended", "severity", "tier", "team", "pauses")
OURS: Final = tuple(dict.fromkeys((*COLUMNS, *VOCABULARY)))
"""Whatever is read."""
_NOTED: Final = 100
_MANY: Final = {name for name, known in VOCABULARY.items() if known.kind.many}


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that is no case. `line`: the last of its lines, counted from 1."""

    line: int
    detail: str


class _Wrong(ValueError):
    """What is wrong with a line."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read. `columns`: ours -> the file's, where they are called otherwise. `severity`: of lines that say none. `now`: after
    which nothing has happened yet.
    """

    columns: Mapping[str, str]
    severity: str
    now: datetime
    zone: ZoneInfo | None = None
    passed_over: set[str] = field(default_factory=set)
    """The file's columns that nothing was read from, as far as it was read."""

    def csv(self, lines: Iterable[str]) -> Iterator[tuple[int, Case | Problem]]:
        """Raises ValueError where the header cannot be read, or has no column for what must be there."""
        reader = csv.DictReader(lines, strict=True)
        try:
            names = set(reader.fieldnames or ())
        except csv.Error as error:
            raise ValueError(
                f"its first line is no header of CSV ({error}); JSON Lines are read from *.jsonl"
            ) from error
        for ours, theirs in {"received": "received", **self.columns}.items():
            if theirs not in names:
                raise ValueError(f"there is no column {theirs!r} for {ours}")
        self._note(names)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, Problem(reader.line_num, str(error))
                continue
            if None in row or None in row.values():
                yield reader.line_num, Problem(reader.line_num, "it has another number of columns than the header")
            else:
                yield reader.line_num, self._read(row, reader.line_num)

    def jsonl(self, lines: Iterable[str]) -> Iterator[tuple[int, Case | Problem]]:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                yield number, Problem(number, f"no JSON: {error}")
                continue
            if isinstance(row, dict):
                self._note(row)
                yield number, self._read(row, number)
            else:
                yield number, Problem(number, "a line is a JSON object")

    def _read(self, row: Mapping[str, Any], number: int) -> Case | Problem:
        given = {name: row[there] for name in OURS if (there := self._column_of(name, row)) is not None}
        try:
            return self._case(given)
        except _Wrong as error:
            return Problem(number, str(error))

    def _column_of(self, name: str, row: Container[str]) -> str | None:
        """What ours is called in the file, None where it has none."""
        if name in self.columns:
            return self.columns[name] if self.columns[name] in row else None
        return next((called for called in (name, KINDS.get(name)) if called in row), None)

    def _note(self, names: Collection[str]) -> None:
        if len(self.passed_over) < _NOTED:
            self.passed_over.update(set(names).difference(self._column_of(name, names) for name in OURS))

    def _case(self, given: Mapping[str, Any]) -> Case:
        received = self._time(given, "received")
        if received is None:
            raise _Wrong("received: it is needed")
        done = {KINDS[name]: self._time(given, name) for name in KINDS if name in given}
        case = Case(
            received=received,
            severity=_word(given, "severity", SEVERITIES) or self.severity,
            done=done,
            tier=_word(given, "tier", TIERS),
            team=_text(given.get("team")),
            pauses=self._pauses(given.get("pauses")),
            ended=self._time(given, "ended"),
            facts=_facts(given),
        )
        early = [name for name, kind in KINDS.items() if (at := done.get(kind)) is not None and at < received]
        if early:
            raise _Wrong(f"{early[0]}: it lies before received")
        return case

    def _time(self, given: Mapping[str, Any], name: str) -> datetime | None:
        return None if given.get(name) in {None, ""} else self._instant(given[name], name)

    def _instant(self, written: Any, name: str) -> datetime:
        found = self._read_time(written, name)
        if found > self.now:
            raise _Wrong(f"{name}: it lies in the future")
        return found

    def _read_time(self, written: Any, name: str) -> datetime:
        if not isinstance(written, str):
            raise _Wrong(f"{name}: write a time as text")
        text = written.strip()
        try:
            return parse_rfc3339(text)
        except (ValueError, OverflowError) as error:
            if self.zone is None:
                raise _Wrong(f"{name}: {_NO_OFFSET if _is_local(text) else error}") from error
        try:
            local = datetime.fromisoformat(text)
            return (local if local.tzinfo else local.replace(tzinfo=self.zone)).astimezone(ZoneInfo("UTC"))
        except (ValueError, OverflowError) as error:
            raise _Wrong(f"{name}: no time: {text[:40]!r}") from error

    def _pauses(self, given: Any) -> Sequence[tuple[datetime, datetime | None]]:
        if given in (None, ""):
            return ()
        pairs = [part.split("/") for part in given.replace(";", " ").split()] if isinstance(given, str) else given
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise _Wrong("pauses: write [[from, to], ...], or from/to;from/to")
        found = [
            (self._instant(pair[0], "pauses"), self._instant(pair[1], "pauses") if pair[1] else None) for pair in pairs
        ]
        if any(until is not None and until < since for since, until in found):
            raise _Wrong("pauses: one ends before it begins")
        return sorted(found, key=lambda pause: pause[0])


_NO_OFFSET: Final = "it has no offset from UTC: say with --time-zone where the times of the file are"


def _is_local(text: str) -> bool:
    """A time, or a date, that only lacks its zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return False


def _text(value: Any) -> str | None:
    return str(value).strip()[:200] or None if value is not None else None


def _word(given: Mapping[str, Any], name: str, known: Sequence[str]) -> str | None:
    found = _text(given.get(name))
    if found is not None and found not in known:
        raise _Wrong(f"{name}: it is one of {', '.join(known)}")
    return found


def _facts(given: Mapping[str, Any]) -> dict[str, Any]:
    """What conditions may ask for; of a text with several values they are separated by semicolons."""
    found: dict[str, Any] = {}
    for name in VOCABULARY:
        value = given.get(name)
        if value in (None, ""):
            continue
        if name in _MANY:
            parts = value.split(";") if isinstance(value, str) else value
            found[name] = [_fact(name, part) for part in parts] if isinstance(parts, list) else _fact(name, parts)
        else:
            found[name] = _fact(name, value)
    return found


def _fact(name: str, value: Any) -> Any:
    """As its kind has it; a number or a truth may also stand there as text, as in CSV it must."""
    read = VOCABULARY[name].kind.read
    if isinstance(value, str):
        value = value.strip()
        try:
            read(value)
        except ValueError:
            value = _out_of_text(value)
    try:
        read(value)
    except (ValueError, TypeError) as error:
        raise _Wrong(f"{name}: {error}") from error
    return value


def _out_of_text(text: str) -> Any:
    try:
        return json.loads(text[:100].lower())
    except (json.JSONDecodeError, RecursionError):
        return text
