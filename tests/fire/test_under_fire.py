"""Issuance and alarms while workers are killed, Redis loses its memory and Redis itself dies: nothing twice, nothing lost.

Run by `make test-fire`. Bounded: the fire lasts a number of rounds, then the system is left alone and must come to rest.
"""

import contextlib
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import text

from helpdesk.app import create_app
from helpdesk.complaints import intake
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.doorbell import BULK, ISSUING, MAIL, MAIN, PROVIDERS, QUEUES
from helpdesk.kernel.embedded import EmbeddedRedis
from helpdesk.verifying import violations
from tests.conftest import complaint_body
from tests.system import ADMIN_TOKEN, System, running, wait_until

pytestmark = [pytest.mark.fire, pytest.mark.timeout(1800)]

OFFERS = 200
COMPLAINTS_WITH_ALARMS = 334
"""Three clocks each: 1 002 breaches."""
ROUNDS = 12
WORKERS = {MAIN: 2, BULK: 1, MAIL: 1, PROVIDERS: 1, ISSUING: 1}
"""Every queue has one: the scheduler owes long work too, such as training."""


class Fire:
    """Kills, flushes and restarts, in a random order of a fixed seed, as often as `ROUNDS` says."""

    def __init__(self, system: System, server: EmbeddedRedis) -> None:
        self.system = system
        self.server = server
        self.random = random.Random(20260302)
        self.workers: dict[str, list[subprocess.Popen[bytes]]] = {queue: [] for queue in QUEUES}
        self.done: dict[str, int] = {"kill a worker": 0, "flush redis": 0, "restart redis": 0}

    def burn(self, feed: Callable[[int], None] = lambda _: None) -> None:
        """One act per round, after `feed(round)` has brought work for it to disturb; between two rounds the work is given
        time to get half-way.
        """
        acts = [self.kill_worker] * 8 + [self.flush] * 3 + [self.restart]
        self.random.shuffle(acts)
        for number, act in enumerate(acts[:ROUNDS]):
            feed(number)
            act()
            self.keep_workers()
            time.sleep(self.random.uniform(0.3, 1.2))  # how long the fire leaves the workers alone

    def kill_worker(self) -> None:
        workers = self.system.running("worker")
        if workers:
            self.system.kill(self.random.choice(workers))
            self.done["kill a worker"] += 1

    def flush(self) -> None:
        with contextlib.closing(redis.Redis.from_url(self.server.url)) as connection:
            connection.flushall()
        self.done["flush redis"] += 1

    def restart(self) -> None:
        process = self.server.process
        assert process is not None
        process.kill()
        process.wait()
        self.server.start()
        self.done["restart redis"] += 1

    def keep_workers(self) -> None:
        """What a supervisor does."""
        for queue, children in self.workers.items():
            children[:] = [child for child in children if child.poll() is None]
            for _ in range(WORKERS[queue] - len(children)):
                children.append(self.system.start("worker", "--queue", queue))

    def put_out(self, query: str, expected: int, what: str) -> None:
        """The fire is over: wait until the query gives the expected number, while a supervisor goes on doing its work."""

        def there() -> bool:
            self.keep_workers()
            return _count(self.system, query) == expected

        try:
            wait_until(there, f"{what}; fire: {self.done}", timeout=600)
        except AssertionError:
            print(self._left(), self.system.logs(), sep="\n")
            raise

    def _left(self) -> str:
        """What is still owed, and what Redis holds, for whoever reads of a fire that did not end."""
        with self.system.program.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT topic, attempts, begun, failures, last_error, next_at - now() AS rung_in, dead_at FROM duty"
                    " WHERE done_at IS NULL ORDER BY number LIMIT 20"
                )
            ).all()
        with contextlib.closing(redis.Redis.from_url(self.server.url)) as connection:
            queued = {name: connection.llen(f"rq:queue:{name}") for name in QUEUES}
        return "\n".join(["owed:", *map(str, rows), f"queued: {queued}"])


@pytest.fixture
def burning(fire_database_url: str, folder: Path) -> Iterator[tuple[System, Fire]]:
    server = EmbeddedRedis(folder / "redis")
    url = server.start()
    with running(System(fire_database_url, url, folder)) as system:
        yield system, Fire(system, server)
    server.stop()


