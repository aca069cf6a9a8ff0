"""Selects of the reports on remedies, each of the complaints that the actor may see.

Money is what was granted and stands, in minor units of one currency; there is no exchange rate, so that currencies are never
added up. A complaint's category and issue are those of its first issue: its money is counted once.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint, Issue, TransitionRow
from helpdesk.complaints.queries import visible_to
from helpdesk.customers.models import Customer
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.recovery.budget_models import BudgetEntry
from helpdesk.recovery.lifecycle import GRANTED, RESERVED
from helpdesk.recovery.models import Offer
from helpdesk.recovery.queries import clock

MOST_DAYS: Final = 1_096
"""Of a span: three years."""
MOST_CASES: Final = 20_000
MOST_GROUPS: Final = 2_000
LATELY: Final = timedelta(days=90)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_COMPLAINT: Final = Complaint.__table__.c
_OFFER: Final = Offer.__table__.c
_ENTRY: Final = BudgetEntry.__table__.c


def span(session: Session, given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """`since`, or ninety days before the end, and `before`, or now. Raises `ValidationFailed` for one that is none, or too long
    for one answer.
    """
    before = given.get("before") or clock(session)
    since = given.get("since") or max(before, _FIRST + LATELY) - LATELY
    if since >= before:
        raise ValidationFailed(
            errors=[FieldError(parameter="since", code="range", detail="It must be before the end.")]
        )
    if before - since > timedelta(days=MOST_DAYS):
        detail = f"A span has at most {MOST_DAYS} days; give `before`, or a later `since`."
        raise ValidationFailed(errors=[FieldError(parameter="since", code="too_long", detail=detail)])
    return since, before


def _first_issue() -> Any:
    issue = Issue.__table__.c
    first = select(issue.category, issue.issue).where(issue.complaint_id == _COMPLAINT.id)
    return first.order_by(issue.position).limit(1).lateral("first_issue")


def cases(session: Session, actor: Actor, since: datetime, before: datetime) -> Sequence[Any]:
    """Complaints that were decided in the span, each with what it is like, what it is compared by, and what was granted: `paid`
    in minor units of `currency`, `remedies` of any kind, and `suggested`, what the playbook said when the first was drafted that
    was reckoned in it: what came to nothing may have been in another one.
    Raises `ValidationFailed` for more than one answer can weigh.
    """
    first = _first_issue()
    granted = and_(_OFFER.complaint_id == _COMPLAINT.id, _OFFER.status.in_(GRANTED))
    sums = (
        select(
            func.count().label("remedies"),
            func.sum(_OFFER.amount_minor).label("paid"),
            func.min(_OFFER.currency).label("paid_in"),
        )
        .where(granted)
        .lateral("sums")
    )
    offer = _OFFER.suggestion["offer"]
    suggested = (
        select(offer["amount"].as_string())
        .where(
            _OFFER.complaint_id == _COMPLAINT.id,
            _OFFER.amount_minor.is_not(None),
            offer["currency"].as_string() == sums.c.paid_in,
        )
        .order_by(_OFFER.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            first.c.category,
            first.c.issue,
            _COMPLAINT.severity,
            _COMPLAINT.fault,
            _COMPLAINT.assignee_id,
            _COMPLAINT.channel,
            _COMPLAINT.language,
            Customer.tier,
            sums.c.remedies,
            sums.c.paid,
            sums.c.paid_in.label("currency"),
            suggested.label("suggested"),
        )
        .select_from(Complaint.__table__)
        .outerjoin(first, true())
        .join(sums, true())
        .outerjoin(Customer, Customer.id == _COMPLAINT.customer_id)
        .where(
            _COMPLAINT.record_type == "complaint",
            _COMPLAINT.resolved_at >= since,
            _COMPLAINT.resolved_at < before,
            _COMPLAINT.status.in_(("resolved", "followed_up")),
            visible_to(actor),
        )
        .order_by(_COMPLAINT.id)
        .limit(MOST_CASES + 1)
    ).all()
    if len(rows) > MOST_CASES:
        detail = f"More than {MOST_CASES} complaints were decided then: take a shorter span."
        raise ValidationFailed(errors=[FieldError(parameter="since", code="too_many", detail=detail)])
    return rows


def agent_names(session: Session, ids: Sequence[Any]) -> dict[Any, str]:
    return {row.id: row.name for row in session.execute(select(Agent.id, Agent.name).where(Agent.id.in_(ids)))}


def _spent() -> Select[Any]:
    """What was committed for an offer, and whether it came back, as is known now; and what was paid beside that, which is no remedy."""
    back = BudgetEntry.__table__.alias("back")
    reversed_ = func.coalesce(
        select(func.sum(back.c.amount_minor))
        .where(back.c.offer_id == _ENTRY.offer_id, back.c.kind == "reverse")
        .scalar_subquery(),
        0,
    )
    own = _ENTRY.kind == "commit"
    return select(
        _ENTRY.offer_id,
        _ENTRY.at,
        _ENTRY.amount_minor.label("committed"),
        case((own, reversed_), else_=0).label("reversed"),
        literal_column("0").label("reserved"),
        own.label("own"),
    ).where(_ENTRY.kind.in_(("commit", "overpay")))


def _reserved() -> Select[Any]:
    """What is set aside for an offer and not settled yet, from its last reservation on. Nothing of one whose customer took what
    costs nothing.
    """
    signed = func.sum(_ENTRY.amount_minor).filter(_ENTRY.kind == "reserve") - func.coalesce(
        func.sum(_ENTRY.amount_minor).filter(_ENTRY.kind.in_(("commit", "release", "reduce"))), 0
    )
    nothing: ColumnElement[int] = literal_column("0")
    return (
        select(
            _ENTRY.offer_id,
            func.max(_ENTRY.at).filter(_ENTRY.kind == "reserve").label("at"),
            nothing.label("committed"),
            nothing.label("reversed"),
            signed.label("reserved"),
            true().label("own"),
        )
        .join(Offer, Offer.id == _ENTRY.offer_id)
        .where(Offer.status.in_(RESERVED))
        .group_by(_ENTRY.offer_id)
        .having(signed > 0)
    )


def costs(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`: since, before, by, period, product_field, and filters currency and team_id. Rows by currency and what `by` names,
    then the totals of each currency.
    """
    since, before = span(session, given)
    by = given.get("by", ["cause"])
    first, entries = _first_issue(), _spent().union_all(_reserved()).subquery("entries")
    apart = _dimensions(by, given, first)
    keys = [_OFFER.currency, *apart.values()]
    conditions = [entries.c.at >= since, entries.c.at < before, visible_to(actor)]
    conditions += [_OFFER.currency == given["currency"]] if "currency" in given else []
    conditions += [_COMPLAINT.team_id == given["team_id"]] if "team_id" in given else []
    whole = func.grouping(*apart.values()).label("whole") if apart else literal_column("1").label("whole")
    rows = session.execute(
        select(_OFFER.currency, *(column.label(name) for name, column in apart.items()), *_sums(entries), whole)
        .select_from(entries)
        .join(Offer.__table__, _OFFER.id == entries.c.offer_id)
        .join(Complaint.__table__, _COMPLAINT.id == _OFFER.complaint_id)
        .outerjoin(first, true())
        .where(*conditions)
        .group_by(func.grouping_sets(tuple_(*keys), tuple_(_OFFER.currency)) if apart else _OFFER.currency)
        .order_by("whole", *keys)
        .limit(MOST_GROUPS + 200)
    ).mappings()
    found = [dict(row) for row in rows]
    if len([row for row in found if not row["whole"]]) > MOST_GROUPS:
        detail = f"That makes more than {MOST_GROUPS} groups: take a shorter span, longer periods, or tell less apart."
        raise ValidationFailed(errors=[FieldError(parameter="by", code="too_many", detail=detail)])
    teams = {row.id: row.name for row in session.execute(select(Team.id, Team.name))} if "team" in by else {}
    return {
        "since": since,
        "before": before,
        "by": by,
        "items": [_cost(row, teams) for row in found if not row["whole"]],
        "totals": [_cost(row, {}) for row in found if row["whole"]],
    }


