"""Calendars in versions: public holidays kept with them, seasons, what uses them.

How it can fail: a newer release of the holidays package moves deadlines by itself, or is never noticed; the locale of the
machine names the days; a holiday, a make-up day or an exception is lost between the country's and one's own; a mistyped
exception is passed over; a season's hours hold a day too long, or a deadline that reaches into the next season is counted by
the old hours; a clock moves when its calendar is edited; two edits at once lose one; a calendar that never opens is let in.
"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from helpdesk.cli import main
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import public_holidays, specs
from helpdesk.sla.business_time import Target, due_at, elapsed
from helpdesk.sla.calendar_spec import Calendar, Season
from helpdesk.sla.clock_terms import forget_versions
from tests.conftest import Caller, complaint_body
from tests.racing import at_once, behind_lock

WORKWEEK = ("mon", "tue", "wed", "thu", "fri")
SCOTLAND = {"country": "GB", "subdivision": "SCT", "from_year": 2025, "until_year": 2028}
CHINA = {"country": "CN", "from_year": 2026, "until_year": 2026}
PATH = "/sla/calendars"


def hours(start: str = "09:00", end: str = "17:00", days: tuple[str, ...] = WORKWEEK) -> dict[str, Any]:
    return {day: [[start, end]] for day in days}


def body(**more: Any) -> dict[str, Any]:
    return {"name": "Office", "timezone": "Europe/London", "weekly_hours": hours()} | more


def made(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post(PATH, body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def changed(caller: Caller, calendar: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {name: value for name, value in body(**more).items() if name != "name"}
    answer = caller.put(f"{PATH}/{calendar['id']}", given, if_match="*")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def refused(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json["errors"]]


def compiled(shown: dict[str, Any]) -> Calendar:
    return specs.calendar_of(shown, "Office")


def used(admin: Caller, calendar: dict[str, Any], targets: Any = None) -> None:
    """Every complaint is promised an answer by this calendar."""
    policy = next(item for item in admin.get("/sla/policies").json["items"] if item["is_default"])
    given = {name: policy[name] for name in ("thresholds", "targets")} | ({"targets": targets} if targets else {})
    answer = admin.put(f"/sla/policies/{policy['id']}", given | {"calendar_id": calendar["id"]}, if_match="*")
    assert answer.status_code == 200, answer.text


class TestWhoMay:
    @pytest.mark.parametrize("path", ["", "/versions", "/versions/1", "/uses", "/holiday-changes"])
    def test_read(self, anonymous: Caller, agent: Caller, manager: Caller, path: str) -> None:
        calendar = made(manager)
        assert anonymous.get(f"{PATH}/{calendar['id']}{path}").status_code == 401
        assert agent.get(f"{PATH}/{calendar['id']}{path}").status_code == 200
        assert agent.get(f"{PATH}/{UUID(int=7)}{path}").status_code == 404

    def test_refresh(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        path = f"{PATH}/{made(manager)['id']}/refresh-holidays"
        assert anonymous.post(path).status_code == 401
        assert agent.post(path).status_code == 403
        assert manager.post(path, if_match='"9"').status_code == 412
        assert manager.post(path).status_code == 200


class TestPublicHolidays:
    def test_of_a_region_are_kept_with_the_version(self, manager: Caller) -> None:
        found = made(manager, public_holidays=SCOTLAND, holidays=["2026-12-24"])
        kept = found["public_holidays"]["expanded"]
        assert (kept["release"], kept["from_year"], kept["until_year"]) == (public_holidays.release(), 2025, 2028)
        assert kept["holidays"]["2026-11-30"] == "Saint Andrew's Day"
        assert found["holidays"] == ["2026-12-24"]
        calendar = compiled(found)
        assert {date(2026, 11, 30), date(2026, 12, 24), date(2026, 12, 25), date(2026, 12, 28)} <= calendar.holidays
        # 26 December is a Saturday, observed on Monday the 28th.
        due = due_at(calendar, datetime(2026, 12, 23, 16, tzinfo=UTC), Target(2, "business_days"))
        assert due == datetime(2026, 12, 30, 17, tzinfo=UTC)

    def test_without_the_days_in_lieu_and_without_some(self, manager: Caller) -> None:
        given = SCOTLAND | {"observed": False, "without": ["2026-11-30"]}
        calendar = compiled(made(manager, public_holidays=given))
        assert not {date(2026, 11, 30), date(2026, 12, 28)} & calendar.holidays
        assert date(2026, 12, 25) in calendar.holidays

    def test_make_up_days_work_like_the_first_weekday_or_the_one_named(self, manager: Caller) -> None:
        weekly = hours() | {"fri": [["10:00", "12:00"]]}
        for work_like, opened in ((None, 8), ("fri", 2)):
            more = {"public_holidays": CHINA | {"work_like": work_like}, "weekly_hours": weekly}
            found = made(manager, name=f"Shanghai {work_like}", timezone="Asia/Shanghai", **more)
            calendar = compiled(found)
            assert found["public_holidays"]["expanded"]["working_days"]["2026-02-14"] == (work_like or "mon")
            # A Saturday that makes up for the Spring Festival, in UTC+8.
            start, end = datetime(2026, 2, 13, 16, tzinfo=UTC), datetime(2026, 2, 14, 16, tzinfo=UTC)
            assert elapsed(calendar, start, end) == opened * 3600
            assert date(2026, 2, 17) in calendar.holidays

    def test_one_s_own_words_go_over_the_country_s(self, manager: Caller) -> None:
        more = {"holidays": ["2026-02-14"], "working_days": {"2026-02-28": "fri", "2026-02-17": "mon"}}
        calendar = compiled(made(manager, public_holidays=CHINA, timezone="Asia/Shanghai", **more))
        assert calendar.hours_on(date(2026, 2, 14)) == ()
        assert calendar.working_days[date(2026, 2, 28)] == 4
        assert calendar.hours_on(date(2026, 2, 17)) != ()

    @pytest.mark.parametrize(
        ("given", "pointer", "code", "told"),
        [
            ({"country": "UK"}, "/country", "unknown_country", "GB"),
            ({"country": "gb"}, "/country", "unknown_country", "GB"),
            ({"country": "GB", "subdivision": "XX"}, "/subdivision", "unknown_subdivision", "ENG, NIR, SCT, WLS"),
            ({"country": "AQ", "subdivision": "XX"}, "/subdivision", "unknown_subdivision", "none"),
            ({"country": "GB", "categories": ["bank"]}, "/categories/0", "unknown_category", "public"),
            ({"country": "CN", "categories": ["public", "half_day"]}, "/categories/1", "unknown_category", "public"),
            (SCOTLAND | {"without": ["2026-11-29"]}, "/without/0", "no_holiday", "2025"),
            (SCOTLAND | {"without": ["2026-13-29"]}, "/without/0", "no_holiday", "2028"),
            (SCOTLAND | {"from_year": 2029}, "/until_year", "bad_span", "60"),
            (SCOTLAND | {"from_year": 1970, "until_year": 2030}, "/until_year", "bad_span", "60"),
            (CHINA | {"work_like": "sun"}, "/work_like", "no_hours", "2026-01-04"),
        ],
    )
    def test_what_is_not_known_is_refused_with_what_is(
        self, manager: Caller, given: dict[str, Any], pointer: str, code: str, told: str
    ) -> None:
        answer = manager.post(PATH, body(public_holidays=given))
        assert refused(answer) == [(f"/public_holidays{pointer}", code)]
        assert told in answer.json["errors"][0]["detail"]

    def test_every_country_can_be_expanded(self, agent: Caller) -> None:
        found = agent.get("/sla/holiday-countries").json
        assert found["release"] == public_holidays.release()
        assert len(found["items"]) > 200
        for country in found["items"]:
            wanted = {
                "country": country["country"],
                "categories": country["categories"],
                "observed": True,
                "without": [],
            }
            assert public_holidays.problems_of(wanted) == []
            kept = public_holidays.expand(wanted, hours(), 2026)
            assert kept["from_year"] <= kept["until_year"] <= 2036, country
            assert all(kept["from_year"] <= int(day[:4]) <= kept["until_year"] for day in kept["holidays"]), country

    def test_names_are_not_by_the_machine_s_locale(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANGUAGE", "ja")
        wanted = {"country": "JP", "categories": ["public"], "observed": True, "without": []}
        kept = public_holidays.expand(wanted, hours(), 2026)
        assert kept["holidays"]["2026-01-01"] == "New Year's Day"

    def test_the_span_moves_with_the_time_unless_it_is_given(self) -> None:
        wanted = {"country": "GB", "categories": ["public"], "observed": True, "without": []}
        for given, span in (
            ({}, (2016, 2036)),
            ({"from_year": 2030}, (2030, 2040)),
            ({"until_year": 2020}, (2010, 2020)),
            ({"from_year": 1970}, (1970, 2029)),
        ):
            kept = public_holidays.expand(wanted | given, hours(), 2026)
            assert (kept["from_year"], kept["until_year"]) == span

    def test_years_that_were_worked_out_are_not_forgotten(self) -> None:
        wanted = {"country": "GB", "categories": ["public"], "observed": True, "without": []}
        for this_year, since, span in ((2029, 2016, (2016, 2039)), (2070, 2016, (2021, 2080))):
            kept = public_holidays.expand(wanted, hours(), this_year, since=since)
            assert (kept["from_year"], kept["until_year"]) == span
        bounded = public_holidays.expand(wanted | {"from_year": 2025}, hours(), 2026, since=2016)
        assert bounded["from_year"] == 2025


def as_by_an_older_release(database: Database, calendar: dict[str, Any]) -> None:
    """It knew nothing of St Andrew's Day, and of a day that is none any more."""
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE sla_calendar_version SET spec = jsonb_set(jsonb_set(spec #- '{public_holidays,expanded,holidays,"
                "2026-11-30}', '{public_holidays,expanded,holidays,2026-06-05}', '\"Old Day\"'),"
                " '{public_holidays,expanded,release}', '\"0.1\"') WHERE calendar_id = :id"
            ),
            {"id": calendar["id"]},
        )
    forget_versions()


