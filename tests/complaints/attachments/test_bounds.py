"""How much there may be of files, and what a sender or a disk can do to us meanwhile.

How it can fail: a slow sender holds a connection, or adds a file though its right has ended; a file of 500 MB sits in
memory; a full disk keeps half a file.
"""

import io
import os
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from helpdesk.complaints import attachments
from helpdesk.identity.actors import SYSTEM, complainant_actor
from helpdesk.kernel import uploads
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.storage import FolderStore
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import KIND, app_with, at, form, link, path_of, rows, send, sent, stored
from tests.conftest import Caller
from tests.kernel.test_sniffing import PDF, PNG, packed
from tests.racing import at_once
from tests.recovery import helpers


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
