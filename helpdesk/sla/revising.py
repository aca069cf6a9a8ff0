"""The clocks of one complaint as the policies now say.

For whoever has learned that a fact of it is another, or a policy: open and paused clocks are counted anew by what is promised
now, keeping what was used; what is not promised any more is cancelled, and what is promised for the first time begins from where
it would always have begun. What was met or broken stays. It follows from facts alone (the complaint's row, its history, its
thread, the policies in force), so that doing it twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, promising, queries, thread_queries
from helpdesk.sla.models import FROM_THE_ROUND, Clock
from helpdesk.sla.policy_spec import Policies
from helpdesk.sla.promising import Promised
from helpdesk.sla.rounds import Round, present_round

FIRST: Final = "first_response"
NEXT: Final = "next_response"
REMEDY: Final = "remedy_delivered"
ANSWERS: Final = frozenset({FIRST, NEXT})
"""What a public reply keeps."""
AT_RECEIPT: Final = FROM_THE_ROUND


def revise(
    uow: UnitOfWork,
    complaint: Complaint,
    found: Sequence[Clock] | None = None,
    *,
    born: Sequence[tuple[str | None, str | None]] = (),
    edited: Policies | None = None,
    present: Round | None = None,
) -> None:
    """Of a locked complaint. `found`: its `queries.clocks_at_hand`, where the caller has them; `born`: category and code of issues that
    are not written yet. `edited`: it is because of an edit of the policies, which are these now; then what was broken by an error
    that is mended may be saved (`clocks.retarget`).
    """
    if complaint.record_type != "complaint":
        return
    if found is None:
        found = queries.clocks_at_hand(uow.session, complaint.id, complaint.round)
    if present is None:
        present = present_round(queries.history(uow.session, complaint.id, besides=uow.happened))
    revision = _Revision(uow, complaint, promising.of(uow, complaint, born, edited), found, present, edited is not None)
    revision.of_state()
    revision.of_answers()
    revision.of_remedies()
    note_next_due(uow, complaint, found)


@dataclass(frozen=True, slots=True)
class _Revision:
    """`found`: the clocks that were there before."""

    uow: UnitOfWork
    complaint: Complaint
    promised: Promised
    found: Sequence[Clock]
    present: Round
    edited: bool

    def of_state(self) -> None:
        """What is owed by where the complaint stands."""
        there = {clock.kind: clock for clock in self.found if clock.round == self.complaint.round}
        for kind in owed_by(self.complaint):
            resolved_at = self.complaint.resolved_at if kind == "follow_up" else None
            self._owe(there.get(kind), kind, resolved_at or self.present.began)

    def of_answers(self) -> None:
        """Where no clock of an answer is open the thread says whether one is owed; it is asked only where one is promised."""
        mine = [clock for clock in self.found if clock.kind in ANSWERS and clock.round == self.complaint.round]
        for clock in mine:
            if clock.stopped_at is None:
                self._retarget(clock)
        if self.complaint.status in OPEN:
            self._first_answer(next((clock for clock in mine if clock.kind == FIRST), None))
            self._next_answer([clock for clock in mine if clock.kind == NEXT])

    def _first_answer(self, clock: Clock | None) -> None:
        began = self.present.began
        if clock is not None and clock.state != "cancelled" and not clocks.is_cut_off(clock):
            return
        promised = self.promised.promise(FIRST, began) is not None
        if promised and not thread_queries.is_answered(self.uow.session, self.complaint.id, began):
            self._owe(clock, FIRST, began)

    def _next_answer(self, mine: Sequence[Clock]) -> None:
        if any(clock.stopped_at is None for clock in mine) or self.promised.promise(NEXT, self.uow.now) is None:
            return
        there = {clock.subject_id: clock for clock in mine}
        asked = self._asked(self.present.began)
        if asked is None and there:  # one that waited when the complaint was closed is older than its round
            older = self._asked(self.complaint.received_at)
            asked = older if older is not None and older.id in there else None
        if asked is not None:
            self._owe(there.get(asked.id), NEXT, asked.at, asked.id)

    def _asked(self, since: datetime) -> thread_queries.Unanswered | None:
        """What waits for an answer of what was written since then."""
        return thread_queries.oldest_unanswered(self.uow.session, self.complaint.id, since)

    def of_remedies(self) -> None:
        """What was accepted and has not come."""
        there = {clock.subject_id: clock for clock in self.found if clock.kind == REMEDY}
        for clock in there.values():
            if clock.stopped_at is None:
                self._retarget(clock)
        if not self.complaint.remedies_undelivered or self.promised.promise(REMEDY, self.uow.now) is None:
            return
        for offer_id, accepted_at in queries.remedies_awaited(self.uow.session, self.complaint.id):
            mine = there.get(offer_id)
            if mine is None or mine.state == "cancelled" or clocks.is_cut_off(mine):
                self._owe(mine, REMEDY, accepted_at, offer_id)

    def _owe(self, clock: Clock | None, kind: str, start: datetime, subject_id: UUID | None = None) -> None:
        """A clock that is there, be it cancelled when nothing was promised, goes by what is promised now, and one that was broken
        before it was cut off counts on; where there is none, it begins.
        """
        if clock is not None:
            if clocks.is_cut_off(clock):
                clocks.count_on(self.uow, clock)
            self._retarget(clock)
        else:
            waits = self.present.waits
            promising.begin(self.uow, self.promised, self.complaint, kind, start, waits=waits, subject_id=subject_id)

    def _retarget(self, clock: Clock) -> None:
        if self.edited:
            self.promised.follow_edit(self.uow, self.complaint, clock, self.present.waits)
        else:
            self.promised.retarget(self.uow, clock, self.present.waits)


def owed_by(complaint: Complaint) -> list[str]:
    """The kinds of promise that are still to be kept by where the complaint stands, whether any policy makes them or not; answers
    and remedies are told by what was said and accepted. Of what is no complaint nothing is.
    """
    if complaint.record_type != "complaint":
        return []
    owed = {
        "acknowledge": complaint.status in OPEN and complaint.acknowledged_at is None,
        "investigate": complaint.status == "received",
        "resolve": complaint.status in OPEN,
        "follow_up": complaint.status == "resolved",
    }
    return [kind for kind, is_owed in owed.items() if is_owed]


def note_next_due(uow: UnitOfWork, complaint: Any, found: Sequence[Clock]) -> None:
    """Write the earliest open promise onto the complaint, for the order of the queues. `found`: at least those of its clocks that
    were open before the present unit of work, as they are now. Whoever starts, stops or moves clocks calls it; the unit of work
    holds the complaint's lock.
    """
    there = {clock.id: clock for clock in (*found, *queries.begun(uow.session, complaint.id))}
    dues = (clock.due_at for clock in there.values() if clock.stopped_at is None)
    complaint.next_due_at = min((due for due in dues if due is not None), default=NOTHING_DUE)
