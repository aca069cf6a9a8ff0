"""What happens to a customer's points. The issuance and the reversal of an offer are told on its complaint as well."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsEvent(Event):
    """`amount_minor`: of the entry; `balance_minor`: what is on the account after it. One point is one minor unit."""

    customer_id: UUID
    entry_id: UUID
    currency: str
    amount_minor: int
    balance_minor: int

    @property
    def subject_id(self) -> UUID:
        return self.customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsEarned(PointsEvent):
    type: ClassVar[str] = "points.earned"
    offer_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsBurnt(PointsEvent):
    """`external_id`: the caller's own reference."""

    type: ClassVar[str] = "points.burnt"
    external_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsBurnReversed(PointsEvent):
    """`reverses_id`: the entry that is taken back."""

    type: ClassVar[str] = "points.burn_reversed"
    personal: ClassVar[frozenset[str]] = frozenset({"note"})
    reverses_id: UUID
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsExpired(PointsEvent):
    type: ClassVar[str] = "points.expired"
    offer_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsVoided(PointsEvent):
    """Their offer was reversed."""

    type: ClassVar[str] = "points.voided"
    offer_id: UUID
