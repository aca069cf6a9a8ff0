"""Requests per second of the served program, beside two floors served the same way on the same database server.

The program, the Core floor and the fixed floor take turns within every round, so that a machine whose processor is
lent out now and then wrongs them all alike; the order is turned round from one round to the next. Read the ratios: the
absolute numbers are this machine's of this minute. PostgreSQL does not wait for the disk here, which makes the floors
faster and the ratios harder.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.request import Request, urlopen

import orjson
import pytest

from tests.benchmarks import report
from tests.benchmarks.conftest import Plan, fresh_program
from tests.benchmarks.filling import Filled, fill
from tests.benchmarks.load import Ask, Load, Result, load
from tests.benchmarks.operations import OPERATIONS, Operation
from tests.benchmarks.servers import APPS, Server, serving

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Bench:
    """`filled` by number of complaints; `servers` by number of complaints and name."""

    plan: Plan
    load: Load
    filled: Mapping[int, Filled]
    servers: Mapping[tuple[int, str], Server]

    def run(self, operation: Operation, size: int, name: str, round_: int, requests: int) -> Result:
        filled = self.filled[size]
        each = requests // CONNECTIONS // 2 * 2  # a transition is a pair
        connections = [
            list(islice(operation.asks(filled, place / CONNECTIONS + round_ / CONNECTIONS / 20), each))
            for place in range(CONNECTIONS)
        ]
        return self.load.run(self.servers[size, name].port, filled.token, connections)


@pytest.fixture(scope="module")
def bench(plan: Plan, server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with ExitStack() as stack:
        filled: dict[int, Filled] = {}
        servers: dict[tuple[int, str], Server] = {}
        for size in plan.sizes:
            program = stack.enter_context(fresh_program(server_url, f"helpdesk_bench_{size}", folder))
            filled[size] = fill(program.database, size)
            url = program.settings.database_url or ""
            for name in ("ours", "core"):
                servers[size, name] = stack.enter_context(serving(name, url, folder))
        bodies = _bodies(servers[plan.sizes[0], "ours"], filled[plan.sizes[0]])
        fixed = stack.enter_context(serving("fixed", "postgresql://nowhere", folder, bodies))
        servers.update({(size, "fixed"): fixed for size in plan.sizes})
        yield Bench(plan, stack.enter_context(load()), filled, servers)


def _bodies(server: Server, filled: Filled) -> dict[str, bytes]:
    """One real answer to each operation."""
    found = {}
    for operation in OPERATIONS:
        for name, ask in zip((operation.name, "resume"), islice(operation.asks(filled, 0), 2), strict=True):
            if name != "resume" or operation.name == "transition":
                found[name] = _asked(server, filled.token, ask)
    return found


def _asked(server: Server, token: str, ask: Ask) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if ask.body is None else orjson.dumps(ask.body)
    request = Request(f"http://127.0.0.1:{server.port}{ask.path}", data, headers, method=ask.method)
    with urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
    return body


def test_beside_the_floors(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Asserts only that nothing failed: how fast is for the reader."""
    plan = bench.plan
    results: dict[tuple[str, int, str], list[Result]] = {}
    stolen = report.Stolen.now()
    cells = [(size, name) for size in plan.sizes for name in APPS]
    for operation in OPERATIONS:
        with capsys.disabled():
            print(f"\n{operation.name} ...", end="", flush=True)
        for size, name in cells:
            # Every connection of every process has to have sent a statement five times before it is prepared.
            bench.run(operation, size, name, 0, max(plan.requests, 96))
        for round_ in range(1, plan.rounds + 1):
            for size, name in cells[:: 1 if round_ % 2 else -1]:
                result = bench.run(operation, size, name, round_, plan.requests)
                results.setdefault((operation.name, size, name), []).append(result)
    with capsys.disabled():
        print(f"\n\n{report.table(OPERATIONS, plan.sizes, results)}\n")
        print(report.growth(plan.sizes, results))
        print(f"{_measured(plan)} The load took {report.of_load(results):.2f} ms of processor per request.")
        print(f"{stolen.since():.0%} of the processors was somebody else's meanwhile.\n")
    assert not _told(results)


def _measured(plan: Plan) -> str:
    return (
        f"{CONNECTIONS} connections, {plan.rounds} rounds of slices of {plan.requests} requests, in turns; medians. "
        "Same gunicorn settings, same PostgreSQL (fsync off)."
    )


def _told(results: Mapping[tuple[str, int, str], Sequence[Result]]) -> list[str]:
    return [told for rounds in results.values() for one in rounds for told in one.told]
