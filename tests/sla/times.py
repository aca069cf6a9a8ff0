"""Calendars and times that tests of business time share."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from helpdesk.sla.calendar_spec import Calendar, Interval

NOON_BREAK = (Interval(9 * 60, 12 * 60), Interval(13 * 60, 18 * 60))
NINE_TO_FIVE = (Interval(9 * 60, 17 * 60),)
NIGHT = (Interval(22 * 60, 6 * 60),)
ALL_DAY = (Interval(0, 1440),)


def weekdays(timezone_: str, shifts: tuple[Interval, ...] = NINE_TO_FIVE, days: range = range(5)) -> Calendar:
    return Calendar(timezone_, dict.fromkeys(days, shifts))


BERLIN = weekdays("Europe/Berlin")
NEW_YORK = weekdays("America/New_York")


def pause(start: datetime, end: datetime | None = None) -> tuple[datetime, datetime | None]:
    return start, end


def local(zone: str, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def berlin(text: str, fold: int = 0) -> datetime:
    return local("Europe/Berlin", text, fold)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
