"""A complaint with all that belongs to it, as it is shown: one statement."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.complaints.lifecycle import CLOSING, LIFECYCLE
from helpdesk.complaints.models import Complaint, Issue, Need, Person
from helpdesk.complaints.queries import DEMANDED, SUMMARY, find, of_one, open_children, reference_of
from helpdesk.complaints.remedies import case_limit
from helpdesk.complaints.severity_models import SeverityAssessment
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.taxonomy.in_force import in_force

_COMPLAINT: Final = Complaint.__table__.c


def _children(model: type[Any], order: str, *names: str) -> Any:
    """A sub-resource as one JSON array column, so that a complaint with all that belongs to it is one statement."""
    pairs: list[Any] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), model.__table__.c[name]]
    rows = (
        select(func.json_build_object(*pairs).label("item"))
        .where(model.__table__.c.complaint_id == _COMPLAINT.id)
        .order_by(model.__table__.c[order])
        .correlate(Complaint.__table__)
        .subquery()
    )
    return select(func.coalesce(func.json_agg(rows.c.item), func.json_build_array())).scalar_subquery()


_ISSUES = _children(
    Issue,
    "position",
    "id",
    "category",
    "issue",
    "detail",
    "finding",
    "evidence",
    "no_evidence_reason",
    "cause",
    "outcome",
).label("issues")
_PEOPLE = _children(
    Person,
    "id",
    "id",
    "role",
    "name",
    "email",
    "phone",
    "language",
    "region",
    "postcode",
    "authority",
    "customer_id",
    "agent_id",
).label("people")
_NEEDS = _children(Need, "id", "id", "flag", "adjustment", "consent", "ground", "expires_at").label("needs")

_ASSESSED: Final = (
    select(SeverityAssessment.reasons)
    .where(SeverityAssessment.complaint_id == _COMPLAINT.id)
    .order_by(SeverityAssessment.id.desc())
    .limit(1)
    .correlate(Complaint.__table__)
    .scalar_subquery()
    .label("assessed")
)
"""How the present severity came about; None where nothing told."""

_DETAIL = select(
    *SUMMARY,
    _COMPLAINT.description,
    _COMPLAINT.language,
    _COMPLAINT.impact,
    _COMPLAINT.urgency,
    _COMPLAINT.triaged_at,
    _COMPLAINT.investigated_at,
    _COMPLAINT.followed_up_at,
    _COMPLAINT.created_at,
    _COMPLAINT.double_deviation,
    _COMPLAINT.dismissal,
    _COMPLAINT.merged_into_id,
    _COMPLAINT.child_count,
    _COMPLAINT.outcome,
    _COMPLAINT.fault,
    _COMPLAINT.root_cause,
    _COMPLAINT.contributing_causes,
    _COMPLAINT.no_remedy_reason,
    _COMPLAINT.offers_live,
    _COMPLAINT.offers_drafted,
    _COMPLAINT.offers_minor,
    _COMPLAINT.remedies_undelivered,
    _COMPLAINT.issue_count,
    _COMPLAINT.safety,
    _COMPLAINT.price_minor,
    _COMPLAINT.loss_minor,
    _COMPLAINT.currency,
    _COMPLAINT.jurisdiction,
    _COMPLAINT.sector,
    _COMPLAINT.source_data,
    _ISSUES,
    _PEOPLE,
    _NEEDS,
    _ASSESSED,
    DEMANDED,
)


def detail(session: Session, actor: Actor, ref: str | UUID) -> dict[str, Any]:
    """A complaint with its issues, people, needs, and what this caller can do with it; one statement.

    By id (`UUID`) it is shown to whoever has just changed it, even where the change (another team) took it out of
    their sight; by `ref` only to whom it is visible.
    """
    if isinstance(ref, UUID):
        found = session.execute(of_one(_DETAIL, "id", "everything"), {"named": ref})
    else:
        found = find(session, _DETAIL, actor, ref)
    shown: dict[str, Any] = dict(existing(found.mappings().one_or_none()))
    currency = shown["currency"]
    for name in ("price", "loss"):
        minor = shown.pop(f"{name}_minor")
        shown[name] = None if minor is None else (minor, currency)
    for need in shown["needs"]:  # JSON has no times
        need["expires_at"] = need["expires_at"] and datetime.fromisoformat(need["expires_at"])
    # What each rule found is not told here: not everybody may see the complaints that it found.
    reasons = shown.pop("assessed") or ()
    shown["severity_reasons"] = [{"rule": reason["rule"], "severity": reason["severity"]} for reason in reasons]
    merged_into_id = shown["merged_into_id"]
    shown["merged_into"] = None if merged_into_id is None else reference_of(session, actor, merged_into_id)
    facts = SimpleNamespace(
        **shown,
        regulator=shown["channel"] in in_force().regulator_channels,
        children_open=open_children(session, actor, shown["id"]) if shown["child_count"] else 0,
    )
    facts.case_limit = case_limit(session, actor, facts)
    shown["allowed_actions"] = LIFECYCLE.allowed(shown["status"], facts, actor.may)
    if any(person["agent_id"] == str(actor.person_id) for person in shown["people"] if person["role"] == "subject"):
        for item in shown["allowed_actions"]:
            if item["action"] in CLOSING:
                item["missing"] = [*item["missing"], _CONFLICT]
    return shown


_CONFLICT: Final = {
    "code": ConflictOfInterest.code,
    "detail": "the complaint is about you; have a colleague decide it.",
}
