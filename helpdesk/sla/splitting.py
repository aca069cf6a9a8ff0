"""The clocks of a complaint that is split, and of the part that goes on by itself.

The part owes what is still owed, from the beginning of the round that it comes from, less what was waited since. A message that waits
for an answer waits where it stands: one that went over waits in the part, from when and as it did before, and not in the first one any
more; one that was copied waits in both. What was answered before the split is answered in both, wherever the answer stands now. Of
several in one thread the oldest counts.
"""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.link_events import ComplaintSplit
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import asking, clock_terms, clocks, promising, queries, thread_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.promising import Promised
from helpdesk.sla.revising import AT_RECEIPT, FIRST, NEXT, note_next_due
from helpdesk.sla.rounds import Round, present_round


def terms_of_part(uow: UnitOfWork, event: ComplaintReceived) -> list[dict[str, Any]]:
    """Of what was split off, whose messages have gone over; before the clocks of the first one are looked at (`asked_elsewhere`)."""
    if event.split_from is None:
        return []
    part = cast(Complaint, uow.stream_of(event.complaint_id))
    round_ = present_round(queries.history(uow.session, event.split_from)).ended(uow.now)
    promised = promising.of(uow, part)
    kinds = [kind for kind in AT_RECEIPT if kind != "acknowledge" or not event.acknowledged]
    answered = promised.promise(FIRST, round_.began) is not None and (
        thread_queries.is_answered(uow.session, event.split_from, round_.began, beside=part.id)
    )
    open_ = queries.open_clocks_for_update(uow.session, [event.split_from])
    carried = {clock.kind: clock for clock in open_ if clock.carried is not None and clock.kind in AT_RECEIPT}
    found = []
    for kind in kinds:
        if kind == FIRST and answered:
            continue
        there = carried.get(kind)
        start, earlier = (round_.began, []) if there is None else (there.started_at, clock_terms.carried_by(there))
        terms = promised.terms(kind, start, uow.now, [*earlier, *round_.waits])
        if terms is not None:
            found.append({**terms, "carried": None if there is None else there.carried})
    return [*found, *_asked_there(uow, event.split_from, part, promised=promised, round_=round_, open_=open_)]


def _asked_there(
    uow: UnitOfWork,
    split_from: UUID,
    part: Complaint,
    *,
    promised: Promised,
    round_: Round,
    open_: Sequence[Clock],
) -> list[dict[str, Any]]:
    """The clock of the oldest message in the part that waits for an answer, at most one. A message that had a clock goes on by that."""
    if promised.promise(NEXT, uow.now) is None:
        return []
    clock = _waiting(open_)
    written_at = None if clock is None else thread_queries.written_at(uow.session, clock.subject_id)
    since = round_.began if written_at is None else min(round_.began, written_at)
    asked = thread_queries.oldest_unanswered(uow.session, part.id, since, beside=split_from)
    if asked is None:
        return []
    start, carried = asked.at, None
    if clock is not None and asked.at == written_at:  # the same message, or a copy of it, which has an id of its own
        start, carried = clock.started_at, clock.carried
    terms = promised.terms(NEXT, start, uow.now, [*clock_terms.waits_in(carried), *round_.waits])
    return [] if terms is None else [{**terms, "carried": carried, "subject_id": asked.id}]


def _waiting(found: Sequence[Clock]) -> Clock | None:
    return next((clock for clock in found if clock.kind == NEXT and clock.stopped_at is None), None)


def asked_elsewhere(uow: UnitOfWork, event: ComplaintSplit) -> None:
    """Of the first one: the message that has gone over is not waited for there, and has not been; the next of those that stay is."""
    complaint = uow.stream_of(event.complaint_id)
    if not isinstance(complaint, Complaint) or complaint.record_type != "complaint":
        return
    found = queries.clocks_at_hand(uow.session, complaint.id, complaint.round)
    gone = [clock for clock in found if _is_gone(clock, event)]
    waits = _waiting([clock for clock in found if clock not in gone]) is not None
    for clock in gone:
        clocks.take_back(uow, clock, uow.now)
    if gone and not waits:
        present = present_round(queries.history(uow.session, complaint.id))
        asking.wait_for_the_next(uow, promising.of(uow, complaint), complaint, found, present, beside=event.new_id)
    note_next_due(uow, complaint, found)


def _is_gone(clock: Clock, event: ComplaintSplit) -> bool:
    """Whether it is of a message that has gone over, and was not answered."""
    return clock.kind == NEXT and clock.elapsed_seconds is None and str(clock.subject_id) in event.moved_messages
