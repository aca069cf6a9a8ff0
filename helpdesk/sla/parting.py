"""The clocks of two complaints when their merge is undone (`joining`: when they are merged, and what its book says).

The survivor's clocks are what they would be without that source, in every round since: those that were stopped meanwhile, those that
a reopening ended, and those that go on from one of these. What was done meanwhile was done, and whether in time is told by the clock's
own start. A message that goes home is not waited for any more, and has not been; the next of those that stay is.

The source's clocks take up where they stood, and the time in which it went on in the other is a wait to them, where they can pause at
all. What somebody answered in the survivor meanwhile is answered in both. A message that went on from the survivor to a third complaint
is waited for there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import merge_ledger, merge_queries
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import ComplaintActed
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_events import DuplicateParted
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import (
    asking,
    beginnings,
    clock_terms,
    clocks,
    joining,
    meanwhile,
    own_terms,
    promising,
    queries,
    regime_queries,
    thread_queries,
)
from helpdesk.sla.beginnings import BOOK, Beginning, Moved
from helpdesk.sla.meanwhile import Step, Terms
from helpdesk.sla.models import Clock
from helpdesk.sla.own_terms import Own
from helpdesk.sla.promising import Promised
from helpdesk.sla.regime_choosing import GONE
from helpdesk.sla.revising import ANSWERS, AT_RECEIPT, FIRST, NEXT, REMEDY, owed_by, revise
from helpdesk.sla.rounds import Act, History, Parted, Round, present_round

_ACKNOWLEDGE: Final = "acknowledge"


def part(uow: UnitOfWork, event: DuplicateParted) -> Sequence[Clock]:
    """The clocks of the survivor, as they are without that source. Regulators' are chosen anew after this."""
    survivor = complaints.complaint_by_id_for_update(uow.session, event.complaint_id)
    found = queries.clocks_of_every_round(uow.session, survivor.id)
    promised = promising.of(uow, survivor)
    waited = queries.waits_told(event.waited)
    parting = _Parting(
        uow,
        survivor,
        promised,
        history=queries.history(uow.session, survivor.id).waited(waited).and_then(Parted(event.source_id)),
        merge_id=event.merge_id,
        merged_at=merge_queries.merge_by_id(uow.session, event.merge_id).merged_at,
        noted=merge_queries.ledger_of(uow.session, event.merge_id, BOOK),
        left=beginnings.moved(uow.session, survivor.id, undone=event.merge_id),
        own=own_terms.own(uow.session, merge_queries.merge_by_id(uow.session, event.merge_id)),
        moves=joining.may_move(uow, promised, event),
        waited=bool(waited),
    )
    for clock in found:
        if clock.rule_id is None and clock.kind in AT_RECEIPT:
            parting.of_receipt(clock)
    parting.acknowledge_again()
    parting.of_answers([clock for clock in found if clock.kind == NEXT], event.source_id)
    parting.of_remedies([clock for clock in found if clock.kind == REMEDY])
    parting.go_by_what_is_promised(found)
    return found


