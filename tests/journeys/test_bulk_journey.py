"""A bulk change by a real worker, rung for by a real relay."""

from helpdesk.complaints import intake
from helpdesk.complaints.bulk_changes import AT_ONCE
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.doorbell import BULK
from helpdesk.verifying import violations
from tests.conftest import complaint_body
from tests.system import System, wait_until


def test_more_than_one_waits_for(system: System) -> None:
    system.start("worker", "--queue", BULK)
    bodies = [complaint_body(source="in-bulk", external_id=str(number)) for number in range(AT_ONCE + 1)]
    given = [ComplaintIn().load(body) for body in bodies]
    with system.program.database.unit_of_work(SYSTEM) as uow:
        intake.receive_many(uow, given)
    which = {"status": "received", "source": "in-bulk"}
    body = {"where": which, "step": "add_tags", "given": {"tags": ["by the worker"]}}
    begun = system.call("POST", "/complaints/bulk", body)
    assert (begun.status, begun.body["state"]) == (202, "queued")
    path = f"/jobs/{begun.body['id']}"
    job = wait_until(
        lambda: (found := system.call("GET", path).body)["state"] == "done" and found, "the bulk change to be done"
    )
    assert (job["done"], job["failed"]) == (AT_ONCE + 1, 0)
    tagged = system.call("GET", "/complaints?tag=by%20the%20worker&count=true&limit=1").body
    assert tagged["total"] == AT_ONCE + 1
    assert not list(violations(system.program.database, ["chain", "complaints"]))
