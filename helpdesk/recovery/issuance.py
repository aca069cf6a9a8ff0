"""Issuing what was accepted, once, whatever crashes: the handler of the duty `recovery.issue`.

What is ours is made, recorded, paid for and told in one short transaction, with the duty's end: lock complaint and offer, see
that it is still `issuing`, make it, record the reference, spend the reservation, tell the customer, mark the duty done. A
crash before the commit leaves nothing behind, and it is all done again. The state, seen under the offer's lock, is the fence:
of two workers that come here one records, and the other finds it done. When the duty is given up the offer fails and its
reservation is released. The transaction is of one offer, or of as many as a ring brought (`issue_together`): what costs is
the statements and the commit, and most of them serve twenty as well as one.

What a provider issues is asked of it, on a queue of its own, where one that hangs keeps none of this waiting: see `asking`.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import structlog

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, outbox
from helpdesk.kernel.duties import BEGUN, Owed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import asking, offers, outcomes, queries
from helpdesk.recovery.issuers import IN_PROVIDER, ISSUERS, TOGETHER, Tools
from helpdesk.recovery.kinds import ISSUE
from helpdesk.recovery.queries import Held

log = structlog.get_logger()

TOPIC: Final = ISSUE
AFTER_READ: Final = "recovery.issue.after_read"
RECORDED: Final = "recovery.issue.recorded"
TOLD: Final = "recovery.issue.told"
DUTY_DONE: Final = "recovery.issue.duty_done"
BEFORE_COMMIT: Final = "recovery.issue.before_commit"
AFTER_COMMIT: Final = "recovery.issue.after_commit"
FAULT_POINTS: Final = (
    BEGUN,
    AFTER_READ,
    IN_PROVIDER,
    RECORDED,
    TOLD,
    DUTY_DONE,
    BEFORE_COMMIT,
    AFTER_COMMIT,
)
"""One between every two steps, in their order."""


def issue(tools: Tools, duty_id: UUID, offer_id: UUID) -> None:
    """The outside handler. Safe to run twice, at once, and on an offer that is not to be issued any more."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        kind = queries.kind_being_issued(uow.session, offer_id)
        faults.point(AFTER_READ)
        if kind in ISSUERS:
            held = queries.hold_any(uow.session, offer_id)
            if held.offer.status == "issuing":  # else another worker has recorded it meanwhile, or given it up
                _record(uow, [held])
        elif kind is not None:
            asking.take_over(uow, duty_id, offer_id)
        # Unless another worker has settled it, or is just giving it up and will find the offer issued.
        outbox.settle(uow.session, duty_id)
        faults.point(DUTY_DONE)
        uow.conclude()
        faults.point(BEFORE_COMMIT)
    faults.point(AFTER_COMMIT)


def issue_together(tools: Tools, owed: Sequence[Owed]) -> Collection[UUID]:
    """The same of many, in one transaction. Nobody is waited for: what somebody has in hand, what is of another kind or not to be
    issued any more comes by itself.
    """
    duty_of = {one.subject_id: one.duty_id for one in owed}
    with tools.database.unit_of_work(SYSTEM) as uow:
        found = queries.hold_free_of_issuing(uow.session, [*duty_of], TOGETHER)
        faults.point(AFTER_READ)
        _record(uow, found)
        done = [duty_of[held.offer.id] for held in found]
        outbox.settle_many(uow.session, done)
        faults.point(DUTY_DONE)
        uow.conclude()
        faults.point(BEFORE_COMMIT)
    faults.point(AFTER_COMMIT)
    return done


def _record(uow: UnitOfWork, many: Sequence[Held]) -> None:
    """All of them are `issuing`."""
    for kind in dict.fromkeys(held.offer.kind for held in many):
        issuer, alike = ISSUERS[kind], [held for held in many if held.offer.kind == kind]
        made = issuer.issue(uow, alike)
        faults.point(IN_PROVIDER)
        for held, one in zip(alike, made, strict=True):
            held.offer.issued_reference = one.reference
            offers.advance(uow, SYSTEM, held, "record_issued", {})
            faults.point(RECORDED)
            issuer.tell(uow, held, one)
            faults.point(TOLD)


def give_up(uow: UnitOfWork, offer_id: UUID, reason: str) -> None:
    """The duty is dead: fail the offer and free its money, unless it was issued after all, or may have been by a provider."""
    abandon(uow, queries.hold_any(uow.session, offer_id), reason)


def abandon(uow: UnitOfWork, held: Held, reason: str) -> None:
    """As `give_up`. What waits for a person goes on waiting."""
    if held.offer.issuance != "automatic" or asking.give_up(uow, held, reason):
        return
    log.error("issuing given up", offer=str(held.offer.id))
    offers.advance(uow, SYSTEM, held, "fail", {"reason": reason[: outcomes.MOST_REASON]})
