"""What went wrong with a complaint: issues added, corrected where they were mistaken, and taken off again.

A severity that an issue raised stays when the issue goes: only people lower one (`assessments`).
"""

from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import changes, issue_queries, queries, reassessment
from helpdesk.complaints.errors import IssueInUse, LastIssue
from helpdesk.complaints.events import IssueAdded, IssueChanged, IssueRemoved
from helpdesk.complaints.lifecycle import MAX_ISSUES
from helpdesk.complaints.models import Complaint, Issue
from helpdesk.complaints.queries import Part
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import Conflict, FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force
from helpdesk.taxonomy.terms import category_of

_GIVEN: Final = ("category", "issue", "detail")
_FOUND: Final = ("finding", "cause", "outcome")
"""What the investigation and the decision said of an issue; while any of it stands, the issue does."""


def add(uow: UnitOfWork, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """Another thing that went wrong; only while the complaint is open (the route checks). Raises `Conflict` when there
    are as many as can be decided.
    """
    if complaint.issue_count >= MAX_ISSUES:
        raise Conflict(f"A complaint has at most {MAX_ISSUES} issues; take in another complaint for the rest.")
    position = queries.last_position(uow.session, complaint.id) + 1
    issue_id = new_id()
    before = changes.values_of(complaint)
    row = {name: given.get(name) for name in ("category", "issue", "detail")} | {"position": position}
    uow.add_rows(Issue, [{"id": issue_id, "complaint_id": complaint.id, **row}])
    complaint.issue_count += 1
    complaint.safety = complaint.safety or given.get("issue") in in_force().safety_issues
    complaint.changed_at(uow.now)
    uow.record(
        IssueAdded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            issue_id=issue_id,
            category=given.get("category"),
            issue=given.get("issue"),
            changes=changes.born(row, *row),
            complaint_changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    if given.get("issue"):
        reassessment.reassess(uow, complaint, issue=given["issue"])
    return complaint.id


def change(uow: UnitOfWork, part: Part[Issue], given: dict[str, Any]) -> UUID:
    """Correct what was written down of an issue; only while the complaint is open (the route checks). None forgets a field,
    what is left out stays. Raises `ValidationFailed` for a code that is of another category.
    """
    complaint, issue = part.complaint, part.row
    _check_category(issue, given)
    changed = differences({name: getattr(issue, name) for name in given}, given)
    if not changed:
        return complaint.id
    before = changes.values_of(complaint)
    for name, value in given.items():
        setattr(issue, name, value)
    uow.session.flush()  # severity, promises and search read it as it is now
    complaint.safety = _safety(uow, complaint)
    complaint.changed_at(uow.now)
    uow.record(
        IssueChanged(
            complaint_id=complaint.id,
            reference=complaint.reference,
            issue_id=issue.id,
            category=issue.category,
            issue=issue.issue,
            changes=changed,
            complaint_changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    if "issue" in changed:
        reassessment.reassess(uow, complaint)
    return complaint.id


def _check_category(issue: Issue, given: dict[str, Any]) -> None:
    category, code = given.get("category", issue.category), given.get("issue", issue.issue)
    if category is None or code is None or category_of(code) == category:
        return
    text = f"{code} is not an issue of the category {category}; give both."
    name = "issue" if "issue" in given else "category"
    raise ValidationFailed(errors=[FieldError.at(f"/{name}", "invalid", text)])


def _safety(uow: UnitOfWork, complaint: Complaint) -> bool:
    return any(item.issue in in_force().safety_issues for item in queries.issues_of(uow.session, complaint.id))


def remove(uow: UnitOfWork, part: Part[Issue]) -> UUID:
    """Take off what was added by mistake; only while the complaint is open (the route checks). Raises `LastIssue`, and
    `IssueInUse` with all that stands on it.
    """
    complaint, issue = part.complaint, part.row
    if complaint.issue_count == 1:
        raise LastIssue
    uses = [*_uses(issue), *issue_queries.merges_that_need(uow.session, complaint.id, issue.id, uow.now)]
    if uses:
        raise IssueInUse(uses=uses)
    before = changes.values_of(complaint)
    known = {name: value for name in ("position", *_GIVEN) if (value := getattr(issue, name)) is not None}
    uow.session.delete(issue)
    uow.session.flush()  # the promises read what is left
    complaint.issue_count -= 1
    complaint.safety = _safety(uow, complaint)
    complaint.changed_at(uow.now)
    uow.record(
        IssueRemoved(
            complaint_id=complaint.id,
            reference=complaint.reference,
            issue_id=issue.id,
            changes=differences(known, dict.fromkeys(known)),
            complaint_changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    return complaint.id


def _uses(issue: Issue) -> list[dict[str, str]]:
    return [
        {"what": name, "id": str(issue.id), "name": str(value)}
        for name in _FOUND
        if (value := getattr(issue, name)) is not None
    ]
