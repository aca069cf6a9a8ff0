"""Which regulators' clocks a complaint has: from its jurisdiction and sector, from the record, and from what people said.

**Applies.** A rule is for a complaint of its jurisdiction and sector, on the day on which its clock starts. Where it is for some
of these only, its condition decides if the record can tell; otherwise it is presumed, or not, until a person says so, and what
a person says goes before both. A rule that replaces another applies instead of it.

**Starts and stops.** A clock starts where the one before it in the chain has stopped, or else with the fact that its rule names, and
stops with the first of the facts that end it. Both follow from the facts alone, so that choosing anew, whatever was known late,
comes to the same as if it had been known from the beginning.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.complaints.facts import on_the_row
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clock_terms, clocks, regime_clocks, regime_in_force, regime_letters, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_events import RegimeChosen
from helpdesk.sla.regime_facts import TELLING, Fact, earliest, started, told_by
from helpdesk.sla.regime_letters import Given, Notices
from helpdesk.sla.regime_queries import Known
from helpdesk.sla.regime_rules import REGULATORY_FACTS, Rule

MERGED: Final = "merged"
"""Why clocks are chosen anew: two complaints are one, or are not any more."""

GONE: Final = frozenset({"withdrawn", "dismissed"})
"""States in which nothing is owed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule applies, and why: `because` is decided, replaced, off, not_in_force, condition, presumed or always.
    `starts_at` and `stops_at` by the facts, None where nothing has started or stopped it. `jurisdiction`: by which it is for the
    complaint.
    """

    rule: Rule
    applies: bool
    because: str
    starts_at: datetime | None
    stops_at: datetime | None
    jurisdiction: str | None = None


class _Elsewhere:
    """A complaint as one of the jurisdiction and sector of another that was merged into it."""

    def __init__(self, complaint: Complaint, jurisdiction: str | None, sector: str | None) -> None:
        self._complaint, self.jurisdiction, self.sector = complaint, jurisdiction, sector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._complaint, name)


def _of_each_place(
    rules_of: Callable[[str | None, str | None], Iterable[Rule]],
    complaint: Complaint,
    places: Iterable[tuple[str | None, str | None]],
    known: Known,
    now: datetime,
) -> list[Verdict]:
    """Of its own jurisdiction and sector, and of those that merges brought. `rules_of`: the rules of one of these."""
    found = verdicts(rules_of(complaint.jurisdiction, complaint.sector), complaint, known, now)
    for jurisdiction, sector in places:
        judged = {verdict.rule.id for verdict in found}
        rules = [rule for rule in rules_of(jurisdiction, sector) if rule.id not in judged]
        found += verdicts(rules, _Elsewhere(complaint, jurisdiction, sector), known, now)
    return found


def verdicts(rules: Iterable[Rule], row: Any, known: Known, now: datetime) -> list[Verdict]:
    """Of each of the rules, which are for the complaint's jurisdiction and sector. `row`: anything with its columns."""
    rules = list(rules)
    facts = _asked_for(rules, row, known, now)
    by_name = {rule.id: rule for rule in rules}
    found = [_judge(rule, by_name, row, known, facts) for rule in rules]
    replaced = {name for verdict in found if verdict.applies for name in verdict.rule.replaces}
    return [
        replace(item, applies=False, because="replaced")
        if item.rule.id in replaced and item.applies and item.because != "decided"
        else item
        for item in found
    ]


def _asked_for(rules: Sequence[Rule], row: Any, known: Known, now: datetime) -> Facts:
    """Nothing where nothing is asked: an import has thousands."""
    if all(rule.condition is None for rule in rules):
        return Facts({})
    return Facts({**on_the_row(row, now), REGULATORY_FACTS: sorted({fact.kind for fact in known.facts})})


def _judge(rule: Rule, by_name: Mapping[str, Rule], row: Any, known: Known, facts: Facts) -> Verdict:
    start = start_of(rule, by_name, known.facts)
    stop = None if start is None else earliest(known.facts, rule.stops_on, start)
    zone = rule.zone(row.jurisdiction)
    if rule.off is not None:
        applies, because = False, "off"
    elif start is not None and not rule.in_force_at(start, zone):
        applies, because = False, "not_in_force"
    elif rule.id in known.decided:
        applies, because = known.decided[rule.id], "decided"
    elif rule.condition is not None:
        applies, because = rule.condition.holds(facts), "condition"
    elif rule.applies_if is not None:
        applies, because = rule.presumed, "presumed"
    else:
        applies, because = True, "always"
    return Verdict(rule, applies, because, start, stop, row.jurisdiction)


