"""The page that complainants are sent to.

How it can fail: it is not where the mail says; something of it comes from elsewhere, or runs inline; reference and secret
reach an address that servers are asked for, or stay in the browser; what somebody wrote is read as markup; a language lacks
a word; a field has no label; the script asks for a route that there is not, or does not do what it says.
"""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from werkzeug.serving import make_server

from helpdesk.complaints.phrases import said
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.tracking.complainants import Post, act, new
from tests.conftest import Caller
from tests.contract.document import OPERATIONS, check_problem

PAGES: Final = Path(__file__).resolve().parents[2] / "helpdesk" / "pages"
HTML: Final = (PAGES / "track.html").read_text(encoding="utf-8")
WORDS: Final = (PAGES / "track_words.js").read_text(encoding="utf-8")
SCRIPT: Final = (PAGES / "track.js").read_text(encoding="utf-8")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(HTML)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


TAGS: Final = Tags().found
IDS: Final = {given["id"] for _, given in TAGS if "id" in given}


def words(language: str) -> set[str]:
    found = re.search(rf"^  {language}: {{\n(.*?)^  }},$", WORDS, re.DOTALL | re.MULTILINE)
    assert found is not None
    return set(re.findall(r"^    (\w+): \"", found[1], re.MULTILINE))


class TestServed:
    def test_is_where_the_mail_says(self, program: Program, agent: Caller, anonymous: Caller) -> None:
        post = Post(program)
        shown = new(agent, acknowledge=True)
        post.deliver()
        found = re.search(r"(http://helpdesk\.test/track)#reference=(\S+)&secret=(\S+)", post.sent[0].get_content())
        assert found is not None
        assert found[2] == shown["reference"]
        answer = anonymous.client.get("/track")
        assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/html", HTML)

    def test_lets_nothing_else_in(self, anonymous: Caller) -> None:
        for path in ("/track", "/track/words.js", "/track/page.js", "/track/page.css"):
            answer = anonymous.client.get(path)
            assert answer.status_code == 200
            assert int(answer.headers["Content-Length"]) > 0
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))
            assert rules == {
                "default-src": "'none'",
                "script-src": "'self'",
                "style-src": "'self'",
                "connect-src": "'self'",
                "base-uri": "'none'",
                "form-action": "'none'",
                "frame-ancestors": "'none'",
            }
            again = anonymous.client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status_code == 304

    def test_loads_its_own_files_only(self) -> None:
        loaded = [given[name] for _, given in TAGS for name in ("src", "href") if name in given]
        assert loaded == ["track/page.css", "track/words.js", "track/page.js"]
        assert not [name for _, given in TAGS for name in given if name.startswith("on") or name == "style"]
        for file in (HTML, WORDS, SCRIPT, (PAGES / "track.css").read_text(encoding="utf-8")):
            assert not re.search(r"(?:https?:)?//[A-Za-z0-9]", file)
            assert "@import" not in file

    def test_with_a_slash_it_is_the_same(self, anonymous: Caller) -> None:
        answer = anonymous.client.get("/track/")
        assert (answer.status_code, answer.headers["Location"]) == (308, "../track")

    def test_nothing_else_is_there(self, anonymous: Caller) -> None:
        for path in ("/track/track.html", "/track/../pages/track.js", "/track/%2e%2e/app.py"):
            answer = anonymous.client.get(path)
            assert check_problem(answer.status_code, answer.content_type, answer.text)["code"] == "unknown_route"


