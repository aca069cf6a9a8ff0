"""What differs between two versions of a playbook, as data and in words. Rules, alternatives and tactics are matched by
their names; another order of rules is a change too, since it decides. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from helpdesk.kernel.expressions import ALWAYS

_LONGEST: Final = 300
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
    if isinstance(before, list) and isinstance(after, list) and kind == "changed":
        told = "; ".join(_listed(before, after))
        return f"{what}: {told}" if told.endswith(".") else f"{what}: {told}."
    if kind == "moved":
        return f"{what}s stand in another order: {_plain(after)}."
    return f"{what}: {_plain(before)} becomes {_plain(after)}."


def _listed(before: Sequence[Any], after: Sequence[Any]) -> Iterator[str]:
    """What was added, taken out, changed or moved, each by its name."""
    old, new = _by_name(before), _by_name(after)
    for name in [name for name in new if name not in old]:
        yield f"{name} is new" if new[name] == name else f"{name} is new ({_plain(new[name])})"
    yield from (f"{name} is gone" for name in old if name not in new)
    for name in [name for name in old if name in new and new[name] != old[name]]:
        one, other = old[name], new[name]
        for part in dict.fromkeys([*one, *other]):
            if one.get(part) != other.get(part):
                yield f"{part} of {name}: {_plain(one.get(part))} becomes {_plain(other.get(part))}"
    common = [[name for name in items if name in old and name in new] for items in (old, new)]
    if common[0] != common[1]:
        yield f"in another order: {', '.join(common[1])}"


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    """A tactic by its act, a line by its text, a name by itself; of two of one name the later ones with their number."""
    found: dict[str, Any] = {}
    for item in items:
        name = str(item.get("act") or item.get("text")) if isinstance(item, Mapping) else str(item)
        place = 1
        while (name if place == 1 else f"{name} {place}") in found:
            place += 1
        found[name if place == 1 else f"{name} {place}"] = item
    return found


def _plain(value: Any) -> str:
    """In one line, and no longer than two."""
    if isinstance(value, Mapping):
        text = _described(value)
    elif isinstance(value, list):
        text = ", ".join(map(_plain, value)) or "none"
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _described(value: Mapping[str, Any]) -> str:
    """A rule, an alternative and a condition by what they do; anything else by its parts."""
    if "condition" in value:
        return "; ".join(_rule(value))
    if "title" in value:
        return "; ".join(_alternative(value))
    if {"all", "any", "not", "operator"} & set(value):
        return _condition(value)
    return ", ".join(f"{name} {_plain(item)}" for name, item in value.items() if item is not None)


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    always = rule["condition"] == ALWAYS
    yield "always" if always else f"where {_condition(rule['condition'])}"
    if rule.get("set"):
        yield f"sets {_plain(rule['set'])}"
    if rule.get("factor") is not None:
        yield f"times {rule['factor']}"
    yield from (f"adds {_line(line)}" for line in rule.get("lines") or ())
    for part in ("tactics", "alternatives"):
        if rule.get(part):
            yield f"{part} {_plain(rule[part])}"
    if rule.get("stop"):
        yield "no later rule is looked at"


def _line(line: Mapping[str, Any]) -> str:
    much = line["fixed"] if line.get("fixed") is not None else f"{line['percent']} % of {line['of']}"
    return f"{much} ({line['text']})"


def _alternative(item: Mapping[str, Any]) -> Iterator[str]:
    yield str(item["title"])
    yield f"for {_plain(item['lost'])}" if item.get("lost") else "for anything that is lost"
    if item.get("in_kind"):
        yield str(item["in_kind"])
    goodwill = item["goodwill"]
    yield f"goodwill as {goodwill['kind']}, times {goodwill.get('factor', '1')}"


def _condition(written: Any, *, inside: bool = False) -> str:
    """`severity le S2 and (category is DEL or price is_set)`: in the words in which conditions are written."""
    for word, between in (("all", " and "), ("any", " or ")):
        if word in written:
            parts = [_condition(part, inside=True) for part in written[word]]
            text = between.join(parts) or "always"
            return f"({text})" if inside and len(parts) > 1 else text
    if "not" in written:
        return f"not ({_condition(written['not'])})"
    value = f" {_plain(written['value'])}" if "value" in written else ""
    return f"{written['field']} {written['operator']}{value}"
