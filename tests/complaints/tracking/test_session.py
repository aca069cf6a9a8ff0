"""What a complainant sees and does with a reference and a secret.

How it can fail: a wrong secret is told apart from an unknown reference, by the words or by what is looked up; one secret opens
two complaints; a session outlives its secret or its time; something said among ourselves is shown, or who handles it by the
full name; an answer does not end the waiting; a complaint is reopened after the window, or cannot be within it.
"""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from flask import Flask
from itsdangerous import URLSafeSerializer
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.complaints import intake, tracking, tracking_session
from helpdesk.complaints.phrases import LANGUAGES, STANDARD, in_language, phrases, retold, said
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.tracking.complainants import SECRETS, Complainant, act, everything_written, new
from tests.conftest import SIGNING_KEY, Caller, Join, complaint_body


class TestOpening:
    def tried(self, anonymous: Caller, reference: str, secret: str) -> Any:
        return anonymous.post("/public/tracking", {"reference": reference, "secret": secret})

    def test_a_wrong_secret_is_like_an_unknown_reference(
        self, anonymous: Caller, agent: Caller, statements: Any
    ) -> None:
        shown, other = new(agent), new(agent)
        bodies, works = [], []
        for reference, secret in (
            (shown["reference"], other["tracking_secret"]),
            (shown["reference"], "0"),
            ("0000-0000-000", shown["tracking_secret"]),
            ("no reference at all", shown["tracking_secret"]),
            (shown["id"], shown["tracking_secret"]),
        ):
            with statements() as seen:
                answer = self.tried(anonymous, reference, secret)
            assert answer.status_code == 403
            bodies.append({name: value for name, value in answer.json.items() if name != "request_id"})
            works.append(len(seen))
        assert all(body == bodies[0] for body in bodies)
        assert bodies[0]["code"] == "tracking_refused"
        assert len(set(works)) == 1, works

    def test_however_both_are_typed(self, anonymous: Caller, shown: dict[str, Any]) -> None:
        answer = self.tried(anonymous, shown["reference"].lower().replace("-", " "), shown["tracking_secret"].lower())
        assert answer.status_code == 200
        wide = ["".join(chr(ord(char) + 0xFEE0) for char in shown[name]) for name in ("reference", "tracking_secret")]
        assert self.tried(anonymous, *wide).status_code == 200

    def test_full_width_wherever_a_reference_is_read(self, agent: Caller, shown: dict[str, Any]) -> None:
        wide = "".join(chr(ord(char) + 0xFEE0) for char in shown["reference"])
        assert agent.get(f"/complaints/{wide}").json["id"] == shown["id"]
        assert [item["id"] for item in agent.get(f"/complaints?ref={wide}").json["items"]] == [shown["id"]]

    def test_the_token_is_not_kept(self, anonymous: Caller, shown: dict[str, Any], engine: Engine) -> None:
        body = {"reference": shown["reference"], "secret": shown["tracking_secret"]}
        token = anonymous.post("/public/tracking", body, idempotency_key="k").json["token"]
        assert anonymous.post("/public/tracking", body, idempotency_key="k").json["token"] is None
        assert token not in everything_written(engine)

    def test_what_was_imported_has_no_secret_to_guess(
        self, anonymous: Caller, database: Database, agent: Caller
    ) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            complaint_id = intake.receive(uow, SYSTEM, ComplaintIn().load(complaint_body()))
        reference = agent.get(f"/complaints/{complaint_id}").json["reference"]
        for secret in ("", SECRETS.of(complaint_id, 0), SECRETS.of(complaint_id, 1)):
            assert self.tried(anonymous, reference, secret or "0").status_code == 403

    def test_throttled_by_address_and_by_reference(self, program: Program, shown: dict[str, Any]) -> None:
        settings = replace(program.settings, limits=True, limit_tracking="3/hour")
        app = create_app(program=replace(program, settings=settings))

        def tried(address: str, reference: str) -> Any:
            body = {"reference": reference, "secret": "0" * 27}
            return app.test_client().post("/api/v1/public/tracking", json=body, environ_base={"REMOTE_ADDR": address})

        assert [tried("203.0.113.1", "0000-0000-000").status_code for _ in range(4)] == [403, 403, 403, 429]
        assert [tried(f"198.51.100.{it}", shown["reference"]).status_code for it in range(4)] == [403, 403, 403, 429]
        unknown = [tried(f"192.0.2.{it}", "1111-1111-110").status_code for it in range(4)]
        assert unknown == [403, 403, 403, 429]  # also one that there is none of, or it would be known by that
        assert tried("198.51.100.9", "2222-2222-220").status_code == 403


