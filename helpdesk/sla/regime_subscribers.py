"""How regulators' clocks follow what happens beside the lifecycle, in the same transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from helpdesk.complaints import merge_queries
from helpdesk.complaints.events import ComplaintEdited, MessageAdded
from helpdesk.complaints.link_events import DuplicateEvent, DuplicateParted
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import regime_acts, regime_brought_queries, regime_choosing, regime_parting, regime_queries
from helpdesk.sla.regime_facts import told_by

_DECIDING = frozenset({"jurisdiction", "sector"})


def complaint_edited(uow: UnitOfWork, events: Sequence[ComplaintEdited]) -> None:
    """Another jurisdiction or sector has other rules."""
    for event in events:
        if _DECIDING & event.changes.keys():
            regime_acts.choose_anew(uow, _complaint(uow, event.complaint_id), "jurisdiction")


def duplicates_changed(uow: UnitOfWork, events: Sequence[DuplicateEvent]) -> None:
    """After the clocks were joined, or parted: a merge brings facts, and a jurisdiction that the survivor lacked, and undoing it
    takes them away.
    """
    for event in events:
        survivor = _complaint(uow, event.complaint_id)
        parted = isinstance(event, DuplicateParted)
        if parted or survivor.jurisdiction is not None or _DECIDING & event.changes.keys():
            uow.session.flush()  # whose facts count is told by the merges that are not undone
            brought = regime_brought_queries.brought_by(uow.session, event.merge_id) if parted else set()
            regime_acts.choose_anew(uow, survivor, regime_choosing.MERGED, brought)
            if parted:
                merged_at = merge_queries.merge_by_id(uow.session, event.merge_id).merged_at
                regime_parting.part(uow, survivor, merged_at, brought)
                regime_acts.note_dues(uow, survivor.id)
        if parted:
            _choose_source_anew(uow, event.source_id)


def _choose_source_anew(uow: UnitOfWork, source_id: UUID) -> None:
    """What was learned while it went on in the other."""
    source = _complaint(uow, source_id)
    if source.jurisdiction is not None:
        uow.session.flush()
        regime_acts.choose_anew(uow, source, regime_choosing.MERGED)


def message_added(uow: UnitOfWork, events: Sequence[MessageAdded]) -> None:
    for event in events:
        _follow(uow, event.complaint_id, told_by(event.type, event.payload()))


def offer_issued(uow: UnitOfWork, events: Sequence[Any]) -> None:
    """`events`: of the recovery domain, which stands beside this one; each has `type`, `kind` and `complaint_id`."""
    for event in events:
        _follow(uow, event.complaint_id, told_by(event.type, event.payload()))


def _follow(uow: UnitOfWork, complaint_id: UUID, told: frozenset[str]) -> None:
    complaint = _complaint(uow, complaint_id)
    if not told or getattr(complaint, "jurisdiction", None) is None:
        return
    still = regime_queries.open_rule_clocks_for_update(uow.session, complaint_id)
    regime_choosing.follow(uow, complaint, told, still)
    regime_acts.note_dues(uow, complaint_id)


def _complaint(uow: UnitOfWork, complaint_id: UUID) -> Any:
    """Locked, or being born; the latter has no columns."""
    return uow.stream_of(complaint_id)
