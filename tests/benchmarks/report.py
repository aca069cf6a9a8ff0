"""From results to the table. Every ratio is of two slices that followed each other, and the median over the rounds; the
latencies of all rounds are one heap, since a 99th percentile of one slice would be that of its slowest answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.load import Result
from tests.benchmarks.operations import READS, Operation

Results = Mapping[tuple[str, int, str], Sequence[Result]]
"""By operation, number of complaints and server; one per round, in order."""

_NAMES: Final = {"ours": "helpdesk", "core": "(a) Core", "fixed": "(b) fixed"}
_HEAD: Final = ("operation", "rows", "server", "req/s", "p50 ms", "p99 ms", "errors", "to (a)", "to (b)", "wanted")


def rate(result: Result) -> float:
    """Requests answered as expected, per second."""
    return len(result.latencies) / result.seconds


def percentile(rounds: Sequence[Result], percent: int) -> float:
    """Milliseconds; 0 when nothing was answered."""
    ordered = sorted(taken for one in rounds for taken in one.latencies)
    return 1000 * ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else 0.0


def ratio(ours: Sequence[Result], floor: Sequence[Result]) -> float:
    return median(rate(one) / rate(other) if rate(other) else 0.0 for one, other in zip(ours, floor, strict=True))


def slower(small: Sequence[Result], large: Sequence[Result]) -> float:
    """How many times as long a request takes on the large database."""
    return ratio(small, large)


def table(operations: Sequence[Operation], sizes: Sequence[int], results: Results) -> str:
    lines: list[tuple[str, ...]] = [_HEAD]
    for operation in operations:
        for size in sizes:
            cells = {name: results[operation.name, size, name] for name in _NAMES}
            for name, rounds in cells.items():
                lines.append(_line(operation, size, name, rounds, cells))
    widths = [max(len(line[place]) for line in lines) for place in range(len(_HEAD))]
    return "\n".join("  ".join(part.rjust(width) for part, width in zip(line, widths, strict=True)) for line in lines)


def _line(
    operation: Operation, size: int, name: str, rounds: Sequence[Result], cells: Mapping[str, Sequence[Result]]
) -> tuple[str, ...]:
    found = ratio(rounds, cells["core"])
    wanted = "" if name != "ours" else f">= {operation.wanted}" + ("" if found >= operation.wanted else " MISSED")
    return (
        operation.name,
        f"{size}",
        _NAMES[name],
        f"{median(rate(one) for one in rounds):.0f}",
        f"{percentile(rounds, 50):.1f}",
        f"{percentile(rounds, 99):.1f}",
        str(sum(one.errors for one in rounds)),
        f"{found:.2f}",
        f"{ratio(rounds, cells['fixed']):.2f}",
        wanted,
    )


def growth(sizes: Sequence[int], results: Results) -> str:
    small, large = sizes
    lines = [f"Time at {large} complaints over time at {small} (wanted: at most 1.3):"]
    for operation in READS:
        ours, core = (
            slower(results[operation.name, small, name], results[operation.name, large, name])
            for name in ("ours", "core")
        )
        lines.append(f"  {operation.name:9} helpdesk {ours:.2f}   (a) Core {core:.2f}")
    return "\n".join(lines)


def of_load(results: Results) -> float:
    """Milliseconds of processor time that the load took per request: a part of every time in the table."""
    slices = [one for rounds in results.values() for one in rounds]
    return 1000 * sum(one.processor for one in slices) / sum(len(one.latencies) + one.errors for one in slices)


@dataclass(frozen=True, slots=True)
class Stolen:
    """How much of this machine's processor time somebody else had meanwhile: what makes absolute numbers small."""

    ticks: tuple[int, int]

    @classmethod
    def now(cls) -> "Stolen":
        """`(stolen, all)` since the start, (0, 0) where the system does not say."""
        try:
            first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
        except OSError:
            return cls((0, 0))
        return cls((int(first[7]), sum(map(int, first))))

    def since(self) -> float:
        stolen, everything = (now - then for now, then in zip(Stolen.now().ticks, self.ticks, strict=True))
        return stolen / everything if everything else 0.0
