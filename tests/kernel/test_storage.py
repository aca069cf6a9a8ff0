"""Both stores keep one contract: whole or not at all, in pieces both ways.

How it can fail: a writer dies at any point (nothing may be readable, and what is left must be removable); a file is read
while it is written or removed; the disk is full; the store is away, or refuses; a part is asked for behind the end; a file
of exactly one part, or of none; names of another's files; a large file sits in memory.
"""

import contextlib
import errno
import os
import secrets
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpdesk.kernel import storage
from helpdesk.kernel.settings import Settings, SettingsError
from helpdesk.kernel.storage import (
    PART,
    PIECE,
    FileMissing,
    FolderStore,
    S3Store,
    StorageFull,
    StorageUnavailable,
    Store,
    read_all,
    store_for,
)
from tests import s3
from tests.racing import at_once


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "files")
    return store_for(s3.settings(request.getfixturevalue("s3_address")))


def put(store: Store, content: bytes, name: str | None = None) -> str:
    name = name or secrets.token_hex(16)
    with store.writing(name) as sink:
        for start in range(0, len(content), 100_000):
            sink.write(content[start : start + 100_000])
        sink.finish()
    return name


def missing(store: Store, name: str) -> bool:
    try:
        store.reading(name).close()
    except FileMissing:
        return True
    return False


class TestContract:
    @pytest.mark.parametrize(
        "size", [0, 1, PIECE - 1, PIECE, PIECE + 1, PART - 1, PART, PART + 1], ids=lambda size: f"{size} bytes"
    )
    def test_what_is_written_is_read(self, store: Store, size: int) -> None:
        content = os.urandom(size)
        pieces = list(store.reading(put(store, content)))
        assert b"".join(pieces) == content
        assert all(0 < len(piece) <= PIECE for piece in pieces)

    def test_a_part(self, store: Store) -> None:
        content = os.urandom(200_000)
        name = put(store, content)
        for start, length in ((0, 10), (5, 100_000), (199_990, 10), (199_990, 1_000), (150_000, None), (0, None)):
            expected = content[start:] if length is None else content[start : start + length]
            assert b"".join(store.reading(name, start, length)) == expected, (start, length)
        assert read_all(store, name, 200_000, 10) == b""
        assert read_all(store, name, 300_000, 10) == b""
        assert read_all(store, name, 10, 0) == b""

    def test_what_was_not_finished_was_never_there(self, store: Store) -> None:
        for size in (10, PART + 10):
            name = secrets.token_hex(16)
            with store.writing(name) as sink:
                sink.write(b"x" * size)
            assert missing(store, name)

    def test_an_exception_leaves_nothing(self, store: Store) -> None:
        name = secrets.token_hex(16)
        with contextlib.suppress(ZeroDivisionError), store.writing(name) as sink:
            sink.write(b"x" * (PART + 10))
            raise ZeroDivisionError
        assert missing(store, name)

    def test_it_is_not_there_before_it_is_whole(self, store: Store) -> None:
        name = secrets.token_hex(16)
        with store.writing(name) as sink:
            sink.write(b"x" * (2 * PART))
            assert missing(store, name)
            sink.finish()
            assert not missing(store, name)

    def test_removed_once_and_again(self, store: Store) -> None:
        name = put(store, b"content")
        store.remove(name)
        assert missing(store, name)
        store.remove(name)
        store.remove(secrets.token_hex(16))

    def test_what_a_dead_writer_left_is_removed(self, store: Store) -> None:
        """As after `kill -9`: nobody leaves the context."""
        name = secrets.token_hex(16)
        sink = store.writing(name)
        sink.write(b"x" * (PART + 10))
        sink.flush()
        store.remove(name)
        assert leftovers(store) == []
        with contextlib.suppress(Exception):
            sink.__exit__(None, None, None)

    def test_removed_while_it_is_read(self, store: Store) -> None:
        """The reader gets it whole, or an error; never something else."""
        content = os.urandom(3 * PIECE)
        name = put(store, content)
        pieces = store.reading(name)
        first = next(pieces)
        store.remove(name)
        with contextlib.suppress(StorageUnavailable):
            assert first + b"".join(pieces) == content
        pieces.close()

    def test_many_at_once(self, store: Store) -> None:
        contents = [os.urandom(100_000) for _ in range(8)]
        names = at_once(*[lambda content=content: put(store, content) for content in contents])
        assert [b"".join(store.reading(name)) for name in names] == contents


def leftovers(store: Store) -> list[Any]:
    """What is half written."""
    if isinstance(store, FolderStore):
        return list(store._folder.rglob("*.part"))
    assert isinstance(store, S3Store)
    found: list[Any] = store.client.list_multipart_uploads(Bucket=s3.BUCKET).get("Uploads", [])
    return found


