"""Mail to complainants that does not arrive, against a real SMTP server.

How it can fail: what a server refuses for good is sent again and again; nobody who could do something about it hears of it,
or somebody who may not see the complaint does; it is told twice; what is only put off is given up.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.complaints import thread_queries
from helpdesk.kernel import mail
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program, assemble
from tests.complaints.merges.acting import NA
from tests.complaints.merging import merge, new, path_of, verified
from tests.conftest import Caller, Join
from tests.kernel.test_mail import Post, Server
from tests.recovery import helpers

GONE: Final = "550 5.1.1 <li.wei@example.com>: no such mailbox"


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def mailing(settings: Settings, post: Post) -> Iterator[Program]:
    server = Server(post, hostname="127.0.0.1", port=0)
    server.start()
    program = assemble(replace(settings, smtp_url=f"smtp://127.0.0.1:{server.port}"))
    yield program
    program.engine.dispose()
    server.stop()


def deliver(program: Program) -> dict[str, int]:
    return dict(program.performer.perform(helpers.duties(program.database, mail.TOPIC)))


def told(caller: Caller) -> list[tuple[str, str | None]]:
    items = caller.get("/notifications?kind=mail_failed").json["items"]
    return [(item["reference"], item["message_id"]) for item in items]


def events(caller: Caller, complaint: dict[str, Any]) -> list[dict[str, Any]]:
    items = caller.get(f"{path_of(complaint)}/timeline?limit=200").json["items"]
    return [item["payload"] for item in items if item["type"] == "complaint.mail_failed"]


def reply(caller: Caller, complaint: dict[str, Any]) -> str:
    answer = caller.post(f"{path_of(complaint)}/messages", {"kind": "public_reply", "body": "On Friday."})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def test_refused_for_good(mailing: Program, post: Post, senior: Caller, join: Join, team: UUID) -> None:
    colleague, elsewhere = join("agent"), join("agent", team_ids=[])
    complaint = new(senior, team)
    assert colleague.post(f"{path_of(complaint)}/claim", {}).status_code == 200
    message_id = reply(senior, complaint)
    post.refuse = [GONE]
    assert deliver(mailing) == {"done": 1, "skipped": 0, "failed": 0}
    assert helpers.duties(mailing.database, mail.TOPIC) == []
    assert post.mails == []
    delivery = senior.get(f"{path_of(complaint)}/messages").json["items"][-1]["delivery"]
    assert (delivery["state"], delivery["reason"]) == ("failed", GONE)
    (event,) = events(senior, complaint)
    assert (event["message_id"], event["purpose"], event["reason"]) == (message_id, "message", GONE)
    for caller in (senior, colleague):  # who wrote it, and who has it
        assert told(caller) == [(complaint["reference"], message_id)]
    assert told(elsewhere) == []
    verified(mailing.database)


def test_its_message_is_found_by_an_index(database: Database) -> None:
    """Messages are the most that there is: no mail that is refused looks for its own among all of them."""
    statement = thread_queries._OF_MAIL.params(mail_id=new_id())
    compiled = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
    with Session(database.engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(session.scalars(text(f"EXPLAIN {compiled}")))
    assert "Seq Scan" not in plan, plan
    assert "ix_complaint_message_mail_id" in plan, plan


def test_put_off_is_tried_again(mailing: Program, post: Post, senior: Caller, team: UUID) -> None:
    complaint = new(senior, team)
    reply(senior, complaint)
    post.refuse = ["451 4.2.1 Later"]
    assert deliver(mailing)["failed"] == 1
    assert (events(senior, complaint), told(senior)) == ([], [])
    assert deliver(mailing)["done"] == 1
    assert len(post.mails) == 1


def test_one_of_two_people(mailing: Program, post: Post, senior: Caller, team: UUID) -> None:
    """Only one of the two mails stands in the message: of both the event says what became of them."""
    hers, his = new(senior, team, complainant=NA), new(senior, team)
    merge(senior, hers, his, other_complainant=True, silent=True)
    message_id = reply(senior, his)
    post.refuse = [GONE, GONE]
    assert deliver(mailing) == {"done": 2, "skipped": 0, "failed": 0}
    assert [event["message_id"] for event in events(senior, his)] == [message_id, None]
    assert {event["reason"] for event in events(senior, his)} == {GONE}


def test_of_an_offer(mailing: Program, post: Post, manager: Caller, complaint: dict[str, Any]) -> None:
    helpers.open_budget(manager)
    helpers.offered(manager, complaint, helpers.voucher("40.00"))
    post.refuse = [GONE]
    deliver(mailing)
    assert [event["purpose"] for event in events(manager, complaint)] == ["offer"]


def test_given_up_after_hours(mailing: Program, senior: Caller, team: UUID, database: Database) -> None:
    """Who has it is told then too; who runs the program sees it as before."""
    complaint = new(senior, team)
    message_id = reply(senior, complaint)
    helpers.execute(database, "UPDATE duty SET failures = 39 WHERE topic = 'mail.deliver'")
    nowhere = replace(mailing.tools, mailer=mail.SmtpMailer("smtp://127.0.0.1:1"))
    away = replace(mailing.performer, tools=nowhere)
    assert away.perform(helpers.duties(database, mail.TOPIC))["failed"] == 1
    (event,) = events(senior, complaint)
    assert (event["message_id"], event["reason"]) == (message_id, "ConnectionRefusedError")
    assert told(senior) == [(complaint["reference"], message_id)]
