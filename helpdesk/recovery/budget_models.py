"""Tables of budgets. Promises stand as constraints.

`budget` holds sums for speed and for the check that makes overspending impossible; `budget_entry` is the ledger they are
the sums of, and cannot be changed. `budget_alert` is what was told of how much is used.
"""

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Stamped, Timestamp, Versioned
from helpdesk.recovery.budget_arithmetic import DEFAULT_ALERTS, EFFECTS, OFFER_KINDS, PAIRED_KINDS

ENTRY_KINDS: Final = tuple(EFFECTS)


class Budget(Identified, Versioned, Stamped, Base):
    """Money for remedies: a team's, or the firm's (`team_id` None), from the first to the last day, both included.

    `transferred_minor`: what came from other budgets less what went to them, so it may be below zero. `alert_percents`: at
    which parts of the funds somebody is told; `alerted`: at which of them the use stands now. It is kept in this row, since
    whoever changes the sums has its lock, and of two at once the second sees what the first has told.

    `closed_at`: from then on nothing is set aside in it, for good. `successor_id`: where its money goes from then on; None:
    what is left lapses. `carries`: open reservations go there too.
    """

    __tablename__ = "budget"
    __table_args__ = (
        UniqueConstraint("team_id", "starts_on", "ends_on", "currency", "name", postgresql_nulls_not_distinct=True),
        CheckConstraint("ends_on >= starts_on", name="period"),
        CheckConstraint("allocated_minor >= 0", name="allocated"),
        CheckConstraint("reserved_minor >= 0", name="reserved"),
        CheckConstraint("committed_minor >= 0", name="committed"),
        CheckConstraint("lapsed_minor >= 0", name="lapsed"),
        CheckConstraint(
            "allocated_minor + transferred_minor - lapsed_minor - reserved_minor - committed_minor >= 0",
            name="never_below_zero",
        ),
        CheckConstraint(
            "(closed_at IS NULL) = (closed_reason IS NULL) AND (closed_at IS NOT NULL OR (successor_id IS NULL AND "
            "lapsed_minor = 0)) AND (successor_id IS NOT NULL OR NOT carries) AND successor_id <> id",
            name="closing",
        ),
        Index("ix_budget_currency_ends_on", "currency", "ends_on"),
    )

    name: Mapped[str]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="RESTRICT"))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    currency: Mapped[str]
    allocated_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    transferred_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    lapsed_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    reserved_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    committed_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    alert_percents: Mapped[list[int]] = mapped_column(
        ARRAY(Integer), default=lambda: list(DEFAULT_ALERTS), server_default="{80,100}"
    )
    alerted: Mapped[list[int]] = mapped_column(ARRAY(Integer), default=list, server_default="{}")
    closed_at: Mapped[Timestamp | None]
    closed_reason: Mapped[str | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    successor_id: Mapped[UUID | None] = mapped_column(ForeignKey("budget.id", ondelete="RESTRICT"))
    carries: Mapped[bool] = mapped_column(default=False, server_default="false")

    @property
    def funds(self) -> int:
        return self.allocated_minor + self.transferred_minor

    @property
    def used(self) -> int:
        return self.reserved_minor + self.committed_minor

    @property
    def available(self) -> int:
        return self.funds - self.lapsed_minor - self.used


class BudgetEntry(Identified, Base):
    """One line of a budget's ledger. A trigger refuses every change.

    A reservation is settled once (committed or released), money is committed once per offer and given back once. It is
    reduced at most once, when the customer takes an option that costs less. What a provider paid beside that is an `overpay` of
    its own, any number of times. What goes from one budget to another is two lines of one `transfer_id`, each of which names the
    other's budget.
    """

    __tablename__ = "budget_entry"
    __table_args__ = (
        CheckConstraint(f"kind IN {ENTRY_KINDS}", name="kind"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint(f"(kind IN {OFFER_KINDS}) = (offer_id IS NOT NULL)", name="offer"),
        CheckConstraint("(offer_id IS NULL) = (round IS NULL)", name="round"),
        CheckConstraint(
            f"(kind IN {PAIRED_KINDS}) = (transfer_id IS NOT NULL) AND (transfer_id IS NULL) = (other_budget_id IS NULL) "
            "AND other_budget_id <> budget_id",
            name="transfer",
        ),
        Index("ix_budget_entry_budget_id_id", "budget_id", "id"),
        Index(
            "uq_budget_entry_transfer",
            "transfer_id",
            "kind",
            unique=True,
            postgresql_where=text("transfer_id IS NOT NULL"),
        ),
        Index(
            "ix_budget_entry_spent",
            "budget_id",
            "at",
            postgresql_where=text("kind IN ('commit', 'reverse', 'overpay')"),
        ),
        Index("uq_budget_entry_reserve", "offer_id", "round", unique=True, postgresql_where=text("kind = 'reserve'")),
        Index(
            "uq_budget_entry_settle",
            "offer_id",
            "round",
            unique=True,
            postgresql_where=text("kind IN ('commit', 'release')"),
        ),
        Index("uq_budget_entry_commit", "offer_id", unique=True, postgresql_where=text("kind = 'commit'")),
        Index("uq_budget_entry_reduce", "offer_id", unique=True, postgresql_where=text("kind = 'reduce'")),
        Index("uq_budget_entry_reverse", "offer_id", unique=True, postgresql_where=text("kind = 'reverse'")),
    )

    budget_id: Mapped[UUID] = mapped_column(ForeignKey("budget.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    amount_minor: Mapped[Minor]
    offer_id: Mapped[UUID | None] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    round: Mapped[int | None]
    transfer_id: Mapped[UUID | None]
    other_budget_id: Mapped[UUID | None] = mapped_column(ForeignKey("budget.id", ondelete="RESTRICT"))
    at: Mapped[Timestamp]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    note: Mapped[str | None]


class BudgetAlert(Identified, Base):
    """That a budget's use reached one of its thresholds, with the sums of that moment. `fell_at`: when the use was below it
    again, or the threshold or the budget was no more; until then it is not told a second time, which an index promises.
    `told_at`: when those who manage budgets were told; a duty owes it until then.
    """

    __tablename__ = "budget_alert"
    __table_args__ = (
        CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
        Index("ix_budget_alert_budget_id_id", "budget_id", "id"),
        Index(
            "uq_budget_alert_standing", "budget_id", "percent", unique=True, postgresql_where=text("fell_at IS NULL")
        ),
    )

    budget_id: Mapped[UUID] = mapped_column(ForeignKey("budget.id", ondelete="RESTRICT"))
    percent: Mapped[int]
    at: Mapped[Timestamp]
    used_minor: Mapped[Minor]
    funds_minor: Mapped[Minor]
    fell_at: Mapped[Timestamp | None]
    told_at: Mapped[Timestamp | None]
