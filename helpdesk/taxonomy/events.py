from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TermEvent(Event):
    """`taxonomy_version`: the version of the whole that begins with it. `changes`: field -> [before, after]."""

    term_id: UUID
    kind: str
    code: str
    taxonomy_version: int
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.term_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TermCreated(TermEvent):
    type: ClassVar[str] = "taxonomy.term_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermChanged(TermEvent):
    type: ClassVar[str] = "taxonomy.term_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermRetired(TermEvent):
    type: ClassVar[str] = "taxonomy.term_retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermReinstated(TermEvent):
    type: ClassVar[str] = "taxonomy.term_reinstated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityRulesChanged(Event):
    """`version`: of the rules."""

    type: ClassVar[str] = "taxonomy.severity_rules_changed"

    rules_id: UUID
    version: int
    taxonomy_version: int
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.rules_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyShipped(Event):
    """Codes that came with a version of the program, kind -> codes."""

    type: ClassVar[str] = "taxonomy.shipped"

    rules_id: UUID
    taxonomy_version: int
    codes: dict[str, list[str]]

    @property
    def subject_id(self) -> UUID:
        return self.rules_id
