"""An edit of a policy, followed by real workers that are killed (`kill -9`) in the middle of a batch, and between two."""

import pytest
from sqlalchemy import text

from helpdesk.complaints import intake
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults
from helpdesk.kernel.doorbell import BULK
from helpdesk.sla import recomputing
from helpdesk.verifying import violations
from tests.conftest import complaint_body
from tests.system import System, wait_until

MANY = recomputing.TOGETHER + 5
"""Two batches."""


@pytest.mark.parametrize("place", recomputing.FAULT_POINTS)
def test_killed_on_the_way(system: System, place: str) -> None:
    database = system.program.database
    for child in system.running("worker"):
        system.kill(child)
    dying = system.start("worker", "--queue", BULK, **{faults.VARIABLE: place})
    with database.unit_of_work(SYSTEM) as uow:
        given = [ComplaintIn().load(complaint_body(subject=f"Followed {place}")) for _ in range(MANY)]
        intake.receive_many(uow, given)
    policy = next(item for item in system.call("GET", "/sla/policies").body["items"] if item["is_default"])
    severity = {**policy["targets"]["S3"], "resolve": [policy["targets"]["S3"]["resolve"][0] + 1, "business_days"]}
    targets = {**policy["targets"], "S3": severity}
    edited = system.call("PATCH", f"/sla/policies/{policy['id']}", {"targets": targets}, If_Match="*")
    assert edited.status == 200, edited.body
    job_id = edited.body["recompute_job_id"]

    assert wait_until(dying.poll, "the worker to die", timeout=180) == faults.EXIT_STATUS
    assert system.call("GET", f"/jobs/{job_id}").body["state"] == "running"
    system.start("worker")
    system.start("worker", "--queue", BULK)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE duty SET next_at = now() WHERE subject_id = :job"), {"job": job_id})
    path = f"/jobs/{job_id}"
    job = wait_until(lambda: (found := system.call("GET", path).body)["state"] == "done" and found, "it to be done")
    assert (job["done"], job["failed"]) == (job["total"], 0)
    assert job["result"]["clocks"]["later"] >= MANY  # those of other journeys may be followed too
    with database.engine.connect() as connection:
        told = text(
            "SELECT complaint.id, count(*) FILTER (WHERE payload ->> 'job_id' = :job) FROM complaint JOIN event ON stream_id = "
            "complaint.id WHERE subject = :subject GROUP BY complaint.id"
        )
        counts = [row[1] for row in connection.execute(told, {"job": job_id, "subject": f"Followed {place}"})]
    assert counts == [1] * MANY
    assert not list(violations(database, ["chain", "clocks"]))
