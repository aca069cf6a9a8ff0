"""When a timed trigger's moment comes: so many minutes after (or before) a time that the complaint has.

Minutes count by the clock, or in business time. The arithmetic of business time runs forwards only, so that from which
start a moment is reached is found by bisection: to the second, in some thirty steps.

Hours may become so few that a moment lies beyond what can be computed (`CalendarExhaustedError`): then it is not due, and a
trigger that is being written is told so (`problem_with`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import events as happened
from helpdesk.complaints import link_events
from helpdesk.sla.business_time import SEARCH_DAYS, BusinessTimeError, CalendarExhaustedError, Target, due_at
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.errors import NoPolicy
from helpdesk.sla.policies_in_force import default_policy

COUNTED: Final = ("clock", "business")
MOST_MINUTES: Final = 525_600
"""A year."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A time that a complaint has, by the name of its fact. `column`: of the complaint, where an index finds it; else the
    `events` that set it do, those with these values in what they tell.
    """

    column: str | None = None
    events: tuple[str, ...] = ()
    where: Mapping[str, str] | None = None


ANCHORS: Final[Mapping[str, Anchor]] = {
    "received_at": Anchor(column="received_at"),
    "updated_at": Anchor(column="updated_at"),
    "next_due_at": Anchor(column="next_due_at"),
    "acknowledged_at": Anchor(
        events=(
            happened.ComplaintAcknowledged.type,
            happened.ComplaintResolved.type,
            happened.ComplaintAnswered.type,
            link_events.DuplicateMerged.type,
        )
    ),
    "triaged_at": Anchor(events=(happened.ComplaintTriaged.type,)),
    "assigned_at": Anchor(events=(happened.ComplaintAssigned.type,)),
    "investigated_at": Anchor(events=(happened.ComplaintInvestigated.type,)),
    "resolved_at": Anchor(events=(happened.ComplaintResolved.type, happened.ComplaintAnswered.type)),
    "followed_up_at": Anchor(events=(happened.ComplaintFollowedUp.type,)),
    "last_inbound_at": Anchor(events=(happened.MessageAdded.type,), where={"kind": "inbound"}),
    "last_public_reply_at": Anchor(events=(happened.MessageAdded.type,), where={"kind": "public_reply"}),
}


@dataclass(frozen=True, slots=True)
class Timer:
    """`minutes` after the time called `since`; below 0: before it, which only `next_due_at` can be."""

    since: str
    minutes: int
    counted: str = "clock"

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> "Timer":
        return cls(written["since"], written["minutes"], written["counted"])

    @property
    def anchor(self) -> Anchor:
        return ANCHORS[self.since]

    def due(self, start: datetime, calendar: Calendar | None) -> datetime:
        """`calendar`: None counts by the clock. Raises `CalendarExhaustedError`."""
        if self.counted == "clock" or calendar is None:
            return start + timedelta(minutes=self.minutes)
        return due_at(calendar, start, Target(self.minutes, "minutes"))

    def is_due(self, start: datetime, now: datetime, calendar: Calendar | None) -> bool:
        """Not, where the calendar gives no answer: its search goes further than from any start of ours to now."""
        try:
            return self.due(start, calendar) <= now
        except CalendarExhaustedError:
            return False

    def problem_with(self, now: datetime, calendar: Calendar | None) -> str | None:
        """Why the calendar cannot compute its moment, counted from now; None where it can."""
        try:
            self.due(now, calendar)
        except BusinessTimeError as error:
            return str(error)
        return None

    def last_start(self, end: datetime, calendar: Calendar | None) -> datetime:
        """The latest second from which the moment is not after `end`: whoever started later is not due by then."""
        if self.counted == "clock" or calendar is None:
            return end - timedelta(minutes=self.minutes)
        low, high = int(end.timestamp()) - SEARCH_DAYS * 86_400, int(end.timestamp())
        while low < high:
            middle = (low + high + 1) // 2
            if self.is_due(datetime.fromtimestamp(middle, UTC), end, calendar):
                low = middle
            else:
                high = middle - 1
        # A part of a second more starts in the same second, by which business time counts.
        return datetime.fromtimestamp(low, UTC) + timedelta(microseconds=999_999)


def calendar_of(session: Session) -> Calendar | None:
    """Of the default policy; None where there is none: then minutes count by the clock."""
    try:
        return default_policy(session).calendar
    except NoPolicy:
        return None
