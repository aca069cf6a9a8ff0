"""What ten triggers cost an import of the real file, and how long workers then take to look at it: `make test-import`."""

import time
from typing import Final

import pytest
from sqlalchemy import Engine, text

from helpdesk.automation.subscribers import MANY_TOPIC, TOGETHER, TOPIC
from helpdesk.integrations.importing import BATCH
from helpdesk.wiring import Program
from tests.automation.rules import firings, of, tag, trigger
from tests.conftest import Caller
from tests.integrations.conftest import SAMPLE, needs_data
from tests.integrations.test_importing import start_import
from tests.recovery import helpers

SLOWER: Final = 1.3
"""So many times at most: what it costs is a duty for each hundred complaints. Measured: 1.0 to 1.1."""

pytestmark = [needs_data, pytest.mark.import_speed]


def test_ten_triggers(program: Program, engine: Engine, manager: Caller) -> None:
    worst = trigger(manager, condition=of("description", "contains", "fraud"))
    for number in range(9):
        trigger(manager, condition=of("severity", "is", "S1"), actions=[tag(f"t{number}")])
    runs: dict[bool, list[float]] = {False: [], True: []}
    for active in (False, True) * 2:  # side by side, since a machine's speed differs from minute to minute
        with engine.begin() as connection:
            connection.execute(text("UPDATE automation_trigger SET active = :active"), {"active": active})
            # All of it comes in again.
            connection.execute(text("UPDATE complaint SET source = NULL, external_id = NULL WHERE source IS NOT NULL"))
        runs[active].append(imported(program))
    without, within = (min(runs[active]) for active in (False, True))
    duties = [*helpers.duties(program.database, TOPIC), *helpers.duties(program.database, MANY_TOPIC)]
    assert len(duties) <= 2 * (6623 // TOGETHER + 2 * (6623 // BATCH + 1))
    begun = time.monotonic()
    program.performer.perform(duties)
    looked = time.monotonic() - begun
    fired = firings(manager, worst)
    print(f"\n{6623 / without:.0f} complaints/s without, {6623 / within:.0f} with ten triggers")
    print(f"looked at in {looked:.1f} s by one worker: {2 * 6623 / looked:.0f} events/s, {len(fired)}+ of them fired")
    assert within <= SLOWER * without


def imported(program: Program) -> float:
    """Seconds."""
    process = start_import(program, SAMPLE, "cfpb", BATCH)
    _, told = process.communicate(timeout=600)
    assert process.returncode == 0, told.decode()
    took = "SELECT extract(epoch FROM finished_at - run_started_at) FROM import_job ORDER BY id DESC LIMIT 1"
    return float(helpers.scalar(program.database, took))
