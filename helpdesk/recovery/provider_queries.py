"""Every select on outside providers and on what they were asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.outbox import Duty
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.recovery.kinds import ASK, ISSUE, OUTSIDE
from helpdesk.recovery.models import Offer
from helpdesk.recovery.provider_models import (
    OPEN_ORDERS,
    RecordedRemedy,
    RemedyCallback,
    RemedyOrder,
    RemedyProvider,
    duty_key,
)

_PROVIDER: Final[AnySelect] = select(
    RemedyProvider.id,
    RemedyProvider.name,
    RemedyProvider.mode,
    RemedyProvider.url,
    RemedyProvider.kinds,
    RemedyProvider.currencies,
    RemedyProvider.timeout_seconds,
    RemedyProvider.enabled,
    RemedyProvider.previous_until,
    RemedyProvider.silences,
    RemedyProvider.paused_until,
    RemedyProvider.version,
    RemedyProvider.created_at,
)
_BY_PROVIDER: Final = Order((RemedyProvider.id,), (UUID,))


def list_providers(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement = _PROVIDER
    if "enabled" in given:
        statement = statement.where(RemedyProvider.enabled == given["enabled"])
    return listed(session, page, statement, _BY_PROVIDER, given)


def provider_detail(session: Session, provider_id: UUID) -> Mapping[Any, Any]:
    return existing(session.execute(_PROVIDER.where(RemedyProvider.id == provider_id)).mappings().one_or_none())


def provider_for_update(session: Session, _actor: Actor, provider_id: UUID) -> RemedyProvider:
    found = select(RemedyProvider).where(RemedyProvider.id == provider_id).with_for_update()
    return existing(session.execute(found).scalar_one_or_none())


def open_orders(session: Session, provider_id: UUID) -> int:
    """How many issuances are open with it. Nobody begins another while the provider is locked."""
    found = select(func.count()).where(RemedyOrder.provider_id == provider_id, RemedyOrder.state.in_(OPEN_ORDERS))
    return session.execute(found).scalar_one()


_ONE: Final = select(RemedyProvider, func.now()).where(RemedyProvider.id == bindparam("provider_id"))


def provider_of(session: Session, provider_id: UUID) -> tuple[RemedyProvider, datetime]:
    """With the database's time, which says whether the secret before the present one still counts. Raises `NotFound`."""
    row = session.execute(_ONE, {"provider_id": provider_id}).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1]


_P: Final = RemedyProvider.__table__
_THIS: Final = _P.c.id == bindparam("provider")
_SPAN: Final = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds"))
_PROBE: Final = (
    update(_P)
    .where(_THIS, _P.c.silences == bindparam("seen"), _P.c.paused_until <= func.now())
    .values(paused_until=_SPAN)
    .returning(_P.c.id)
)
_SILENT: Final = (
    update(_P).where(_THIS, _P.c.silences == bindparam("seen")).values(silences=_P.c.silences + 1, paused_until=_SPAN)
)
_HEARD: Final = update(_P).where(_THIS, _P.c.silences > 0).values(silences=0, paused_until=None)
_LIFT: Final = update(_P).where(_THIS, _P.c.paused_until > func.now()).values(paused_until=func.now())


def take_probe(session: Session, provider_id: UUID, seen: int, seconds: int) -> bool:
    """Whether the pause of a provider that was silent so often (`seen`) is over, and nobody else tries it; nobody else does for so
    many seconds.
    """
    asked = {"provider": provider_id, "seen": seen, "seconds": seconds}
    return session.execute(_PROBE, asked).one_or_none() is not None


def note_silence(session: Session, provider_id: UUID, seen: int, seconds: int) -> None:
    """It kept us waiting in vain, and is asked nothing for so many seconds. Several who waited at once count once (`seen`)."""
    session.execute(_SILENT, {"provider": provider_id, "seen": seen, "seconds": seconds})


def note_answer(session: Session, provider_id: UUID) -> None:
    """It answers again."""
    session.execute(_HEARD, {"provider": provider_id})


def lift_pause(session: Session, provider_id: UUID) -> None:
    """Somebody wants it asked now."""
    session.execute(_LIFT, {"provider": provider_id})


def provider_named(session: Session, name: str) -> UUID | None:
    found = select(RemedyProvider.id).where(func.lower(RemedyProvider.name) == func.lower(name))
    return session.execute(found).scalar_one_or_none()


_ISSUING: Final = (
    select(RemedyProvider.id)
    .where(
        RemedyProvider.enabled,
        RemedyProvider.kinds.contains(bindparam("kinds", type_=RemedyProvider.kinds.type)),
        or_(
            func.cardinality(RemedyProvider.currencies) == 0,
            RemedyProvider.currencies.contains(bindparam("currencies", type_=RemedyProvider.currencies.type)),
        ),
    )
    .order_by(RemedyProvider.mode == "recording", func.cardinality(RemedyProvider.currencies) == 0, RemedyProvider.id)
    .limit(1)
)


