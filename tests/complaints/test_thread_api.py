"""Messages, and the timeline with its chain.

How it can fail: a mail is sent twice or to nobody; the timeline says "broken" because somebody wrote meanwhile.
"""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import at, done, everything, new, problems
from tests.conftest import Caller, Join, make_team
from tests.tampering import past_the_trigger


class TestMessages:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.get(at(complaint, "messages")).status_code == 401
        assert anonymous.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}).status_code == 401

    def test_wrong_role_and_team(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        body = {"kind": "internal_note", "body": "x"}
        assert join("auditor").post(at(complaint, "messages"), body).status_code == 403
        stranger = join(team_ids=[make_team(database, "Other")])
        assert stranger.post(at(complaint, "messages"), body).status_code == 404
        assert stranger.get(at(complaint, "messages")).status_code == 404

    def test_public_reply_owes_a_mail(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        answer = agent.post(
            at(complaint, "messages"), {"kind": "public_reply", "body": "We have it.", "channel": "EMAIL"}
        )
        assert answer.status_code == 201
        assert answer.json["author_id"] == str(agent.id)
        with engine.connect() as connection:
            mail = connection.execute(text("SELECT * FROM outbound_mail")).mappings().one()
            duty = connection.execute(text("SELECT * FROM duty WHERE topic = 'mail.deliver'")).mappings().one()
        assert (mail["recipient"], mail["body"]) == ("li.wei@example.com", "We have it.")
        assert mail["subject"] == f"Your complaint {complaint['reference']}"
        assert (duty["subject_id"], duty["done_at"]) == (mail["id"], None)
        assert agent.get(at(complaint)).json["version"] == 2

    def test_the_representative_is_written_to(self, agent: Caller, engine: Engine) -> None:
        proxy = {"name": "Ana", "email": "ana@law.example", "authority": "Signed letter"}
        shown = new(agent, representative=proxy)
        agent.post(at(shown, "messages"), {"kind": "public_reply", "body": "x"})
        with engine.connect() as connection:
            assert connection.execute(text("SELECT recipient FROM outbound_mail")).scalar_one() == "ana@law.example"

    @pytest.mark.parametrize("kind", ["internal_note", "inbound"])
    def test_others_go_to_nobody(self, agent: Caller, complaint: dict[str, Any], engine: Engine, kind: str) -> None:
        assert agent.post(at(complaint, "messages"), {"kind": kind, "body": "x"}).status_code == 201
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 0

    def test_no_address_no_mail(self, agent: Caller, engine: Engine) -> None:
        shown = new(agent, complainant={"name": "No Address"})
        assert agent.post(at(shown, "messages"), {"kind": "public_reply", "body": "x"}).status_code == 201
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 0

    def test_inbound_ends_the_waiting(self, agent: Caller, complaint: dict[str, Any]) -> None:
        done(agent, complaint, "ask_customer")
        agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": "Still waiting."})
        assert agent.get(at(complaint)).json["waiting_on"] == "customer"
        agent.post(at(complaint, "messages"), {"kind": "inbound", "body": "Monday.", "channel": "EMAIL"})
        assert agent.get(at(complaint)).json["waiting_on"] == "us"
        types = [entry["type"] for entry in everything(agent, at(complaint, "timeline"))]
        assert types[-3:] == ["complaint.message_added", "complaint.resumed", "sla.resumed"]
        done(agent, complaint, "ask_third_party")
        agent.post(at(complaint, "messages"), {"kind": "inbound", "body": "Any news?"})
        assert agent.get(at(complaint)).json["waiting_on"] == "third_party"

    def test_thread_in_order_and_pages(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for number in range(7):
            agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": f"note {number}"})
        new(agent)
        assert [item["body"] for item in everything(agent, at(complaint, "messages"), limit=2)] == [
            f"note {number}" for number in range(7)
        ]

    def test_count(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for _ in range(3):
            agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": "x"})
        assert agent.get(at(complaint, "messages?limit=1&count=true")).json["total"] == 3
        assert agent.get(at(complaint, "timeline?limit=1&count=true")).json["total"] == 5

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"kind": "shout", "body": "x"}, "/kind"),
            ({"kind": "inbound"}, "/body"),
            ({"kind": "inbound", "body": "\x1b[31m"}, "/body"),
            ({"kind": "inbound", "body": "x", "author_id": None}, "/author_id"),
        ],
    )
    def test_bad(self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], pointer: str) -> None:
        assert pointer in problems(agent.post(at(complaint, "messages"), body))


class TestTimeline:
    def test_anonymous_and_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        stranger = join(team_ids=[make_team(database, "Other")])
        for path in ("timeline", "timeline/verification"):
            assert anonymous.get(at(complaint, path)).status_code == 401
            assert stranger.get(at(complaint, path)).status_code == 404

    def test_everything_that_happened(self, agent: Caller, complaint: dict[str, Any]) -> None:
        done(agent, complaint, "acknowledge", "investigate", "resolve")
        agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": "secret words"})
        entries = everything(agent, at(complaint, "timeline"), limit=2)
        assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
        assert [entry["type"] for entry in entries] == [
            "complaint.received",
            "sla.started",
            "complaint.message_added",
            "complaint.acknowledged",
            "sla.met",
            "complaint.investigated",
            "sla.met",
            "complaint.message_added",
            "complaint.resolved",
            "sla.started",
            "sla.met",
            "complaint.message_added",
        ]
        assert {entry["actor_id"] for entry in entries} == {str(agent.id)}
        assert len({entry["hash"] for entry in entries}) == len(entries)
        assert "secret words" not in str(entries)  # an event outlives an erasure
        report = agent.get(at(complaint, "timeline/verification")).json
        assert report == {
            "valid": True,
            "events": len(entries),
            "head": entries[-1]["hash"],
            "broken": [],
            "texts": 4,
            "texts_without_digest": 0,
        }

    def test_tampering_is_found(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        done(agent, complaint, "acknowledge")
        past_the_trigger(engine, """UPDATE event SET payload = payload || '{"channel": "X"}' WHERE stream_seq = 2""")
        report = agent.get(at(complaint, "timeline/verification")).json
        assert report == {
            "valid": False,
            "events": 5,
            "head": agent.get(at(complaint, "timeline")).json["items"][-1]["hash"],
            "broken": [{"sequence": 2, "kind": "payload", "what": "payload was changed"}],
            "texts": 2,
            "texts_without_digest": 0,
        }

    def test_writing_meanwhile_is_no_tampering(
        self, app: Flask, agent: Caller, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        """Somebody adds to the timeline before each statement of the verification; it holds all the same."""
        other = Caller(app.test_client(), agent.actor, agent.token)
        notes: list[int] = []
        writing = False

        def meanwhile(*_: Any) -> None:
            nonlocal writing
            if not writing:
                writing = True
                notes.append(other.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}).status_code)
                writing = False

        event.listen(engine, "before_cursor_execute", meanwhile)
        try:
            report = agent.get(at(complaint, "timeline/verification")).json
        finally:
            event.remove(engine, "before_cursor_execute", meanwhile)
        assert set(notes) == {201}
        assert report["valid"] is True, report
