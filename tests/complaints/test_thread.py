"""The thread in detail: HTML beside plain words, answers to messages, who said it, and what became of the mail.

How it can fail: HTML is served as it came; the plain words are missing, in the row or in the mail; a message answers one
of another complaint; the mail of a reply is said to be on its way for ever, or to be sent when it is not; a thread is
paged past a message that comes meanwhile; somebody rewrites what was said.
"""

from dataclasses import replace
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import mail
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.recovery import helpers

LETTER_HTML = {
    "finding": "<p>Your parcel was <b>late</b>.",
    "reasons": "<ul><li>The depot missed a scan.</ul><script>alert(1)</script>",
    "remedy": "We are <i>sorry</i>.",
    "next_stage": "<a href='https://ombudsman.example'>The ombudsman</a> is next.",
    "format": "html",
}


class Taking:
    """A mail server that keeps what it takes; `refuse` makes it take nothing."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.refuse = refuse
        self.mails: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> bool:
        if self.refuse:
            raise ConnectionRefusedError("nobody there")
        self.mails.append(message)
        return True


def post(program: Program, mailer: Taking) -> None:
    """Perform every mail that is owed."""
    with program.database.reader() as session:
        duties = session.execute(text("SELECT id FROM duty WHERE topic = 'mail.deliver' AND done_at IS NULL")).scalars()
        ids = list(duties)
    replace(program.performer, tools=replace(program.tools, mailer=mailer)).perform(ids)


def said(caller: Caller, complaint: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{complaint['reference']}/messages", {"kind": "public_reply", **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestOne:
    def test_anonymous_stranger_auditor(
        self, anonymous: Caller, agent: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        message = said(agent, complaint, body="Hello.")
        path = f"/complaints/{complaint['reference']}/messages/{message['id']}"
        assert anonymous.get(path).status_code == 401
        assert join(team_ids=[make_team(database, "Other")]).get(path).status_code == 404
        assert join("auditor").get(path).json == message == agent.get(path).json

    def test_of_another_complaint(self, agent: Caller, complaint: dict[str, Any]) -> None:
        other = agent.post("/complaints", complaint_body()).json
        message = said(agent, other, body="Hello.")
        path = f"/complaints/{complaint['reference']}/messages"
        assert agent.get(f"{path}/{message['id']}").status_code == 404
        assert agent.get(f"{path}/{uuid4()}").status_code == 404


class TestHtml:
    def test_shown_sanitised_with_plain_words(
        self, agent: Caller, complaint: dict[str, Any], engine: Engine, program: Program
    ) -> None:
        given = "<p onclick=x>Dear Li,</p><script>alert(1)</script><p>see <a href='https://x.example'>here</a></p>"
        shown = said(agent, complaint, body_html=given)
        link = '<a href="https://x.example" rel="noopener noreferrer nofollow">here</a>'
        assert shown["body_html"] == f"<p>Dear Li,</p><p>see {link}</p>"
        assert shown["body"] == "Dear Li,\n\nsee here <https://x.example>"
        assert "html_given" not in shown
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT html_given FROM complaint_message")).scalar_one()
        assert kept == given
        mailer = Taking()
        post(program, mailer)
        [message] = mailer.mails
        assert message.get_content_type() == "multipart/alternative"
        plain, html = message.iter_parts()
        assert plain.get_content().replace("\r\n", "\n").startswith(f"{shown['body']}\n\n")
        assert shown["body_html"] in html.get_content()

    def test_plain_stays_plain(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = said(agent, complaint, body="1 < 2 <b>")
        assert (shown["body"], shown["body_html"]) == ("1 < 2 <b>", None)
        mailer = Taking()
        post(program, mailer)
        assert mailer.mails[0].get_content_type() == "text/plain"

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, {"/body": "required"}),
            ({"body": "x", "body_html": "x"}, {"/body_html": "invalid"}),
            ({"body_html": "<script>x</script>"}, {"/body_html": "invalid"}),
            ({"body_html": "<b>" * 20_000}, {"/body_html": "invalid"}),
            ({"body_html": "x" * 100_001}, {"/body_html": "length"}),
            ({"body_html": "a\x00"}, {"/body_html": "invalid"}),
            ({"body": "x", "sender": {"name": "Li"}}, {"/sender": "invalid"}),
            ({"body": "x", "in_reply_to": "7"}, {"/in_reply_to": "invalid"}),
        ],
    )
    def test_bad(
        self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], expected: dict[str, str]
    ) -> None:
        path = f"/complaints/{complaint['reference']}/messages"
        assert pointers(agent.post(path, {"kind": "public_reply", **body})) == expected

    def test_decision_letter(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        path = f"/complaints/{complaint['reference']}"
        assert agent.post(f"{path}/actions/investigate", GOOD["investigate"]).status_code == 200
        broken = GOOD["resolve"] | {"letter": LETTER_HTML | {"remedy": "<style>x</style>"}}
        assert pointers(agent.post(f"{path}/actions/resolve", broken)) == {"/letter/remedy": "invalid"}
        answer = agent.post(f"{path}/actions/resolve", GOOD["resolve"] | {"letter": LETTER_HTML})
        assert answer.status_code == 200, answer.text
        [letter] = agent.get(f"{path}/messages").json["items"]
        assert letter["purpose"] == "decision_letter"
        assert letter["body"] == (
            "Your parcel was late.\n\n- The depot missed a scan.\n\nWe are sorry.\n\n"
            "The ombudsman <https://ombudsman.example> is next."
        )
        assert letter["body_html"].startswith("<div><p>Your parcel was <b>late</b>.</p></div><div><ul>")
        assert "script" not in letter["body_html"]
        mailer = Taking()
        post(program, mailer)
        assert mailer.mails[0].get_content_type() == "multipart/alternative"


class TestAnswers:
    def test_names_the_message(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first = said(agent, complaint, kind="inbound", body="Where is it?")
        assert first["in_reply_to"] is None
        assert said(agent, complaint, body="Here.", in_reply_to=first["id"])["in_reply_to"] == first["id"]
        [*_, event] = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        assert event["payload"]["in_reply_to"] == first["id"]

    def test_not_of_another_thread(self, agent: Caller, complaint: dict[str, Any]) -> None:
        other = agent.post("/complaints", complaint_body()).json
        foreign = said(agent, other, body="x")
        path = f"/complaints/{complaint['reference']}/messages"
        for message_id in (foreign["id"], str(uuid4())):
            body = {"kind": "internal_note", "body": "x", "in_reply_to": message_id}
            assert pointers(agent.post(path, body)) == {"/in_reply_to": "unknown"}
        assert agent.get(path).json["items"] == []


class TestSender:
    def test_the_complainant_unless_said(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first = said(agent, complaint, kind="inbound", body="x")
        assert first["sender"] == {"name": "Li Wei", "email": "li.wei@example.com"}
        other = said(agent, complaint, kind="inbound", body="x", sender={"name": "His mother"})
        assert other["sender"] == {"name": "His mother", "email": None}
        assert said(agent, complaint, body="x")["sender"] is None

    def test_nobody_known(self, agent: Caller) -> None:
        nobody = agent.post("/complaints", {"channel": "EMAIL", "subject": "s", "description": "d"}).json
        assert said(agent, nobody, kind="inbound", body="x")["sender"] is None


class TestDelivery:
    def state(self, caller: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
        [message] = caller.get(f"/complaints/{complaint['reference']}/messages").json["items"]
        return dict(message["delivery"])

    def test_queued_refused_sent(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        queued = {"state": "queued", "recipient": "li.wei@example.com", "sent_at": None, "reason": None}
        assert said(agent, complaint, body="x")["delivery"] == queued
        post(program, Taking(refuse=True))
        assert self.state(agent, complaint) == queued | {"reason": "ConnectionRefusedError"}
        post(program, Taking())
        sent = self.state(agent, complaint)
        assert (sent["state"], sent["reason"]) == ("sent", None)
        assert sent["sent_at"] is not None

    def test_given_up(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        said(agent, complaint, body="x")
        with program.database.reader() as session:
            mail_id: UUID = session.execute(text("SELECT id FROM outbound_mail")).scalar_one()
        with program.database.unit_of_work(SYSTEM) as uow:
            mail.give_up(uow, mail_id, "SMTPRecipientsRefused [550]")
        found = self.state(agent, complaint)
        assert (found["state"], found["reason"]) == ("failed", "SMTPRecipientsRefused [550]")

    def test_nothing_to_send(self, agent: Caller, complaint: dict[str, Any]) -> None:
        nobody = agent.post("/complaints", {"channel": "EMAIL", "subject": "s", "description": "d"}).json
        assert said(agent, nobody, body="x")["delivery"] is None
        assert said(agent, complaint, kind="internal_note", body="x")["delivery"] is None

    def test_taken_back_before_it_is_sent(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        """Once from each state; what was cancelled is not sent afterwards."""
        said(agent, complaint, body="secret")
        with program.database.reader() as session:
            mail_id = session.execute(text("SELECT id FROM outbound_mail")).scalar_one()

        def take_back(*, cancel: bool) -> str:
            with program.database.unit_of_work(SYSTEM) as uow:
                return mail.take_back(uow, mail_id, rewrite=lambda _: "[...]", cancel=cancel)

        assert take_back(cancel=False) == "not_sent"
        post(program, Taking(refuse=True))
        assert take_back(cancel=False) == "not_sent"
        with program.database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE outbound_mail SET tried_at = now(), failure = NULL"))
        assert take_back(cancel=True) == "perhaps_sent"
        mailer = Taking()
        post(program, mailer)
        assert mailer.mails == []
        assert self.state(agent, complaint)["state"] == "cancelled"
        with program.database.reader() as session:
            assert session.execute(text("SELECT count(*) FROM duty WHERE done_at IS NULL")).scalar_one() == 0

    def test_taken_back_too_late(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        said(agent, complaint, body="secret")
        mailer = Taking()
        post(program, mailer)
        with program.database.unit_of_work(SYSTEM) as uow:
            mail_id = uow.session.execute(text("SELECT id FROM outbound_mail")).scalar_one()
            assert mail.take_back(uow, mail_id, rewrite=lambda _: "[...]", cancel=True) == "sent"
        assert self.state(agent, complaint)["state"] == "sent"


class TestPages:
    def test_newest_first(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/messages?limit=2&sort=-created_at"
        written = [said(agent, complaint, kind="internal_note", body=str(number))["id"] for number in range(5)]
        first = agent.get(path).json
        said(agent, complaint, kind="internal_note", body="meanwhile")
        found = [item["id"] for item in first["items"]]
        cursor = first["next_cursor"]
        while cursor:
            page = agent.get(f"{path}&cursor={cursor}").json
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert found == written[::-1]

    def test_a_cursor_keeps_its_order(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/messages?limit=1"
        for _ in range(2):
            said(agent, complaint, body="x")
        cursor = agent.get(f"{path}&sort=-created_at").json["next_cursor"]
        assert agent.get(f"{path}&cursor={cursor}").status_code == 400
        assert agent.get(f"{path}&sort=body").status_code == 422


class TestItStands:
    """The database itself refuses to have words put into somebody's mouth."""

    @pytest.mark.parametrize("change", ["body = 'other'", "author_id = NULL", "kind = 'inbound'", "html = 'x'"])
    def test_nobody_rewrites_it(self, agent: Caller, complaint: dict[str, Any], engine: Engine, change: str) -> None:
        said(agent, complaint, body="x")
        with engine.begin() as connection, pytest.raises(IntegrityError, match="never changed"):
            connection.execute(text(f"UPDATE complaint_message SET {change}"))


def test_without_a_mail_server_nobody_was_written_to(
    agent: Caller, complaint: dict[str, Any], program: Program
) -> None:
    """And the answer says so: the text stands in the table, and the log says that it went nowhere."""
    answer = agent.post(f"/complaints/{complaint['reference']}/messages", {"kind": "public_reply", "body": "Friday."})
    helpers.perform(program, "mail.deliver")
    shown = agent.get(f"/complaints/{complaint['reference']}/messages/{answer.json['id']}").json["delivery"]
    assert (shown["state"], shown["sent_at"]) == ("cancelled", None)
    assert "HELPDESK_SMTP_URL" in shown["reason"]
