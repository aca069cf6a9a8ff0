"""What is odd about a version of a tariff that is about to hold: allowed, and perhaps not meant. Pure.

It changes what held on days that are over, though suggestions and floors of cases of these days go by it from now on; or another
tariff is for the same cases and pays for the same, so that both are owed beside each other. That two conditions can hold at once is
told where a case is found in which they do, among the values that they name themselves: nothing is told by guess, and of what
they name too many values for, nothing is found.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.expressions import Expression
from helpdesk.kernel.facts import DAY, DECIMAL, FLAG, MONEY, WHOLE, Facts, Field
from helpdesk.kernel.money import Money
from helpdesk.recovery.tariffs_in_force import Tariffs, Version

MOST: Final = 10
_MOST_CASES: Final = 2_000
_DAY: Final = timedelta(days=1)
_WHAT: Final = ("method", "currency", "set_off", "condition", "numbers")
"""Of a version, what makes another amount, or none."""


def of_version(tariffs: Tariffs, new: Version, today: date) -> list[dict[str, str]]:
    """`tariffs`: as they are without it; `today`: in UTC. At most `MOST` pairs of place and words, as a playbook's have it."""
    found = itertools.chain(_of_the_past(tariffs, new, today), _beside_others(tariffs, new))
    return list(itertools.islice(found, MOST))


@dataclass(frozen=True, slots=True)
class _Span:
    """From the first to the last day, both included; `first` None: and all before. `now`: known, not_known or nothing."""

    first: date | None
    last: date
    now: str

    @property
    def told(self) -> str:
        return f"up to {self.last}" if self.first is None else f"{self.first} to {self.last}"


_OF_THE_PAST: Final = {
    "known": (
        "changes_past",
        "it lays down something else than it did: what is owed in cases of then is reckoned anew. Offers that were made keep what made them.",
    ),
    "not_known": (
        "past_not_known",
        "nobody can tell any more what it lays down: in cases of then nothing but an apology goes out until somebody records it.",
    ),
    "nothing": ("changes_past", "it lays down nothing any more."),
}


def _of_the_past(tariffs: Tariffs, new: Version, today: date) -> Iterator[dict[str, str]]:
    before = tariffs.versions.get(new.tariff, ())
    after = Tariffs({new.tariff: (*before, new)}, frozenset())
    for span in _joined(_changed(tariffs, after, new.tariff, today - _DAY)):
        code, words = _OF_THE_PAST[span.now]
        yield FieldError.at("/valid_from", code, f"On days that are over ({span.told}) {words}")


def _changed(before: Tariffs, after: Tariffs, code: str, yesterday: date) -> Iterator[_Span]:
    for first, last in _periods(after.versions[code], yesterday):
        then, now = (tariffs.telling(code, last) for tariffs in (before, after))
        if _laying_down(*then) != _laying_down(*now):
            yield _Span(first, last, "nothing" if now[0] is None else "known" if now[1] else "not_known")


def _periods(versions: Sequence[Version], yesterday: date) -> Iterator[tuple[date | None, date]]:
    """Of the days up to yesterday, those between two on which a version begins or has ended."""
    ends = [row.valid_until for row in versions if row.valid_until is not None]
    begun = {*(row.valid_from for row in versions), *(day + _DAY for day in ends if day < date.max)}
    days = [day for day in sorted(begun) if date.min < day <= yesterday]
    yield from zip([None, *days], [*(day - _DAY for day in days), yesterday], strict=True)


def _laying_down(version: Version | None, known: bool) -> Any:
    """What is the same as long as the same is laid down."""
    if version is None:
        return None
    return (*(version.spec[name] for name in _WHAT),) if known else version.spec["currency"]


def _joined(spans: Iterator[_Span]) -> Iterator[_Span]:
    last: _Span | None = None
    for span in spans:
        if last is not None and last.now == span.now and span.first == last.last + _DAY:
            last = replace(last, last=span.last)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _beside_others(tariffs: Tariffs, new: Version) -> Iterator[dict[str, str]]:
    for code in sorted(tariffs.versions.keys() - {new.tariff}):
        for other in tariffs.versions[code]:
            same = sorted(_paid_for(new) & _paid_for(other))
            case = _both_hold(new, other) if same and _meet(tariffs, new, other) else None
            if case is not None:
                text = (
                    f"{code} (version {other.number}) is for such cases too ({_shown(case)}), and pays by {', '.join(same)}: both are "
                    f"owed beside each other. What a tariff lays down is changed by another version of it (POST /tariffs/{code}/versions)."
                )
                yield FieldError.at("/condition", "owed_beside", text)
                break


def _paid_for(version: Version) -> set[str]:
    """Facts by which it says that there is something to pay for."""
    return set(version.spec["numbers"]["units"]) if version.spec["method"] == "per_unit" else {"cause"}


def _meet(tariffs: Tariffs, new: Version, other: Version) -> bool:
    """Whether there is a day on which both count, the first that both have."""
    first = max(new.valid_from, other.valid_from)
    last = min(version.valid_until or date.max for version in (new, other))
    return first <= last and tariffs.on(other.tariff, first) is other


def _both_hold(new: Version, other: Version) -> dict[str, Any] | None:
    """A case for which both are, found among the values that the two conditions name."""
    if new.condition is None or other.condition is None:
        return None
    both: tuple[Expression, Expression] = (new.condition, other.condition)
    named: dict[str, list[Any]] = {}
    for name, field, wanted in itertools.chain.from_iterable(one.named for one in both):
        known = named.setdefault(name, [])
        known += [value for value in _values(field, wanted) if value not in known]
    for values in itertools.islice(itertools.product(*([*of, None] for of in named.values())), _MOST_CASES):
        case = dict(zip(named, values, strict=True))
        if all(one.holds(Facts(case)) for one in both):
            return {name: value for name, value in case.items() if value is not None}
    return None


_SOME: Final = {FLAG: True, WHOLE: 1, DECIMAL: Decimal(1), MONEY: Money(100, "EUR"), DAY: date(2026, 3, 1)}


def _values(field: Field, wanted: Any) -> Iterator[Any]:
    """What a comparison names, what lies next to it, and anything at all."""
    several = isinstance(wanted, frozenset)
    for one in sorted(wanted, key=str) if several else () if wanted is None else (wanted,):
        yield from ((one,) if field.kind.many else one for one in (one, *_next_to(one)))
    some = _SOME.get(field.kind, field.choices[0] if field.choices else "x")
    yield (some,) if field.kind.many else some


def _next_to(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | Decimal):
        return (value + 1, value - 1)
    if isinstance(value, Money):
        return (Money(value.minor + 1, value.currency), Money(value.minor - 1, value.currency))
    if isinstance(value, date) and date.min < value < date.max:
        return (value + _DAY, value - _DAY)
    return ()


def _shown(case: Mapping[str, Any]) -> str:
    if not case:
        return "any case"
    shown = {name: ", ".join(value) if isinstance(value, tuple) else str(value) for name, value in case.items()}
    return "; ".join(f"{name} {value}" for name, value in sorted(shown.items()))
