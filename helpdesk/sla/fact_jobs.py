"""Holds the complaints of a customer who has changed against the policies: each in its own short transaction."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaints
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import walking
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla import queries, revising


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def follow_customer(tools: Tools, duty_id: UUID, customer_id: UUID) -> None:
    """The outside handler of `fact_subscribers.TOPIC`. Twice changes nothing; killed, the next one begins anew."""

    def promised(session: Session, last: UUID | None, most: int) -> Sequence[UUID]:
        return queries.promised_to(session, customer_id, last, most)

    walking.one_by_one(tools.database, SYSTEM, duty_id, promised, _revise)


def _revise(uow: UnitOfWork, complaint_id: UUID) -> None:
    complaint = complaints.complaint_by_id_for_update(uow.session, complaint_id)
    uow.know_stream(complaint)
    revising.revise(uow, complaint)
