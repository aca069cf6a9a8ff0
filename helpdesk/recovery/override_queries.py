"""Selects on offers that differ from what was suggested."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, and_, case, cast, exists, func, null, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.recovery.lifecycle import ENDED, GRANTED
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_models import OfferOption
from helpdesk.recovery.override_models import DIRECTIONS, OfferOverride
from helpdesk.recovery.remaining import FOR_ALL, Already, Gives
from helpdesk.recovery.settling import NO_SHARES, Drafted, Shares

_OVERRIDE: Final = OfferOverride.__table__.c
KEPT: Final = (
    select(
        func.jsonb_build_object(
            "direction", _OVERRIDE.direction, "suggested", _OVERRIDE.suggested_minor, "by", _OVERRIDE.by_minor,
            "currency", _OVERRIDE.currency, "reason", _OVERRIDE.reason, "floor_reason", _OVERRIDE.floor_reason,
        )
    )
    .where(_OVERRIDE.offer_id == Offer.id)
    .order_by(_OVERRIDE.number.desc())
    .limit(1)
    .correlate(Offer)
    .scalar_subquery()
)  # fmt: skip
"""What was said last of an offer, as a column of a select on offers; None where it is what was suggested."""

_LATER: Final = OfferOverride.__table__.alias("later").c
_COUNTS: Final = ~(
    exists()
    .where(_LATER.offer_id == _OVERRIDE.offer_id, _LATER.number > _OVERRIDE.number)
    .correlate(OfferOverride.__table__)
)


def shown(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    amounts = {name: (kept[name], kept["currency"]) for name in ("suggested", "by")}
    return {"direction": kept["direction"], "reason": kept["reason"], "floor_reason": kept["floor_reason"], **amounts}


_OPTION: Final = OfferOption.__table__.c
_OPEN: Final = and_(_OPTION.offer_id == Offer.id, Offer.chosen_option.is_(None))
_OFFERED: Final = (
    select(
        Offer.id,
        case((_OPTION.id.is_(None), Offer.kind), else_=_OPTION.kind).label("kind"),
        func.coalesce(case((_OPTION.id.is_(None), Offer.amount_minor), else_=_OPTION.amount_minor), 0).label("minor"),
    )
    .select_from(Offer)
    .outerjoin(OfferOption, _OPEN)
    .order_by(Offer.id, _OPTION.number)
)


def offered(
    session: Session,
    complaint_id: UUID,
    currency: str,
    *,
    shares: Shares = NO_SHARES,
    besides: Sequence[UUID] = (),
    granted: bool = False,
) -> Already:
    """What is offered on a complaint and has not come to nothing, delivered offers and those that a merge has brought included, with
    what counts here and is elsewhere; with `granted` only what was approved. `besides`: offers that do not count.
    """
    found = _gives(
        session,
        currency,
        Offer.complaint_id == complaint_id,
        Offer.status.in_(GRANTED) if granted else Offer.status.not_in(ENDED),
        Offer.id.not_in(besides),
    )
    each = [(shares.asides.get(one, FOR_ALL), gives) for one, gives in found.items()] + [*shares.beside]
    return Already(currency, tuple(gives for _, gives in each), tuple(aside for aside, _ in each))


_MOVED: Final = MergedRow.__table__.c
_HOME: Final = func.coalesce(
    select(Merge.source_id)
    .join(MergedRow, _MOVED.merge_id == Merge.id)
    .where(_MOVED.row_id == Offer.id, _MOVED.kind == "offer")
    .order_by(Merge.id)
    .limit(1)
    .correlate(Offer)
    .scalar_subquery(),
    Offer.complaint_id,
).label("home")
"""Where it was drafted: what a merge took along first was there."""
_DRAFTED: Final = _OFFERED.add_columns(Offer.complaint_id, Offer.created_at, Offer.currency, _HOME)


def drafted(session: Session, complaint_ids: Sequence[UUID]) -> list[Drafted]:
    """What is offered on any of these and has not come to nothing."""
    found: dict[UUID, Drafted] = {}
    for row in session.execute(_DRAFTED.where(Offer.complaint_id.in_(complaint_ids), Offer.status.not_in(ENDED))):
        before = found[row.id].gives if row.id in found else ()
        gives = (*before, (row.kind, row.minor))
        found[row.id] = Drafted(row.id, row.complaint_id, row.home, row.created_at, row.currency, gives)
    return list(found.values())


def granted_beside(session: Session, complaint_id: UUID, offer_id: UUID, currency: str) -> Already:
    """What was approved on the complaint beside this offer and what it replaces."""
    this = aliased(Offer)
    replaced = select(this.successor_of).where(this.id == offer_id).scalar_subquery()
    others = (Offer.id != offer_id, Offer.id.is_distinct_from(replaced))
    return _already(session, currency, Offer.complaint_id == complaint_id, Offer.status.in_(GRANTED), *others)


def of_one(session: Session, offer_id: UUID, currency: str) -> Already:
    return _already(session, currency, Offer.id == offer_id)


def _already(session: Session, currency: str, *conditions: ColumnElement[bool]) -> Already:
    return Already(currency, tuple(_gives(session, currency, *conditions).values()))


def _gives(session: Session, currency: str, *conditions: ColumnElement[bool]) -> dict[UUID, Gives]:
    rows = session.execute(_OFFERED.where(or_(Offer.currency == currency, Offer.currency.is_(None)), *conditions))
    offers: dict[UUID, list[tuple[str, int]]] = {}
    for row in rows:
        offers.setdefault(row.id, []).append((row.kind, row.minor))
    return {one: tuple(gives) for one, gives in offers.items()}


def granted(session: Session, complaint_id: UUID, besides: UUID) -> list[Offer]:
    """What was approved beside an offer and has not come to nothing; nothing of it goes on without the complaint's lock."""
    asked = select(Offer).where(Offer.complaint_id == complaint_id, Offer.status.in_(GRANTED), Offer.id != besides)
    return list(session.scalars(asked.order_by(Offer.id)))


