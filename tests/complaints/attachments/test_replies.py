"""Files that go with messages, drafts and mail.

How it can fail: what nobody named goes out; an internal file is sent; what a virus was found in, what is not scanned yet, what is
another complaint's or another message's goes; of two messages at once both have it; the mail is too large for any server, or
goes without what it speaks of; a file that was redacted meanwhile goes all the same; a link in a mail opens what the complainant
may not see; a complainant sends on what they did not send; a note takes a file away from them.
"""

from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import HANDLERS, Program
from tests.complaints.attachments.sending import app_with, at, get, sent
from tests.complaints.attachments.test_tracked import Complainant
from tests.complaints.calling import new, problems
from tests.conftest import Caller, Join, make_team
from tests.kernel.test_sniffing import GIF, PDF
from tests.racing import at_once
from tests.recovery import helpers

REPLY = {"kind": "public_reply", "body": "Here is the form."}


class Post:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> bool:
        self.sent.append(message)
        return True


def deliver(program: Program, **tools: Any) -> list[EmailMessage]:
    post = Post()
    performer = Performer(program.database, HANDLERS, SYSTEM, replace(program.tools, mailer=post, **tools))
    performer.perform(helpers.duties(program.database, "mail.deliver"))
    return post.sent


def files_in(message: EmailMessage) -> dict[str | None, bytes]:
    return {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}  # type: ignore[misc]


def thread(complaint: dict[str, Any], *more: str) -> str:
    return "/".join((f"/complaints/{complaint['reference']}", "messages", *more))


def write(caller: Caller, complaint: dict[str, Any], *files: dict[str, Any], **more: Any) -> Any:
    return caller.post(thread(complaint), REPLY | {"attachment_ids": [file["id"] for file in files]} | more)


