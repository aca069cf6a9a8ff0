"""What a calendar may say."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest

from helpdesk.sla.business_time import (
    Target,
    due_at,
)
from helpdesk.sla.calendar_spec import Calendar, Interval, validate
from tests.sla.times import (
    ALL_DAY,
    BERLIN,
    NIGHT,
    NINE_TO_FIVE,
    NOON_BREAK,
    utc,
    weekdays,
)


class TestCalendar:
    def test_compared_by_value_and_read_only(self) -> None:
        hours = {0: NINE_TO_FIVE}
        calendar = Calendar("Europe/Berlin", hours, working_days={date(2026, 2, 14): 0})
        hours[1] = NINE_TO_FIVE
        assert 1 not in calendar.weekly_hours
        for same in (replace(calendar), copy.deepcopy(calendar), pickle.loads(pickle.dumps(calendar))):  # noqa: S301
            assert same == calendar
            assert hash(same) == hash(calendar)
        assert replace(calendar, timezone="UTC") != calendar

    def test_threads_agree(self) -> None:
        calendar = weekdays("Europe/Paris", NOON_BREAK)
        starts = [utc("2020-01-01") + timedelta(hours=31 * step) for step in range(2000)]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda start: due_at(calendar, start, Target(500, "minutes")), starts))
        again = replace(calendar, name="alone")
        assert found == [due_at(again, start, Target(500, "minutes")) for start in starts]


class TestValidate:
    NOW = utc("2026-11-22")

    def problems(self, calendar: Calendar) -> list[tuple[str, str]]:
        return [(problem.pointer, problem.code) for problem in validate(calendar, self.NOW)]

    def test_sound(self) -> None:
        for calendar in (
            BERLIN,
            weekdays("Europe/Berlin", NIGHT, range(7)),
            weekdays("Europe/Berlin", ALL_DAY, range(7)),
            weekdays("Asia/Shanghai", (Interval(0, 0),), range(7)),
            Calendar("UTC", {0: (Interval(600, 700), Interval(500, 600))}),
            replace(BERLIN, working_days={date(2026, 11, 28): 0}, holidays=frozenset({date(2026, 11, 28)})),
        ):
            assert self.problems(calendar) == []

    @pytest.mark.parametrize("name", ["Mars/Olympus", "", "America", "../etc/passwd", "/etc/localtime", "localtime"])
    def test_zone(self, name: str) -> None:
        assert self.problems(weekdays(name)) == [("/timezone", "unknown_timezone")]

    def test_all_at_once(self) -> None:
        calendar = Calendar(
            "Nowhere",
            {0: (Interval(-1, 60), Interval(60, 2880), Interval(0, 1441), Interval(90.5, 100)), 7: ()},  # type: ignore[arg-type]
            working_days={date(2026, 11, 28): 9, date(2026, 11, 29): 3},
        )
        assert self.problems(calendar) == [
            ("/timezone", "unknown_timezone"),
            ("/weekly_hours/0/0/start_minute", "bad_time"),
            ("/weekly_hours/0/1/end_minute", "bad_time"),
            ("/weekly_hours/0/2/end_minute", "too_long"),
            ("/weekly_hours/0/3/start_minute", "bad_time"),
            ("/weekly_hours/7", "unknown_weekday"),
            ("/working_days/2026-11-28", "unknown_weekday"),
            ("/working_days/2026-11-29", "no_hours"),
        ]

    @pytest.mark.parametrize(
        ("hours", "pointer"),
        [
            ({0: (Interval(540, 720), Interval(700, 800))}, "/weekly_hours/0/1"),
            ({0: (Interval(700, 800), Interval(540, 720))}, "/weekly_hours/0/0"),
            ({0: NIGHT, 1: (Interval(359, 600),)}, "/weekly_hours/1/0"),
            ({6: NIGHT, 0: (Interval(300, 600),)}, "/weekly_hours/0/0"),
            ({2: (Interval(540, 720), Interval(540, 720))}, "/weekly_hours/2/1"),
        ],
    )
    def test_overlap(self, hours: dict[int, tuple[Interval, ...]], pointer: str) -> None:
        assert self.problems(Calendar("UTC", hours)) == [(pointer, "overlap")]

    def test_touching_is_no_overlap(self) -> None:
        assert self.problems(Calendar("UTC", {6: NIGHT, 0: (Interval(360, 600), Interval(600, 700))})) == []

    def test_make_up_day_overlaps_its_neighbour(self) -> None:
        # Saturday 2026-11-28 works as a Monday night; Sunday begins at 05:00.
        calendar = Calendar("UTC", {0: NIGHT, 6: (Interval(300, 600),)}, working_days={date(2026, 11, 28): 0})
        assert self.problems(calendar) == [("/working_days/2026-11-28", "overlap")]
        free = replace(calendar, holidays=frozenset({date(2026, 11, 29)}))
        assert self.problems(free) == []

    def test_never_open(self) -> None:
        assert self.problems(Calendar("UTC", {})) == [("/weekly_hours", "never_open")]
        year = frozenset(date(2026, 11, 20) + timedelta(days=day) for day in range(400))
        assert self.problems(replace(BERLIN, holidays=year)) == [("/weekly_hours", "never_open")]
        assert self.problems(replace(BERLIN, holidays=year, working_days={date(2027, 5, 1): 0})) == []