class TestSession:
    def test_none_forged_foreign_or_over(
        self, anonymous: Caller, shown: dict[str, Any], agent: Caller, database: Database
    ) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            now = uow.now
        complaint_id = UUID(shown["id"])
        over, _ = tracking_session.sign(SIGNING_KEY, complaint_id, 1, now - timedelta(hours=1))
        forged, _ = tracking_session.sign("another key, long enough for anybody at all", complaint_id, 1, now)
        gone, _ = tracking_session.sign(SIGNING_KEY, new_id(), 1, now)
        odd = URLSafeSerializer(SIGNING_KEY, salt="helpdesk.tracking.session").dumps(["x", None, 10**30])
        for authorization in (
            "",
            "Tracking",
            "Tracking x",
            f"Tracking {over}",
            f"Tracking {forged}",
            f"Tracking {gone}",
            f"Tracking {odd}",
            f"Bearer {agent.token}",
            f"Tracking {agent.token}",
        ):
            answer = anonymous.get("/public/tracking/complaint", authorization=authorization)
            assert (answer.status_code, answer.json["code"]) == (401, "tracking_session_ended"), authorization
            assert answer.headers["WWW-Authenticate"].startswith("Tracking")

    def test_is_no_agents_token(self, anonymous: Caller, li_wei: Complainant, shown: dict[str, Any]) -> None:
        for scheme in ("Tracking", "Bearer"):
            answer = anonymous.get(f"/complaints/{shown['reference']}", authorization=f"{scheme} {li_wei.token}")
            assert answer.status_code == 401

    def test_useless_on_another_complaint(self, agent: Caller, li_wei: Complainant, anonymous: Caller) -> None:
        """There is nothing in any address or body that would name another one."""
        other = new(agent, subject="Another")
        assert li_wei.get("complaint").json["subject"] == "Parcel a week late"
        li_wei.post("messages", {"body": "Hello."})
        li_wei.post("withdraw", {})
        assert agent.get(f"/complaints/{other['reference']}").json["version"] == 1
        assert agent.get(f"/complaints/{other['reference']}/messages").json["items"] == []