def last(session: Session, offer_id: UUID) -> OfferOverride | None:
    asked = select(OfferOverride).where(OfferOverride.offer_id == offer_id)
    return session.scalars(asked.order_by(OfferOverride.number.desc()).limit(1)).one_or_none()


def report(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of the offers that were drafted in a span, on complaints that the actor sees: how many differ, who decided it and how far."""
    joined = (
        select()
        .select_from(Offer)
        .join(Complaint, Complaint.id == Offer.complaint_id)
        .outerjoin(OfferOverride, and_(OfferOverride.offer_id == Offer.id, _COUNTS))
        .where(*_asked(actor, given))
    )
    overridden = func.count(_OVERRIDE.offer_id)
    total = session.execute(joined.with_only_columns(func.count(), overridden)).one()
    return {
        "offers": total[0],
        "overrides": total[1],
        "share": None if not total[0] else round(total[1] / total[0], 4),
        "by_direction": _by_direction(session, joined),
        "by_agent": _by_agent(session, joined),
    }


_LISTED: Final[AnySelect] = (
    select(
        OfferOverride.offer_id,
        OfferOverride.number,
        _COUNTS.label("counts"),
        Offer.complaint_id,
        Complaint.reference.label("complaint_reference"),
        Offer.kind,
        Offer.status,
        OfferOverride.direction,
        OfferOverride.suggested_minor,
        OfferOverride.by_minor,
        OfferOverride.currency,
        OfferOverride.reason,
        OfferOverride.floor_reason,
        OfferOverride.at,
        OfferOverride.actor_kind,
        OfferOverride.actor_id,
        Agent.name.label("actor_name"),
    )
    .select_from(OfferOverride)
    .join(Offer, Offer.id == OfferOverride.offer_id)
    .join(Complaint, Complaint.id == Offer.complaint_id)
    .outerjoin(Agent, and_(Agent.id == OfferOverride.actor_id, OfferOverride.actor_kind == "agent"))
)
_NEWEST: Final = Order((OfferOverride.offer_id, OfferOverride.number), (UUID, int), descending=True)


def list_overrides(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    """One by one, with what was said each time; the offer that was drafted last comes first, and of it what was said last."""
    conditions = _asked(actor, given)
    conditions += [OfferOverride.direction == given["direction"]] if "direction" in given else []
    conditions += [OfferOverride.decided_by == given["agent_id"]] if "agent_id" in given else []
    rows, cursor, total = listed(session, page, _LISTED.where(*conditions), _NEWEST, dict(given))
    return [_one(row) for row in rows], cursor, total


def _one(row: Mapping[Any, Any]) -> dict[str, Any]:
    one = dict(row)
    suggested, by, currency = (one.pop(name) for name in ("suggested_minor", "by_minor", "currency"))
    amounts = {"suggested": suggested, "given": suggested + by, "by": by}
    return one | {name: (minor, currency) for name, minor in amounts.items()}


def _asked(actor: Actor, given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Of the offers that were drafted in a span, on complaints that the actor sees."""
    conditions: list[ColumnElement[bool]] = [visible_to(actor)]
    conditions += [Offer.created_at >= given["since"]] if "since" in given else []
    conditions += [Offer.created_at < given["until"]] if "until" in given else []
    conditions += [Complaint.team_id == given["team_id"]] if "team_id" in given else []
    return conditions


def _by_direction(session: Session, joined: Any) -> list[dict[str, Any]]:
    """By currency too: amounts of two are not added up. A median between two is rounded half up to the minor unit."""
    columns = (_OVERRIDE.direction, _OVERRIDE.currency)
    size = func.abs(_OVERRIDE.by_minor)
    rows = session.execute(
        joined.with_only_columns(
            *columns,
            func.count().label("count"),
            func.sum(size).label("total"),
            func.round(cast(func.percentile_cont(0.5).within_group(size), Numeric)).label("median"),
            func.percentile_disc(0.9).within_group(size).label("p90"),
        )
        .where(_OVERRIDE.offer_id.is_not(None))
        .group_by(*columns)
        .order_by(*columns)
    ).mappings()
    return [
        {"direction": row["direction"], "currency": row["currency"], "count": row["count"]}
        | {name: (int(row[name]), row["currency"]) for name in ("total", "median", "p90")}
        for row in rows
    ]


def _by_agent(session: Session, joined: Any) -> list[dict[str, Any]]:
    """How many offers each drafted, and on how many they decided that it differs: whoever brings an offer on with less than is laid
    down is often another one than who drafted it. Null: the program. Those with the most overrides first.
    """
    drafted = joined.with_only_columns(Offer.drafted_by.label("agent_id"), null().label("direction"))
    decided = joined.with_only_columns(_OVERRIDE.decided_by, _OVERRIDE.direction).where(_OVERRIDE.offer_id.is_not(None))
    each = union_all(drafted, decided).subquery("each").c
    overridden = func.count(each.direction)

    def of(direction: str) -> Any:
        return func.count().filter(each.direction == direction).label(direction)

    rows = session.execute(
        select(
            each.agent_id,
            Agent.name,
            func.count().filter(each.direction.is_(None)).label("offers"),
            overridden.label("overrides"),
            *(of(direction) for direction in DIRECTIONS),
        )
        .outerjoin_from(each.agent_id.table, Agent, Agent.id == each.agent_id)
        .group_by(each.agent_id, Agent.name)
        .order_by(overridden.desc(), Agent.name, each.agent_id)
    ).mappings()
    return [dict(row) for row in rows]
