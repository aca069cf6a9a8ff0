"""What goes over to the survivor of a merge, and comes home when it is undone: issues, people, needs, links, and whole tables."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from helpdesk.complaints import (
    link_queries,
    merge_queries,
    person_queries,
    queries,
)
from helpdesk.complaints.errors import (
    NoIssueLeft,
    TooMuchToMerge,
)
from helpdesk.complaints.lifecycle import MAX_ISSUES
from helpdesk.complaints.link_models import Link
from helpdesk.complaints.merge_ledger import move_back, move_whole, note
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import Complaint, Issue, Need, Person
from helpdesk.complaints.people import MAX_NEEDS, PERSON_FIELDS
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force


def move(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> dict[str, int]:
    """Table -> how many rows went over."""
    moved = move_whole(uow, merge_id, source.id, survivor.id)
    moved["complaint_issue"] = _move_issues(uow, merge_id, source, survivor)
    moved["complaint_person"] = _move_people(uow, merge_id, source, survivor)
    moved["complaint_need"] = _move_needs(uow, merge_id, source, survivor)
    moved["complaint_link"] = _move_links(uow, merge_id, source, survivor)
    return moved


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


def _move_needs(
    uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint, like: Sequence[Need] | None = None
) -> int:
    """`like`: of those that the survivor has not, the ones that are the same as one of them."""
    there = person_queries.needs_of(uow.session, survivor.id)
    known = [_terms(need) for need in there]
    wanted = [need for need in person_queries.needs_of(uow.session, source.id) if _terms(need) not in known]
    if like is not None:
        alike = [_terms(need) for need in like]
        wanted = [need for need in wanted if _terms(need) in alike]
    if len(there) + len(wanted) > MAX_NEEDS:
        raise TooMuchToMerge
    survivor.vulnerable = survivor.vulnerable or source.vulnerable
    return _hand_over(uow, merge_id, wanted, survivor.id)


def _terms(need: Need) -> tuple[Any, ...]:
    return need.flag, need.adjustment, need.ground, need.consent, need.expires_at


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


def move_home(uow: UnitOfWork, row: Merge, source: Complaint, survivor: Complaint) -> dict[str, int]:
    """Table -> how many rows went home."""
    moved = move_back(uow, row.id, source.id, survivor.id)
    issues = _back(uow, row.id, Issue, survivor.id)
    if len(issues) == survivor.issue_count:
        raise NoIssueLeft(
            f"All issues of {survivor.reference} came from {source.reference}. Write down there first what it is about by itself."
        )
    if source.issue_count + len(issues) == 0:
        raise NoIssueLeft(
            f"What {source.reference} was about was split off {survivor.reference} since. Merge the complaint that has it by now into "
            f"{survivor.reference} first, then undo this; or leave it as it is."
        )
    for issue, noted in issues:
        issue.complaint_id, issue.position = source.id, noted["position"]
    _count_issues(survivor, -len(issues))
    _count_issues(source, len(issues))
    people, needs = _back(uow, row.id, Person, survivor.id), _back(uow, row.id, Need, survivor.id)
    for part, _ in (*people, *needs):
        part.complaint_id = source.id
    uow.session.flush()  # what each has now is looked at below
    for complaint in (source, survivor):
        _mark(uow, complaint)
    return moved | {
        "complaint_issue": len(issues),
        "complaint_person": len(people),
        "complaint_need": len(needs),
        "complaint_link": _links_home(uow, row.id, source, survivor),
    }


def _mark(uow: UnitOfWork, complaint: Complaint) -> None:
    safety_issues = in_force().safety_issues
    complaint.safety = any(item.issue in safety_issues for item in queries.issues_of(uow.session, complaint.id))
    complaint.vulnerable = bool(person_queries.needs_of(uow.session, complaint.id))


def take_instead(
    uow: UnitOfWork, row: Merge, survivor: Complaint, others: Mapping[Merge, Complaint]
) -> dict[Merge, set[UUID]]:
    """After `move_home`. A need that another source had too, and kept because the survivor had it already, comes over now: the survivor
    stays as vulnerable as whoever is still merged into it. `others`: merges and their sources. Ids of needs, by merge.
    """
    went = merge_queries.noted(uow.session, Need, row.id)
    found: dict[Merge, set[UUID]] = {}
    for merge, other in others.items() if went else ():
        before = _needs(uow, survivor)
        _move_needs(uow, merge.id, other, survivor, went)
        uow.session.flush()
        found[merge] = _needs(uow, survivor) - before
    _mark(uow, survivor)
    return found


def _needs(uow: UnitOfWork, complaint: Complaint) -> set[UUID]:
    return {need.id for need in person_queries.needs_of(uow.session, complaint.id)}


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
