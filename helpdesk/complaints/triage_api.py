"""What triage goes on: severity with its reasons, and whether a complaint may be settled on the spot."""

from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import severity_queries, triage_queries
from helpdesk.complaints.triage_schemas import SeverityAssessment, SeverityOverride, SeverityOverrideQuery, Triage
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery

blp = Blueprint("triage", __name__, description="How severe complaints are and why, and what triage goes on.")


@blp.read(
    "/complaints/<ref>/triage",
    operation_id="get_complaint_triage",
    summary="How severe it is and why, and whether it may be settled on the spot",
    description="`assessment` is how the present severity came about, `judged_now` what the rules would give now: where "
    "they differ, triage anew. The rules are in `GET /taxonomy/severity`; as they ship: the matrix of impact and urgency; "
    "safety and safeguarding are S1; somebody vulnerable without an essential service, the channel of a regulator, ombudsman "
    "or executive office, and disclosed data are S2 at least; the same issue of the same customer within 90 days is a level "
    "more. `on_the_spot` is the rule that guards `resolve_on_the_spot`, with every reason against it.",
    answer=Triage,
    permission="complaint:read",
)
def get_triage(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    shown = triage_queries.triage_of(session, actor, ref)
    return {**shown, "category_suggestions": f"/api/v1/complaints/{shown['reference']}/category-suggestions"}


@blp.read(
    "/complaints/<ref>/severity-assessments",
    operation_id="list_complaint_severity_assessments",
    summary="How its severity came about, each time; the present one first",
    answer=SeverityAssessment,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_assessments(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return severity_queries.assessments(session, actor, page, given, ref)


@blp.read(
    "/severity-overrides",
    operation_id="list_severity_overrides",
    summary="Severities that people set against or beside the rules, the latest first",
    answer=SeverityOverride,
    query=SeverityOverrideQuery,
    permission="complaint:read",
    paged=True,
)
def list_overrides(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return severity_queries.overrides(session, actor, page, given)
