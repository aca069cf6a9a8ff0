"""Where the rungs of a ladder stand in time: pure.

How it can fail: a rung rings before the start, or never and takes the next ones with it; working days are counted in hours; a
holiday, a pause or a clock change at the very moment; rungs that come in another order than they are written; two at one moment;
a calendar that is never open again; a number that overflows a date.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.sla.business_time import Target, due_at, elapsed, working_day_before
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.ladder import (
    BREACHED,
    after_breach,
    first_ahead,
    moment,
    next_before,
    place_of,
    rungs_at,
    rungs_of,
)
from tests.sla.times import ALL_DAY, BERLIN, NINE_TO_FIVE, berlin, pause, utc, weekdays

OFFICE = weekdays("UTC")
MONDAY = utc("2026-03-02T09:00")
DAY = (MONDAY, utc("2026-03-02T17:00"))
"""A working day of eight hours."""


def written(*places: str) -> list[dict[str, Any]]:
    return [{"at": at, "actions": []} for at in places]


def walk(calendar: Calendar, places: tuple[str, ...], life: tuple[datetime, datetime]) -> list[tuple[str, datetime]]:
    """As a clock goes: every rung, from the start."""
    rungs = rungs_at((), written(*places))
    rung, at = first_ahead(calendar, rungs, life, (), life[0] - timedelta(seconds=1))
    found = [(rung, at)]
    while rung != BREACHED:
        rung, at = next_before(calendar, rungs, life, (), rung)
        found.append((rung, at))
    return [*found, *((rung, at) for at, rung in after_breach(calendar, rungs, life, ()))]


class TestMoments:
    @pytest.mark.parametrize(
        ("rung", "at"),
        [
            ("50%", "2026-03-02T13:00"),
            ("100%", "2026-03-02T17:00"),
            ("150%", "2026-03-03T13:00"),
            ("1000%", "2026-03-13T17:00"),
            ("-30 minutes", "2026-03-02T16:30"),
            ("-480 minutes", "2026-03-02T09:00"),
            ("+30 minutes", "2026-03-03T09:30"),
            ("+1 business_days", "2026-03-03T17:00"),
            ("+5 business_days", "2026-03-09T17:00"),
        ],
    )
    def test_of_one_working_day(self, rung: str, at: str) -> None:
        assert moment(OFFICE, DAY, (), rung) == utc(at)

    @pytest.mark.parametrize("rung", ["-481 minutes", "-1 business_days", "-250 business_days"])
    def test_none_before_the_start(self, rung: str) -> None:
        assert moment(OFFICE, DAY, (), rung) is None
        assert walk(OFFICE, (rung, "75%"), DAY) == [("75%", utc("2026-03-02T15:00")), (BREACHED, DAY[1])]

    def test_working_days_before_leave_out_holidays(self) -> None:
        calendar = Calendar("UTC", dict.fromkeys(range(5), NINE_TO_FIVE), frozenset({utc("2026-03-05T00:00").date()}))
        life = MONDAY, utc("2026-03-06T17:00")
        assert moment(calendar, life, (), "-1 business_days") == utc("2026-03-04T17:00")
        assert moment(calendar, life, (), "-3 business_days") == utc("2026-03-02T17:00")

    def test_a_holiday_at_the_moment_moves_it_to_the_next_opening(self) -> None:
        calendar = Calendar("UTC", dict.fromkeys(range(5), NINE_TO_FIVE), frozenset({utc("2026-03-03T00:00").date()}))
        assert moment(calendar, DAY, (), "+60 minutes") == utc("2026-03-04T10:00")

    def test_pauses_move_what_is_counted_back_from_the_due_time(self) -> None:
        due = utc("2026-03-03T11:00")
        pauses = [pause(utc("2026-03-02T15:00"), utc("2026-03-03T09:00"))]
        assert moment(OFFICE, (MONDAY, due), pauses, "-180 minutes") == utc("2026-03-02T14:00")
        assert moment(OFFICE, (MONDAY, due), pauses, "-120 minutes") == utc("2026-03-02T15:00")
        assert moment(OFFICE, (MONDAY, due), pauses, "-90 minutes") == utc("2026-03-03T09:30")

    def test_a_clock_change_lies_between(self) -> None:
        """The last Sunday of March: a night of 23 hours, and working days at the same time of day."""
        due = berlin("2026-03-30T17:00")
        assert moment(BERLIN, (berlin("2026-03-02T09:00"), due), (), "-1 business_days") == berlin("2026-03-27T17:00")

    def test_where_nothing_is_open_the_wall_counts(self) -> None:
        """A weekend on a calendar of working days."""
        life = utc("2026-03-07T00:00"), utc("2026-03-08T00:00")
        assert moment(OFFICE, life, (), "-30 minutes") == utc("2026-03-07T23:30")
        assert moment(OFFICE, life, (), "150%") == utc("2026-03-08T12:00")

    def test_a_calendar_that_is_never_open_again(self) -> None:
        until = [(utc("2026-03-02T00:00") + timedelta(days=day)).date() for day in range(1, 15_000)]
        calendar = Calendar("UTC", dict.fromkeys(range(7), ALL_DAY), frozenset(until))
        for rung in ("+1 business_days", "+960 minutes", "1000%"):
            assert moment(calendar, (MONDAY, utc("2026-03-02T12:00")), (), rung) is None

    def test_no_number_overflows(self) -> None:
        life = utc("2026-03-07T00:00"), datetime(9999, 12, 30, tzinfo=UTC)
        for rung in ("1000%", "+50000 minutes", "+250 business_days"):
            assert moment(OFFICE, life, (), rung) is None


class TestOrder:
    def test_by_time_however_they_are_written(self) -> None:
        life = MONDAY, utc("2026-03-04T17:00")  # 24 hours
        places = ("50%", "90%", "-600 minutes", "-60 minutes", "+1 business_days", "110%", "+30 minutes")
        assert [rung for rung, _ in walk(OFFICE, places, life)] == [
            "50%",
            "-600 minutes",
            "90%",
            "-60 minutes",
            BREACHED,
            "+30 minutes",
            "110%",
            "+1 business_days",
        ]

    def test_at_one_moment_as_they_are_written_and_the_breach_after_what_is_before_it(self) -> None:
        life = MONDAY, MONDAY + timedelta(minutes=1)
        assert [rung for rung, _ in walk(OFFICE, ("99%", "-1 minutes", "50%"), life)] == [
            "-1 minutes",
            "50%",
            "99%",
            BREACHED,
        ]

    def test_what_was_past_is_no_warning_any_more(self) -> None:
        rungs = rungs_at((50, 75), written("-30 minutes"))
        assert first_ahead(OFFICE, rungs, DAY, (), utc("2026-03-02T15:00")) == ("-30 minutes", utc("2026-03-02T16:30"))
        assert first_ahead(OFFICE, rungs, DAY, (), DAY[1]) == (BREACHED, DAY[1])

    def test_a_rung_that_is_not_there_any_more_does_not_end_the_ladder(self) -> None:
        assert next_before(OFFICE, ("50%", "75%"), DAY, (), "60%") == (BREACHED, DAY[1])

    def test_what_is_written_goes_before_the_threshold_in_its_place(self) -> None:
        there = rungs_of((50, 75), [{"at": "75%", "at_any_time": True, "actions": [{"step": "raise_level"}]}])
        assert list(there) == ["50%", "75%", BREACHED]
        assert (there["50%"].implied, there["75%"].implied, there["75%"].at_any_time) == (True, False, True)
        assert rungs_at((50, 75), written("75%", BREACHED)) == ("50%", "75%")


class TestWords:
    @pytest.mark.parametrize(
        "wrong",
        [
            "0%",
            "1001%",
            "99.5%",
            "75",
            "-30",
            "30 minutes",
            "+0 minutes",
            "-30 hours",
            "+251 business_days",
            "+1 weeks",
            "٣%",
            "5%\n",
        ],
    )
    def test_refused(self, wrong: str) -> None:
        with pytest.raises(ValueError, match=r"^(Write|At most)"):
            place_of(wrong)


@given(
    st.lists(
        st.one_of(
            st.integers(1, 300).filter(lambda percent: percent != 100).map(lambda percent: f"{percent}%"),
            st.integers(-3000, 3000).filter(bool).map(lambda minutes: f"{minutes:+} minutes"),
            st.integers(-8, 8).filter(bool).map(lambda days: f"{days:+} business_days"),
        ),
        max_size=12,
        unique=True,
    ),
    st.integers(0, 40_000),
    st.integers(0, 4_000),
)
def test_every_rung_that_there_is_once_and_in_order(places: list[str], after: int, minutes: int) -> None:
    start = MONDAY + timedelta(minutes=after)
    due = due_at(BERLIN, start, Target(minutes, "minutes"))
    walked = walk(BERLIN, tuple(places), (start, due))
    there = {rung: at for rung in places if (at := moment(BERLIN, (start, due), (), rung)) is not None}
    assert dict(walked) == {**there, BREACHED: due}
    assert [at for _, at in walked] == sorted(at for _, at in walked)
    assert all(at >= start for _, at in walked)
    for rung, at in there.items():
        if rung.endswith(" minutes") and minutes:
            apart = elapsed(BERLIN, at, due) if at < due else -elapsed(BERLIN, due, at)
            assert apart == -int(rung.partition(" ")[0]) * 60


def test_working_days_before_are_the_days_before() -> None:
    """Against a walk, day by day."""
    for back in range(1, 40):
        day, left = utc("2026-03-30T12:00"), back
        while left:
            day -= timedelta(days=1)
            left -= day.weekday() < 5
        assert working_day_before(OFFICE, utc("2026-03-30T12:00"), back) == day
