"""What went wrong at one provider, tried once more when it is there again: each offer by itself, in a transaction of its own, as if
somebody had asked for it alone. What is refused for one is done for the next.

Nothing has to be remembered of it: what was tried is no dead letter any more, so whoever is cut off in between asks again.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.problems import InternalError, of_database
from helpdesk.kernel.retrying import again
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import dead_letter_queries, offers, queries
from helpdesk.recovery.offers import Links

log = structlog.get_logger()

MOST: Final = 100
"""In one go."""
STEPS: Final = {"failed": "retry", "unknown": "ask_again"}
"""What is tried of an offer that is listed for this reason. What is contradicted somebody has to settle first."""


def retry_all(
    database: Database, actor: Actor, provider_id: UUID, given: Mapping[str, Any], to: Links
) -> dict[str, Any]:
    """`given`: `why` (one of `STEPS`; None: any), `after` (an offer; None: from the first) and `limit`. One outcome of each, the
    oldest offer first, and whether there are `more`.
    """
    whys = STEPS if given["why"] is None else (given["why"],)
    with database.reader() as session:
        found = dead_letter_queries.of_provider(
            session, actor, provider_id, whys, after=given["after"], limit=given["limit"] + 1
        )
    items = [
        {"place": place, "offer_id": offer_id, "why": why, **_try(database, actor, offer_id, why, to)}
        for place, (offer_id, why) in enumerate(found[: given["limit"]])
    ]
    return {"items": items, "more": len(found) > given["limit"]}


def _try(database: Database, actor: Actor, offer_id: UUID, why: str, to: Links) -> dict[str, Any]:
    """`action`, `status`, `code` and `detail`: the outcome, as if it had been a request of its own."""
    action = STEPS.get(why)  # None: contradicted
    outcome = {"action": action, "status": 200, "code": None, "detail": None}
    error: DomainError
    try:
        again(lambda: _do(database, actor, offer_id, action, to), what="a dead letter")
    except DomainError as refused:
        error = refused
    except DBAPIError as broken:
        error = of_database(broken)
    except Exception:
        log.exception("a dead letter could not be retried", offer=str(offer_id))
        error = InternalError()
    else:
        return outcome
    return outcome | {"status": error.status, "code": error.code, "detail": error.in_one_text}


def _do(database: Database, actor: Actor, offer_id: UUID, action: str | None, to: Links) -> None:
    """`action` None: what would be tried if it were not contradicted, so that the lifecycle refuses it and says what is to be settled."""
    with database.unit_of_work(actor) as uow:
        held = queries.hold(uow.session, actor, offer_id)
        tried = action or STEPS["unknown" if held.offer.status == "issuing" else "failed"]
        offers.act(uow, actor, held, tried, {}, to=to)
