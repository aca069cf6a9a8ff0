"""What an evidence pack tells of remedies: every offer, with its options, counter-offers, how it differs from the suggestion, each
of its steps, who decided on it and by whose authority, what providers were asked and said, what became of its voucher, and
every entry of a budget's ledger that is for it. A voucher's code is money, and left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.kernel.schemas import json_safe
from helpdesk.recovery import counter_queries, option_queries, override_queries, voucher_queries
from helpdesk.recovery.budget_models import Budget, BudgetEntry
from helpdesk.recovery.decision_models import OfferDecision
from helpdesk.recovery.delegation_models import AuthorityDelegation
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.provider_models import RemedyCallback, RemedyOrder, RemedyProvider

_TOLD: Final = tuple(column for column in Offer.__table__.c if column.name != "issued_reference")
_ORDER: Final = RemedyOrder.__table__.c
_ENTRY: Final = BudgetEntry.__table__.c

Rows = list[dict[str, Any]]


def offers_as_evidence(session: Session, complaint_id: UUID) -> list[dict[str, Any]]:
    offers = (
        session.execute(
            select(*_TOLD, override_queries.KEPT.label("override"))
            .where(Offer.complaint_id == complaint_id)
            .order_by(Offer.id)
        )
        .mappings()
        .all()
    )
    ids = [row["id"] for row in offers]
    beside = {
        "steps": _of_offers(session, OfferTransition, ids, "number"),
        "options": option_queries.as_evidence(session, ids),
        "counter_offers": counter_queries.counters_of(session, ids),
        "decisions": _of_offers(session, OfferDecision, ids, "number"),
        "budget_entries": _entries(session, ids),
        "orders": _orders(session, ids),
    }
    lent = _delegations(session, beside["decisions"])
    vouchers = voucher_queries.as_evidence(session, ids)
    return [
        json_safe(
            {
                **row,
                **{name: found.get(row["id"], []) for name, found in beside.items()},
                "delegations": [
                    lent[used] for used in sorted(_used(beside["decisions"].get(row["id"], ()))) if used in lent
                ],
                "voucher": vouchers.get(row["id"]),
                "dead_letter": _dead_letter(row, beside["orders"].get(row["id"], [])),
            }
        )
        for row in offers
    ]


def _grouped(rows: Iterable[Any], key: str) -> dict[UUID, Rows]:
    found: dict[UUID, Rows] = {}
    for row in rows:
        found.setdefault(row[key], []).append({**row})
    return found


def _of_offers(session: Session, table: type[Any], offer_ids: Sequence[UUID], order: str) -> dict[UUID, Rows]:
    columns = table.__table__.c
    statement = select(*columns).where(columns.offer_id.in_(offer_ids)).order_by(columns.offer_id, columns[order])
    return _grouped(session.execute(statement).mappings(), "offer_id")


def _entries(session: Session, offer_ids: Sequence[UUID]) -> dict[UUID, Rows]:
    statement = (
        select(*_ENTRY, Budget.name.label("budget_name"), Budget.currency)
        .join(Budget, Budget.id == _ENTRY.budget_id)
        .where(_ENTRY.offer_id.in_(offer_ids))
        .order_by(_ENTRY.offer_id, _ENTRY.id)
    )
    return _grouped(session.execute(statement).mappings(), "offer_id")


def _orders(session: Session, offer_ids: Sequence[UUID]) -> dict[UUID, Rows]:
    """What was asked of providers, each with what was called back of it."""
    asked = (
        select(*_ORDER, RemedyProvider.name.label("provider_name"))
        .join(RemedyProvider, RemedyProvider.id == _ORDER.provider_id)
        .where(_ORDER.offer_id.in_(offer_ids))
        .order_by(_ORDER.offer_id, _ORDER.round)
    )
    orders = [{**row} for row in session.execute(asked).mappings()]
    callback = RemedyCallback.__table__.c
    called = select(*callback).where(callback.order_id.in_([row["id"] for row in orders])).order_by(callback.id)
    said = _grouped(session.execute(called).mappings(), "order_id")
    return _grouped(({**row, "callbacks": said.get(row["id"], [])} for row in orders), "offer_id")


def _used(decisions: Iterable[Mapping[str, Any]]) -> set[UUID]:
    return {row["delegation_id"] for row in decisions if row["delegation_id"] is not None}


def _delegations(session: Session, decisions: Mapping[UUID, Rows]) -> dict[UUID, dict[str, Any]]:
    used = {one for rows in decisions.values() for one in _used(rows)}
    rows = session.execute(select(*AuthorityDelegation.__table__.c).where(AuthorityDelegation.id.in_(used))).mappings()
    return {row["id"]: {**row} for row in rows}


def _dead_letter(offer: Mapping[Any, Any], orders: Rows) -> str | None:
    """Why a person is to see to it, as `dead_letter_queries` has it; None: nobody is."""
    if any(order["contradicted_at"] and not order["contradiction_settled_at"] for order in orders):
        return "contradicted"
    if offer["issuance"] == "unknown":
        return "unknown"
    return "failed" if offer["status"] == "failed" else None