@dataclass(frozen=True, slots=True)
class _Parting:
    """`noted`: the book of the merge that is undone; `left`: what those did that are not. `right`: what has been put right, by round
    and kind, or question; `own`: what was promised since, without that merge.
    """

    uow: UnitOfWork
    survivor: Complaint
    promised: Promised
    history: History
    merge_id: UUID
    merged_at: datetime
    noted: Mapping[UUID, dict[str, Any]]
    left: Mapping[UUID, Moved]
    own: Own
    moves: bool
    waited: bool
    right: dict[tuple[int, str], Clock] = field(default_factory=dict)
    right_answers: dict[tuple[int, UUID], Clock] = field(default_factory=dict)

    def of_receipt(self, clock: Clock) -> None:
        """Those of earlier rounds come before those of later ones, which may go on from them."""
        round_ = self._round_of(clock)
        begins = self._begins(clock, round_)
        if begins is None:
            return
        self.right[clock.round, clock.kind] = clock
        noted = self.noted.get(clock.id, {})
        if noted.get("acknowledged") and self.survivor.acknowledged_at is None:
            self._not_acknowledged(clock, begins, round_)
        else:
            self._count_again(clock, begins, round_)
        self._go_by_what_is_promised(clock, round_)

    def _round_of(self, clock: Clock) -> Round:
        """Its round, by the merges that count for it."""
        left = self.left.get(clock.id)
        if left is None and clock.id not in self.noted:
            return present_round(self.history.of_round(clock.round))
        mine = set() if left is None else set(left.merges.values())
        return present_round(self.history.of_round(clock.round).joined_by(mine))

    def _begins(self, clock: Clock, round_: Round) -> Beginning | None:
        """From when it counts; None where the merge did nothing to it."""
        left, noted = self.left.get(clock.id), self.noted.get(clock.id)
        if noted is not None:
            own = Moved(noted["own"])
            own.take(noted)
            return _with_those_left(own.alone(clock), clock, left, round_)
        alone = beginnings.of_clock(clock) if left is None else left.alone(clock)
        before = self.right.get((clock.round - 1, clock.kind))
        if alone is not None and alone.carried and before is not None:
            return self._going_on(clock, before, alone.carried, round_)
        since = clock.stopped_at is None or clock.stopped_at > self.merged_at
        if left is None and since:  # begun while they were one, or in a round in which they were not
            return Beginning(round_.began, None) if clock.carried is None else alone
        return None

    def _going_on(self, clock: Clock, before: Clock, carried: beginnings.Carried, round_: Round) -> Beginning | None:
        """From what a clock of the round before has come to: what later merges noted of this one is otherwise too."""
        reopened_at = clock_terms.waits_in(carried)[-1][1] or self.uow.now
        alone = Beginning(before.started_at, clock_terms.carried_on(before, reopened_at))
        left = self.left.get(clock.id)
        if left is not None:
            known = {"own": rfc3339(alone.at), "carried": alone.carried}
            merge_ledger.note_anew(self.uow, list(left.merges), clock.id, known)
        return _with_those_left(alone, clock, left, round_)

    def _not_acknowledged(self, clock: Clock, begins: Beginning, round_: Round) -> None:
        """The acknowledgement was the source's. In a round that is over it was owed until then, and the decision was one."""
        uow = self.uow
        joining.carry(uow, clock, begins)
        steps = self.own.steps(clock)
        if clock.round == self.survivor.round:
            # What came meanwhile was noted of clocks that were open.
            steps.append(Step(self.merged_at, self.promised.terms_now(clock, begins.at)))
        terms = meanwhile.gone_through(uow.session, clock, steps, begins, round_)
        if terms is not None:
            meanwhile.put(clock, terms)
        clocks.restart(uow, clock, begins.at, round_.waits, uow.now)
        ended_at = self.history.of_round(clock.round).closed_at
        if self.survivor.record_type != "complaint" and clock.round == self.survivor.round:
            since = queries.converted_at(uow.session, self.survivor.id) or uow.now
            clocks.cancel(uow, clock, max(since, clock.started_at))
        elif clock.round < self.survivor.round and ended_at is not None:
            gone = regime_queries.ends_of_rounds(uow.session, self.survivor.id, GONE).get(clock.round)
            end = clocks.cancel if gone == ended_at else clocks.stop
            end(uow, clock, max(ended_at, clock.started_at))

    def acknowledge_again(self) -> None:
        """Reopened while it was acknowledged by the source's acknowledgement, it is owed one of its own."""
        before = self.right.get((self.survivor.round - 1, _ACKNOWLEDGE))
        there = (self.survivor.round, _ACKNOWLEDGE) in self.right
        if before is None or there or _ACKNOWLEDGE not in owed_by(self.survivor):
            return
        reopened_at, waits = present_round(self.history.joined_by(())).began, present_round(self.history).waits
        promising.begin_again(self.uow, self.promised, self.survivor, _ACKNOWLEDGE, before, at=reopened_at, waits=waits)

    def _go_by_what_is_promised(self, clock: Clock, round_: Round) -> None:
        if clock.round != self.survivor.round:
            return
        owed_again = clock.state == "cancelled" and clock.kind in owed_by(self.survivor)
        if owed_again or (clock.stopped_at is None and self.moves):
            self.promised.retarget(self.uow, clock, round_.waits)

    def of_answers(self, found: Sequence[Clock], source_id: UUID) -> None:
        uow, survivor = self.uow, self.survivor
        home = thread_queries.standing_in(uow.session, {clock.subject_id for clock in found}, source_id)
        for clock in found:
            if clock.subject_id in home:
                if clock.stopped_at is None or clock.stopped_at >= self.merged_at:
                    self._of_own_question(clock, found)
                    clocks.take_back(uow, clock, uow.now)
            elif clock.id in self.noted:
                self._of_answer(clock)
            elif clock.stopped_at is None or clock.stopped_at >= self.merged_at:
                self._count_again(clock, beginnings.of_clock(clock), self._round_of(clock))
        waits = any(clock.stopped_at is None for clock in (*found, *queries.begun(uow.session, survivor.id)))
        if not waits and survivor.record_type == "complaint" and survivor.status in OPEN:
            asking.wait_for_the_next(uow, self.promised, survivor, found, present_round(self.history))

    def _of_own_question(self, home: Clock, found: Sequence[Clock]) -> None:
        """What the survivor was asked by itself while one that goes home waited: it waits as long as that did. What was promised of the one
        was promised of the other.
        """
        uow, survivor, until = self.uow, self.survivor, home.stopped_at or self.uow.now
        before, own = (self.history.of_round(number).joined_by(()) for number in (max(home.round - 1, 1), home.round))
        asked = thread_queries.waited_at(uow.session, survivor.id, present_round(before).began, until)
        if asked is None or any(each.subject_id == asked.id and each.round == home.round for each in found):
            return  # `wait_for_the_next` finds one that was parted before
        round_ = present_round(self.history.of_round(home.round))
        round_ = round_ if home.stopped_at is None else round_.until(until)
        last = self.right_answers.get((home.round - 1, asked.id))
        begins = Beginning(max(asked.at, present_round(own).began) if home.round > 1 else asked.at, None)
        if home.carried is not None and last is not None:
            begins = Beginning(last.started_at, clock_terms.carried_on(last, present_round(own).began))
        terms = meanwhile.gone_through(uow.session, home, self._steps(home, begins), begins, round_)
        if terms is None:
            return
        clock = meanwhile.like(uow, home, terms, begins, round_, subject_id=asked.id)
        self.right_answers[home.round, asked.id] = clock
        if home.stopped_at is not None:
            end = clocks.stop if home.elapsed_seconds is not None else clocks.cancel
            end(uow, clock, until)
        clocks.ring(uow, clock, uow.now)

    def _of_answer(self, clock: Clock) -> None:
        round_ = self._round_of(clock)
        begins = self._begins(clock, round_)
        if begins is not None:
            self._count_again(clock, begins, round_)
            if clock.stopped_at is None and self.moves:
                self.promised.retarget(self.uow, clock, round_.waits)
        elif clock.stopped_at is None:
            clocks.take_back(self.uow, clock, self.uow.now)

    def _count_again(self, clock: Clock, begins: Beginning, round_: Round) -> None:
        """From another start, as if it had always done so, by what was promised at each time since. What was done was done, and what was
        not owed any more is not, both since then; whether in time is told by that start.
        """
        if clock.state == "cancelled" and clock.kind == NEXT:
            return
        uow, steps = self.uow, self._steps(clock, begins)
        if all(step.terms is None for step in steps):  # only by the merge was it ever promised
            clocks.take_back(uow, clock, uow.now)
            return
        terms = self._terms(clock, steps, begins, round_)
        if joining.begins_so(clock, begins) and terms is None and not self.waited:
            return
        stopped_at, is_done = clock.stopped_at, clock.elapsed_seconds is not None
        joining.carry(uow, clock, begins)
        clocks.ring(uow, clock, uow.now)
        if terms is not None:
            meanwhile.put(clock, terms)
        waits = round_.waits if stopped_at is None else round_.until(stopped_at).waits
        clocks.restart(uow, clock, begins.at, waits, uow.now)
        if stopped_at is not None:
            end = clocks.stop if is_done else clocks.cancel
            end(uow, clock, max(stopped_at, clock.started_at))
        clocks.ring(uow, clock, uow.now)

    def _steps(self, clock: Clock, begins: Beginning) -> list[Step]:
        """What was promised of it without that merge, and what is promised now: not a mere version of the same, which may have been told to
        leave open clocks alone, unless undoing the merge moves what is promised.
        """
        steps = self.own.steps(clock)
        if clock.round == self.survivor.round and clock.stopped_at is None:
            present = self.promised.terms_now(clock, begins.at)
            if self.moves or not meanwhile.made_alike(steps[-1].terms, present):
                steps.append(Step(self.uow.now, present))
        return steps

    def _terms(self, clock: Clock, steps: Sequence[Step], begins: Beginning, round_: Round) -> Terms | None:
        """What it goes by without that merge; None: by what it does."""
        if clock.id in self.own.noted or clock.id in self.own.begun:
            meanwhile.ended(self.uow, self.merge_id, clock, steps)
        for merge_id, noted in meanwhile.noted_by_others(self.uow.session, clock).items():
            left = self.own.left_of(clock, noted)
            if not meanwhile.same(left[-1].terms, steps[-1].terms):
                left.append(Step(self.uow.now, steps[-1].terms))
            meanwhile.note_anew(self.uow, merge_id, clock, left)
        terms = meanwhile.gone_through(self.uow.session, clock, steps, begins, round_)
        return None if terms is None or meanwhile.same(terms, meanwhile.terms_of(clock)) else terms

    def of_remedies(self, found: Sequence[Clock]) -> None:
        for clock in found:
            if clock.stopped_at is None or clock.stopped_at >= self.merged_at:
                self._count_again(clock, beginnings.of_clock(clock), present_round(self.history))

    def go_by_what_is_promised(self, found: Sequence[Clock]) -> None:
        """What is promised for the first time, or again, too."""
        if self.moves and self.survivor.record_type == "complaint":
            mine = [clock for clock in found if clock.round == self.survivor.round or clock.stopped_at is None]
            begun = queries.begun(self.uow.session, self.survivor.id)
            there = [*mine, *(clock for clock in begun if clock not in mine)]
            revise(self.uow, self.survivor, there, present=present_round(self.history))


