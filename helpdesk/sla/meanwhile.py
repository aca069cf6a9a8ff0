"""What was promised of a survivor's clock since a merge.

A promise that was broken stays the one that was made. But a clock that only a merge had broken counts, once that is undone, as if it had
never been merged: by what its complaint was promised at each time since, until it was broken by that. So each promise that came since,
that of the merge itself too, is noted in its book; undoing it leaves out what the merge alone brought (`own_terms`) and goes through the
rest (`gone_through`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import merge_ledger, merge_queries
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import beginnings, clock_terms, transitions
from helpdesk.sla.beginnings import Beginning
from helpdesk.sla.models import Clock, clock_values
from helpdesk.sla.policy_spec import Policy
from helpdesk.sla.rounds import Round

BOOK: Final = "sla_clock_promise"
"""Of clocks of which the merge noted nothing else."""
_STEPS: Final = "meanwhile"
_ENDED: Final = "gone_through"
_IDS: Final = ("policy_id", "calendar_id")
_MADE_BY: Final = ("policy_id", "policy_version", "severity", "tier")
_COUNTED: Final = ("calendar_id", "calendar_version", "target_amount", "target_unit", "pausable", "conventions")

Terms = Mapping[str, Any]
"""Columns of a clock, ids as text."""


@dataclass(frozen=True, slots=True)
class Step:
    """`terms`: promised from then on, None where nothing was. `by`: the merge that was the reason; `edited`: by an edit of the policies,
    which may save what is broken.
    """

    at: datetime
    terms: Terms | None
    by: UUID | None = None
    edited: bool = False


def terms_of(clock: Clock) -> Terms:
    found = {name: getattr(clock, name) for name in (*_MADE_BY, *_COUNTED)}
    return {name: str(value) if name in _IDS else value for name, value in found.items()}


def terms_by(policy: Policy, kind: str, severity: str, tier: str | None) -> Terms | None:
    """None where nothing of the kind is promised."""
    promise = policy.promise(kind, severity, tier)
    if promise is None:
        return None
    made_by = dict(zip(_MADE_BY, (str(policy.id), policy.version, severity, tier), strict=True))
    columns = clock_terms.as_columns(promise)
    return {**made_by, **columns, "calendar_id": str(columns["calendar_id"])}


def same(one: Terms | None, other: Terms | None) -> bool:
    """A version of the policy that promises the same is no other promise."""
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in one if name != "policy_version")


def made_alike(one: Terms | None, other: Terms | None) -> bool:
    """By the same policy, in whatever version, for the same severity and tier."""
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in _MADE_BY if name != "policy_version")


def put(clock: Clock, terms: Terms) -> None:
    """The clock is watched by the caller, and counted anew after this."""
    for name, value in terms.items():
        setattr(clock, name, UUID(value) if name in _IDS else value)


@dataclass(slots=True)
class _Meanwhile:
    """The book of a unit of work: complaint -> clock -> what it goes by, and the steps since."""

    noted: dict[UUID, dict[UUID, list[Step]]] = field(default_factory=dict)

    def settle(self, uow: UnitOfWork) -> None:
        """Written when all else is: the merge may be of this very unit of work."""


def note(uow: UnitOfWork, clock: Clock, before: Terms | None, terms: Terms | None, *, edited: bool = False) -> None:
    """Of a clock that goes, or went, by `before`: other terms were promised, or the same as ever of one that goes by none of them."""
    mine = uow.book(_Meanwhile).noted.setdefault(clock.complaint_id, {})
    steps = mine.setdefault(clock.id, [Step(uow.now, before)])
    steps.append(Step(uow.now, terms, edited=edited))
    uow.at_end(_Meanwhile, _write)


def _write(uow: UnitOfWork) -> None:
    """In the books of the merges that are not undone; where there are none, nobody will ask. What undoing one changes, `note_anew` says."""
    noted = uow.book(_Meanwhile).noted
    made = {
        item.event.complaint_id: item.event.merge_id for item in uow.happened if isinstance(item.event, DuplicateMerged)
    }
    parted = {item.event.complaint_id for item in uow.happened if isinstance(item.event, DuplicateParted)}
    for merge in merge_queries.merges_into_any(uow.session, noted.keys() - parted):
        for clock_id, steps in noted[merge.survivor_id].items():
            known = _known(uow.session, merge.id, clock_id)
            first, *others = steps
            others = [replace(step, by=made.get(merge.survivor_id)) for step in others]
            # A broken clock goes by what it was broken by, and not by what was promised last: that is known.
            added = _added(known, others if known else [first, *others])
            if len(added) > max(len(known), 1):
                merge_ledger.note_at_once(uow, merge.id, BOOK, clock_id, {_STEPS: _written(added)})


def _known(session: Session, merge_id: UUID, clock_id: UUID) -> list[Step]:
    return [step for row in merge_queries.rows_noted(session, [merge_id], clock_id) for step in _read(row.before)]


def _added(known: Sequence[Step], steps: Sequence[Step]) -> list[Step]:
    found = list(known)
    for step in steps:
        if not found or not same(found[-1].terms, step.terms):
            found.append(step)
    return found


def _written(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [
        {
            "at": rfc3339(step.at),
            "terms": None if step.terms is None else dict(step.terms),
            "by": None if step.by is None else str(step.by),
            "edited": step.edited,
        }
        for step in steps
    ]


def _read(noted: Mapping[str, Any] | None) -> list[Step]:
    return [
        Step(
            parse_rfc3339(item["at"]),
            item["terms"],
            None if item["by"] is None else UUID(item["by"]),
            item["edited"],
        )
        for item in (noted or {}).get(_STEPS, ())
    ]


def noted_by_others(session: Session, clock: Clock) -> dict[UUID, list[Step]]:
    """Merges into its complaint that are not undone -> what they have noted of it."""
    merges = [merge.id for merge in merge_queries.merges_into(session, clock.complaint_id)]
    rows = merge_queries.rows_noted(session, merges, clock.id)
    return {row.merge_id: steps for row in rows if (steps := _read(row.before))}


def note_anew(uow: UnitOfWork, merge_id: UUID, clock: Clock, steps: Sequence[Step]) -> None:
    """What another merge has noted is otherwise, now that one is undone."""
    merge_ledger.note_at_once(uow, merge_id, BOOK, clock.id, {_STEPS: _written(steps)})


def steps_of(session: Session, merge_id: UUID, *, ended_only: bool = False) -> dict[UUID, list[Step]]:
    """Clock -> what was promised of it since that merge, the first before it. `ended_only`: of those that went through it when the merge
    was undone.
    """
    found = {}
    for kind in (beginnings.BOOK, BOOK):
        for clock_id, noted in merge_queries.ledger_of(session, merge_id, kind).items():
            steps = _read(noted)
            if steps and (noted.get(_ENDED) or not ended_only):
                found[clock_id] = steps
    return found


def ended(uow: UnitOfWork, merge_id: UUID, clock: Clock, steps: Sequence[Step]) -> None:
    """The merge is undone: what the clock went by in the end, for whoever asks later."""
    merge_ledger.note_at_once(uow, merge_id, BOOK, clock.id, {_STEPS: _written(steps), _ENDED: True})


def gone_through(
    session: Session, clock: Clock, steps: Sequence[Step], begins: Beginning, round_: Round
) -> Terms | None:
    """What a clock goes by that counts from there: the first of these, and each that came before it was broken."""
    life, found = _Life(session, clock.kind, begins, round_), steps[0]
    for step in steps[1:]:
        if life.is_broken(found.terms, step.at) and not life.saves(found.terms, step):
            break
        found = step
    return found.terms


def like(uow: UnitOfWork, other: Clock, terms: Terms, begins: Beginning, round_: Round, *, subject_id: UUID) -> Clock:
    """A clock of the same kind and round that is about something else, and begins to count."""
    start = begins.at.replace(microsecond=0)
    more = {"kind": other.kind, "subject_id": subject_id, "started_at": start, "carried": begins.carried}
    clock = Clock(**clock_terms.new_clock(other.complaint_id, clock_values(**more), other.round))
    put(clock, terms)
    waits = [*clock_terms.waits_in(begins.carried), *round_.waits]
    promise = clock_terms.promise_of(uow.session, clock)
    for name, value in clock_terms.standing(promise, start, waits=waits, now=uow.now).items():
        setattr(clock, name, value)
    uow.session.add(clock)
    transitions.begun(uow, [clock])
    return clock


@dataclass(frozen=True, slots=True)
class _Life:
    """Of a clock: since when it counts, and when somebody else was waited for."""

    session: Session
    kind: str
    begins: Beginning
    round: Round

    def is_broken(self, terms: Terms | None, at: datetime) -> bool:
        """As it was known then."""
        due = None if terms is None else self._due(terms, at)
        return due is not None and due < at

    def saves(self, broken: Terms | None, step: Step) -> bool:
        """As `clocks.retarget`: an edit saves what would not be broken by it, for the severity and tier that it was promised for."""
        if not step.edited or step.terms is None or broken is None:
            return False
        if any(step.terms[name] != broken[name] for name in ("severity", "tier")):
            return False
        due = self._due(step.terms, step.at)
        return due is None or due > step.at

    def _due(self, terms: Terms, at: datetime) -> datetime | None:
        """None while somebody else was waited for."""
        as_if = Clock(kind=self.kind)
        put(as_if, terms)
        promise = clock_terms.promise_of(self.session, as_if)
        waits = [*clock_terms.waits_in(self.begins.carried), *self.round.until(at).waits]
        start = self.begins.at.replace(microsecond=0)
        due: datetime | None = clock_terms.standing(promise, start, waits=waits, now=at)["due_at"]
        return due
