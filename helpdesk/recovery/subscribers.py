"""What happens to offers when something happens to their complaint, in the same transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, cast
from uuid import UUID

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import (
    ComplaintDismissed,
    ComplaintEvent,
    ComplaintReceived,
    ComplaintTriaged,
    ComplaintWithdrawn,
    IssueAdded,
    IssueChanged,
    IssueRemoved,
    MessageRedacted,
    TextRedacted,
)
from helpdesk.complaints.link_events import ComplaintSplit, DuplicateMerged, DuplicateParted
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notifications import News, tell
from helpdesk.complaints.person_events import NeedEnded, NeedRecorded, PersonChanged
from helpdesk.kernel.differences import Changes
from helpdesk.kernel.events import Event
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import Subscriber, UnitOfWork
from helpdesk.recovery import (
    counter_redaction,
    dead_letter_queries,
    fact_recording,
    moving,
    offers,
    queries,
    reviews,
    waiting,
    waiting_queries,
    wanted_offers,
)
from helpdesk.recovery.authority_events import ApprovalOverdue, OfferFlagged
from helpdesk.recovery.events import OfferActed, OfferContradicted, OfferEvent, OfferLeftOwed, OfferSubmitted
from helpdesk.recovery.waiting import DueTime

_PROTECTING: Final = ("vulnerable", "safety")
_KNOWN_BY: Final = frozenset({"customer_id", "email", "phone"})
"""By what complaints are found to be one person's (`kin_queries.PERSON`)."""


class WantedOffer(Protocol):
    """What the sla domain, which stands beside, says when a ladder wants an offer."""

    @property
    def complaint_id(self) -> UUID: ...

    @property
    def wanted(self) -> Mapping[str, Any]: ...


def complaint_withdrawn(uow: UnitOfWork, events: Sequence[ComplaintWithdrawn]) -> None:
    """What was accepted is owed and goes on; what was not answered is taken back."""
    _end_undecided(uow, events, "The complaint was withdrawn.")


def complaint_dismissed(uow: UnitOfWork, events: Sequence[ComplaintDismissed]) -> None:
    _end_undecided(uow, events, "The complaint was dismissed.")


def _end_undecided(uow: UnitOfWork, events: Sequence[ComplaintWithdrawn | ComplaintDismissed], reason: str) -> None:
    offers.revoke_all(uow, [event.complaint_id for event in events], reason)
    for event in events:
        reviews.drop(uow, cast(Complaint, uow.stream_of(event.complaint_id)))


def duplicate_merged(uow: UnitOfWork, events: Sequence[DuplicateMerged]) -> None:
    """What was delivered counts in the case that goes on, so that nothing is paid twice; nothing unsettled is merged, and nothing is
    left to be approved on the duplicate. Whoever came with it may be protected, or known to be on another complaint.
    """
    for event in events:
        if event.one_customer:
            moving.move(uow, event)
        reviews.drop(uow, complaints.complaint_by_id_for_update(uow.session, event.source_id))
        _protect(uow, event, event.changes, met=bool(event.moved["complaint_person"]))


def complaint_split(uow: UnitOfWork, events: Sequence[ComplaintSplit]) -> None:
    """What describes the case goes along; what is owed by it stays, so that it is not owed twice."""
    for event in events:
        source = cast(Complaint, uow.stream_of(event.complaint_id))
        new = complaints.complaint_by_id_for_update(uow.session, event.new_id)
        fact_recording.take_along(uow, source, new)


def duplicate_parted(uow: UnitOfWork, events: Sequence[DuplicateParted]) -> None:
    for event in events:
        moving.move_back(uow, event)


def approval_asked(due_time: DueTime) -> Subscriber:
    """`due_time`: of the domain that knows calendars, which stands beside."""

    def begin(uow: UnitOfWork, events: Sequence[OfferSubmitted]) -> None:
        flagged = {flag.offer_id: flag.total_minor for flag in _flagged(uow)}
        for event in events:
            complaint = cast(Complaint, uow.stream_of(event.complaint_id))
            waiting.begin(uow, event.offer_id, complaint.team_id, due_time, flagged.get(event.offer_id))

    return begin


def _flagged(uow: UnitOfWork) -> list[OfferFlagged]:
    """Their rows are not written yet."""
    return [item.event for item in uow.happened if isinstance(item.event, OfferFlagged)]


