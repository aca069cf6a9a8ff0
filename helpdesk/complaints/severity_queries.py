"""What the rules of severity look up, and the assessments there were."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, distinct, func, select, text
from sqlalchemy.orm import Session

from helpdesk.complaints.models import IS_OPEN, Complaint, Issue
from helpdesk.complaints.queries import visible_id, visible_to
from helpdesk.complaints.severity_models import SeverityAssessment
from helpdesk.identity.actors import Actor
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

REPEATS_SHOWN: Final = 10


def repeats(session: Session, complaint: Complaint, issues: Sequence[str], within: timedelta) -> list[UUID]:
    """Complaints of the same customer of one of the same issues, received in the days before this one; newest first. What
    was found to be none of ours (dismissed) is no repeat, and neither is what was received with it: the other part of a
    complaint that was split.
    """
    if complaint.customer_id is None or not issues:
        return []
    same = select(Issue.complaint_id).where(Issue.complaint_id == Complaint.id, Issue.issue.in_(issues))
    statement = (
        select(Complaint.id)
        .where(
            Complaint.customer_id == complaint.customer_id,
            Complaint.received_at >= complaint.received_at - within,
            Complaint.received_at < complaint.received_at,
            Complaint.record_type == "complaint",
            Complaint.status != "dismissed",
            same.exists(),
        )
        .order_by(Complaint.received_at.desc(), Complaint.id.desc())
        .limit(REPEATS_SHOWN)
    )
    return list(session.scalars(statement))


def alike(
    session: Session, complaint: Complaint, issues: Sequence[str], window: tuple[datetime, datetime]
) -> dict[str, int]:
    """Issue -> how many open complaints of it were received in the window, this one included."""
    if not issues:
        return {}
    since, until = window
    statement = (
        select(Issue.issue, func.count(distinct(Complaint.id)))
        .join(Complaint, Complaint.id == Issue.complaint_id)
        .where(
            text(IS_OPEN),
            Complaint.record_type == "complaint",
            Complaint.received_at >= since,
            Complaint.received_at <= until,
            Complaint.id != complaint.id,
            Issue.issue.in_(issues),
        )
        .group_by(Issue.issue)
    )
    counted = {issue: count for issue, count in session.execute(statement) if issue is not None}
    return {issue: counted.get(issue, 0) + 1 for issue in issues}


def last_assessment(session: Session, complaint_id: UUID) -> SeverityAssessment | None:
    statement = select(SeverityAssessment).where(SeverityAssessment.complaint_id == complaint_id)
    return session.scalars(statement.order_by(SeverityAssessment.id.desc()).limit(1)).one_or_none()


_ASSESSMENT: Final = SeverityAssessment.__table__.c
_SHOWN: Final = (
    _ASSESSMENT.id,
    _ASSESSMENT.cause,
    _ASSESSMENT.severity,
    _ASSESSMENT.before,
    _ASSESSMENT.judged,
    _ASSESSMENT.reasons,
    _ASSESSMENT.systemic,
    _ASSESSMENT.rules_version,
    _ASSESSMENT.taxonomy_version,
    _ASSESSMENT.reason,
    _ASSESSMENT.actor_kind,
    _ASSESSMENT.actor_id,
    _ASSESSMENT.created_at,
)
_NEWEST_FIRST: Final = Order((_ASSESSMENT.id,), (UUID,), descending=True)
_LATEST_FIRST: Final = Order((_ASSESSMENT.created_at, _ASSESSMENT.id), (datetime, UUID), descending=True)


def assessments(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    """Of one complaint, the present one first."""
    complaint_id = visible_id(session, actor, ref)
    statement: AnySelect = select(*_SHOWN).where(_ASSESSMENT.complaint_id == complaint_id)
    rows, cursor, total = listed(session, page, statement, _NEWEST_FIRST, given)
    return named(session, actor, [dict(row) for row in rows]), cursor, total


def overrides(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """Severities that people set, on complaints that the caller may see; the latest first."""
    statement: AnySelect = (
        select(*_SHOWN, Complaint.id.label("complaint_id"), Complaint.reference)
        .join(Complaint, Complaint.id == _ASSESSMENT.complaint_id)
        .where(_ASSESSMENT.cause == "set", visible_to(actor))
    )
    if "set_from" in given:
        statement = statement.where(_ASSESSMENT.created_at >= given["set_from"])
    if "set_before" in given:
        statement = statement.where(_ASSESSMENT.created_at < given["set_before"])
    rows, cursor, total = listed(session, page, statement, _LATEST_FIRST, given)
    return named(session, actor, [dict(row) for row in rows]), cursor, total


def named(session: Session, actor: Actor, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the references of the complaints that are evidence, as far as the caller may see them."""
    ids = {
        UUID(complaint_id)
        for row in rows
        for reason in row["reasons"]
        for complaint_id in reason["evidence"].get("complaint_ids", ())
    }
    known = references(session, actor, ids) if ids else {}
    return [row | {"reasons": [_reason(reason, known) for reason in row["reasons"]]} for row in rows]


def references(session: Session, actor: Actor, ids: set[UUID]) -> dict[str, str]:
    found: Sequence[Row[UUID, str]] = session.execute(
        select(Complaint.id, Complaint.reference).where(Complaint.id.in_(ids), visible_to(actor))
    ).all()
    return {str(row.id): row.reference for row in found}


def _reason(reason: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    evidence = dict(reason["evidence"])
    ids = evidence.pop("complaint_ids", None)
    if ids is not None:
        evidence["references"] = [known[complaint_id] for complaint_id in ids if complaint_id in known]
    return {**reason, "evidence": evidence}
