"""Policies as they are used: compiled, immutable, and chosen by the facts of a complaint.

**First match wins.** A policy is for the complaints for which its condition holds and of which the clock starts on one of its
days; the default policy is for everything, and stands last.

**Days.** `valid_from` and `valid_until` are local dates, both included, in the zone of the policy's own calendar, and the clock's
start is what counts, not the day on which somebody looks: a promise that was made in December does not change in January.

**Targets** by severity and kind; those of a tier of customers go before those that everybody has, kind by kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from helpdesk.kernel.expressions import Expression
from helpdesk.kernel.facts import Facts
from helpdesk.sla.business_time import Conventions, Target
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.ladder import rungs_at

CONVENTIONS: Final = ("boundary", "business_day", "calendar_day")
TIER: Final = "customer_tier"
"""The fact by which the targets of a tier are found."""
CONTINUE: Final = "continue"
RESTART: Final = "restart"
ON_REOPEN: Final = (RESTART, CONTINUE)
"""What becomes of a promise when its complaint is reopened: the whole target anew from then on, or what was left of it."""

Written = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Promise:
    """All that a clock is made by. Without a calendar's id it is a regulator's, whose calendar comes with the rule."""

    target: Target
    conventions: Conventions
    rungs: tuple[str, ...]
    """Where those of its ladder stand (`ladder.rungs_at`); what they do is the version's."""
    calendar_id: UUID | None
    calendar_version: int | None
    calendar: Calendar = field(compare=False)
    on_reopen: str = field(default=RESTART, compare=False)
    """One of `ON_REOPEN`. It makes no other deadline of a clock that there is."""

    @property
    def pausable(self) -> bool:
        return self.conventions.pausable


@dataclass(frozen=True, slots=True)
class Terms:
    """One target as a policy has it; None: as the policy says for all."""

    target: Target
    conventions: Conventions
    calendar_id: UUID | None = None
    thresholds: tuple[int, ...] | None = None
    ladder: Sequence[Written] | None = None
    on_reopen: str = RESTART


Targets = Mapping[str, Mapping[str, Promise]]
"""severity -> kind -> promise"""


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """One version of a policy with the versions of its calendars: what new clocks are made by. `calendar` is its own."""

    id: UUID
    version: int
    name: str
    is_default: bool
    calendar: Calendar
    targets: Targets
    tiers: Mapping[str, Targets]
    condition: Expression | None = None
    """None: for every complaint."""
    valid_from: date | None = None
    valid_until: date | None = None

    def is_for(self, facts: Facts, start: datetime) -> bool:
        """Whether it is for a clock that starts then, of a complaint of which that is known."""
        if self.valid_from is not None or self.valid_until is not None:
            day = start.astimezone(ZoneInfo(self.calendar.timezone)).date()
            if day < (self.valid_from or date.min) or day > (self.valid_until or date.max):
                return False
        return self.condition is None or self.condition.holds(facts)

    def promise(self, kind: str, severity: str, tier: str | None) -> Promise | None:
        """None where it promises nothing of that kind."""
        own = self.tiers.get(tier or "", {}).get(severity, {}).get(kind)
        return own or self.targets.get(severity, {}).get(kind)


@dataclass(frozen=True, slots=True)
class Policies:
    """Those in force, in their order. `wanted`: the facts that choosing among them takes, and their targets; `by_tier`: whether
    these differ by the tier of the customer.
    """

    items: tuple[Policy, ...]
    wanted: frozenset[str]
    by_tier: bool = False

    def choose(self, facts: Facts, start: datetime) -> Policy:
        """The default policy is for everything, so there is always one."""
        return next(policy for policy in self.items if policy.is_default or policy.is_for(facts, start))

    @property
    def default(self) -> Policy:
        return self.items[-1]


def terms_of(written: Any) -> Terms:
    """A target as it is kept: `[amount, unit]`, or an object with `amount`, `unit` and, where they are not the policy's,
    `calendar_id`, `pausable`, `conventions`, `thresholds`, `ladder`, `on_reopen`. Raises `InvalidTargetError` for an amount that is none.
    """
    if isinstance(written, Sequence):
        target = Target(*written)
        return Terms(target, Conventions(pausable=target.can_pause))
    target = Target(written["amount"], written["unit"])
    pausable = written.get("pausable", True) and target.can_pause
    conventions = Conventions(**written.get("conventions") or {}, pausable=pausable)
    calendar_id, thresholds = written.get("calendar_id"), written.get("thresholds")
    return Terms(
        target,
        conventions,
        None if calendar_id is None else UUID(str(calendar_id)),
        None if thresholds is None else tuple(thresholds),
        written.get("ladder"),
        written.get("on_reopen") or RESTART,
    )