class TestFolder:
    def test_is_nobody_elses(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path / "files")
        name = put(store, b"content")
        path = tmp_path / "files" / name[:2] / name
        assert path.stat().st_mode & 0o077 == 0
        assert all(folder.stat().st_mode & 0o077 == 0 for folder in (path.parent, path.parent.parent))

    def test_a_name_is_used_once(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path / "files")
        name = put(store, b"first")
        with pytest.raises(StorageUnavailable):
            put(store, b"second", name)
        assert b"".join(store.reading(name)) == b"first"

    @pytest.mark.parametrize(("code", "refused"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageUnavailable)])
    def test_the_disk_refuses(self, tmp_path: Path, code: int, refused: type[Exception]) -> None:
        """`/dev/full` takes nothing; another error is made of the same place."""
        store = FolderStore(tmp_path / "files")
        name = secrets.token_hex(16)
        with store.writing(name) as sink:
            sink._file.close()  # type: ignore[attr-defined]
            sink._file = _Refusing(code)  # type: ignore[attr-defined]
            with pytest.raises(refused):
                sink.write(b"x")
        assert missing(store, name)
        assert leftovers(store) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
    def test_the_disk_is_full_when_it_is_finished(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path / "files")
        name = secrets.token_hex(16)
        with store.writing(name) as sink:
            sink._file.close()  # type: ignore[attr-defined]
            sink._file = Path("/dev/full").open("wb")  # type: ignore[attr-defined]  # noqa: SIM115
            sink.write(b"x")
            with pytest.raises(StorageFull):
                sink.finish()
        assert missing(store, name)

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "files").write_text("in the way")
        store = FolderStore(tmp_path / "files")
        with pytest.raises(StorageUnavailable):
            store.writing(secrets.token_hex(16))
        with pytest.raises(StorageUnavailable):
            store.reading(secrets.token_hex(16))


class _Refusing:
    def __init__(self, code: int) -> None:
        self._code = code

    def write(self, _data: bytes) -> int:
        raise OSError(self._code, "/secret/path")

    def close(self) -> None:
        pass


class TestS3:
    def test_another_prefix_sees_nothing(self, s3_address: str) -> None:
        here = store_for(s3.settings(s3_address))
        there = store_for(replace(s3.settings(s3_address), s3_prefix="other/"))
        name = put(here, b"content")
        assert missing(there, name)
        there.remove(name)
        assert not missing(here, name)

    def test_a_link_to_the_store_itself(self, s3_address: str) -> None:
        store = store_for(replace(s3.settings(s3_address), s3_redirect=True))
        name = put(store, b"content")
        said = {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="a.pdf"'}
        address = store.link(name, 60, said)
        assert address is not None
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == b"content"
            assert answer.headers["Content-Type"] == "application/pdf"
            assert answer.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'

    def test_away(self) -> None:
        """Nobody listens there."""
        settings = replace(s3.settings("http://127.0.0.1:9"), s3_prefix=None)
        store = store_for(settings)
        for call in (
            lambda: store.reading("a"),
            lambda: store.remove("a"),
            lambda: put(store, b"x"),
            lambda: put(store, b"x" * (PART + 1)),
        ):
            with pytest.raises(StorageUnavailable) as refused:
                call()
            assert "127.0.0.1" not in str(refused.value)

    def test_a_bucket_that_is_not_there(self, s3_address: str) -> None:
        store = store_for(replace(s3.settings(s3_address), s3_bucket="nobody-made-this"))
        with pytest.raises(StorageUnavailable):
            put(store, b"x")

    def test_without_its_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)
        store = store_for(Settings(s3_bucket="b"))
        with pytest.raises(SettingsError, match="s3"):
            store.remove("a")


_LARGE = """
import resource, sys
from pathlib import Path
from helpdesk.kernel.storage import FolderStore, S3Store, store_for
from helpdesk.kernel.settings import Settings

kind, where, megabytes = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "folder":
    store = FolderStore(Path(where))
else:
    from tests import s3
    store = store_for(s3.settings(where))
piece = b"x" * 1_000_000
with store.writing("0" * 32) as sink:
    sink.write(piece)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(megabytes - 1):
        sink.write(piece)
    sink.finish()
size = sum(map(len, store.reading("0" * 32)))
store.remove("0" * 32)
assert size == megabytes * 1_000_000, size
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(("kind", "megabytes"), [("folder", 500), ("s3", 40)])
def test_a_large_file_is_never_in_memory(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, megabytes: int
) -> None:
    """Peak memory of a process that writes and reads it grows by a few pieces, whatever its size."""
    where = str(tmp_path / "files") if kind == "folder" else request.getfixturevalue("s3_address")
    done = subprocess.run(
        [sys.executable, "-c", _LARGE, kind, where, str(megabytes)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(storage.__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60, done.stdout
