"""A provider that takes a request and says nothing, and what else there is to issue: real workers, and a real server that stays
silent until it is told to go on.

How it can fail: the worker that waits for the answer is the one that issues vouchers; what was asked before Redis forgot everything
is asked twice, or never again. (That the relay, without Redis, does each queue's work in a thread of its own: see its tests.)
"""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpdesk.app import create_app
from helpdesk.kernel.doorbell import ISSUING, PROVIDERS
from tests.conftest import Caller, complaint_body
from tests.recovery.helpers import accepted, open_budget, scalar, violations, voucher
from tests.recovery.providing import order_of, refund, register, status
from tests.recovery.reference_provider import ReferenceProvider, running
from tests.system import ADMIN_TOKEN, System, wait_until
from tests.system import running as running_system


class Silent:
    """Does what it is asked and says nothing of it, until it may."""

    def __init__(self, provider: ReferenceProvider) -> None:
        self.provider = provider
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        provider.before = self._wait

    def _wait(self, _key: str) -> None:
        self.asked.set()
        self.may_answer.wait(300)


@pytest.fixture
def silent() -> Iterator[Silent]:
    with running(ReferenceProvider("")) as provider:
        found = Silent(provider)
        try:
            yield found
        finally:
            found.may_answer.set()


@pytest.fixture
def system(new_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[System]:
    """One worker that issues, and one that asks."""
    with running_system(System(new_database_url, redis_url, tmp_path, private=True)) as found:
        for command in (["relay"], *(["worker", "--queue", queue] for queue in (ISSUING, PROVIDERS))):
            found.start(*command)
        yield found


def test_vouchers_are_issued_meanwhile(system: System, silent: Silent) -> None:
    database, provider = system.program.database, silent.provider
    caller = Caller(create_app(program=system.program).test_client(), None, ADMIN_TOKEN)
    open_budget(caller)
    register(caller, provider, timeout_seconds=60)
    waiting = accepted(caller, _complaint(caller, "Li"), refund())
    assert silent.asked.wait(90)

    ours = [accepted(caller, _complaint(caller, name), body) for name, body in _OURS.items()]
    for offer in ours:
        wait_until(partial(_is_issued, caller, offer), f"the {offer['kind']}")
    order = order_of(database, waiting)
    assert (order.state, order.in_doubt, order.last_error) == ("open", 1, None), "it was still waited for by then"
    assert status(caller, waiting) == ("issuing", "automatic")

    doorbell = system.program.doorbell
    assert doorbell is not None
    doorbell.connection.flushall()
    silent.may_answer.set()
    wait_until(partial(_is_issued, caller, waiting), "the refund")
    assert (len(provider.done), {key for _, key in provider.asked}) == (1, {f"{waiting['id']}-1"})
    told = "SELECT count(*) FROM event WHERE type = 'offer.issued' AND payload ->> 'offer_id' = :id"
    assert [scalar(database, told, id=offer["id"]) for offer in (waiting, *ours)] == [1] * (1 + len(ours))
    assert violations(database) == []


_OURS: dict[str, dict[str, Any]] = {"Ana": voucher(), "Eva": {"kind": "apology_letter"}}


def _is_issued(caller: Caller, offer: dict[str, Any]) -> bool:
    return status(caller, offer)[0] == "issued"


def _complaint(caller: Caller, name: str) -> dict[str, Any]:
    person = {"name": name, "email": f"{name.lower()}@example.com"}
    answer = caller.post("/complaints", complaint_body(complainant=person))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)
