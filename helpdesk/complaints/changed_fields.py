"""What a change of a custom field's definition breaks: what was sound by the definition before, and is not by the one after.

When to use it: `naming.going` does, for a field of another type, with fewer options, that is not looked for any more, or lets in
other values. Whatever is as sound or as broken as before does not keep a definition from being changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from helpdesk.complaints import custom_field_queries, custom_values, filtering
from helpdesk.complaints.custom_values import Unfit
from helpdesk.complaints.facts import CUSTOM, own_fact
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import leaves, read

DECIDING: Final = frozenset({"type", "options", "currency", "minimum", "maximum", "max_length", "mask", "filterable"})
"""Parts of a definition by which something that names the field may become unsound."""


@dataclass(frozen=True, slots=True)
class ChangedField:
    """`before` and `after`: anything with the attributes of a `CustomField`."""

    before: Any
    after: Any

    @classmethod
    def by(cls, field: Any, changes: Mapping[str, Sequence[Any]]) -> "ChangedField":
        """`field`: as it is after the `changes`, each [before, after]."""
        after = {name: getattr(field, name) for name in (*DECIDING, "key", "label", "active", "id")}
        before = after | {name: old for name, (old, _) in changes.items()}
        return cls(SimpleNamespace(**before), SimpleNamespace(**after))

    def is_asked(self, condition: Any) -> bool:
        name = f"{CUSTOM}{self.after.key}"
        return self._breaks(_read, [leaf for leaf in leaves(condition) if leaf.get("field") == name])

    def is_given(self, steps: Any) -> bool:
        return self._breaks(_put, [value for value in _set(steps, self.after.key) if value is not None])

    def is_looked_for(self, filters: Mapping[str, Any], _columns: Sequence[str]) -> bool:
        conditions = filters.get("custom", ())
        return self._breaks(_look, [each for each in conditions if filtering.key_of(each) == self.after.key])

    def is_told(self, _written: Any) -> bool:
        return False

    def _breaks(self, check: Callable[[Any, Any], object], named: Sequence[Any]) -> bool:
        return any(_is_sound(check, self.before, each) and not _is_sound(check, self.after, each) for each in named)


def _is_sound(check: Callable[[Any, Any], object], field: Any, named: Any) -> bool:
    try:
        check(field, named)
    except (Unfit, ValidationFailed):
        return False
    return True


def _read(field: Any, leaf: Mapping[str, Any]) -> None:
    read(leaf, {f"{CUSTOM}{field.key}": own_fact(field)})


def _put(field: Any, value: Any) -> None:
    custom_values.read(custom_field_queries.definition(field), value)


def _look(field: Any, condition: str) -> None:
    for fault in filtering.faults_of_conditions({field.key: field}, [condition]):
        raise Unfit(fault.code, fault.detail)


def _set(body: Any, key: str) -> Iterator[Any]:
    """The values that steps set the field to."""
    if isinstance(body, list):
        for part in body:
            yield from _set(part, key)
    elif isinstance(body, dict):
        own = body.get("custom_fields")
        if isinstance(own, dict) and key in own:
            yield own[key]
        for part in body.values():
            yield from _set(part, key)
