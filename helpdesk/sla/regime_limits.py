"""How long a regulator's deadline may be, so that one can always be computed: where none can, no complaint that it concerns could be
taken in. Pure.

Half of the time over which a calendar is searched. What is just possible today may not be next year, when other days are off.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from helpdesk.sla.business_time import (
    SEARCH_DAYS,
    BusinessTimeError,
    CalendarExhaustedError,
    Conventions,
    Target,
    due_at,
)
from helpdesk.sla.regime_counting import Working, count
from helpdesk.sla.regime_rules import Rule

LONGEST: Final = timedelta(days=SEARCH_DAYS // 2)


def uncomputable(rule: Rule, start: datetime, calendars: Mapping[str, Working]) -> str | None:
    """Why a clock of the rule that starts then, as often as it may be extended, has no due time, or one that is too far away; None
    where it is in order. `calendars`: by their codes.
    """
    counted, far = None, f"it would be due more than {LONGEST.days} days after its start"
    try:
        counted = count(rule, start, rule.zone(None), calendars)
        for target in _targets(rule, counted.target):
            if due_at(counted.calendar, start, target, (), Conventions(pausable=False)) - start > LONGEST:
                return far
    except CalendarExhaustedError as error:
        return far if counted is not None and counted.working is None else str(error)
    except (BusinessTimeError, OverflowError) as error:
        return str(error)
    return None


def _targets(rule: Rule, first: Target) -> Iterator[Target]:
    yield first
    amount = int(first.amount)
    for step in rule.extensions:
        amount = step.amount(amount)
        yield Target(amount, first.unit)