class TestNewerRelease:
    def test_nothing_moves_until_somebody_says_so(self, database: Database, manager: Caller) -> None:
        calendar = made(manager, public_holidays=SCOTLAND)
        path = f"{PATH}/{calendar['id']}"
        assert manager.get(f"{path}/holiday-changes").json["differs"] is False
        assert manager.post(f"{path}/refresh-holidays").json["version"] == 1
        as_by_an_older_release(database, calendar)
        told = manager.get(f"{path}/holiday-changes").json
        assert (told["kept_release"], told["differs"]) == ("0.1", True)
        assert (told["holidays_added"], told["holidays_removed"]) == (
            {"2026-11-30": "Saint Andrew's Day"},
            {"2026-06-05": "Old Day"},
        )
        assert manager.get(path).json["version"] == 1
        found = manager.post(f"{path}/refresh-holidays").json
        assert found["version"] == 2
        again = manager.post(f"{path}/refresh-holidays").json
        assert again.pop("recompute_job_id") is None
        assert again == {name: value for name, value in found.items() if name != "recompute_job_id"}
        assert date(2026, 11, 30) in compiled(found).holidays
        assert {name: found[name] for name in ("weekly_hours", "holidays")} == {"weekly_hours": hours(), "holidays": []}
        before = manager.get(f"{path}/versions/1").json["public_holidays"]["expanded"]
        assert (before["release"], "2026-11-30" in before["holidays"]) == ("0.1", False)

    def test_also_below_a_season(self, database: Database, manager: Caller) -> None:
        calendar = made(manager, public_holidays=SCOTLAND)
        as_by_an_older_release(database, calendar)
        changed(manager, calendar, valid_from="2027-07-01", valid_until="2027-07-31", weekly_hours=hours("08:00"))
        found = manager.post(f"{PATH}/{calendar['id']}/refresh-holidays").json
        assert found["version"] == 3
        assert found["valid_from"] == "2027-07-01"
        assert "2026-11-30" in found["otherwise"][0]["public_holidays"]["expanded"]["holidays"]

    def test_a_calendar_without_any(self, manager: Caller) -> None:
        told = manager.get(f"{PATH}/{made(manager)['id']}/holiday-changes").json
        assert (told["kept_release"], told["differs"], told["holidays_added"]) == (None, False, {})

    def test_on_the_command_line(self, database: Database, manager: Caller, settings: Settings) -> None:
        calendar = made(manager, public_holidays=SCOTLAND)
        made(manager, name="Plain")
        as_by_an_older_release(database, calendar)

        def run(*arguments: str) -> str:
            where = {"HELPDESK_DATABASE_URL": settings.database_url or "", "HELPDESK_DATA_DIR": str(settings.data_dir)}
            where |= {"HELPDESK_SECRET_KEY": settings.secret_key or ""}
            done = CliRunner().invoke(main, ["sla", "holidays", *arguments], env=where)
            assert done.exit_code == 0, done.output
            return done.output

        said = run()
        assert "Office: worked out by release 0.1" in said
        assert "+ 2026-11-30 Saint Andrew's Day" in said
        assert "- 2026-06-05 Old Day" in said
        assert said.endswith("calendars would differ.\n")
        assert "refreshed" in run("--refresh")
        assert run().startswith("0 of ")
        assert manager.get(f"{PATH}/{calendar['id']}").json["version"] == 2


