"""What happens to budgets. What people do to them is in the log of administrative acts; that a threshold was reached, and
what the program settles in a closed budget, happens by itself.
"""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEvent(Event):
    budget_id: UUID
    currency: str

    @property
    def subject_id(self) -> UUID:
        return self.budget_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOpened(BudgetEvent):
    """`team_id` null: the firm's. Dates as `2026-01-31`, first and last day."""

    type: ClassVar[str] = "budget.opened"
    name: str
    team_id: UUID | None
    starts_on: str
    ends_on: str
    alert_percents: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChanged(BudgetEvent):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "budget.changed"
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAllocated(BudgetEvent):
    """`changes`: allocated_minor -> [before, after]."""

    type: ClassVar[str] = "budget.allocated"
    amount_minor: int
    note: str | None
    changes: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWithdrawn(BudgetEvent):
    """`changes`: allocated_minor -> [before, after]."""

    type: ClassVar[str] = "budget.withdrawn"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    amount_minor: int
    reason: str
    changes: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTransferred(BudgetEvent):
    """Out of `budget_id`. `changes`: transferred_minor -> [before, after], of each of the two."""

    type: ClassVar[str] = "budget.transferred"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    transfer_id: UUID
    to_budget_id: UUID
    amount_minor: int
    reason: str
    changes: dict[str, list[int]]
    to_changes: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetClosed(BudgetEvent):
    """`left_minor`: what went to the successor, or lapsed where there is none. `reserved_minor`: what was set aside for offers
    on their way: it is settled here, or carried into the successor.
    """

    type: ClassVar[str] = "budget.closed"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    reason: str
    successor_id: UUID | None
    carries: bool
    left_minor: int
    reserved_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLapsed(BudgetEvent):
    """What came back into a budget that was closed without a successor."""

    type: ClassVar[str] = "budget.lapsed"
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAlerted(BudgetEvent):
    """Its use reached a threshold. `used_minor` is set aside or spent, of `funds_minor`; `at`: when, as `2026-03-02T09:30:00Z`."""

    type: ClassVar[str] = "budget.alerted"
    alert_id: UUID
    name: str
    percent: int
    used_minor: int
    funds_minor: int
    at: str
