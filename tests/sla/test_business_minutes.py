"""Minutes and days of work, worked out by hand, also where the clocks change."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from helpdesk.sla.business_time import (
    BusinessDay,
    CalendarDay,
    Conventions,
    Target,
    Unit,
    add_business_seconds,
    due_at,
    elapsed,
    next_opening,
)
from helpdesk.sla.calendar_spec import Calendar, Interval
from tests.sla.times import ALL_DAY, BERLIN, NEW_YORK, NIGHT, NINE_TO_FIVE, NOON_BREAK, berlin, local, utc, weekdays


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