def _dimensions(by: Sequence[str], given: Mapping[str, Any], first: Any) -> dict[str, ColumnElement[Any]]:
    # As text and not as a parameter: PostgreSQL takes two parameters for two expressions, though their values are one.
    first_day = cast(literal_column(f"date_trunc('{given['period']}', entries.at AT TIME ZONE 'UTC')"), Date)
    known: dict[str, tuple[str, ColumnElement[Any]]] = {
        "cause": ("cause", _COMPLAINT.root_cause),
        "category": ("category", first.c.category),
        "issue": ("issue", first.c.issue),
        "severity": ("severity", _COMPLAINT.severity),
        "team": ("team_id", _COMPLAINT.team_id),
        "kind": ("kind", _OFFER.kind),
        # The schema lets through what a key can be: letters of ASCII, digits and `_`.
        "product": ("product", literal_column(f"complaint.custom_fields ->> '{given['product_field']}'")),
        "period": ("period", first_day),
    }
    return dict(known[name] for name in by)


def _sums(entries: Any) -> list[ColumnElement[Any]]:
    spent = and_(entries.c.committed > 0, entries.c.own)
    return [
        func.coalesce(func.sum(entries.c.committed), 0).label("committed"),
        func.coalesce(func.sum(entries.c.reversed), 0).label("reversed"),
        func.coalesce(func.sum(entries.c.reserved), 0).label("reserved"),
        func.count().filter(spent, entries.c.reversed == 0).label("remedies"),
        func.count().filter(spent, entries.c.reversed > 0).label("reversals"),
        func.count().filter(entries.c.reserved > 0).label("reservations"),
        func.count(_COMPLAINT.id.distinct()).filter(spent, entries.c.reversed == 0).label("complaints"),
    ]


