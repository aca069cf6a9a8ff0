"""What peers document of their calendars, where their conventions are ours: one and the same question gives one answer.

- Zammad: `test/unit/ticket_sla_test.rb` in zammad/zammad (GitHub): due times over the closing, over a holiday, in winter and in
  summer time, and with pending states, one of which leaves a promise due exactly at closing.
- Zendesk: the README and `spec/calculation/for_duration_spec.rb` of zendesk/biz (GitHub), the library of Zendesk's schedules:
  open stretches and durations to the second.
- Frappe (ERPNext): `erpnext/support/doctype/issue/test_issue.py` in frappe/erpnext (GitHub): answers and solutions due over the
  night and over a holiday, and times until the first answer. Where nothing was open theirs says one second, so that it is not
  nothing; ours says none: those are left out.
- ServiceNow: "SLA duration and schedules" (docs.servicenow.com, Service Level Management): a duration is spent over the hours of
  the schedule, so a day of 24 hours lasts three working days of eight.

None of them counts business days as the domain does (`close_of_nth_day`), so only minutes are compared.
"""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from helpdesk.sla.business_time import Target, due_at, elapsed, segments
from helpdesk.sla.calendar_spec import Calendar, Interval


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(zone: str, start: int, end: int, days: int = 7) -> Calendar:
    return Calendar(zone, dict.fromkeys(range(days), (Interval(start * 60, end * 60),)))


ZAMMAD_WEEKDAYS = daily("Europe/Berlin", 9, 17, 5)
ZAMMAD_DAILY = replace(daily("Europe/Berlin", 8, 17), holidays=frozenset({date(2015, 9, 22)}))
ZAMMAD_SUMMER = daily("Europe/Berlin", 9, 18)


class TestZammad:
    @pytest.mark.parametrize(
        ("calendar", "created", "minutes", "due"),
        [
            (ZAMMAD_WEEKDAYS, "2013-03-21T09:30", 60, "2013-03-21T10:30"),
            (ZAMMAD_WEEKDAYS, "2013-03-21T09:30", 240, "2013-03-21T13:30"),
            (ZAMMAD_DAILY, "2013-03-21T09:30", 120, "2013-03-21T11:30"),
            (ZAMMAD_DAILY, "2013-10-21T09:30", 240, "2013-10-21T13:30"),
            (ZAMMAD_DAILY, "2013-10-21T05:30", 120, "2013-10-21T08:00"),  # before opening, in summer time
            (ZAMMAD_DAILY, "2013-10-21T05:30", 240, "2013-10-21T10:00"),
            (ZAMMAD_DAILY, "2015-09-21T14:30", 120, "2015-09-23T07:30"),  # over the holiday
            (ZAMMAD_DAILY, "2015-09-21T14:30", 180, "2015-09-23T08:30"),
            (ZAMMAD_DAILY, "2015-09-21T14:30", 240, "2015-09-23T09:30"),
        ],
    )
    def test_due(self, calendar: Calendar, created: str, minutes: int, due: str) -> None:
        assert due_at(calendar, utc(created), Target(minutes, "minutes")) == utc(due)

    @pytest.mark.parametrize(
        ("pending", "due"),
        [
            # Pending, then closed and reopened: both suspend.
            ([("09:30", "09:45"), ("10:00", "10:30")], "11:45"),
            # The last minute is used up exactly at closing, 18:00 in Berlin.
            ([("10:00", "15:00")], "16:00"),
        ],
    )
    def test_suspended(self, pending: list[tuple[str, str]], due: str) -> None:
        day = "2013-06-04T"
        pauses = [(utc(day + since), utc(day + until)) for since, until in pending]
        assert due_at(ZAMMAD_SUMMER, utc(day + "09:00"), Target(120, "minutes"), pauses) == utc(day + due)


