"""What a complainant sees and does with a reference and a secret.

How it can fail: the secret lies somewhere in plain (a table, an event, a log, the answer to a repeat); a wrong one is told
apart from an unknown reference, by the words or by what is looked up; one secret opens two complaints; a session outlives
its secret or its time; something said among ourselves is shown, or who handles it by the full name; an answer does not end
the waiting; a complaint is reopened after the window, or cannot be within it; the mail that tells the secret tells an old
one, or none, or the text of somebody else; the acknowledgement is half done; intake of thousands gives secrets to nobody.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
import structlog
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.complaints import intake, tracking, tracking_session
from helpdesk.complaints.phrases import STANDARD, in_language, phrases, said
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.complaints.tracking_secret import Secrets, fits, hash_of
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import mail
from helpdesk.kernel.db import Base
from helpdesk.kernel.ids import ALPHABET, new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import SIGNING_KEY, Caller, Join, complaint_body
from tests.recovery import helpers

SECRETS: Final = Secrets(SIGNING_KEY)


def new(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def opened(caller: Caller, shown: dict[str, Any]) -> str:
    answer = caller.post("/public/tracking", {"reference": shown["reference"], "secret": shown["tracking_secret"]})
    assert answer.status_code == 200, answer.text
    return str(answer.json["token"])


def with_mail(program: Program) -> Program:
    """The same with a server set up; nothing is sent by the API itself."""
    return replace(program, settings=replace(program.settings, smtp_url="smtp://127.0.0.1:1"))


class Complainant:
    """Somebody with a session."""

    def __init__(self, anonymous: Caller, shown: dict[str, Any]) -> None:
        self._caller = anonymous
        self.token = opened(anonymous, shown)

    def get(self, path: str) -> Any:
        return self._caller.get(f"/public/tracking/{path}", authorization=f"Tracking {self.token}")

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self._caller.post(f"/public/tracking/{path}", body, authorization=f"Tracking {self.token}", **headers)


@pytest.fixture
def shown(agent: Caller) -> dict[str, Any]:
    return new(agent)


@pytest.fixture
def li_wei(anonymous: Caller, shown: dict[str, Any]) -> Complainant:
    return Complainant(anonymous, shown)


def act(caller: Caller, shown: dict[str, Any], action: str, **more: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{shown['reference']}/actions/{action}", GOOD[action] | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def everything_written(engine: Engine) -> str:
    """Every row of every table, as text."""
    found: list[str] = []
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            found += connection.execute(text(f'SELECT to_jsonb(t)::text FROM "{table.name}" t')).scalars()
    return "\n".join(found)


class TestSecret:
    def test_looks_like_the_reference_and_has_130_bits(self) -> None:
        secret = SECRETS.of(new_id(), 1)
        assert re.fullmatch(rf"([{ALPHABET}]{{4}}-){{6}}[{ALPHABET}]{{3}}", secret)
        assert len({SECRETS.of(new_id(), 1) for _ in range(500)}) == 500

    def test_each_complaint_number_and_key_has_another(self) -> None:
        one, other = new_id(), new_id()
        made = {SECRETS.of(one, 1), SECRETS.of(one, 2), SECRETS.of(other, 1), Secrets("another key").of(one, 1)}
        assert len(made) == 4

    @given(
        st.integers(1, 9),
        st.sampled_from([str.lower, lambda it: it.replace("-", " "), lambda it: it.replace("0", "o")]),
    )
    def test_however_it_is_typed(self, number: int, typed: Callable[[str], str]) -> None:
        secret = SECRETS.of(UUID(int=number), number)
        assert fits(typed(secret), hash_of(secret))

    @pytest.mark.parametrize("wrong", ["", "x", "0" * 27, "💩", "\u017f" * 27, "A" * 5_000])
    def test_nothing_else_fits(self, wrong: str) -> None:
        assert not fits(wrong, hash_of(SECRETS.of(new_id(), 1)))
        assert not fits(wrong, None)

    def test_every_slip_is_noticed(self) -> None:
        secret = SECRETS.of(UUID(int=1), 1)
        for place, char in enumerate(secret):
            if char != "-":
                slipped = secret[:place] + ALPHABET[(ALPHABET.index(char) + 1) % 32] + secret[place + 1 :]
                assert not fits(slipped, hash_of(secret))

    def test_a_changed_key_tells_no_secret_and_lets_the_old_one_in(self, shown: dict[str, Any]) -> None:
        complaint_id, hashed = UUID(shown["id"]), hash_of(shown["tracking_secret"])
        assert SECRETS.told_again(complaint_id, 1, hashed) == shown["tracking_secret"]
        assert Secrets("another").told_again(complaint_id, 1, hashed) is None
        assert SECRETS.told_again(complaint_id, 1, None) is None
        assert fits(shown["tracking_secret"], hashed)


class TestIntake:
    def test_answers_with_a_secret_that_is_kept_nowhere(self, agent: Caller, engine: Engine) -> None:
        body = complaint_body(acknowledge=True)
        first = agent.post("/complaints", body, idempotency_key="one")
        again = agent.post("/complaints", body, idempotency_key="one")
        assert (first.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert again.json == first.json | {"tracking_secret": None}
        secret = first.json["tracking_secret"]
        assert secret not in everything_written(engine)
        assert "tracking_secret" not in agent.get(f"/complaints/{first.json['reference']}").json

    def test_acknowledges_at_once_and_whole(self, agent: Caller, database: Database, engine: Engine) -> None:
        shown = new(agent, acknowledge=True, received_at="2026-03-02T09:30:00Z")
        assert shown["acknowledged_at"] is not None
        assert "acknowledge" in {
            item["action"] for item in shown["allowed_actions"]
        }  # listed, with why it is not possible
        thread = agent.get(f"/complaints/{shown['reference']}/messages").json["items"]
        assert [(item["purpose"], item["author_kind"]) for item in thread] == [("acknowledgement", "system")]
        assert shown["reference"] in thread[0]["body"]
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT kind, stopped_at IS NOT NULL AS stopped FROM sla_clock"))
            states = {row.kind: row.stopped for row in rows}
            assert states == {"acknowledge": True, "investigate": False, "resolve": False}
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 1
        assert not list(violations(database, ["chain", "complaints", "clocks"]))

    def test_what_follows_fails_together(self, agent: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the power went")

        monkeypatch.setattr("helpdesk.complaints.acts.add_message", broken)
        agent.client.application.testing = False
        try:
            assert agent.post("/complaints", complaint_body(acknowledge=True)).status_code == 500
        finally:
            agent.client.application.testing = True
        with engine.connect() as connection:
            for table in ("complaint", "customer", "outbound_mail", "duty", "event WHERE type LIKE 'complaint.%'"):
                assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0, table

    def test_nobody_is_told_without_an_address(self, agent: Caller, engine: Engine) -> None:
        """So that the clock of the acknowledgement goes on until somebody was."""
        body = complaint_body(acknowledge=True, complainant={"name": "Li Wei"})
        answer = agent.post("/complaints", body)
        assert answer.status_code == 422
        assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [("/acknowledge", "no_address")]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM complaint")).scalar_one() == 0
        shown = new(agent, complainant={"name": "Li Wei"})
        action = f"/complaints/{shown['reference']}/actions/acknowledge"
        by_mail = agent.post(action, {"channel": "EMAIL"})
        assert [(item["pointer"], item["code"]) for item in by_mail.json["errors"]] == [("/channel", "no_address")]
        told = agent.post(action, {"channel": "PHONE", "text": "Told her on the phone."})
        assert (told.status_code, told.json["acknowledged_at"] is not None) == (200, True)

    def test_only_when_asked_for(self, agent: Caller) -> None:
        assert new(agent)["acknowledged_at"] is None

    def test_an_import_gives_no_secret_and_writes_to_nobody(self, database: Database, engine: Engine) -> None:
        given = ComplaintIn().load(complaint_body())
        with database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, [given, given])
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT tracking_number, tracking_hash FROM complaint")).all()
            assert {tuple(row) for row in rows} == {(0, None)}
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 0


class Post:
    """The mail server's place is taken: what would have gone out."""

    def __init__(self, program: Program) -> None:
        self.sent: list[Any] = []
        self._database = program.database
        self._performer = replace(program.performer, tools=replace(program.tools, mailer=self))

    def send(self, message: Any) -> bool:
        self.sent.append(message)
        return True

    def deliver(self) -> None:
        self._performer.perform(helpers.duties(self._database, mail.TOPIC))