def written(caller: Caller, complaint: dict[str, Any], *files: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = write(caller, complaint, *files, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def mark(engine: Engine, scan: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE complaint_attachment SET scan = :scan"), {"scan": scan})


class TestWithAMessage:
    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        file = sent(agent, complaint)
        assert write(anonymous, complaint, file).status_code == 401
        assert write(join("auditor"), complaint, file).status_code == 403
        assert write(join(team_ids=[make_team(database, "Other")]), complaint, file).status_code == 404

    def test_it_is_shown_and_bound(self, agent: Caller, complaint: dict[str, Any], database: Database) -> None:
        first, second, left = (
            sent(agent, complaint),
            sent(agent, complaint, GIF, name="Map.gif"),
            sent(agent, complaint),
        )
        message = written(agent, complaint, second, first)
        assert [(item["name"], item["internal"]) for item in message["attachments"]] == [
            ("Invoice.pdf", False),
            ("Map.gif", False),
        ]
        assert agent.get(thread(complaint)).json["items"][-1]["attachments"] == message["attachments"]
        assert agent.get(thread(complaint, message["id"])).json["attachments"] == message["attachments"]
        listed = agent.get(f"/complaints/{complaint['reference']}/attachments").json["items"]
        assert [(item["message_id"], item["internal"], item["version"]) for item in listed] == [
            (message["id"], False, 2),
            (message["id"], False, 2),
            (None, True, 1),
        ]
        told = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        assert told[-3]["payload"]["attachment_ids"] == [second["id"], first["id"]]
        assert [item["type"] for item in told[-2:]] == ["complaint.attachment_bound"] * 2
        assert told[-1]["payload"]["changes"] == {"message_id": [None, message["id"]], "internal": [True, False]}
        assert list(violations(database, ["complaints"])) == []
        assert left["id"] not in str(message)

    def test_what_cannot_go(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        other = new(agent)
        taken, strange, redacted, fine = (
            sent(agent, complaint),
            sent(agent, other),
            sent(agent, complaint),
            sent(agent, complaint),
        )
        written(agent, complaint, taken)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE complaint_attachment SET redacted_at = now(), file_id = NULL, name = NULL WHERE id = :id"),
                {"id": redacted["id"]},
            )
        before = agent.get(thread(complaint) + "?count=true").json["total"]
        assert problems(write(agent, complaint, taken, strange, redacted, fine)) == {
            "/attachment_ids/0": "taken",
            "/attachment_ids/1": "unknown",
            "/attachment_ids/2": "unknown",
        }
        for scan in ("infected", "scanning", "failed"):
            mark(engine, scan)
            assert problems(write(agent, complaint, fine)) == {"/attachment_ids/0": "not_clean"}
        assert agent.get(thread(complaint) + "?count=true").json["total"] == before
        many = [fine] * 21
        assert "/attachment_ids" in problems(write(agent, complaint, *many))

    def test_with_a_scanner_it_has_to_be_clean(
        self, program: Program, agent: Caller, complaint: dict[str, Any], engine: Engine
    ) -> None:
        file = sent(agent, complaint)
        with app_with(program, clamd_url="tcp://127.0.0.1:9") as (app, _):
            here = at(app, agent)
            assert problems(write(here, complaint, file)) == {"/attachment_ids/0": "not_clean"}
            mark(engine, "clean")
            written(here, complaint, file)

    def test_a_note_takes_what_is_among_ourselves(self, agent: Caller, complaint: dict[str, Any]) -> None:
        ours, theirs = sent(agent, complaint), sent(agent, complaint, internal="false")
        note = {"kind": "internal_note", "body": "See there."}
        assert problems(write(agent, complaint, theirs, **note)) == {"/attachment_ids/0": "shown"}
        message = written(agent, complaint, ours, **note)
        assert [item["internal"] for item in message["attachments"]] == [True]

    def test_of_two_at_once_one_has_it(self, agent: Caller, complaint: dict[str, Any]) -> None:
        file = sent(agent, complaint)
        answers = at_once(*[lambda: write(agent, complaint, file)] * 2)
        assert sorted(answer.status_code for answer in answers) == [201, 422]


class TestDrafts:
    def test_kept_and_sent(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        path = f"/complaints/{complaint['reference']}/drafts"
        file, strange = sent(agent, complaint), sent(agent, new(agent))
        assert problems(agent.post(path, REPLY | {"attachment_ids": [strange["id"]]})) == {
            "/attachment_ids/0": "unknown"
        }
        draft = agent.post(path, REPLY | {"attachment_ids": [file["id"]]}).json
        assert draft["attachment_ids"] == [file["id"]]
        message = agent.post(f"{path}/{draft['id']}/send", {}).json
        assert [item["id"] for item in message["attachments"]] == [file["id"]]
        assert list(files_in(deliver(program)[-1])) == ["Invoice.pdf"]

    def test_taken_meanwhile(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/drafts"
        file = sent(agent, complaint)
        draft = agent.post(path, REPLY | {"attachment_ids": [file["id"]]}).json
        seen = written(agent, complaint, file)["id"]
        refused = agent.post(f"{path}/{draft['id']}/send", {"seen_message_id": seen})
        assert problems(refused) == {"/attachment_ids/0": "taken"}


class TestMail:
    def test_it_has_the_files_that_were_named(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        file = sent(agent, complaint, name="发票 März.pdf")
        sent(agent, complaint, GIF, name="Internal.gif")
        answer = agent.post(
            thread(complaint),
            {"kind": "public_reply", "body_html": "<p>Here it is.</p>", "attachment_ids": [file["id"]]},
        )
        assert answer.status_code == 201, answer.text
        [message] = deliver(program)
        assert files_in(message) == {"发票 März.pdf": PDF}
        body = message.get_body(("plain",))
        assert body is not None
        assert "Here it is." in body.get_content()
        assert bytes(message)  # it can be written as it goes over the wire
        answer = agent.get(thread(complaint, answer.json["id"])).json
        assert answer["delivery"]["state"] == "sent"

    def test_beyond_the_limit_a_link_does(
        self, agent: Caller, anonymous: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        first, second = sent(agent, complaint), sent(agent, complaint, GIF, name="Map.gif")
        written(agent, complaint, second, first)
        [message] = deliver(program, mail_attachments_bytes=len(GIF))
        assert files_in(message) == {"Map.gif": GIF}
        body = message.get_body(("plain",))
        assert body is not None
        url = next(word for word in body.get_content().split() if "/public/files/" in word)
        assert get(anonymous, url).data == PDF
        path = f"/complaints/{complaint['reference']}/attachments/{first['id']}"
        assert agent.patch(path, {"internal": True}, if_match="*").status_code == 200
        assert get(anonymous, url).status_code == 404

    def test_redacted_before_it_is_sent(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        file = sent(agent, complaint)
        written(agent, complaint, file)
        path = f"/complaints/{complaint['reference']}/attachments/{file['id']}/redact"
        assert manager.post(path, {"reason": "Somebody else's passport."}).status_code == 200
        [message] = deliver(program)
        assert files_in(message) == {}
        assert "cannot be sent" in str(message.get_content())

    def test_it_waits_for_a_scan(
        self, agent: Caller, complaint: dict[str, Any], program: Program, engine: Engine
    ) -> None:
        message = written(agent, complaint, sent(agent, complaint))
        mark(engine, "scanning")
        assert deliver(program) == []
        shown = agent.get(thread(complaint, message["id"])).json["delivery"]
        assert (shown["state"], shown["reason"]) == ("queued", "AttachmentNotClean")


class TestTracked:
    @pytest.fixture
    def li_wei(self, anonymous: Caller, complaint: dict[str, Any]) -> Complainant:
        return Complainant(anonymous, complaint)

    def test_theirs_go_with_what_they_write(
        self, li_wei: Complainant, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        ours = sent(agent, complaint, internal="false")
        theirs = li_wei.send().json
        path = "/public/tracking/messages"

        def say(*ids: str) -> Any:
            body = {"body": "Here is the receipt.", "attachment_ids": list(ids)}
            return li_wei.caller.post(path, body, authorization=li_wei.authorization)

        assert problems(say(ours["id"])) == {"/attachment_ids/0": "unknown"}
        said = say(theirs["id"])
        assert said.status_code == 201, said.text
        assert [item["name"] for item in said.json["attachments"]] == ["Receipt.pdf"]
        assert problems(say(theirs["id"])) == {"/attachment_ids/0": "taken"}
        kept, given = sent(agent, complaint), sent(agent, complaint, GIF, name="Map.gif")
        written(agent, complaint, kept, kind="internal_note")
        written(agent, complaint, given)
        entries = li_wei.caller.get(path, authorization=li_wei.authorization).json["items"]
        assert [[item["name"] for item in entry["attachments"]] for entry in entries] == [["Receipt.pdf"], ["Map.gif"]]
        assert {item["id"] for item in li_wei.list()} == {ours["id"], theirs["id"], given["id"]}
