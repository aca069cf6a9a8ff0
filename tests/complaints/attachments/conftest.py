from collections.abc import Iterator

import pytest

from helpdesk.kernel.storage import FolderStore
from helpdesk.wiring import Program


@pytest.fixture(autouse=True)
def _empty_store(program: Program) -> Iterator[None]:
    """The data folder is the process's, the database each test's."""
    yield
    assert isinstance(program.tools.store, FolderStore)
    for path in program.tools.store._folder.rglob("*"):
        if path.is_file():
            path.unlink()
