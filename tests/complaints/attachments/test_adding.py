"""Files put on complaints.

How it can fail: two take the last place; a repeat stores it twice; what is refused stays in the store; a name leads
elsewhere.
"""

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import (
    form,
    path_of,
    post,
    rows,
    send,
    sent,
    stored,
)
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.kernel.test_sniffing import GIF, PDF, PNG, packed


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
    def test_name_and_type_are_ours(
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
    def test_what_is_not_taken_leaves_nothing(
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
        assert post(agent, complaint, body, **headers).status_code == 400  # no base64
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
    def test_what_is_no_form(
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
