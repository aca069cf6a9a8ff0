"""Files on complaints, through the API.

How it can fail: the process dies between the bytes and the row, or between the row and the bytes; two take the last
place; a slow sender holds a connection; a file of 500 MB sits in memory; a repeat stores it twice; what is refused stays
in the store; a link opens another file, outlives its time, its maker's rights, or the file; a name leads elsewhere; the
scanner is away, or the file is infected; the complainant sees what is internal.
"""

import hashlib
import io
import os
import subprocess
import tracemalloc
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.complaints import attachment_jobs, attachment_queries, attachments
from helpdesk.complaints.attachment_models import Attachment
from helpdesk.identity.actors import SYSTEM, complainant_actor
from helpdesk.kernel import faults, files, uploads
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.errors import DomainError, NotFound, ValidationFailed
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.scanning import scanner_for
from helpdesk.kernel.storage import FolderStore, Store, store_for
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import HANDLERS, Program
from tests import clamd, s3
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.kernel.test_sniffing import GIF, PDF, PNG, packed
from tests.racing import at_once
from tests.recovery import helpers


def path_of(complaint: dict[str, Any]) -> str:
    return f"/api/v1/complaints/{complaint['reference']}/attachments"


KIND = "multipart/form-data; boundary=b"


def form(content: bytes, name: str, declared: str = "application/pdf", **fields: str) -> bytes:
    """As no library writes it: the name goes over the wire as it is."""
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (key.encode(), value.encode())
        for key, value in fields.items()
    ]
    parts.append(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\nContent-Type: %b\r\n\r\n%b\r\n--b--\r\n'
        % (name.encode(), declared.encode(), content)
    )
    return b"".join(parts)


def post(caller: Caller, complaint: dict[str, Any], body: bytes, kind: str = KIND, **headers: str) -> Any:
    found = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    found |= {name.replace("_", "-"): value for name, value in headers.items()}
    stream = {"input_stream": io.BytesIO(body), "content_length": len(body), "content_type": kind}
    return caller.client.post(path_of(complaint), headers=found, **stream)


def send(
    caller: Caller, complaint: dict[str, Any], content: bytes = PDF, name: str = "Invoice.pdf", **more: Any
) -> Any:
    """A form with a file; `headers`, and the form's other fields."""
    headers = more.pop("headers", {})
    return post(caller, complaint, form(content, name, **more), **headers)


def sent(caller: Caller, complaint: dict[str, Any], content: bytes = PDF, **more: Any) -> dict[str, Any]:
    answer = send(caller, complaint, content, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def get(caller: Caller, url: str, **headers: str) -> Any:
    """What a link leads to; nobody's token goes with it."""
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = caller.client.get(urlsplit(url).path, headers=dashed)
    assert answer.data is not None  # read, so that nothing stays open
    return answer


def link(caller: Caller, complaint: dict[str, Any], attachment: dict[str, Any], **given: Any) -> str:
    answer = caller.post(f"{path_of(complaint)}/{attachment['id']}/link", given)
    assert answer.status_code == 200, answer.text
    return str(answer.json["url"])


def stored(program: Program) -> set[str]:
    """Names of all there is in the store, whole or not."""
    assert isinstance(program.tools.store, FolderStore)
    return {path.name for path in program.tools.store._folder.rglob("*") if path.is_file()}


def rows(engine: Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement)).mappings())


def perform(program: Program, *topics: str) -> None:
    performer = Performer(program.database, HANDLERS, SYSTEM, program.tools)
    for topic in topics:
        performer.perform(helpers.duties(program.database, topic))


@pytest.fixture(autouse=True)
def _empty_store(program: Program) -> Iterator[None]:
    """The data folder is the process's, the database each test's."""
    yield
    assert isinstance(program.tools.store, FolderStore)
    for path in program.tools.store._folder.rglob("*"):
        if path.is_file():
            path.unlink()


