from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.system import System, running


@pytest.fixture(scope="session")
def own_database_url(server_url: str) -> Iterator[str]:
    """A database for whole systems, apart from the other tests': processes hold connections to it."""
    name = "helpdesk_system"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="module")
def system(own_database_url: str, redis_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """API, relay, worker and scheduler, each a process of its own."""
    folder: Path = tmp_path_factory.mktemp("system")
    with running(System(own_database_url, redis_server_url, folder)) as system:
        for command in ("relay", "worker", "scheduler"):
            system.start(command)
        system.serve()
        yield system
