from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.queries import get_visible
from helpdesk.identity.actors import Actor
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import (
    claims,
    compensation,
    errors,
    guard_queries,
    guard_schemas,
    guard_setting,
    queries,
    reviews,
    suggestions,
)
from helpdesk.recovery.guard_queries import Head, HeldReview

blp = Blueprint(
    "guards", __name__, description="What looks twice: at a claim, and at compensation for the same matter."
)

_SEES = "claim_score:read"


@blp.read(
    "/recovery-guards",
    operation_id="get_guard_rules",
    summary="The numbers by which the guards look, as they hold now",
    answer=guard_schemas.GuardRules,
    permission=_SEES,
)
def get_rules(session: Session, _actor: Actor) -> dict[str, Any]:
    return guard_queries.rules_detail(session)


def _show_rules(session: Session, _actor: Actor, _head: Head) -> dict[str, Any]:
    return guard_queries.rules_detail(session)


@blp.write(
    "/recovery-guards",
    operation_id="replace_guard_rules",
    summary="Set the guards' numbers: all of them, from now on",
    description="What is submitted and drafted from now on goes by them. Reviews keep the number of the version that they were "
    "opened by.",
    method="PUT",
    body=guard_schemas.GuardRulesIn,
    answer=guard_schemas.GuardRules,
    permission="guard:manage",
    load=guard_queries.head_for_update,
    show=_show_rules,
    if_match="required",
)
def replace_rules(uow: UnitOfWork, actor: Actor, head: Head, given: dict[str, Any]) -> Head:
    return guard_setting.replace(uow, actor, head, given)


@blp.read(
    "/recovery-guards/versions",
    operation_id="list_guard_rules_versions",
    summary="Every version of the guards' numbers, the newest first",
    answer=guard_schemas.GuardRulesVersion,
    query=PageQuery,
    permission=_SEES,
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return guard_queries.list_versions(session, page, given)


@blp.read(
    "/recovery-guards/versions/<version:version>",
    operation_id="get_guard_rules_version",
    summary="One version of the guards' numbers",
    answer=guard_schemas.GuardRulesVersion,
    permission=_SEES,
)
def get_version(session: Session, _actor: Actor, version: int) -> dict[str, Any]:
    return guard_queries.version_detail(session, version)


@blp.read(
    "/complaints/<ref>/claim-score",
    operation_id="get_claim_score",
    summary="How much about a claim asks for a second look, with every reason",
    description="No probability and no verdict: most honest people meet some of it. It changes no suggestion and refuses "
    "nothing; from `threshold` on an offer beyond what is owed waits for a review. Nobody vulnerable is scored. It is told to "
    "nobody but the holders of `claim_score:read`, stands in no timeline, no evidence pack, and never before the customer.",
    answer=guard_schemas.ClaimScore,
    permission=_SEES,
)
def get_score(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    complaint = get_visible(session, actor, ref)
    return claims.shown(session, actor, claims.look_at(session, complaint))


@blp.read(
    "/complaints/<ref>/compensations",
    operation_id="get_compensations",
    summary="What the same matter was compensated with, on this complaint's kin",
    description="What `POST /complaints/{ref}/offers` would refuse to add to (`already_compensated`): offers for money that did "
    "not come to nothing, on complaints that were merged into this one or are linked as its duplicates, that name the same "
    "order, that are the same person's and about the same issue, or with which this one was one complaint when they were drafted.",
    answer=guard_schemas.SameMatter,
    permission="offer:read",
)
def get_compensations(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    complaint = get_visible(session, actor, ref)
    found = compensation.same_matter(session, complaint, queries.clock(session))
    owed = suggestions.suggestion_for(session, complaint).suggestion.owed
    return compensation.evidence(session, actor, found, None, owed)


@blp.read(
    "/claim-reviews",
    operation_id="list_claim_reviews",
    summary="Claims that were sent to review, the oldest first",
    answer=guard_schemas.ClaimReview,
    query=guard_schemas.ReviewQuery,
    permission=_SEES,
    paged=True,
)
def list_reviews(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return guard_queries.list_reviews(session, actor, page, given)


@blp.read(
    "/claim-reviews/<uuid:review_id>",
    operation_id="get_claim_review",
    summary="One review",
    answer=guard_schemas.ClaimReview,
    permission=_SEES,
)
def get_review(session: Session, actor: Actor, review_id: UUID) -> dict[str, Any]:
    return guard_queries.review_detail(session, actor, review_id)


@blp.write(
    "/claim-reviews/<uuid:review_id>/settle",
    operation_id="settle_claim_review",
    summary="Give a reviewer's word, with the reason",
    description="Offers on the complaint can then be approved as any others. Not by whoever drafted the offer.",
    body=guard_schemas.ReviewIn,
    answer=guard_schemas.ClaimReview,
    permission="claim:review",
    load=guard_queries.hold_review,
    check=reviews.check_settle,
    show=guard_queries.review_detail,
    if_match="required",
    errors=(errors.OwnReview, errors.ReviewClosed),
)
def settle_review(uow: UnitOfWork, actor: Actor, held: HeldReview, given: dict[str, Any]) -> UUID:
    return reviews.settle(uow, actor, held, given)


@blp.read(
    "/reports/duplicate-overrides",
    operation_id="list_duplicate_overrides",
    summary="Offers that were drafted though the same matter was compensated already, and why; the newest first",
    answer=guard_schemas.DuplicateOverride,
    query=guard_schemas.OverrideQuery,
    permission="recovery_report:read",
    paged=True,
)
def list_overrides(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return guard_queries.list_overrides(session, actor, page, given)
