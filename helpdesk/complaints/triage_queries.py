"""What triage has to go on: the present severity and why, what holds now, and whether it may be settled on the spot."""

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints import assessments, person_queries, queries, remedies, severity, severity_queries
from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.severity_models import SeverityAssessment
from helpdesk.identity.actors import Actor
from helpdesk.kernel.words import with_article
from helpdesk.taxonomy.in_force import in_force

_SETTLE: Final = LIFECYCLE.by_action("resolve_on_the_spot")


def triage_of(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    complaint = queries.get_visible(session, actor, ref)
    now = actor.seen_at or session.execute(select(func.now())).scalar_one()
    last = severity_queries.last_assessment(session, complaint.id)
    judged = severity.Judgement(None, ())
    if complaint.record_type == "complaint":
        facts = assessments.facts_of(session, complaint, now)
        judged = severity.judge(facts, complaint.impact, complaint.urgency, in_force())
    holding = {"reasons": [reason.as_data() for reason in judged.reasons]}
    shown = [holding] if last is None else [holding, _row(last)]
    named = severity_queries.named(session, actor, shown)
    return {
        "complaint_id": complaint.id,
        "reference": complaint.reference,
        "severity": complaint.severity,
        "impact": complaint.impact,
        "urgency": complaint.urgency,
        "track": complaint.track,
        "triaged_at": complaint.triaged_at,
        "provisional": last is None and complaint.triaged_at is None,
        "assessment": None if last is None else named[1],
        "judged_now": judged.severity,
        "reasons_now": named[0]["reasons"],
        "systemic": judged.systemic,
        "rules_version": in_force().severity.version,
        "taxonomy_version": in_force().version,
        "on_the_spot": _on_the_spot(session, actor, complaint),
    }


def _row(row: SeverityAssessment) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in SeverityAssessment.__table__.columns}


def _on_the_spot(session: Session, actor: Actor, complaint: Complaint) -> dict[str, Any]:
    """The very requirements that guard the action, each with whether it is met, and whatever else stands against it."""
    complaint.case_limit = remedies.case_limit(session, actor, complaint)
    complaint.children_open = queries.open_children(session, actor, complaint.id) if complaint.child_count else 0
    queries.know_demands(session, complaint)
    checks = [{"code": need.code, "detail": need.detail, "met": need.holds(complaint)} for need in _SETTLE.requires]
    reasons = LIFECYCLE.missing(_SETTLE, complaint)
    if not _SETTLE.exists_for(complaint):
        reasons.insert(
            0, {"code": "only_complaints", "detail": f"it is {with_article(complaint.record_type)}; answer it."}
        )
    if complaint.status not in _SETTLE.sources:
        reasons.insert(
            0, {"code": "state", "detail": f"it is {complaint.status}; on the spot means at the first contact."}
        )
    if not all(map(actor.may, _SETTLE.permissions(complaint))):
        reasons.append({"code": "forbidden", "detail": "your role may not decide the outcome."})
    elif actor.person_id is not None and person_queries.is_subject(session, complaint.id, actor.person_id):
        reasons.append({"code": ConflictOfInterest.code, "detail": "the complaint is about you."})
    return {"allowed": not reasons, "reasons": reasons, "checks": checks}
