"""How late alarms ring, as `/metrics` tells it.

How it can fail: an alarm that rang is not counted, or twice; one that was rolled back is; warnings and breaches are thrown
together; the backlog of an import of old complaints looks like years of lateness; two workers that count at once lose one, or
wait for each other for ever; buckets do not add up.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import clocks, queries
from helpdesk.sla.lateness import BOUNDS
from helpdesk.sla.models import Alarm
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller
from tests.kernel.test_metrics import scraped
from tests.racing import at_once
from tests.sla.watching import MONDAY, Story

NAME = "helpdesk_alarm_lateness_seconds"


def counted(caller: Caller, alarm: str) -> tuple[float, float, dict[str, float]]:
    """How many, their seconds, and how many at most so late."""
    found = scraped(caller)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == f"{NAME}_bucket" and dict(labels)["alarm"] == alarm
    }
    of_alarm = (("alarm", alarm),)
    return found[f"{NAME}_count", of_alarm], found[f"{NAME}_sum", of_alarm], buckets


def owed_since(database: Database, **ago: float) -> None:
    """All complaints came in so long ago, and whatever is due has been since then."""
    with database.engine.begin() as connection:
        at = datetime.now(UTC) - timedelta(**ago)
        connection.execute(text("UPDATE complaint SET created_at = :at"), {"at": at})


def test_none_yet(anonymous: Caller) -> None:
    for alarm in ("warned", "breached"):
        number, seconds, buckets = counted(anonymous, alarm)
        assert (number, seconds) == (0, 0)
        assert set(buckets) == {*(str(bound / 1000) for bound in BOUNDS), "+Inf"}


def test_each_alarm_once_warned_and_breached_apart(database: Database, anonymous: Caller) -> None:
    Story(database)
    owed_since(database, seconds=40)
    rang = ring_due(database)
    ring_due(database)
    warned, breached = counted(anonymous, "warned"), counted(anonymous, "breached")
    assert (warned[0], breached[0]) == (9, 3) == (rang - 3, 3)
    for number, seconds, buckets in (warned, breached):
        assert buckets["15.0"] == 0
        assert buckets["60.0"] == buckets["+Inf"] == number
        assert 40 * number <= seconds < 60 * number


def test_a_warning_is_late_since_it_was_owed(database: Database, anonymous: Caller) -> None:
    received = datetime.now(UTC)
    story = Story(database, received)
    clock = story.clock("acknowledge")
    assert clock.next_alarm_at is not None
    with database.unit_of_work(SYSTEM, now=clock.next_alarm_at + timedelta(milliseconds=1500)) as uow:
        uow.know_stream(next(iter(queries.free_complaints_for_update(uow.session, [story.id]))))
        (mine,) = [row for row in queries.open_clocks_for_update(uow.session, [story.id]) if row.kind == "acknowledge"]
        assert clocks.ring(uow, mine, uow.now) == 1
    number, seconds, buckets = counted(anonymous, "warned")
    assert (number, seconds) == (1, 1.5)
    assert (buckets["1.0"], buckets["2.0"]) == (0, 1)


def test_what_is_undone_is_not_counted(database: Database, anonymous: Caller) -> None:
    story = Story(database)
    with database.unit_of_work(SYSTEM) as uow, uow.rehearsal() as tried:
        tried.know_stream(next(iter(queries.free_complaints_for_update(tried.session, [story.id]))))
        for clock in queries.open_clocks_for_update(tried.session, [story.id]):
            clocks.ring(tried, clock, tried.now)
        tried.finish()
    assert counted(anonymous, "breached")[0] == 0


def test_sweeps_at_once_lose_none(database: Database, anonymous: Caller) -> None:
    for _ in range(12):
        Story(database, MONDAY)
    sweeps: list[Callable[[], Any]] = [lambda: ring_due(database)] * 4
    at_once(*sweeps)
    with database.reader() as session:
        rang = session.execute(select(func.count()).select_from(Alarm)).scalar_one()
    assert rang == counted(anonymous, "breached")[0] + counted(anonymous, "warned")[0]
    assert rang > 12
