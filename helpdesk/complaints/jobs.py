"""Sweeps over complaints. Each narrows by an index, then takes row by row: lock, re-check, and through the ordinary door,
each in its own short transaction, so that a bad row stops no other.
"""

from typing import Final

import structlog

from helpdesk.complaints import form_queries, people, person_queries
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database

log = structlog.get_logger()

BATCH: Final = 500


def forget_challenges(database: Database) -> int:
    """Proofs of work that nobody could use again anyway; how many."""
    with database.unit_of_work(SYSTEM) as uow:
        return form_queries.forget_challenges(uow.session)


def end_needs(database: Database) -> int:
    """End the needs whose time is over; how many. Rows in other hands wait for the next round."""
    with database.reader() as session:
        over = person_queries.needs_ended(session, BATCH)
    count = 0
    for complaint_id, need_id in over:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                part = person_queries.need_if_free(uow.session, complaint_id, need_id)
                if part is not None:
                    people.end_need(uow, part)
                    count += 1
        except Exception:
            log.exception("sweep skipped a need", need=str(need_id))
    return count
