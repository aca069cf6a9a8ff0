"""Watching, mentioning, and being told.

How it can fail: somebody is told of what they may not see, at once or after their team has changed; to watch widens what
is seen; one event is told twice, or to who did it; a handle is guessed; the mail goes out though it was read, or twice;
counts and lists differ; two who watch at once are refused or doubled; other people's notifications are read or marked.
"""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from helpdesk.complaints import notification_queries, notifications, queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.watchers import MAX_WATCHERS
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.permissions import ROLES
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.sweep import ring_due
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD, receive
from tests.conftest import Caller, Join, make_agent, make_team
from tests.racing import at_once
from tests.sla.climbing import AROUND_THE_CLOCK, set_hours


def at(complaint: dict[str, Any], *more: str) -> str:
    return "/".join(("/complaints", complaint["reference"], *more))


def watch(caller: Caller, complaint: dict[str, Any], who: UUID | None = None) -> Any:
    return caller.put(at(complaint, "watchers", str(who or caller.id)), None)


def told(caller: Caller, query: str = "") -> list[str]:
    """The kinds of what they were told, newest first."""
    answer = caller.get(f"/notifications?limit=200{query}")
    assert answer.status_code == 200, answer.text
    kinds = [item["kind"] for item in answer.json["items"]]
    if not query:
        unread = [item for item in answer.json["items"] if item["read_at"] is None]
        assert caller.get("/notifications/unread").json == {"unread": len(unread), "more": False}
        assert caller.get("/notifications?count=true&limit=1").json["total"] == len(kinds)
    return kinds