class TestSeen:
    def test_what_is_theirs_and_nothing_else(self, agent: Caller, shown: dict[str, Any], li_wei: Complainant) -> None:
        seen = li_wei.get("complaint")
        assert seen.status_code == 200
        assert set(seen.json) == {
            "reference",
            "record_type",
            "subject",
            "description",
            "language",
            "status",
            "status_text",
            "waiting_on_you",
            "outcome",
            "handled_by",
            "received_at",
            "acknowledged_at",
            "resolved_at",
            "reopen_until",
            "can",
        }
        assert seen.json["reference"] == shown["reference"]
        assert seen.json["can"] == ["write", "withdraw"]
        assert li_wei.get("complaint?x=1").status_code == 422

    @pytest.mark.parametrize("language", ["en", "zh-CN", "pt-BR", None])
    def test_in_plain_words_of_their_language(self, agent: Caller, anonymous: Caller, language: str | None) -> None:
        person = {"email": "li.wei@example.com"} | ({"language": language} if language else {})
        seen = Complainant(anonymous, new(agent, complainant=person)).get("complaint").json
        assert seen["status_text"] == said("status_received", language)

    def test_in_the_language_that_they_ask_for(self, agent: Caller, anonymous: Caller) -> None:
        """What the program says; what people wrote stays as they wrote it."""
        shown = new(agent, acknowledge=True)
        agent.post(f"/complaints/{shown['reference']}/messages", {"kind": "public_reply", "body": "On Friday."})
        authorization = f"Tracking {Complainant(anonymous, shown).token}"

        def read(path: str, language: str | None) -> Any:
            headers = {"Authorization": authorization} | ({"Accept-Language": language} if language else {})
            return anonymous.client.get(f"/api/v1/public/tracking/{path}", headers=headers)

        words = {"record_type": "complaint", "reference": shown["reference"]}
        for asked, language in ((None, "en"), ("fr", "en"), ("zh-CN, en;q=0.5", "zh"), ("en", "en")):
            complaint = read("complaint", asked)
            assert complaint.json["status_text"] == said("status_received", language)
            assert complaint.headers["Content-Language"] == language
            assert complaint.json["subject"] == shown["subject"]
            said_of = [item["text"] for item in read("milestones", asked).json["items"]]
            assert said("promise_resolve", language) in said_of
            bodies = [item["body"] for item in read("messages", asked).json["items"]]
            assert bodies == [said("acknowledgement", language, **words), "On Friday."]

    def test_each_notice_of_ours_is_told_again(self) -> None:
        """From each language to each, with what it names; a text that was changed is left alone."""
        values = {
            "reference": "AB",
            "source": "CD",
            "survivor": "EF",
            "old": "GH",
            "new": "IJ",
            "record_type": "request",
        }
        for names in tracking._OURS.values():
            for name in names:
                for text_of, into in itertools.product(LANGUAGES, LANGUAGES):
                    told = retold(name, said(name, text_of, **values), into, record_type="request")
                    assert told == said(name, into, **values), (name, text_of, into)
                assert retold(name, said(name, "en", **values) + " And more.", "zh") is None

    def test_through_the_whole_life(self, senior: Caller, anonymous: Caller) -> None:
        shown = new(senior)
        theirs = Complainant(anonymous, shown)
        told = []
        for action in ("ask_customer", "resume", "investigate", "resolve", "follow_up"):
            act(senior, shown, action)
            seen = theirs.get("complaint").json
            told.append((seen["status"], seen["waiting_on_you"], seen["can"]))
        assert told == [
            ("received", True, ["write", "withdraw"]),
            ("received", False, ["write", "withdraw"]),
            ("investigated", False, ["write", "withdraw"]),
            ("resolved", False, ["write", "reopen"]),
            ("followed_up", False, ["write", "reopen"]),
        ]
        assert theirs.get("complaint").json["outcome"] == "upheld"

    def test_who_handles_it_by_first_name_or_team(self, program: Program, join: Join, anonymous: Caller) -> None:
        ana = join("agent", name="Ana Lucia Souza")
        shown = new(ana, team_id=str(ana.actor.team_ids[0]))
        assert ana.post(f"/complaints/{shown['reference']}/claim").status_code == 200
        ana.post(f"/complaints/{shown['reference']}/messages", {"kind": "public_reply", "body": "Hello."})
        for names, wanted in (("first_name", "Ana"), ("team", "Complaints")):
            app = create_app(program=replace(program, settings=replace(program.settings, tracking_names=names)))
            theirs = Complainant(Caller(app.test_client(), None, None), shown)
            assert theirs.get("complaint").json["handled_by"] == wanted
            assert theirs.get("messages").json["items"][0]["name"] == wanted
            assert "Souza" not in theirs.get("messages").text

    def test_nobody_has_it_yet(self, li_wei: Complainant) -> None:
        assert li_wei.get("complaint").json["handled_by"] is None

    def test_the_public_thread_only(self, agent: Caller, shown: dict[str, Any], li_wei: Complainant) -> None:
        path = f"/complaints/{shown['reference']}/messages"
        for body in (
            {"kind": "internal_note", "body": "They sound angry."},
            {"kind": "public_reply", "body": "We have found it."},
            {"kind": "inbound", "body": "Thank you."},
            {"kind": "inbound", "body": "The driver says no.", "sender": {"email": "depot@carrier.example"}},
            {"kind": "inbound", "body": "It is I again.", "sender": {"email": "Li.Wei@example.com"}},
        ):
            assert agent.post(path, body).status_code == 201
        act(agent, shown, "ask_third_party")
        items = li_wei.get("messages?count=true").json
        assert [(item["written_by"], item["body"]) for item in items["items"]] == [
            ("us", "We have found it."),
            ("you", "Thank you."),
            ("you", "It is I again."),
        ]
        assert items["total"] == 3
        page = li_wei.get("messages?limit=2").json
        rest = li_wei.get(f"messages?limit=2&cursor={page['next_cursor']}").json
        assert len(page["items"] + rest["items"]) == 3

    def test_milestones(self, agent: Caller, shown: dict[str, Any], li_wei: Complainant, engine: Engine) -> None:
        kinds = [item["kind"] for item in li_wei.get("milestones").json["items"]]
        assert kinds == ["acknowledge", "resolve"]
        act(agent, shown, "ask_customer")
        waiting = {item["kind"]: item for item in li_wei.get("milestones").json["items"]}
        assert waiting["resolve"]["due_at"] is None
        act(agent, shown, "resume")
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE sla_clock SET due_at = now() - interval '1 day', next_alarm_at = NULL, next_threshold = NULL"
                )
            )
        late = li_wei.get("milestones").json["items"]
        assert {item["overdue"] for item in late} == {True}
        act(agent, shown, "withdraw")
        assert li_wei.get("milestones").json["items"] == []

    def test_the_wording_is_whole(self) -> None:
        """Every text in every language we have, with the same places for values."""
        for name, texts in phrases().items():
            assert set(texts) == {"en", "zh"}, name
        assert in_language({"en": "e", "pt-BR": "b"}, "pt-br") == "b"
        assert in_language({"en": "e", "zh": "z"}, "zh-Hant-TW") == "z"
        assert in_language({"en": "e"}, "") == in_language({"en": "e"}, None) == "e"
        assert STANDARD == "en"


