"""Open clocks against the policy that is for their complaint.

A clock may go by another one than is for it now where an edit of the policies left open clocks alone (`"recompute": false`), or is still being
followed: so one is right that is for its complaint by the policies of when it was last counted. Some hundreds of complaints at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from helpdesk.complaints import facts as complaint_facts
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.outbox import Duty
from helpdesk.kernel.verification import Violation
from helpdesk.sla import policies_in_force, queries
from helpdesk.sla.models import Clock
from helpdesk.sla.policy_facts import CUSTOMER_CHANGED, NOT_KNOWN, OF_CUSTOMER
from helpdesk.sla.policy_spec import Policies

_TOGETHER: Final = 300


def open_clocks_go_by_the_policy_that_is_for_them(session: Session) -> Iterator[Violation]:
    """Those that are not broken, which stay by what they were. Not those of which it was erased when they were counted."""
    policies, now = policies_in_force.as_written(session), queries.clock_time(session)
    names = {policy.id: policy.name for policy in policies.items}
    last: UUID | None = None
    while some := _some(session, last):
        last = some[-1].id
        clocks = _open(session, some)
        for complaint in some:
            known = _facts(session, complaint, policies, now)
            for clock in clocks.get(complaint.id, ()):
                should = policies.choose(known, clock.started_at)
                if should.id != clock.policy_id and not _was_left(session, complaint, clock, now):
                    is_ = names.get(clock.policy_id, "that is not in force") if clock.policy_id else "none"
                    detail = f"goes by the policy {is_}, should by {should.name}"
                    yield Violation("clock", f"{complaint.reference} {clock.kind}", detail)
        session.expunge_all()


def _some(session: Session, after: UUID | None) -> Sequence[Complaint]:
    counts = exists().where(Clock.complaint_id == Complaint.id, *_COUNTS)
    statement = select(Complaint).where(counts)
    following = statement if after is None else statement.where(Complaint.id > after)
    return session.scalars(following.order_by(Complaint.id).limit(_TOGETHER)).all()


_COUNTS: Final = (Clock.stopped_at.is_(None), Clock.policy_id.is_not(None), Clock.state.in_(("running", "paused")))


def _open(session: Session, some: Sequence[Complaint]) -> Mapping[UUID, Sequence[Clock]]:
    found: dict[UUID, list[Clock]] = {}
    mine = Clock.complaint_id.in_([complaint.id for complaint in some])
    for clock in session.scalars(select(Clock).where(mine, *_COUNTS).order_by(Clock.complaint_id, Clock.id)):
        found.setdefault(clock.complaint_id, []).append(clock)
    return found


def _facts(session: Session, complaint: Complaint, policies: Policies, now: datetime) -> Facts:
    return complaint_facts.facts_of(session, complaint, policies.wanted, now) if policies.wanted else NOT_KNOWN


def _was_left(session: Session, complaint: Complaint, clock: Clock, now: datetime) -> bool:
    """Whether its policy was for it when it was last counted, or that is being looked at."""
    since = queries.went_by_since(session, clock)
    if since is None or (clock.due_at is not None and clock.due_at <= now):
        return True
    then = policies_in_force.as_of(session, min(since, now))
    if then.choose(_facts(session, complaint, then, now), clock.started_at).id == clock.policy_id:
        return True
    asked = not then.wanted.isdisjoint(OF_CUSTOMER)
    owed = Duty.topic == CUSTOMER_CHANGED, Duty.done_at.is_(None), Duty.dead_at.is_(None)
    waiting = exists().where(*owed, Duty.subject_id == complaint.customer_id)
    return asked and bool(session.execute(select(waiting)).scalar_one())


CHECKS = (open_clocks_go_by_the_policy_that_is_for_them,)