def _with_those_left(alone: Beginning | None, clock: Clock, left: Moved | None, round_: Round) -> Beginning | None:
    """With what the merges that are left bring to its own beginning; None where it is there only because of merges."""
    if alone is None or clock.kind == NEXT:
        return alone
    if clock.kind != FIRST:  # one that was answered brings no start to that
        alone = Beginning(min(alone.at, round_.began), alone.carried)
    return beginnings.earliest(alone, () if left is None else left.theirs)


def take_up(uow: UnitOfWork, event: ComplaintActed) -> Sequence[Clock]:
    """A complaint goes on by itself again: what merging it had stopped is owed as it was. The clocks of its round."""
    uow.session.flush()  # what was answered meanwhile is told by the merges that are undone
    history = queries.history(uow.session, event.complaint_id)
    merged_at = history.last_away
    back = Act(reopened=False, at=uow.now, waiting_on=event.waiting_on)
    present = present_round(history.and_then(back))
    found = queries.clocks_at_hand(uow.session, event.complaint_id, event.reopened_count + 1)
    owed = [clock for clock in found if clock.stopped_at == merged_at]
    asked = {clock.subject_id for clock in owed if clock.kind == NEXT}
    here = thread_queries.standing_in(uow.session, asked, event.complaint_id)
    answers = [] if merged_at is None else thread_queries.answers_elsewhere(uow.session, event.complaint_id, merged_at)
    answered_at = next(iter(answers), None)
    for clock in owed:
        if clock.kind == NEXT and clock.subject_id not in here:
            clocks.take_back(uow, clock, uow.now)
        else:
            _owe_again(uow, clock, present, answered_at)
    if merged_at is not None and answered_at is not None:
        _asked_meanwhile(uow, event.complaint_id, answers, answered_at if asked & here else merged_at)
    return found