ZENDESK = Calendar(
    "America/Los_Angeles",
    {
        0: (Interval(540, 1020),),
        1: (Interval(0, 1440),),
        2: (Interval(540, 1020),),
        3: (Interval(540, 720), Interval(780, 1020)),
        5: (Interval(600, 840),),
    },
    holidays=frozenset({date(2014, 1, 1), date(2014, 12, 25)}),
)


class TestZendesk:
    def test_periods(self) -> None:
        found = segments(ZENDESK, utc("2015-01-10T10:00"), utc("2015-01-17T10:00"))
        assert [(each.start, each.end) for each in found if each.kind == "counted"] == [
            (utc("2015-01-10T18:00"), utc("2015-01-10T22:00")),
            (utc("2015-01-12T17:00"), utc("2015-01-13T01:00")),
            (utc("2015-01-13T08:00"), utc("2015-01-14T08:00")),
            (utc("2015-01-14T17:00"), utc("2015-01-15T01:00")),
            (utc("2015-01-15T17:00"), utc("2015-01-15T20:00")),
            (utc("2015-01-15T21:00"), utc("2015-01-16T01:00")),
        ]

    def test_a_duration_to_the_second(self) -> None:
        since, until = utc("2015-04-27T20:36:57"), utc("2015-05-05T12:34:57")
        assert elapsed(ZENDESK, since, until) == 3_598 * 60
        assert due_at(ZENDESK, since, Target(3_598, "minutes")) == until


FRAPPE = replace(daily("UTC", 10, 18), holidays=frozenset({date(2019, 3, 5)}))
FRAPPE_WEEKDAYS = daily("UTC", 10, 18, 5)


class TestFrappe:
    @pytest.mark.parametrize(
        ("created", "answer", "solution"),  # within 4 and 6 hours
        [
            ("2019-03-04T12:00", "2019-03-04T16:00", "2019-03-04T18:00"),  # exactly at closing
            ("2019-03-04T07:00", "2019-03-04T14:00", "2019-03-04T16:00"),
            ("2019-03-04T20:00", "2019-03-06T14:00", "2019-03-06T16:00"),
            ("2019-03-04T14:00", "2019-03-04T18:00", "2019-03-06T12:00"),
        ],
    )
    def test_due(self, created: str, answer: str, solution: str) -> None:
        assert due_at(FRAPPE, utc(created), Target(240, "minutes")) == utc(answer)
        assert due_at(FRAPPE, utc(created), Target(360, "minutes")) == utc(solution)

    @pytest.mark.parametrize(
        ("created", "answered", "seconds"),
        [
            ("2021-06-28T11:00", "2021-06-28T12:00", 3600),
            ("2021-06-28T12:00", "2021-06-28T20:00", 21600),
            ("2021-06-28T06:00", "2021-06-28T12:00", 7200),
            ("2021-06-28T06:00", "2021-06-29T06:00", 28800),
            ("2021-06-28T06:00", "2021-06-29T20:00", 57600),
            ("2021-06-25T06:00", "2021-06-26T11:00", 28800),  # a Saturday
            ("2021-06-28T12:00", "2021-06-29T11:00", 25200),
            ("2021-06-28T20:00", "2021-06-29T11:00", 3600),
            ("2021-06-28T06:00", "2021-07-01T20:00", 115200),
            ("2021-06-25T06:00", "2021-06-27T11:00", 28800),
            ("2021-06-28T12:00", "2021-07-01T11:00", 82800),
            ("2021-06-28T20:00", "2021-07-01T06:00", 57600),
        ],
    )
    def test_time_until_the_first_answer(self, created: str, answered: str, seconds: int) -> None:
        assert elapsed(FRAPPE_WEEKDAYS, utc(created), utc(answered)) == seconds


class TestServiceNow:
    def test_a_day_is_24_hours_of_the_schedule(self) -> None:
        office = daily("America/New_York", 9, 17, 5)
        monday = utc("2026-11-16T14:00")  # 09:00
        assert due_at(office, monday, Target(24 * 60, "minutes")) == utc("2026-11-18T22:00")
