"""What an event of a complaint's timeline says, in one line for a person, in English or Chinese.

Words, not sentences built by grammar: what happened, then each field that changed with before and after, or that the
event is about. The words are data (`data/summaries.json`), for the events of every domain that tell of a complaint; a new
event without any is shown by its own name, and a test names it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from helpdesk.kernel.money import format_minor

LANGUAGES: Final = ("en", "zh")
_LONGEST: Final = 60
"""Characters of a value; a longer one is only named."""
_MOST: Final = 12
"""Fields in one line."""

Words = Mapping[str, str]
Call = Callable[[str, str], str | None]
"""Field and value -> what an id or a code is called, None where it is neither."""


def _as_it_is(_name: str, _value: str) -> None:
    """Nothing has a name of its own."""


@lru_cache(maxsize=1)
def shipped() -> dict[str, dict[str, Any]]:
    text = resources.files("helpdesk.complaints").joinpath("data/summaries.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def summary(
    kind: str, payload: Mapping[str, Any] | None, language: str, *, withheld: bool = False, call: Call = _as_it_is
) -> str:
    """One line. `payload` None: it was erased, or is `withheld` from this reader; `withheld` with one: some of it is."""
    known = shipped()["events"].get(kind)
    title = kind.partition(".")[2].replace("_", " ").capitalize() if known is None else known[language]
    if payload is None:
        return f"{title} {_sign('withheld' if withheld else 'erased', language)}"
    told = list(_told(payload, [] if known is None else known["shows"], language, call))
    more = ["…"] if len(told) > _MOST else []
    comma = _sign("comma", language)
    line = title if not told else f"{title}: {comma.join([*told[:_MOST], *more])}"
    return f"{line} {_sign('withheld', language)}" if withheld else line


def _told(payload: Mapping[str, Any], shows: list[str], language: str, call: Call) -> Iterator[str]:
    for name in shows:
        if name == "clocks":
            yield from _dues(payload, language)
            continue
        value = _amount(payload) if name == "amount" else payload.get(name)
        if name == "rung" and isinstance(value, str):
            value = _rung(value, language)
        if name in _PROMISES and value:
            yield f"{_label(name, language)} {_each(value, language)}"
        elif value is not None and value not in ("", []):
            label = _label("kinds" if name == "kind" and "clock_id" in payload else name, language)
            yield f"{label} {_value(_called(name, value, call), language) or '…'}"
    yield from _taken_back(payload, language)
    for changes in (payload.get("changes"), payload.get("complaint_changes")):
        yield from _changed(changes or {}, language, call)
    for place, changes in enumerate((payload.get("issues") or {}).values(), start=1):
        for text in _changed(changes, language, call):
            yield f"{_sign('issue', language)} {place} {text}"


_PROMISES: Final = frozenset({"kinds", "begun", "ended"})
"""Fields that are lists of promises: each is named, however many they are."""


def _each(items: Sequence[Any], language: str) -> str:
    more = ["…"] if len(items) > _MOST else []
    return ", ".join([*(_value(item, language) or "…" for item in items[:_MOST]), *more])


_STANDING: Final = frozenset({"state", "due_at", "remaining_seconds", "stopped_at"})
"""Fields of a clock whose change is seen by whoever waits for it; without one it goes by other terms and stands where it stood."""


def _dues(payload: Mapping[str, Any], language: str) -> Iterator[str]:
    """Of each clock that moved what it promises and by when, or what is left of it while it is paused, and what that was before; of
    what is done whether it came in time.
    """
    items = payload.get("clocks") or []
    moved = [item for item in items if "changes" not in item or _STANDING & item["changes"].keys()]
    for item in moved:
        late = item.get("late")
        told = _due(item, language) if late is None else _sign("late" if late else "in_time", language)
        turned = (_verdict(item, language) or _done(item, language)) if late is None else None
        yield " ".join(part for part in (_value(item["kind"], language), told, turned) if part)
    if items and not moved:
        yield _sign("unmoved", language)


_VERDICTS: Final = frozenset({"met", "breached", "cancelled"})


def _verdict(item: Mapping[str, Any], language: str) -> str | None:
    """What it was found to be, where that is another: broken and now kept, the reverse; owed again. None where nothing turned."""
    before, after = (item.get("changes") or {}).get("state") or (None, None)
    if before is None or _VERDICTS.isdisjoint({before, after}):
        return None
    turned = " → ".join(_sign(f"clock_{state}", language) for state in (before, after))
    return _sign("turned", language).format(turned=turned)


def _done(item: Mapping[str, Any], language: str) -> str | None:
    """When it was done, where that is another than was thought, or none. None where nothing of that changed."""
    changes = item.get("changes") or {}
    used = changes.get("elapsed_seconds")
    if used is None:
        return None
    stopped = changes.get("stopped_at") or (None, None)
    sides = zip(used, stopped, strict=True)
    told = [
        _sign("undone", language)
        if seconds is None
        else " ".join(part for part in (_sign("done", language), None if at is None else str(at)) if part)
        for seconds, at in sides
    ]
    return _sign("turned", language).format(turned=" → ".join(told))


def _taken_back(payload: Mapping[str, Any], language: str) -> Iterator[str]:
    """Of what is done, or cancelled; what is counted anew says what it was found to be (`_verdict`)."""
    ended = [item for item in payload.get("clocks") or [] if "late" in item or item.get("state") == "cancelled"]
    kinds = [item["kind"] for item in ended if item.get("breach_taken_back")]
    if kinds:
        yield _sign("taken_back", language).format(kinds=_each(kinds, language))


_OFFSET: Final = re.compile(r"([+-])(\d+) (minutes|business_days)", re.ASCII)


def _rung(rung: str, language: str) -> str:
    """Of a ladder: a share of the time stays as it is written."""
    offset = _OFFSET.fullmatch(rung)
    if offset is None:
        return rung
    side, amount, unit = offset.groups()
    name = f"{'before' if side == '-' else 'after'}_{unit}"
    return _sign(name if amount != "1" else f"{name}_one", language).format(amount=amount)


def _due(item: Mapping[str, Any], language: str) -> str:
    changes, waits = item.get("changes") or {}, item.get("due_at") is None
    name, told = ("remaining_seconds", _span) if waits else ("due_at", _value)
    before, after = changes.get(name) or (None, item.get(name))
    shown = " → ".join(told(value, language) or "…" for value in (before, after) if value is not None) or "…"
    return _sign("waits", language).format(left=shown) if waits else shown


def _span(seconds: int, language: str) -> str:
    """Business time, to the minute."""
    hours, minutes = divmod(-(-seconds // 60), 60)
    parts = [f"{hours} {_sign('hours', language)}"] if hours else []
    return " ".join([*parts, f"{minutes} {_sign('minutes', language)}"] if minutes or not hours else parts)


def _called(name: str, value: Any, call: Call) -> Any:
    if isinstance(value, list):
        return [_called(name, item, call) for item in value]
    return (call(name, value) or value) if isinstance(value, str) else value


def _changed(changes: Mapping[str, Any], language: str, call: Call) -> Iterator[str]:
    for name, change in changes.items():
        if not isinstance(change, list) or len(change) != 2:
            continue
        before, after = (_value(_called(name, value, call), language) for value in change)
        label = _label(name, language)
        yield label if before is None or after is None else f"{label} {before} → {after}"


def _value(value: Any, language: str) -> str | None:
    """Short enough to be shown; None: only its name is."""
    if value is None:
        return _sign("nothing", language)
    if isinstance(value, bool):
        return _sign("yes" if value else "no", language)
    if isinstance(value, list):
        shown = [_value(item, language) for item in value]
        value = ", ".join(item for item in shown if item is not None) if None not in shown else "…" * _LONGEST
    if isinstance(value, dict):
        return None
    text = " ".join(str(value).split())
    word = shipped()["words"].get(text)
    if word is not None:
        return str(word[language])
    return text if len(text) <= _LONGEST else None


def _amount(payload: Mapping[str, Any]) -> str | None:
    minor, currency = payload.get("amount_minor"), payload.get("currency")
    return None if minor is None or currency is None else f"{format_minor(minor, currency)} {currency}"


def _label(name: str, language: str) -> str:
    words: Words | None = shipped()["fields"].get(name)
    return name.removesuffix("_id").replace("_", " ") if words is None else words[language]


def _sign(name: str, language: str) -> str:
    found: str = shipped()["signs"][name][language]
    return found
