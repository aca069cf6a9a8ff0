"""Holds the complaints of a customer who has changed against the policies: each in its own short transaction."""

from typing import Final, Protocol
from uuid import UUID

from helpdesk.complaints import queries as complaints
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import queries, revising

BATCH: Final = 200


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def follow_customer(tools: Tools, duty_id: UUID, customer_id: UUID) -> None:
    """The outside handler of `fact_subscribers.TOPIC`. Twice changes nothing; killed, the next one begins anew."""
    database = tools.database
    last: UUID | None = None
    while True:
        with database.reader() as session:
            found = queries.promised_to(session, customer_id, last, BATCH)
        for complaint_id in found:
            with database.unit_of_work(SYSTEM) as uow:
                complaint = complaints.complaint_by_id_for_update(uow.session, complaint_id)
                uow.know_stream(complaint)
                revising.revise(uow, complaint)
        if len(found) < BATCH:
            break
        last = found[-1]
    with database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)
