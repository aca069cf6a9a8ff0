"""Who takes a complaint, as arithmetic.

How it can fail: somebody who cannot take it is taken; somebody is filled beyond their capacity; the same facts give two
answers; a strategy prefers whom it should not; a reason is given that is not so, or none where there is one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.complaints.choosing import (
    ABSENT,
    AWAY,
    CANNOT,
    FULL,
    OFF_HOURS,
    REASONS,
    SUBJECT,
    UNSKILLED,
    Handler,
    abilities,
    choose,
    language_skill,
)
from helpdesk.complaints.working_hours import check, is_working

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)


def somebody(number: int, **more: Any) -> Handler:
    return Handler(id=UUID(int=number), **more)


def taken(handlers: list[Handler], strategy: str = "least_loaded", severity: str = "S3", *required: str) -> int | None:
    found = choose(handlers, strategy, severity, required).taken
    return None if found is None else found.id.int


class TestStrategies:
    def test_least_loaded(self) -> None:
        busy, free = somebody(1, load=2), somebody(2, load=1)
        assert taken([busy, free]) == 2

    def test_of_equals_whose_turn_was_longest_ago_then_the_first(self) -> None:
        later, earlier = somebody(1, last_given=NOON), somebody(2, last_given=NOON - timedelta(hours=1))
        assert taken([later, earlier]) == 2
        assert taken([later, earlier, somebody(3)]) == 3
        assert taken([somebody(5), somebody(4)]) == 4

    def test_round_robin_does_not_look_at_the_load(self) -> None:
        one = somebody(1, load=9, last_given=NOON - timedelta(minutes=2))
        other = somebody(2, load=0, last_given=NOON - timedelta(minutes=1))
        assert taken([one, other], "round_robin") == 1

    def test_longest_idle(self) -> None:
        long_free = somebody(1, last_given=NOON - timedelta(hours=5))
        just_free = somebody(2, last_given=NOON)
        busy = somebody(3, load=1, newest_open=NOON - timedelta(days=9), last_given=NOON - timedelta(days=9))
        assert taken([busy, just_free, long_free], "longest_idle") == 1
        assert taken([busy, just_free], "longest_idle") == 2
        busier = somebody(4, load=1, newest_open=NOON)
        assert taken([busier, busy], "longest_idle") == 3


class TestReasons:
    @pytest.mark.parametrize(
        ("given_", "reason"),
        [
            ({"may_handle": False}, CANNOT),
            ({"is_subject": True}, SUBJECT),
            ({"away": True}, AWAY),
            ({"absent": True}, ABSENT),
            ({"off_hours": True}, OFF_HOURS),
            ({"abilities": frozenset({"BIL"})}, UNSKILLED),
            ({"capacity": 3, "load": 3}, FULL),
            ({"capacity": 0}, FULL),
        ],
    )
    def test_why_not(self, given_: dict[str, Any], reason: str) -> None:
        one = somebody(1, **({"abilities": frozenset({"DEL"})} | given_))
        choice = choose([one], "least_loaded", "S3", ["DEL"])
        assert choice.taken is None
        assert choice.candidates == [
            {"agent_id": one.id, "taken": False, "reasons": [reason], "load": one.load, "capacity": one.capacity}
        ]

    def test_all_that_hold_are_told(self) -> None:
        one = somebody(1, away=True, absent=True, capacity=0)
        assert choose([one], "round_robin", "S1", ["x"]).candidates[0]["reasons"] == [AWAY, ABSENT, UNSKILLED, FULL]

    def test_weights(self) -> None:
        one = somebody(1, capacity=5, load=3, weights={"S1": 3, "S5": 0})
        assert taken([one], "least_loaded", "S1") is None
        assert taken([one], "least_loaded", "S3") == 1
        full = somebody(1, capacity=5, load=5, weights={"S5": 0})
        assert taken([full], "least_loaded", "S5") == 1

    def test_the_taken_one_is_told_first(self) -> None:
        choice = choose([somebody(1, away=True), somebody(2, load=3), somebody(3, load=1)], "least_loaded", "S3", [])
        assert [item["agent_id"].int for item in choice.candidates] == [3, 2, 1]
        assert [item["taken"] for item in choice.candidates] == [True, False, False]


def test_nobody_of_nobody() -> None:
    choice = choose([], "least_loaded", "S3", [])
    assert (choice.taken, choice.candidates) == (None, [])


class TestAbilities:
    def test_who_knows_more_knows_less(self) -> None:
        known = abilities(["DEL"], [{"tag": "zh-CN", "level": "good"}, {"tag": "EN", "level": "basic"}])
        assert known == {"DEL", "lang:zh:basic", "lang:zh:good", "lang:en:basic"}
        assert language_skill("zh-TW", "good") in known
        assert language_skill("en-GB", "good") not in known

    def test_a_skill_is_no_language(self) -> None:
        assert not abilities(["lang"], []) & abilities([], [{"tag": "de", "level": "native"}])


_HANDLERS = st.lists(
    st.builds(
        Handler,
        id=st.uuids(),
        may_handle=st.booleans(),
        is_subject=st.booleans(),
        away=st.booleans(),
        abilities=st.frozensets(st.sampled_from(["a", "b"])),
        capacity=st.none() | st.integers(0, 4),
        load=st.integers(0, 4),
        last_given=st.none() | st.datetimes(timezones=st.just(UTC)),
        newest_open=st.none() | st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=6,
    unique_by=lambda handler: handler.id,
)


@given(
    _HANDLERS,
    st.sampled_from(["least_loaded", "round_robin", "longest_idle"]),
    st.lists(st.sampled_from(["a", "b"]), unique=True),
    st.randoms(),
)
def test_nobody_who_cannot_and_always_the_same(
    handlers: list[Handler], strategy: str, required: list[str], random: Any
) -> None:
    choice = choose(handlers, strategy, "S3", required)
    told = {item["agent_id"]: item for item in choice.candidates}
    assert set(told) == {handler.id for handler in handlers}
    assert all(set(item["reasons"]) <= set(REASONS) for item in told.values())
    able = [handler for handler in handlers if not told[handler.id]["reasons"]]
    assert (choice.taken is None) == (not able)
    if choice.taken is not None:
        one = choice.taken
        assert one.may_handle
        assert not one.is_subject
        assert not one.away
        assert one.capacity is None or one.load < one.capacity
        assert one.abilities >= set(required)
    shuffled = list(handlers)
    random.shuffle(shuffled)
    assert choose(shuffled, strategy, "S3", required).candidates == choice.candidates


WEEK: Final[Mapping[str, Any]] = {
    "timezone": "Europe/Berlin",
    "weekly": {"mon": [["09:00", "12:00"], ["13:00", "17:00"]], "sun": [["22:00", "24:00"]]},
}


class TestWorkingHours:
    @pytest.mark.parametrize(
        ("moment", "answer"),
        [
            ("2026-03-02T08:00:00+00:00", True),  # nine in Berlin, a Monday
            ("2026-03-02T07:59:59+00:00", False),
            ("2026-03-02T11:00:00+00:00", False),  # noon: half-open
            ("2026-03-02T12:00:00+00:00", True),
            ("2026-03-02T16:00:00+00:00", False),
            ("2026-06-01T07:00:00+00:00", True),  # summer time
            ("2026-03-01T21:00:00+00:00", True),  # Sunday, ten in the evening
            ("2026-03-01T22:59:59+00:00", True),
            ("2026-03-01T23:00:00+00:00", False),  # Monday there
            ("2026-03-03T10:00:00+00:00", False),  # a day that is left out
        ],
    )
    def test_now(self, moment: str, answer: bool) -> None:
        assert is_working(WEEK, datetime.fromisoformat(moment)) is answer

    @pytest.mark.parametrize(
        "interval",
        [
            ["17:00", "09:00"],
            ["09:00", "09:00"],
            ["9:00", "17:00"],
            ["09:00"],
            ["25:00", "26:00"],
            ["a", "b"],
            [],
            ["T0900", "17:00"],
            ["0900Z", "17:00"],
        ],
    )
    def test_what_is_no_interval(self, interval: list[str]) -> None:
        assert check("UTC", {"mon": [["09:00", "10:00"], interval]}).keys() == {"/weekly/mon/1"}

    def test_what_is_no_zone(self) -> None:
        assert check("Mars/Olympus", {}).keys() == {"/timezone"}
        assert check("../../etc/passwd", {}).keys() == {"/timezone"}
        assert check(WEEK["timezone"], WEEK["weekly"]) == {}

    @given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
    def test_every_interval_is_read_as_it_was_checked(self, start: time, end: time, now: datetime) -> None:
        interval = [f"{start:%H:%M}", f"{end:%H:%M}"]
        if check("UTC", {"mon": [interval]}):
            assert f"{start:%H:%M}" >= f"{end:%H:%M}"
        else:
            is_working({"timezone": "UTC", "weekly": {"mon": [interval]}}, now)
