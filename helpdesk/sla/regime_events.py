"""What happens to regulators' rules, and to what a complaint has of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from helpdesk.kernel.events import Event
from helpdesk.sla.events import ClockEvent

_DATA: Final = "helpdesk regulatory rule"


def subject_of(rule_id: str) -> UUID:
    """Rules are called by their own names; an event is about an id."""
    return uuid5(NAMESPACE_OID, f"{_DATA} {rule_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChanged(Event):
    """What was set of it here. `changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.rule_changed"
    rule_id: str
    version: int
    changes: dict[str, list[Any]]
    reason: str | None

    @property
    def subject_id(self) -> UUID:
        return subject_of(self.rule_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesShipped(Event):
    """A version of the program brought rules: new ones, and others than before."""

    type: ClassVar[str] = "sla.rules_shipped"
    edition: int
    added: list[str]
    changed: list[str]
    calendars: list[str]

    @property
    def subject_id(self) -> UUID:
        return subject_of("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeEvent(Event):
    complaint_id: UUID
    reference: str

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatoryFactRecorded(RegimeEvent):
    type: ClassVar[str] = "sla.fact_recorded"
    personal: ClassVar[frozenset[str]] = frozenset({"note"})
    fact_id: UUID
    fact: str
    at: datetime
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulatoryFactWithdrawn(RegimeEvent):
    """It had been recorded by mistake."""

    type: ClassVar[str] = "sla.fact_withdrawn"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    fact_id: UUID
    fact: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDecided(RegimeEvent):
    """Somebody said whether a rule applies. `changes`: applies -> [before, after]; before null: nobody had."""

    type: ClassVar[str] = "sla.rule_decided"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    rule_id: str
    applies: bool
    changes: dict[str, list[Any]]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeChosen(RegimeEvent):
    """Which regulators' clocks count was judged anew. `cause`: jurisdiction, decision, facts, converted, merged. `begun`: rules
    whose clocks count since, as `rule@version`; `moved`: whose counted before, and count from another start or until another time
    since; `ended`: whose do not any more.
    """

    type: ClassVar[str] = "sla.regime_chosen"
    cause: str
    begun: list[str]
    ended: list[str]
    moved: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineExtended(ClockEvent):
    """A notice moved a regulator's deadline. `due_at`: the new one. `changes`: field of the clock -> [before, after]."""

    type: ClassVar[str] = "sla.deadline_extended"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    notice_id: UUID
    number: int
    message_id: UUID | None
    reason: str
    changes: dict[str, list[Any]] = field(default_factory=dict)