def _cost(row: Mapping[str, Any], teams: Mapping[Any, str]) -> dict[str, Any]:
    currency = row["currency"]
    net = int(row["committed"] - row["reversed"])
    mean = int((Decimal(net) / row["remedies"]).to_integral_value("ROUND_HALF_UP")) if row["remedies"] else None
    names = ("cause", "category", "issue", "severity", "team_id", "kind", "product", "period")
    return {
        **{name: row.get(name) for name in names},
        "team": teams.get(row.get("team_id")),
        "currency": currency,
        "cost": (net, currency),
        "mean": None if mean is None else (mean, currency),
        **{name: (int(row[name]), currency) for name in ("committed", "reversed", "reserved")},
        **{name: row[name] for name in ("remedies", "reversals", "reservations", "complaints")},
    }


def recovered(session: Session, actor: Actor, since: datetime, before: datetime, currency: str) -> Any:
    """What a return is reckoned from, of complaints in sight: `cost` of the remedies that were committed in the span (in minor
    units, what came back left out), `customers` who got a remedy in this currency then, or a letter on a complaint that is reckoned
    in it, and of these `back`, those who had to complain again after it.
    """
    first = _spent().subquery("entries")
    cost = (
        select(func.coalesce(func.sum(first.c.committed - first.c.reversed), 0))
        .join(Offer.__table__, _OFFER.id == first.c.offer_id)
        .join(Complaint.__table__, _COMPLAINT.id == _OFFER.complaint_id)
        .where(first.c.at >= since, first.c.at < before, _OFFER.currency == currency, visible_to(actor))
    )
    delivered = (
        select(_COMPLAINT.customer_id, func.min(_OFFER.delivered_at).label("delivered_at"))
        .select_from(Complaint.__table__.join(Offer.__table__, _OFFER.complaint_id == _COMPLAINT.id))
        .where(
            _OFFER.delivered_at >= since,
            _OFFER.delivered_at < before,
            _OFFER.status.in_(GRANTED),
            func.coalesce(_OFFER.currency, _COMPLAINT.currency) == currency,
            _COMPLAINT.customer_id.is_not(None),
            visible_to(actor),
        )
        .group_by(_COMPLAINT.customer_id)
        .subquery("delivered")
    )
    counts = select(func.count(), func.count().filter(_came_back(delivered))).select_from(delivered)
    customers, back = session.execute(counts).one()
    return {"cost": int(session.execute(cost).scalar_one()), "customers": customers, "back": back}


def _came_back(delivered: Any) -> ColumnElement[bool]:
    """After their remedy was delivered they complained anew, or a complaint of theirs was reopened. What was dismissed is no other
    complaint: spam, the same one told once more, or none at all.
    """
    again, step = Complaint.__table__.alias("again"), TransitionRow.__table__.c
    later = exists().where(step.complaint_id == again.c.id, step.action == "reopen", step.at > delivered.c.delivered_at)
    # Said which rows it is about: by itself it would look at those of the `EXISTS` around it only, and take everybody's remedies.
    reopened = later.correlate(again, delivered)
    return exists().where(
        again.c.customer_id == delivered.c.customer_id,
        again.c.record_type == "complaint",
        again.c.status != "dismissed",
        or_(again.c.received_at > delivered.c.delivered_at, reopened),
    )
