"""The feed never misses an event, however late it commits."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.events import TeamCreated
from helpdesk.integrations import queries
from helpdesk.kernel.event_log import FeedPosition, current_epoch
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.integrations.conftest import Ask


def follow(caller: Caller, cursor: str | None = None, **query: str) -> dict[str, Any]:
    given = {"cursor": cursor, **query} if cursor else query
    answer = caller.get("/events?" + "&".join(f"{name}={value}" for name, value in given.items()))
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


class TestFeed:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/events").status_code == 401

    def test_an_agent_may_not(self, agent: Caller) -> None:
        assert agent.get("/events").status_code == 403

    def test_page_by_page_to_the_end_and_on(self, manager: Caller, agent: Caller) -> None:
        made = [agent.post("/complaints", complaint_body()).json["id"] for _ in range(5)]
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = follow(manager, cursor, limit="2", types="complaint.received")
            seen += [item["subject_id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if page["end_of_stream"]:
                break
        assert seen == made
        assert follow(manager, cursor) == {"items": [], "next_cursor": cursor, "end_of_stream": True}
        later = agent.post("/complaints", complaint_body()).json["id"]
        (item,) = follow(manager, cursor, types="complaint.received")["items"]
        assert item["subject_id"] == item["stream_id"] == later
        assert (item["type"], item["sequence"], item["actor_id"]) == ("complaint.received", 1, str(agent.id))
        assert item["payload"]["channel"] == "EMAIL"

    def test_nothing_new_is_not_sent_again(self, manager: Caller, complaint: dict[str, Any]) -> None:
        first = manager.get("/events")
        assert manager.get("/events", If_None_Match=first.headers["ETag"]).status_code == 304

    def test_only_some_types(self, manager: Caller, complaint: dict[str, Any]) -> None:
        assert {item["type"] for item in follow(manager)["items"]} >= {"complaint.received", "customer.created"}
        found = follow(manager, types="customer.created,customer.changed")["items"]
        assert [item["type"] for item in found] == ["customer.created"]

    def test_a_filter_moves_the_cursor_too(self, manager: Caller, complaint: dict[str, Any]) -> None:
        page = follow(manager, types="nothing.like_it")
        assert page["items"] == []
        assert page["next_cursor"] == follow(manager)["next_cursor"]

    def test_a_page_ends_at_the_window_although_there_is_more(
        self, manager: Caller, agent: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            agent.post("/complaints", complaint_body())
        monkeypatch.setattr(queries, "FEED_WINDOW", 2)
        seen, cursor, pages = [], None, 0
        while True:
            page = follow(manager, cursor, types="complaint.received")
            seen += page["items"]
            cursor, pages = page["next_cursor"], pages + 1
            if page["end_of_stream"]:
                break
        assert len(seen) == 3
        assert pages > 2

    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("cursor=nonsense", 400, "cursor_mismatch"),
            ("cursor=0000.999999999999999999.999999999999999999", 410, "cursor_expired"),
            ("cursor=0000.1.1", 410, "cursor_expired"),
            ("limit=0", 422, "validation_failed"),
            ("limit=501", 422, "validation_failed"),
            ("colour=red", 422, "validation_failed"),
        ],
    )
    def test_what_is_refused(self, manager: Caller, query: str, status: int, code: str) -> None:
        answer = manager.get(f"/events?{query}")
        assert (answer.status_code, answer.json["code"]) == (status, code)


class TestNumbers:
    def test_transaction_ids_are_compared_as_numbers(self, database: Database, manager: Caller, engine: Engine) -> None:
        """As text, 1000 comes before 999. So: pages of one event across the next change in the number of digits, or as
        many transactions as fit into a test.
        """
        made = []
        for number in range(120):
            with database.unit_of_work(SYSTEM) as uow:
                uow.record(TeamCreated(team_id=new_id(), name=f"team {number}"))
            made.append(f"team {number}")
        seen, cursor, end = [], None, False
        while not end:
            page = follow(manager, cursor, limit="50", types="team.created")
            seen += [item["payload"]["name"] for item in page["items"]]
            cursor, end = page["next_cursor"], page["end_of_stream"]
        assert [name for name in seen if name.startswith("team ")] == made

    def test_the_edge_is_the_greatest_number(self, database: Database, engine: Engine, epoch: str) -> None:
        with engine.begin() as connection:
            for xid in ("8", "9", "10"):
                connection.execute(_INSERT, {"xid": xid, "id": new_id()})
        with database.reader() as session:
            page = queries.feed(session, SYSTEM, {"limit": 100, "types": ["test.number"]})
        assert [item["request_id"] for item in page["items"]] == ["8", "9", "10"]
        assert FeedPosition.decode(page["next_cursor"]).xid >= 10

    def test_a_cursor_far_away(self, manager: Caller, epoch: str) -> None:
        cursor = f"{epoch}.{10**18 - 1}.{10**18 - 1}"
        assert follow(manager, cursor) == {"items": [], "next_cursor": cursor, "end_of_stream": True}


_INSERT = text(
    "INSERT INTO event (id, xid, type, subject_id, occurred_at, actor_kind, request_id, digest, prev_hash, hash) "
    "VALUES (:id, CAST(:xid AS xid8), 'test.number', :id, now(), 'system', :xid, '', '', '')"
)


@pytest.fixture
def epoch(database: Database) -> str:
    with database.reader() as session:
        return current_epoch(session)


class TestVisibility:
    def test_events_of_complaints_one_may_not_see_are_left_out(
        self, database: Database, join: Join, agent: Caller, complaint: dict[str, Any], engine: Engine
    ) -> None:
        """No shipped role reads the feed without seeing everything; a role of tomorrow may."""
        elsewhere = replace(
            join("agent", team_ids=[make_team(database, "Elsewhere")]).actor,
            permissions=frozenset({"event:read", "complaint:read"}),
        )
        here = replace(agent.actor, permissions=frozenset({"event:read", "complaint:read"}))
        with database.reader() as session:
            theirs = queries.feed(session, elsewhere, {"limit": 100})["items"]
            ours = queries.feed(session, here, {"limit": 100})["items"]
        assert not [item for item in theirs if str(item["stream_id"]) == complaint["id"]]
        assert [item for item in theirs if item["stream_id"] is None]
        assert [item for item in ours if str(item["stream_id"]) == complaint["id"]]


class TestLateCommits:
    def test_four_writers_that_commit_in_the_wrong_order(
        self, database: Database, manager: Caller, ask: Ask, engine: Engine
    ) -> None:
        """Each takes its place in the log, then waits; they commit last to first, with a reader between. A reader that
        remembers the highest serial number misses three of them.
        """
        written = [threading.Event() for _ in range(4)]
        commit = [threading.Event() for _ in range(4)]
        done = [threading.Event() for _ in range(4)]

        def write(place: int) -> None:
            if place:
                assert written[place - 1].wait(30)
            with database.unit_of_work(SYSTEM) as uow:
                uow.record(TeamCreated(team_id=new_id(), name=f"team {place}"))
                uow.finish()  # the event has its place now; it is committed below
                written[place].set()
                assert commit[place].wait(30)
            done[place].set()

        start = follow(manager)["next_cursor"]
        highest = ask("SELECT coalesce(max(seq), 0) FROM event")
        threads = [threading.Thread(target=write, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        assert written[3].wait(30)
        by_feed, by_serial, cursor = [], [], start
        for place in (3, 2, 1, 0):
            commit[place].set()
            assert done[place].wait(30)
            page = follow(manager, cursor, types="team.created")
            by_feed += [item["payload"]["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            with engine.connect() as connection:
                rows = connection.execute(
                    text("SELECT seq, payload->>'name' AS name FROM event WHERE seq > :seq ORDER BY seq"),
                    {"seq": highest},
                ).all()
            by_serial += [row.name for row in rows]
            highest = max([highest, *(row.seq for row in rows)])
        for thread in threads:
            thread.join(30)
        assert by_feed == ["team 0", "team 1", "team 2", "team 3"]
        assert by_serial == ["team 3"]

    def test_under_load_nothing_is_missed_or_doubled(self, database: Database, manager: Caller) -> None:
        start = follow(manager)["next_cursor"]

        def write(writer: int) -> None:
            for number in range(25):
                with database.unit_of_work(SYSTEM) as uow:
                    uow.record(TeamCreated(team_id=new_id(), name=f"{writer}.{number}"))

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for thread in threads:
            thread.start()
        seen: list[str] = []
        cursor, end = start, False
        while not end:
            running = any(thread.is_alive() for thread in threads)
            page = follow(manager, cursor, limit="7", types="team.created")
            seen += [item["payload"]["name"] for item in page["items"]]
            cursor, end = page["next_cursor"], page["end_of_stream"] and not running
        assert sorted(seen) == sorted(f"{writer}.{number}" for writer in range(4) for number in range(25))
