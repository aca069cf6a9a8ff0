"""Which notices count of a complaint's regulators' clocks, and the clocks that say that each was sent in time.

A notice counts by the facts, as all else does: one that was given after the deadline as it is known now moves nothing, be that
learned only later, and one that was given before it moves it, whatever was thought of it meanwhile. What moved nothing was no
milestone either, and its clock is cancelled.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, regime_clocks, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_rules import Rule, counting, notice_number

Notices = Mapping[int, datetime]
"""Number of a notice that moved a deadline -> when it was given."""


@dataclass(frozen=True, slots=True)
class Given:
    """Kind of clock -> the notices. `together`: all of those that count are among them, as of complaints that are one, or were until
    now; else what a clock was extended by before it came to this complaint is not, and stays.
    """

    notices: Mapping[str, Notices]
    together: bool

    def of(self, clock: Clock) -> Notices | None:
        """None: those that it has."""
        known = self.notices.get(clock.kind, {})
        return known if self.together or len(known) >= clock.extensions else None


def given_of(
    session: Session, complaint_id: UUID, sources: Collection[UUID], rules: Collection[Rule], *, parted: bool
) -> Given:
    """Of a complaint and those that go on in it. Looks for none where no rule allows any. `parted`: it may have been one with another
    until now.
    """
    together = parted or bool(sources)
    if not any(rule.extensions for rule in rules):
        return Given({}, together)
    return Given(regime_queries.notices_given(session, [complaint_id, *sources]), together)


def settle(uow: UnitOfWork, found: Sequence[Clock], given: Given) -> None:
    """After the clocks that notices move: let those of the notices follow. `found`: all regulators' clocks of the complaint, the
    oldest round first.
    """
    there = {clock.kind: clock for clock in found}  # the newest, in which one of an earlier round went on
    for letter in found:
        number = notice_number(letter.kind)
        clock = there.get(letter.rule_id or "")
        if number is not None and clock is not None and letter.stopped_at is not None:
            _settle(uow, letter, clock, number, given.notices.get(clock.kind, {}))


def _settle(uow: UnitOfWork, letter: Clock, clock: Clock, number: int, notices: Notices) -> None:
    sent_at = letter.stopped_at
    if sent_at is None or number not in notices:
        return
    if number not in counting(notices, clock.extensions):
        if letter.state != "cancelled":
            clocks.annul(uow, letter, sent_at)  # the letter was sent then all the same
    elif letter.state == "cancelled" or letter.started_at != clock.started_at:
        before = {place: at for place, at in notices.items() if place < number}
        regime_clocks.restart(uow, letter, clock.started_at, before)
        clocks.stop(uow, letter, sent_at)
