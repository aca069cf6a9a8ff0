"""`/metrics`.

How it can fail: a label grows with what callers send (a path, a method), which is a leak and fills the memory; a gauge
does not follow the table; an outage of the database takes the scrape with it; each start of a server leaves a folder
behind, or takes a living one's away.
"""

import fcntl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.doorbell import ISSUING, PROVIDERS, QUEUES
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery.kinds import ASK, ISSUE
from helpdesk.wiring import assemble
from tests.conftest import SIGNING_KEY, Caller
from tests.system import System, free_port, running, wait_until


def scraped(caller: Caller) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = caller.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def requests(found: dict[Any, float], **labels: str) -> float:
    return found.get(("helpdesk_requests_total", tuple(sorted(labels.items()))), 0)


def test_requests_by_route(agent: Caller, anonymous: Caller, complaint: dict[str, Any]) -> None:
    before = scraped(anonymous)
    for _ in range(3):
        agent.get(f"/complaints/{complaint['reference']}")
    anonymous.get(f"/complaints/{complaint['reference']}")
    after = scraped(anonymous)
    route = {"method": "GET", "route": "/api/v1/complaints/<ref>"}
    assert requests(after, **route, status="200") - requests(before, **route, status="200") == 3
    assert requests(after, **route, status="401") - requests(before, **route, status="401") == 1
    count = ("helpdesk_request_seconds_count", tuple(sorted(route.items())))
    assert after[count] - before.get(count, 0) == 4


def test_no_label_comes_from_a_caller(agent: Caller, anonymous: Caller, complaint: dict[str, Any]) -> None:
    agent.get(f"/complaints/{complaint['reference']}?limit=whispered")
    anonymous.get("/whispered/path/of/a/caller")
    anonymous.client.open("/api/v1/me", method="SECRET")
    anonymous.client.open("/whispered", method="WHISPERED-2")
    answer = anonymous.get("/metrics").text
    for word in ("whispered", "WHISPERED", complaint["reference"]):
        assert word not in answer
    assert requests(scraped(anonymous), method="other", route="unknown", status="405") >= 1


def test_gauges_follow_the_tables(anonymous: Caller, database: Database, engine: Engine) -> None:
    def gauges() -> tuple[float, float]:
        found = scraped(anonymous)
        return found[("helpdesk_duties_owed", ())], found[("helpdesk_duties_dead", ())]

    assert gauges() == (0, 0)
    with database.unit_of_work(SYSTEM) as uow:
        for _ in range(3):
            uow.duty("test", new_id())
    assert gauges() == (3, 0)
    with engine.begin() as connection:
        connection.execute(text("UPDATE duty SET dead_at = now() WHERE number = (SELECT max(number) FROM duty)"))
    assert gauges() == (2, 1)
    assert scraped(anonymous)[("helpdesk_event_horizon_lag_seconds", ())] >= 0


def test_what_is_owed_by_queue(anonymous: Caller, database: Database) -> None:
    def owed() -> dict[str, float]:
        found = scraped(anonymous)
        return {queue: found[("helpdesk_queue_duties_owed", (("queue", queue),))] for queue in QUEUES}

    assert owed() == dict.fromkeys(QUEUES, 0)
    with database.unit_of_work(SYSTEM) as uow:
        for topic in (ASK, ASK, ISSUE):
            uow.duty(topic, new_id())
        uow.duty(ASK, new_id(), not_before=uow.now + timedelta(hours=1))
    assert owed() == dict.fromkeys(QUEUES, 0) | {PROVIDERS: 2, ISSUING: 1}


def test_without_a_database_the_rest_is_shown() -> None:
    program = assemble(Settings(database_url="postgresql://helpdesk@127.0.0.1:1/nothing", secret_key=SIGNING_KEY))
    found = scraped(Caller(create_app(program=program).test_client(), None, None))
    assert ("helpdesk_duties_owed", ()) not in found
    assert any(name == "helpdesk_requests_total" for name, _ in found)
    program.engine.dispose()


class TestFolder:
    @pytest.fixture
    def system(self, own_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        with running(System(own_database_url, None, tmp_path)) as system:
            yield system

    def folders(self, system: System) -> list[Path]:
        return sorted(system.folder.glob("helpdesk-metrics-*"))

    def is_free(self, folder: Path) -> bool:
        with (folder / "lock").open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

    def test_goes_with_its_server(self, system: System) -> None:
        system.serve()
        assert "helpdesk_requests_total" in system.call("GET", "/metrics", token=None).body
        [folder] = self.folders(system)
        assert list(folder.glob("*.db"))
        [server] = system.running("serve")
        server.terminate()
        assert server.wait(60) == 0
        assert self.folders(system) == []

    def test_a_killed_servers_goes_at_the_next_start_and_a_living_ones_stays(self, system: System) -> None:
        system.serve()
        [killed] = self.folders(system)
        system.kill(system.running("serve")[0])
        wait_until(lambda: self.is_free(killed), "the killed server's processes to end")
        stranger = system.folder / "helpdesk-metrics-of-another-program"
        stranger.mkdir()
        for number in (1, 2):
            system.port = free_port()
            system.serve()
            assert killed not in self.folders(system)
            assert stranger in self.folders(system)
            assert len(self.folders(system)) == 1 + number
