"""Links to files, from a folder and from S3.

How it can fail: a link opens another file, outlives its time, its maker's rights, or the file.
"""

import os
import urllib.request
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from helpdesk.complaints import attachment_queries, attachments
from helpdesk.identity.actors import SYSTEM, complainant_actor
from helpdesk.kernel import files
from helpdesk.kernel.storage import store_for
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests import s3
from tests.complaints.attachments.sending import app_with, at, get, link, path_of, perform, rows, send, sent
from tests.conftest import Caller, Join, make_team
from tests.kernel.test_sniffing import PDF
from tests.recovery import helpers


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


def kept_at(s3_address: str) -> set[str]:
    """Names of the files in the store that speaks S3."""
    found = s3.client(s3_address).list_objects_v2(Bucket=s3.BUCKET, Prefix="attachments/")
    return {item["Key"] for item in found.get("Contents", ())}


class TestOnS3:
    def test_sent_and_had(self, s3_address: str, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        before = kept_at(s3_address)  # by other tests of this process
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
        assert kept_at(s3_address) == before

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