def _asked_meanwhile(uow: UnitOfWork, complaint_id: UUID, answers: Sequence[datetime], since: datetime) -> None:
    """What its complainant asked after that, and was answered in the other one: in time or late by when it was asked, for somebody had it
    before them all the while. What nobody has answered is waited for as of now (`revise`).
    """
    complaint = complaints.complaint_by_id_for_update(uow.session, complaint_id)
    promised = promising.of(uow, complaint)
    for asked in thread_queries.asked_since(uow.session, complaint_id, since):
        answered_at = next((at for at in answers if at > asked.at), None)
        if asked.at < since or answered_at is None:
            continue
        clock = promising.begin(uow, promised, complaint, NEXT, asked.at, subject_id=asked.id)
        if clock is not None:
            clocks.stop(uow, clock, answered_at)
            clocks.ring(uow, clock, uow.now)
        since = answered_at


def _owe_again(uow: UnitOfWork, clock: Clock, present: Round, answered_at: datetime | None) -> None:
    answered = clock.kind in ANSWERS and answered_at is not None
    if clock.state == "breached":
        clocks.count_on(uow, clock)
    elif clock.state == "cancelled":
        waits = present.until(answered_at).waits if answered and answered_at is not None else present.waits
        clocks.restart(uow, clock, clock.started_at, waits, uow.now)
    if answered and answered_at is not None and clock.stopped_at is None:
        clocks.stop(uow, clock, answered_at)
