"""Selects of the guards' rules, of reviews and of overrides. A review, an override exist for whom their complaint does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_for_update, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.recovery.guard_models import ClaimReview, DuplicateOverride, GuardRulesVersion
from helpdesk.recovery.guard_rules import GuardRules
from helpdesk.recovery.models import Offer
from helpdesk.recovery.queries import with_amount

_RULES: Final = GuardRulesVersion.__table__.c
_VERSION: Final[AnySelect] = select(
    _RULES.id,
    _RULES.number,
    _RULES.content,
    _RULES.reason,
    _RULES.actor_kind,
    _RULES.actor_id,
    _RULES.created_at,
)
_NEWEST: Final = _VERSION.order_by(_RULES.number.desc()).limit(1)
_BY_NUMBER: Final = Order((_RULES.number,), (int,), descending=True)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest version's number, which the whole goes by."""

    number: int

    @property
    def version(self) -> int:
        return self.number

    @property
    def etag(self) -> str:
        return f"v{self.number}"


def head_for_update(session: Session, _actor: Actor) -> Head:
    advisory.lock(session, advisory.Alone.GUARD_RULES)
    return Head(session.execute(select(func.max(_RULES.number))).scalar_one())


def rules_in_force(session: Session) -> GuardRules:
    row = session.execute(_NEWEST).one()
    return GuardRules.of(row.number, row.content)


def rules_detail(session: Session) -> dict[str, Any]:
    shown = _shown(session.execute(_NEWEST).mappings().one())
    return shown | {"version": shown["number"]}


def content_of(session: Session, number: int) -> dict[str, Any]:
    found: dict[str, Any] = session.execute(select(_RULES.content).where(_RULES.number == number)).scalar_one()
    return found


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    shown = dict(row)
    return {**shown, **shown.pop("content")}


