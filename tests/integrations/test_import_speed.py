"""How fast the real file comes in, with clocks and timeline: `make test-import`.

A machine's speed differs from minute to minute, so a floor is measured beside it: the time in which the server by itself
writes the same rows with the same indexes. Nobody who goes through this server can be faster.
"""

import time

import pytest
from sqlalchemy import Engine, text

from helpdesk.integrations.importing import BATCH
from helpdesk.wiring import Program
from tests.integrations.conftest import SAMPLE, Ask, needs_data
from tests.integrations.test_importing import start_import

WANTED = 1000.0
"""Complaints per second."""
FLOORS = 8.0
"""Or at most so many times the floor, where the machine is too slow for that."""
TABLES = ("complaint", "complaint_issue", "complaint_person", "complaint_need", "sla_clock", "event")

pytestmark = [needs_data, pytest.mark.import_speed]


def test_a_thousand_complaints_a_second(program: Program, engine: Engine, ask: Ask) -> None:
    process = start_import(program, SAMPLE, "cfpb", BATCH)
    _, told = process.communicate(timeout=600)
    assert process.returncode == 0, told.decode()
    assert ask("SELECT count(*) FROM complaint") == 6623
    assert ask("SELECT count(*) FROM sla_clock") == 5 * 6623
    assert ask("SELECT count(*) FROM event WHERE type = 'complaint.received'") == 6623
    seconds = float(ask("SELECT extract(epoch FROM finished_at - run_started_at) FROM import_job"))
    rate, floors = 6623 / seconds, seconds / floor(engine)
    print(f"\n{rate:.0f} complaints/s; {floors:.1f} x the floor")
    assert rate >= WANTED or floors <= FLOORS


def floor(engine: Engine) -> float:
    """Seconds."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA floor"))
        for name in TABLES:
            connection.execute(text(f'CREATE TABLE floor."{name}" (LIKE "{name}" INCLUDING INDEXES)'))
        begun = time.monotonic()
        for name in TABLES:
            connection.execute(text(f'INSERT INTO floor."{name}" SELECT * FROM "{name}"'))
        seconds = time.monotonic() - begun
        connection.execute(text("DROP SCHEMA floor CASCADE"))
    return seconds
