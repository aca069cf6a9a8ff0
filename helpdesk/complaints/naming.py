"""How settings name what is about to go: conditions ask for it, bodies of steps give it, saved views look for it.

When to use it: before a row that is named by its code, key, name or id in JSON goes, or goes out of use; `going` says what the
events tell of, and each domain asks it of the settings that are its own (`use_subscribers`). What has a foreign key needs
none of it. Settings that are somebody's own are not asked: nobody else can mend them, and they say so when they are used.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, tag_queries
from helpdesk.complaints.changed_fields import DECIDING, ChangedField
from helpdesk.complaints.custom_field_events import CustomFieldChanged, CustomFieldDeleted
from helpdesk.complaints.facts import CUSTOM, OF_TAXONOMY
from helpdesk.complaints.tag_events import TagChanged, TagDeleted
from helpdesk.complaints.template_events import CannedReplyChanged, CannedReplyDeleted
from helpdesk.identity.events import AgentChanged, TeamChanged
from helpdesk.identity.role_events import RoleDeleted
from helpdesk.kernel.expressions import comparisons
from helpdesk.kernel.folding import fold
from helpdesk.taxonomy.events import TermRetired
from helpdesk.taxonomy.terms import category_of


class Going(Protocol):
    """One thing that goes."""

    def is_asked(self, condition: Any) -> bool:
        """Whether the condition would never hold, or could not be read, without it."""
        ...

    def is_given(self, steps: Any) -> bool:
        """Whether any of these steps, as they were written, would be refused without it."""
        ...

    def is_looked_for(self, filters: Mapping[str, Any], columns: Sequence[str]) -> bool:
        """Whether a saved view would be broken without it."""
        ...

    def is_told(self, written: Any) -> bool:
        """Whether what is neither leads to it: who is given a complaint by a rule, or is told by a ladder."""
        ...


def going(session: Session, events: Sequence[Any]) -> list[Going]:
    """What goes, or goes out of use, by these events."""
    return [gone for event in events for gone in _by(session, event)]


def _by(session: Session, event: Any) -> Iterator[Going]:
    if isinstance(event, TermRetired):
        yield Term(event.kind, event.code)
    elif isinstance(event, CustomFieldDeleted):
        yield OwnField(event.key, wholly=True)
    elif isinstance(event, CustomFieldChanged) and not event.even_if_named:
        yield from _by_definition(session, event)
    elif isinstance(event, TagDeleted):
        yield OneTag(frozenset(map(fold, (event.name, *event.also))), wholly=True)
    elif isinstance(event, TagChanged) and _out_of_use(event.changes):
        yield OneTag(frozenset(tag_queries.keys_of(session, event.tag_id)), wholly=False)
    elif isinstance(event, CannedReplyDeleted) or (isinstance(event, CannedReplyChanged) and _kept_back(event.changes)):
        yield Named(event.template_id)
    elif isinstance(event, AgentChanged) and event.left and not event.even_if_named:
        yield Named(event.agent_id)
    elif isinstance(event, TeamChanged) and event.closed:
        yield Named(event.team_id)
    elif isinstance(event, RoleDeleted):
        yield OneRole(event.name)


def _by_definition(session: Session, event: CustomFieldChanged) -> Iterator[Going]:
    if _out_of_use(event.changes):
        yield OwnField(event.key, wholly=False)
    if DECIDING & event.changes.keys():
        field = custom_field_queries.fields_of(session, [event.key])[event.key]
        yield ChangedField.by(field, event.changes)


def _out_of_use(changes: Mapping[str, Any]) -> bool:
    return bool(changes.get("active") == [True, False])


def _kept_back(changes: Mapping[str, Any]) -> bool:
    """Whether not everybody has it any more who had it."""
    return bool({"scope", "team_id"} & changes.keys()) and changes.get("scope", ["", ""])[1] != "shared"


@dataclass(frozen=True, slots=True)
class Term:
    """A code of the taxonomy that is retired: what has it keeps it, and views find it."""

    kind: str
    code: str

    def is_asked(self, condition: Any) -> bool:
        return any(_compares(self, field, value) for field, value in comparisons(condition))

    def is_given(self, steps: Any) -> bool:
        return _gives(steps, self.kind, self.code)

    def is_looked_for(self, _filters: Mapping[str, Any], _columns: Sequence[str]) -> bool:
        return False

    def is_told(self, _written: Any) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class OwnField:
    """A custom field; not `wholly`: it is out of use, and complaints keep their values."""

    key: str
    wholly: bool

    def is_asked(self, condition: Any) -> bool:
        return self.wholly and any(field == f"{CUSTOM}{self.key}" for field, _ in comparisons(condition))

    def is_given(self, steps: Any) -> bool:
        return _sets(steps, self.key)

    def is_looked_for(self, filters: Mapping[str, Any], columns: Sequence[str]) -> bool:
        named = {condition.partition(":")[0] for condition in filters.get("custom", ())}
        return self.key in named or f"custom_fields.{self.key}" in columns

    def is_told(self, _written: Any) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class OneTag:
    """By its folded names, those that led to it too; not `wholly`: nobody puts it on any more."""

    keys: Collection[str]
    wholly: bool

    def is_asked(self, condition: Any) -> bool:
        asked = (value for field, value in comparisons(condition) if field == "tags")
        return self.wholly and any(self._means(value) for value in asked)

    def is_given(self, steps: Any) -> bool:
        steps = [item for item in steps if self.wholly or item["step"] != "remove_tags"]
        return any(self._means(item["given"].get("tags")) for item in steps)

    def is_looked_for(self, filters: Mapping[str, Any], _columns: Sequence[str]) -> bool:
        return self.wholly and any(self._means(filters.get(name)) for name in ("tag", "any_tag"))

    def is_told(self, _written: Any) -> bool:
        return False

    def _means(self, value: Any) -> bool:
        return any(fold(name) in self.keys for name in _words(value))


@dataclass(frozen=True, slots=True)
class Named:
    """A row that is named by its id wherever it is named."""

    row_id: UUID

    def is_asked(self, condition: Any) -> bool:
        return _holds(condition, str(self.row_id))

    def is_given(self, steps: Any) -> bool:
        return _holds(steps, str(self.row_id))

    def is_looked_for(self, filters: Mapping[str, Any], _columns: Sequence[str]) -> bool:
        return _holds(filters, str(self.row_id))

    def is_told(self, written: Any) -> bool:
        return _holds(written, str(self.row_id))


@dataclass(frozen=True, slots=True)
class OneRole:
    """By its name; only ladders name roles."""

    name: str

    def is_asked(self, _condition: Any) -> bool:
        return False

    def is_given(self, _steps: Any) -> bool:
        return False

    def is_looked_for(self, _filters: Mapping[str, Any], _columns: Sequence[str]) -> bool:
        return False

    def is_told(self, written: Any) -> bool:
        if isinstance(written, list):
            return any(self.is_told(part) for part in written)
        if not isinstance(written, dict):
            return False
        return self.name in (written.get("roles") or ()) or any(self.is_told(part) for part in written.values())


def _words(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _holds(written: Any, word: str) -> bool:
    if isinstance(written, list | dict):
        return any(_holds(part, word) for part in (written.values() if isinstance(written, dict) else written))
    return isinstance(written, str) and written.lower() == word


def _compares(term: Term, field: str, value: Any) -> bool:
    asked, named = OF_TAXONOMY.get(field), _words(value)
    if term.kind == "category" and asked == "issue":
        return any(category_of(item) == term.code for item in named)
    return asked == term.kind and term.code in named


def _sets(body: Any, key: str) -> bool:
    if isinstance(body, list):
        return any(_sets(part, key) for part in body)
    if not isinstance(body, dict):
        return False
    own = body.get("custom_fields")
    return (isinstance(own, dict) and key in own) or any(_sets(part, key) for part in body.values())


_GIVEN_AS: Final[Mapping[str, str]] = {
    "category": "category",
    "issue": "issue",
    "channel": "channel",
    "root_cause": "root_cause",
    "cause": "root_cause",
    "contributing_causes": "root_cause",
    "flag": "vulnerability",
}
"""Fields of bodies by the kind of code that they take."""


def _gives(body: Any, kind: str, code: str) -> bool:
    """A category is given by its issues too, which are retired with it."""
    if isinstance(body, list):
        return any(_gives(part, kind, code) for part in body)
    if not isinstance(body, dict):
        return False
    return any(
        (_GIVEN_AS.get(name) == kind and (value == code or (isinstance(value, list) and code in value)))
        or (
            kind == "category"
            and _GIVEN_AS.get(name) == "issue"
            and isinstance(value, str)
            and category_of(value) == code
        )
        or _gives(value, kind, code)
        for name, value in body.items()
    )