@pytest.fixture
def post(program: Program) -> Post:
    return Post(program)


class TestMail:
    def test_tells_reference_secret_and_link(
        self, program: Program, post: Post, agent: Caller, anonymous: Caller
    ) -> None:
        shown = new(agent, acknowledge=True)
        post.deliver()
        [message] = post.sent
        body = message.get_content()
        assert shown["tracking_secret"] in body
        assert f"http://helpdesk.test/track#reference={shown['reference']}&secret={shown['tracking_secret']}" in body
        assert message["Subject"] == f"Your complaint {shown['reference']}"
        assert "Parcel" not in body  # nothing of what anybody may type into a form
        assert message["Auto-Submitted"]

    def test_in_their_language(self, program: Program, post: Post, agent: Caller) -> None:
        person = {"name": "王芳", "email": "wang.fang@example.com", "language": "zh-CN"}
        shown = new(agent, acknowledge=True, complainant=person)
        post.deliver()
        body = post.sent[0].get_content()
        assert body.startswith(said("acknowledgement", "zh", reference=shown["reference"]))
        assert shown["tracking_secret"] in body

    def test_the_secret_in_force_is_told_even_if_the_mail_waited(
        self, program: Program, post: Post, agent: Caller
    ) -> None:
        shown = new(agent, acknowledge=True)
        path = f"/complaints/{shown['reference']}/tracking-secret"
        second = agent.post(path, {"delivery": "show"}).json["tracking_secret"]
        post.deliver()
        body = post.sent[0].get_content()
        assert second in body
        assert shown["tracking_secret"] not in body

    def test_with_another_key_it_tells_how_to_get_one(self, program: Program, agent: Caller) -> None:
        shown = new(agent)
        with program.database.reader() as session:
            told = tracking.paragraph(session, UUID(shown["id"]), Secrets("another key"), "http://helpdesk.test")
        assert shown["reference"] in told
        assert "secret=" not in told

    def test_an_agents_acknowledgement_tells_it_too(self, program: Program, post: Post, agent: Caller) -> None:
        shown = new(agent)
        act(agent, shown, "acknowledge", text="Thank you, we are on it.")
        post.deliver()
        body = post.sent[0].get_content()
        assert body.startswith("Thank you")
        assert shown["tracking_secret"] in body

    def test_of_a_complaint_without_secret_nothing_is_added(
        self, program: Program, post: Post, database: Database, agent: Caller
    ) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            complaint_id = intake.receive(uow, SYSTEM, ComplaintIn().load(complaint_body()))
        act(agent, {"reference": str(complaint_id)}, "acknowledge")
        post.deliver()
        assert "track#" not in post.sent[0].get_content()

    def test_completed_html_is_escaped(self) -> None:
        row = mail.OutboundMail(body="Hello", html="<p>Hello</p>")
        assert mail._completed(row, "a <b>\nc") == ("Hello\n\na <b>\nc", "<p>Hello</p><p>a &lt;b&gt;<br>c</p>")


