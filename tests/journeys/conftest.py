from collections.abc import Iterator
from pathlib import Path

import pytest

from helpdesk.kernel.doorbell import ISSUING
from tests.system import System, running


@pytest.fixture(scope="package")
def system(own_database_url: str, redis_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """API, relay, workers and scheduler, each a process of its own. Gone before any test from elsewhere begins: those have
    the same Redis, and count what waits in it.
    """
    folder: Path = tmp_path_factory.mktemp("system")
    with running(System(own_database_url, redis_server_url, folder)) as system:
        for command in (["relay"], ["worker"], ["worker", "--queue", ISSUING], ["scheduler"]):
            system.start(*command)
        system.serve()
        yield system