class TestSeasons:
    def test_each_day_is_counted_by_its_own_hours(self, manager: Caller) -> None:
        calendar = made(manager)
        found = changed(manager, calendar, valid_from="2027-01-01", weekly_hours=hours("08:00", "20:00"))
        assert (found["version"], found["valid_from"], found["valid_until"]) == (2, "2027-01-01", None)
        assert [layer["weekly_hours"] for layer in found["otherwise"]] == [hours()]
        whole = compiled(found)
        # Thursday 31 December 2026 has 8 hours, Friday 1 January 12.
        days = [datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)]
        assert [elapsed(whole, days[0], days[1]), elapsed(whole, days[1], days[2])] == [8 * 3600, 12 * 3600]
        due = due_at(whole, datetime(2026, 12, 31, 16, tzinfo=UTC), Target(120, "minutes"))
        assert due == datetime(2027, 1, 1, 9, tzinfo=UTC)

    @pytest.mark.parametrize(
        "season",
        [
            {"valid_from": "0001-01-01"},
            {"valid_until": "9999-12-31"},
            {"valid_from": "0001-01-01", "valid_until": "9999-12-31"},
            {"valid_from": "0001-01-02", "valid_until": "2027-01-01"},
        ],
    )
    def test_an_end_beyond_what_can_be_computed_is_refused(self, manager: Caller, season: dict[str, str]) -> None:
        calendar = made(manager)
        given = {"timezone": "Europe/London", "weekly_hours": hours()} | season
        answer = manager.put(f"{PATH}/{calendar['id']}", given, if_match="*")
        assert {code for _, code in refused(answer)} == {"out_of_range"}
        assert "leave it out" in answer.json["errors"][0]["detail"]

    @pytest.mark.parametrize("season", [{"valid_from": "0001-01-03"}, {"valid_until": "9999-12-28"}])
    def test_the_furthest_ends_are_taken(self, manager: Caller, season: dict[str, str]) -> None:
        found = changed(manager, made(manager), **season, weekly_hours=hours("08:00"))
        assert len(found["otherwise"]) == 1

    def test_a_slip_in_a_name_is_told_where_it_stands(self, manager: Caller) -> None:
        given = body(weekly_hours=hours() | {"monday": []}, working_days={"2027": "mon", "2027-03-06": "someday"})
        assert set(refused(manager.post(PATH, given))) == {
            ("/weekly_hours/monday", "choice"),
            ("/working_days/2027", "invalid"),
            ("/working_days/2027-03-06", "choice"),
        }

    def test_a_day_is_not_off_and_made_up_for_both(self, manager: Caller) -> None:
        day = "2027-03-06"
        answer = manager.post(PATH, body(holidays=[day], working_days={day: "mon"}))
        assert refused(answer) == [(f"/working_days/{day}", "contradiction")]

    def test_a_season_ends_with_its_last_day(self, manager: Caller) -> None:
        calendar = made(manager)
        shut = changed(manager, calendar, valid_from="2027-07-05", valid_until="2027-07-06", weekly_hours={})
        whole = compiled(shut)
        assert [bool(whole.hours_on(date(2027, 7, day))) for day in (2, 5, 6, 7)] == [True, False, False, True]

    def test_the_newest_that_holds_wins_and_what_it_covers_is_forgotten(self, manager: Caller) -> None:
        calendar = made(manager)
        changed(manager, calendar, valid_from="2027-07-01", valid_until="2027-07-31", weekly_hours=hours("08:00"))
        changed(manager, calendar, valid_from="2027-07-10", valid_until="2027-08-10", weekly_hours=hours("07:00"))
        found = changed(
            manager, calendar, valid_from="2027-07-15", valid_until="2027-09-15", weekly_hours=hours("06:00")
        )
        whole = compiled(found)
        opens = {day: whole.hours_on(date.fromisoformat(day))[0].start_minute // 60 for day in (
            "2027-06-30", "2027-07-01", "2027-07-12", "2027-07-15", "2027-08-12", "2027-09-16")}  # fmt: skip
        assert list(opens.values()) == [9, 8, 7, 6, 6, 9]
        covering = changed(
            manager, calendar, valid_from="2027-01-01", valid_until="2027-12-31", weekly_hours=hours("05:00")
        )
        assert [layer["valid_from"] for layer in covering["otherwise"]] == [None]
        everything = changed(manager, calendar, weekly_hours=hours("10:00"))
        assert (everything["version"], everything["otherwise"], everything["valid_from"]) == (6, [], None)
        versions = manager.get(f"{PATH}/{calendar['id']}/versions?limit=4").json
        assert [item["version"] for item in versions["items"]] == [6, 5, 4, 3]
        rest = manager.get(f"{PATH}/{calendar['id']}/versions?limit=4&cursor={versions['next_cursor']}").json
        assert [item["version"] for item in rest["items"]] == [2, 1]

    @pytest.mark.parametrize(
        ("more", "pointer", "code"),
        [
            ({"valid_from": "2027-07-02", "valid_until": "2027-07-01"}, "/valid_until", "backwards"),
            ({"valid_from": "2027-02-30"}, "/valid_from", "bad_date"),
            ({"valid_from": "2027-01-01", "timezone": "Europe/Paris"}, "/timezone", "other_timezone"),
            ({"valid_from": "2031-01-01", "weekly_hours": {}}, "/weekly_hours", "never_open"),
            ({"weekly_hours": {}}, "/weekly_hours", "never_open"),
            ({"weekly_hours": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "/weekly_hours/mon/1", "overlap"),
            ({"weekly_hours": {"mon": [["09:00", "12:60"]]}}, "/weekly_hours/mon/0/1", "bad_time"),
            ({"holidays": ["2026-02-30"]}, "/holidays/0", "bad_date"),
        ],
    )
    def test_impossible_ones_are_refused(self, manager: Caller, more: dict[str, Any], pointer: str, code: str) -> None:
        calendar = made(manager)
        given = {name: value for name, value in body(**more).items() if name != "name"}
        assert refused(manager.put(f"{PATH}/{calendar['id']}", given, if_match="*")) == [(pointer, code)]
        assert manager.get(f"{PATH}/{calendar['id']}").json["version"] == 1

    def test_a_new_calendar_holds_always(self, manager: Caller) -> None:
        assert refused(manager.post(PATH, body(valid_from="2027-01-01")))[0][0] == "/valid_from"

    def test_the_ends_of_time(self, manager: Caller) -> None:
        calendar = made(manager)
        for valid in ({"valid_from": "9999-12-31"}, {"valid_until": "0001-01-01"}):
            given = {name: value for name, value in body(**valid).items() if name != "name"}
            assert manager.put(f"{PATH}/{calendar['id']}", given, if_match="*").status_code in {200, 422}

    def test_there_is_an_end_to_seasons(self, manager: Caller) -> None:
        calendar = made(manager)
        answers = []
        for day in range(1, 53):
            when = f"2027-{1 + day // 28:02}-{1 + day % 28:02}"
            given = {name: value for name, value in body(valid_from=when, valid_until=when).items() if name != "name"}
            answers.append(manager.put(f"{PATH}/{calendar['id']}", given, if_match="*"))
        assert [answer.status_code for answer in answers] == [200] * 50 + [422] * 2
        assert refused(answers[-1]) == [("/valid_from", "too_many")]

    def test_the_database_lets_no_day_without_hours_in(self, database: Database, manager: Caller) -> None:
        calendar = made(manager)
        for valid in ('{"valid_from": "2027-01-01"}', '{"valid_from": "2027-02-01", "valid_until": "2027-01-01"}'):
            statement = text(
                "UPDATE sla_calendar_version SET spec = spec || cast(:valid AS jsonb) WHERE calendar_id = :id"
            )
            with pytest.raises(IntegrityError), database.engine.begin() as connection:
                connection.execute(statement, {"valid": valid, "id": calendar["id"]})

    def test_as_a_value(self) -> None:
        plain = Calendar("UTC", {})
        season = Season(date(2027, 1, 1), date.max, plain)
        seasonal = Calendar("UTC", {}, seasons=(season,))
        assert seasonal != plain
        assert hash(seasonal) != hash(plain)


class TestClocks:
    def test_a_clock_keeps_the_version_that_made_it(self, admin: Caller, agent: Caller) -> None:
        calendar = made(admin)
        used(admin, calendar)
        received = {"received_at": "2026-03-06T16:00:00Z"}  # a Friday
        first = agent.post("/complaints", complaint_body(**received)).json["reference"]
        before = agent.get(f"/complaints/{first}/clocks").json
        changed(admin, calendar, weekly_hours=hours("12:00"))
        assert agent.get(f"/complaints/{first}/clocks").json == before
        second = agent.post("/complaints", complaint_body(**received)).json["reference"]
        after = agent.get(f"/complaints/{second}/clocks").json
        dues = [{clock["kind"]: clock for clock in found["items"]}["acknowledge"] for found in (before, after)]
        assert [clock["calendar_version"] for clock in dues] == [1, 2]
        assert [clock["due_at"] for clock in dues] == ["2026-03-09T12:00:00Z", "2026-03-09T15:00:00Z"]
        uses = agent.get(f"{PATH}/{calendar['id']}/uses").json
        assert [policy["name"] for policy in uses["policies"]] == ["Default"]
        assert uses["open_clocks"] == [{"version": 2, "count": 3}, {"version": 1, "count": 3}]

    def test_a_deadline_reaches_into_the_next_season(self, admin: Caller, agent: Caller) -> None:
        calendar = made(admin)
        changed(admin, calendar, valid_from="2026-03-09", weekly_hours=hours("12:00"))
        used(admin, calendar)
        ref = agent.post("/complaints", complaint_body(received_at="2026-03-06T16:00:00Z")).json["reference"]
        clocks = {clock["kind"]: clock for clock in agent.get(f"/complaints/{ref}/clocks").json["items"]}
        # An hour on Friday by the old hours, three on Monday by the new ones.
        assert clocks["acknowledge"]["due_at"] == "2026-03-09T15:00:00Z"

    def test_nothing_uses_it(self, manager: Caller) -> None:
        found = manager.get(f"{PATH}/{made(manager)['id']}/uses").json
        assert found == {"policies": [], "open_clocks": []}

    def test_a_season_that_a_promise_could_not_be_kept_in_is_refused(self, admin: Caller) -> None:
        calendar = made(admin)
        used(admin, calendar, {"S3": {"resolve": [100_000, "minutes"]}})
        given = {"timezone": "Europe/London", "weekly_hours": {"mon": [["09:00", "09:01"]]}, "valid_from": "2060-01-01"}
        assert refused(admin.put(f"{PATH}/{calendar['id']}", given, if_match="*")) == [("/weekly_hours", "too_few")]

    def test_two_edits_at_once(self, manager: Caller) -> None:
        calendar = made(manager)
        given = {"timezone": "Europe/London", "weekly_hours": hours("08:00")}
        tag = manager.get(f"{PATH}/{calendar['id']}").headers["ETag"]

        def edit() -> int:
            return int(manager.put(f"{PATH}/{calendar['id']}", given, if_match=tag).status_code)

        assert sorted(at_once(edit, edit)) == [200, 412]
        assert manager.get(f"{PATH}/{calendar['id']}").json["version"] == 2

    def test_a_promise_and_hours_that_it_could_not_be_kept_in_at_once(self, database: Database, admin: Caller) -> None:
        calendar = made(admin)
        policy = next(item for item in admin.get("/sla/policies").json["items"] if item["is_default"])
        promise = {
            "calendar_id": calendar["id"],
            "thresholds": [50],
            "targets": {"S3": {"resolve": [100_000, "minutes"]}},
        }
        minute = {"timezone": "Europe/London", "weekly_hours": {"mon": [["09:00", "09:01"]]}}
        answers = behind_lock(
            database.engine,
            "SELECT 1 FROM sla_calendar WHERE id = :id FOR UPDATE",
            lambda: admin.put(f"/sla/policies/{policy['id']}", promise, if_match="*").status_code,
            lambda: admin.put(f"{PATH}/{calendar['id']}", minute, if_match="*").status_code,
            id=calendar["id"],
        )
        assert sorted(answers) == [200, 422]
