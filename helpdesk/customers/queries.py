from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, String, any_, bindparam, column, func, select
from sqlalchemy.orm import Session

from helpdesk.customers.models import Customer
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_CUSTOMER: Final = Customer.__table__.c
_ORDER = Order((Customer.id,), (UUID,))


def list_customers(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement: AnySelect = select(Customer.__table__)
    if "email" in given:
        statement = statement.where(func.lower(Customer.email) == func.lower(given["email"]))
    if "external_id" in given:
        statement = statement.where(Customer.external_id == given["external_id"])
    return listed(session, page, statement, _ORDER, given)


def get(session: Session, customer_id: UUID) -> Customer:
    return existing(session.get(Customer, customer_id))


def exists(session: Session, customer_id: UUID) -> bool:
    return session.execute(select(Customer.id).where(Customer.id == customer_id)).first() is not None


def for_update(session: Session, _actor: Actor, customer_id: UUID) -> Customer:
    return existing(
        session.execute(select(Customer).where(Customer.id == customer_id).with_for_update()).scalar_one_or_none()
    )


def by_external_id(session: Session, external_id: str) -> Customer | None:
    return session.execute(select(Customer).where(Customer.external_id == external_id)).scalar_one_or_none()


_WANTED: Final = bindparam("wanted", type_=ARRAY(String))
_IN_ORDER: Final = (
    select(column("address")).select_from(func.unnest(_WANTED).alias("address")).order_by(column("address")).subquery()
)
_ALONE: Final = select(
    func.pg_advisory_xact_lock(advisory.key_of(advisory.Each.CUSTOMERS_ADDRESS, _IN_ORDER.c.address))
)
_BY_EMAIL: Final = (
    select(func.lower(_CUSTOMER.email), _CUSTOMER.id)
    .where(func.lower(_CUSTOMER.email) == any_(_WANTED))
    .order_by(_CUSTOMER.id.desc())
)
"""Whole, and of columns: put together for each complaint they took a sixth of the time that taking it in takes."""


def by_email(session: Session, emails: Sequence[str]) -> dict[str, UUID]:
    """Lower-cased address -> the oldest customer with it."""
    wanted = sorted({email.lower() for email in emails})
    if not wanted:
        return {}
    # One look-up per address at a time, in one order: two intakes at once would both find nobody and make two customers.
    session.execute(_ALONE, {"wanted": wanted})
    rows = session.execute(_BY_EMAIL, {"wanted": wanted})
    return {email: customer_id for email, customer_id in rows}  # noqa: C416  # rows are not pairs to a type checker


def kinds_of(session: Session, customer_ids: Collection[UUID]) -> dict[UUID, Any]:
    """`tier` and `kind` of those that there are, by id; they stay so to the end of the transaction. Whoever changes them waits,
    and finds what was made by them.
    """
    if not customer_ids:
        return {}
    these = select(_CUSTOMER.id, _CUSTOMER.tier, _CUSTOMER.kind).where(_CUSTOMER.id.in_(customer_ids))
    rows = session.execute(these.order_by(_CUSTOMER.id).with_for_update(read=True))
    return {row.id: row for row in rows}
