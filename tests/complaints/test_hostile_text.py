"""Texts that mean harm, in every field of a complaint that takes text, through a whole life.

How it can fail: a text is refused that somebody may well write (Hebrew beside English, a family of emoji joined by
zero-width joiners, a line that begins with "="), or changed on the way; HTML comes back as anything but text where text
was given; a line break in a subject or a name becomes a header of a mail or of an answer; what is too long is cut, or is a
500, or is found too late, with half a complaint written; a name that turns the reading direction hides what stands
after it.
"""

from typing import Any, Final
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, text

from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD, LETTER
from tests.conftest import Caller, complaint_body

HOSTILE: Final = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\"'><svg/onload=alert(1)>",
    "right to left": "\u202egnp.exe\u202c \u2066hidden\u2069 שלום",
    "zero width": "pay\u200bpal \u200d\u200c\ufeff 👨\u200d👩\u200d👧",
    "formula": '=HYPERLINK("http://evil.example")',
    "command": "+cmd|' /C calc'!A0",
    "template": "{{ 7*7 }} ${7*7} %(name)s {complainant}",
    "statement": "'); DROP TABLE complaint; --",
    "combining": "Z" + "\u0351\u0363" * 20,
    "other scripts": "العربية 中文 日本語 한국어 ไทย",
}


TOO_LONG: Final = {
    "subject": complaint_body(subject="a" * 100_000),
    "subject in another script": complaint_body(subject="诉" * 100_000),
    "subject of combining marks": complaint_body(subject="a" + "\u0301" * 100_000),
    "name": complaint_body(complainant={"name": "a" * 100_000}),
    "address": complaint_body(complainant={"email": "a" * 100_000 + "@example.com"}),
    "description": complaint_body(description="a" * 900_000),
}


def everywhere(hostile: str) -> dict[str, Any]:
    """A complaint with the text wherever text goes."""
    return complaint_body(
        subject=hostile,
        description=f"{hostile}\n\n{hostile}",
        complainant={"name": hostile, "email": "li.wei@example.com", "phone": "+44 20 7946 0000", "language": "en"},
        affected={"name": hostile},
        needs=[{"flag": "language", "adjustment": hostile, "consent": True}],
        source="shop",
        external_id=hostile,
    )


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_life_full_of_it(hostile: str, program: Program, manager: Caller, anonymous: Caller, engine: Engine) -> None:
    answer = manager.post("/complaints", everywhere(hostile) | {"acknowledge": True})
    assert answer.status_code == 201, answer.text
    taken = answer.json
    path = f"/complaints/{taken['reference']}"
    for kind in ("public_reply", "internal_note"):
        answer = manager.post(f"{path}/messages", {"kind": kind, "body": hostile})
        assert answer.status_code == 201, answer.text
    found = [{"finding": hostile, "evidence": hostile}]
    for action, given in (
        ("investigate", GOOD["investigate"] | {"findings": found}),
        ("resolve", GOOD["resolve"] | {"letter": dict.fromkeys(LETTER, hostile)}),
        ("reopen", {"reason": hostile}),
        ("withdraw", {"reason": hostile}),
    ):
        answer = manager.post(f"{path}/actions/{action}", given)
        assert answer.status_code == 200, answer.text

    shown = manager.get(path).json
    assert (shown["subject"], shown["description"]) == (hostile, f"{hostile}\n\n{hostile}")
    assert {person["name"] for person in shown["people"]} == {hostile}
    assert [message["body"] for message in manager.get(f"{path}/messages").json["items"]].count(hostile) == 2
    assert manager.get(f"{path}/timeline").status_code == 200
    listed = manager.get(f"/complaints?{urlencode({'external_id': hostile})}").json["items"]
    assert [complaint["id"] for complaint in listed] == [taken["id"]]
    given = {"reference": taken["reference"], "secret": taken["tracking_secret"]}
    token = anonymous.post("/public/tracking", given).json["token"]
    seen = anonymous.get("/public/tracking/complaint", authorization=f"Tracking {token}").json
    assert seen["subject"] == hostile
    with engine.connect() as connection:
        mails = connection.execute(text("SELECT subject, body FROM outbound_mail")).all()
    assert len(mails) >= 3  # the acknowledgement, the reply, the letter
    for subject, body in mails:
        assert len(subject.splitlines()) == 1
        assert taken["reference"] in subject + body
    assert list(violations(program.database)) == []


@pytest.mark.parametrize("body", TOO_LONG.values(), ids=TOO_LONG)
def test_what_is_too_long_is_refused_whole(body: dict[str, Any], agent: Caller, engine: Engine) -> None:
    answer = agent.post("/complaints", body)
    assert answer.status_code == 422
    assert {error["code"] for error in answer.json["errors"]} <= {"too_long", "length", "invalid"}, answer.json
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM complaint")).scalar_one() == 0


def test_ten_megabytes(agent: Caller, anonymous: Caller) -> None:
    """Refused by its size, before it is parsed."""
    body = complaint_body(description="a" * 10_000_000)
    assert anonymous.post("/complaints", body).status_code == 401
    answer = agent.post("/complaints", body)
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("line", ["a\r\nBcc: all@example.com", "a\x85b", "a\u2028Bcc: all@example.com"])
def test_no_text_becomes_a_header(line: str, agent: Caller, engine: Engine) -> None:
    """What is a line break to somebody never gets into a subject."""
    complainant = {"name": line, "email": "li.wei@example.com"}
    answer = agent.post("/complaints", complaint_body(subject=line, complainant=complainant, acknowledge=True))
    assert answer.status_code == 201, answer.text
    message = {"kind": "public_reply", "body": line}
    assert agent.post(f"/complaints/{answer.json['reference']}/messages", message).status_code == 201
    with engine.connect() as connection:
        subjects = connection.execute(text("SELECT subject FROM outbound_mail")).scalars().all()
    assert len(subjects) == 2
    assert all(len(subject.splitlines()) == 1 for subject in subjects), subjects


@pytest.mark.parametrize("line", ["a\x00b", "a\x1b[2Jb"])
def test_what_steers_a_terminal_is_refused(line: str, agent: Caller, engine: Engine) -> None:
    complainant = {"name": line, "email": "li.wei@example.com"}
    answer = agent.post("/complaints", complaint_body(subject=line, complainant=complainant, acknowledge=True))
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json["errors"]} == {"/subject", "/complainant/name"}
    with engine.connect() as connection:
        for table in ("complaint", "outbound_mail"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