class TestWritten:
    def test_every_word_in_both_languages(self) -> None:
        said = {given["data-say"] for _, given in TAGS if "data-say" in given}
        asked = set(re.findall(r'(?:say|tell|show)\("(\w+)"\)', SCRIPT)) | set(
            re.findall(r', "(\w+)"\);$', SCRIPT, re.MULTILINE)
        )
        assert words("en") == words("zh")
        answers = set(re.findall(r'^  \w+: "(\w+)",$', WORDS, re.MULTILINE))
        assert len(answers) > 10
        assert said | asked | answers <= words("en")

    def test_what_the_script_looks_for_is_there(self) -> None:
        assert set(re.findall(r'(?:part|fill|reason|onSubmit)\("(\w+)"', SCRIPT)) <= IDS

    def test_every_field_has_its_label_and_no_name(self) -> None:
        """Without a name nothing is sent by a form itself, whatever becomes of the script."""
        labelled = {given.get("for") for tag, given in TAGS if tag == "label"}
        for tag, given in TAGS:
            if tag in {"input", "textarea"}:
                assert given["id"] in labelled
                assert "name" not in given

    def test_nothing_is_read_as_markup(self) -> None:
        for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "localStorage", "cookie"):
            assert way not in SCRIPT

    def test_it_asks_for_routes_that_there_are(self) -> None:
        known = {(item.method.upper(), item.path.removeprefix("/api/v1/public/tracking")) for item in OPERATIONS}
        asked = set(re.findall(r'call\("(GET|POST)", "([^"`]*)"', SCRIPT))
        asked |= {("GET", path) for path in re.findall(r'all\("([^"]*)"\)', SCRIPT)}
        asked |= {("POST", path) for path in re.findall(r'onSubmit\("\w+", "([^"]*)"', SCRIPT)}
        asked.add(("POST", "/attachments/{attachment_id}/link"))
        assert len(asked) == 11
        assert asked <= known


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to run the page's script")
class TestRun:
    @pytest.fixture
    def site(self, app: Flask) -> Iterator[str]:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.port}/track"
        server.shutdown()
        thread.join()

    def run(self, address: str, *steps: list[str], likes: str = "en-GB") -> list[dict[str, Any]]:
        files = [
            str(Path(__file__).with_name("browser.js")),
            *(str(PAGES / name) for name in ("track.html", "track_words.js", "track.js")),
        ]
        done = subprocess.run(
            ["node", *files, address, json.dumps(steps)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": os.environ["PATH"], "LIKES": likes},
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_a_whole_visit(self, site: str, agent: Caller, database: Database) -> None:
        shown = new(agent, description="<script>alert(1)</script>")
        path = f"/complaints/{shown['reference']}"
        agent.post(f"{path}/messages", {"kind": "public_reply", "body": "It comes on <b>Friday</b>."})
        agent.post(f"{path}/messages", {"kind": "internal_note", "body": "canary"})
        first, *_, last = self.run(
            f"{site}#reference={shown['reference']}&secret={shown['tracking_secret']}",
            ["look"],
            ["fill", "message", "Friday suits me."],
            ["send", "write"],
            ["choose", "file", "note.txt", "It is broken."],
            ["send", "attach"],
            ["open", "files"],
            ["fill", "withdraw_reason", "It came."],
            ["send", "withdraw"],
            ["look"],
            ["fill", "reopen_reason", "It is broken after all."],
            ["send", "reopen"],
            ["look"],
        )
        assert (first["known_as"], first["description"]) == (shown["reference"], "<script>alert(1)</script>")
        assert first["focus"] == "subject"
        assert "It comes on <b>Friday</b>." in first["thread"]
        assert "canary" not in json.dumps(first)
        assert first["reopen"] is None
        assert shown["tracking_secret"] not in json.dumps(last)
        assert last["address"] == site
        assert all("secret" not in address for address in last["asked"])
        assert "/api/v1/" in last["sent"]
        assert (last["problem"], last["status"]) == ("", "It is taken up again.")
        said = [(item["kind"], item["body"]) for item in agent.get(f"{path}/messages").json["items"]]
        assert ("inbound", "Friday suits me.") in said
        (file,) = agent.get(f"{path}/attachments").json["items"]
        assert file["name"] == "note.txt"
        told = agent.get(path).json
        assert told["status"] == "received"

    def test_a_wrong_secret_and_leaving(self, site: str, agent: Caller) -> None:
        shown = new(agent)
        wrong, right, left = self.run(
            f"{site}#reference={shown['reference']}&secret=nothing",
            ["look"],
            ["fill", "reference", shown["reference"]],
            ["fill", "secret", shown["tracking_secret"]],
            ["send", "open"],
            ["look"],
            ["press", "leave"],
            ["look"],
            likes="zh-CN",
        )
        assert wrong["problem"].startswith("编号与密码不符")
        assert (wrong["complaint"], wrong["lang"], wrong["kept"]) == (None, "zh-CN", [])
        assert right["known_as"] == shown["reference"]
        assert right["open"] is None
        assert len(right["kept"]) == 1
        assert (left["complaint"], left["kept"]) == (None, [])

    def test_a_reference_alone_is_filled_in(self, site: str, agent: Caller) -> None:
        """As it stands under a reply, which is passed on and has no secret."""
        shown = new(agent)
        asked, seen = self.run(
            f"{site}#reference={shown['reference']}",
            ["look"],
            ["fill", "secret", shown["tracking_secret"]],
            ["send", "open"],
            ["look"],
        )
        assert (asked["values"], asked["focus"], asked["problem"]) == (
            {"reference": shown["reference"]},
            "secret",
            "",
        )
        assert asked["address"] == site
        assert seen["known_as"] == shown["reference"]

    def test_nothing_is_left_in_the_page(self, site: str, agent: Caller) -> None:
        """Not hidden either: whoever comes next to this computer looks into the page as well as at it."""
        shown = new(agent, subject="Canary", description="canary words")
        agent.post(f"/complaints/{shown['reference']}/messages", {"kind": "public_reply", "body": "canary reply"})
        there, left = self.run(
            f"{site}#reference={shown['reference']}&secret={shown['tracking_secret']}",
            ["fill", "message", "half a canary"],
            ["fill", "withdraw_reason", "a canary"],
            ["look"],
            ["press", "leave"],
            ["look"],
        )
        assert (there["subject"], there["values"]["message"]) == ("Canary", "half a canary")
        told = json.dumps({name: value for name, value in left.items() if name not in {"asked", "kept"}}).lower()
        assert "canary" not in told
        assert shown["reference"].lower() not in told
        assert left["values"] == {}

    @pytest.mark.parametrize(
        ("likes", "words"),
        [("en-GB", "We cannot take this kind of file"), ("zh-CN", "无法接收此类文件")],
    )
    def test_refusals_are_for_people(self, site: str, agent: Caller, likes: str, words: str) -> None:
        shown = new(agent)
        opening = f"{site}#reference={shown['reference']}&secret={shown['tracking_secret']}"
        steps = (["choose", "file", "run.exe", "MZ\x90\x00\x03\x00\x00\x00"], ["send", "attach"], ["look"])
        (seen,) = self.run(opening, *steps, likes=likes)
        assert seen["problem"].startswith(words)
        assert "errors" not in seen["problem"]

    def test_in_the_other_language(self, site: str, agent: Caller) -> None:
        """All that the program says, from the words of the page to what the API tells it; not what people wrote."""
        shown = new(agent, acknowledge=True)
        english, chinese = self.run(
            f"{site}#reference={shown['reference']}&secret={shown['tracking_secret']}",
            ["look"],
            ["press", "languages", "zh"],
            ["look"],
        )
        assert english["stands"] == said("status_received", "en")
        assert chinese["stands"] == said("status_received", "zh")
        assert said("promise_resolve", "zh") in chinese["promised"]
        words = {"reference": shown["reference"], "record_type": "complaint"}
        assert said("acknowledgement", "zh", **words) in chinese["thread"]
        assert (chinese["subject"], chinese["description"]) == (shown["subject"], shown["description"])

    def test_a_message_with_a_file(self, site: str, agent: Caller) -> None:
        shown = new(agent)
        seen, after = self.run(
            f"{site}#reference={shown['reference']}&secret={shown['tracking_secret']}",
            ["fill", "message", "Here it is."],
            ["choose", "message_file", "note.txt", "It is broken."],
            ["send", "write"],
            ["look"],
            ["fill", "message", "And that is all."],
            ["send", "write"],
            ["look"],
        )
        assert "note.txt" in seen["thread"]
        assert seen["files"] == "None."
        assert after["problem"] == ""
        items = agent.get(f"/complaints/{shown['reference']}/messages").json["items"]
        assert [(item["body"], [file["name"] for file in item["attachments"]]) for item in items] == [
            ("Here it is.", ["note.txt"]),
            ("And that is all.", []),
        ]

    def test_decided_and_after_the_window(self, site: str, senior: Caller, engine: Engine) -> None:
        shown = new(senior)
        for action in ("investigate", "resolve"):
            act(senior, shown, action)
        opening = f"{site}#reference={shown['reference']}&secret={shown['tracking_secret']}"
        (within,) = self.run(opening, ["look"])
        assert within["decided"].startswith("Our decision: ")
        assert within["until"].startswith("You can ask until: ")
        assert len(within["until"]) > len("You can ask until: ")
        assert (within["reopen"] is None, within["again"] is None) == (False, True)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE complaint_transition DISABLE TRIGGER USER"))
            connection.execute(text("UPDATE complaint_transition SET at = at - interval '400 days'"))
            connection.execute(text("ALTER TABLE complaint_transition ENABLE TRIGGER USER"))
        late, done = self.run(
            opening,
            ["look"],
            ["fill", "again_subject", "It broke again"],
            ["fill", "again_description", "The new one too."],
            ["send", "again"],
            ["look"],
        )
        assert (late["reopen"] is None, late["again"] is None) == (True, False)
        assert done["problem"] == ""
        found = re.fullmatch(r"Reference: (\S+)\nSecret: (\S+)", done["receipt"])
        assert found is not None
        assert senior.get(f"/complaints/{found[1]}").json["subject"] == "It broke again"
        assert found[2] != "\u2013"