def write(caller: Caller, complaint: dict[str, Any], kind: str, body: str = "x", **more: Any) -> Any:
    return caller.post(at(complaint, "messages"), {"kind": kind, "body": body, **more})


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestWatching:
    def test_anonymous_stranger(
        self, anonymous: Caller, join: Join, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        path = at(complaint, "watchers", str(agent.id))
        stranger = join(team_ids=[make_team(database, "Other")])
        for who, status in ((anonymous, 401), (stranger, 404)):
            assert who.put(path, None).status_code == status
            assert who.delete(path).status_code == status
        assert anonymous.get(at(complaint, "watchers")).status_code == 401
        assert stranger.get(at(complaint, "watchers")).status_code == 404

    def test_oneself(self, agent: Caller, join: Join, complaint: dict[str, Any]) -> None:
        answer = watch(agent, complaint)
        assert answer.status_code == 200
        assert answer.json["added_by"] == str(agent.id)
        assert watch(agent, complaint).json == answer.json
        assert agent.get(at(complaint, "watchers?count=true")).json == {
            "items": [answer.json],
            "next_cursor": None,
            "total": 1,
        }
        types = [item["type"] for item in agent.get(at(complaint, "timeline")).json["items"]]
        assert types.count("complaint.watcher_added") == 1
        assert agent.delete(at(complaint, "watchers", str(agent.id))).status_code == 204
        assert agent.delete(at(complaint, "watchers", str(agent.id))).status_code == 404
        assert agent.get(at(complaint, "watchers")).json["items"] == []
        assert watch(join("auditor"), complaint).status_code == 200  # to read is enough

    def test_others_need_the_right_to_assign(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        refused = watch(agent, complaint, senior.id)
        assert (refused.status_code, refused.json["permission"]) == (403, "complaint:assign")
        assert watch(senior, complaint, agent.id).json["added_by"] == str(senior.id)
        assert senior.delete(at(complaint, "watchers", str(agent.id))).status_code == 204

    def test_who_may_not_see_it_or_is_not_there(
        self, senior: Caller, join: Join, database: Database, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        stranger = join(team_ids=[make_team(database, "Other")], name="Ines Stranger")
        refused = watch(senior, complaint, stranger.id)
        assert (refused.status_code, refused.json["code"]) == (409, "cannot_see")
        assert "Ines Stranger" in refused.json["detail"]
        assert watch(senior, complaint, uuid4()).status_code == 404
        gone = join()
        with engine.begin() as connection:
            connection.execute(text("UPDATE agent SET active = false WHERE id = :id"), {"id": gone.id})
        assert watch(senior, complaint, gone.id).status_code == 404

    def test_it_shows_nothing_more(
        self, join: Join, database: Database, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        """The complaint goes to another team: who watches it sees no more than before."""
        watcher = join()
        watch(watcher, complaint)
        write(manager, complaint, "inbound")
        assert told(watcher) == ["inbound_message"]
        body = {"team_id": str(make_team(database, "Other"))}
        assert manager.put(at(complaint, "assignment"), body, if_match="*").status_code == 200
        assert watcher.get(at(complaint)).status_code == 404
        assert told(watcher) == []
        write(manager, complaint, "inbound")
        assert told(watcher) == []
        with database.reader() as session:
            assert session.execute(text("SELECT count(*) FROM notification")).scalar_one() == 1

    def test_at_once(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answers = at_once(*[lambda: watch(agent, complaint).status_code] * 4)
        assert answers == [200] * 4
        assert len(agent.get(at(complaint, "watchers")).json["items"]) == 1

    def test_not_without_end(self, senior: Caller, database: Database, complaint: dict[str, Any]) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(
                text(
                    "WITH a AS (INSERT INTO agent (id, email, name, role) SELECT gen_random_uuid(), n || '@many.example', "
                    "'N', 'agent' FROM generate_series(1, :n) AS n RETURNING id) "
                    "INSERT INTO complaint_watcher (complaint_id, agent_id) SELECT :complaint, id FROM a"
                ),
                {"n": MAX_WATCHERS, "complaint": complaint["id"]},
            )
        assert watch(senior, complaint).json["code"] == "too_many_watchers"


class TestTold:
    def test_inbound_message(self, agent: Caller, senior: Caller, join: Join, complaint: dict[str, Any]) -> None:
        """Who has it and who watches it; who is both, once; nobody else."""
        other, watcher = join(), join()
        agent.post(at(complaint, "claim"))
        watch(agent, complaint)
        watch(watcher, complaint)
        message = write(senior, complaint, "inbound").json
        [item] = agent.get("/notifications").json["items"]
        assert item["message_id"] == message["id"]
        assert (item["reference"], item["subject"]) == (complaint["reference"], complaint["subject"])
        assert item["actor_id"] == str(senior.id)
        assert told(watcher) == ["inbound_message"]
        assert (told(other), told(senior)) == ([], [])
        write(senior, complaint, "public_reply")
        write(senior, complaint, "internal_note")
        assert told(agent) == ["inbound_message"]

    def test_nobody_is_told_what_they_did(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "claim"))
        watch(agent, complaint)
        write(agent, complaint, "inbound")
        write(agent, complaint, "internal_note", "for me", mentions=[str(agent.id)])
        agent.post(at(complaint, "actions", "withdraw"), GOOD["withdraw"])
        assert told(agent) == []

    def test_assigned(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        body = {"assignee_id": str(agent.id)}
        assert senior.put(at(complaint, "assignment"), body, if_match="*").status_code == 200
        assert told(agent) == ["assigned"]
        assert senior.put(at(complaint, "assignment"), body, if_match="*").status_code == 200
        assert told(agent) == ["assigned"]  # nothing changed
        senior.put(at(complaint, "assignment"), {"assignee_id": None}, if_match="*")
        assert told(agent) == ["assigned"]

    def test_status_of_watched(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        watch(agent, complaint)
        senior.post(at(complaint, "actions", "triage"), GOOD["triage"])
        assert told(agent) == []
        senior.post(at(complaint, "actions", "investigate"), GOOD["investigate"])
        [item] = agent.get("/notifications").json["items"]
        assert (item["kind"], item["detail"]) == (
            "status_changed",
            {"from_status": "received", "to_status": "investigated"},
        )

    def test_broken_promise_of_own(
        self, agent: Caller, join: Join, database: Database, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        watcher = join()
        watch(watcher, complaint)
        agent.post(at(complaint, "claim"))
        set_hours(database, agent.id, AROUND_THE_CLOCK)  # whatever day it is
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE sla_clock SET started_at = now() - interval '90 days', due_at = now() - interval '1 day', "
                    "next_alarm_at = now() - interval '1 day', next_threshold = 100 WHERE kind = 'acknowledge'"
                )
            )
        ring_due(database)
        ring_due(database)
        [item] = agent.get("/notifications?kind=sla_breached").json["items"]
        assert item["detail"]["promise"] == "acknowledge"
        assert (item["actor_kind"], item["actor_id"]) == ("system", None)
        assert told(watcher) == []

    def test_muted(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "claim"))
        agent.put("/notifications/preferences", {"mail": [], "muted": ["inbound_message"]}, if_match="*")
        write(senior, complaint, "inbound")
        write(senior, complaint, "internal_note", "look", mentions=[str(agent.id)])
        assert told(agent) == ["mentioned"]

    def test_the_deactivated_are_told_nothing(
        self, agent: Caller, senior: Caller, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        watch(agent, complaint)
        with engine.begin() as connection:
            connection.execute(text("UPDATE agent SET active = false WHERE id = :id"), {"id": agent.id})
        write(senior, complaint, "inbound")
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM notification")).scalar_one() == 0

    def test_all_or_nothing(self, agent: Caller, senior: Caller, engine: Engine, complaint: dict[str, Any]) -> None:
        """What is refused has told nobody."""
        watch(agent, complaint)
        answer = senior.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}, if_match='"v99"')
        assert answer.status_code == 412
        assert told(agent) == []


class TestMentions:
    def test_by_id_once(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        handle = senior.get(f"/agents/{agent.id}").json["email"]
        note = write(senior, complaint, "internal_note", f"@{handle} please", mentions=[str(agent.id)] * 2)
        assert note.json["mentions"] == [str(agent.id)]
        [item] = agent.get("/notifications").json["items"]
        assert (item["kind"], item["message_id"]) == ("mentioned", note.json["id"])

    @pytest.mark.parametrize(
        "note",
        [
            "@ana.souza look",
            "look, @Ana.Souza.",
            "(@ana.s)",
            "@ana.s@one.example,",
            "@ANA.S@ONE.EXAMPLE: now",
            "one\n@ana.s-",
            "请看 @ana.s",
            "@@ana.s @ana.s",
        ],
    )
    def test_by_handle(self, agent: Caller, join: Join, engine: Engine, complaint: dict[str, Any], note: str) -> None:
        ana = join(name="Ana Souza")
        self.rename(engine, ana, "ana.s@one.example")
        answer = write(agent, complaint, "internal_note", note)
        assert answer.json["mentions"] == [str(ana.id)]

    @pytest.mark.parametrize(
        "note", ["mail ana.s@one.example", "@", "@ ana.s", "@nobody", "@ana.souzas", "x@ana.s", "@-ana.s", "@" * 50_000]
    )
    def test_words_like_any_other(
        self, agent: Caller, join: Join, engine: Engine, complaint: dict[str, Any], note: str
    ) -> None:
        self.rename(engine, join(name="Ana Souza"), "ana.s@one.example")
        assert write(agent, complaint, "internal_note", note).json["mentions"] == []

    def rename(self, engine: Engine, caller: Caller, email: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE agent SET email = :e WHERE id = :id"), {"e": email, "id": caller.id})

    def test_one_that_could_be_two(self, agent: Caller, join: Join, engine: Engine, complaint: dict[str, Any]) -> None:
        one, two = join(name="Ana One"), join(name="Ana Two")
        self.rename(engine, one, "ana@one.example")
        self.rename(engine, two, "ana@two.example")
        refused = write(agent, complaint, "internal_note", "@ana look")
        assert pointers(refused) == {"/body": "ambiguous"}
        assert "ana@one.example" in refused.text
        assert "ana@two.example" in refused.text
        assert agent.get(at(complaint, "messages")).json["items"] == []
        assert write(agent, complaint, "internal_note", "@ana@two.example look").json["mentions"] == [str(two.id)]
        chosen = write(agent, complaint, "internal_note", "@ana look", mentions=[str(one.id)])
        assert chosen.json["mentions"] == [str(one.id)]

    def test_who_may_not_see_it_is_named(
        self, agent: Caller, join: Join, database: Database, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        stranger = join(team_ids=[make_team(database, "Other")], name="Ines Stranger")
        self.rename(engine, stranger, "ines@one.example")
        by_id = write(agent, complaint, "internal_note", "x", mentions=[str(uuid4()), str(stranger.id)])
        assert pointers(by_id) == {"/mentions/0": "unknown", "/mentions/1": "cannot_see"}
        assert "Ines Stranger" in by_id.text
        assert pointers(write(agent, complaint, "internal_note", "@ines look")) == {"/body": "cannot_see"}
        assert told(stranger) == []

    def test_only_in_notes(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        for kind in ("public_reply", "inbound"):
            answer = write(senior, complaint, kind, "x", mentions=[str(agent.id)])
            assert pointers(answer) == {"/mentions": "invalid"}
        handle = senior.get(f"/agents/{agent.id}").json["email"]
        assert write(senior, complaint, "public_reply", f"@{handle}").json["mentions"] == []
        assert told(agent) == []

    def test_too_many(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = write(agent, complaint, "internal_note", "x", mentions=[str(uuid4()) for _ in range(21)])
        assert pointers(answer) == {"/mentions": "length"}


class TestReading:
    @pytest.fixture
    def three(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> list[dict[str, Any]]:
        agent.post(at(complaint, "claim"))
        for _ in range(3):
            write(senior, complaint, "inbound")
        return list(agent.get("/notifications").json["items"])

    def test_anonymous(self, anonymous: Caller) -> None:
        for path in ("/notifications", "/notifications/unread", "/notifications/preferences"):
            assert anonymous.get(path).status_code == 401
        assert anonymous.post("/notifications/read", {}).status_code == 401
        assert anonymous.post(f"/notifications/{uuid4()}/read").status_code == 401
        assert anonymous.put("/notifications/preferences", {"mail": [], "muted": []}).status_code == 401

    def test_pages(self, agent: Caller, three: list[dict[str, Any]]) -> None:
        page = agent.get("/notifications?limit=2").json
        rest = agent.get(f"/notifications?limit=2&cursor={page['next_cursor']}").json
        assert [item["id"] for item in page["items"] + rest["items"]] == [item["id"] for item in three]

    def test_one(self, agent: Caller, senior: Caller, three: list[dict[str, Any]]) -> None:
        path = f"/notifications/{three[1]['id']}/read"
        assert senior.post(path).status_code == 404
        first = agent.post(path)
        assert first.json["read_at"] is not None
        assert agent.post(path).json == first.json
        assert len(told(agent, "&unread=true")) == 2
        assert len(told(agent, "&unread=false")) == 1
        assert agent.post(f"/notifications/{uuid4()}/read").status_code == 404

    def test_all_up_to_one(self, agent: Caller, senior: Caller, three: list[dict[str, Any]]) -> None:
        assert senior.post("/notifications/read", {}).json == {"marked": 0}
        assert agent.post("/notifications/read", {"up_to": three[1]["id"]}).json == {"marked": 2}
        assert [item["id"] for item in agent.get("/notifications?unread=true").json["items"]] == [three[0]["id"]]
        assert agent.post("/notifications/read", {}).json == {"marked": 1}
        assert agent.post("/notifications/read", {}).json == {"marked": 0}

    def test_counted_up_to_a_thousand(
        self, agent: Caller, engine: Engine, three: list[dict[str, Any]], complaint: dict[str, Any]
    ) -> None:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO notification (id, agent_id, complaint_id, event_id, kind, actor_kind, detail) "
                    "SELECT gen_random_uuid(), :agent, :complaint, gen_random_uuid(), 'assigned', 'system', '{}' "
                    "FROM generate_series(1, 1000)"
                ),
                {"agent": agent.id, "complaint": complaint["id"]},
            )
        assert agent.get("/notifications/unread").json == {"unread": 1000, "more": True}

    def test_forgotten(self, agent: Caller, engine: Engine, three: list[dict[str, Any]]) -> None:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE notification SET created_at = now() - interval '91 days' WHERE id = :id"),
                {"id": three[2]["id"]},
            )
        for expected in (1, 0):
            assert notification_queries.forget_old(engine) == expected
        assert [item["id"] for item in agent.get("/notifications").json["items"]] == [item["id"] for item in three[:2]]

    def test_preferences(self, agent: Caller) -> None:
        path = "/notifications/preferences"
        assert agent.get(path).json == {"mail": [], "muted": [], "version": 0}
        chosen = {"mail": ["mentioned", "assigned", "mentioned"], "muted": []}
        kept = {"mail": ["assigned", "mentioned"], "muted": []}
        assert agent.put(path, chosen).status_code == 428
        seen = agent.get(path).headers["ETag"]
        assert agent.put(path, chosen, if_match=seen).json == kept | {"version": 1} == agent.get(path).json
        assert agent.put(path, chosen, if_match='"v1"').json["version"] == 1  # nothing changed
        assert agent.put(path, kept | {"mail": []}, if_match='"v1"').json["mail"] == []
        assert agent.put(path, kept, if_match=seen).status_code == 412
        assert pointers(agent.put(path, {"mail": ["everything"], "muted": []}, if_match="*")) == {"/mail/0": "choice"}
        assert pointers(agent.put(path, {"mail": []}, if_match="*")) == {"/muted": "required"}

    def test_of_two_that_choose_for_the_first_time_one_wins(self, agent: Caller, senior: Caller) -> None:
        path = "/notifications/preferences"
        assert senior.get(path).json["version"] == 0
        wanted = [{"mail": ["mentioned"], "muted": []}, {"mail": [], "muted": ["assigned"]}]
        answers = at_once(*(lambda body=body: agent.put(path, body, if_match='"v0"').status_code for body in wanted))
        assert sorted(answers) == [200, 412]


class TestMail:
    @pytest.fixture
    def owed(self, agent: Caller, senior: Caller, database: Database, complaint: dict[str, Any]) -> UUID:
        """A duty to mail a mention."""
        agent.put("/notifications/preferences", {"mail": ["mentioned"], "muted": []}, if_match="*")
        write(senior, complaint, "internal_note", "confidential", mentions=[str(agent.id)])
        write(senior, complaint, "inbound")
        with database.reader() as session:
            duty: UUID = session.execute(text("SELECT id FROM duty WHERE topic = 'notification.mail'")).scalar_one()
        return duty

    def mails(self, database: Database) -> list[Any]:
        with database.reader() as session:
            return list(session.execute(text("SELECT * FROM outbound_mail WHERE reason = 'notification'")).mappings())

    def test_once_though_performed_twice(
        self, program: Program, database: Database, owed: UUID, complaint: dict[str, Any]
    ) -> None:
        assert program.performer.perform([owed, owed]) == {"done": 1, "skipped": 1, "failed": 0}
        [mail] = self.mails(database)
        assert complaint["reference"] in mail["subject"]
        assert "confidential" not in mail["body"]
        assert complaint["subject"] not in mail["body"] + mail["subject"]

    def test_twice_at_once(self, program: Program, database: Database, owed: UUID) -> None:
        with database.reader() as session:
            subject = session.execute(text("SELECT subject_id FROM duty WHERE id = :id"), {"id": owed}).scalar_one()
        at_once(*[lambda: notifications.mail_notification(program.tools, owed, subject)] * 3)
        assert len(self.mails(database)) == 1

    def test_not_what_was_read(self, program: Program, database: Database, agent: Caller, owed: UUID) -> None:
        agent.post("/notifications/read", {})
        assert program.performer.perform([owed])["done"] == 1
        assert self.mails(database) == []

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE agent SET active = false WHERE id = :agent",
            "UPDATE complaint SET team_id = :other, assignee_id = NULL",
            "DELETE FROM notification",
        ],
    )
    def test_not_what_they_may_not_see(
        self, program: Program, database: Database, agent: Caller, owed: UUID, change: str
    ) -> None:
        other = make_team(database, "Other")
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text(change), {"agent": agent.id, "other": other})
        assert program.performer.perform([owed])["done"] == 1
        assert self.mails(database) == []


SIGHTS: Final = st.tuples(st.sampled_from(sorted(ROLES)), st.sets(st.integers(0, 2)))


class TestSight:
    def test_every_kind_of_sight_has_both_forms(self) -> None:
        assert queries._SEES.keys() == queries.SIGHTS.keys()

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(sights=st.lists(SIGHTS, min_size=1, max_size=4), teams=st.lists(st.none() | st.integers(0, 2), max_size=4))
    def test_in_hand_as_in_the_database(
        self,
        app: Any,
        database: Database,
        sights: list[tuple[str, set[int]]],
        teams: list[int | None],
    ) -> None:
        """`sees` is `visible_to`: random roles and teams, complaints of random teams and assignees."""
        known = [make_team(database, str(uuid4())) for _ in range(3)]
        callers = [make_agent(app, database, role, [known[place] for place in places]) for role, places in sights]
        actors = [
            *(caller.actor for caller in callers),
            SYSTEM,
            replace(SYSTEM, kind="complainant"),
            replace(SYSTEM, kind="anonymous"),
        ]
        ids = []
        for place, team in enumerate(teams):
            caller = callers[place % len(callers)]
            ids.append(receive(database))
            with database.unit_of_work(SYSTEM) as uow:
                uow.session.execute(
                    text("UPDATE complaint SET team_id = :team, assignee_id = :agent WHERE id = :id"),
                    {
                        "team": None if team is None else known[team],
                        "agent": caller.id if place % 2 else None,
                        "id": ids[-1],
                    },
                )
        with database.reader() as session:
            rows = session.scalars(select(Complaint).where(Complaint.id.in_(ids))).all()
            for actor in actors:
                visible = set(session.scalars(select(Complaint.id).where(queries.visible_to(actor))))
                assert {row.id for row in rows if queries.sees(actor, row)} == visible & {row.id for row in rows}
