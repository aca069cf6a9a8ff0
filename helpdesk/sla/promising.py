"""What the policies promise one complaint, by its facts of now: what new clocks are made by, and what open ones are held against.

Pure, once the facts are known: `of` and `of_new` look them up, and cost nothing where no policy asks for any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from helpdesk.complaints.intake import NewComplaint
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clock_terms, clocks, meanwhile, policies_in_force, policy_facts, queries, transitions
from helpdesk.sla.clock_terms import Pauses
from helpdesk.sla.models import Clock
from helpdesk.sla.policy_spec import CONTINUE, TIER, Policies, Policy, Promise


@dataclass(frozen=True, slots=True)
class Promised:
    """`facts`: those at least that the policies want."""

    policies: Policies
    facts: Facts
    severity: str

    @property
    def tier(self) -> str | None:
        return self.facts.values.get(TIER) if self.policies.by_tier else None

    def policy(self, start: datetime) -> Policy:
        """Of a clock that starts then."""
        return self.policies.choose(self.facts, start)

    def promise(self, kind: str, start: datetime) -> Promise | None:
        return self.policy(start).promise(kind, self.severity, self.tier)

    def terms(self, kind: str, start: datetime, now: datetime, waits: Pauses = ()) -> dict[str, Any] | None:
        """See `clock_terms.policy_terms`."""
        return clock_terms.policy_terms(
            self.policy(start), kind=kind, severity=self.severity, tier=self.tier, start=start, now=now, waits=waits
        )

    def retarget(
        self,
        uow: UnitOfWork,
        clock: Clock,
        waits: Pauses,
        *,
        saved: bool = False,
        edited: bool = False,
    ) -> None:
        """See `clocks.retarget`. What is promised from now on is noted (`meanwhile`), also of one that is broken and goes by what it was."""
        if clock.policy_id is None:
            return
        policy = self.policy(clock.started_at)
        was = None if clock.state == "cancelled" else meanwhile.terms_of(clock)
        clocks.retarget(uow, clock, policy, self.severity, self.tier, waits=waits, at=uow.now, saved=saved)
        if clock.elapsed_seconds is not None:
            return
        terms = self.terms_now(clock, clock.started_at)
        if clock.state == "breached" or not meanwhile.same(was, terms):
            meanwhile.note(uow, clock, was, terms, edited=edited)

    def terms_now(self, clock: Clock, start: datetime) -> meanwhile.Terms | None:
        """What one of its kind that starts then is promised."""
        return meanwhile.terms_by(self.policy(start), clock.kind, self.severity, self.tier)

    def follow_edit(self, uow: UnitOfWork, complaint: Complaint, clock: Clock, waits: Pauses) -> None:
        """`retarget`, for whoever carries out an edit of the policies."""
        saved = clocks.is_over(clock, uow.now) and self._saves(uow, complaint, clock, waits)
        self.retarget(uow, clock, waits, saved=saved, edited=True)

    def _saves(self, uow: UnitOfWork, complaint: Complaint, clock: Clock, waits: Pauses) -> bool:
        """Whether a broken clock would not be by the policies of now. By the severity and tier that made it, whatever they are since: a
        milder one saves nothing, and one of which nothing is promised does not either.
        """
        before = _Before(uow, complaint, clock)
        made_by = clock.severity or "", self._tier_of(clock, before)
        if self._is_slip(before, *made_by):
            return True
        mended = self._mending(before)
        promise = None if mended is None else mended.promise(clock.kind, *made_by)
        return promise is not None and clocks.would_hold(uow, clock, promise, waits, uow.now)

    def _tier_of(self, clock: Clock, before: "_Before") -> str | None:
        """By which a clock was made; where no policy had asked for any, the one of now."""
        if clock.tier is not None or self.tier is None:
            return clock.tier
        then = before.promised
        return self.tier if then is not None and not then.policies.by_tier else None

    def _mending(self, before: "_Before") -> Policy | None:
        """The policy that a broken clock is held against. Where another is for it now than was when it was last counted, and that is by
        the policies (switched, put in another order, for others or other days) and not by the complaint's facts, that other; else its
        own as it is now, None where that is not in force any more.
        """
        clock = before.clock
        present = self.policy(clock.started_at)
        if clock.policy_id != present.id and before.by_policies:
            return present
        return next((policy for policy in self.policies.items if policy.id == clock.policy_id), None)

    def _is_slip(self, before: "_Before", severity: str, tier: str | None) -> bool:
        """Whether a broken clock is of a kind that nothing promises now by this severity and tier, and nothing did when it would have
        begun: edits alone have promised it in between.
        """
        clock = before.clock
        if self.policy(clock.started_at).promise(clock.kind, severity, tier) is not None:
            return False
        first = before.at_first.policy(clock.started_at)
        return first.promise(clock.kind, severity, tier) is None and before.by_policies


@dataclass(frozen=True)
class _Before:
    """What was promised before an edit, by the complaint's facts of now; looked up where it is asked for."""

    uow: UnitOfWork
    complaint: Complaint
    clock: Clock

    @cached_property
    def promised(self) -> Promised | None:
        """When the clock was last counted; None where that was never told, or was erased."""
        since = queries.went_by_since(self.uow.session, self.clock)
        return None if since is None else self._at(since)

    @cached_property
    def at_first(self) -> Promised:
        """When it would have begun."""
        return self._at(max(self.clock.started_at, self.complaint.created_at))

    @property
    def by_policies(self) -> bool:
        """Whether the policies of when it was last counted make it go by its policy: so that where another is for it now, that is by the
        policies alone.
        """
        then = self.promised
        return then is not None and then.policy(self.clock.started_at).id == self.clock.policy_id

    def _at(self, then: datetime) -> Promised:
        return of(
            self.uow,
            self.complaint,
            supposed=policies_in_force.as_of(self.uow.session, min(then, self.uow.now)),
        )


