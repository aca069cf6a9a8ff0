"""What stands under the mail of a reply.

How it can fail: it names the agent where complainants are told of teams only; the reference is another person's; it is in the
complaint's language and not in the reader's; the secret stands in it; it leads somewhere for which they have no secret; it
becomes part of what was said.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.complaints.phrases import said
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merges.acting import NA
from tests.complaints.merging import merge, new, path_of, thread
from tests.complaints.tracking.complainants import Post, act
from tests.conftest import Caller


def sent(program: Program, **settings: Any) -> list[Any]:
    post = Post(replace(program, tools=replace(program.tools, **settings)))
    post.deliver()
    return post.sent


def lines(message: Any) -> list[str]:
    plain = message.get_body(preferencelist=("plain",)).get_content()
    return [line for line in plain.replace("\r\n", "\n").split("\n") if line]


def reply(caller: Caller, complaint: dict[str, Any], **more: str) -> None:
    body = {"kind": "public_reply"} | (more or {"body": "On Friday."})
    answer = caller.post(f"{path_of(complaint)}/messages", body)
    assert answer.status_code == 201, answer.text


def test_who_writes_and_where_to_follow(program: Program, senior: Caller, team: UUID) -> None:
    complaint = new(senior, team)
    reply(senior, complaint)
    (message,) = sent(program, sender="Parcels <help@desk.example>", tracking_page="http://desk.example/track")
    first_name = senior.get("/me").json["name"].split(" ")[0]
    reference = complaint["reference"]
    assert lines(message) == [
        "On Friday.",
        f"{first_name}, Parcels",
        said("footer_reference", "en", reference=reference),
        said("footer_page", "en", url=f"http://desk.example/track#reference={reference}"),
    ]
    assert complaint["tracking_secret"] not in message.as_string()
    assert thread(senior, complaint) == [("public_reply", "On Friday.")]


def test_no_name_where_the_tracking_shows_none(program: Program, senior: Caller, team: UUID) -> None:
    reply(senior, new(senior, team))
    (message,) = sent(program, sender="help@desk.example", tracking_names="team")
    name = senior.get("/me").json["name"].split(" ")[0]
    assert name not in lines(message)[1]


def test_what_nobody_wrote_is_from_the_desk(program: Program, senior: Caller, team: UUID) -> None:
    hers, his = new(senior, team), new(senior, team)
    merge(senior, hers, his)
    (message,) = sent(program, sender="Parcels <help@desk.example>")
    assert lines(message)[1] == "Parcels"


def test_under_html_too(program: Program, senior: Caller, team: UUID) -> None:
    complaint = new(senior, team)
    reply(senior, complaint, body_html="<p>On <b>Friday</b>.</p>")
    (message,) = sent(program)
    for part in message.iter_parts():
        assert said("footer_reference", "en", reference=complaint["reference"]) in part.get_content()


@pytest.mark.parametrize("tracked", [True, False])
def test_to_each_by_the_reference_and_in_the_language_that_they_know(
    program: Program, senior: Caller, team: UUID, database: Database, *, tracked: bool
) -> None:
    """Whoever has no secret (an imported complaint) is led nowhere."""
    hers, his = new(senior, team, complainant=NA), new(senior, team)
    merge(senior, hers, his, other_complainant=True, silent=True)
    if not tracked:
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE complaint SET tracking_hash = NULL"))
    act(senior, his, "ask_customer")
    messages = {message["To"]: message for message in sent(program)}
    for person, complaint, language, other in (
        (NA["email"], hers, "zh", his),
        ("li.wei@example.com", his, "en", hers),
    ):
        told = messages[person].get_content()
        assert said("footer_reference", language, reference=complaint["reference"]) in told
        assert (said("footer_page", language, url="") in told) == tracked
        assert other["reference"] not in told
