"""A bulk change while its workers are killed: every item once, and the job comes to its end.

Run by `make test-fire`.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from helpdesk.complaints import intake
from helpdesk.complaints.bulk_changes import MOST
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.doorbell import BULK
from helpdesk.verifying import violations
from tests.conftest import complaint_body
from tests.system import System, running, wait_until

pytestmark = [pytest.mark.fire, pytest.mark.timeout(1800)]


@pytest.fixture
def system(fire_database_url: str, redis_server_url: str, folder: Path) -> Iterator[System]:
    with running(System(fire_database_url, redis_server_url, folder)) as found:
        found.start("relay")
        found.serve()
        yield found


KILLED_AT = (100, 350, 700)
"""Items done when the worker is killed."""


def _reached(system: System, path: str, done: int) -> bool:
    return bool(system.call("GET", path).body["done"] >= done)


def test_workers_are_killed(system: System) -> None:
    given = [ComplaintIn().load(complaint_body(subject="In bulk")) for _ in range(MOST)]
    with system.program.database.unit_of_work(SYSTEM) as uow:
        intake.receive_many(uow, given)
    body = {"where": {"status": "received"}, "step": "escalate", "given": {"reason": "A director wrote."}}
    begun = system.call("POST", "/complaints/bulk", body)
    assert begun.status == 202, begun.body
    path = f"/jobs/{begun.body['id']}"
    for done in KILLED_AT:
        worker = system.start("worker", "--queue", BULK)
        wait_until(partial(_reached, system, path, done), f"{done} items", timeout=300)
        system.kill(worker)
    system.start("worker", "--queue", BULK)
    wait_until(lambda: system.call("GET", path).body["state"] == "done", "the bulk change to be done", timeout=300)
    job = system.call("GET", path).body
    assert (job["done"], job["failed"]) == (MOST, 0)
    with system.program.engine.connect() as connection:
        levels = connection.execute(text("SELECT DISTINCT escalation_level FROM complaint WHERE subject = 'In bulk'"))
        assert list(levels.scalars()) == [1]
    assert not list(violations(system.program.database, ["chain", "complaints"]))