@pytest.fixture
def client(burning: tuple[System, Fire]) -> FlaskClient:
    return create_app(program=burning[0].program).test_client()


def _call(client: FlaskClient, path: str, body: Any, key: str, *, token: str | None = ADMIN_TOKEN) -> Any:
    headers = {"Idempotency-Key": key, "If-Match": "*"} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = client.post(f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json


def _count(system: System, query: str) -> int:
    with system.program.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def _offered(client: FlaskClient) -> list[str]:
    """Link tokens of `OFFERS` offers that wait for the customer's answer."""
    budget = _call(
        client,
        "/budgets",
        {"name": "Fire", "currency": "EUR", "starts_on": "2020-01-01", "ends_on": "2099-12-31"},
        "budget",
    )
    _call(client, f"/budgets/{budget['id']}/allocations", {"amount": {"amount": "9000.00", "currency": "EUR"}}, "money")
    links = []
    for number in range(OFFERS):
        ref = _call(client, "/complaints", complaint_body(), f"complaint-{number}")["reference"]
        body: dict[str, Any] = {
            "kind": "voucher",
            "amount": {"amount": "10.00", "currency": "EUR"},
            "reason": "It was late.",
        }
        body |= {"allow_duplicate": True, "duplicate_reason": "Another parcel."}
        offer = _call(client, f"/complaints/{ref}/offers", body, f"draft-{number}")
        for action in ("submit", "offer"):
            offer = _call(client, f"/offers/{offer['id']}/actions/{action}", {}, f"{action}-{number}")
        links.append(offer["link"].rsplit("/", 1)[-1])
    return links


def _at_rest(system: System) -> None:
    """No violation is left; duties may be late after a fire, but not undone."""
    found = list(violations(system.program.database))
    assert found == [], found[:10]


def test_every_accepted_offer_is_issued_exactly_once(burning: tuple[System, Fire], client: FlaskClient) -> None:
    system, fire = burning
    links = _offered(client)
    system.start("relay")
    system.start("scheduler")
    fire.keep_workers()

    def accept() -> None:
        app = create_app(program=system.program).test_client()
        for number, link in enumerate(links):
            _call(app, f"/public/offers/{link}/accept", {}, f"accept-{number}", token=None)

    accepting = threading.Thread(target=accept)
    accepting.start()
    fire.burn()
    accepting.join()
    fire.put_out("SELECT count(*) FROM offer WHERE status = 'issued'", OFFERS, "all offers to be issued")
    assert _count(system, "SELECT count(*) FROM voucher") == OFFERS
    assert _count(system, "SELECT count(*) FROM budget_entry WHERE kind = 'commit'") == OFFERS
    assert _count(system, "SELECT committed_minor FROM budget") == OFFERS * 1000
    assert _count(system, "SELECT reserved_minor FROM budget") == 0
    fire.put_out("SELECT count(*) FROM duty WHERE done_at IS NULL", 0, "every duty to be done")
    assert all(fire.done.values()), fire.done
    _at_rest(system)
    print(f"\n{OFFERS} offers issued once each; fire: {fire.done}")


def test_a_thousand_alarms_ring_exactly_once(burning: tuple[System, Fire]) -> None:
    system, fire = burning
    system.start("relay")
    system.start("scheduler")
    fire.keep_workers()

    def feed(number: int) -> None:
        """A share of the complaints, so that each act of the fire finds alarms that are due and have not rung."""
        many = len(range(number, COMPLAINTS_WITH_ALARMS, ROUNDS))
        with system.program.database.unit_of_work(SYSTEM) as uow:
            long_ago = uow.now - timedelta(days=60)
            late = {"channel": "EMAIL", "subject": "Late", "description": "It was late.", "received_at": long_ago}
            intake.receive_many(uow, [late] * many)

    expected = 3 * COMPLAINTS_WITH_ALARMS
    breached = "SELECT count(*) FROM event WHERE type = 'sla.breached'"
    fire.burn(feed)
    fire.put_out("SELECT count(*) FROM sla_clock WHERE next_alarm_at IS NOT NULL", 0, "every alarm to ring")
    assert all(fire.done.values()), fire.done
    assert _count(system, breached) == expected
    assert _count(system, "SELECT count(*) FROM sla_alarm") == expected
    _at_rest(system)
    print(f"\n{expected} alarms rang once each; fire: {fire.done}")