def approval_answered(uow: UnitOfWork, events: Sequence[OfferActed]) -> None:
    """Approved, given back, or taken back before that."""
    answered = [event.offer_id for event in events if event.from_status == "pending_approval"]
    if answered:
        waiting.end(uow, answered)


def approval_overdue(uow: UnitOfWork, events: Sequence[ApprovalOverdue]) -> None:
    """Those of the authority that it was escalated to are told, but for who drafted it."""
    for event in events:
        complaint = cast(Complaint, uow.stream_of(event.complaint_id))
        drafter = queries.drafter_of(uow.session, event.offer_id)
        also = [one for one in waiting_queries.approvers(uow.session, event.escalated_to) if one != drafter]
        detail = {"offer_id": str(event.offer_id), "due_at": event.due_at}
        tell(uow, complaint, event, News("approval_overdue", also, detail=detail))


def complaint_received(uow: UnitOfWork, events: Sequence[ComplaintReceived]) -> None:
    """Of somebody of whom a need or a danger was recorded with it, no other complaint is scored any more."""
    for event in events:
        if any(event.born.get(name) for name in _PROTECTING):
            uow.duty(reviews.LAPSE, event.complaint_id)


def part_changed(
    uow: UnitOfWork, events: Sequence[NeedRecorded | NeedEnded | IssueAdded | IssueChanged | IssueRemoved]
) -> None:
    for event in events:
        _protect(uow, event, event.complaint_changes)


def facts_changed(uow: UnitOfWork, events: Sequence[ComplaintTriaged | PersonChanged]) -> None:
    for event in events:
        _protect(uow, event, event.changes)


def _protect(uow: UnitOfWork, event: ComplaintEvent, changed: Changes, *, met: bool = False) -> None:
    """Nobody in need or in danger is scored: what was, is forgotten, here at once and on other complaints of theirs soon. `met`:
    somebody else complains with it by now.
    """
    protected = any(changed.get(name, (None, False))[1] for name in _PROTECTING)
    if protected:
        reviews.drop(uow, cast(Complaint, uow.stream_of(event.complaint_id)))
    if protected or met or changed.keys() & _KNOWN_BY:
        uow.duty(reviews.LAPSE, event.complaint_id)


def words_redacted(uow: UnitOfWork, events: Sequence[MessageRedacted | TextRedacted]) -> None:
    for event in events:
        counter_redaction.find_quoting(uow, event)


def _tell_handlers(kind: str) -> Subscriber:
    """Who has the complaint, who watches it, and who drafted the offer."""

    def told(uow: UnitOfWork, events: Sequence[OfferActed]) -> None:
        for event in events:
            _tell_of(uow, event, kind)

    return told


def _tell_of(uow: UnitOfWork, event: OfferEvent, kind: str, **detail: Any) -> None:
    complaint = cast(Complaint, uow.stream_of(event.complaint_id))
    drafter = queries.drafter_of(uow.session, event.offer_id)
    also = {one for one in (complaint.assignee_id, drafter) if one is not None}
    news = News(kind, sorted(also), to_watchers=True, detail={"offer_id": str(event.offer_id)} | detail)
    tell(uow, complaint, event, news)


def offer_left_owed(uow: UnitOfWork, events: Sequence[OfferLeftOwed]) -> None:
    """As others are of what happens to an offer, with what is missing."""
    for event in events:
        missing = None
        if event.missing_minor is not None and event.missing_currency is not None:
            missing = dump_money(Money(event.missing_minor, event.missing_currency))
        _tell_of(uow, event, "owed_not_offered", missing=missing)


offer_countered = _tell_handlers("offer_countered")
offer_undelivered = _tell_handlers("offer_undelivered")


def issuance_contradicted(uow: UnitOfWork, events: Sequence[OfferContradicted]) -> None:
    """Those who may see to it."""
    for event in events:
        complaint = cast(Complaint, uow.stream_of(event.complaint_id))
        detail = {"offer_id": str(event.offer_id)}
        tell(
            uow,
            complaint,
            event,
            News("issuance_contradicted", dead_letter_queries.seeing_to_them(uow.session), detail=detail),
        )


def offer_wanted(uow: UnitOfWork, events: Sequence[Event]) -> None:
    """Whoever wants it holds the complaint; what is refused is raised, and undone with the wish."""
    for event in events:
        wish = cast(WantedOffer, event)  # wired for such events only
        wanted_offers.draft(uow, cast(Complaint, uow.stream_of(wish.complaint_id)), wish.wanted)
