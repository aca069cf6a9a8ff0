"""Tags, watchers and custom fields of a duplicate: the survivor has them too (a field in which it has nothing itself), and
the duplicate keeps them. Where several duplicates bring the same one, it stays until the last of them is taken apart.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from helpdesk.complaints import custom_fields, merge_queries, queries, tag_queries, tagging
from helpdesk.complaints.errors import TooMuchToMerge
from helpdesk.complaints.events import WatcherAdded, WatcherRemoved
from helpdesk.complaints.merge_ledger import note
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notification_models import Watcher
from helpdesk.kernel.unit_of_work import UnitOfWork

_TAG: Final = "complaint_tag"
_WATCHER: Final = "complaint_watcher"
_VALUE: Final = "complaint_custom_value"


def share(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> None:
    """Raises `TooMuchToMerge` where there would be more tags than one complaint can carry."""
    has = {tag.id for tag in tag_queries.tags_of(uow.session, survivor.id)}
    tags = [tag for tag in tag_queries.tags_of(uow.session, source.id) if tag.id not in has]
    if len(has) + len(tags) > tagging.MOST:
        raise TooMuchToMerge
    tagging.carry(uow, survivor, tags)
    note(uow, merge_id, _TAG, {tag.id: None for tag in tags})
    watching = {row.agent_id for row in merge_queries.watchers_of(uow.session, survivor.id)}
    for row in merge_queries.watchers_of(uow.session, source.id):
        if row.agent_id not in watching:
            _watch(uow, survivor, row.agent_id, row.added_by)
            note(uow, merge_id, _WATCHER, {row.agent_id: None})


def _watch(uow: UnitOfWork, complaint: Complaint, agent_id: UUID, added_by: UUID | None) -> None:
    uow.session.add(Watcher(complaint_id=complaint.id, agent_id=agent_id, added_by=added_by, created_at=uow.now))
    uow.record(
        WatcherAdded(complaint_id=complaint.id, reference=complaint.reference, agent_id=agent_id), stream=complaint
    )


def unshare(uow: UnitOfWork, merge: Merge, survivor: Complaint, others: Sequence[Merge]) -> None:
    """`others`: the survivor's other merges that were not undone."""
    tags = set(merge_queries.ledger_of(uow.session, merge.id, _TAG))
    watchers = set(merge_queries.ledger_of(uow.session, merge.id, _WATCHER))
    for other in others if tags or watchers else ():
        theirs = {tag.id for tag in tag_queries.tags_of(uow.session, other.source_id)} & tags
        note(uow, other.id, _TAG, dict.fromkeys(theirs))
        tags -= theirs
        heard = {row.agent_id for row in merge_queries.watchers_of(uow.session, other.source_id)} & watchers
        note(uow, other.id, _WATCHER, dict.fromkeys(heard))
        watchers -= heard
    if tags:
        tagging.drop(uow, survivor, tags)
    for row in merge_queries.watchers_of(uow.session, survivor.id):
        if row.agent_id in watchers:
            uow.session.delete(row)
            uow.record(
                WatcherRemoved(complaint_id=survivor.id, reference=survivor.reference, agent_id=row.agent_id),
                stream=survivor,
            )


def share_fields(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> None:
    """Whoever calls it records the change."""
    lacking = source.custom_fields.keys() - survivor.custom_fields.keys()
    for key, field_id in custom_fields.carry(uow, source, survivor, lacking).items() if lacking else ():
        note(uow, merge_id, _VALUE, {field_id: {"key": key, "value": source.custom_fields[key]}})


def unshare_fields(uow: UnitOfWork, merge: Merge, survivor: Complaint, others: Sequence[Merge]) -> None:
    """What was brought and stands unchanged goes, and gives way to what the next of the others brings."""
    noted = merge_queries.ledger_of(uow.session, merge.id, _VALUE)
    brought = {
        known["key"]: field_id
        for field_id, known in noted.items()
        if survivor.custom_fields.get(known["key"]) == known["value"]
    }
    if not brought:
        return
    custom_fields.drop(uow, survivor, brought)
    for other in others:
        source = queries.get_one(uow.session, other.source_id)
        keys = (brought.keys() & source.custom_fields.keys()) - survivor.custom_fields.keys()
        for key, field_id in custom_fields.carry(uow, source, survivor, keys).items() if keys else ():
            note(uow, other.id, _VALUE, {field_id: {"key": key, "value": source.custom_fields[key]}})