def provider_for(session: Session, kind: str, currency: str | None) -> UUID | None:
    """Who issues this kind in this currency: one that is asked over HTTP before the recording one, which moves nothing and is for
    development; then who names the currency before who takes all, then who has been here longer.
    """
    return session.execute(_ISSUING, {"kinds": [kind], "currencies": [currency]}).scalar_one_or_none()


_OPEN_ORDER: Final = (
    select(RemedyOrder)
    .join(Offer, Offer.id == RemedyOrder.offer_id)
    .where(
        RemedyOrder.offer_id == bindparam("offer_id"),
        RemedyOrder.round == Offer.round,
        RemedyOrder.state.in_(OPEN_ORDERS),
    )
    .with_for_update(of=RemedyOrder)
    .execution_options(populate_existing=True)
)
_ORDER: Final = (
    select(RemedyOrder)
    .where(RemedyOrder.id == bindparam("order_id"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def open_order_for_update(session: Session, offer_id: UUID) -> RemedyOrder | None:
    """What is asked for an offer in its present round, while nobody has said what came of it."""
    return session.execute(_OPEN_ORDER, {"offer_id": offer_id}).scalar_one_or_none()


def order_for_update(session: Session, order_id: UUID) -> RemedyOrder:
    return session.execute(_ORDER, {"order_id": order_id}).scalar_one()


def order_by_key(session: Session, provider_id: UUID, key: str) -> tuple[UUID, UUID] | None:
    """Ids of the order and its offer."""
    found = select(RemedyOrder.id, RemedyOrder.offer_id).where(
        RemedyOrder.key == key, RemedyOrder.provider_id == provider_id
    )
    row = session.execute(found).one_or_none()
    return None if row is None else (row[0], row[1])


def callback_said(session: Session, provider_id: UUID, message_id: str) -> RemedyCallback | None:
    found = select(RemedyCallback).where(
        RemedyCallback.provider_id == provider_id, RemedyCallback.message_id == message_id
    )
    return session.execute(found).scalar_one_or_none()


_NOW_ASKED: Final = (
    select(
        RemedyOrder.turn,
        RemedyOrder.attempts,
        RemedyOrder.last_error,
        RemedyOrder.provider_id,
        RemedyProvider.name.label("provider_name"),
    )
    .join(RemedyProvider, RemedyProvider.id == RemedyOrder.provider_id)
    .where(
        RemedyOrder.offer_id == bindparam("offer_id"),
        RemedyOrder.round == bindparam("round"),
        RemedyOrder.closed_at.is_(None),
    )
)
_OWED: Final = select(
    Duty.failures, Duty.last_error, func.greatest(Duty.not_before, Duty.next_at).label("next_try_at")
).where(
    Duty.topic == bindparam("topic"),
    Duty.dedupe_key == bindparam("key"),
    Duty.done_at.is_(None),
    Duty.dead_at.is_(None),
)


def issuing(session: Session, offer: Mapping[Any, Any]) -> dict[str, Any]:
    """How far it is with issuing an offer (id, kind and round) by itself: what was tried, what went wrong, and when it is tried again."""
    order = session.execute(_NOW_ASKED, {"offer_id": offer["id"], "round": offer["round"]}).one_or_none()
    key = duty_key(offer["id"], offer["round"], 0 if order is None else order.turn)
    topic = ASK if offer["kind"] in OUTSIDE else ISSUE
    duty = session.execute(_OWED, {"topic": topic, "key": key}).one_or_none()
    failed = (0, None, None) if duty is None else duty
    return {
        "attempts": failed[0] if order is None else order.attempts,
        "last_error": failed[1] if order is None or order.last_error is None else order.last_error,
        "next_try_at": failed[2],
        "provider_id": None if order is None else order.provider_id,
        "provider_name": None if order is None else order.provider_name,
    }


_RECORDED: Final = select(RecordedRemedy.reference).where(RecordedRemedy.key == bindparam("key"))


def recorded_reference(session: Session, key: str) -> str | None:
    return session.execute(_RECORDED, {"key": key}).scalar_one_or_none()


_ALL_ORDERS: Final = (
    select(RemedyOrder)
    .where(RemedyOrder.offer_id == bindparam("offer_id"))
    .order_by(RemedyOrder.round)
    .with_for_update()
    .execution_options(populate_existing=True)
)


def orders_for_update(session: Session, offer_id: UUID) -> list[RemedyOrder]:
    """All that was asked for an offer, the oldest first: what is open of it, and what was settled or booked before. Its offer is locked by
    the caller.
    """
    return list(session.scalars(_ALL_ORDERS, {"offer_id": offer_id}))
