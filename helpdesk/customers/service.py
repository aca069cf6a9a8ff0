"""What one can do with customers."""

from typing import Any
from uuid import UUID

from helpdesk.customers import queries
from helpdesk.customers.errors import ExternalIdTaken
from helpdesk.customers.events import CustomerChanged, CustomerCreated
from helpdesk.customers.models import Customer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork


def create(uow: UnitOfWork, given: dict[str, Any]) -> Customer:
    if given.get("external_id") and queries.by_external_id(uow.session, given["external_id"]) is not None:
        raise ExternalIdTaken
    customer = Customer(id=new_id(), version=1, created_at=uow.now, **given)
    uow.session.add(customer)
    uow.record(CustomerCreated(customer_id=customer.id, kind=customer.kind))
    return customer


def change(uow: UnitOfWork, customer: Customer, given: dict[str, Any]) -> Customer:
    changes: dict[str, list[object]] = {}
    for name, value in given.items():
        if getattr(customer, name) != value:
            changes[name] = [getattr(customer, name), value]
            setattr(customer, name, value)
    if changes:
        customer.touch()
        uow.record(CustomerChanged(customer_id=customer.id, changes=changes))
    return customer


def known_or_new(uow: UnitOfWork, people: list[dict[str, Any]]) -> list[UUID | None]:
    """For intake: the customer behind each person (name, email, phone, language), by e-mail address.

    None for a person without an address: nobody could be recognised by a name alone. One look-up for all of them.
    """
    known = queries.by_email(uow.session, [person["email"] for person in people if person.get("email")])
    found: list[UUID | None] = []
    for person in people:
        email = (person.get("email") or "").lower()
        if not email:
            found.append(None)
            continue
        if email not in known:
            known[email] = new_id()
            row = {name: person.get(name) for name in ("name", "email", "phone", "language")}
            uow.add_rows(Customer, [{"id": known[email], **row}])
            uow.record(CustomerCreated(customer_id=known[email], kind="person"))
        found.append(known[email])
    return found