def start_of(rule: Rule, by_name: Mapping[str, Rule], facts: Sequence[Fact]) -> datetime | None:
    """Where the one before it in the chain has stopped; where that was never begun, with the fact of its own that the rule names, which
    is one that stops the one before.
    """
    before = by_name.get(rule.starts_after or "")
    began = None if before is None else start_of(before, by_name, facts)
    if before is None or began is None:
        return started(facts, rule.clock_start)
    return earliest(facts, before.stops_on, began)


def sources_of(session: Session, complaint: Complaint) -> list[UUID]:
    """The complaints that go on in it: their facts are its facts, and their regulators are its own."""
    return merge_queries.going_on_in(session, complaint.id)


def known_now(uow: UnitOfWork, complaint: Complaint, sources: Sequence[UUID]) -> Known:
    """What is known of a locked complaint, with what this unit of work has recorded and not written yet."""
    known = regime_queries.known_of(uow.session, complaint, sources)
    told = [
        Fact(kind, item.occurred_at)
        for item in uow.happened
        if item.event.type in TELLING and _of_complaint(item.event) == complaint.id
        for kind in told_by(item.event.type, item.event.payload())
    ]
    return Known((*known.facts, *told), known.decided)


def _of_complaint(event: Any) -> UUID | None:
    found: UUID | None = getattr(event, "complaint_id", None)
    return found


def seen(session: Session, complaint: Complaint, now: datetime) -> list[Verdict]:
    """For whoever reads it."""
    regimes = regime_in_force.in_force(session)
    sources = sources_of(session, complaint)
    known, places = regime_queries.known_of(session, complaint, sources), regime_queries.places_of(session, sources)
    return _of_each_place(regimes.for_complaint, complaint, places, known, now)


def choose_anew(
    uow: UnitOfWork, complaint: Complaint, cause: str, brought: Collection[UUID] = ()
) -> list[dict[str, Any]]:
    """Let the regulators' clocks of a locked complaint be those that follow from what is known now; new rows are added and
    given back. A clock that there is goes by the version of its rule; one that there is no reason for is cancelled, broken or not,
    since it should never have been; what was kept is not taken away. Where nothing is owed any more none begins, and those that
    have ended are judged by what is known now of the time until then. `brought`: clocks that are there by a merge that is undone
    (`regime_brought_queries`): without a reason of its own none of them was kept either.
    """
    found = regime_queries.rule_clocks_for_update(uow.session, complaint.id)
    latest = {clock.kind: clock for clock in found}
    if complaint.record_type != "complaint":
        return []
    sources = sources_of(uow.session, complaint)
    judged = judged_now(uow, complaint, latest, sources)
    rules = [verdict.rule for verdict in judged]
    given = regime_letters.given_of(uow.session, complaint.id, sources, rules, parted=cause == MERGED)
    _settle_those_ended(uow, complaint, judged, latest, given=given, brought=brought)
    if complaint.status in GONE:
        regime_letters.settle(uow, found, given)
        return []
    begun, moved, ended, rows = list[str](), list[str](), list[str](), list[dict[str, Any]]()
    before_split = regime_queries.stopped_before_split(uow.session, complaint.id)
    for verdict in judged:
        clock = latest.pop(verdict.rule.id, None)
        if not verdict.applies or verdict.starts_at is None:
            if clock is not None and _annul(uow, clock, brought):
                ended.append(_named(verdict.rule))
        elif clock is None and _was_kept(before_split, verdict):
            continue  # in the complaint that it was split off from, and counts there
        elif clock is None or _left_behind(clock, complaint):
            row = _begun(
                uow, complaint, verdict, verdict.starts_at, clock, given=given.notices.get(verdict.rule.id, {})
            )
            rows += [] if row is None else [row]
            begun += [] if row is None else [_named(verdict.rule)]
        elif clock.round == complaint.round:
            counted = clock.state != "cancelled"
            if _settle(uow, clock, verdict.starts_at, verdict.stops_at, given.of(clock)):
                (moved if counted else begun).append(_named(verdict.rule))
    # Of a jurisdiction or a sector that it has not any more.
    ended += [f"{clock.kind}@{clock.rule_version}" for clock in latest.values() if _annul(uow, clock, brought)]
    regime_letters.settle(uow, found, given)
    regime_clocks.add(uow, rows)
    told = RegimeChosen(
        complaint_id=complaint.id,
        reference=complaint.reference,
        cause=cause,
        begun=sorted(begun),
        moved=sorted(moved),
        ended=sorted(ended),
    )
    _tell(uow, complaint, told)
    return rows


def _tell(uow: UnitOfWork, complaint: Complaint, event: RegimeChosen) -> None:
    if event.begun or event.moved or event.ended:
        uow.record(event, stream=complaint)


