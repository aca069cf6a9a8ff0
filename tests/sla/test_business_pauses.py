"""Pauses, what remains, thresholds, and what is told of the time in between: worked out by hand."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from helpdesk.sla.business_time import (
    SEARCH_DAYS,
    BusinessTimeError,
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
from helpdesk.sla.calendar_spec import Calendar, Interval
from tests.sla.times import (
    BERLIN,
    berlin,
    pause,
    utc,
    weekdays,
)


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
