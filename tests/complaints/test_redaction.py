"""Redaction that keeps the audit.

How it can fail: the text is still somewhere (a column, an event, a mail, a kept answer, a log); more than the text is
gone; the chain is broken; a mail is said not to have gone out though it has; who did it and why is not told; two at once
take out what neither has looked at; a digest can be tried out.
"""

import hashlib
import logging
from dataclasses import replace
from email.message import EmailMessage
from typing import Any, Final

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints.cutting import MARK
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once

CARD: Final = "4111 1111 1111 1111"
BODY: Final = f"My card is {CARD}, as I wrote.\nWhere is my parcel?"


def at(complaint: dict[str, Any], *more: str) -> str:
    return "/".join(("/complaints", complaint["reference"], *more))


def said(caller: Caller, complaint: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = caller.post(at(complaint, "messages"), {"kind": "inbound", "body": BODY} | body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def redact(caller: Caller, complaint: dict[str, Any], message: dict[str, Any] | None = None, **body: Any) -> Any:
    path = at(complaint, "redact") if message is None else at(complaint, "messages", message["id"], "redact")
    headers = {"if_match": body.pop("if_match", "*")}
    if "idempotency_key" in body:
        headers["idempotency_key"] = body.pop("idempotency_key")
    return caller.post(path, {"reason": "A card number."} | body, **headers)


def done(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


def places_with(engine: Engine, words: str) -> list[str]:
    """Every column of every table that holds the words, in any form of bytes or text."""
    found = []
    with engine.connect() as connection:
        columns = connection.execute(
            text(
                "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' "
                "AND data_type IN ('text', 'character varying', 'jsonb', 'bytea', 'ARRAY', 'tsvector')"
            )
        ).all()
        for table, column, kind in columns:
            shown = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            sought = text(f'SELECT count(*) FROM "{table}" WHERE position(:words in {shown}) > 0')
            if connection.execute(sought, {"words": words}).scalar_one():
                found.append(f"{table}.{column}")
    return found


class TestWho:
    @pytest.mark.parametrize("of", ["message", "text"])
    def test_anonymous_roles_strangers(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any], of: str
    ) -> None:
        message = said(join(), complaint) if of == "message" else None
        body = {"whole": True} | ({} if message else {"part": "subject"})
        assert redact(anonymous, complaint, message, **body).status_code == 401
        for role in ("agent", "senior", "auditor"):
            refused = redact(join(role), complaint, message, **body)
            assert (refused.status_code, refused.json["permission"]) == (403, "complaint:redact")
        stranger = join(team_ids=[make_team(database, "Other")])
        assert redact(stranger, complaint, message, **body).status_code == 404
        assert stranger.get(at(complaint, "redactions")).status_code == 404
        assert anonymous.get(at(complaint, "redactions")).status_code == 401
        path = at(complaint, "redact") if message is None else at(complaint, "messages", message["id"], "redact")
        assert join("manager").post(path, {"reason": "x", **body}).status_code == 428

    def test_message_of_another_complaint(self, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        other = agent.post("/complaints", complaint_body()).json
        assert redact(manager, complaint, said(agent, other), whole=True).status_code == 404


class TestMessage:
    def test_whole(self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        message = said(agent, complaint)
        shown = done(redact(manager, complaint, message, whole=True))
        assert shown["message"]["body"] == MARK
        assert shown["message"]["redacted"]["whole"] is True
        assert (shown["part"], shown["message_id"], shown["mail"]) == ("message", message["id"], None)
        assert agent.get(at(complaint, "messages", message["id"])).json == shown["message"]
        assert places_with(engine, CARD) == []
        again = redact(manager, complaint, message, whole=True)
        assert (again.status_code, again.json["code"]) == (409, "nothing_left")
        assert redact(manager, complaint, message, strings=["x"]).status_code == 409

    def test_strings(self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        message = said(agent, complaint)
        shown = done(redact(manager, complaint, message, strings=["4111 1111 1111 1111"]))
        assert shown["message"]["body"] == f"My card is {MARK}, as I wrote.\nWhere is my parcel?"
        assert (shown["whole"], shown["places"]) == (False, 1)
        assert places_with(engine, CARD) == []
        assert places_with(engine, "Where is my parcel?") == ["complaint_message.body"]
        more = done(redact(manager, complaint, message, strings=["my CARD"]))
        assert more["message"]["body"].startswith(f"{MARK} is {MARK}")
        assert more["message"]["redacted"]["times"] == 2

    def test_ranges(self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        start = BODY.index(CARD)
        message = said(agent, complaint)
        shown = done(redact(manager, complaint, message, ranges=[{"start": start, "end": start + len(CARD)}]))
        assert shown["message"]["body"] == BODY.replace(CARD, MARK)
        assert places_with(engine, CARD) == []

    def test_html_goes_altogether(self, agent: Caller, manager: Caller, complaint: Any, engine: Engine) -> None:
        """The words are split by tags there; the plain text stays."""
        body = {"kind": "internal_note", "body_html": "<p>Card 4111 <b>1111</b> 1111 1111</p><p>other words</p>"}
        message = agent.post(at(complaint, "messages"), body).json
        shown = done(redact(manager, complaint, message, strings=["4111 1111 1111 1111"]))
        assert (shown["message"]["body"], shown["message"]["body_html"]) == (f"Card {MARK}\n\nother words", None)
        assert places_with(engine, "1111") == []

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, {"/strings": "invalid"}),
            ({"whole": False}, {"/strings": "invalid"}),
            ({"whole": True, "strings": ["x"]}, {"/strings": "invalid"}),
            ({"strings": []}, {"/strings": "length"}),
            ({"strings": ["nowhere", "card"]}, {"/strings/0": "not_there"}),
            ({"strings": [" "]}, {"/strings/0": "length"}),
            ({"ranges": [{"start": 0, "end": 1}, {"start": 5, "end": 100_000}]}, {"/ranges/1": "not_there"}),
            ({"ranges": [{"start": 5, "end": 5}]}, {"/ranges/0": "not_there"}),
            ({"ranges": [{"start": 5, "end": 3}]}, {"/ranges/0": "not_there"}),
            ({"ranges": [{"start": -1, "end": 5}]}, {"/ranges/0/start": "range"}),
            ({"whole": True, "reason": ""}, {"/reason": "length"}),
        ],
    )
    def test_bad(self, agent: Caller, manager: Caller, complaint: Any, body: dict[str, Any], expected: Any) -> None:
        message = said(agent, complaint)
        assert pointers(redact(manager, complaint, message, **body)).items() >= expected.items()
        assert agent.get(at(complaint, "messages", message["id"])).json == message


class TestTrace:
    def test_who_when_why_and_a_digest(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine, database: Database
    ) -> None:
        message = said(agent, complaint)
        shown = done(redact(manager, complaint, message, strings=[CARD]))
        [*_, event] = agent.get(at(complaint, "timeline")).json["items"]
        assert (event["type"], event["actor_id"]) == ("complaint.message_redacted", str(manager.id))
        told = event["payload"]
        assert (told["reason"], told["digest"], told["message_id"]) == (
            "A card number.",
            shown["digest"],
            message["id"],
        )
        [listed] = agent.get(at(complaint, "redactions")).json["items"]
        assert listed == {name: value for name, value in shown.items() if name in listed}
        with engine.connect() as connection:
            row = connection.execute(text("SELECT salt, digest FROM complaint_redaction")).one()
        assert bytes(row.digest) == hashlib.sha256(bytes(row.salt) + BODY.encode()).digest()
        assert shown["digest"] == bytes(row.digest).hex()
        assert shown["digest"] != hashlib.sha256(BODY.encode()).hexdigest()
        assert "salt" not in shown
        assert agent.get(at(complaint, "timeline", "verification")).json["valid"] is True
        assert not list(violations(database))

    def test_payloads_that_hold_it_are_erased_and_the_chain_verifies(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine, database: Database
    ) -> None:
        """A question is in the message, in what the act was given, and in the event that tells of the act."""
        body = {"message": f"Is {CARD} your card?"}
        assert agent.post(at(complaint, "actions", "ask_customer"), body, idempotency_key="k").status_code == 200
        untouched = agent.post(at(complaint, "actions", "escalate"), GOOD["escalate"])
        assert untouched.status_code == 200
        assert {"event.payload", "complaint_transition.given"} <= set(places_with(engine, CARD))
        [message] = agent.get(at(complaint, "messages")).json["items"]
        shown = done(redact(manager, complaint, message, strings=[CARD]))
        assert shown["erased_events"] == 1
        assert places_with(engine, CARD) == []
        entries = {item["type"]: item["payload"] for item in agent.get(at(complaint, "timeline")).json["items"]}
        assert entries["complaint.customer_asked"] is None
        assert entries["complaint.escalated"]["given"] == GOOD["escalate"]
        with engine.connect() as connection:
            kept = "SELECT given FROM complaint_transition WHERE action = 'ask_customer'"
            assert connection.execute(text(kept)).scalar_one() == {}
        assert agent.get(at(complaint, "timeline", "verification")).json["valid"] is True
        assert not list(violations(database))

    @pytest.mark.parametrize("html", [False, True])
    def test_a_decision_letter(
        self, join: Join, complaint: Any, engine: Engine, database: Database, *, html: bool
    ) -> None:
        """All of it: its parts are in what the act was given, which goes with it; what it did stays."""
        agent, manager = join(), join("manager")
        assert agent.post(at(complaint, "actions", "investigate"), GOOD["investigate"]).status_code == 200
        letter = {
            "finding": "<p>Your <b>parcel</b> was late indeed.</p>" if html else "Your parcel was late indeed.",
            "reasons": "EMAIL",
            "remedy": "We are very sorry about it.",
            "next_stage": "Write to our director within two months.",
        } | ({"format": "html"} if html else {})
        assert agent.post(at(complaint, "actions", "resolve"), GOOD["resolve"] | {"letter": letter}).status_code == 200
        [message] = agent.get(at(complaint, "messages")).json["items"]
        shown = done(redact(manager, complaint, message, whole=True))
        assert shown["erased_events"] == 1
        for words in ("was late indeed", "very sorry about it", "within two months"):
            assert places_with(engine, words) == []
        assert agent.get(at(complaint)).json["outcome"] == "upheld"
        assert not list(violations(database))

    def test_nothing_of_it_is_logged(
        self, agent: Caller, manager: Caller, complaint: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            done(redact(manager, complaint, said(agent, complaint), strings=[CARD]))
        assert CARD not in caplog.text


class TestCopies:
    def test_kept_answers(self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        """A repeat of the request that wrote it is answered without it, and writes nothing anew."""
        path, body = at(complaint, "messages"), {"kind": "inbound", "body": BODY}
        first = agent.post(path, body, idempotency_key="one")
        assert "idempotent_answer.body" in places_with(engine, CARD)
        done(redact(manager, complaint, first.json, strings=[CARD]))
        again = agent.post(path, body, idempotency_key="one")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == first.json | {"body": BODY.replace(CARD, MARK)}
        assert places_with(engine, CARD) == []
        assert len(agent.get(path).json["items"]) == 1

    def test_of_a_macro_and_of_a_draft(self, agent: Caller, manager: Caller, complaint: Any, engine: Engine) -> None:
        steps = [{"step": "write_message", "given": {"kind": "inbound", "body": "It is Li Wei."}}]
        macro = agent.post("/macros", {"name": "m", "steps": steps}).json
        applied = agent.post(at(complaint, "macros", macro["id"], "apply"), {}, idempotency_key="two")
        [message] = applied.json["messages"]
        done(redact(manager, complaint, message, whole=True))
        again = agent.post(at(complaint, "macros", macro["id"], "apply"), {}, idempotency_key="two")
        assert again.json["messages"][0]["body"] == MARK
        assert places_with(engine, "It is Li Wei.") == ["macro.steps"]

    def test_messages_that_still_say_it_are_named_and_left(
        self, agent: Caller, manager: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        message = said(agent, complaint)
        quoting = said(agent, complaint, kind="internal_note", body=f"They wrote {CARD}.")
        said(agent, complaint, kind="internal_note", body="Nothing of it.")
        shown = done(redact(manager, complaint, message, strings=[CARD]))
        assert shown["messages_quoting"] == [{"reference": complaint["reference"], "message_id": quoting["id"]}]
        assert agent.get(at(complaint, "messages", quoting["id"])).json == quoting
        assert done(redact(manager, complaint, quoting, whole=True))["messages_quoting"] == []
        repeats = said(agent, complaint, kind="internal_note", body=complaint["description"])
        text_gone = done(redact(manager, complaint, part="description", whole=True))
        assert [item["message_id"] for item in text_gone["messages_quoting"]] == [repeats["id"]]

    def test_what_a_form_had_caught(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], engine: Engine
    ) -> None:
        """Released from quarantine, a submission is kept under the complaint's own id."""
        with engine.begin() as connection:
            form = (
                "INSERT INTO intake_form (id, name, key, channel, language, record_types, fields, hourly_limit, daily_limit, "
                "difficulty, acknowledgements) VALUES (gen_random_uuid(), 'f', 'hdf_x', 'WEB', 'en', '{complaint}', '{}', 1, "
                "1, 0, '{}') RETURNING id"
            )
            form_id = connection.execute(text(form)).scalar_one()
            caught = (
                "INSERT INTO intake_quarantine (id, form_id, reference, reason, given, decision, decided_at) "
                "VALUES (:id, :form, :ref, 'honeypot', :given, 'released', now())"
            )
            given = '{"subject": "Parcel a week late", "description": "Other words."}'
            values = {"id": complaint["id"], "form": form_id, "ref": complaint["reference"], "given": given}
            connection.execute(text(caught), values)
        done(redact(manager, complaint, part="subject", whole=True))
        assert places_with(engine, "Parcel a week late") == []
        assert "intake_quarantine.given" in places_with(engine, "Other words.")

    def test_it_is_found_no_more(self, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        message = said(agent, complaint, body="The xylophone is from Zanzibar.")

        def found(word: str) -> int:
            return len(agent.get(f"/complaints/search?q={word}").json["items"])

        assert (found("xylophone"), found("promised"), found("week")) == (1, 1, 1)
        done(redact(manager, complaint, message, strings=["xylophone"]))
        done(redact(manager, complaint, part="description", strings=["promised"]))
        done(redact(manager, complaint, part="subject", whole=True))
        assert (found("xylophone"), found("promised"), found("week")) == (0, 0, 0)
        assert (found("zanzibar"), found("monday")) == (1, 1)

    def test_drafts_that_quote_it_are_named_and_left(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        message = said(agent, complaint)
        quoting = agent.post(
            at(complaint, "drafts"), {"kind": "public_reply", "body": f"> My card is {CARD}\nNo."}
        ).json
        agent.post(at(complaint, "drafts"), {"kind": "public_reply", "body": "Nothing of it."})
        shown = done(redact(manager, complaint, message, strings=[CARD]))
        assert shown["drafts_quoting"] == [quoting["id"]]
        assert agent.get(at(complaint, "drafts", quoting["id"])).json == quoting


class Taking:
    def __init__(self, *, refuse: bool = False) -> None:
        self.refuse = refuse
        self.mails: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> bool:
        if self.refuse:
            raise ConnectionRefusedError("nobody there")
        self.mails.append(message)
        return True


def post(program: Program, mailer: Taking) -> None:
    with program.database.reader() as session:
        owed = text("SELECT id FROM duty WHERE topic = 'mail.deliver' AND done_at IS NULL")
        ids = list(session.execute(owed).scalars())
    replace(program.performer, tools=replace(program.tools, mailer=mailer)).perform(ids)


class TestMail:
    def test_sent_is_said_to_be_sent(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], program: Program, engine: Engine
    ) -> None:
        message = said(agent, complaint, kind="public_reply")
        post(program, Taking())
        shown = done(redact(manager, complaint, message, whole=True))
        assert (shown["mail"], shown["message"]["delivery"]["state"]) == ("sent", "sent")
        assert places_with(engine, CARD) == []

    @pytest.mark.parametrize("tried", [False, True])
    def test_whole_before_it_is_sent(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], program: Program, *, tried: bool
    ) -> None:
        message = said(agent, complaint, kind="public_reply")
        if tried:
            post(program, Taking(refuse=True))
        shown = done(redact(manager, complaint, message, whole=True))
        assert (shown["mail"], shown["message"]["delivery"]["state"]) == ("not_sent", "cancelled")
        mailer = Taking()
        post(program, mailer)
        assert mailer.mails == []

    def test_a_part_before_it_is_sent(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        message = said(agent, complaint, kind="public_reply")
        assert done(redact(manager, complaint, message, strings=[CARD]))["mail"] == "not_sent"
        mailer = Taking()
        post(program, mailer)
        assert mailer.mails[0].get_content().replace("\r\n", "\n").startswith(f"{BODY.replace(CARD, MARK)}\n\n")

    def test_while_it_is_being_sent(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        """The text is on its way and no outcome is known: that is what is said, and then what was."""
        message = said(agent, complaint, kind="public_reply")
        told: list[str] = []

        class Redacting(Taking):
            def send(self, message_sent: EmailMessage) -> bool:
                told.append(done(redact(manager, complaint, message, whole=True))["mail"])
                return super().send(message_sent)

        mailer = Redacting()
        post(program, mailer)
        assert told == ["perhaps_sent"]
        assert len(mailer.mails) == 1
        assert agent.get(at(complaint, "messages", message["id"])).json["delivery"]["state"] == "sent"


class TestText:
    def test_whole_subject(self, manager: Caller, agent: Caller, engine: Engine, database: Database) -> None:
        mine = agent.post("/complaints", complaint_body(subject="About Jane Doe 1970"), idempotency_key="new").json
        shown = done(redact(manager, mine, part="subject", whole=True))
        assert (shown["part"], shown["message"], shown["erased_events"]) == ("subject", None, 0)
        assert agent.get(at(mine)).json["subject"] == MARK
        assert places_with(engine, "Jane Doe 1970") == []
        again = agent.post("/complaints", complaint_body(subject="About Jane Doe 1970"), idempotency_key="new")
        assert (again.json["subject"], again.json["id"]) == (MARK, mine["id"])
        assert "-" not in again.headers["ETag"]
        assert redact(manager, mine, part="subject", whole=True).json["code"] == "nothing_left"
        assert not list(violations(database))

    def test_also_what_stood_there_before(self, manager: Caller, agent: Caller, engine: Engine) -> None:
        mine = agent.post("/complaints", complaint_body(description=f"Card {CARD}, and more.")).json
        assert agent.patch(at(mine), {"description": "No card."}, if_match="*").status_code == 200
        assert agent.patch(at(mine), {"subject": "Other"}, if_match="*").status_code == 200
        assert places_with(engine, CARD) == ["event.payload"]
        shown = done(redact(manager, mine, part="description", strings=[CARD]))
        assert (shown["places"], shown["erased_events"]) == (0, 1)
        assert agent.get(at(mine)).json["description"] == "No card."
        assert places_with(engine, CARD) == []
        edits = [
            item["payload"]
            for item in agent.get(at(mine, "timeline")).json["items"]
            if item["type"] == "complaint.edited"
        ]
        assert edits[0] is None
        assert edits[1]["changes"]["subject"][1] == "Other"
        assert agent.get(at(mine, "timeline", "verification")).json["valid"] is True

    def test_parts(self, manager: Caller, agent: Caller, engine: Engine) -> None:
        mine = agent.post("/complaints", complaint_body(description=f"Card {CARD}, and more.")).json
        with engine.begin() as connection:
            connection.execute(text('UPDATE complaint SET source_data = \'{"raw": "x 4111 1111 1111 1111", "n": 7}\''))
        shown = done(redact(manager, mine, part="description", ranges=[{"start": 5, "end": 24}]))
        assert shown["places"] == 1
        found = agent.get(at(mine)).json
        assert found["description"] == f"Card {MARK}, and more."
        assert found["source_data"] == {"raw": f"x {MARK}", "n": 7}
        [*_, event] = agent.get(at(mine, "timeline")).json["items"]
        assert (event["type"], event["payload"]["part"]) == ("complaint.text_redacted", "description")

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"whole": True}, {"/part": "required"}),
            ({"part": "message", "whole": True}, {"/part": "choice"}),
            ({"part": "subject", "strings": ["nowhere"]}, {"/strings/0": "not_there"}),
        ],
    )
    def test_bad(self, manager: Caller, complaint: dict[str, Any], body: dict[str, Any], expected: Any) -> None:
        assert pointers(redact(manager, complaint, **body)).items() >= expected.items()


class TestAtOnce:
    def test_one_wins(self, agent: Caller, manager: Caller, complaint: dict[str, Any], database: Database) -> None:
        message = said(agent, complaint)
        tag = agent.get(at(complaint)).headers["ETag"]
        ways: list[dict[str, Any]] = [{"whole": True}, {"strings": [CARD]}, {"ranges": [{"start": 0, "end": 10}]}]
        answers = at_once(*[lambda way=way: redact(manager, complaint, message, if_match=tag, **way) for way in ways])
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
        assert len(agent.get(at(complaint, "redactions")).json["items"]) == 1
        assert not list(violations(database))

    def test_repeated_with_its_key(self, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        message = said(agent, complaint)
        first = redact(manager, complaint, message, whole=True, if_match='"v2"', idempotency_key="r")
        again = redact(manager, complaint, message, whole=True, if_match='"v2"', idempotency_key="r")
        assert (first.status_code, again.json) == (200, first.json)

    def test_and_an_edit(self, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        tag = agent.get(at(complaint)).headers["ETag"]
        edit, cut = at_once(
            lambda: agent.patch(at(complaint), {"subject": "Other"}, if_match=tag).status_code,
            lambda: redact(manager, complaint, part="subject", whole=True, if_match=tag).status_code,
        )
        assert sorted((edit, cut)) == [200, 412]
