"""Merging a duplicate into the complaint that goes on, and undoing that.

The source is closed as a duplicate, through the one door (`acts`). Whatever hangs on it goes to the survivor, and stands in
the book of the merge (`merge_ledger`); what both have is not moved and not doubled. What one complaint knows and the other
lacks is combined (`combining`). Clocks follow in the SLA domain: the earlier promise wins. Delivered remedies follow in the
recovery domain, so that nothing is paid twice; unsettled ones keep a complaint from being merged.

Undoing takes back what the book names and is still there. What came afterwards stays with the survivor.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    assessments,
    changes,
    combining,
    link_queries,
    merge_queries,
    person_queries,
    queries,
)
from helpdesk.complaints.changes import Watch
from helpdesk.complaints.combining import COMBINED, Combining
from helpdesk.complaints.errors import (
    AlreadyMerged,
    ComplaintSurvives,
    MergeFinal,
    NoIssueLeft,
    OtherComplainant,
    OtherCurrency,
    RegulatorSurvives,
    SurvivorClosed,
    SurvivorElsewhere,
    TooMuchToMerge,
)
from helpdesk.complaints.events import ComplaintRedirected, DuplicateMerged, DuplicateParted
from helpdesk.complaints.lifecycle import MAX_ISSUES, OPEN
from helpdesk.complaints.link_models import Link
from helpdesk.complaints.linking import UNKNOWN
from helpdesk.complaints.merge_ledger import move_back, move_whole, note
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.merge_queries import Merged
from helpdesk.complaints.merge_sharing import share, share_fields, unshare, unshare_fields
from helpdesk.complaints.models import Complaint, Issue, Message, Need, Person
from helpdesk.complaints.pair_queries import Pair
from helpdesk.complaints.people import MAX_NEEDS, PERSON_FIELDS
from helpdesk.complaints.phrases import said
from helpdesk.complaints.search_index import text_changed
from helpdesk.complaints.severity import Judgement
from helpdesk.complaints.taxonomy import worst
from helpdesk.complaints.text_seals import OF_MESSAGE, Seals, new_salt, seal_row
from helpdesk.complaints.thread import add_message
from helpdesk.identity.actors import Actor
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import id_at, new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force


def check_merge(session: Session, actor: Actor, pair: Pair) -> None:
    acts.check(session, actor, pair.complaint, "merge")


def merge(uow: UnitOfWork, actor: Actor, pair: Pair, given: Mapping[str, Any], undo: timedelta) -> UUID:
    """Merge the pair's complaint into the other one; `check_merge` comes first. `undo`: how long it can be undone. The
    merge's id.

    Raises `ValidationFailed` for a survivor that is not there or is the source itself, `AlreadyMerged` for one that was
    merged into the source, and what `_check_together` does.
    """
    source, survivor = pair.complaint, pair.other
    if survivor is None:
        raise ValidationFailed(errors=[FieldError.at("/into", "unknown", UNKNOWN)])
    if survivor.id == source.id and pair.by_detour:
        raise AlreadyMerged
    if survivor.id == source.id:
        raise ValidationFailed(errors=[FieldError.at("/into", "itself", "A complaint is not merged into itself.")])
    _check_together(source, survivor, given)
    for complaint in (source, survivor, *pair.beside):
        uow.know_stream(complaint)
    row = _opened(uow, actor, source, survivor, reason=given["reason"], undo=undo)
    if not given.get("silent"):
        _tell(uow, actor, source, survivor, "merged")
    share(uow, row.id, source, survivor)
    watch, before = Watch(uow.session, source), changes.values_of(survivor)
    _combine(row, source, survivor)
    share_fields(uow, row.id, source, survivor)
    moved = _move(uow, row.id, source, survivor)
    opening = _repeat_opening(uow, row.id, source, survivor)
    _redirect(uow, row.id, pair.beside, survivor.id)
    supplied = {"into": survivor.reference, "reason": given["reason"], "merged_into_id": survivor.id}
    acts.carry_out(uow, actor, source, "merge", supplied, watch=watch)
    judged = _judge_together(uow, row, source, survivor)
    _find_anew(uow, source, survivor)
    survivor.changed_at(uow.now)
    uow.record(
        DuplicateMerged(
            complaint_id=survivor.id,
            reference=survivor.reference,
            merge_id=row.id,
            source_id=source.id,
            source_reference=source.reference,
            changes=changes.since(before, survivor),
            moved=moved,
            one_customer=not _of_different_people(source, survivor),
            source_record_type=source.record_type,
            message_texts=opening,
        ),
        stream=survivor,
    )
    assessments.note_change(uow, survivor, "merged", before["severity"], judged)
    return row.id


def _judge_together(uow: UnitOfWork, row: Merge, source: Complaint, survivor: Complaint) -> Judgement:
    """What the rules find in both together counts as what the source brought, so that undoing takes it back."""
    uow.session.flush()  # it is judged by what it has now; the source is a duplicate by now, and no repeat
    judged, level = assessments.merge(uow, survivor, source)
    if level is not None:
        brought = worst(level, source.severity) if row.source_facts["judged"] else level
        survivor.severity = worst(survivor.severity, level)
        row.source_facts = {**row.source_facts, "severity": brought, "judged": True}
        row.facts_after = {**row.facts_after, "severity": survivor.severity}
    return judged


def _find_anew(uow: UnitOfWork, *complaints: Complaint) -> None:
    for complaint in complaints:
        text_changed(uow, complaint.id)


def _of_different_people(source: Complaint, survivor: Complaint) -> bool:
    """Where nobody knows, it is to be said: who holds the secret of the one follows the other."""
    return source.customer_id is None or source.customer_id != survivor.customer_id


def _check_together(source: Complaint, survivor: Complaint, given: Mapping[str, Any]) -> None:
    """Raises `SurvivorClosed`, `ComplaintSurvives`, `OtherComplainant`, `RegulatorSurvives`, `OtherCurrency`."""
    if survivor.status not in OPEN:
        raise SurvivorClosed(f"{survivor.reference} is {survivor.status}.", state=survivor.status)
    if survivor.record_type not in {source.record_type, "complaint"}:
        raise ComplaintSurvives
    if _of_different_people(source, survivor) and not given.get("other_complainant"):
        raise OtherComplainant
    if source.regulator and not survivor.regulator:
        raise RegulatorSurvives
    if source.offers_live and survivor.currency not in {None, source.currency}:
        raise OtherCurrency


def _opened(
    uow: UnitOfWork, actor: Actor, source: Complaint, survivor: Complaint, *, reason: str, undo: timedelta
) -> Merge:
    row = Merge(
        id=new_id(),
        source_id=source.id,
        survivor_id=survivor.id,
        merged_at=uow.now,
        merged_by=actor.id if actor.kind == "agent" else None,
        reason=reason,
        undo_until=uow.now + undo,
        source_status=source.status,
        source_waiting_on=source.waiting_on,
        survivor_sequence=survivor.event_count,
    )
    uow.session.add(row)
    return row


def _tell(uow: UnitOfWork, actor: Actor, source: Complaint, survivor: Complaint, what: str) -> None:
    """In the source's own thread, to its own complainant. `what`: merged or unmerged."""
    person = person_queries.complainant_of(uow.session, source.id)
    language = (person and person.language) or source.language
    body = said(what, language, source=source.reference, survivor=survivor.reference)
    add_message(uow, actor, source, kind="public_reply", body=body, purpose=what)


