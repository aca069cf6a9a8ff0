from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCreated(Event):
    type: ClassVar[str] = "customer.created"
    customer_id: UUID
    kind: str

    @property
    def subject_id(self) -> UUID:
        return self.customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChanged(Event):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "customer.changed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    customer_id: UUID
    changes: dict[str, list[object]]

    @property
    def subject_id(self) -> UUID:
        return self.customer_id
