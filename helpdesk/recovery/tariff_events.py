"""What happens to tariffs, and to the facts of a case that they go by."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import NAMESPACE_OID, UUID, uuid5

from helpdesk.kernel.events import Event


def subject_of(code: str) -> UUID:
    """Tariffs are called by their own codes; an event is about an id."""
    return uuid5(NAMESPACE_OID, f"helpdesk tariff {code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffChanged(Event):
    """A version was added, the first one too. `spec`: all of it; `changes`: against the version that held on that day."""

    type: ClassVar[str] = "tariff.changed"
    tariff: str
    version: int
    valid_from: str
    valid_until: str | None
    spec: dict[str, Any]
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return subject_of(self.tariff)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffsShipped(Event):
    """A version of the program brought versions of tariffs, by their keys."""

    type: ClassVar[str] = "tariff.shipped"
    edition: int
    added: list[str]

    @property
    def subject_id(self) -> UUID:
        return subject_of("")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsRecorded(Event):
    """`changes`: name of the fact -> [before, after]; null: not known."""

    type: ClassVar[str] = "recovery.facts_recorded"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    complaint_id: UUID
    reference: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id