def list_versions(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    rows, cursor, total = listed(session, page, _VERSION, _BY_NUMBER, given)
    return [_shown(row) for row in rows], cursor, total


def version_detail(session: Session, number: int) -> dict[str, Any]:
    return _shown(existing(session.execute(_VERSION.where(_RULES.number == number)).mappings().one_or_none()))


_REVIEW: Final[AnySelect] = (
    select(
        ClaimReview.id,
        ClaimReview.complaint_id,
        Complaint.reference.label("complaint_reference"),
        ClaimReview.offer_id,
        ClaimReview.state,
        ClaimReview.score,
        ClaimReview.rules,
        ClaimReview.reasons,
        ClaimReview.decision,
        ClaimReview.reason,
        ClaimReview.settled_at,
        ClaimReview.settled_by,
        ClaimReview.version,
        ClaimReview.created_at,
    )
    .select_from(ClaimReview)
    .join(Complaint, Complaint.id == ClaimReview.complaint_id)
)
_BY_REVIEW: Final = Order((ClaimReview.id,), (UUID,))


def list_reviews(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """The oldest first."""
    statement = _REVIEW.where(visible_to(actor))
    if "state" in given:
        statement = statement.where(ClaimReview.state == given["state"])
    rows, cursor, total = listed(session, page, statement, _BY_REVIEW, given)
    return _with_complaints(session, actor, [dict(row) for row in rows]), cursor, total


def review_detail(session: Session, actor: Actor, review_id: UUID) -> dict[str, Any]:
    row = session.execute(_REVIEW.where(ClaimReview.id == review_id, visible_to(actor))).mappings().one_or_none()
    return _with_complaints(session, actor, [dict(existing(row))])[0]


def _with_complaints(session: Session, actor: Actor, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reasons name the complaints they were found in: those that the actor may see, and how many others."""
    named = {UUID(each) for row in rows for reason in row["reasons"] or () for each in reason["complaints"]}
    known = references(session, actor, sorted(named))
    return [row | {"reasons": [shown_reason(reason, known) for reason in row["reasons"] or ()]} for row in rows]


def references(session: Session, actor: Actor, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Of those complaints that the actor may see."""
    if not ids:
        return {}
    rows = session.execute(select(Complaint.id, Complaint.reference).where(Complaint.id.in_(ids), visible_to(actor)))
    return {row.id: row.reference for row in rows}


def shown_reason(reason: Mapping[str, Any], known: Mapping[UUID, str]) -> dict[str, Any]:
    ids = [UUID(str(each)) for each in reason["complaints"]]
    seen = [{"id": each, "reference": known[each]} for each in ids if each in known]
    return {**reason, "complaints": seen, "hidden": len(ids) - len(seen)}


@dataclass(frozen=True, slots=True)
class HeldReview:
    """A review and its complaint, both locked, and who drafted the offer that it is about."""

    complaint: Complaint
    review: ClaimReview
    drafted_by: UUID | None

    @property
    def version(self) -> int:
        return self.review.version

    @property
    def etag(self) -> str:
        return self.review.etag


def hold_review(session: Session, actor: Actor, review_id: UUID) -> HeldReview:
    """Locks the complaint, then the review. Raises `NotFound` when this actor may not see the complaint."""
    complaint_id = session.execute(
        select(ClaimReview.complaint_id).where(ClaimReview.id == review_id)
    ).scalar_one_or_none()
    complaint = complaint_for_update(session, actor, str(existing(complaint_id)))
    row = session.execute(
        select(ClaimReview, Offer.drafted_by)
        .join(Offer, Offer.id == ClaimReview.offer_id)
        .where(ClaimReview.id == review_id)
        .with_for_update(of=ClaimReview)
        .execution_options(populate_existing=True)
    ).one()
    return HeldReview(complaint, row[0], row[1])


def open_review(session: Session, complaint_id: UUID) -> ClaimReview | None:
    """For whoever holds the complaint."""
    statement = select(ClaimReview).where(ClaimReview.complaint_id == complaint_id, ClaimReview.state == "open")
    return session.execute(statement.with_for_update()).scalar_one_or_none()


def is_open(session: Session, complaint_id: UUID) -> bool:
    found = select(ClaimReview.id).where(ClaimReview.complaint_id == complaint_id, ClaimReview.state == "open")
    return session.execute(found).first() is not None


def open_among(session: Session, complaint_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these complaints that have an open review, in their order."""
    found = select(ClaimReview.complaint_id).where(
        ClaimReview.complaint_id.in_(complaint_ids), ClaimReview.state == "open"
    )
    return list(session.scalars(found.order_by(ClaimReview.complaint_id))) if complaint_ids else []


def settled_score(session: Session, complaint_id: UUID, round_: int) -> int | None:
    """The highest score that somebody has looked at in this round of the complaint."""
    return session.execute(
        select(func.max(ClaimReview.score)).where(
            ClaimReview.complaint_id == complaint_id, ClaimReview.state == "settled", ClaimReview.round == round_
        )
    ).scalar_one_or_none()


_OVERRIDE: Final[AnySelect] = (
    select(
        DuplicateOverride.id,
        DuplicateOverride.offer_id,
        Offer.complaint_id,
        Complaint.reference.label("complaint_reference"),
        Offer.kind,
        Offer.amount_minor,
        Offer.currency,
        Offer.status,
        DuplicateOverride.reason,
        DuplicateOverride.found,
        DuplicateOverride.given_minor,
        DuplicateOverride.at,
        DuplicateOverride.actor_kind,
        DuplicateOverride.actor_id,
    )
    .select_from(DuplicateOverride)
    .join(Offer, Offer.id == DuplicateOverride.offer_id)
    .join(Complaint, Complaint.id == Offer.complaint_id)
)
_BY_OVERRIDE: Final = Order((DuplicateOverride.id,), (UUID,), descending=True)


def list_overrides(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """The newest first."""
    statement = _OVERRIDE.where(visible_to(actor))
    if "since" in given:
        statement = statement.where(DuplicateOverride.at >= given["since"])
    if "before" in given:
        statement = statement.where(DuplicateOverride.at < given["before"])
    rows, cursor, total = listed(session, page, statement, _BY_OVERRIDE, given)
    return [_override(row) for row in rows], cursor, total


def _override(row: Mapping[Any, Any]) -> dict[str, Any]:
    shown = with_amount(row)
    currency = row["currency"]
    found, given = shown.pop("found"), shown.pop("given_minor")
    return shown | {
        "offers": len(found),
        "shares": sorted({share for each in found for share in each["shares"]}),
        "given": None if currency is None else (given, currency),
    }
