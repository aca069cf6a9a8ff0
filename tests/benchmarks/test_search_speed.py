"""How long a search for two words takes beside a read by primary key, on the same server, in the same minutes.

The texts are of five thousand words, some in every other complaint and most in few (Zipf's law), a hundred words each.
The pairs are of one complaint's text, so that each is found at least once: as they come, and in three kinds, because a
search for two frequent words is the hard one. One connection: a queue in front of the server would measure itself.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import quote_plus

import pytest

from tests.benchmarks import report
from tests.benchmarks.conftest import Plan, fresh_program
from tests.benchmarks.filling import fill
from tests.benchmarks.load import Ask, Load, Result, load
from tests.benchmarks.operations import ROOT
from tests.benchmarks.servers import serving

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

WANTED: Final = 5.0
"""The most that the 95th percentile of a search may be of the read's; nothing fails above it."""
VOCABULARY: Final = 5_000
LENGTH: Final = 100
_REQUESTS: Final = 100


@cache
def words(number: int) -> tuple[str, ...]:
    """Of the complaint of this number: word `w1` is the most frequent."""
    chance = random.Random(number)
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    return tuple(f"w{rank}" for rank in chance.choices(range(1, VOCABULARY + 1), weights, k=LENGTH))


def texts(number: int) -> dict[str, str]:
    return {"subject": " ".join(words(number)[:5]), "description": " ".join(words(number))}


def _rank(word: str) -> int:
    return int(word[1:])


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    least: int
    most: int

    def pairs(self, seed: int) -> Iterator[str]:
        chance = random.Random(seed)
        while True:
            there = sorted({word for word in words(chance.randrange(1000)) if self.least <= _rank(word) <= self.most})
            if len(there) > 1:
                yield " ".join(chance.sample(there, 2))


KINDS: Final = (
    Kind("as they come", 1, VOCABULARY),
    Kind("frequent (1-20)", 1, 20),
    Kind("middling (21-300)", 21, 300),
    Kind("rare (301-)", 301, VOCABULARY),
)


def test_beside_a_read(
    plan: Plan, server_url: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asserts only that every request was answered."""
    folder, size = tmp_path_factory.mktemp("bench"), plan.sizes[1]
    results: dict[str, list[Result]] = {"get": [], **{kind.name: [] for kind in KINDS}}
    with ExitStack() as stack:
        program = stack.enter_context(fresh_program(server_url, "helpdesk_bench_search", folder))
        filled = fill(program.database, size, texts)
        server = stack.enter_context(serving("ours", program.settings.database_url or "", folder))
        sender = stack.enter_context(load())
        gets = itertools.cycle(filled.visible)
        for round_ in range(-1, plan.rounds):
            asks = {
                "get": [
                    Ask("GET", f"{ROOT}/{ref}", None, 200, '"reference"') for ref in itertools.islice(gets, _REQUESTS)
                ]
            }
            for kind in KINDS:
                pairs = itertools.islice(kind.pairs(round_), _REQUESTS)
                asks[kind.name] = [
                    Ask("GET", f"{ROOT}/search?q={quote_plus(pair)}", None, 200, '"ranked"') for pair in pairs
                ]
            for name, chosen in asks.items():
                result = _run(sender, server.port, filled.token, chosen)
                assert result.errors == 0, result
                if round_ >= 0:  # the one before is for warming up
                    results[name].append(result)
    with capsys.disabled():
        print(_table(size, results))


def _run(sender: Load, port: int, token: str, asks: Sequence[Ask]) -> Result:
    return sender.run(port, token, [asks])


def _table(size: int, results: dict[str, list[Result]]) -> str:
    read = report.percentile(results["get"], 95)
    lines = [
        f"\n{size} complaints; milliseconds; wanted: p95 at most {WANTED:g} x that of a read by primary key",
        f"{'':24}{'p50':>8}{'p95':>8}{'p95 / read':>12}",
    ]
    for name, rounds in results.items():
        p50, p95 = (report.percentile(rounds, percent) for percent in (50, 95))
        lines.append(f"{name:24}{p50:8.1f}{p95:8.1f}{p95 / read:12.2f}")
    return "\n".join(lines)
