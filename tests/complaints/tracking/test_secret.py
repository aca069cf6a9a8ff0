"""The secret that opens a complaint: what it is, where it comes from, how it is told.

How it can fail: the secret lies somewhere in plain (a table, an event, a log, the answer to a repeat); the mail that tells
it tells an old one, or none, or the text of somebody else; the acknowledgement is half done; intake of thousands gives
secrets to nobody; a new one leaves the old one's sessions open.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.complaints import intake, tracking
from helpdesk.complaints.phrases import said
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.complaints.tracking_secret import Secrets, fits, hash_of
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import mail
from helpdesk.kernel.ids import ALPHABET, new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.tracking.complainants import (
    SECRETS,
    Complainant,
    Post,
    act,
    everything_written,
    new,
    opened,
    with_mail,
)
from tests.conftest import Caller, Join, complaint_body


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


class TestHeaders:
    """What the mail says of itself, so that mailboxes do with it what they should."""

    def test_in_the_complainants_language(self, post: Post, agent: Caller) -> None:
        person = {"name": "李伟", "email": "li.wei@example.com", "language": "zh"}
        shown = new(agent, complainant=person, acknowledge=True)
        agent.post(f"/complaints/{shown['reference']}/tracking-secret", {"delivery": "mail"})
        post.deliver()
        for message in post.sent:
            assert message["Subject"] == said(
                "mail_subject", "zh", reference=shown["reference"], record_type="complaint"
            )
            assert message["Subject"].startswith("您的来信")
            assert "编号" in message.get_content()
            assert "Your" not in message.get_content()

    def test_only_what_nobody_wrote_is_automatic_and_all_is_one_thread(
        self, post: Post, agent: Caller, manager: Caller
    ) -> None:
        shown = new(agent, acknowledge=True)
        path = f"/complaints/{shown['reference']}"
        agent.post(f"{path}/messages", {"kind": "public_reply", "body": "It comes on Friday."})
        act(agent, shown, "ask_customer")
        other = new(agent)
        merged = {"into": other["reference"], "reason": "Twice.", "other_complainant": True}
        assert manager.post(f"{path}/merge", merged).status_code == 201
        agent.post(f"/complaints/{other['reference']}/messages", {"kind": "public_reply", "body": "And to both."})
        post.deliver()
        sent = [(message["Subject"].split()[-1], message["Auto-Submitted"]) for message in post.sent]
        mine = shown["reference"]
        assert [automatic for reference, automatic in sent if reference == mine] == [
            "auto-replied",
            None,
            None,
            "auto-generated",
        ]
        threads = {(message["Subject"].split()[-1], str(message["References"])) for message in post.sent}
        assert threads == {(name, f"<{name}@localhost>") for name, _ in sent}
        assert all(message["Date"] and message["In-Reply-To"] == message["References"] for message in post.sent)
