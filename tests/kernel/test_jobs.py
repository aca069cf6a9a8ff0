"""Long work that somebody waits for.

How it can fail: an item happens twice; a job that was cancelled goes on; somebody else's job is seen; a crash between an
act and its outcome; an ended job ends again; old ones are kept for ever.
"""

from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import jobs, outbox
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join
from tests.racing import at_once


def begun(database: Database, caller: Caller, total: int = 2) -> UUID:
    with database.unit_of_work(caller.actor) as uow:
        return jobs.begin(uow, caller.actor, kind="test", topic="test", given={"a": 1}, total=total)


def noted(database: Database, job_id: UUID, place: int, status: int = 200) -> bool:
    with database.unit_of_work(SYSTEM) as uow:
        return jobs.note_item(uow.session, job_id, place, "X", status)


def test_the_anonymous_caller_is_refused(anonymous: Caller) -> None:
    assert anonymous.get("/jobs").status_code == 401


def test_others_jobs_do_not_exist_but_for_who_reads_them_all(database: Database, join: Join) -> None:
    mine, other, auditor = join("agent"), join("manager"), join("auditor")
    job_id = begun(database, mine)
    assert mine.get(f"/jobs/{job_id}").json["state"] == "queued"
    for path in ("", "/items"):
        assert other.get(f"/jobs/{job_id}{path}").status_code == 404
        assert auditor.get(f"/jobs/{job_id}{path}").status_code == 200
    assert other.post(f"/jobs/{job_id}/cancel").status_code == 404
    assert other.get("/jobs").json["items"] == []
    assert [item["id"] for item in mine.get("/jobs?kind=test&state=queued").json["items"]] == [str(job_id)]


def test_a_job_comes_with_its_duty(database: Database, agent: Caller) -> None:
    job_id = begun(database, agent)
    with database.engine.begin() as connection:
        assert [ring.topic for ring in outbox.claim(connection, ["test"])] == ["test"]
        assert connection.execute(text("SELECT subject_id FROM duty")).scalar_one() == job_id


def test_the_newest_come_first_whatever_their_ids(database: Database, agent: Caller) -> None:
    ids = [UUID(int=int(f"{first}{0:031}", 16)) for first in "f18"]
    with database.unit_of_work(agent.actor) as uow:
        for job_id in ids:
            jobs.begin(uow, agent.actor, kind="test", topic="test", given={}, job_id=job_id)
    with database.engine.begin() as connection:
        for place, job_id in enumerate(ids):
            connection.execute(
                text("UPDATE job SET created_at = created_at + make_interval(secs => :place) WHERE id = :id"),
                {"place": place, "id": job_id},
            )
    seen: list[UUID] = []
    cursor: str | None = ""
    while cursor is not None:
        page = agent.get(f"/jobs?limit=1&kind=test{cursor}").json
        seen += [UUID(item["id"]) for item in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]


def test_an_item_happens_once_also_at_once(database: Database, agent: Caller) -> None:
    job_id = begun(database, agent)
    assert sorted(at_once(lambda: noted(database, job_id, 0), lambda: noted(database, job_id, 0))) == [False, True]
    assert noted(database, job_id, 1, 409)
    shown = agent.get(f"/jobs/{job_id}").json
    assert (shown["total"], shown["done"], shown["failed"]) == (2, 2, 1)
    assert [item["status"] for item in agent.get(f"/jobs/{job_id}/items").json["items"]] == [200, 409]


def test_going_on_after_a_crash(database: Database, agent: Caller) -> None:
    job_id = begun(database, agent, total=3)
    noted(database, job_id, 1)
    with database.unit_of_work(agent.actor) as uow:
        assert jobs.start(uow.session, job_id) is not None
    with database.reader() as session:
        assert jobs.places_left(session, job_id, 3) == [0, 2]
        assert jobs.is_wanted(session, job_id)


def test_cancelling(database: Database, agent: Caller) -> None:
    job_id = begun(database, agent)
    assert agent.post(f"/jobs/{job_id}/cancel").json["state"] == "cancelled"
    answer = agent.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "job_ended")
    with database.unit_of_work(agent.actor) as uow:
        assert jobs.start(uow.session, job_id) is None
        assert not jobs.is_wanted(uow.session, job_id)
        jobs.end(uow.session, job_id, "done")  # too late
    assert agent.get(f"/jobs/{job_id}").json["state"] == "cancelled"


@pytest.mark.parametrize(("age", "left"), [("29 days", 1), ("31 days", 0)])
def test_old_ones_are_forgotten(database: Database, agent: Caller, age: str, left: int) -> None:
    job_id = begun(database, agent)
    noted(database, job_id, 0)
    agent.post(f"/jobs/{job_id}/cancel")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE job SET finished_at = now() - CAST(:age AS interval)"), {"age": age})
    assert jobs.forget_ended(database.engine) == 1 - left
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == left


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("true", "ix_job_created_at_id"),
        ("created_by = '00000000-0000-4000-8000-000000000001'", "ix_job_created_by_created_at_id"),
        ("kind = 'rare'", "ix_job_kind_created_at_id"),
        ("state = 'running'", "ix_job_state_created_at_id"),
        ("state = 'failed'", "ix_job_state_created_at_id"),
    ],
)
def test_listed_from_an_index_however_many_there_are(engine: Engine, condition: str, index: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO job (id, kind, state, finished_at) SELECT gen_random_uuid(), 'complaints.bulk', 'done', now() "
                "FROM generate_series(1, 20000)"
            )
        )
        connection.execute(text("ANALYZE job"))
        asked = text(f"EXPLAIN SELECT * FROM job WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT 26")
        plan = "\n".join(connection.execute(asked).scalars())
    assert index in plan
    assert "Seq Scan" not in plan
