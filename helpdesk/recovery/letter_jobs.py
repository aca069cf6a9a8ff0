"""The handlers of `letters.MAILED` and `kinds.SEEN`."""

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
    """The customer has it, unless they had it before. Safe to run twice."""
    _note(tools, duty_id, offer_id, "note_mailed")


def note_seen(tools: Tools, duty_id: UUID, offer_id: UUID) -> None:
    _note(tools, duty_id, offer_id, "note_seen")


def _note(tools: Tools, duty_id: UUID, offer_id: UUID, action: str) -> None:
    with tools.database.unit_of_work(SYSTEM) as uow:
        held = queries.hold_any(uow.session, offer_id)
        if outbox.take(uow.session, duty_id) is None:
            return
        if held.offer.status == "issued" and held.offer.delivered_at is None:
            offers.advance(uow, SYSTEM, held, action, {})
        outbox.mark_done(uow.session, duty_id)