class TestIssuing:
    def path(self, shown: dict[str, Any]) -> str:
        return f"/complaints/{shown['reference']}/tracking-secret"

    def test_anonymous_role_team(self, anonymous: Caller, join: Join, shown: dict[str, Any], agent: Caller) -> None:
        owned = new(agent, team_id=str(agent.actor.team_ids[0]))
        assert anonymous.post(self.path(owned), {}).status_code == 401
        assert join("agent", team_ids=[]).post(self.path(owned), {}).status_code == 404
        assert join("auditor").post(self.path(owned), {}).json["permission"] == "complaint:reply"

    def test_shown_once(self, agent: Caller, anonymous: Caller, shown: dict[str, Any], engine: Engine) -> None:
        first = agent.post(self.path(shown), {"delivery": "show"}, idempotency_key="k")
        again = agent.post(self.path(shown), {"delivery": "show"}, idempotency_key="k")
        assert again.json == first.json | {"tracking_secret": None}
        assert first.json["tracking_secret"] != shown["tracking_secret"]
        assert first.json["tracking_secret"] not in everything_written(engine)
        old = {"reference": shown["reference"], "secret": shown["tracking_secret"]}
        assert anonymous.post("/public/tracking", old).status_code == 403
        assert opened(anonymous, first.json)

    def test_not_lost_without_a_mail_server(
        self, agent: Caller, shown: dict[str, Any], anonymous: Caller, program: Program
    ) -> None:
        """The old one goes on opening the complaint, and a new one can be had."""
        answer = agent.post(self.path(shown), {"delivery": "mail"})
        assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [("/delivery", "no_mail_server")]
        assert opened(anonymous, shown)
        assert agent.post(self.path(shown), {"delivery": "show"}).json["tracking_secret"]
        assert anonymous.get("/health/ready").json["checks"]["mail"] == {"status": "absent"}
        mailing = Caller(create_app(program=with_mail(program)).test_client(), agent.actor, agent.token)
        assert mailing.get("/health/ready").json["checks"]["mail"] == {"status": "set_up"}

    def test_mailed(
        self, program: Program, post: Post, agent: Caller, shown: dict[str, Any], anonymous: Caller
    ) -> None:
        agent = Caller(create_app(program=with_mail(program)).test_client(), agent.actor, agent.token)
        answer = agent.post(self.path(shown), {})
        assert (answer.status_code, answer.json["tracking_secret"], answer.json["delivery"]) == (201, None, "mail")
        post.deliver()
        [secret] = re.findall(r"Secret: (\S+)", post.sent[0].get_content())
        assert opened(anonymous, shown | {"tracking_secret": secret})

    def test_no_address_to_mail_it_to(self, agent: Caller, program: Program) -> None:
        nameless = new(agent, complainant={"name": "Li Wei"})
        mailing = Caller(create_app(program=with_mail(program)).test_client(), agent.actor, agent.token)
        answer = mailing.post(self.path(nameless), {})
        assert [item["pointer"] for item in answer.json["errors"]] == ["/delivery"]
        assert agent.post(self.path(nameless), {"delivery": "show"}).status_code == 201

    def test_the_timeline_says_so_and_ends_old_sessions(
        self, agent: Caller, shown: dict[str, Any], li_wei: Complainant
    ) -> None:
        assert li_wei.get("complaint").status_code == 200
        assert agent.post(self.path(shown), {"delivery": "show"}, if_match='"v1"').status_code == 201
        assert li_wei.get("complaint").status_code == 401
        last = agent.get(f"/complaints/{shown['reference']}/timeline").json["items"][-1]
        assert last["type"] == "complaint.tracking_secret_issued"
        assert last["payload"]["changes"] == {"tracking_number": [1, 2]}
        assert agent.post(self.path(shown), {}, if_match='"v1"').status_code == 412


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
        assert "reopen" not in theirs.get("complaint").json["can"]
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
