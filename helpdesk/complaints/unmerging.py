"""Undoing a merge: what its book names and is still there goes back. What came afterwards stays with the survivor."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    assessments,
    changes,
    combining,
    judged_since,
    merge_queries,
    sharing_queries,
)
from helpdesk.complaints.changes import Watch
from helpdesk.complaints.combining import Combining, Facts
from helpdesk.complaints.errors import (
    MergeFinal,
    SurvivorElsewhere,
)
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_events import DuplicateParted
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.merge_moving import move_home, take_instead
from helpdesk.complaints.merge_queries import Merged
from helpdesk.complaints.merge_sharing import unshare, unshare_fields
from helpdesk.complaints.merging import facts_of, find_anew, redirect, set_facts, tell
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.taxonomy import worst
from helpdesk.identity.actors import Actor
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork


def check_unmerge(session: Session, actor: Actor, held: Merged) -> None:
    """Raises `Forbidden`, `SurvivorElsewhere`, `ActionNotAllowed` where it was not merged, and `MergeFinal`."""
    acts.check(session, actor, held.complaint, "unmerge")
    survivor, row = _both(held)
    if not held.sees_both:
        raise SurvivorElsewhere
    if not held.in_time:
        raise MergeFinal("The time in which it could be undone is over.", undo_until=row.undo_until)
    if survivor.merged_into_id is not None:
        raise MergeFinal(f"{survivor.reference} was merged into another one since; undo that first.")
    if survivor.status not in OPEN:
        raise MergeFinal(f"{survivor.reference} is {survivor.status} by now.", state=survivor.status)


def _both(held: Merged) -> tuple[Complaint, Merge]:
    """The survivor and the merge. They are there once the lifecycle allows to undo it, which `acts.check` asks first."""
    if held.other is None or held.merge is None:
        raise LookupError("a merged complaint has its merge")
    return held.other, held.merge


def unmerge(uow: UnitOfWork, actor: Actor, held: Merged, given: Mapping[str, Any]) -> dict[str, Any]:
    """Undo a merge; `check_unmerge` comes first. What went back, and the ids of what came since and stays, and of what is in a third
    complaint by now.
    """
    source = held.complaint
    survivor, row = _both(held)
    for complaint in (source, survivor, *held.beside):
        uow.know_stream(complaint)
    of_one_person = sharing_queries.is_of_one_person(uow.session, source.id)
    merges = list(merge_queries.merges_into(uow.session, survivor.id))
    others = [item for item in merges if item.id != row.id]
    sources = merge_queries.sources_of(uow.session, others)
    for complaint in sources.values():
        uow.know_stream(complaint)
    unshare(uow, row, survivor, others)
    watch, before = Watch(uow.session, source), changes.values_of(survivor)
    added = merge_queries.added_since(uow.session, survivor.id, row.survivor_sequence)
    moved = move_home(uow, row, source, survivor)
    instead = take_instead(uow, row, survivor, sources)
    stayed = merge_queries.still_there(uow.session, survivor.id, added)
    waited = judged_since.waits_again(uow, survivor, source, row)
    if waited and waited[-1][1] is None:
        survivor.waiting_on = "customer"
    _judge_what_stays(uow, survivor, sources, instead)
    _part(uow, row, survivor, merges)
    unshare_fields(uow, row, survivor, others)
    redirect(uow, None, held.beside, source.id)
    row.undone_at, row.undone_by = uow.now, actor.id if actor.kind == "agent" else None
    stood = {"back_to": row.source_status, "waiting_on": row.source_waiting_on}
    find_anew(uow, source, survivor)
    acts.carry_out(uow, actor, source, "unmerge", {"reason": given["reason"], **stood}, watch=watch)
    survivor.changed_at(uow.now)
    uow.record(
        DuplicateParted(
            complaint_id=survivor.id,
            reference=survivor.reference,
            merge_id=row.id,
            source_id=source.id,
            source_reference=source.reference,
            changes=changes.since(before, survivor),
            moved=moved,
            waited=json_safe([list(each) for each in waited]),
        ),
        stream=survivor,
    )
    uow.session.flush()  # it is judged by what it has left
    assessments.note_parted(uow, survivor, before["severity"])
    if not given.get("silent"):
        uow.session.flush()  # its people are to be found with it again
        tell(uow, actor, source, survivor, "unmerged", of_one_person=of_one_person)
    return {
        "complaint_id": source.id,
        "survivor": {"id": survivor.id, "reference": survivor.reference, "subject": survivor.subject},
        "returned": moved,
        "stayed": stayed,
        "elsewhere": merge_queries.gone_on(uow.session, row.id, {source.id, survivor.id}),
    }


def _judge_what_stays(
    uow: UnitOfWork, survivor: Complaint, sources: Mapping[Merge, Complaint], instead: Mapping[Merge, set[UUID]]
) -> None:
    """What the parted one had brought first was no news of a later one; without it, it is. `instead`: what came over just now."""
    ids = {merge: merge_queries.judged_by(uow.session, [merge]) | instead.get(merge, set()) for merge in sources}
    all_of_them = set[UUID]().union(*ids.values())
    own = assessments.rules_without(uow, survivor, all_of_them) if sources else ()
    for merge, source in sources.items():
        level = assessments.brought(uow, survivor, source, all_of_them - ids[merge], own)
        if level is not None:
            known = [merge.source_facts["severity"]] if merge.source_facts["judged"] else []
            merge.source_facts = {**merge.source_facts, "severity": worst(level, *known), "judged": True}


def _part(uow: UnitOfWork, row: Merge, survivor: Complaint, merges: Sequence[Merge]) -> None:
    """The survivor's facts without this merge, which is one of these."""
    place = next(number for number, item in enumerate(merges) if item.id == row.id)
    theirs: list[Facts] = [{}] * place
    theirs += judged_since.made_of_facts(uow, survivor, merges[place:])
    done = [
        Combining(item.source_facts, item.facts_before, item.facts_after, since)
        for item, since in zip(merges, theirs, strict=True)
    ]
    facts, rest = combining.without(done, place, facts_of(survivor))
    for item, now in zip((item for item in merges if item.id != row.id), rest, strict=True):
        item.facts_before, item.facts_after = dict(now.before), dict(now.after)
    set_facts(survivor, facts)
