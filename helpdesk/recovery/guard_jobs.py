"""The handler of `reviews.LAPSE`."""

from typing import Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import kin_queries, reviews


class Tools(Protocol):
    @property
    def database(self) -> Database: ...


def lapse_reviews(tools: Tools, duty_id: UUID, complaint_id: UUID) -> None:
    """Reviews of this complaint and of others of the same person lapse where they are found to be protected, each under its
    complaint's lock. Safe to run twice.
    """
    with tools.database.reader() as session:
        found = kin_queries.under_review(session, complaint_id)
    for other_id in found:
        with tools.database.unit_of_work(SYSTEM) as uow:
            reviews.lapse(uow, other_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)
