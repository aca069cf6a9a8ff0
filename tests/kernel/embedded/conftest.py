import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpdesk.kernel.embedded import EmbeddedPostgres, find_redis_server


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder that is deleted afterwards, with what root had to keep elsewhere for it."""
    yield tmp_path
    for link in list(tmp_path.rglob("kept-elsewhere")):
        EmbeddedPostgres(link.parent).discard()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """One that every account can reach, as a server's data folder usually is; pytest's own are 0700."""
    folder = Path(tempfile.mkdtemp(prefix="helpdesk-test-"))
    folder.chmod(0o755)
    yield folder
    for link in list(folder.rglob("kept-elsewhere")):
        EmbeddedPostgres(link.parent).discard()
    shutil.rmtree(folder)


@pytest.fixture
def redis_program() -> Path:
    found = find_redis_server()
    if found is None:
        assert not os.environ.get("CI"), "CI must have a Redis: tests without one prove little"
        pytest.skip("no Redis on this machine: no redis-server on the PATH and no wheel for this Python")
    return found
