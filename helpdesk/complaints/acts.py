"""The one door through which a complaint changes its state, whoever asks: an agent, a customer, the system.

`act` reads the lifecycle table, applies what the action does to the row (one small function per action, below), writes
the status and one transition row, and records what happened. Nothing else assigns `status`.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import assessments, person_queries, queries, remedies
from helpdesk.complaints.changes import Watch
from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.complaints.events import BY_ACTION
from helpdesk.complaints.lifecycle import BY_THE_COMPLAINT, CLOSING, LIFECYCLE, ON_THE_SPOT_TRACK
from helpdesk.complaints.models import Complaint, Issue, TransitionRow
from helpdesk.complaints.phrases import said
from helpdesk.complaints.taxonomy import case_outcome
from helpdesk.complaints.thread import add_message, unmailable
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.rich_text import from_html, from_text, joined
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.kernel.words import with_article
from helpdesk.taxonomy.in_force import in_force

LETTER_PARTS: Final = ("finding", "reasons", "remedy", "next_stage")

BY_FACTS: Final = "facts"
"""`cause` in what the system gives to `set_severity`; a person gives none."""


def act(uow: UnitOfWork, actor: Actor, complaint: Complaint, action: str, given: dict[str, Any]) -> Complaint:
    """Do `action` on a locked complaint. Raises as `check` does, and `ValidationFailed` for a body that does not fit the
    row (an issue that is not this complaint's).
    """
    check(uow.session, actor, complaint, action)
    return carry_out(uow, actor, complaint, action, given)


BY_MAIL: Final = "EMAIL"
"""The channel by which nobody can have been told who has no address, or where no mail goes out; of any other the agent's
word counts.
"""


def check(session: Session, actor: Actor, complaint: Complaint, action: str) -> None:
    """What can be said before the body is looked at: `Forbidden` or `ConflictOfInterest` (403), then `ActionNotAllowed`
    (409).
    """
    for permission in LIFECYCLE.by_action(action).permissions(complaint):
        require(actor, permission)
    if action in CLOSING and _is_about(session, complaint, actor):
        raise ConflictOfInterest
    queries.know_demands(session, complaint)
    complaint.case_limit = remedies.case_limit(session, actor, complaint)
    LIFECYCLE.transition(action, complaint.status, complaint, actor.may)


def carry_out(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    action: str,
    given: dict[str, Any],
    *,
    watch: Watch | None = None,
) -> Complaint:
    """`act` for whoever has called `check` in the same transaction (a route does, before it reads the body). `watch`: begun
    earlier, by an act of which this is one part.
    """
    complaint.children_open = queries.open_children(uow.session, actor, complaint.id) if complaint.child_count else 0
    complaint.case_limit = remedies.case_limit(uow.session, actor, complaint)
    step = LIFECYCLE.transition(action, complaint.status, complaint, actor.may, given)
    watch = watch or Watch(uow.session, complaint)
    came_from = complaint.status
    _EFFECTS[action](uow, actor, complaint, given)
    complaint.status = step.target or (given["back_to"] if step.back_to else came_from)
    complaint.transition_count += 1
    complaint.changed_at(uow.now)
    supplied = json_safe(given)
    uow.add_rows(
        TransitionRow,
        [
            {
                "id": new_id(),
                "complaint_id": complaint.id,
                "number": complaint.transition_count,
                "action": action,
                "from_status": came_from,
                "to_status": complaint.status,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "at": uow.now,
                "given": supplied,
            }
        ],
    )
    uow.record(
        BY_ACTION[action](
            complaint_id=complaint.id,
            reference=complaint.reference,
            action=action,
            record_type=complaint.record_type,
            from_status=came_from,
            to_status=complaint.status,
            severity=complaint.severity,
            waiting_on=complaint.waiting_on,
            acknowledged=complaint.acknowledged_at is not None,
            reopened_count=complaint.reopened_count,
            changes=watch.changes(),
            issues=watch.issue_changes(),
            given=supplied,
        ),
        stream=complaint,
        actor=actor,
    )
    return complaint


def _is_about(session: Session, complaint: Complaint, actor: Actor) -> bool:
    return actor.person_id is not None and person_queries.is_subject(session, complaint.id, actor.person_id)


def _acknowledge(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    people = person_queries.recipients_of(uow.session, complaint.id)
    problems = unmailable(uow, people, "/channel") if given["channel"] == BY_MAIL and given.get("mailed", True) else []
    if problems:
        raise ValidationFailed(errors=problems)
    language = (people[0].language if people else None) or complaint.language
    values = {"reference": complaint.reference, "record_type": complaint.record_type}
    complaint.acknowledged_at = uow.now
    add_message(
        uow,
        actor,
        complaint,
        kind="public_reply",
        body=given.get("text") or said("acknowledgement", language, **values),
        purpose="acknowledgement",
        channel=given["channel"],
        mailed=given.get("mailed", True),
    )


def _triage(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    complaint.impact, complaint.urgency = given["impact"], given["urgency"]
    complaint.track = given["track"]
    complaint.triaged_at = uow.now
    issues = queries.issues_of(uow.session, complaint.id)
    if issues:
        issues[0].category, issues[0].issue = given["category"], given["issue"]
    complaint.safety = any(issue.issue in in_force().safety_issues for issue in issues)
    assessments.triage(uow, actor, complaint)
    if complaint.track == ON_THE_SPOT_TRACK:
        _check_on_the_spot(complaint)


def _check_on_the_spot(complaint: Complaint) -> None:
    """What is judged to be settled on the spot could be, by somebody with the authority for its offers."""
    against = [
        FieldError.at("/track", need.code, f"It cannot be settled on the spot: {need.detail}")
        for need in BY_THE_COMPLAINT
        if not need.holds(complaint)
    ]
    if against:
        raise ValidationFailed(errors=against)


def _set_severity(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    if given["severity"] == complaint.severity:
        text = f"It is {complaint.severity} already."
        raise ValidationFailed(errors=[FieldError.at("/severity", "unchanged", text)])
    if given.get("cause") == BY_FACTS:
        complaint.severity = given["severity"]  # `reassessment` keeps how
    else:
        assessments.set_by_person(uow, actor, complaint, given["severity"], given["reason"])


def _ask_customer(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    complaint.waiting_on = "customer"
    add_message(uow, actor, complaint, kind="public_reply", body=given["message"], purpose="question")


def _ask_third_party(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    complaint.waiting_on = "third_party"
    add_message(uow, actor, complaint, kind="internal_note", body=given["note"], purpose="third_party")


def _resume(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, _given: dict[str, Any]) -> None:
    complaint.waiting_on = "us"


def _investigate(uow: UnitOfWork, _actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    for issue, item in _per_issue(uow, complaint, given["findings"], "findings"):
        _find(issue, item, given["root_cause"])
    complaint.fault = given["fault"]
    complaint.root_cause = given["root_cause"]
    complaint.contributing_causes = given.get("contributing_causes") or []
    complaint.investigated_at = uow.now
    complaint.waiting_on = "us"


def _find(issue: Issue, item: dict[str, Any], root_cause: str | None) -> None:
    issue.finding = item["finding"]
    issue.cause = item.get("cause") or root_cause
    issue.evidence = item.get("evidence")
    issue.no_evidence_reason = item.get("no_evidence_reason")


def _resolve(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    outcomes = []
    investigated = complaint.status == "investigated"
    for issue, item in _per_issue(uow, complaint, given["outcomes"], "outcomes"):
        if investigated and issue.finding is None and "finding" not in item:
            place = given["outcomes"].index(item)
            text = "This issue was added after the investigation: say what was found, and the evidence."
            raise ValidationFailed(errors=[FieldError.at(f"/outcomes/{place}/finding", "required", text)])
        if "finding" in item:
            _find(issue, item, complaint.root_cause)
        issue.outcome = item["outcome"]
        outcomes.append(item["outcome"])
    _decide_remedy(complaint, given["remedy"])
    complaint.outcome = case_outcome(outcomes)
    complaint.resolved_at = uow.now
    complaint.waiting_on = "nobody"
    letter = given["letter"]
    read = from_html if letter.get("format") == "html" else from_text
    body = joined(read(letter[part]) for part in LETTER_PARTS)
    add_message(uow, actor, complaint, kind="public_reply", body=body, purpose="decision_letter")


def _resolve_on_the_spot(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    complaint.fault = given["fault"]
    if complaint.acknowledged_at is None:
        complaint.acknowledged_at = uow.now  # the answer is the acknowledgement
    _resolve(uow, actor, complaint, given)


def _decide_remedy(complaint: Complaint, remedy: dict[str, Any]) -> None:
    """At least one offer that may be kept, or the reason why there is none. The letter tells the complainant of it: a
    draft that an approver may still refuse is no remedy, and an offer beside "none" would make the letter untrue. What
    was decided before a reopening is no decision now.
    """
    reason = remedy.get("none_because")
    if reason is None and complaint.offers_approved == 0:
        code, text = "required", "Draft an offer first (POST /complaints/{ref}/offers), or say why there is none."
        if complaint.offers_drafted:
            code, text = "offer_not_approved", "The offer on it is not approved yet: submit it, or have it approved."
    elif reason is not None and (complaint.offers_approved or complaint.offers_drafted):
        code, text = "offers_live", "There is an offer on it: take it back first, or leave this out."
    else:
        complaint.no_remedy_reason = reason
        return
    raise ValidationFailed(errors=[FieldError.at("/remedy/none_because", code, text)])


def _follow_up(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    complaint.followed_up_at = uow.now
    if given.get("note"):
        add_message(uow, actor, complaint, kind="internal_note", body=given["note"], purpose="follow_up")


def _reopen(uow: UnitOfWork, _actor: Actor, complaint: Complaint, _given: dict[str, Any]) -> None:
    for issue in queries.issues_of(uow.session, complaint.id):
        issue.outcome = None  # the case's outcome is derived from these; what was decided stands in the history
    complaint.reopened_count += 1
    if complaint.record_type == "complaint":
        complaint.double_deviation = True
        complaint.escalation_level = min(complaint.escalation_level + 1, 3)
    complaint.waiting_on = "us"
    complaint.dismissal = None
    complaint.outcome = None
    complaint.resolved_at = complaint.followed_up_at = None
    complaint.no_remedy_reason = None
    complaint.offers_approved = 0


def _answer(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    if complaint.acknowledged_at is None:
        complaint.acknowledged_at = uow.now  # the answer is the acknowledgement
    complaint.resolved_at = uow.now
    complaint.waiting_on = "nobody"
    add_message(uow, actor, complaint, kind="public_reply", body=given["text"], purpose="answer")


def _convert(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    """It begins anew as what it is, with its reference, its thread and its time of receipt. What had been judged of it as
    a complaint stands in the history.
    """
    if given["record_type"] == complaint.record_type:
        text = f"It is {with_article(complaint.record_type)} already."
        raise ValidationFailed(errors=[FieldError.at("/record_type", "unchanged", text)])
    complaint.record_type = given["record_type"]
    complaint.resolved_at = complaint.investigated_at = None
    complaint.fault = complaint.root_cause = complaint.contributing_causes = complaint.track = None
    complaint.no_remedy_reason = None
    if complaint.waiting_on == "nobody":
        complaint.waiting_on = "us"
    if complaint.record_type == "complaint":
        assessments.convert(uow, actor, complaint)


def _withdraw(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, _given: dict[str, Any]) -> None:
    complaint.waiting_on = "nobody"


def _dismiss(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    if given["reason_code"] == "not_a_complaint" and complaint.record_type != "complaint":
        text = f"It is {with_article(complaint.record_type)}, and nobody said otherwise: answer it."
        raise ValidationFailed(errors=[FieldError.at("/reason_code", "record_type", text)])
    complaint.dismissal = given["reason_code"]
    complaint.waiting_on = "nobody"


def _merge(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    """Its own part; `merging` does the other complaint's, and gives `merged_into_id` beside the body."""
    complaint.dismissal = "duplicate"
    complaint.merged_into_id = given["merged_into_id"]
    complaint.waiting_on = "nobody"


def _unmerge(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    """`merging` gives where it stood beside the body: `back_to` and `waiting_on`."""
    complaint.dismissal = None
    complaint.merged_into_id = None
    complaint.waiting_on = given["waiting_on"]


def _escalate(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, _given: dict[str, Any]) -> None:
    complaint.escalation_level += 1


def _de_escalate(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, _given: dict[str, Any]) -> None:
    complaint.escalation_level -= 1


def _refer(_uow: UnitOfWork, _actor: Actor, complaint: Complaint, _given: dict[str, Any]) -> None:
    complaint.stage = "external"


def _per_issue(uow: UnitOfWork, complaint: Complaint, items: list[dict[str, Any]], name: str) -> list[tuple[Any, Any]]:
    """Each of the complaint's issues with its item. Every issue needs exactly one; a complaint with one issue need not
    name it. Raises `ValidationFailed` naming every item that does not fit.
    """
    issues = queries.issues_of(uow.session, complaint.id)
    if len(issues) == 1 and len(items) == 1 and items[0].get("issue_id") is None:
        return [(issues[0], items[0])]
    by_id = {issue.id: issue for issue in issues}
    problems, seen, pairs = [], set(), []
    for place, item in enumerate(items):
        issue_id = item.get("issue_id")
        if issue_id not in by_id or issue_id in seen:
            text = "Name each issue of this complaint once: " + ", ".join(map(str, by_id)) + "."
            problems.append(FieldError.at(f"/{name}/{place}/issue_id", "unknown", text))
        else:
            seen.add(issue_id)
            pairs.append((by_id[issue_id], item))
    left = [str(issue_id) for issue_id in by_id if issue_id not in seen]
    if left and not problems:
        problems.append(FieldError.at(f"/{name}", "incomplete", f"Also needed for the issues {', '.join(left)}."))
    if problems:
        raise ValidationFailed(errors=problems)
    return pairs


_EFFECTS: Final[dict[str, Callable[[UnitOfWork, Actor, Complaint, dict[str, Any]], None]]] = {
    "acknowledge": _acknowledge,
    "triage": _triage,
    "set_severity": _set_severity,
    "ask_customer": _ask_customer,
    "ask_third_party": _ask_third_party,
    "resume": _resume,
    "investigate": _investigate,
    "resolve": _resolve,
    "resolve_on_the_spot": _resolve_on_the_spot,
    "answer": _answer,
    "follow_up": _follow_up,
    "reopen": _reopen,
    "withdraw": _withdraw,
    "dismiss": _dismiss,
    "convert": _convert,
    "merge": _merge,
    "unmerge": _unmerge,
    "escalate": _escalate,
    "de_escalate": _de_escalate,
    "refer_externally": _refer,
}