def every_target(spec: Written) -> Iterator[tuple[str, str, str, Any]]:
    """`(pointer, severity, kind, written)` of each target of a policy, those of the tiers too."""
    below = {"/targets": spec["targets"]} | {f"/tiers/{tier}": own for tier, own in (spec.get("tiers") or {}).items()}
    for place, targets in below.items():
        for severity, kinds in targets.items():
            for kind, written in kinds.items():
                yield f"{place}/{severity}/{kind}", severity, kind, written


def calendars_of(calendar_id: UUID, spec: Written) -> set[UUID]:
    """The ids of all the calendars that a policy counts on. `calendar_id`: its own."""
    found = {terms_of(written).calendar_id for *_, written in every_target(spec)}
    return {calendar_id, *(each for each in found if each is not None)}


def written_target(spec: Written, kind: str, severity: str | None, tier: str | None) -> Any:
    """As it is kept (`terms_of`); None where nothing of the kind is promised."""
    own = (spec.get("tiers") or {}).get(tier or "", {}).get(severity, {}).get(kind)
    return own or spec["targets"].get(severity, {}).get(kind)


def ladder_in(
    spec: Written, kind: str, severity: str | None, tier: str | None
) -> tuple[Sequence[int], Sequence[Written]]:
    """Thresholds and ladder of a clock that was made by this version of a policy."""
    written = written_target(spec, kind, severity, tier)
    return _ladder(spec, None if written is None else terms_of(written))


def _ladder(spec: Written, terms: Terms | None) -> tuple[Sequence[int], Sequence[Written]]:
    thresholds = spec["thresholds"] if terms is None or terms.thresholds is None else terms.thresholds
    return thresholds, spec.get("ladder", ()) if terms is None or terms.ladder is None else terms.ladder


_MOST_KNOWN: Final = 1_000
_known: dict[tuple[UUID, int], Written] = {}


def remember(policy_id: UUID, version: int, spec: Written) -> Written:
    """A version never changes, so each process reads it once."""
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    return _known.setdefault((policy_id, version), spec)


def remembered(policy_id: UUID, version: int) -> Written | None:
    return _known.get((policy_id, version))


def forget_known() -> None:
    _known.clear()
    _ladders.clear()


Ladder = tuple[Sequence[int], Sequence[Written]]
"""Thresholds, and what is written beside them."""
_ladders: dict[tuple[UUID, int, str, str | None, str | None], Ladder] = {}


def ladder_of(policy_id: UUID, version: int, of: tuple[str, str | None, str | None]) -> Ladder | None:
    """Of a clock that was made by this version; None where it is not known yet (`remember`). `of`: kind, severity, tier."""
    key = (policy_id, version, *of)
    found = _ladders.get(key)
    if found is None and (spec := remembered(policy_id, version)) is not None:
        if len(_ladders) > _MOST_KNOWN:
            _ladders.clear()
        found = _ladders[key] = ladder_in(spec, *of)
    return found


Calendars = Mapping[UUID, tuple[int, Calendar]]
"""Id of a calendar -> its version in force, compiled."""


def compiled_targets(spec: Written, calendar_id: UUID, calendars: Calendars) -> tuple[Targets, dict[str, Targets]]:
    """What everybody is promised, and what each tier of customers is."""

    def promise(written: Any) -> Promise:
        terms = terms_of(written)
        on = terms.calendar_id or calendar_id
        version, calendar = calendars[on]
        rungs = rungs_at(*_ladder(spec, terms))
        return Promise(terms.target, terms.conventions, rungs, on, version, calendar, terms.on_reopen)

    def read(targets: Mapping[str, Mapping[str, Any]]) -> Targets:
        return {
            severity: {kind: promise(written) for kind, written in kinds.items()} for severity, kinds in targets.items()
        }

    return read(spec["targets"]), {tier: read(own) for tier, own in (spec.get("tiers") or {}).items()}


def day_of(written: str | None) -> date | None:
    return None if written is None else date.fromisoformat(written)
