"""Severities, and the matrix of impact and urgency that gives one."""

from collections.abc import Iterator, Sequence
from typing import Final

SEVERITIES: Final = ("S1", "S2", "S3", "S4", "S5")
"""S1 is the worst."""
IMPACTS: Final = 5
URGENCIES: Final = 4

Matrix = Sequence[Sequence[str]]
"""A row for each impact, 1 (negligible) first; in it a severity for each urgency, 1 (can wait) first."""


def worst(*levels: str) -> str:
    """Of several severities; at least one."""
    return min(levels, key=SEVERITIES.index)


def milder_cells(matrix: Matrix) -> Iterator[tuple[int, int]]:
    """Row and place of each cell that is milder than the one before it: more impact or more urgency never makes it so."""
    for row, levels in enumerate(matrix):
        for place, level in enumerate(levels):
            before = [matrix[row - 1][place]] if row else []
            before += [levels[place - 1]] if place else []
            if any(SEVERITIES.index(level) > SEVERITIES.index(other) for other in before):
                yield row, place
