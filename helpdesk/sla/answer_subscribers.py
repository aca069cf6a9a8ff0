"""The clocks of answers and remedies: what the complainant waits for after they have written, or accepted.

- `first_response` starts with receipt and is kept by the first public reply that somebody writes: an agent, or another system for
  one. An acknowledgement is no answer, nor is the notice of a merge or a split, nor what a rule or the system sends by itself.
- `next_response` starts with a message of the complainant when none runs: of several without an answer the oldest counts. What an
  agent writes unasked starts none, and neither does a message on a closed complaint, unless it reopens it.
- `remedy_delivered` starts when an offer is accepted and is kept when the customer has it: when it was issued, or (of what is
  sent or done) when somebody says that it came. A failed one is owed on; one that is taken back is not.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol
from uuid import UUID

from helpdesk.complaints.events import MessageAdded
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, promising, queries
from helpdesk.sla.clock_terms import Pauses
from helpdesk.sla.models import Clock
from helpdesk.sla.revising import ANSWERS, NEXT, REMEDY, note_next_due
from helpdesk.sla.rounds import WAITING
from helpdesk.sla.thread_queries import ANSWERING, NO_ANSWER

_REPLY: Final = "public_reply"


class OfRemedy(Protocol):
    """An event of an offer, of the domain that makes them."""

    @property
    def complaint_id(self) -> UUID: ...

    @property
    def offer_id(self) -> UUID: ...


def message_added(uow: UnitOfWork, events: Sequence[MessageAdded]) -> None:
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if not isinstance(complaint, Complaint) or complaint.record_type != "complaint":
            continue
        if event.kind == "inbound" and complaint.status in OPEN:
            _asked(uow, complaint, event.message_id)
        elif event.kind == _REPLY and event.purpose not in NO_ANSWER and _somebody_wrote(uow, event):
            _answered(uow, complaint)


def _somebody_wrote(uow: UnitOfWork, event: MessageAdded) -> bool:
    return uow.recorded(event).actor.kind in ANSWERING


def _asked(uow: UnitOfWork, complaint: Complaint, message_id: UUID) -> None:
    promised = promising.of(uow, complaint)
    if promised.promise(NEXT, uow.now) is None:
        return
    found = queries.open_clocks_for_update(uow.session, [complaint.id])
    if any(clock.kind == NEXT for clock in found):
        return
    promising.begin(uow, promised, complaint, NEXT, uow.now, waits=_waits(uow, complaint), subject_id=message_id)
    note_next_due(uow, complaint, found)


def _waits(uow: UnitOfWork, complaint: Complaint) -> Pauses:
    return [(uow.now, None)] if complaint.waiting_on in WAITING else []


def _answered(uow: UnitOfWork, complaint: Complaint) -> None:
    found = queries.open_clocks_for_update(uow.session, [complaint.id])
    kept = [clock for clock in found if clock.kind in ANSWERS]
    for clock in kept:
        clocks.stop(uow, clock, uow.now)
    if kept:
        note_next_due(uow, complaint, found)


def remedy_accepted(uow: UnitOfWork, events: Sequence[OfRemedy]) -> None:
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if not isinstance(complaint, Complaint):
            continue
        promised = promising.of(uow, complaint)
        if promised.promise(REMEDY, uow.now) is None:
            continue
        found = queries.open_clocks_for_update(uow.session, [complaint.id])
        waits = _waits(uow, complaint)
        promising.begin(uow, promised, complaint, REMEDY, uow.now, waits=waits, subject_id=event.offer_id)
        note_next_due(uow, complaint, found)


def remedy_delivered(uow: UnitOfWork, events: Sequence[OfRemedy]) -> None:
    """Issued is not delivered where it says so (`delivered` of the event)."""
    delivered = [event for event in events if getattr(event, "delivered", True)]
    for event, found, clock in _of_remedies(uow, delivered):
        clocks.stop(uow, clock, uow.now)
        note_next_due(uow, uow.stream_of(event.complaint_id), found)


def remedy_taken_back(uow: UnitOfWork, events: Sequence[OfRemedy]) -> None:
    for event, found, clock in _of_remedies(uow, events):
        clocks.cancel(uow, clock, uow.now)
        note_next_due(uow, uow.stream_of(event.complaint_id), found)


def _of_remedies(uow: UnitOfWork, events: Sequence[OfRemedy]) -> Iterator[tuple[OfRemedy, Sequence[Clock], Clock]]:
    """Of those that have one, the open clocks of its complaint, and the one of the remedy. One look for all of them, since
    many may be issued at once.
    """
    complaint_ids = [*dict.fromkeys(event.complaint_id for event in events)]
    every = queries.open_clocks_for_update(uow.session, complaint_ids) if complaint_ids else []
    for event in events:
        found = [clock for clock in every if clock.complaint_id == event.complaint_id and clock.stopped_at is None]
        mine = next((clock for clock in found if clock.kind == REMEDY and clock.subject_id == event.offer_id), None)
        if mine is not None:
            yield event, found, mine
