"""Makes the index of complaints that have none yet, a batch at a time, and names where index and text differ."""

from typing import Final

from helpdesk.complaints import search_index, search_queries
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database

BATCH: Final = 200
ROUNDS: Final = 20
"""Batches of one sweep: it is rung for again while there is more."""


def index_unsearched(database: Database) -> int:
    """How many were indexed. Those that somebody is at work on wait for the next round."""
    count = 0
    for _ in range(ROUNDS):
        with database.unit_of_work(SYSTEM) as uow:
            waiting = search_queries.unsearched(uow.session, BATCH)
            free = search_queries.lock_free(uow.session, waiting)
            if free:
                search_index.rebuild(uow, free)
        count += len(free)
        if len(free) < BATCH:
            break
    return count
