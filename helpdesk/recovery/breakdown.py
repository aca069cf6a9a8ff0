"""What of an offer's money is owed, by what, and what is goodwill. Pure.

Money pays what is owed first: what a law or tariff lays down, then what was lost; what goes beyond it is goodwill. A voucher and
points settle nothing that is owed: they are goodwill where nothing is left to be paid, and may else stand in its place, of which
nothing is said; nor of what is no money, or of what is not known for sure. What the customer was told by other offers that still
stand is not told again, so that no sum is owed to them twice.

What others have told may itself be open: the customer has not chosen yet, or it was never told what of it was owed. Both ends are
reckoned then, and where they differ, nothing is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.playbook_spec import IN_KIND

STATUTORY: Final = "statutory"
RESTITUTION: Final = "restitution"
GOODWILL: Final = "goodwill"
BASES: Final = (STATUTORY, RESTITUTION, GOODWILL)
"""In the order in which money pays them."""
_NEVER_OWED: Final = frozenset({"goodwill_payment", "voucher", "points"})
"""Kinds that beyond what is owed are goodwill though nobody has stated what was lost. A refund may give that back."""
_OF_GOODWILL: Final = frozenset({"voucher", "points"})

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """So many minor units that are owed. `tariff` None: what was lost, or what somebody recorded as laid down without naming a
    tariff. `net`: what a tariff pays for the same loss is taken off.
    """

    basis: str
    minor: int
    tariff: str | None = None
    tariff_version: int | None = None
    title: str | None = None
    source: str | None = None
    net: bool = False

    @property
    def key(self) -> Key:
        return self.basis, self.tariff


@dataclass(frozen=True, slots=True)
class Part:
    """Of one option. `goodwill` None: what the rest is, is not known."""

    number: int
    lines: tuple[Line, ...]
    goodwill: int | None

    @property
    def owed(self) -> int:
        return sum(line.minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Said:
    """What a customer gets if they take this, and what they were told of it. `doubtful`: of money, what may be owed and was not told
    to be. `in_kind`: it may make good what was lost without being money.
    """

    lines: Mapping[Key, int] = field(default_factory=dict)
    doubtful: int = 0
    in_kind: bool = False

    @property
    def least(self) -> int:
        return sum(self.lines.values())

    @property
    def most(self) -> int:
        return self.least + self.doubtful


@dataclass(frozen=True, slots=True)
class Known:
    """What is owed on a complaint. `loss_stated`: somebody has said what was lost, be it nothing."""

    currency: str
    lines: tuple[Line, ...]
    loss_stated: bool


def said(kind: str, minor: int, part: Part | None, *, several: bool) -> Said:
    """Of an option that was put before the customer. `several`: it was one of more than one."""
    if kind not in SETTLES:
        return Said(in_kind=kind in IN_KIND or (several and kind != "apology_letter"))
    if part is None:
        return Said(doubtful=minor)
    lines = {line.key: line.minor for line in part.lines}
    return Said(lines, 0 if part.goodwill is not None else minor - part.owed)


def parts(options: Sequence[tuple[int, str, int]], owed: Known, others: Iterable[Sequence[Said]]) -> tuple[Part, ...]:
    """Of each option that something can be said of. `options`: number, kind and minor units; `others`: each other offer that the
    customer was told of and that stands, as what they may yet take of it.
    """
    told = list(others)
    least = _left(owed, [min(offer, key=lambda one: one.least) for offer in told], doubtful=False)
    most = _left(owed, [max(offer, key=lambda one: one.most) for offer in told], doubtful=True)
    if any(one.in_kind for offer in told for one in offer):
        most = {key: 0 if key[0] == RESTITUTION else minor for key, minor in most.items()}
    found = []
    for number, kind, minor in options:
        part = _part(number, kind, minor, owed, least)
        if part is not None and part == _part(number, kind, minor, owed, most):
            found.append(part)
    return tuple(found)


def _left(owed: Known, told: Iterable[Said], *, doubtful: bool) -> dict[Key, int]:
    """What no other offer has told to be owed. What is told beyond a line, since that has become less, pays the others."""
    left = {line.key: line.minor for line in owed.lines}
    beyond = 0
    for one in told:
        beyond += one.doubtful if doubtful else 0
        for key, minor in one.lines.items():
            taken = min(left.get(key, 0), minor)
            beyond += minor - taken
            if taken:
                left[key] -= taken
    for key, minor in left.items():
        taken = min(minor, beyond)
        left[key] = minor - taken
        beyond -= taken
    return left


def _part(number: int, kind: str, minor: int, owed: Known, left: Mapping[Key, int]) -> Part | None:
    if kind in _OF_GOODWILL:
        return None if any(left.values()) else Part(number, (), minor)
    if kind not in SETTLES:
        return None
    rest, lines = minor, []
    for line in owed.lines:
        taken = min(left[line.key], rest)
        if taken:
            lines.append(replace(line, minor=taken))
            rest -= taken
    goodwill = rest if rest == 0 or owed.loss_stated or kind in _NEVER_OWED else None
    return Part(number, tuple(lines), goodwill) if lines or goodwill else None


def as_data(found: Iterable[Part]) -> list[dict[str, Any]]:
    """JSON-safe, to be kept with an offer."""
    return [
        {"number": part.number, "goodwill": part.goodwill, "lines": [asdict(line) for line in part.lines]}
        for part in found
    ]


_LINE: Final = frozenset(item.name for item in fields(Line))


def read(kept: Sequence[Mapping[str, Any]] | None) -> dict[int, Part]:
    """By the option's number, what was kept of an offer; nothing of one that was never told so."""
    return {
        part["number"]: Part(
            part["number"],
            tuple(Line(**{name: value for name, value in line.items() if name in _LINE}) for line in part["lines"]),
            part["goodwill"],
        )
        for part in kept or ()
    }
