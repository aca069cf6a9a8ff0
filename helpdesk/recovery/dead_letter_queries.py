"""What went wrong with issuing and waits for a person: offers that failed, of which nobody knows whether their provider has
issued them, or of which it says something else than what is recorded.
"""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, column, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.identity.role_queries import holding
from helpdesk.kernel.outbox import Duty
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.kinds import ISSUING_TOPICS
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.provider_answers import ISSUED
from helpdesk.recovery.provider_models import RemedyOrder, RemedyProvider
from helpdesk.recovery.queries import CONTRADICTED, OFFER, with_amount

SETTLES: Final = "offer:issue"
"""The permission of who sees to them."""
REASONS: Final = ("failed", "unknown", "contradicted")

_BY_OFFER: Final = Order((Offer.id,), (UUID,), descending=True)
_WHERE: Final[dict[str, ColumnElement[bool]]] = {
    "contradicted": CONTRADICTED,
    "unknown": Offer.issuance == "unknown",
    "failed": Offer.status == "failed",
}
"""By reason, the first that holds before the others."""

_SINCE: Final = (
    select(func.max(OfferTransition.at)).where(OfferTransition.offer_id == Offer.id).correlate(Offer).scalar_subquery()
)
_OPEN: Final = and_(RemedyOrder.contradicted_at.is_not(None), RemedyOrder.contradiction_settled_at.is_(None))
_ORDER: Final = (
    select(RemedyOrder.id)
    .where(RemedyOrder.offer_id == Offer.id)
    .order_by(_OPEN.desc(), case((_OPEN, RemedyOrder.round)), RemedyOrder.round.desc())
    .limit(1)
    .correlate(Offer)
    .scalar_subquery()
)
"""What a provider was asked last, or the oldest that it contradicts."""
_ANY: Final = aliased(RemedyOrder)
_ITEM: Final = (
    func.jsonb_array_elements(_ANY.contradictions)
    .table_valued(column("value", JSONB), with_ordinality="place", name="item")
    .render_derived()
)
_SAYS: Final = _ITEM.c.value["says"].astext
_PAYMENTS_FIRST: Final = (_ITEM.c.value["word"].astext != ISSUED, _ANY.round, _ITEM.c.place)
_CONTRADICTIONS: Final = (
    select(func.string_agg(_SAYS, aggregate_order_by(literal(" "), *_PAYMENTS_FIRST)))
    .select_from(_ANY)
    .join(_ITEM, true())
    .where(
        _ANY.offer_id == Offer.id,
        _ANY.contradiction_settled_at.is_(None),
        ~_ITEM.c.value["settled"].as_boolean(),
    )
    .correlate(Offer)
    .scalar_subquery()
)
"""All that is to be settled of an offer, whichever issuance it is of, in the order in which `contradictions.settle` takes it."""
_FAILURES: Final = (
    select(func.coalesce(func.max(Duty.failures), 0))
    .where(Duty.topic.in_(ISSUING_TOPICS), Duty.subject_id == Offer.id)
    .correlate(Offer)
    .scalar_subquery()
)
_DEAD: Final[Any] = (
    OFFER.add_columns(
        case(*((condition, literal(reason)) for reason, condition in _WHERE.items())).label("why"),
        func.coalesce(_CONTRADICTIONS, RemedyOrder.contradiction, RemedyOrder.last_error, Offer.status_reason).label(
            "last_error"
        ),
        func.coalesce(RemedyOrder.attempts, _FAILURES).label("attempts"),
        func.coalesce(RemedyOrder.contradicted_at, _SINCE).label("since"),
        RemedyOrder.provider_id,
        RemedyProvider.name.label("provider_name"),
        RemedyOrder.external_id,
    )
    .outerjoin(RemedyOrder, RemedyOrder.id == _ORDER)
    .outerjoin(RemedyProvider, RemedyProvider.id == RemedyOrder.provider_id)
)


def of_provider(
    session: Session, actor: Actor, provider_id: UUID, whys: Collection[str], *, after: UUID | None, limit: int
) -> list[tuple[UUID, str]]:
    """Those of one provider, the oldest offer first: the offer, and why it is one. Only of complaints that the actor may see. `after`:
    of newer offers than this one.
    """
    wanted = and_(or_(*(_WHERE[why] for why in whys)), true() if after is None else Offer.id > after)
    found = (
        _DEAD.where(visible_to(actor), wanted, RemedyOrder.provider_id == provider_id).order_by(Offer.id).limit(limit)
    )
    return [(row.id, row.why) for row in session.execute(found)]


def list_dead_letters(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """Newest offer first, of complaints that the actor may see."""
    wanted = _WHERE[given["why"]] if "why" in given else or_(*_WHERE.values())
    rows, cursor, total = listed(session, page, _DEAD.where(visible_to(actor), wanted), _BY_OFFER, given)
    return [with_amount(row) for row in rows], cursor, total


def seeing_to_them(session: Session) -> list[UUID]:
    """Active agents who may settle what is contradicted, whatever they see."""
    return list(session.scalars(holding(SETTLES)))


RETRIED: Final = (
    "Offers whose provider was asked in vain and is asked again, by the provider's name",
    "provider",
    (
        "SELECT p.name, count(o.id) FROM remedy_provider p LEFT JOIN remedy_order o ON o.provider_id = p.id AND o.closed_at IS NULL "
        "AND o.state = 'open' AND o.last_error IS NOT NULL GROUP BY p.id, p.name ORDER BY count(o.id) DESC, p.id LIMIT 100"
    ),
)
"""A gauge with a label: help, label, query. No provider is ever deleted, so that there may be many; those with the most are shown."""

GAUGES: Final[dict[str, tuple[str, str]]] = {
    "helpdesk_offers_failed": (
        "Offers that were accepted and could not be issued",
        "SELECT count(*) FROM offer WHERE status = 'failed'",
    ),
    "helpdesk_offers_unknown": (
        "Offers of which nobody knows whether their provider has issued them",
        "SELECT count(*) FROM offer WHERE issuance = 'unknown'",
    ),
    "helpdesk_offers_by_hand": (
        "Offers that wait to be issued by hand",
        "SELECT count(*) FROM offer WHERE issuance = 'by_hand'",
    ),
    "helpdesk_offers_unsent": (
        "Offers that were approved a week ago or longer and never sent; their money is set aside",
        "SELECT count(*) FROM offer WHERE status = 'approved' AND granted_at < now() - interval '7 days'",
    ),
    "helpdesk_offers_contradicted": (
        "Offers of whose issuance a provider says something else than what is recorded",
        "SELECT count(DISTINCT offer_id) FROM remedy_order WHERE contradicted_at IS NOT NULL AND contradiction_settled_at IS NULL",
    ),
}
