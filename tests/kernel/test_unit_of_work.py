"""The one place where a commit happens.

How it can fail: an exception leaves something behind; a subscriber writes in a transaction of its own; what a
subscriber records is lost, or its own subscribers are not run; a duty is owed twice; something is seen before the
commit; what is said after the end is swallowed.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from helpdesk.identity.actors import SYSTEM, agent_actor
from helpdesk.identity.models import Agent, Team, TeamMember
from helpdesk.identity.permissions import SHIPPED
from helpdesk.kernel import outbox
from helpdesk.kernel.bulk import COPY_FROM
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import OutboundMail
from helpdesk.kernel.unit_of_work import Consequences, Database, UnitOfWork
from tests.kernel.happenings import Chain, Heard, Said, say, told


def teams(database: Database) -> list[str]:
    with database.reader() as session:
        return list(session.execute(text("SELECT name FROM team ORDER BY name")).scalars())


def duties(database: Database) -> list[Any]:
    with database.reader() as session:
        return list(session.execute(text("SELECT * FROM duty ORDER BY number")).mappings())


def said(*words: Any) -> list[Said]:
    return [Said(thing_id=new_id(), words=word) for word in words]


def with_consequences(database: Database, **more: Any) -> Database:
    return Database(database.engine, Consequences(**more))


class Stop(Exception):
    """What goes wrong in these tests."""


class TestWhole:
    def test_everything_is_written_together(self, database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.add(Team(id=new_id(), name="A", version=1))
            uow.add_rows(Team, [{"id": new_id(), "name": "B", "version": 1}])
            uow.record(said("x")[0])
            uow.duty("test", new_id())
            assert teams(database) == []
        assert teams(database) == ["A", "B"]
        assert told(database) == [("test.said", "x")]
        assert len(duties(database)) == 1

    def test_an_exception_leaves_nothing(self, database: Database) -> None:
        def fail() -> None:
            with database.unit_of_work(SYSTEM) as uow:
                uow.session.add(Team(id=new_id(), name="A", version=1))
                uow.session.flush()
                uow.add_rows(Team, [{"id": new_id(), "name": "B", "version": 1}])
                uow.record(said("x")[0])
                uow.duty("test", new_id())
                raise Stop

        with pytest.raises(Stop):
            fail()
        assert (teams(database), told(database), duties(database)) == ([], [], [])

    def test_a_broken_promise_of_the_database_leaves_nothing(self, database: Database) -> None:
        def fail() -> None:
            with database.unit_of_work(SYSTEM) as uow:
                uow.record(said("x")[0])
                uow.duty("test", new_id())
                uow.add_rows(Team, [{"id": new_id(), "name": "twice", "version": 1} for _ in range(2)])

        with pytest.raises(IntegrityError):
            fail()
        assert (teams(database), told(database), duties(database)) == ([], [], [])

    def test_an_exception_after_finish_leaves_nothing(self, database: Database) -> None:
        """The edges answer between `finish` and the commit; a crash there takes everything with it."""

        def fail() -> None:
            with database.unit_of_work(SYSTEM) as uow:
                uow.record(said("x")[0])
                uow.finish()
                raise Stop

        with pytest.raises(Stop):
            fail()
        assert told(database) == []

    def test_finish_twice_is_once_and_the_end(self, database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            uow.record(said("x")[0])
            uow.finish()
            uow.finish()
            late: list[Callable[[], None]] = [
                lambda: uow.record(said("y")[0]),
                lambda: uow.duty("test", new_id()),
                lambda: uow.add_rows(Team, []),
            ]
            for saying in late:
                with pytest.raises(RuntimeError, match="finished"):
                    saying()
        assert told(database) == [("test.said", "x")]

    def test_who_and_when(self, database: Database) -> None:
        actor = agent_actor(new_id(), "Ana", "agent", SHIPPED["agent"].rights, ())
        with database.unit_of_work(actor, request_id="r-1") as uow:
            first = uow.now
            uow.record(said("x")[0])
            assert uow.now is first
        with database.reader() as session:
            row = session.execute(text("SELECT * FROM event WHERE type = 'test.said'")).mappings().one()
            now = session.execute(text("SELECT now()")).scalar_one()
        assert (row["actor_kind"], row["actor_id"], row["request_id"]) == ("agent", actor.id, "r-1")
        assert row["occurred_at"] == first
        assert first.utcoffset() == timedelta(0)
        assert timedelta(0) <= now - first < timedelta(minutes=1)

    def test_the_time_may_be_given(self, database: Database) -> None:
        moment = datetime(2020, 1, 1, tzinfo=UTC)
        with database.unit_of_work(SYSTEM, now=moment) as uow:
            assert uow.now is moment
            uow.duty("test", new_id())
        assert duties(database)[0]["not_before"] == moment

    def test_nothing_happened(self, database: Database, statements: Any) -> None:
        with statements() as seen, database.unit_of_work(SYSTEM):
            pass
        assert len(seen) == 0


class TestSubscribers:
    def test_all_of_a_type_together_and_in_order(self, database: Database) -> None:
        batches: list[list[Any]] = []

        def listen(_uow: UnitOfWork, events: Sequence[Said]) -> None:
            batches.append([event.words for event in events])

        with with_consequences(database, subscribers={Said: (listen, listen)}).unit_of_work(SYSTEM) as uow:
            for event in said(1, 2):
                uow.record(event)
            uow.record(Heard(thing_id=new_id(), words="not for them"))
            uow.record(said(3)[0])
            assert batches == []  # at the end, not at once
        assert batches == [[1, 2, 3], [1, 2, 3]]

    def test_in_the_same_transaction(self, database: Database) -> None:
        def write(uow: UnitOfWork, events: Sequence[Said]) -> None:
            assert uow.session.execute(text("SELECT count(*) FROM team")).scalar_one() == 1
            uow.add_rows(Team, [{"id": new_id(), "name": "theirs", "version": 1}])
            if events[0].words == "stop":
                raise Stop

        db = with_consequences(database, subscribers={Said: (write,)})

        def act(word: str) -> None:
            with db.unit_of_work(SYSTEM) as uow:
                uow.session.add(Team(id=new_id(), name="ours", version=1))
                uow.session.flush()
                uow.record(said(word)[0])

        with pytest.raises(Stop):
            act("stop")
        assert (teams(database), told(database)) == ([], [])
        act("go on")
        assert teams(database) == ["ours", "theirs"]

    def test_what_they_record_is_recorded_and_heard(self, database: Database) -> None:
        def answer(uow: UnitOfWork, events: Sequence[Said]) -> None:
            for event in events:
                uow.record(Heard(thing_id=event.thing_id, words=event.words), uow.stream_of(event.thing_id))

        heard: list[Any] = []

        def note(_uow: UnitOfWork, events: Sequence[Heard]) -> None:
            heard.extend(event.words for event in events)

        chain = Chain()
        say(with_consequences(database, subscribers={Said: (answer,), Heard: (note,)}), chain, "a", "b")
        assert heard == ["a", "b"]
        assert told(database) == [("test.said", "a"), ("test.said", "b"), ("test.heard", "a"), ("test.heard", "b")]
        assert chain.event_count == 4

    def test_a_stream_that_is_not_locked(self, database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow, pytest.raises(LookupError, match="no lock is held"):
            uow.stream_of(new_id())


class TestDuties:
    def test_same_key_is_the_same_duty(self, database: Database) -> None:
        subject = new_id()
        for _ in range(2):
            with database.unit_of_work(SYSTEM) as uow:
                for payload in ({"n": 1}, {"n": 2}):
                    uow.duty("test", subject, dedupe_key="k", payload=payload)
        with database.unit_of_work(SYSTEM) as uow:
            uow.duty("other topic", subject, dedupe_key="k")
        assert [(row["topic"], row["payload"]) for row in duties(database)] == [("test", {"n": 1}), ("other topic", {})]

    def test_without_a_key_each_is_its_own(self, database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            for _ in range(3):
                uow.duty("test", new_id())
        assert len(duties(database)) == 3

    @pytest.mark.parametrize("key", [None, "k"])
    def test_many(self, database: Database, key: str | None) -> None:
        """By COPY where there is no key to look at, by INSERT otherwise."""
        later = datetime(2030, 1, 1, tzinfo=UTC)
        ids = [new_id() for _ in range(COPY_FROM + 5)]
        with database.unit_of_work(SYSTEM) as uow:
            for place, subject in enumerate(ids):
                uow.duty(
                    "test", subject, payload={"place": place}, not_before=later, dedupe_key=key and f"{key}{place}"
                )
        rows = duties(database)
        assert [row["subject_id"] for row in rows] == ids
        assert {row["next_at"] for row in rows} == {later}
        assert rows[7]["payload"] == {"place": 7}

    def test_the_relay_is_told_at_the_commit(self, database: Database, engine: Engine) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"LISTEN {outbox.CHANNEL}"))
            driver: Any = connection.connection.driver_connection
            with database.unit_of_work(SYSTEM) as uow:
                uow.duty("test", new_id())
                uow.finish()
                assert list(driver.notifies(timeout=0, stop_after=1)) == []
            assert [note.channel for note in driver.notifies(timeout=10, stop_after=1)] == [outbox.CHANNEL]
            connection.execute(text(f"UNLISTEN {outbox.CHANNEL}"))


class TestRows:
    HOSTILE = (
        "tab\there",
        "line\nbreak\r\n",
        "back\\slash \\N \\.",
        "quote ' \" ;--",
        "",
        "包裹 📦",
        "\u2028",
        "{}",
        "NULL",
    )

    @pytest.mark.parametrize("copies", [1, COPY_FROM])
    def test_any_text_by_insert_and_by_copy(self, database: Database, copies: int) -> None:
        rows = [
            {"id": new_id(), "subject_id": new_id(), "reason": "r", "recipient": "x", "subject": words, "body": words}
            for _ in range(copies)
            for words in self.HOSTILE
        ]
        with database.unit_of_work(SYSTEM) as uow:
            uow.add_rows(OutboundMail, rows)
        with database.reader() as session:
            found = session.execute(text("SELECT id, subject, body FROM outbound_mail")).all()
        assert {row.id: (row.subject, row.body) for row in found} == {
            row["id"]: (row["subject"], row["body"]) for row in rows
        }

    def test_referenced_tables_first(self, database: Database) -> None:
        """The order of the foreign keys, whatever the order of `add_rows`."""
        team_id, agent_id = new_id(), new_id()
        with database.unit_of_work(SYSTEM) as uow:
            uow.add_rows(TeamMember, [{"team_id": team_id, "agent_id": agent_id}])
            uow.add_rows(
                Agent,
                [{"id": agent_id, "email": "a@x.example", "name": "A", "role": "agent", "active": True, "version": 1}],
            )
            uow.add_rows(Team, [{"id": team_id, "name": "T", "version": 1}])
        assert teams(database) == ["T"]


class TestReaders:
    def test_snapshot_is_of_one_moment(self, database: Database) -> None:
        with database.snapshot() as session:
            assert session.execute(text("SELECT count(*) FROM event WHERE type = 'test.said'")).scalar_one() == 0
            say(database, Chain(), "meanwhile")
            assert session.execute(text("SELECT count(*) FROM event WHERE type = 'test.said'")).scalar_one() == 0

    def test_snapshot_changes_nothing(self, database: Database) -> None:
        with database.snapshot() as session, pytest.raises(DBAPIError, match="read-only"):
            session.execute(text("DELETE FROM duty"))

    def test_reader_sees_each_commit(self, database: Database) -> None:
        with database.reader() as session:
            assert session.execute(text("SELECT count(*) FROM event WHERE type = 'test.said'")).scalar_one() == 0
            say(database, Chain(), "meanwhile")
            assert session.execute(text("SELECT count(*) FROM event WHERE type = 'test.said'")).scalar_one() == 1
