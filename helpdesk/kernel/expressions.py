"""Conditions as data: which complaints a rule is for. Shared by routing, triggers and SLA policies.

A condition is a JSON tree of `{"all": [...]}`, `{"any": [...]}`, `{"not": {...}}` and, at its leaves,
`{"field": "severity", "operator": "le", "value": "S2"}`. Fields, operators and values are checked against a vocabulary
(`facts`) when it is written; there is no code in it, its size is bounded, and evaluating it always ends in yes or no.

**What is not known.** Of a fact that is not there every comparison is false, `is_not` and `not_in` too; only `is_unset` is
true. Whoever wants "anything but DEL, or nothing" writes `{"not": {"field": "category", "operator": "is", ...}}`.

`{"all": []}` always holds: a rule for everything. An empty `any`, which never could, is refused.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.facts import CHANGES, CODE, MONEY, OPERATORS, SET, TEXT, Facts, Field, Kind, Vocabulary

MAX_DEPTH: Final = 8
MAX_PARTS: Final = 100
MAX_VALUES: Final = 200

ALWAYS: Final[Mapping[str, Any]] = {"all": []}
"""The condition of a rule that is for everything."""


def leaves(condition: Any) -> Iterator[Mapping[str, Any]]:
    """Each comparison in a condition as it is written, read or not."""
    if isinstance(condition, list):
        for part in condition:
            yield from leaves(part)
    elif isinstance(condition, dict) and "field" in condition:
        yield condition
    elif isinstance(condition, dict):
        yield from leaves(list(condition.values()))


def comparisons(condition: Any) -> Iterator[tuple[str, Any]]:
    """Field and value of each of its `leaves`."""
    return ((leaf["field"], leaf.get("value")) for leaf in leaves(condition))


@dataclass(frozen=True, slots=True)
class _Comparison:
    name: str
    field: Field
    operator: str
    wanted: Any
    """As the kind reads it; a frozenset for `in` and `not_in`; None for those that take no value, or null."""
    compared: Any
    """What is wanted, by the name that is meant (`Field.meant`)."""

    def holds(self, facts: Facts) -> bool:
        if self.operator in CHANGES:
            return self._changed(facts)
        found = self._found(facts)
        if self.operator in SET:
            return (found is not None and found != frozenset()) == (self.operator == "is_set")
        return found is not None and _TESTS[self.operator](self.field, _meant(self.field, found), self.compared)

    def _found(self, facts: Facts) -> Any:
        key = self.name, self.field.kind.name
        if key not in facts.read:
            facts.read[key] = _known(self.field, facts.values.get(self.name))
        return facts.read[key]

    def _changed(self, facts: Facts) -> bool:
        if self.name not in facts.changes:
            return False
        before, after = (_meant(self.field, _known(self.field, value)) for value in facts.changes[self.name])
        if self.operator == "changed":
            return bool(before != after)
        came, went = (after, before) if self.operator == "changed_to" else (before, after)
        if self.field.kind.many:
            return self.compared in (came or ()) and self.compared not in (went or ())
        return bool(before != after and came == self.compared)

    def explain(self, facts: Facts) -> dict[str, Any]:
        found = facts.changes.get(self.name) if self.operator in CHANGES else facts.values.get(self.name)
        values = found if isinstance(found, tuple) else (found,)
        shown = [_shown(self.field, _known(self.field, value)) for value in values]
        return {**self.as_json(), "found": shown if len(shown) > 1 else shown[0], "holds": self.holds(facts)}

    def as_json(self) -> dict[str, Any]:
        written: dict[str, Any] = {"field": self.name, "operator": self.operator}
        if self.operator not in {*SET, "changed"}:
            written["value"] = self._written()
        return written

    def _written(self) -> Any:
        show = self.field.kind.show
        if isinstance(self.wanted, frozenset):
            return sorted(map(show, self.wanted), key=str)
        return None if self.wanted is None else show(self.wanted)

    def comparisons(self) -> Iterator["_Comparison"]:
        yield self


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple["_Node", ...]
    word = "all"

    def holds(self, facts: Facts) -> bool:
        return all(part.holds(facts) for part in self.parts)

    def explain(self, facts: Facts) -> dict[str, Any]:
        return {self.word: [part.explain(facts) for part in self.parts], "holds": self.holds(facts)}

    def as_json(self) -> dict[str, Any]:
        return {self.word: [part.as_json() for part in self.parts]}

    def comparisons(self) -> Iterator[_Comparison]:
        for part in self.parts:
            yield from part.comparisons()


class _Any(_All):
    word = "any"

    def holds(self, facts: Facts) -> bool:
        return any(part.holds(facts) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Not:
    part: "_Node"

    def holds(self, facts: Facts) -> bool:
        return not self.part.holds(facts)

    def explain(self, facts: Facts) -> dict[str, Any]:
        return {"not": self.part.explain(facts), "holds": self.holds(facts)}

    def as_json(self) -> dict[str, Any]:
        return {"not": self.part.as_json()}

    def comparisons(self) -> Iterator[_Comparison]:
        yield from self.part.comparisons()


_Node = _Comparison | _All | _Not


@dataclass(frozen=True)
class Expression:
    """A condition that was read by `read`."""

    root: _Node

    def holds(self, facts: Facts) -> bool:
        return self.root.holds(facts)

    def explain(self, facts: Facts) -> dict[str, Any]:
        """The condition with `holds` at every part and `found` at every leaf: what was there. For a leaf about a change
        `found` is `[before, after]`, null when it did not change.
        """
        return self.root.explain(facts)

    def as_json(self) -> dict[str, Any]:
        """The condition in one spelling, which `read` reads as the same."""
        return self.root.as_json()

    @cached_property
    def fields(self) -> frozenset[str]:
        """The facts that it asks for."""
        return frozenset(leaf.name for leaf in self.root.comparisons())

    @property
    def named(self) -> Iterator[tuple[str, Field, Any]]:
        """Of each comparison: name and field of the fact, and what is wanted of it, a frozenset for several, None for nothing."""
        return ((leaf.name, leaf.field, leaf.wanted) for leaf in self.root.comparisons())

    @cached_property
    def asks_for_changes(self) -> bool:
        """Whether it can only be answered for an event."""
        return any(leaf.operator in CHANGES for leaf in self.root.comparisons())


def read(
    given: Any, vocabulary: Vocabulary, pointer: str = "", *, kept: bool = False, changes: bool = True
) -> Expression:
    """A condition from JSON. Raises `ValidationFailed` that names every bad place at once, below `pointer`.

    `kept`: it was checked when it was written, so values that have left their field's choices since are let through (they
    match what still has them). Fields that are gone are not: whoever keeps conditions must expect the error. `changes` False: who
    reads refuses to ask for changes (`asks_for_changes`), so that nobody is told to.
    """
    reader = _Reader(vocabulary, kept, changes)
    root = reader.node(given, pointer, 1)
    if reader.problems:
        raise ValidationFailed(errors=reader.problems)
    return Expression(root)


_NOWHERE: Final = _All(())
"""Stands for what could not be read; the problems say so."""


class _Reader:
    def __init__(self, vocabulary: Vocabulary, kept: bool, changes: bool) -> None:
        self._vocabulary = vocabulary
        self._kept = kept
        self._words = [word for word in OPERATORS if changes or word not in CHANGES]
        self._parts = 0
        self.problems: list[FieldError] = []

    def node(self, given: Any, at: str, depth: int) -> _Node:
        self._parts += 1
        if self._parts == MAX_PARTS + 1:
            self._wrong(at, "too_large", f"A condition has at most {MAX_PARTS} parts.")
        if self._parts > MAX_PARTS:
            return _NOWHERE
        if depth > MAX_DEPTH:
            return self._wrong(at, "too_deep", f"A condition has at most {MAX_DEPTH} levels.")
        if not isinstance(given, Mapping):
            return self._wrong(at, "invalid", 'Write {"all": [...]}, {"any": [...]}, {"not": ...} or a comparison.')
        for word, group in (("all", _All), ("any", _Any)):
            if word in given:
                self._alone(given, {word}, at)
                return self._group(group, word, given[word], f"{at}/{word}", depth)
        if "not" in given:
            self._alone(given, {"not"}, at)
            return _Not(self.node(given["not"], f"{at}/not", depth + 1))
        return self._comparison(given, at)

    def _group(self, group: type[_All], word: str, given: Any, at: str, depth: int) -> _Node:
        if not isinstance(given, Sequence) or isinstance(given, str | bytes):
            return self._wrong(at, "invalid", "Write a list of conditions.")
        if not given and word == "any":
            return self._wrong(at, "length", 'None of nothing holds ever; `{"all": []}` holds always.')
        # Not one by one to the end: a body of a megabyte is to cost no more than a condition of the largest size.
        return group(tuple(self.node(part, f"{at}/{place}", depth + 1) for place, part in enumerate(given[:MAX_PARTS])))

    def _alone(self, given: Mapping[str, Any], known: set[str], at: str) -> None:
        others = [name for name in given if name not in known]
        for name in others[:5]:
            step = str(name)[:100].replace("~", "~0").replace("/", "~1")
            self._wrong(f"{at}/{step}", "unknown_field", f"Does not stand beside {' and '.join(sorted(known))}.")

    def _comparison(self, given: Mapping[str, Any], at: str) -> _Node:
        self._alone(given, {"field", "operator", "value"}, at)
        missing = [name for name in ("field", "operator") if name not in given]
        for name in missing:
            self._wrong(f"{at}/{name}", "required", "A comparison needs it.")
        if missing:
            return _NOWHERE
        name, word = given["field"], given["operator"]
        field = self._vocabulary.get(name) if isinstance(name, str) else None
        if field is None:
            return self._wrong(f"{at}/field", "unknown", "There is no such field.")
        if not isinstance(word, str) or word not in field.operators:
            known = ", ".join(item for item in self._words if item in field.operators)
            return self._wrong(f"{at}/operator", "choice", f"For {name}: {known}.")
        wanted = self._wanted(field, word, given, f"{at}/value")
        return _Comparison(name, field, word, wanted, _meant(field, wanted))

    def _wanted(self, field: Field, word: str, given: Mapping[str, Any], at: str) -> Any:
        if word in {*SET, "changed"}:
            if "value" in given:
                self._wrong(at, "unknown_field", f"`{word}` takes no value.")
            return None
        if "value" not in given:
            self._wrong(at, "required", f"`{word}` needs a value.")
            return None
        if word in {"in", "not_in"}:
            return self._several(field, given["value"], at)
        if given["value"] is None and word in CHANGES and not field.kind.many:
            return None
        return self._one(field, word, given["value"], at)

    def _several(self, field: Field, values: Any, at: str) -> Any:
        if not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_VALUES:
            return self._wrong(at, "length", f"Write a list of 1 to {MAX_VALUES} values.")
        return frozenset(self._one(field, "in", value, f"{at}/{place}") for place, value in enumerate(values))

    def _one(self, field: Field, word: str, value: Any, at: str) -> Any:
        try:
            found = field.kind.read(value)
        except ValueError as error:
            self._wrong(at, "invalid", str(error))
            return None
        if word == "starts_with" or field.choices is None or self._kept or found in field.choices:
            return found
        shown = ", ".join(field.choices[:30]) + (" ..." if len(field.choices) > 30 else "")
        self._wrong(at, "choice", f"One of {shown}.")
        return None

    def _wrong(self, at: str, code: str, detail: str) -> _Node:
        self.problems.append(FieldError.at(at, code, detail))
        return _NOWHERE


def _known(field: Field, value: Any) -> Any:
    """The fact as its kind reads it; None where there is none, or none of this kind."""
    if value is None:
        return None
    kind = field.kind
    if not kind.many:
        return _readable(kind, value)
    if isinstance(value, str) or not isinstance(value, Sequence | frozenset | set):
        return None
    return frozenset(item for item in (_readable(kind, item) for item in value) if item is not None)


def _meant(field: Field, value: Any) -> Any:
    """Each by the name that is meant."""
    if field.meant is None or value is None:
        return value
    return frozenset(map(field.meant, value)) if isinstance(value, frozenset) else field.meant(value)


def _readable(kind: Kind, value: Any) -> Any:
    if kind is TEXT and isinstance(value, str):
        return value  # as long as it is: the bound is for conditions
    try:
        return kind.read(value)
    except ValueError:
        return None


def _shown(field: Field, found: Any) -> Any:
    if found is None:
        return None
    if field.kind.many:
        return sorted(map(field.kind.show, found), key=str)
    if field.kind is TEXT:
        return found[:MAX_VALUES]
    return field.kind.show(found)


def _same(field: Field, found: Any, wanted: Any) -> bool:
    if field.kind.many:
        return bool(found == {wanted})
    return bool(_folded(field, found) == _folded(field, wanted))


def _among(field: Field, found: Any, wanted: frozenset[Any]) -> bool:
    if field.kind.many:
        return not wanted.isdisjoint(found)
    return _folded(field, found) in {_folded(field, item) for item in wanted}


def _folded(field: Field, value: Any) -> Any:
    return value.casefold() if field.kind is TEXT else value


def _holding(field: Field, found: Any, wanted: Any) -> bool:
    return _folded(field, wanted) in (found if field.kind.many else _folded(field, found))


def _beginning(field: Field, found: Any, wanted: Any) -> bool:
    return bool(_folded(field, found).startswith(_folded(field, wanted)))


def _by(compare: Callable[[Any, Any], bool]) -> Callable[[Field, Any, Any], bool]:
    def test(field: Field, found: Any, wanted: Any) -> bool:
        if field.kind is CODE:
            choices = field.choices or ()
            if found not in choices or wanted not in choices:
                return False
            return compare(choices.index(found), choices.index(wanted))
        if field.kind is MONEY:
            return bool(found.currency == wanted.currency and compare(found.minor, wanted.minor))
        return compare(found, wanted)

    return test


_TESTS: Final[Mapping[str, Callable[[Field, Any, Any], bool]]] = {
    "is": _same,
    "is_not": lambda field, found, wanted: not _same(field, found, wanted),
    "in": _among,
    "not_in": lambda field, found, wanted: not _among(field, found, wanted),
    "lt": _by(operator.lt),
    "le": _by(operator.le),
    "gt": _by(operator.gt),
    "ge": _by(operator.ge),
    "contains": _holding,
    "starts_with": _beginning,
}
