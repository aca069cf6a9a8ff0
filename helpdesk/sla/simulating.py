"""Replaying complaints through policies: what would have been promised, and which of it would have been kept.

Pure: facts in, verdicts out. What a case does not tell is not judged: a file without a column for acknowledgements says nothing
of them. Resolving a complaint keeps every promise but the follow-up, as it does in life. `next_response` and `remedy_delivered`
hang on single messages and offers and are not replayed.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from helpdesk.kernel.facts import Facts
from helpdesk.sla.business_time import StillPausedError, due_at, elapsed
from helpdesk.sla.policy_spec import TIER, Policies, Promise

REPLAYED: Final = ("acknowledge", "first_response", "investigate", "resolve", "follow_up")
STATES: Final = ("met", "breached", "cancelled", "open")

Pauses = Sequence[tuple[datetime, datetime | None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One complaint as it went. `done`: kind -> when it was done, None where it was not; what is not there is not known.
    `ended`: when it was withdrawn or dismissed.
    """

    received: datetime
    severity: str
    done: Mapping[str, datetime | None]
    tier: str | None = None
    team: str | None = None
    pauses: Pauses = ()
    ended: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`seconds`: business time used, of what was done."""

    kind: str
    state: str
    policy: str
    seconds: int | None


def replay(policies: Policies, case: Case, as_of: datetime | None) -> Iterator[Verdict]:
    """`as_of`: what was not done by then and was due is broken; without it, it is open. Raises `BusinessTimeError` for times
    that no calendar reaches.
    """
    facts = Facts({**case.facts, "severity": case.severity, **({TIER: case.tier} if case.tier else {})})
    for kind in REPLAYED:
        start = case.done.get("resolve") if kind == "follow_up" else case.received
        if kind not in case.done or start is None:
            continue
        start = start.replace(microsecond=0)
        policy = policies.choose(facts, start)
        promise = policy.promise(kind, case.severity, case.tier)
        if promise is not None:
            state, seconds = _judged(promise, start, _done(case, kind), case, as_of)
            yield Verdict(kind, state, policy.name, seconds)


def _done(case: Case, kind: str) -> datetime | None:
    own = case.done[kind]
    resolved = None if kind == "follow_up" else case.done.get("resolve")
    return min((at for at in (own, resolved) if at is not None), default=None)


def _judged(
    promise: Promise, start: datetime, done: datetime | None, case: Case, as_of: datetime | None
) -> tuple[str, int | None]:
    end = done or case.ended or as_of
    pauses = _until(case.pauses, end) if promise.pausable else []
    try:
        due = due_at(promise.calendar, start, promise.target, pauses, promise.conventions)
    except StillPausedError:
        return "open", None
    if done is not None:
        return "met" if done <= due else "breached", elapsed(promise.calendar, start, done, pauses)
    if case.ended is not None:
        return "cancelled" if case.ended <= due else "breached", None
    return "breached" if as_of is not None and as_of > due else "open", None


def _until(pauses: Pauses, end: datetime | None) -> list[tuple[datetime, datetime | None]]:
    """A pause ends with what it pauses."""
    if end is None:
        return list(pauses)
    return [(since, end if until is None or until > end else until) for since, until in pauses if since < end]


@dataclass(slots=True)
class Tally:
    """What became of the promises of one group."""

    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    seconds: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, verdict: Verdict) -> None:
        self.states[verdict.state] += 1
        if verdict.seconds is not None:
            self.seconds.append(verdict.seconds)

    def told(self) -> dict[str, Any]:
        decided = self.states["met"] + self.states["breached"]
        ordered = sorted(self.seconds)
        return {
            "promised": sum(self.states.values()),
            **self.states,
            "percentage": round(100 * self.states["met"] / decided, 1) if decided else None,
            "median_seconds": _rank(ordered, 50),
            "p90_seconds": _rank(ordered, 90),
        }


def _rank(ordered: Sequence[int], percent: int) -> int | None:
    """Nearest rank, as PostgreSQL's `percentile_disc`."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


Group = tuple[str, str, str | None]
"""Kind, severity, team."""


@dataclass(slots=True)
class Simulation:
    """Verdicts as they come in; holds eight bytes for each that was done, and nothing else that grows with the cases."""

    policies: Policies
    as_of: datetime | None = None
    cases: int = 0
    groups: dict[Group, Tally] = field(default_factory=dict)
    kinds: dict[str, Tally] = field(default_factory=dict)

    def take(self, case: Case) -> None:
        """Raises `BusinessTimeError`; nothing of the case counts then."""
        verdicts = list(replay(self.policies, case, self.as_of))
        self.cases += 1
        for verdict in verdicts:
            self.groups.setdefault((verdict.kind, case.severity, case.team), Tally()).add(verdict)
            self.kinds.setdefault(verdict.kind, Tally()).add(verdict)

    def told(self) -> dict[str, Any]:
        def place(group: Group) -> tuple[int, str, str]:
            return REPLAYED.index(group[0]), group[1], group[2] or ""

        return {
            "cases": self.cases,
            "items": [
                {"kind": group[0], "severity": group[1], "team": group[2], **self.groups[group].told()}
                for group in sorted(self.groups, key=place)
            ],
            "totals": [{"kind": kind, **self.kinds[kind].told()} for kind in sorted(self.kinds, key=REPLAYED.index)],
        }