def _settle_those_ended(
    uow: UnitOfWork,
    complaint: Complaint,
    judged: Iterable[Verdict],
    latest: Mapping[str, Clock],
    *,
    given: Given,
    brought: Collection[UUID],
) -> None:
    """Those of the present round, where the complaint is withdrawn or dismissed, and those that an earlier one left behind."""
    gone = complaint.status in GONE
    over = {
        clock.kind: clock
        for clock in latest.values()
        if clock.stopped_at is not None and (gone or (clock.round < complaint.round and clock.state != "cancelled"))
    }
    if not over:
        return
    ends = regime_queries.ends_of_rounds(uow.session, complaint.id, GONE)
    settle_those_ended(uow, over.values(), ends, judged, given=given, brought=brought)


def settle_those_ended(
    uow: UnitOfWork,
    over: Iterable[Clock],
    ends: Mapping[int, datetime],
    judged: Iterable[Verdict],
    *,
    given: Given,
    brought: Collection[UUID],
) -> None:
    """By what is known now of the time until then. `ends`: round -> since when nothing is owed in it."""
    reasons = {verdict.rule.id: verdict for verdict in judged if verdict.applies and verdict.starts_at is not None}
    for clock in over:
        verdict, ended_at = reasons.get(clock.kind), ends.get(clock.round)
        if verdict is None:
            _annul(uow, clock, brought)
        elif ended_at is not None:
            notices = given.of(clock)
            until = None if notices is None else {number: at for number, at in notices.items() if at <= ended_at}
            _settle_ended(uow, clock, verdict, ended_at, until)


def carried_on(uow: UnitOfWork, complaint: Complaint, before: Sequence[Clock]) -> list[dict[str, Any]]:
    """Rows for those of the round before that go on in the one that just begins, from their old start: what was not done, broken or not,
    and there is a reason for. Others were cancelled because there was none, and reopening brings none of these back.
    """
    left = [clock for clock in before if clock.rule_id is not None and _is_cut_off(clock)]
    if not left:
        return []
    judged = judged_now(uow, complaint, {clock.kind: clock for clock in left}, sources_of(uow.session, complaint))
    reasons = {verdict.rule.id for verdict in judged if verdict.applies and verdict.starts_at is not None}
    return [_carried_on(uow, complaint, clock) for clock in left if clock.kind in reasons]


def _is_cut_off(clock: Clock) -> bool:
    """Whether it ended without being done: nothing was owed by it any more, be it that it was broken before."""
    return clock.stopped_at is not None and clock.elapsed_seconds is None


def _carried_on(uow: UnitOfWork, complaint: Complaint, clock: Clock) -> dict[str, Any]:
    """Of the two the new one tells whether it was broken: it is one deadline, and counts once."""
    row = regime_clocks.carried_over(uow.session, clock, complaint.id, complaint.round, uow.now)
    if clock.state == "breached" and clock.stopped_at is not None:
        clocks.annul(uow, clock, clock.stopped_at)
    return row


def judged_now(
    uow: UnitOfWork, complaint: Complaint, latest: Mapping[str, Clock], sources: Sequence[UUID]
) -> list[Verdict]:
    known = known_now(uow, complaint, sources)
    return judged_of(uow.session, complaint, latest, known, uow.now, sources=sources)


def judged_of(
    session: Session,
    complaint: Complaint,
    latest: Mapping[str, Clock],
    known: Known,
    now: datetime,
    *,
    sources: Sequence[UUID] = (),
) -> list[Verdict]:
    """Of the rules in force, and of those that made a clock in the version that made it: switched off since, or changed, it
    still counts. `latest`: the newest regulator's clock of each kind; `sources`: the complaints that were merged into it.
    """
    regimes = regime_in_force.in_force(session)
    made_by = [regime_clocks.rule_of(session, clock) for clock in latest.values()]

    def rules_of(jurisdiction: str | None, sector: str | None) -> Iterable[Rule]:
        in_force = {rule.id: rule for rule in regimes.for_complaint(jurisdiction, sector)}
        return (in_force | {rule.id: rule for rule in made_by if rule.is_for(jurisdiction, sector)}).values()

    return _of_each_place(rules_of, complaint, regime_queries.places_of(session, sources), known, now)


def _named(rule: Rule) -> str:
    return f"{rule.id}@{rule.version}"


def _annul(uow: UnitOfWork, clock: Clock, brought: Collection[UUID]) -> bool:
    """Whether it counted until now, or was broken; or kept, where it was brought. A notice was sent, whatever it was sent for."""
    kept = clock.state == "met" and (clock.id not in brought or clock.kind != clock.rule_id)
    if kept or clock.state == "cancelled":
        return False
    clocks.annul(uow, clock, uow.now)
    return True


