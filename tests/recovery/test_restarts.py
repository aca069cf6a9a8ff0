"""Redis forgets everything and PostgreSQL is stopped at once, while a remedy of each road is being issued: with real workers, that
stand at a known place in the middle of it. Then both are there again, and nobody does anything.

How it can fail: what a provider has done is done again; a worker goes on as if its lock still held; a duty is rung for by nobody;
an offer stays `issuing`, its money reserved; a mail goes out twice.
"""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from tests.racing import waiting
from tests.recovery.restarting import ROADS, Servers, running_servers
from tests.system import wait_until


@pytest.fixture
def servers() -> Iterator[Servers]:
    with running_servers(workers=len(ROADS)) as found:
        found.ready()
        yield found


def stand(watcher: Connection, number: int) -> None:
    """So many workers wait for a lock, in the middle of a transaction."""
    wait_until(lambda: waiting(watcher) >= number, "a worker to stand there")


def test_in_the_middle_of_making_it_and_of_settling_it(servers: Servers) -> None:
    making = [servers.offered(kind) for kind in ROADS]
    settling = [servers.offered(kind) for kind in ("voucher", "points", "refund", "refund")]
    provider, engine = servers.provider, servers.program.engine

    came, answers = threading.Event(), threading.Event()

    def hold_back(_key: str) -> None:
        """It is done over there, and the answer is on its way."""
        came.set()
        answers.wait(60)

    provider.before = hold_back
    with engine.connect() as holder, engine.connect() as watcher:
        holder.execute(text("LOCK TABLE voucher, points_lot, letter IN SHARE MODE"))
        for number, offer in enumerate(making, 1):
            servers.accept(offer)
            if offer["kind"] == "refund":
                assert came.wait(60)
            else:
                stand(watcher, number)
        servers.crash()
        holder.invalidate()
        watcher.invalidate()
    answers.set()
    servers.wait(lambda: servers.by_status().keys() == {(kind, "issued") for kind in ROADS}, "the first four")

    provider.before = None
    provider.plan = ["issue", *["refuse"] * 9]
    with engine.connect() as holder, engine.connect() as watcher:
        holder.execute(text("SELECT FROM budget FOR UPDATE"))
        for number, offer in enumerate(settling, 1):
            servers.accept(offer)
            stand(watcher, number)
        assert len(provider.done) == 2
        servers.crash()
        holder.invalidate()
        watcher.invalidate()
    servers.comes_to_rest(8)
    assert servers.by_status()["refund", "failed"] == 1
    keys = [key for method, key in provider.asked if method == "POST"]
    assert len(set(keys)) == 3
