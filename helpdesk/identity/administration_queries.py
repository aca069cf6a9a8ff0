"""Every select on the log of administrative acts."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from helpdesk.identity.administration_models import ADMINISTRATION, IS_ADMINISTRATIVE, AdministrationLog
from helpdesk.kernel.event_log import Broken, ChainCheck, EventRow
from helpdesk.kernel.pagination import Listed, Order, Page, listed

SHOWN: Final = 100
"""Faults told of one stretch; one is enough to know."""

_BATCH: Final = 2_000
_TABLE: Final = EventRow.__table__.c


def log_for_update(session: Session) -> AdministrationLog:
    """The one row, locked. For `UnitOfWork.record_last`, which calls it when all else is written."""
    locked = select(AdministrationLog).with_for_update().execution_options(populate_existing=True)
    return session.execute(locked).scalar_one()


_ACT: Final = select(
    EventRow.id,
    EventRow.stream_seq,
    EventRow.type,
    EventRow.subject_id,
    EventRow.occurred_at,
    EventRow.actor_kind,
    EventRow.actor_id,
    EventRow.request_id,
    EventRow.payload,
    func.encode(EventRow.hash, "hex").label("hash"),
).where(IS_ADMINISTRATIVE)
_NEWEST_FIRST: Final = Order((EventRow.occurred_at, EventRow.stream_seq), (datetime, int), descending=True)


def list_acts(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    """Newest first. An act is as old as its request: one that took long stands below others that were quicker."""
    conditions = [
        getattr(EventRow, name) == given[name] for name in ("type", "subject_id", "actor_id") if name in given
    ]
    if "occurred_from" in given:
        conditions.append(EventRow.occurred_at >= given["occurred_from"])
    if "occurred_before" in given:
        conditions.append(EventRow.occurred_at < given["occurred_before"])
    return listed(session, page, _ACT.where(*conditions), _NEWEST_FIRST, given)


def _stretch(session: Session, after: int, limit: int) -> Sequence[Any]:
    """Events after a place, each with what the chain's row says at that same moment; that row alone when there are none."""
    joined = and_(_TABLE.stream_id == AdministrationLog.id, _TABLE.stream_seq > after)
    statement = (
        select(AdministrationLog.event_count, AdministrationLog.event_head, *_TABLE)
        .select_from(AdministrationLog)
        .outerjoin(EventRow.__table__, joined)
        .order_by(_TABLE.stream_seq)
        .limit(limit)
    )
    return session.execute(statement).all()


def _hash_at(session: Session, place: int) -> bytes | None:
    at = select(EventRow.hash).where(EventRow.stream_id == ADMINISTRATION, EventRow.stream_seq == place)
    return session.execute(at).scalar_one_or_none()


def verification(session: Session, after: int, most: int) -> dict[str, Any]:
    """Recompute the chain from behind the place `after`, `most` events of it: `valid`, `events` looked at, `verified_to`
    (the place to go on after), `complete`, and what is `broken`.
    """
    prev = b"" if after == 0 else _hash_at(session, after)
    if prev is None:
        return _report(0, after, [Broken(ADMINISTRATION, after, "is not there")], complete=True)
    seen, place, complete = 0, after, False
    broken: list[Broken] = []
    while not complete and seen < most:
        asked = min(_BATCH, most - seen)
        rows = _stretch(session, place, asked)
        events = [row for row in rows if row.id is not None]
        # Anew for each stretch: behind an event that is missing, every later one would stand in the wrong place.
        check = ChainCheck(ADMINISTRATION, place, prev)
        broken += check.go_on(events)
        seen += len(events)
        if events:
            place, prev = events[-1].stream_seq, bytes(events[-1].hash)
        complete = len(events) < asked
        if complete:
            broken += ChainCheck(ADMINISTRATION, place, prev).end(rows[0].event_count, bytes(rows[0].event_head))
    return _report(seen, place, broken, complete=complete)


def _report(events: int, place: int, broken: list[Broken], *, complete: bool) -> dict[str, Any]:
    return {
        "valid": not broken,
        "events": events,
        "verified_to": place,
        "complete": complete,
        "broken": broken[:SHOWN],
    }


def all_faults(session: Session) -> Iterator[Broken]:
    """Of the whole chain, however long."""
    place, complete = 0, False
    while not complete:
        found = verification(session, place, _BATCH)
        yield from found["broken"]
        place, complete = found["verified_to"], found["complete"]