class TestActing:
    def test_writing_ends_the_waiting(
        self, agent: Caller, shown: dict[str, Any], li_wei: Complainant, database: Database
    ) -> None:
        act(agent, shown, "ask_customer")
        answer = li_wei.post("messages", {"body": "Friday suits me."})
        assert answer.status_code == 201
        assert (answer.json["written_by"], answer.json["body"]) == ("you", "Friday suits me.")
        now = agent.get(f"/complaints/{shown['reference']}").json
        assert now["waiting_on"] == "us"
        message = agent.get(f"/complaints/{shown['reference']}/messages").json["items"][-1]
        assert (message["kind"], message["author_kind"], message["channel"]) == ("inbound", "complainant", "WEB")
        assert message["sender"]["email"] == "li.wei@example.com"
        assert not list(violations(database, ["chain", "complaints", "clocks"]))

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"body": ""},
            {"body": "  "},
            {"body": "x" * 100_001},
            {"body": "a", "kind": "internal_note"},
            {"body": "a\x00"},
        ],
    )
    def test_bad_messages(self, li_wei: Complainant, body: dict[str, Any]) -> None:
        assert li_wei.post("messages", body).status_code == 422

    def test_twice_with_one_key_is_once(self, agent: Caller, shown: dict[str, Any], li_wei: Complainant) -> None:
        answers = [li_wei.post("messages", {"body": "Hello."}, idempotency_key="k") for _ in range(2)]
        assert answers[0].json == answers[1].json
        assert len(li_wei.get("messages").json["items"]) == 1

    def test_withdrawing(self, agent: Caller, shown: dict[str, Any], li_wei: Complainant) -> None:
        answer = li_wei.post("withdraw", {})
        assert (answer.status_code, answer.json["status"]) == (200, "withdrawn")
        assert answer.json["can"] == ["write", "reopen"]
        entry = agent.get(f"/complaints/{shown['reference']}/timeline").json["items"][-1]
        told = [
            item
            for item in agent.get(f"/complaints/{shown['reference']}/timeline").json["items"]
            if item["type"] == "complaint.withdrawn"
        ]
        assert told[0]["actor_kind"] == "complainant"
        assert entry
        assert li_wei.post("withdraw", {}).status_code == 409

    def test_reopening_within_the_window(self, senior: Caller, anonymous: Caller, engine: Engine) -> None:
        shown = new(senior)
        theirs = Complainant(anonymous, shown)
        assert theirs.post("reopen", {"reason": "?"}).status_code == 409
        act(senior, shown, "investigate")
        act(senior, shown, "resolve")
        assert theirs.post("reopen", {}).status_code == 422
        answer = theirs.post("reopen", {"reason": "It broke again."})
        assert (answer.status_code, answer.json["status"]) == (200, "received")
        now = senior.get(f"/complaints/{shown['reference']}").json
        assert (now["double_deviation"], now["escalation_level"]) == (True, 1)

    @pytest.mark.parametrize(("action", "way"), [("resolve", ("investigate",)), ("withdraw", ()), ("dismiss", ())])
    def test_after_the_window_a_new_one_is_suggested(
        self, senior: Caller, anonymous: Caller, engine: Engine, action: str, way: tuple[str, ...]
    ) -> None:
        shown = new(senior)
        theirs = Complainant(anonymous, shown)
        for step in (*way, action):
            act(senior, shown, step)
        self.turn_back(engine, 89)
        assert "reopen" in theirs.get("complaint").json["can"]
        self.turn_back(engine, 2)
        assert theirs.get("complaint").json["can"] == ["write", "complain_again"]
        answer = theirs.post("reopen", {"reason": "It broke again."})
        assert (answer.status_code, answer.json["code"]) == (409, "reopen_window_over")
        assert (answer.json["suggestion"], answer.json["related_to"]) == ("new_complaint", shown["reference"])
        assert act(senior, shown, "reopen")["status"] == "received"  # an agent still can

    def test_complaining_again_is_linked(self, senior: Caller, anonymous: Caller, database: Database) -> None:
        person = {"name": "Li Wei", "email": "li.wei@example.com", "phone": "+86 10 5555 0100", "language": "zh"}
        shown = new(senior, complainant=person, team_id=str(senior.actor.team_ids[0]))
        theirs = Complainant(anonymous, shown)
        again = {"subject": "It broke again", "description": "The new one is damaged too."}
        refused = theirs.post("complaints", again)
        assert (refused.status_code, refused.json["code"]) == (409, "still_open")
        act(senior, shown, "withdraw")
        assert theirs.post("complaints", {"subject": "x"}).status_code == 422
        told = theirs.post("complaints", again, idempotency_key="k")
        assert told.status_code == 201, told.text
        assert theirs.post("complaints", again, idempotency_key="k").json == told.json | {"tracking_secret": None}
        made = senior.get(f"/complaints/{told.json['reference']}").json
        assert [made[name] for name in ("customer_id", "team_id", "language")] == [
            shown["customer_id"],
            shown["team_id"],
            "zh",
        ]
        assert {name: made["people"][0][name] for name in person} == person
        assert made["acknowledged_at"] is not None
        links = senior.get(f"/complaints/{told.json['reference']}/links").json["items"]
        assert [(item["kind"], item["complaint"]["reference"]) for item in links] == [("related", shown["reference"])]
        assert Complainant(anonymous, told.json).get("complaint").json["subject"] == "It broke again"
        assert not list(violations(database, ["chain", "complaints", "clocks"]))

    @staticmethod
    def turn_back(engine: Engine, days: int) -> None:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE complaint_transition DISABLE TRIGGER USER"))
            statement = text("UPDATE complaint_transition SET at = at - make_interval(days => :days)")
            connection.execute(statement, {"days": days})
            connection.execute(text("ALTER TABLE complaint_transition ENABLE TRIGGER USER"))

    def test_a_redacted_message_stays_redacted(
        self, agent: Caller, senior: Caller, shown: dict[str, Any], li_wei: Complainant, engine: Engine
    ) -> None:
        made = li_wei.post("messages", {"body": "My card is 4111."}).json
        with engine.begin() as connection:
            statement = text(
                "UPDATE complaint_message SET body = '[removed]', redactions = 1, redacted_at = now() WHERE id = :id"
            )
            connection.execute(statement, {"id": made["id"]})
        [item] = li_wei.get("messages").json["items"]
        assert (item["body"], item["redacted"]) == ("[removed]", True)

    def test_logs_say_nothing_of_it(self, anonymous: Caller, shown: dict[str, Any]) -> None:
        with structlog.testing.capture_logs() as logs:
            li_wei = Complainant(anonymous, shown)
            li_wei.post("messages", {"body": "canary"})
        told = str(logs)
        for secret in (shown["tracking_secret"], li_wei.token, "canary"):
            assert secret not in told


def test_addresses_hold_no_reference_and_no_secret(app: Flask) -> None:
    """There is no place for one in any of these paths; what stands there are ids of files, which open nothing."""
    rules = [rule for rule in app.url_map.iter_rules() if "/public/tracking" in rule.rule]
    assert len(rules) >= 7
    assert {name for rule in rules for name in rule.arguments} <= {"attachment_id"}
