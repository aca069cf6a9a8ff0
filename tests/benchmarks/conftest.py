import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from helpdesk.kernel.settings import Settings
from helpdesk.wiring import Program, assemble, migrate
from tests.system import SECRET_KEY


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `requests`: in one slice, which is of one operation, number of complaints, server and round.
    Many short slices rather than few long ones: a minute in which the machine is slow then is in all servers' alike.
    """

    sizes: tuple[int, int]
    rounds: int
    requests: int


@pytest.fixture(scope="session")
def plan() -> Plan:
    smoke = os.environ.get("HELPDESK_BENCH") == "smoke"
    return Plan(
        (1_000, 3_000) if smoke else (1_000, 100_000),
        int(os.environ.get("HELPDESK_BENCH_ROUNDS", "2" if smoke else "11")),
        int(os.environ.get("HELPDESK_BENCH_REQUESTS", "48" if smoke else "96")),
    )


@contextmanager
def fresh_program(server_url: str, name: str, folder: Path) -> Iterator[Program]:
    """The program on a migrated database of its own, which is gone afterwards."""
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    program = assemble(Settings(database_url=url, data_dir=folder, secret_key=SECRET_KEY))
    try:
        migrate(program)
        yield program
    finally:
        program.engine.dispose()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