def _move(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> dict[str, int]:
    """Table -> how many rows went over."""
    moved = move_whole(uow, merge_id, source.id, survivor.id)
    moved["complaint_issue"] = _move_issues(uow, merge_id, source, survivor)
    moved["complaint_person"] = _move_people(uow, merge_id, source, survivor)
    moved["complaint_need"] = _move_needs(uow, merge_id, source, survivor)
    moved["complaint_link"] = _move_links(uow, merge_id, source, survivor)
    return moved


def _repeat_opening(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> dict[str, Seals]:
    """What the duplicate said is no message of its thread, and must not be missing in the survivor's: it stands there at
    its time, before the messages that followed it. Its id, with the digests of its texts.
    """
    salt = new_salt()
    opening = Message(
        id=id_at(source.created_at),
        complaint_id=survivor.id,
        kind="inbound",
        purpose="merged_complaint",
        channel=source.channel,
        author_kind="complainant",
        author_id=None,
        body=f"{source.subject}\n\n{source.description}",
        salt=salt,
        created_at=source.created_at,
    )
    uow.session.add(opening)
    note(uow, merge_id, "complaint_message", {opening.id: {"made": True}})
    return {str(opening.id): seal_row(salt, opening, OF_MESSAGE)}


def _move_issues(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> int:
    """Those that the survivor has not: the same code without a word or a finding of its own is the same issue."""
    there = queries.issues_of(uow.session, survivor.id)
    known = {(issue.category, issue.issue, issue.detail) for issue in there}
    wanted = [issue for issue in queries.issues_of(uow.session, source.id) if not _has_issue(known, issue)]
    if len(there) + len(wanted) > MAX_ISSUES:
        raise TooMuchToMerge
    last = max((issue.position for issue in there), default=0)
    note(uow, merge_id, "complaint_issue", {issue.id: {"position": issue.position} for issue in wanted})
    for position, issue in enumerate(wanted, start=last + 1):
        issue.complaint_id, issue.position = survivor.id, position
    _count_issues(source, -len(wanted))
    _count_issues(survivor, len(wanted))
    survivor.safety = survivor.safety or source.safety
    return len(wanted)


def _has_issue(known: set[tuple[str | None, str | None, str | None]], issue: Issue) -> bool:
    if issue.finding is not None or issue.outcome is not None:
        return False
    if issue.detail is None:
        return issue.issue is None or any((issue.category, issue.issue) == item[:2] for item in known)
    return (issue.category, issue.issue, issue.detail) in known


def _count_issues(complaint: Complaint, more: int) -> None:
    complaint.issue_count += more


def _move_people(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> int:
    there = merge_queries.people_of(uow.session, survivor.id)
    wanted = [
        person
        for person in merge_queries.people_of(uow.session, source.id)
        if not any(_knows(other, person) for other in there)
    ]
    return _hand_over(uow, merge_id, wanted, survivor.id)


def _knows(there: Person, person: Person) -> bool:
    """Whether all that is known of a person is known of the one who is there, in the same role."""
    if there.role != person.role:
        return False
    return all(getattr(person, name) in {None, getattr(there, name)} for name in PERSON_FIELDS)


def _move_needs(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> int:
    there = person_queries.needs_of(uow.session, survivor.id)
    known = [(need.flag, need.adjustment, need.ground, need.consent, need.expires_at) for need in there]
    wanted = [
        need
        for need in person_queries.needs_of(uow.session, source.id)
        if (need.flag, need.adjustment, need.ground, need.consent, need.expires_at) not in known
    ]
    if len(there) + len(wanted) > MAX_NEEDS:
        raise TooMuchToMerge
    survivor.vulnerable = survivor.vulnerable or source.vulnerable
    return _hand_over(uow, merge_id, wanted, survivor.id)


def _hand_over(uow: UnitOfWork, merge_id: UUID, rows: Sequence[Person | Need], survivor_id: UUID) -> int:
    for row in rows:
        row.complaint_id = survivor_id
        note(uow, merge_id, row.__tablename__, {row.id: None})
    return len(rows)


def _move_links(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> int:
    moved = 0
    for link in link_queries.touching(uow.session, source.id):
        ends = _redirected(link, source.id, survivor.id)
        if link.kind == "split_from" or ends is None or not _fits(uow, link, ends, survivor):
            continue
        note(uow, merge_id, "complaint_link", {link.id: {"from_id": str(link.from_id), "to_id": str(link.to_id)}})
        if link.kind == "child_of" and link.to_id == source.id:
            source.child_count -= 1
            survivor.child_count += 1
        link.from_id, link.to_id = ends
        uow.session.flush()  # the next one is compared with what stands there
        moved += 1
    return moved


def _redirected(link: Link, source_id: UUID, survivor_id: UUID) -> tuple[UUID, UUID] | None:
    """The link's ends with the survivor in place of the source; None where that leaves one complaint."""
    from_, to = (survivor_id if end == source_id else end for end in (link.from_id, link.to_id))
    if from_ == to:
        return None
    return (to, from_) if link.kind == "related" and from_ > to else (from_, to)


def _fits(uow: UnitOfWork, link: Link, ends: tuple[UUID, UUID], survivor: Complaint) -> bool:
    """It doubles no link, and a parent's closes no ring and is the only one."""
    child, parent = ends
    if link_queries.between(uow.session, child, parent, link.kind) is not None:
        return False
    if link.kind != "child_of":
        return True
    above = link_queries.ancestors(uow.session, parent)
    alone = child != survivor.id or link_queries.parent_of(uow.session, survivor.id) is None
    return alone and child not in above and len(above) < link_queries.MAX_DEPTH


def _combine(row: Merge, source: Complaint, survivor: Complaint) -> None:
    brought = facts_of(source) | {"judged": source.triaged_at is not None}
    done = combining.combine(facts_of(survivor), brought)
    row.source_facts, row.facts_before, row.facts_after = dict(done.source), dict(done.before), dict(done.after)
    _set(survivor, done.after)


def facts_of(complaint: Complaint) -> dict[str, Any]:
    return {name: json_safe(getattr(complaint, name)) for name in COMBINED}


def _set(complaint: Complaint, facts: Mapping[str, Any]) -> None:
    for name in COMBINED:
        if json_safe(getattr(complaint, name)) != facts[name]:
            setattr(complaint, name, _READ.get(name, _as_it_is)(facts[name]))


def _as_it_is(value: Any) -> Any:
    return value


def _time(value: str | None) -> datetime | None:
    return None if value is None else parse_rfc3339(value)


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


_READ: Final[Mapping[str, Any]] = {"acknowledged_at": _time, "customer_id": _id}


def _redirect(uow: UnitOfWork, merge_id: UUID | None, duplicates: Iterable[Complaint], survivor_id: UUID) -> None:
    """What was merged into the source earlier goes on in the survivor too; the way there stays one step."""
    for duplicate in duplicates:
        before = changes.values_of(duplicate)
        duplicate.merged_into_id = survivor_id
        duplicate.changed_at(uow.now)
        if merge_id is not None:
            note(uow, merge_id, "complaint", {duplicate.id: None})
        uow.record(
            ComplaintRedirected(
                complaint_id=duplicate.id, reference=duplicate.reference, changes=changes.since(before, duplicate)
            ),
            stream=duplicate,
        )


def check_unmerge(session: Session, actor: Actor, held: Merged) -> None:
    """Raises `Forbidden`, `SurvivorElsewhere`, `ActionNotAllowed` where it was not merged, and `MergeFinal`."""
    acts.check(session, actor, held.complaint, "unmerge")
    survivor, row = held.other, held.merge
    if survivor is None or row is None:
        raise LookupError("a merged complaint has its merge")
    if not held.sees_both:
        raise SurvivorElsewhere
    if not held.in_time:
        raise MergeFinal("The time in which it could be undone is over.", undo_until=row.undo_until)
    if survivor.merged_into_id is not None:
        raise MergeFinal(f"{survivor.reference} was merged into another one since; undo that first.")
    if survivor.status not in OPEN:
        raise MergeFinal(f"{survivor.reference} is {survivor.status} by now.", state=survivor.status)


def unmerge(uow: UnitOfWork, actor: Actor, held: Merged, given: Mapping[str, Any]) -> dict[str, Any]:
    """Undo a merge; `check_unmerge` comes first. What went back, and the ids of what came since and stays."""
    source, survivor, row = held.complaint, held.other, held.merge
    if survivor is None or row is None:
        raise LookupError("a merged complaint has its merge")
    for complaint in (source, survivor, *held.beside):
        uow.know_stream(complaint)
    others = [item for item in merge_queries.merges_into(uow.session, survivor.id) if item.id != row.id]
    unshare(uow, row, survivor, others)
    watch, before = Watch(uow.session, source), changes.values_of(survivor)
    stayed = merge_queries.added_since(uow.session, survivor.id, row.survivor_sequence)
    moved = _move_home(uow, row, source, survivor)
    _part(uow, row, survivor)
    unshare_fields(uow, row, survivor, others)
    _redirect(uow, None, held.beside, source.id)
    row.undone_at, row.undone_by = uow.now, actor.id if actor.kind == "agent" else None
    stood = {"back_to": row.source_status, "waiting_on": row.source_waiting_on}
    _find_anew(uow, source, survivor)
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
        ),
        stream=survivor,
    )
    if survivor.severity != before["severity"]:
        uow.session.flush()  # it is judged by what it has left
    assessments.note_change(uow, survivor, "unmerged", before["severity"], None)
    if not given.get("silent"):
        uow.session.flush()  # its people are to be found with it again
        _tell(uow, actor, source, survivor, "unmerged")
    return {
        "complaint_id": source.id,
        "survivor": {"id": survivor.id, "reference": survivor.reference, "subject": survivor.subject},
        "returned": moved,
        "stayed": stayed,
    }


def _move_home(uow: UnitOfWork, row: Merge, source: Complaint, survivor: Complaint) -> dict[str, int]:
    moved = move_back(uow, row.id, source.id, survivor.id)
    issues = _back(uow, row.id, Issue, survivor.id)
    if len(issues) == survivor.issue_count or source.issue_count + len(issues) == 0:
        raise NoIssueLeft
    for issue, noted in issues:
        issue.complaint_id, issue.position = source.id, noted["position"]
    _count_issues(survivor, -len(issues))
    _count_issues(source, len(issues))
    people, needs = _back(uow, row.id, Person, survivor.id), _back(uow, row.id, Need, survivor.id)
    for part, _ in (*people, *needs):
        part.complaint_id = source.id
    uow.session.flush()  # what each has now is looked at below
    safety_issues = in_force().safety_issues
    for complaint in (source, survivor):
        complaint.safety = any(item.issue in safety_issues for item in queries.issues_of(uow.session, complaint.id))
        complaint.vulnerable = bool(person_queries.needs_of(uow.session, complaint.id))
    return moved | {
        "complaint_issue": len(issues),
        "complaint_person": len(people),
        "complaint_need": len(needs),
        "complaint_link": _links_home(uow, row.id, source, survivor),
    }


def _back(uow: UnitOfWork, merge_id: UUID, table: Any, survivor_id: UUID) -> list[tuple[Any, dict[str, Any]]]:
    """Those rows of the merge that are still the survivor's, with what was noted of each."""
    noted = merge_queries.ledger_of(uow.session, merge_id, table.__tablename__)
    rows = merge_queries.parts_still_there(uow.session, table, list(noted), survivor_id) if noted else []
    return [(row, noted[row.id]) for row in rows]


def _links_home(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> int:
    noted = merge_queries.ledger_of(uow.session, merge_id, "complaint_link")
    moved = 0
    for link in link_queries.links_by_id(uow.session, list(noted)) if noted else []:
        ends = UUID(noted[link.id]["from_id"]), UUID(noted[link.id]["to_id"])
        touches = survivor.id in {link.from_id, link.to_id}
        if not touches or link_queries.between(uow.session, *ends, link.kind) is not None:
            continue
        if link.kind == "child_of" and not _may_return(uow, ends, source):
            continue
        if link.kind == "child_of" and ends[1] == source.id:
            survivor.child_count -= 1
            source.child_count += 1
        link.from_id, link.to_id = ends
        uow.session.flush()  # the next one is compared with what stands there
        moved += 1
    return moved


def _may_return(uow: UnitOfWork, ends: tuple[UUID, UUID], source: Complaint) -> bool:
    child, parent = ends
    alone = child != source.id or link_queries.parent_of(uow.session, source.id) is None
    return alone and child not in link_queries.ancestors(uow.session, parent)


def _part(uow: UnitOfWork, row: Merge, survivor: Complaint) -> None:
    """The survivor's facts without this merge."""
    rows = list(merge_queries.merges_into(uow.session, survivor.id))
    done = [Combining(item.source_facts, item.facts_before, item.facts_after) for item in rows]
    place = next(number for number, item in enumerate(rows) if item.id == row.id)
    facts, rest = combining.without(done, place, facts_of(survivor))
    for item, now in zip((item for item in rows if item.id != row.id), rest, strict=True):
        item.facts_before, item.facts_after = dict(now.before), dict(now.after)
    _set(survivor, facts)