class TestAdd:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any], program: Program) -> None:
        assert send(anonymous, complaint).status_code == 401
        assert stored(program) == set()

    def test_who_may_not_see_it(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        outsider = join("agent", team_ids=[make_team(database, "Elsewhere")])
        assert send(outsider, complaint).status_code == 404
        assert send(outsider, complaint, b"").status_code == 404
        assert send(outsider, {"reference": "nonsense"}).status_code == 404

    def test_who_may_only_read(self, join: Join, complaint: dict[str, Any], program: Program) -> None:
        assert send(join("auditor"), complaint).json["permission"] == "attachment:add"
        assert stored(program) == set()

    def test_is_there(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        answer = send(agent, complaint, PDF, "Invoice March.pdf")
        assert answer.status_code == 201
        shown = answer.json
        assert shown["name"] == "Invoice March.pdf"
        assert (shown["type"], shown["declared_type"]) == ("application/pdf", "application/pdf")
        assert (shown["size"], shown["sha256"]) == (len(PDF), hashlib.sha256(PDF).hexdigest())
        assert (shown["internal"], shown["scan"], shown["message_id"]) == (True, "unscanned", None)
        assert (shown["author_kind"], shown["author_id"]) == ("agent", str(agent.id))
        assert answer.headers["ETag"].startswith('"v1-')
        assert agent.get(f"{path_of(complaint)}/{shown['id']}").json == shown
        assert agent.get(path_of(complaint)).json["items"] == [shown]
        last = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert last["type"] == "complaint.attachment_added"
        assert last["payload"]["sha256"] == shown["sha256"]
        assert "Invoice" not in str(last)
        assert agent.get(f"/complaints/{complaint['reference']}/timeline/verification").json["valid"]
        assert agent.get(f"/complaints/{complaint['reference']}").json["version"] == complaint["version"] + 1
        assert len(stored(program)) == 1

    @pytest.mark.parametrize(
        ("content", "name", "declared", "kept_as", "kind"),
        [
            (PNG, "photo.pdf", "application/pdf", "photo.pdf.png", "image/png"),
            (PNG, "PHOTO.PNG", "", "PHOTO.PNG", "image/png"),
            (PDF, "invoice.exe", "application/x-msdownload", "invoice.exe.pdf", "application/pdf"),
            (PDF, "", "application/pdf", "file.pdf", "application/pdf"),
            (b"var x = 1;", "run.js", "text/javascript", "run.js.txt", "text/plain"),
            (b"<html><script>", "page.html", "text/html", "page.html.bin", "application/octet-stream"),
            (GIF + packed("a.class"), "both.gif", "image/gif", "both.gif.bin", "application/octet-stream"),
            (b"\x00\x01\x02", "data", "x/\x00y", "data.bin", "application/octet-stream"),
            (PDF, "../../../etc/passwd\x00.pdf", "a/b", "passwd.pdf", "application/pdf"),
            (PDF, "photo\u202efdp.exe", "a/b", "photofdp.exe.pdf", "application/pdf"),
            (PDF, "发票.pdf", "a/b", "发票.pdf", "application/pdf"),
        ],
    )
    def test_name_and_type_are_ours(  # noqa: PLR0917
        self,
        agent: Caller,
        complaint: dict[str, Any],
        content: bytes,
        name: str,
        declared: str,
        kept_as: str,
        kind: str,
    ) -> None:
        shown = post(agent, complaint, form(content, name, declared)).json
        assert (shown["name"], shown["type"]) == (kept_as, kind)

    @pytest.mark.parametrize(
        ("content", "more", "pointer", "code"),
        [
            (b"", {}, "/file", "empty"),
            (b"MZ" + bytes(100), {}, "/file", "type"),
            (b"#!/bin/sh\n", {"name": "notes.txt"}, "/file", "type"),
            (PDF, {"sha256": "0" * 64}, "/sha256", "digest"),
            (PDF, {"sha256": "short"}, "/sha256", "digest"),
            (PDF, {"internal": "perhaps"}, "/internal", "invalid"),
            (PDF, {"message_id": "x"}, "/message_id", "invalid"),
            (PDF, {"message_id": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"}, "/message_id", "unknown"),
            (PDF, {"more": "1"}, "/more", "unknown_field"),
            (PDF, {"internal": "x" * 20_000}, "/internal", "length"),
        ],
    )
    def test_what_is_not_taken_leaves_nothing(  # noqa: PLR0917
        self,
        agent: Caller,
        complaint: dict[str, Any],
        program: Program,
        content: bytes,
        more: dict[str, Any],
        pointer: str,
        code: str,
    ) -> None:
        answer = send(agent, complaint, content, **more)
        assert answer.status_code == 422, answer.text
        assert (answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (pointer, code)
        assert stored(program) == set()
        assert rows(program.engine, "SELECT 1 FROM stored_file") == []

    def test_a_digest_that_fits(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert sent(agent, complaint, PDF, sha256=hashlib.sha256(PDF).hexdigest().upper())

    @pytest.mark.parametrize(
        ("header", "written"), [("Content-Digest", "{name}=:{value}:"), ("Digest", "{name}={value}")]
    )
    def test_a_digest_of_the_body(self, agent: Caller, complaint: dict[str, Any], header: str, written: str) -> None:
        body = form(PDF, "a.pdf") + b"what follows the form belongs to it"
        for name, digest in (("sha-256", hashlib.sha256(body)), ("sha-512", hashlib.sha512(body))):
            right = b64encode(digest.digest()).decode()
            wrong = b64encode(hashlib.new(digest.name, b"other").digest()).decode()
            for value, status in ((right, 201), (wrong, 422)):
                headers = {header: written.format(name=name, value=value)}
                assert post(agent, complaint, body, **headers).status_code == status, headers
        headers = {header: written.format(name="sha-256", value="x")}
        assert post(agent, complaint, body, **headers).status_code in {201, 400}  # no digest at all, or none in base64
        assert post(agent, complaint, body, **{header: written.format(name="md5", value="YQ==")}).status_code == 201

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            (b"{}", "application/json", 415),
            (PDF, "application/pdf", 415),
            (b"", "multipart/form-data", 400),
            (b"", "multipart/form-data; boundary=b", 400),
            (b"--b--\r\n", "multipart/form-data; boundary=b", 422),
            (b"junk", "multipart/form-data; boundary=b", 400),
            (b"junk" * 100_000, "multipart/form-data; boundary=b", 400),
            (b"--b\r\n" + b"X: y\r\n" * 100_000, "multipart/form-data; boundary=b", 400),
            (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", 400),
            (b"--b\r\nX: y\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", 400),
            (
                b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\nno name\r\n--b--",
                "multipart/form-data; boundary=b",
                400,
            ),
            (
                b"--b\r\nContent-Disposition: form-data; name=other; filename=a\r\n\r\nx\r\n--b--",
                "multipart/form-data; boundary=b",
                422,
            ),
            (
                b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nx\r\n" * 2 + b"--b--",
                "multipart/form-data; boundary=b",
                422,
            ),
            (
                b"--b\r\nContent-Disposition: form-data; name=internal\r\n\r\n\xff\r\n--b--",
                "multipart/form-data; boundary=b",
                400,
            ),
            (
                b"".join(b"--b\r\nContent-Disposition: form-data; name=f%d\r\n\r\nx\r\n" % n for n in range(50)),
                "multipart/form-data; boundary=b",
                400,
            ),
            (
                b"--b\r\nContent-Disposition: form-data; name=file; filename=a.txt\r\n\r\ncut off",
                "multipart/form-data; boundary=b",
                400,
            ),
        ],
    )
    def test_what_is_no_form(  # noqa: PLR0917
        self, agent: Caller, complaint: dict[str, Any], program: Program, body: bytes, kind: str, status: int
    ) -> None:
        answer = post(agent, complaint, body, kind)
        assert answer.status_code == status, answer.text
        assert stored(program) == set()

    def test_if_match(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        assert send(agent, complaint, headers={"If-Match": '"v99"'}).status_code == 412
        assert stored(program) == set()
        assert send(agent, complaint, headers={"If-Match": f'"v{complaint["version"]}"'}).status_code == 201

    def test_a_repeat_is_one(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        key = {"Idempotency-Key": "one"}
        first = send(agent, complaint, headers=key)
        again = send(agent, complaint, headers=key)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert again.json == first.json
        assert len(stored(program)) == 1
        for more in ({"content": PNG}, {"name": "other.pdf"}, {"internal": "false"}):
            answer = send(agent, complaint, headers=key, **more)
            assert answer.json["code"] == "idempotency_key_reused"
        assert len(agent.get(path_of(complaint)).json["items"]) == 1
        assert len(stored(program)) == 1

    def test_on_a_message(self, agent: Caller, complaint: dict[str, Any]) -> None:
        base = f"/complaints/{complaint['reference']}/messages"
        note = agent.post(base, {"kind": "internal_note", "body": "Called."}).json["id"]
        reply = agent.post(base, {"kind": "public_reply", "body": "Found."}).json["id"]
        assert sent(agent, complaint, message_id=note)["internal"]
        assert not sent(agent, complaint, message_id=reply)["internal"]
        assert sent(agent, complaint, message_id=reply, internal="true")["internal"]
        refused = send(agent, complaint, message_id=note, internal="false")
        assert refused.json["errors"][0]["code"] == "internal_note"
        found = agent.get(f"{path_of(complaint)}?message_id={reply}").json["items"]
        assert [item["message_id"] for item in found] == [reply, reply]
        elsewhere = agent.post("/complaints", complaint_body(team_id=complaint["team_id"])).json
        assert send(agent, elsewhere, message_id=reply).json["errors"][0]["code"] == "unknown"


@contextmanager
def app_with(program: Program, store: Store | None = None, **settings: Any) -> Iterator[tuple[Flask, Program]]:
    """The application under other settings, on the same database."""
    changed = replace(program.settings, **settings)
    tools = replace(program.tools, store=store or program.tools.store, scanner=scanner_for(changed.clamd_url))
    other = replace(program, settings=changed, tools=tools)
    app = create_app(program=other)
    app.testing = True
    yield app, other


def at(app: Flask, caller: Caller) -> Caller:
    return Caller(app.test_client(), caller.actor, caller.token)


class TestBounds:
    def test_too_large(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with app_with(program, max_attachment_bytes=1_000) as (app, _):
            here = at(app, agent)
            assert send(here, complaint, b"x" * 1_000).status_code == 201
            for size in (1_001, 100_000, 1_000_000):  # before the whole is read, and before it begins
                answer = send(here, complaint, b"x" * size)
                assert (answer.status_code, answer.json["code"]) == (413, "file_too_large")
                assert answer.json["max_bytes"] == 1_000
            assert len(stored(program)) == 1

    def test_too_large_and_no_length_told(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        """As a server gives it that ends chunked bodies itself."""
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        with app_with(program, max_attachment_bytes=1_000) as (app, _):
            answer = app.test_client().post(
                path_of(complaint),
                headers={"Authorization": f"Bearer {agent.token}"},
                environ_overrides={
                    "CONTENT_TYPE": KIND,
                    "wsgi.input": Endless(head, 10**9),
                    "wsgi.input_terminated": True,
                    "CONTENT_LENGTH": "",
                },
            )
        assert answer.json is not None
        assert (answer.status_code, answer.json["code"]) == (413, "file_too_large")
        assert stored(program) == set()

    def test_so_many_and_no_more(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with app_with(program, max_attachments=2) as (app, _):
            here = at(app, agent)
            first = sent(here, complaint)
            sent(here, complaint)
            answer = send(here, complaint)
            assert (answer.status_code, answer.json["code"]) == (409, "too_many_attachments")
            assert len(stored(program)) == 2
            helpers.execute(program.database, "UPDATE agent SET role = 'senior'")
            assert here.post(f"{path_of(complaint)}/{first['id']}/redact", {"reason": "Twice."}).status_code == 200
            assert send(here, complaint).status_code == 201

    def test_so_much_and_no_more(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with app_with(program, max_attachments_bytes=2_500) as (app, _):
            here = at(app, agent)
            sent(here, complaint, b"x" * 1_000)
            sent(here, complaint, b"x" * 1_000)
            assert send(here, complaint, b"x" * 501).status_code == 409
            assert send(here, complaint, b"x" * 500).status_code == 201

    def test_two_take_the_last_place(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with app_with(program, max_attachments=1) as (app, _):
            answers = at_once(*[lambda: send(at(app, agent), complaint) for _ in range(4)])
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert len(stored(program)) == 1

    def test_from_the_complainant_less_is_taken(self, program: Program) -> None:
        theirs = attachments.terms_for(program.settings, complainant_actor(SYSTEM.id or UUID(int=1), frozenset()))
        ours = attachments.terms_for(program.settings, SYSTEM)
        assert theirs.max_bytes < ours.max_bytes
        assert theirs.accepted is not None
        assert "application/zip" not in theirs.accepted
        assert ours.accepted is None

    def test_what_they_may_send(self, program: Program) -> None:
        terms = attachments.terms_for(program.settings, complainant_actor(UUID(int=1), frozenset()))
        for content, taken in (
            (PDF, True),
            (PNG, True),
            (packed("a.txt"), False),
            (b"<html>", False),
            (bytes(9), False),
        ):
            body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + content + b"\r\n--b--"
            form = uploads.Sent(io.BytesIO(body), {"Content-Type": "multipart/form-data; boundary=b"})
            try:
                with uploads.received(program.database, program.tools.store, SYSTEM, form, terms):
                    assert taken, content
            except ValidationFailed:
                assert not taken, content


class Endless:
    """A body of any size that is nowhere whole; notes the most that was asked for at once."""

    def __init__(self, head: bytes, size: int, tail: bytes = b"") -> None:
        self._head, self._size, self._tail = head, size, tail
        self._place = 0
        self.most = 0

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def read(self, size: int = -1) -> bytes:
        self.most = max(self.most, size)
        assert size >= 0, "all of it at once"
        start = self._place
        if start < len(self._head):
            piece = self._head[start : start + size]
        elif start < len(self._head) + self._size:
            piece = b"x" * min(size, len(self._head) + self._size - start)
        else:
            piece = self._tail[start - len(self._head) - self._size :][:size]
        self._place += len(piece)
        return piece


def test_a_large_file_is_never_in_memory(agent: Caller, complaint: dict[str, Any], program: Program) -> None:
    """Both ways through the whole application: what Python holds at most, while 200 MB come and go."""
    size = 200_000_000
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    body = Endless(head, size, b"\r\n--b--\r\n")
    with app_with(program, max_attachment_bytes=size, max_attachments_bytes=size) as (app, _):
        here = at(app, agent)
        tracemalloc.start()
        try:
            answer = here.client.post(
                path_of(complaint),
                headers={"Authorization": f"Bearer {agent.token}"},
                environ_overrides={"CONTENT_TYPE": KIND, "wsgi.input": body, "CONTENT_LENGTH": str(len(body))},
            )
            assert answer.status_code == 201, answer.text
            assert answer.json is not None
            assert answer.json["size"] == size
            download = get_unbuffered(here.client, link(here, complaint, answer.json))
            assert sum(len(piece) for piece in download.response) == size
            download.close()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert body.most <= 1_000_000
    assert peak < 30_000_000, peak


def get_unbuffered(client: FlaskClient, url: str) -> Any:
    return client.get(urlsplit(url).path, buffered=False)


class TestCrash:
    """The process dies at each place; then what the sweep finds is put right."""

    @pytest.mark.parametrize("place", uploads.FAULT_POINTS)
    def test_while_it_is_added(self, agent: Caller, complaint: dict[str, Any], program: Program, place: str) -> None:
        self._dying(place, lambda: send(agent, complaint))
        assert agent.get(path_of(complaint)).json["items"] == []
        assert [row["state"] for row in rows(program.engine, "SELECT state FROM stored_file")] == ["receiving"]
        assert files.remove_abandoned(program.database) == 0  # it may still be coming
        helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '25 hours'")
        assert files.remove_abandoned(program.database) == 1
        assert files.remove_abandoned(program.database) == 0
        perform(program, files.TOPIC)
        assert stored(program) == set()
        assert rows(program.engine, "SELECT 1 FROM stored_file") == []

    def test_while_it_is_removed(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = sent(senior, complaint)
        senior.post(f"{path_of(complaint)}/{shown['id']}/redact", {"reason": "A mistake."})
        self._dying(files.REMOVED, lambda: perform(program, files.TOPIC))
        assert stored(program) == set()
        assert len(rows(program.engine, "SELECT 1 FROM stored_file")) == 1
        perform(program, files.TOPIC)
        assert rows(program.engine, "SELECT 1 FROM stored_file") == []

    @staticmethod
    def _dying(place: str, call: Any) -> None:
        child = os.fork()
        if child == 0:
            os.environ[faults.VARIABLE] = place
            try:
                call()
            finally:
                os._exit(1)  # it did not come so far
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == faults.EXIT_STATUS

    def test_the_sweep_took_it_while_it_was_still_coming(
        self, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        """A sender of more than a day: told to send it again, instead of a row without bytes."""
        form = uploads.Sent(
            io.BytesIO(b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--'),
            {"Content-Type": "multipart/form-data; boundary=b"},
        )
        terms = attachments.terms_for(program.settings, agent.actor)
        with uploads.received(program.database, program.tools.store, agent.actor, form, terms) as upload:
            helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '25 hours'")
            assert files.remove_abandoned(program.database) == 1
            with pytest.raises(DomainError) as refused, program.database.unit_of_work(SYSTEM) as uow:
                upload.claim(uow)
        assert refused.value.code == "storage_unavailable"

    def test_a_kept_file_is_never_swept(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        sent(agent, complaint)
        helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '25 hours'")
        assert files.remove_abandoned(program.database) == 0
        assert len(stored(program)) == 1


class TestSee:
    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = sent(agent, complaint)
        for path in (path_of(complaint), f"{path_of(complaint)}/{shown['id']}"):
            assert anonymous.get(path).status_code == 401

    def test_only_with_the_complaint(
        self, join: Join, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        shown = sent(agent, complaint)
        outsider = join("agent", team_ids=[make_team(database, "Elsewhere")])
        own = outsider.post("/complaints", complaint_body()).json
        assert outsider.get(path_of(complaint)).status_code == 404
        for base in (path_of(complaint), path_of(own)):
            one = f"{base}/{shown['id']}"
            assert outsider.get(one).status_code == 404
            assert outsider.post(f"{one}/link", {}).status_code == 404
            assert outsider.patch(one, {"internal": False}, if_match="*").status_code == 404
            assert outsider.post(f"{one}/redact", {"reason": "x"}).status_code == 404
        assert join("auditor").get(path_of(complaint)).json["items"] == [shown]

    def test_the_complainant_sees_what_is_theirs(
        self, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        sent(agent, complaint, name="internal.pdf")
        public = sent(agent, complaint, name="public.pdf", internal="false")
        own = sent(agent, complaint, name="own.pdf")
        gone = sent(agent, complaint, name="gone.pdf", internal="false")
        helpers.execute(
            program.database, f"UPDATE complaint_attachment SET author_kind = 'complainant' WHERE id = '{own['id']}'"
        )
        actor = complainant_actor(UUID(complaint["id"]), frozenset({"complaint:read"}))
        with program.database.unit_of_work(SYSTEM) as uow:
            held = attachment_queries.attachment_for_update(uow.session, SYSTEM, complaint["id"], UUID(gone["id"]))
            attachments.redact(uow, SYSTEM, held, "A mistake.")
        page = Page.of({}, "key")
        with program.database.reader() as session:
            found, _, _ = attachment_queries.list_attachments(session, actor, page, {}, complaint["id"])
            assert [row["name"] for row in found] == ["public.pdf", "own.pdf"]
            other = complainant_actor(UUID(int=7), frozenset({"complaint:read"}))
            with pytest.raises(NotFound):
                attachment_queries.list_attachments(session, other, page, {}, complaint["id"])
        assert public["internal"] is False


class TestChange:
    def test_shown_and_kept(self, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = sent(agent, complaint)
        one = f"{path_of(complaint)}/{shown['id']}"
        assert agent.patch(one, {"internal": False}).status_code == 428
        assert agent.patch(one, {"internal": False}, if_match='"v9"').status_code == 412
        answer = agent.patch(one, {"internal": False}, if_match='"v1"')
        assert (answer.status_code, answer.json["internal"], answer.json["version"]) == (200, False, 2)
        assert agent.patch(one, {"internal": False}, if_match='"v2"').json["version"] == 2
        last = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert (last["type"], last["payload"]["changes"]) == (
            "complaint.attachment_changed",
            {"internal": [True, False]},
        )

    def test_a_note_is_never_shown(self, agent: Caller, complaint: dict[str, Any]) -> None:
        note = agent.post(
            f"/complaints/{complaint['reference']}/messages", {"kind": "internal_note", "body": "Called."}
        ).json["id"]
        shown = sent(agent, complaint, message_id=note)
        answer = agent.patch(f"{path_of(complaint)}/{shown['id']}", {"internal": False}, if_match="*")
        assert answer.json["errors"][0]["code"] == "internal_note"


class TestRedact:
    def test_anonymous_and_agent(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        one = f"{path_of(complaint)}/{sent(agent, complaint)['id']}/redact"
        assert anonymous.post(one, {"reason": "x"}).status_code == 401
        assert agent.post(one, {"reason": "x"}).json["permission"] == "attachment:redact"

    def test_bytes_and_name_go(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = sent(senior, complaint, name="Passport.pdf")
        one = f"{path_of(complaint)}/{shown['id']}"
        url = link(senior, complaint, shown)
        assert senior.post(f"{one}/redact", {}).status_code == 422
        answer = senior.post(f"{one}/redact", {"reason": "Somebody else's passport."})
        assert answer.status_code == 200
        assert answer.json["name"] is None
        assert (answer.json["sha256"], answer.json["size"]) == (shown["sha256"], shown["size"])
        assert answer.json["redacted_by"] == str(senior.id)
        assert get(senior, url).status_code == 404
        perform(program, files.TOPIC)
        assert stored(program) == set()
        last = senior.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert last["type"] == "complaint.attachment_redacted"
        for path, body in (("redact", {"reason": "x"}), ("link", {}), ("scan", None)):
            assert senior.post(f"{one}/{path}", body).json["code"] == "attachment_redacted", path
        assert senior.patch(one, {"internal": False}, if_match="*").json["code"] == "attachment_redacted"

    def test_two_at_once(self, senior: Caller, app: Flask, complaint: dict[str, Any], program: Program) -> None:
        one = f"{path_of(complaint)}/{sent(senior, complaint)['id']}/redact"
        answers = at_once(*[lambda: at(app, senior).post(one, {"reason": "x"}) for _ in range(3)])
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        perform(program, files.TOPIC)
        assert stored(program) == set()


class TestLink:
    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = sent(agent, complaint)
        assert anonymous.post(f"{path_of(complaint)}/{shown['id']}/link", {}).status_code == 401

    @pytest.mark.parametrize("seconds", [0, 59, 301, 10**9, -1, "120", None])
    def test_not_longer_and_not_shorter(self, agent: Caller, complaint: dict[str, Any], seconds: Any) -> None:
        shown = sent(agent, complaint)
        answer = agent.post(f"{path_of(complaint)}/{shown['id']}/link", {"seconds": seconds})
        assert answer.status_code == 422

    def test_saves_the_file(self, agent: Caller, anonymous: Caller, complaint: dict[str, Any]) -> None:
        shown = sent(agent, complaint, name='发票 "1".pdf')
        url = link(agent, complaint, shown, seconds=60)
        assert url.startswith("http://helpdesk.test/api/v1/public/files/")
        answer = get(anonymous, url)
        assert (answer.status_code, answer.data) == (200, PDF)
        headers = answer.headers
        assert headers["Content-Type"] == "application/pdf"
        assert headers["Content-Disposition"].startswith('attachment; filename="')
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "no-store" in headers["Cache-Control"]
        assert headers["ETag"] == f'"{shown["sha256"]}"'
        assert headers["Content-Length"] == str(len(PDF))
        head = anonymous.client.head(urlsplit(url).path)
        assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(PDF)))

    def test_in_parts(self, agent: Caller, complaint: dict[str, Any]) -> None:
        content = os.urandom(200_000)
        shown = sent(agent, complaint, content)
        url = link(agent, complaint, shown)
        tag = f'"{shown["sha256"]}"'
        whole = {"", "items=0-1", "bytes=", "bytes=x", "bytes=0-1,5-6", "bytes=5-1", "bytes=--1"}
        for asked in whole:
            assert get(agent, url, range=asked).data == content, asked
        for asked, start, end in (
            ("bytes=0-9", 0, 10),
            ("bytes=100000-", 100_000, 200_000),
            ("bytes=-5", 199_995, 200_000),
            ("bytes=199999-999999999", 199_999, 200_000),
        ):
            for extra in ({}, {"if_range": tag}):
                part = get(agent, url, range=asked, **extra)
                assert (part.status_code, part.data) == (206, content[start:end]), asked
                assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/200000"
        for other in ('"another"', "Wed, 21 Oct 2026 07:28:00 GMT"):
            answer = get(agent, url, range="bytes=0-9", if_range=other)
            assert (answer.status_code, answer.data) == (200, content)
        beyond = get(agent, url, range="bytes=200000-")
        assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */200000")
        assert get(agent, url, if_none_match=tag).status_code == 304

    def test_is_for_nothing_else(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        first, second = sent(agent, complaint, b"first"), sent(agent, complaint, b"second")
        url = link(agent, complaint, first)
        assert get(agent, url).data == b"first"
        token = url.rpartition("/")[2]
        signed, _, signature = token.rpartition(".")
        other = link(agent, complaint, second).rpartition("/")[2].rpartition(".")[0]
        for wrong in (
            f"{other}.{signature}",
            signed,
            f"{signed}.",
            f"x{token}",
            token[:-1],
            token.swapcase(),
            "a",
            ".",
        ):
            assert get(agent, f"/api/v1/public/files/{wrong}").status_code == 404, wrong
        helpers.open_budget(Caller(agent.client, agent.actor, _manager_token(program, agent)))
        offered = helpers.offered(agent, complaint)
        assert get(agent, f"/api/v1/public/files/{helpers.token(offered)}").status_code == 404
        assert agent.client.get(f"/api/v1/public/offers/{token}").status_code == 404

    def test_ends_with_its_time(self, agent: Caller, complaint: dict[str, Any], database: Database) -> None:
        shown = sent(agent, complaint)
        row = {"redacted_at": None, "scan": "clean", "complaint_id": complaint["id"], "id": shown["id"]}
        with database.unit_of_work(SYSTEM) as uow:
            now = uow.now
        made = attachments.link(
            agent.client.application.extensions["helpdesk"].signing_key, agent.actor, row, -1, now, scanned=False
        )
        answer = agent.client.get(f"/api/v1/public/files/{made.token}")
        assert answer.json is not None
        assert (answer.status_code, answer.json["code"]) == (410, "gone")

    def test_ends_with_its_makers_sight(
        self, join: Join, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        other = join("agent")
        urls = [link(caller, complaint, sent(agent, complaint)) for caller in (agent, other)]
        assert [get(agent, url).status_code for url in urls] == [200, 200]
        helpers.execute(database, f"UPDATE agent SET active = false WHERE id = '{other.id}'")
        assert [get(agent, url).status_code for url in urls] == [200, 404]
        elsewhere = make_team(database, "Elsewhere")
        helpers.execute(database, f"UPDATE complaint SET team_id = '{elsewhere}'")
        assert [get(agent, url).status_code for url in urls] == [404, 404]

    def test_the_complainants_ends_when_it_becomes_internal(
        self, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        shown = sent(agent, complaint, internal="false")
        actor = complainant_actor(UUID(complaint["id"]), frozenset({"complaint:read"}))
        key = agent.client.application.extensions["helpdesk"].signing_key
        with database.unit_of_work(SYSTEM) as uow:
            row = attachment_queries.attachment_detail(uow.session, actor, complaint["id"], UUID(shown["id"]))
            made = attachments.link(key, actor, row, 60, uow.now, scanned=False)
        path = f"/api/v1/public/files/{made.token}"
        assert agent.client.get(path).status_code == 200
        agent.patch(f"{path_of(complaint)}/{shown['id']}", {"internal": True}, if_match="*")
        assert agent.client.get(path).status_code == 404

    def test_bytes_that_are_not_there(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        url = link(agent, complaint, sent(agent, complaint))
        for path in program.tools.store._folder.rglob("*"):  # type: ignore[attr-defined]
            if path.is_file():
                path.unlink()
        assert get(agent, url).json["code"] == "storage_unavailable"


def _manager_token(program: Program, agent: Caller) -> str:
    helpers.execute(program.database, f"UPDATE agent SET role = 'manager' WHERE id = '{agent.id}'")
    return str(agent.token)


class TestScan:
    def test_clean(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, server), app_with(program, clamd_url=url) as (app, here):
            shown = sent(at(app, agent), complaint)
            assert shown["scan"] == "scanning"
            one = f"{path_of(complaint)}/{shown['id']}"
            refused = at(app, agent).post(f"{one}/link", {})
            assert (refused.status_code, refused.json["code"]) == (409, "attachment_not_clean")
            perform(here, attachment_jobs.TOPIC)
            after = at(app, agent).get(one).json
            assert (after["scan"], after["signature"]) == ("clean", None)
            assert after["scanned_at"]
            assert get(at(app, agent), link(at(app, agent), complaint, shown)).data == PDF
            assert server.scanned == [PDF]
            duty = rows(program.engine, "SELECT id FROM duty WHERE topic = 'complaints.scan_attachment'")[0]["id"]
            attachment_jobs.scan(here.tools, duty, UUID(shown["id"]))  # rung for twice
            assert server.scanned == [PDF]
        timeline = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        assert timeline[-1]["payload"]["changes"]["scan"] == ["scanning", "clean"]
        assert agent.get(f"/complaints/{complaint['reference']}/timeline/verification").json["valid"]

    def test_infected(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            caller = at(app, senior)
            shown = sent(caller, complaint, clamd.EICAR, name="a.txt")
            one = f"{path_of(complaint)}/{shown['id']}"
            perform(here, attachment_jobs.TOPIC)
            after = caller.get(one).json
            assert (after["scan"], after["signature"]) == ("infected", "Eicar-Test-Signature")
            assert caller.post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
            assert caller.post(f"{one}/scan").json["scan"] == "infected"  # it stays what it is
        # Nobody asks the scanner any more: what was found stays found.
        assert senior.post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
        assert senior.post(f"{one}/redact", {"reason": "A virus."}).status_code == 200

    def test_infected_is_not_kept_for_ever(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        """It was no use to anybody; that it was there, and what it was, stays."""
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            shown = [sent(at(app, senior), complaint, clamd.EICAR, name="a.txt") for _ in range(2)]
            clean = sent(at(app, senior), complaint)
            perform(here, attachment_jobs.TOPIC)
        database, engine = program.database, program.engine
        assert attachment_jobs.delete_infected(database, 90) == 0
        with engine.begin() as connection:
            aged = "UPDATE complaint_attachment SET scanned_at = scanned_at - interval '90 days' WHERE id <> :id"
            connection.execute(text(aged), {"id": shown[1]["id"]})
        assert attachment_jobs.delete_infected(database, 0) == 0
        assert attachment_jobs.delete_infected(database, 90) == 1
        assert attachment_jobs.delete_infected(database, 90) == 0
        kept = [senior.get(f"{path_of(complaint)}/{item['id']}").json for item in (*shown, clean)]
        assert [item["redacted_at"] is None for item in kept] == [False, True, True]
        assert (kept[0]["name"], kept[0]["size"], kept[0]["scan"]) == (None, len(clamd.EICAR), "infected")
        entry = senior.get(f"/complaints/{complaint['reference']}/timeline?limit=200").json["items"][-1]
        assert (entry["type"], entry["actor_kind"]) == ("complaint.attachment_redacted", "system")
        assert "90 days" in entry["payload"]["reason"]
        assert list(violations(database)) == []

    def test_away_and_back(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, server), app_with(program, clamd_url=url) as (app, here):
            server.answers.append(None)
            shown = sent(at(app, agent), complaint)
            perform(here, attachment_jobs.TOPIC)
            one = f"{path_of(complaint)}/{shown['id']}"
            assert agent.get(one).json["scan"] == "scanning"
            perform(here, attachment_jobs.TOPIC)
            assert agent.get(one).json["scan"] == "clean"

    def test_given_up_and_asked_anew(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            caller = at(app, agent)
            shown = sent(caller, complaint)
            one = f"{path_of(complaint)}/{shown['id']}"
            with program.database.unit_of_work(SYSTEM) as uow:
                attachment_jobs.give_up(uow, UUID(shown["id"]), "it did not answer")
            assert caller.get(one).json["scan"] == "failed"
            assert caller.post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
            assert caller.post(f"{one}/scan").json["scan"] == "scanning"
            perform(here, attachment_jobs.TOPIC)
            assert caller.get(one).json["scan"] == "clean"

    def test_too_large_for_it(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            shown = sent(at(app, agent), complaint, b"x" * (clamd.LIMIT + 1_000_000))
            perform(here, attachment_jobs.TOPIC)
            assert agent.get(f"{path_of(complaint)}/{shown['id']}").json["scan"] == "failed"

    def test_what_came_before_there_was_one(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = sent(agent, complaint)
        one = f"{path_of(complaint)}/{shown['id']}"
        assert agent.post(f"{one}/scan").json["code"] == "scanner_not_configured"
        assert link(agent, complaint, shown)
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            assert at(app, agent).post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
            assert attachment_jobs.scan_unscanned(here.database) == 1
            assert attachment_jobs.scan_unscanned(here.database) == 0
            perform(here, attachment_jobs.TOPIC)
            assert link(at(app, agent), complaint, shown)

    def test_none_any_more(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, _):
            shown = sent(at(app, agent), complaint)
        perform(program, attachment_jobs.TOPIC)
        assert agent.get(f"{path_of(complaint)}/{shown['id']}").json["scan"] == "unscanned"

    def test_redacted_meanwhile(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, server), app_with(program, clamd_url=url) as (app, here):
            shown = sent(at(app, senior), complaint)
            senior.post(f"{path_of(complaint)}/{shown['id']}/redact", {"reason": "A mistake."})
            perform(here, attachment_jobs.TOPIC, files.TOPIC)
            assert server.scanned == []
            assert rows(program.engine, "SELECT 1 FROM duty WHERE done_at IS NULL AND topic <> 'mail.deliver'") == []


class TestOnS3:
    def test_sent_and_had(self, s3_address: str, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        store = store_for(s3.settings(s3_address))
        content = os.urandom(9_000_000)
        with app_with(program, store) as (app, here):
            caller = at(app, senior)
            shown = sent(caller, complaint, content)
            url = link(caller, complaint, shown)
            assert get(caller, url).data == content
            assert get(caller, url, range="bytes=8999990-").data == content[-10:]
            caller.post(f"{path_of(complaint)}/{shown['id']}/redact", {"reason": "A mistake."})
            perform(here, files.TOPIC)
        found = s3.client(s3_address).list_objects_v2(Bucket=s3.BUCKET, Prefix="attachments/")
        assert found["KeyCount"] == 0

    def test_given_out_by_the_store(
        self, s3_address: str, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        store = store_for(replace(s3.settings(s3_address), s3_redirect=True))
        with app_with(program, store) as (app, _):
            caller = at(app, agent)
            answer = get(caller, link(caller, complaint, sent(caller, complaint)))
            assert (answer.status_code, answer.data) == (302, b"")
            with urllib.request.urlopen(answer.headers["Location"]) as there:
                assert there.read() == PDF
                assert there.headers["Content-Disposition"].startswith("attachment; filename=")
        store.remove(rows(program.engine, "SELECT id FROM stored_file")[0]["id"].hex)

    def test_away(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        store = store_for(s3.settings("http://127.0.0.1:9"))
        with app_with(program, store) as (app, _):
            answer = send(at(app, agent), complaint)
            assert (answer.status_code, answer.json["code"]) == (503, "storage_unavailable")
            assert answer.headers["Retry-After"]
        assert rows(program.engine, "SELECT 1 FROM complaint_attachment") == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where we have the right to make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(agent: Caller, complaint: dict[str, Any], program: Program, small_disk: Path) -> None:
    with app_with(program, FolderStore(small_disk)) as (app, _):
        answer = send(at(app, agent), complaint, os.urandom(3_000_000))
        assert (answer.status_code, answer.json["code"]) == (507, "storage_full")
        assert send(at(app, agent), complaint).status_code == 201
    assert len(rows(program.engine, "SELECT 1 FROM stored_file")) == 1


def test_files_that_are_not_as_they_were(agent: Caller, complaint: dict[str, Any], program: Program) -> None:
    for content in (b"first", b"second", b"third"):
        sent(agent, complaint, content)
    store = program.tools.store

    def found() -> list[str]:
        return [item.detail for item in violations(program.database, ["files"], store)]

    assert found() == []
    names = sorted(row["id"].hex for row in rows(program.engine, "SELECT id FROM stored_file"))
    store.remove(names[0])
    with (store._folder / names[1][:2] / names[1]).open("ab") as file:  # type: ignore[attr-defined]
        file.write(b"!")
    assert [detail.partition(" ")[0] for detail in found()] == ["is", "has"]
    assert list(violations(program.database)) == []  # they are read when they are named


def test_every_column_of_an_attachment_is_shown_or_not_for_a_reason() -> None:
    shown = {column.name for column in attachment_queries._SHOWN}
    assert {column.key for column in Attachment.__table__.columns} - shown == {"file_id"}


class Complainant:
    """Somebody with a session of their tracking."""

    def __init__(self, caller: Caller, shown: dict[str, Any]) -> None:
        self.caller = caller
        given = {"reference": shown["reference"], "secret": shown["tracking_secret"]}
        self.authorization = f"Tracking {caller.post('/public/tracking', given).json['token']}"

    def send(self, content: bytes = PDF, name: str = "Receipt.pdf", **more: Any) -> Any:
        body = form(content, name, **more)
        return self.caller.client.post(
            "/api/v1/public/tracking/attachments",
            headers={"Authorization": self.authorization},
            input_stream=io.BytesIO(body),
            content_length=len(body),
            content_type=KIND,
        )

    def list(self) -> list[dict[str, Any]]:
        answer = self.caller.get("/public/tracking/attachments", authorization=self.authorization)
        assert answer.status_code == 200, answer.text
        return list(answer.json["items"])

    def link(self, attachment_id: str) -> Any:
        path = f"/public/tracking/attachments/{attachment_id}/link"
        return self.caller.post(path, {}, authorization=self.authorization)


class TestTracked:
    """The complainant's side."""

    @pytest.fixture
    def li_wei(self, anonymous: Caller, complaint: dict[str, Any]) -> Complainant:
        return Complainant(anonymous, complaint)

    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        path = "/public/tracking/attachments"
        for headers in ({}, {"authorization": f"Bearer {agent.token}"}, {"authorization": "Tracking x.y"}):
            assert anonymous.get(path, **headers).status_code == 401
            assert anonymous.post(path, **headers).status_code == 401

    def test_sends_and_has_it_back(self, li_wei: Complainant, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = li_wei.send()
        assert answer.status_code == 201, answer.text
        assert answer.json.keys() == {"id", "name", "type", "size", "sha256", "scan", "created_at"}
        assert li_wei.list() == [answer.json]
        assert get(agent, li_wei.link(answer.json["id"]).json["url"]).data == PDF
        seen = agent.get(f"{path_of(complaint)}/{answer.json['id']}").json
        assert (seen["author_kind"], seen["author_id"], seen["internal"]) == ("complainant", None, False)
        last = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert (last["type"], last["actor_kind"]) == ("complaint.attachment_added", "complainant")

    def test_sees_what_is_meant_for_them(self, li_wei: Complainant, agent: Caller, complaint: dict[str, Any]) -> None:
        internal = sent(agent, complaint, name="internal.pdf")
        public = sent(agent, complaint, name="public.pdf", internal="false")
        assert [item["name"] for item in li_wei.list()] == ["public.pdf"]
        assert li_wei.link(internal["id"]).status_code == 404
        assert li_wei.link(public["id"]).status_code == 200

    def test_nothing_of_another_complaint(
        self, li_wei: Complainant, anonymous: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        other = agent.post("/complaints", complaint_body(team_id=complaint["team_id"])).json
        theirs = Complainant(anonymous, other)
        mine = li_wei.send().json
        assert theirs.list() == []
        assert theirs.link(mine["id"]).status_code == 404

    @pytest.mark.parametrize("content", [packed("a.txt"), b"<html>", b"MZ" + bytes(100), bytes(100), GIF + packed("a")])
    def test_only_what_is_known(self, li_wei: Complainant, program: Program, content: bytes) -> None:
        answer = li_wei.send(content)
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "type")
        assert stored(program) == set()

    def test_no_fields_of_ours(self, li_wei: Complainant) -> None:
        assert li_wei.send(internal="true").json["errors"][0]["code"] == "unknown_field"

    def test_smaller_and_fewer(self, anonymous: Caller, complaint: dict[str, Any], program: Program) -> None:
        with app_with(program, max_public_attachment_bytes=1_000, max_public_attachments=2) as (app, _):
            li_wei = Complainant(Caller(app.test_client(), None, None), complaint)
            assert li_wei.send(b"x" * 1_001).status_code == 413
            assert [li_wei.send(b"x" * 1_000).status_code for _ in range(3)] == [201, 201, 409]


class Slow(io.BytesIO):
    """A body that takes its time: `meanwhile` happens when its last piece comes."""

    def __init__(self, body: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(body)
        self._length = len(body)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self._look()
        return found

    def readinto(self, buffer: Any) -> int:
        given = super().readinto(buffer)
        self._look()
        return given

    def _look(self) -> None:
        if self._meanwhile is not None and self.tell() == self._length:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()


def slowly(caller: Caller, complaint: dict[str, Any], meanwhile: Callable[[], None]) -> Any:
    body = form(PDF, "Invoice.pdf")
    stream = {"input_stream": Slow(body, meanwhile), "content_length": len(body), "content_type": KIND}
    return caller.client.post(path_of(complaint), headers={"Authorization": f"Bearer {caller.token}"}, **stream)


def test_a_file_is_there_when_all_of_it_is_there(agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
    """Not when it began to come: what happened meanwhile is before it, in the story and in the time of the last change."""
    claimed = []

    def meanwhile() -> None:
        claimed.append(senior.post(f"/complaints/{complaint['reference']}/claim").status_code)

    assert slowly(agent, complaint, meanwhile).status_code == 201
    assert claimed == [200]
    events = agent.get(f"/complaints/{complaint['reference']}/timeline?limit=200").json["items"]
    times = [event["occurred_at"] for event in events]
    assert times == sorted(times)
    assert agent.get(f"/complaints/{complaint['reference']}").json["updated_at"] == times[-1]


def test_whose_right_ends_meanwhile_adds_nothing(
    agent: Caller, complaint: dict[str, Any], engine: Engine, senior: Caller
) -> None:
    def meanwhile() -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE token SET revoked_at = now() WHERE agent_id = :id"), {"id": agent.id})

    answer = slowly(agent, complaint, meanwhile)
    assert answer.status_code == 401, answer.text
    assert senior.get(path_of(complaint)).json["items"] == []
