"""Remedies of every road while PostgreSQL is stopped at once, Redis forgets everything and workers are killed, again and again, and
the provider is at its worst: every offer ends issued or failed, nothing twice, nothing lost.

Run by `make test-fire`. Bounded: the fire lasts a number of rounds, then the system is left alone and must come to rest.
"""

import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.recovery.restarting import ROADS, Servers, running_servers
from tests.system import wait_until

pytestmark = [pytest.mark.fire, pytest.mark.timeout(1800)]

EACH = 20
"""Offers of each road."""
ROUNDS = 10
WORDS = ("issue", "lost", "silent", "absent", "error", "strange", "twice", "busy", "refuse")


@pytest.fixture
def servers() -> Iterator[Servers]:
    with running_servers(workers=3, mails=True) as found:
        found.ready()
        yield found


def accept(servers: Servers, offer: dict[str, Any]) -> bool:
    """As a client that does not give up: what was not answered is sent again, with the same key."""
    path = f"/offers/{offer['id']}/actions/accept"
    answer = servers.caller.post(path, {"said_by": "phone"}, idempotency_key=offer["id"], if_match="*")
    assert answer.status_code == 200 or answer.status_code >= 500, answer.text
    return bool(answer.status_code == 200)


def test_every_road_comes_to_its_end(servers: Servers) -> None:
    chance = random.Random(20261129)
    offers = [servers.offered(kind) for _ in range(EACH) for kind in ROADS]
    servers.provider.plan = [chance.choice(WORDS) for _ in range(3 * EACH)]

    def customers() -> None:
        for offer in offers:
            wait_until(partial(accept, servers, offer), "an acceptance", timeout=300)

    accepting = threading.Thread(target=customers)
    accepting.start()
    for number in range(ROUNDS):
        servers.keep()
        time.sleep(chance.uniform(0.3, 1.5))  # how long the fire leaves them alone
        if number % 2:
            servers.crash()
        else:
            chance.choice(servers.running("worker")).kill()
    accepting.join()
    servers.comes_to_rest(len(offers))
    print(f"\n{len(offers)} offers: {dict(servers.by_status())}")
