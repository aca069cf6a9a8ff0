"""A budget's forecast, as it is shown."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel.unit_of_work import one_moment
from helpdesk.recovery import budget_queries, queries
from helpdesk.recovery.forecast import Purse, forecast, window


def forecast_of(reader: Session, budget_id: UUID, days: int) -> dict[str, Any]:
    """`days`: the length of the window. Raises `NotFound`. Sums and ledger are of one moment."""
    with one_moment(reader) as session:
        row = budget_queries.budget_detail(session, budget_id)
        now = queries.clock(session)
        today, currency = now.date(), row["currency"]
        purse = Purse(
            begins_on=max(row["starts_on"], row["created_at"].date()),
            ends_on=row["ends_on"],
            closed_on=None if row["closed_at"] is None else row["closed_at"].date(),
            committed=row["committed"][0],
            remaining=row["available"][0] + row["reserved"][0],
        )
        first, last = window(purse, today, days)
        found = budget_queries.spent_by_day(session, budget_id, first, last)
    told = forecast(purse, today, days, found)

    def money(minor: int | None) -> tuple[int, str] | None:
        return None if minor is None else (minor, currency)

    return {
        "budget_id": budget_id,
        "as_of": now,
        "window_days": days,
        "rests_on": {"days": told.days, "entries": told.entries},
        "spent_by_day": [{"day": day, "spent": money(minor)} for day, minor in told.spent],
        "rate_per_day": money(told.rate),
        "committed": money(purse.committed),
        "remaining": money(purse.remaining),
        "exhausted_on": told.exhausted_on,
        "lasts": told.lasts,
        "days_left": told.days_left,
        "projected_total": money(told.projected),
    }
