"""What differs between two versions of a playbook, as data and in words. Rules, alternatives and tactics are matched by
their names; another order of rules is a change too, since it decides. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_NAMED: Final = {"rules": "name", "alternatives": "name"}
_WORDS: Final[Mapping[str, str]] = {
    "band": "Band",
    "fault": "Fault",
    "delay": "Delay",
    "repeat": "Repeat",
    "vulnerability": "Vulnerability",
    "tier": "Tier",
    "cap": "Cap",
    "lost": "What is lost by",
    "tactics": "Tactics",
    "rules": "Rule",
    "alternatives": "Alternative",
    "formula": "",
}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each with `path` (in the later version), `kind`, `values` (`before`, `after`) and `words`; in the order of the parts."""
    found: list[dict[str, Any]] = []
    for part in ("formula", "lost", "tactics", "alternatives", "rules"):
        found += _differ(before.get(part), after.get(part), (part,))
    return found


def _differ(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if before == after:
        return
    if path[-1] in _NAMED and isinstance(before, list) and isinstance(after, list):
        yield from _named(before, after, path)
    elif isinstance(before, Mapping) and isinstance(after, Mapping) and path[-1] != "condition":
        for name in dict.fromkeys([*before, *after]):
            yield from _differ(before.get(name), after.get(name), (*path, name))
    else:
        yield _change(before, after, path)


def _named(before: Sequence[Any], after: Sequence[Any], path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if any(not isinstance(item, Mapping) for item in (*before, *after)):  # names alone, in a rule
        yield _change(before, after, path)
        return
    old, new = ({item["name"]: item for item in items} for items in (before, after))
    for name in dict.fromkeys([*old, *new]):
        yield from _differ(old.get(name), new.get(name), (*path, name))
    common = [
        [item["name"] for item in items if item["name"] in old and item["name"] in new] for items in (before, after)
    ]
    if common[0] != common[1]:
        yield _change(common[0], common[1], path, kind="moved")


def _change(before: Any, after: Any, path: tuple[str, ...], kind: str | None = None) -> dict[str, Any]:
    kind = kind or ("added" if before is None else "removed" if after is None else "changed")
    return {
        "path": "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in path),
        "kind": kind,
        "sides": {"before": before, "after": after},
        "words": _words(before, after, path, kind),
    }


def _words(before: Any, after: Any, path: tuple[str, ...], kind: str) -> str:
    steps = [_WORDS.get(step, step.replace("_", " ")) for step in path]
    what = " ".join(step for step in steps if step)
    if kind == "added":
        return f"{what} is new: {_plain(after)}."
    if kind == "removed":
        return f"{what} is gone; it was {_plain(before)}."
    if kind == "moved":
        return f"{what}s stand in another order: {_plain(after)}."
    return f"{what}: {_plain(before)} becomes {_plain(after)}."


def _plain(value: Any) -> str:
    """In one line, and no longer than a line."""
    if isinstance(value, Mapping):
        if "title" in value or "condition" in value:
            return str(value.get("title") or value.get("name"))
        text = ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(_plain, value)) or "none"
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
