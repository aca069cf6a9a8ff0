"""The handler of `letters.MAILED`."""

from typing import Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import offers, queries


class Tools(Protocol):
    @property
    def database(self) -> Database: ...


def note_mailed(tools: Tools, duty_id: UUID, offer_id: UUID) -> None:
    """The customer has it, unless it had been posted meanwhile. Safe to run twice."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        held = queries.hold_any(uow.session, offer_id)
        if outbox.take(uow.session, duty_id) is None:
            return
        if held.offer.status == "issued" and held.offer.delivered_at is None:
            offers.advance(uow, SYSTEM, held, "note_mailed", {})
        outbox.mark_done(uow.session, duty_id)