def of(
    uow: UnitOfWork,
    complaint: Complaint,
    born: Sequence[tuple[str | None, str | None]] = (),
    supposed: Policies | None = None,
) -> Promised:
    """`born`: category and code of issues that are not written yet. `supposed`: policies to go by instead of those in force."""
    policies = supposed or policies_in_force.in_force(uow.session)
    found = policy_facts.of_complaint(uow, complaint, policies.wanted, born)
    return Promised(policies, found, complaint.severity)


def of_new(uow: UnitOfWork, born: Sequence[NewComplaint]) -> Mapping[UUID, Promised]:
    """Of complaints that are just being taken in, by id."""
    policies = policies_in_force.in_force(uow.session)
    known = policy_facts.of_new(uow, born, policies.wanted)
    return {each.id: Promised(policies, known[each.id], each.row["severity"]) for each in born}


def begin(
    uow: UnitOfWork,
    promised: Promised,
    complaint: Complaint,
    kind: str,
    start: datetime,
    *,
    waits: Pauses = (),
    subject_id: UUID | None = None,
    carried: list[list[str]] | None = None,
) -> Clock | None:
    """A clock of a complaint that is there, seen by whoever asks for its clocks from now on; None where nothing of the kind is
    promised. `carried`: of one that goes on from a round before (`clock_terms.carried_on`).
    """
    terms = promised.terms(kind, start, uow.now, [*clock_terms.waits_in(carried), *waits])
    if terms is None:
        return None
    more = {"subject_id": subject_id, "carried": carried}
    clock = Clock(**clock_terms.new_clock(complaint.id, {**terms, **more}, complaint.round))
    uow.session.add(clock)
    transitions.begun(uow, [clock])
    return clock


def begin_again(
    uow: UnitOfWork,
    promised: Promised,
    complaint: Complaint,
    kind: str,
    before: Clock | None,
    *,
    subject_id: UUID | None = None,
    at: datetime | None = None,
    waits: Pauses = (),
) -> Clock | None:
    """Of a complaint that is just reopened, or was then (`at`, with the `waits` since). `before`: the clock of the round before that
    promised the same, which is stopped. Whether it goes on or begins anew is said by the policy that is for a clock which started when
    that did.
    """
    at = at or uow.now
    if before is not None:
        promise = promised.promise(kind, before.started_at)
        if promise is not None and promise.on_reopen == CONTINUE:
            start, carried = before.started_at, clock_terms.carried_on(before, at)
            return begin(uow, promised, complaint, kind, start, waits=waits, subject_id=subject_id, carried=carried)
    return begin(uow, promised, complaint, kind, at, waits=waits, subject_id=subject_id)
