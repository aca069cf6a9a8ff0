"""Going through many rows for a duty, each in its own short transaction: what was done stays done when the worker is killed."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel import outbox
from helpdesk.kernel.events import Principal
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

BATCH: Final = 200


def one_by_one(
    database: Database,
    actor: Principal,
    duty_id: UUID,
    found: Callable[[Session, UUID | None, int], Sequence[UUID]],
    act: Callable[[UnitOfWork, UUID], object],
) -> None:
    """Then the duty is done. `found(session, last, most)`: ids after `last`, in order, `most` at a time. `act` must bear that it
    was done before, and look again whether the row still qualifies.
    """
    last: UUID | None = None
    while True:
        with database.reader() as session:
            ids = found(session, last, BATCH)
        for row_id in ids:
            with database.unit_of_work(actor) as uow:
                act(uow, row_id)
        if len(ids) < BATCH:
            break
        last = ids[-1]
    with database.unit_of_work(actor) as uow:
        outbox.mark_done(uow.session, duty_id)