def _was_kept(before_split: Mapping[str, datetime], verdict: Verdict) -> bool:
    """In time or late."""
    kept_at = before_split.get(verdict.rule.id)
    return kept_at is not None and verdict.stops_at is not None and verdict.stops_at <= kept_at


def _left_behind(clock: Clock, complaint: Complaint) -> bool:
    """Reopening did not bring the clock over: it was no complaint then, or what had stopped the clock was not so."""
    return clock.round < complaint.round and _is_cut_off(clock)


def _begun(
    uow: UnitOfWork, complaint: Complaint, verdict: Verdict, start: datetime, before: Clock | None, *, given: Notices
) -> dict[str, Any] | None:
    if before is None:
        regimes = regime_in_force.in_force(uow.session)
        terms = regime_clocks.terms(regimes, verdict.rule, start, uow.now, verdict.jurisdiction, given=given)
        if terms is None:
            return None
        row = clock_terms.new_clock(complaint.id, terms, complaint.round)
    else:
        row = _carried_on(uow, complaint, before)
    return row if verdict.stops_at is None else regime_clocks.stopped(uow, row, verdict.stops_at)


def _settle(uow: UnitOfWork, clock: Clock, start: datetime, stop: datetime | None, given: Notices | None) -> bool:
    """Let a clock of the present round count from `start` to `stop`; whether it counts anew. `given`: see `regime_clocks.restart`."""
    start = start.replace(microsecond=0)
    anew = clock.state == "cancelled" or clock.started_at != start or _moved(uow, clock, start, given)
    undone = clock.stopped_at is not None and stop is None
    if anew or undone:
        regime_clocks.restart(uow, clock, start, given)
    if stop is not None and clock.stopped_at is None:
        clocks.stop(uow, clock, stop)
    elif stop is not None and (clock.stopped_at != stop or clocks.is_misjudged(clock)):
        clocks.stopped_then(uow, clock, stop)
    return anew


def _moved(uow: UnitOfWork, clock: Clock, start: datetime, given: Notices | None) -> bool:
    """Whether notices move it otherwise than they do."""
    return given is not None and regime_clocks.extensions_of(uow, clock, start, given) != clock.extensions


def _settle_ended(uow: UnitOfWork, clock: Clock, verdict: Verdict, ended_at: datetime, given: Notices | None) -> None:
    """A clock of what was over then: withdrawn, dismissed, or reopened. What was done before that, and is recorded only now, was done;
    what is taken back was not, so that the clock had still counted when nothing was owed by it any more. `given`: as of `_settle`,
    until then.
    """
    if verdict.starts_at is None or verdict.starts_at > ended_at:
        return
    start = verdict.starts_at.replace(microsecond=0)
    stop = verdict.stops_at if verdict.stops_at is not None and verdict.stops_at <= ended_at else None
    annulled = clock.state == "cancelled" and clock.stopped_at != ended_at
    anew = annulled or clock.started_at != start or _moved(uow, clock, start, given)
    if anew or (stop is None and clock.elapsed_seconds is not None):
        regime_clocks.restart(uow, clock, start, given)
        if stop is None:
            clocks.cancel(uow, clock, ended_at)
        else:
            clocks.stop(uow, clock, stop)
    elif stop is not None and (clock.stopped_at != stop or clocks.is_misjudged(clock)):
        clocks.stopped_then(uow, clock, stop)


def follow(
    uow: UnitOfWork, complaint: Complaint, facts: Iterable[str], open_clocks: Iterable[Clock]
) -> list[dict[str, Any]]:
    """What one act of ours does, without looking back: it stops what its facts end, and starts what begins with them. The
    new rows, which are added.
    """
    told = frozenset(facts)
    ended = set()
    for clock in open_clocks:
        rule = regime_clocks.rule_of(uow.session, clock)
        if told & rule.stops_on and clock.stopped_at is None and clock.started_at <= uow.now:
            clocks.stop(uow, clock, uow.now)
            ended.add(rule.id)
    regimes = regime_in_force.in_force(uow.session)
    candidates = regimes.for_complaint(complaint.jurisdiction, complaint.sector)
    concerned = any(rule.clock_start in told for rule in candidates)
    concerned = concerned or any(rule.starts_after in ended for rule in regimes.rules.values())
    if not concerned and not any(_asks(rule, told) for rule in candidates):
        return []
    return choose_anew(uow, complaint, "facts")


def _asks(rule: Rule, told: frozenset[str]) -> bool:
    """Whether a fact may decide if it applies."""
    if rule.condition is None:
        return False
    return bool(told) and bool(rule.condition.fields)
