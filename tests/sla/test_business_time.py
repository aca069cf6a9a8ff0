"""Examples worked out by hand, and the brute-force oracle over many zones: a few hundred random cases in the ordinary run,
20 000 in the long one (`make test-fire ARGS="-k long_agreement"`).
"""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpdesk.sla.business_time import (
    SEARCH_DAYS,
    Boundary,
    BusinessDay,
    BusinessTimeError,
    CalendarDay,
    CalendarExhaustedError,
    Conventions,
    InvalidTargetError,
    StillPausedError,
    Target,
    Unit,
    add_business_seconds,
    due_at,
    elapsed,
    next_opening,
    remaining,
    segments,
    threshold_at,
)
from helpdesk.sla.calendar_spec import Calendar, Interval, Season, validate
from tests.sla.oracle import BeyondTheTableError, Oracle

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


class TestBusinessMinutes:
    # 2026-11-20 is a Friday.
    @pytest.mark.parametrize(
        ("start", "minutes", "due"),
        [
            ("2026-11-20T10:00", 60, "2026-11-20T11:00"),
            ("2026-11-20T16:00", 60, "2026-11-20T17:00"),  # used up exactly at closing
            ("2026-11-20T16:00", 61, "2026-11-23T09:01"),  # over the weekend
            ("2026-11-20T03:00", 30, "2026-11-20T09:30"),  # received before opening
            ("2026-11-21T12:00", 30, "2026-11-23T09:30"),  # received on a Saturday
            ("2026-11-20T17:00", 1, "2026-11-23T09:01"),  # received exactly at closing
            ("2026-11-20T09:00", 5 * 480, "2026-11-26T17:00"),
            ("2026-11-20T12:00", 0, "2026-11-20T12:00"),
            ("2026-11-21T12:00", 0, "2026-11-21T12:00"),  # zero is due at once, even when closed
            ("2026-11-20T10:00", 0.5, "2026-11-20T10:00:30"),
            ("2026-11-20T10:00", Decimal("0.025"), "2026-11-20T10:00:02"),  # 1.5 s: halves up
            ("2026-11-20T10:00", 0.1, "2026-11-20T10:00:06"),
        ],
    )
    def test_due(self, start: str, minutes: float | Decimal, due: str) -> None:
        assert due_at(BERLIN, berlin(start), Target(minutes, "minutes")) == berlin(due)

    @pytest.mark.parametrize(
        ("start", "minutes", "due"),
        [
            ("2026-11-20T16:00", 60, "2026-11-23T09:00"),
            ("2026-11-20T16:00", 59, "2026-11-20T16:59"),
            ("2026-11-21T12:00", 0, "2026-11-23T09:00"),
            ("2026-11-20T12:00", 0, "2026-11-20T12:00"),
        ],
    )
    def test_due_at_next_opening(self, start: str, minutes: int, due: str) -> None:
        conventions = Conventions(boundary="next_opening")
        assert due_at(BERLIN, berlin(start), Target(minutes, "minutes"), (), conventions) == berlin(due)

    def test_lunch_does_not_count(self) -> None:
        calendar = weekdays("Europe/Berlin", NOON_BREAK)
        assert due_at(calendar, berlin("2026-11-20T11:30"), Target(60, "minutes")) == berlin("2026-11-20T13:30")
        assert due_at(calendar, berlin("2026-11-20T11:30"), Target(30, "minutes")) == berlin("2026-11-20T12:00")

    def test_holiday(self) -> None:
        calendar = replace(BERLIN, holidays=frozenset({date(2026, 12, 25)}))
        # Thursday 24th 16:30; the 25th is a holiday, then a weekend.
        assert due_at(calendar, berlin("2026-12-24T16:30"), Target(60, "minutes")) == berlin("2026-12-28T09:30")

    def test_holiday_removes_the_shift_that_starts_on_it_and_no_other(self) -> None:
        calendar = replace(weekdays("Europe/Berlin", NIGHT, range(7)), holidays=frozenset({date(2026, 12, 25)}))
        # The night from the 24th runs to 06:00 on the holiday; the next one begins on the 26th at 22:00.
        assert elapsed(calendar, berlin("2026-12-25T00:00"), berlin("2026-12-26T00:00")) == 6 * 3600
        assert elapsed(calendar, berlin("2026-12-26T00:00"), berlin("2026-12-27T00:00")) == 2 * 3600

    def test_make_up_saturday_works_as_a_monday_even_on_a_holiday(self) -> None:
        calendar = Calendar(
            "Asia/Shanghai",
            {0: NINE_TO_FIVE, 1: ALL_DAY},
            holidays=frozenset({date(2026, 2, 14)}),
            working_days={date(2026, 2, 14): 0},
        )
        start, end = local("Asia/Shanghai", "2026-02-14T00:00"), local("Asia/Shanghai", "2026-02-15T00:00")
        assert elapsed(calendar, start, end) == 8 * 3600
        assert due_at(calendar, start, Target(10, "minutes")) == local("Asia/Shanghai", "2026-02-14T09:10")

    def test_overnight_notations_are_the_same(self) -> None:
        over = weekdays("Europe/Berlin", (Interval(22 * 60, 30 * 60),))
        start, end = berlin("2026-11-16T00:00"), berlin("2026-11-23T00:00")
        night = weekdays("Europe/Berlin", NIGHT)
        for hours in range(7 * 24):
            until = start + timedelta(hours=hours)
            assert elapsed(over, start, until) == elapsed(night, start, until)
        assert elapsed(over, start, end) == 5 * 8 * 3600

    def test_equal_ends_mean_round_the_clock(self) -> None:
        calendar = weekdays("Europe/Berlin", (Interval(0, 0),), range(7))
        assert elapsed(calendar, utc("2026-01-01"), utc("2027-01-01")) == 365 * 86400

    def test_microseconds_are_dropped_and_any_zone_is_understood(self) -> None:
        start = datetime(2026, 11, 20, 10, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
        due = due_at(BERLIN, start, Target(1, "minutes"))
        assert due == berlin("2026-11-20T10:01")
        assert due.tzinfo is UTC

    def test_before_1970(self) -> None:
        # A Tuesday.
        assert due_at(BERLIN, berlin("1969-12-30T16:59:59"), Target(1, "minutes")) == berlin("1969-12-31T09:00:59")

    def test_years_away(self) -> None:
        target = Target(261 * 480, "minutes")  # 2026 has 261 weekdays
        assert due_at(BERLIN, berlin("2026-01-01T00:00"), target) == berlin("2026-12-31T17:00")

    @pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
    def test_nothing_is_lost_where_cached_windows_meet(self, zone: str) -> None:
        calendar = weekdays(zone, (Interval(23 * 60, 23 * 60),), range(7))
        for edge in range(26 << 23, 250 << 23, 1 << 23):  # from 1996, when both zones had today's offset, to 2036
            middle = datetime.fromtimestamp(edge, UTC)
            assert elapsed(calendar, middle - timedelta(days=2), middle + timedelta(days=2)) == 4 * 86400
            assert add_business_seconds(calendar, middle, 86400) == middle + timedelta(days=1)

    def test_add_business_seconds(self) -> None:
        start = berlin("2026-11-20T16:59:30")
        assert add_business_seconds(BERLIN, start, 30) == berlin("2026-11-20T17:00")
        assert add_business_seconds(BERLIN, start, 30, "next_opening") == berlin("2026-11-23T09:00")
        assert add_business_seconds(BERLIN, start, 31) == berlin("2026-11-23T09:00:01")

    def test_next_opening(self) -> None:
        assert next_opening(BERLIN, berlin("2026-11-20T16:59:59")) == berlin("2026-11-20T16:59:59")
        assert next_opening(BERLIN, berlin("2026-11-20T17:00")) == berlin("2026-11-23T09:00")


class TestClockChanges:
    def test_spring_in_berlin(self) -> None:
        # 2026-03-29, 02:00 -> 03:00: a shift from 00:00 to 06:00 has five hours.
        calendar = Calendar("Europe/Berlin", {6: (Interval(0, 360),)})
        start = berlin("2026-03-29T00:00")
        assert elapsed(calendar, start, berlin("2026-03-30T00:00")) == 5 * 3600
        assert due_at(calendar, start, Target(180, "minutes")) == berlin("2026-03-29T04:00")

    def test_autumn_in_berlin(self) -> None:
        # 2026-10-25, 03:00 -> 02:00: the same shift has seven hours.
        calendar = Calendar("Europe/Berlin", {6: (Interval(0, 360),)})
        start = berlin("2026-10-25T00:00")
        assert elapsed(calendar, start, berlin("2026-10-26T00:00")) == 7 * 3600
        assert due_at(calendar, start, Target(180, "minutes")) == berlin("2026-10-25T02:00", fold=1)

    def test_shift_edges_inside_the_repeated_hour_are_the_first_ones(self) -> None:
        calendar = Calendar("Europe/Berlin", {6: (Interval(60, 150), Interval(150, 240))})  # 01:00-02:30-04:00
        assert elapsed(calendar, utc("2026-10-24T23:00"), utc("2026-10-25T03:00")) == 4 * 3600
        first_half = Calendar("Europe/Berlin", {6: (Interval(60, 150),)})
        assert elapsed(first_half, utc("2026-10-24T22:00"), utc("2026-10-25T03:00")) == 90 * 60
        second_half = Calendar("Europe/Berlin", {6: (Interval(150, 240),)})
        assert next_opening(second_half, utc("2026-10-24T22:00")) == utc("2026-10-25T00:30")
        assert elapsed(second_half, utc("2026-10-24T22:00"), utc("2026-10-25T03:00")) == 150 * 60

    def test_times_in_the_gap_move_forward_by_the_gap(self) -> None:
        gap_to_four = Calendar("Europe/Berlin", {6: (Interval(150, 240),)})  # 02:30 means 03:30
        assert next_opening(gap_to_four, utc("2026-03-28T22:00")) == berlin("2026-03-29T03:30")
        one_to_gap = Calendar("Europe/Berlin", {6: (Interval(60, 150),)})  # 01:00 to 03:30 shown, 1.5 hours
        assert elapsed(one_to_gap, utc("2026-03-28T22:00"), utc("2026-03-29T10:00")) == 90 * 60

    def test_a_shift_that_the_gap_turns_round_is_empty(self) -> None:
        for shift in (Interval(150, 180), Interval(150, 210), Interval(135, 185)):
            calendar = Calendar("Europe/Berlin", {6: (shift,)})
            assert elapsed(calendar, utc("2026-03-28T22:00"), utc("2026-03-29T10:00")) == 0, shift
        inside = Calendar("Europe/Berlin", {6: (Interval(135, 165),)})  # moved as a whole
        assert elapsed(inside, utc("2026-03-28T22:00"), utc("2026-03-29T10:00")) == 30 * 60

    def test_shifts_that_the_gap_pushes_onto_each_other_count_once(self) -> None:
        calendar = Calendar("Europe/Berlin", {6: (Interval(120, 165), Interval(180, 240))})
        assert elapsed(calendar, utc("2026-03-28T22:00"), utc("2026-03-29T10:00")) == 60 * 60

    @pytest.mark.parametrize(
        ("evening", "next_day", "hours"),
        [("2026-03-07", "2026-03-09", 7), ("2026-10-31", "2026-11-02", 9), ("2026-06-06", "2026-06-08", 8)],
    )
    def test_the_night_shift_in_new_york(self, evening: str, next_day: str, hours: int) -> None:
        calendar = Calendar("America/New_York", {5: NIGHT})
        start, end = local("America/New_York", f"{evening}T12:00"), local("America/New_York", f"{next_day}T00:00")
        assert elapsed(calendar, start, end) == hours * 3600

    def test_half_an_hour_on_lord_howe(self) -> None:
        # 2026-10-04 02:00 -> 02:30 and 2026-04-05 02:00 -> 01:30.
        calendar = Calendar("Australia/Lord_Howe", {6: (Interval(60, 240),)})
        spring, autumn = date(2026, 10, 4), date(2026, 4, 5)
        for day, minutes in ((spring, 150), (autumn, 210), (date(2026, 7, 5), 180)):
            start = local("Australia/Lord_Howe", f"{day}T00:00")
            assert elapsed(calendar, start, start + timedelta(hours=12)) == minutes * 60
        start = local("Australia/Lord_Howe", "2026-10-03T02:15")
        conventions = Conventions(calendar_day="same_time")
        due = due_at(calendar, start, Target(1, "calendar_days"), (), conventions)
        assert due == local("Australia/Lord_Howe", "2026-10-04T02:45")

    def test_apia_skipped_a_friday(self) -> None:
        calendar = weekdays("Pacific/Apia")
        thursday = local("Pacific/Apia", "2011-12-29T16:00")
        monday = local("Pacific/Apia", "2012-01-02T09:00")
        assert monday - thursday == timedelta(hours=8 + 24 + 24 + 9)  # the rest of the 29th, 31st, 1st, nine on the 2nd
        assert elapsed(calendar, thursday, monday) == 3600
        assert due_at(calendar, thursday, Target(61, "minutes")) == monday + timedelta(minutes=1)
        assert due_at(calendar, thursday, Target(1, "business_days")) == local("Pacific/Apia", "2012-01-02T17:00")
        # The end of the first local day after the 29th, which is the 31st.
        assert due_at(calendar, thursday, Target(1, "calendar_days")) == local("Pacific/Apia", "2012-01-01T00:00")
        # The end of the 29th is the beginning of the 31st.
        assert due_at(calendar, thursday, Target(0, "calendar_days")) == utc("2011-12-30T10:00")

    def test_apia_night_shift_into_the_skipped_date(self) -> None:
        calendar = Calendar("Pacific/Apia", {3: NIGHT})
        start = local("Pacific/Apia", "2011-12-29T12:00")
        assert elapsed(calendar, start, start + timedelta(days=3)) == 8 * 3600
        assert due_at(calendar, start, Target(480, "minutes")) == local("Pacific/Apia", "2011-12-31T06:00")

    def test_days_without_a_midnight(self) -> None:
        # Cairo 2024-04-26 began at 01:00; Sao Paulo 2017-10-15 too.
        for zone, before, day in (
            ("Africa/Cairo", "2024-04-25", "2024-04-26"),
            ("America/Sao_Paulo", "2017-10-14", "2017-10-15"),
        ):
            calendar = weekdays(zone, ALL_DAY, range(7))
            start = local(zone, f"{before}T15:00")
            assert due_at(calendar, start, Target(0, "calendar_days")) == local(zone, f"{day}T01:00")
            assert elapsed(calendar, local(zone, f"{day}T01:00"), local(zone, f"{day}T12:00")) == 11 * 3600
            end = due_at(calendar, start, Target(1, "calendar_days"))
            assert end - due_at(calendar, start, Target(0, "calendar_days")) == timedelta(hours=23)

    def test_leap_day(self) -> None:
        # 2028-02-28 is a Monday.
        assert due_at(BERLIN, berlin("2028-02-28T16:00"), Target(2, "business_days")) == berlin("2028-03-01T17:00")
        assert due_at(BERLIN, berlin("2028-02-28T16:00"), Target(1, "calendar_days")) == berlin("2028-03-01T00:00")
        assert due_at(BERLIN, berlin("2028-02-28T16:00"), Target(9 * 60, "minutes")) == berlin("2028-02-29T17:00")


class TestDays:
    # 2026-11-20 is a Friday.
    @pytest.mark.parametrize(
        ("convention", "start", "days", "due"),
        [
            ("close_of_nth_day", "2026-11-20T10:00", 1, "2026-11-23T17:00"),
            ("close_of_nth_day", "2026-11-20T23:00", 1, "2026-11-23T17:00"),  # after hours, still the Friday
            ("close_of_nth_day", "2026-11-21T10:00", 1, "2026-11-23T17:00"),  # a Saturday
            ("close_of_nth_day", "2026-11-20T10:00", 5, "2026-11-27T17:00"),
            ("close_of_nth_day", "2026-11-20T10:00", 0, "2026-11-20T17:00"),
            ("close_of_nth_day", "2026-11-20T17:00", 0, "2026-11-20T17:00"),
            ("close_of_nth_day", "2026-11-20T17:01", 0, "2026-11-23T17:00"),
            ("close_of_nth_day", "2026-11-21T10:00", 0, "2026-11-23T17:00"),
            ("same_time_nth_day", "2026-11-20T10:00:07", 1, "2026-11-23T10:00:07"),
            ("same_time_nth_day", "2026-11-20T23:00", 2, "2026-11-24T23:00"),
            ("same_time_nth_day", "2026-11-20T10:00", 0, "2026-11-20T10:00"),
            ("same_time_nth_day", "2026-11-21T10:00", 0, "2026-11-23T10:00"),
            ("end_of_nth_day", "2026-11-20T10:00", 1, "2026-11-24T00:00"),
            ("end_of_nth_day", "2026-11-21T10:00", 5, "2026-11-28T00:00"),
            ("end_of_nth_day", "2026-11-20T23:00", 0, "2026-11-21T00:00"),
            ("end_of_nth_day", "2026-11-21T10:00", 0, "2026-11-24T00:00"),
        ],
    )
    def test_business_days(self, convention: BusinessDay, start: str, days: int, due: str) -> None:
        conventions = Conventions(business_day=convention)
        assert due_at(BERLIN, berlin(start), Target(days, "business_days"), (), conventions) == berlin(due)

    def test_close_of_a_holiday_eve_and_of_a_night(self) -> None:
        calendar = replace(BERLIN, holidays=frozenset({date(2026, 12, 25)}))
        assert due_at(calendar, berlin("2026-12-23T10:00"), Target(2, "business_days")) == berlin("2026-12-28T17:00")
        nights = weekdays("Europe/Berlin", NIGHT)
        # Received on Tuesday at 02:00, in Monday's shift: the day of receipt is Tuesday, Wednesday's shift ends Thursday.
        assert due_at(nights, berlin("2026-11-17T02:00"), Target(1, "business_days")) == berlin("2026-11-19T06:00")

    def test_the_day_of_receipt_is_local(self) -> None:
        # 02:00 UTC on Tuesday is Monday evening in New York.
        due = due_at(NEW_YORK, utc("2026-11-17T02:00"), Target(1, "business_days"))
        assert due == local("America/New_York", "2026-11-17T17:00")

    @pytest.mark.parametrize(
        ("convention", "start", "amount", "unit", "due"),
        [
            ("end_of_nth_day", "2026-11-20T10:00", 1, "calendar_days", "2026-11-22T00:00"),
            ("end_of_nth_day", "2026-11-20T00:00", 15, "calendar_days", "2026-12-06T00:00"),
            ("end_of_nth_day", "2026-11-20T10:00", 0, "calendar_days", "2026-11-21T00:00"),
            ("end_of_nth_day", "2026-11-20T10:00", 8, "weeks", "2027-01-16T00:00"),
            ("end_of_nth_day", "2026-03-28T10:00", 1, "calendar_days", "2026-03-30T00:00"),  # 23 hours on the 29th
            ("same_time", "2026-03-28T10:00", 1, "calendar_days", "2026-03-29T10:00"),
            ("same_time", "2026-03-28T02:30", 1, "calendar_days", "2026-03-29T03:30"),
            ("same_time", "2026-10-24T02:30", 1, "calendar_days", "2026-10-25T02:30"),
            ("same_time", "2026-11-20T10:00", 2, "weeks", "2026-12-04T10:00"),
            ("same_time", "2026-11-20T10:00", 0, "weeks", "2026-11-20T10:00"),
        ],
    )
    def test_calendar_days(self, convention: CalendarDay, start: str, amount: int, unit: Unit, due: str) -> None:
        conventions = Conventions(calendar_day=convention)
        assert due_at(BERLIN, berlin(start), Target(amount, unit), (), conventions) == berlin(due)

    def test_same_time_in_the_second_of_two_equal_hours(self) -> None:
        start = berlin("2026-10-25T02:30", fold=1)
        assert due_at(BERLIN, start, Target(0, "calendar_days"), (), Conventions(calendar_day="same_time")) == start
        due = due_at(BERLIN, start, Target(1, "calendar_days"), (), Conventions(calendar_day="same_time"))
        assert due == berlin("2026-10-26T02:30")


class TestPauses:
    def test_only_business_time_is_paused(self) -> None:
        # Friday 16:00 to Monday 10:00: an hour on each day.
        pauses = [pause(berlin("2026-11-20T16:00"), berlin("2026-11-23T10:00"))]
        start = berlin("2026-11-20T15:00")
        assert due_at(BERLIN, start, Target(120, "minutes"), pauses) == berlin("2026-11-23T11:00")
        assert elapsed(BERLIN, start, berlin("2026-11-23T11:00"), pauses) == 7200
        assert due_at(BERLIN, start, Target(120, "minutes"), pauses, Conventions(pausable=False)) == berlin(
            "2026-11-20T17:00"
        )

    def test_a_pause_that_begins_when_the_target_is_used_up_changes_nothing(self) -> None:
        pauses = [pause(berlin("2026-11-20T16:00"))]
        assert due_at(BERLIN, berlin("2026-11-20T15:00"), Target(60, "minutes"), pauses) == berlin("2026-11-20T16:00")

    def test_running_pause(self) -> None:
        start, pauses = berlin("2026-11-20T15:00"), [pause(berlin("2026-11-20T16:00"))]
        for target in (Target(61, "minutes"), Target(1, "business_days")):
            with pytest.raises(StillPausedError):
                due_at(BERLIN, start, target, pauses)
        with pytest.raises(StillPausedError):
            due_at(BERLIN, start, Target(60, "minutes"), pauses, Conventions(boundary="next_opening"))
        assert due_at(BERLIN, start, Target(1, "calendar_days"), pauses) == berlin("2026-11-22T00:00")
        for now in ("2026-11-20T16:00", "2026-11-22T12:00", "2026-12-24T12:00"):
            assert remaining(BERLIN, start, Target(90, "minutes"), berlin(now), pauses) == 30 * 60

    def test_overlapping_empty_and_outlying_pauses(self) -> None:
        pauses = [
            pause(berlin("2026-11-20T12:00"), berlin("2026-11-20T14:00")),
            pause(berlin("2026-11-20T11:00"), berlin("2026-11-20T13:00")),
            pause(berlin("2026-11-20T10:00"), berlin("2026-11-20T10:00")),
            pause(berlin("2026-11-01T10:00"), berlin("2026-11-20T09:30")),
            pause(berlin("2026-11-20T16:30"), berlin("2026-11-20T12:30")),
        ]
        # 09:30-11:00 and from 14:00.
        assert due_at(BERLIN, berlin("2026-11-20T09:00"), Target(120, "minutes"), pauses) == berlin("2026-11-20T14:30")

    def test_zero_is_due_at_once_even_when_paused(self) -> None:
        start, pauses = berlin("2026-11-20T10:00"), [pause(berlin("2026-11-20T09:00"), berlin("2026-11-20T11:00"))]
        assert due_at(BERLIN, start, Target(0, "minutes"), pauses) == start
        due = due_at(BERLIN, start, Target(0, "minutes"), pauses, Conventions(boundary="next_opening"))
        assert due == berlin("2026-11-20T11:00")

    def test_business_days_are_extended_by_the_business_time_paused(self) -> None:
        start, target = berlin("2026-11-20T10:00"), Target(1, "business_days")  # unpaused: Monday 17:00
        two_hours = pause(berlin("2026-11-23T10:00"), berlin("2026-11-23T12:00"))
        assert due_at(BERLIN, start, target, [two_hours]) == berlin("2026-11-24T11:00")
        # A pause inside the extension counts as well.
        again = pause(berlin("2026-11-24T10:30"), berlin("2026-11-24T11:30"))
        assert due_at(BERLIN, start, target, [two_hours, again]) == berlin("2026-11-24T12:00")
        # A whole working day later is the close of the next one.
        whole_day = pause(berlin("2026-11-23T09:00"), berlin("2026-11-23T17:00"))
        assert due_at(BERLIN, start, target, [whole_day]) == berlin("2026-11-24T17:00")
        # A pause over the weekend has used no business time.
        weekend = pause(berlin("2026-11-20T17:00"), berlin("2026-11-23T09:00"))
        assert due_at(BERLIN, start, target, [weekend]) == berlin("2026-11-23T17:00")

    def test_regulatory_time_never_pauses(self) -> None:
        start, pauses = berlin("2026-11-20T10:00"), [pause(berlin("2026-11-20T10:00"), berlin("2026-12-20T10:00"))]
        for target in (Target(15, "calendar_days"), Target(8, "weeks")):
            assert due_at(BERLIN, start, target, pauses) == due_at(BERLIN, start, target)


class TestRemaining:
    def test_minutes(self) -> None:
        start, target = berlin("2026-11-20T16:00"), Target(120, "minutes")
        assert remaining(BERLIN, start, target, berlin("2026-11-20T15:00")) == 7200
        assert remaining(BERLIN, start, target, berlin("2026-11-21T12:00")) == 3600
        assert remaining(BERLIN, start, target, berlin("2026-11-23T10:00")) == 0
        assert remaining(BERLIN, start, target, berlin("2026-11-23T10:30")) == -1800

    def test_days(self) -> None:
        start, target = berlin("2026-11-20T10:00"), Target(1, "business_days")
        assert remaining(BERLIN, start, target, berlin("2026-11-20T16:00")) == 9 * 3600
        assert remaining(BERLIN, start, target, berlin("2026-11-24T10:00")) == -3600
        paused = [pause(berlin("2026-11-23T10:00"))]
        for now in ("2026-11-23T10:00", "2026-11-23T15:00", "2026-11-30T15:00"):
            assert remaining(BERLIN, start, target, berlin(now), paused) == 7 * 3600
        assert remaining(BERLIN, start, Target(1, "calendar_days"), berlin("2026-11-20T16:00"), paused) == 3600


class TestThresholds:
    def test_business_minutes(self) -> None:
        start = berlin("2026-11-20T15:00")
        due = due_at(BERLIN, start, Target(240, "minutes"))
        assert due == berlin("2026-11-23T11:00")
        expected = {0: start, 50: berlin("2026-11-20T17:00"), 75: berlin("2026-11-23T10:00"), 100: due}
        for percent, instant in expected.items():
            assert threshold_at(BERLIN, start, due, percent) == instant
        assert threshold_at(BERLIN, start, due, 90) == berlin("2026-11-23T10:36")

    def test_rounds_up_to_the_second(self) -> None:
        start = berlin("2026-11-20T15:00")
        assert threshold_at(BERLIN, start, start + timedelta(seconds=3), 50) == start + timedelta(seconds=2)

    def test_pauses(self) -> None:
        start = berlin("2026-11-20T10:00")
        pauses = [pause(berlin("2026-11-20T10:30"), berlin("2026-11-20T12:00"))]
        due = due_at(BERLIN, start, Target(120, "minutes"), pauses)
        assert due == berlin("2026-11-20T13:30")
        assert threshold_at(BERLIN, start, due, 50, pauses) == berlin("2026-11-20T12:30")

    def test_day_targets_alarm_in_working_time(self) -> None:
        start = berlin("2026-11-20T13:00")
        due = due_at(BERLIN, start, Target(3, "calendar_days"))  # 4 hours on Friday, 8 on Monday
        assert due == berlin("2026-11-24T00:00")
        assert threshold_at(BERLIN, start, due, 50) == berlin("2026-11-23T11:00")
        assert threshold_at(BERLIN, start, due, 100) == due

    def test_wall_time_where_nothing_is_open(self) -> None:
        start = berlin("2026-11-20T18:00")
        due = due_at(BERLIN, start, Target(1, "calendar_days"))
        assert threshold_at(BERLIN, start, due, 50) == berlin("2026-11-21T09:00")

    def test_refuses_what_is_no_percentage(self) -> None:
        for percent in (-1, 101):
            with pytest.raises(InvalidTargetError):
                threshold_at(BERLIN, utc("2026-11-20"), utc("2026-11-21"), percent)


class TestElapsed:
    def test_what_counts_is_neither_closed_nor_paused(self) -> None:
        pauses = [pause(berlin("2026-11-20T16:00"), berlin("2026-11-23T10:00")), pause(berlin("2026-11-23T11:00"))]
        marks = ["20T15:00", "20T16:00", "20T17:00", "23T09:00", "23T10:00", "23T11:00", "23T17:00", "23T18:00"]
        instants = [berlin(f"2026-11-{mark}") for mark in marks]
        found = [elapsed(BERLIN, since, until, pauses) for since, until in pairwise(instants)]
        assert found == [3600, 0, 0, 0, 3600, 0, 0]
        assert elapsed(BERLIN, instants[0], instants[-1], pauses) == 2 * 3600

    def test_empty(self) -> None:
        instant = utc("2026-11-20T10:00")
        assert elapsed(BERLIN, instant, instant) == 0
        assert elapsed(BERLIN, instant, utc("2026-11-19T10:00"), [pause(utc("2026-11-18"), utc("2026-11-21"))]) == 0


class TestSegments:
    def test_what_adds_up_to_a_deadline(self) -> None:
        start, pauses = berlin("2026-11-20T15:00"), [pause(berlin("2026-11-20T16:30"), berlin("2026-11-23T10:00"))]
        due = due_at(BERLIN, start, Target(120, "minutes"), pauses)
        found = segments(BERLIN, start, due, pauses)
        assert [(each.kind, each.seconds) for each in found] == [
            ("counted", 5400),
            ("paused", 1800),
            ("closed", 64 * 3600),
            ("paused", 3600),
            ("counted", 1800),
        ]
        assert (found[0].start, found[-1].end) == (start, due)
        assert all(before.end == after.start for before, after in pairwise(found))

    def test_nothing_and_nothing_open(self) -> None:
        noon, evening = berlin("2026-11-21T12:00"), berlin("2026-11-21T20:00")  # a Saturday
        assert segments(BERLIN, noon, noon) == segments(BERLIN, evening, noon) == []
        assert [each.kind for each in segments(BERLIN, noon, evening, [pause(noon)])] == ["closed"]

    def test_neighbours_are_of_different_kinds(self) -> None:
        # Pauses that touch, shifts that touch, and a window's edge in between.
        calendar = weekdays("UTC", (Interval(0, 600), Interval(600, 1440)), range(7))
        middle = datetime.fromtimestamp(200 << 23, UTC)
        pauses = [
            pause(middle, middle + timedelta(hours=1)),
            pause(middle + timedelta(hours=1), middle + timedelta(days=1)),
        ]
        found = segments(calendar, middle - timedelta(days=1), middle + timedelta(days=2), pauses)
        assert [(each.kind, each.seconds) for each in found] == [
            ("counted", 86400),
            ("paused", 86400),
            ("counted", 86400),
        ]


class TestRefusals:
    @pytest.mark.parametrize("target", [Target(1, "minutes"), Target(1, "business_days"), Target(0, "business_days")])
    def test_a_calendar_that_never_opens(self, target: Target) -> None:
        with pytest.raises(CalendarExhaustedError, match=rf"'Nobody'.*{SEARCH_DAYS} days after 2026-11-20") as refusal:
            due_at(Calendar("UTC", {}, name="Nobody"), utc("2026-11-20T10:00"), target)
        assert (refusal.value.calendar, refusal.value.bound_days) == ("Nobody", SEARCH_DAYS)

    @pytest.mark.parametrize("unit", ["minutes", "business_days", "calendar_days", "weeks"])
    def test_absurd_amounts(self, unit: Unit) -> None:
        with pytest.raises(CalendarExhaustedError):
            due_at(BERLIN, utc("2026-11-20T10:00"), Target(10**12, unit))

    def test_next_opening_of_a_calendar_that_never_opens(self) -> None:
        with pytest.raises(CalendarExhaustedError):
            next_opening(Calendar("UTC", {}), utc("2026-11-20T10:00"))

    def test_a_span_beyond_the_bound(self) -> None:
        with pytest.raises(CalendarExhaustedError):
            elapsed(BERLIN, utc("1926-01-01"), utc("2026-01-01"))

    @pytest.mark.parametrize("unit", ["minutes", "business_days", "calendar_days", "weeks"])
    @pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
    def test_the_ends_of_time(self, unit: Unit, zone: str) -> None:
        for start in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
            with suppress(CalendarExhaustedError):
                assert due_at(weekdays(zone), start, Target(3, unit)) > start

    def test_no_instant_without_a_zone(self) -> None:
        with pytest.raises(BusinessTimeError):
            due_at(BERLIN, datetime(2026, 11, 20), Target(1, "minutes"))  # noqa: DTZ001 - the point of the test

    @pytest.mark.parametrize(
        ("amount", "unit"),
        [(-1, "minutes"), (float("nan"), "minutes"), (float("inf"), "weeks"), (1.5, "business_days"), (1, "hours")],
    )
    def test_targets(self, amount: float, unit: Unit) -> None:
        with pytest.raises(InvalidTargetError):
            Target(amount, unit)

    def test_conventions(self) -> None:
        unknown: dict[str, str] = {"business_day": "whenever"}
        with pytest.raises(InvalidTargetError, match="close_of_nth_day"):
            Conventions(**unknown)  # type: ignore[arg-type]

    def test_negative_seconds(self) -> None:
        with pytest.raises(InvalidTargetError):
            add_business_seconds(BERLIN, utc("2026-11-20"), -1)


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


# The oracle: examples per zone.

EXAMPLES = 8
MANY = 550  # of 37 zones: 20 350
DAYS = 18  # looked at minute by minute
ZONES = [
    "Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Caracas", "America/Havana", "America/Los_Angeles",
    "America/New_York", "America/Nuuk", "America/Santiago", "America/Sao_Paulo", "America/Scoresbysund",
    "America/St_Johns", "Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Dhaka", "Asia/Gaza", "Asia/Kathmandu",
    "Asia/Kolkata", "Asia/Pyongyang", "Asia/Shanghai", "Asia/Tehran", "Atlantic/Azores", "Australia/Lord_Howe",
    "Australia/Sydney", "Europe/Berlin", "Europe/Dublin", "Europe/Istanbul", "Europe/London", "Europe/Moscow",
    "Europe/Volgograd", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Kiritimati",
    "UTC",
]  # fmt: skip


@lru_cache(maxsize=64)
def clock_changes(zone_name: str) -> list[date]:
    zone = ZoneInfo(zone_name)
    days = [date(2005, 1, 1) + timedelta(days=number) for number in range(33 * 365)]
    offsets = [datetime.combine(day, time(), UTC).astimezone(zone).utcoffset() for day in days]
    return [day for day, (before, after) in zip(days, pairwise(offsets), strict=False) if before != after]


@dataclass(frozen=True)
class Case:
    calendar: Calendar
    first_day: date
    start: int
    end: int
    breaks: list[tuple[int, int]]

    @property
    def pauses(self) -> list[tuple[datetime, datetime | None]]:
        return [(at(start), at(end)) for start, end in self.breaks]


def at(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


minute_of_day = st.one_of(st.integers(0, 47).map(lambda half: half * 30), st.integers(0, 1439), st.integers(0, 240))
length = st.one_of(st.integers(1, 1440), st.integers(1, 24).map(lambda hours: hours * 60), st.integers(1, 90))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Up to 24 hours long, overnight in both notations."""
    start = draw(minute_of_day)
    end = start + draw(length)
    return Interval(start, end - 1440 if end > 1440 and draw(st.booleans()) else end)


@st.composite
def cases(draw: st.DrawFn, zone: str) -> Case:
    """A calendar (shifts may even overlap: they are united), preferably near a change of its zone's clock."""
    changes = clock_changes(zone)
    if changes and draw(st.integers(0, 4)) > 0:
        change, days_before = draw(st.tuples(st.sampled_from(changes), st.integers(4, 8)))
        first_day = change - timedelta(days=days_before)
    else:
        first_day = draw(st.dates(date(2005, 1, 1), date(2037, 1, 1)))
    near = st.dates(first_day + timedelta(days=2), first_day + timedelta(days=DAYS - 2))
    shifts = st.one_of(*(st.tuples(*[intervals()] * count) for count in (1, 2, 3)))
    hours = st.dictionaries(st.integers(0, 6), shifts, min_size=3)
    holidays, working_days = st.sets(near, max_size=3), st.dictionaries(near, st.integers(0, 6), max_size=2)
    calendar = Calendar(zone, draw(hours), frozenset(draw(holidays)), draw(working_days))
    if draw(st.integers(0, 3)) == 0:
        first, last = sorted(draw(st.tuples(near, near)))
        season = Season(first, last, replace(calendar, weekly_hours=draw(hours), holidays=frozenset(draw(holidays))))
        calendar = replace(calendar, seasons=(season,))
    base = int(datetime.combine(first_day, time(), UTC).timestamp())
    moment = st.one_of(st.integers(3 * 86400, 8 * 86400), st.integers(6 * 1440, 16 * 1440).map(lambda half: half * 30))
    start = base + draw(moment)
    end = start + draw(st.integers(0, 5 * 86400))
    pause = st.tuples(st.integers(-7200, 4 * 86400), st.integers(0, 86400)).map(
        lambda pair: (start + pair[0], start + pair[0] + pair[1])
    )
    return Case(calendar, first_day, start, end, draw(st.lists(pause, max_size=3)))


def check_spans(case: Case, oracle: Oracle) -> None:
    found = segments(case.calendar, at(case.start), at(case.end), case.pauses)
    expected_spans = oracle.stretches(case.start, case.end, case.breaks)
    assert [(each.start, each.end, each.kind) for each in found] == [
        (at(a), at(b), kind) for a, b, kind in expected_spans
    ]
    for since, until, kind in expected_spans:
        expected = until - since if kind == "counted" else 0
        assert elapsed(case.calendar, at(since), at(until), case.pauses) == expected
    counted = elapsed(case.calendar, at(case.start), at(case.end), case.pauses)
    assert counted == oracle.elapsed(case.start, case.end, case.breaks)


def check_minutes(case: Case, oracle: Oracle, seconds: int, boundary: Boundary) -> None:
    target, conventions = Target(Decimal(seconds) / 60, "minutes"), Conventions(boundary)
    expected = oracle.advance(case.start, seconds, case.breaks, boundary)
    due = due_at(case.calendar, at(case.start), target, case.pauses, conventions)
    assert due == at(expected)
    assert elapsed(case.calendar, at(case.start), due, case.pauses) == seconds
    used = oracle.elapsed(case.start, case.end, case.breaks)
    now = at(case.end)
    assert remaining(case.calendar, at(case.start), target, now, case.pauses, conventions=conventions) == seconds - used
    for percent in (50, 75, 90) if seconds else ():
        share = -(-seconds * percent // 100)
        alarm = threshold_at(case.calendar, at(case.start), due, percent, case.pauses)
        assert alarm == at(oracle.advance(case.start, share, case.breaks, "earliest"))


def check_business_days(case: Case, oracle: Oracle, days: int, conventions: Conventions) -> None:
    breaks = case.breaks if conventions.pausable else []
    expected = oracle.business_days(case.start, days, breaks, conventions.business_day)
    target = Target(days, "business_days")
    assert due_at(case.calendar, at(case.start), target, case.pauses, conventions) == at(expected)


def check_calendar_days(case: Case, oracle: Oracle, days: int, conventions: Conventions) -> None:
    expected = oracle.calendar_days(case.start, days, conventions.calendar_day)
    target = Target(days, "calendar_days")
    assert due_at(case.calendar, at(case.start), target, case.pauses, conventions) == at(expected)


CONVENTIONS = st.builds(
    Conventions,
    st.sampled_from(get_args(Boundary)),
    st.sampled_from(get_args(BusinessDay)),
    st.sampled_from(get_args(CalendarDay)),
    st.booleans(),
)


def agreements(zone: str, examples: int) -> int:
    """Compare so many random cases of a zone; how many there were."""
    seen = 0

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases(zone), st.integers(0, 3 * 86400), st.integers(1, 6), CONVENTIONS)
    def agrees(case: Case, seconds: int, days: int, conventions: Conventions) -> None:
        nonlocal seen
        seen += 1
        oracle = Oracle(case.calendar, case.first_day, DAYS)
        check_spans(case, oracle)
        # Where the answer lies beyond the oracle's table there is nothing to compare.
        with suppress(BeyondTheTableError):
            check_minutes(case, oracle, seconds, conventions.boundary)
        with suppress(BeyondTheTableError):
            check_business_days(case, oracle, days, conventions)
        with suppress(BeyondTheTableError):
            check_calendar_days(case, oracle, days, conventions)

    agrees()
    return seen


class TestAgainstBruteForce:
    @pytest.mark.parametrize("zone", ZONES)
    def test_agrees(self, zone: str) -> None:
        agreements(zone, EXAMPLES)

    @pytest.mark.fire
    @pytest.mark.timeout(3600)
    @pytest.mark.parametrize("zone", ZONES)
    def test_long_agreement(self, zone: str) -> None:
        assert agreements(zone, MANY) >= MANY
