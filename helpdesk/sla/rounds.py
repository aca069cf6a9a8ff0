"""A round: the promises between receipt, or a reopening, and the closing after it. What its clocks are counted by follows
from what was done to the complaint, not from what other clocks say: those may have been made by another severity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WAITING: Final = frozenset({"customer", "third_party"})


@dataclass(frozen=True, slots=True)
class Act:
    """One act of the lifecycle, with whom the complaint waited for after it."""

    reopened: bool
    at: datetime
    waiting_on: str


@dataclass(frozen=True, slots=True)
class Round:
    """When it began, and when somebody else was waited for since; the last wait may have no end."""

    began: datetime
    waits: tuple[tuple[datetime, datetime | None], ...]


def present_round(received_at: datetime, acts: Sequence[Act]) -> Round:
    """`acts`: everything done to the complaint, in order."""
    began = received_at
    waits: list[tuple[datetime, datetime | None]] = []
    since = None
    for act in acts:
        if act.reopened:
            began, waits, since = act.at, [], None
        waiting = act.waiting_on in WAITING
        if waiting and since is None:
            since = act.at
        elif not waiting and since is not None:
            waits.append((since, act.at))
            since = None
    return Round(began, (*waits, (since, None)) if since is not None else tuple(waits))
