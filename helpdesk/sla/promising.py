"""What the policies promise one complaint, by its facts of now: what new clocks are made by, and what open ones are held against.

Pure, once the facts are known: `of` and `of_new` look them up, and cost nothing where no policy asks for any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
        mended: Policy | None = None,
        edited: bool = False,
        by: UUID | None = None,
    ) -> None:
        """See `clocks.retarget`. Of one that is broken all the same it is noted what would have been promised (`meanwhile`); so it is of
        what is promised by a merge alone (`by`).
        """
        if clock.policy_id is None:
            return
        policy, before = self.policy(clock.started_at), meanwhile.terms_of(clock)
        clocks.retarget(uow, clock, policy, self.severity, self.tier, waits=waits, at=uow.now, mended=mended)
        if by is not None or (clock.state == "breached" and clock.stopped_at is None):
            meanwhile.note(uow, clock, before, self.terms_now(clock, clock.started_at), by=by, edited=edited)

    def terms_now(self, clock: Clock, start: datetime) -> meanwhile.Terms | None:
        """What one of its kind that starts then is promised."""
        return meanwhile.terms_by(self.policy(start), clock.kind, self.severity, self.tier)

    def follow_edit(self, uow: UnitOfWork, complaint: Complaint, clock: Clock, waits: Pauses) -> None:
        """`retarget`, for whoever carries out an edit of the policies."""
        if self.is_slip(uow, complaint, clock):
            clocks.take_back(uow, clock, uow.now)
        else:
            self.retarget(uow, clock, waits, mended=self.mending(uow, complaint, clock), edited=True)

    def mending(self, uow: UnitOfWork, complaint: Complaint, clock: Clock) -> Policy | None:
        """For whoever carries out an edit: the policy that a broken clock is held against (`clocks.retarget`). Where another is for it
        now than was when it was last counted, and that is by the policies (switched, put in another order, for others or other days)
        and not by the complaint's facts, that other; else its own as it is now, None where that is not in force any more.
        """
        present = self.policy(clock.started_at)
        if clock.policy_id != present.id and clocks.is_over(clock, uow.now) and _by_policies(uow, complaint, clock):
            return present
        return next((policy for policy in self.policies.items if policy.id == clock.policy_id), None)

    def is_slip(self, uow: UnitOfWork, complaint: Complaint, clock: Clock) -> bool:
        """For whoever carries out an edit: whether a broken clock is of a kind that nothing promises the complaint now, and nothing did
        when it would have begun: edits alone have promised it in between.
        """
        if not clocks.is_over(clock, uow.now) or self.promise(clock.kind, clock.started_at) is not None:
            return False
        born = max(clock.started_at, complaint.created_at)
        first = of(uow, complaint, supposed=policies_in_force.as_of(uow.session, min(born, uow.now)))
        return first.promise(clock.kind, clock.started_at) is None and _by_policies(uow, complaint, clock)


def _by_policies(uow: UnitOfWork, complaint: Complaint, clock: Clock) -> bool:
    """Whether the policies of when it was last counted, and the complaint's facts of now, make it go by its policy: so that where another
    is for it now, that is by the policies alone.
    """
    since = queries.went_by_since(uow.session, clock)
    if since is None:
        return False
    before = of(uow, complaint, supposed=policies_in_force.as_of(uow.session, min(since, uow.now)))
    return before.policy(clock.started_at).id == clock.policy_id


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
