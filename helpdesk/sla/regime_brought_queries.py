"""Regulators' clocks of a survivor that are there by a merge."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.sla import queries
from helpdesk.sla.beginnings import BOOK
from helpdesk.sla.models import Clock


def brought_by(session: Session, merge_id: UUID) -> set[UUID]:
    """Those that began with it or since, and those that nothing was owed by when it was made. Whether there is another reason for one,
    the facts tell.
    """
    merge = merge_queries.merge_by_id(session, merge_id)
    since = set(queries.begun_since(session, merge.survivor_id, merge.merged_at))
    noted = merge_queries.ledger_of(session, merge_id, BOOK)
    since |= {clock_id for clock_id, known in noted.items() if known.get("own", merge_id) is None}
    regulators = select(Clock.id).where(Clock.id.in_(since), Clock.rule_id.is_not(None))
    return set(session.scalars(regulators)) if since else set()


def kept_among(session: Session, clock_ids: Collection[UUID]) -> Sequence[Clock]:
    """Of these the regulators' clocks that were kept, in time or late; none of a notice, which was sent all the same."""
    kept = Clock.id.in_(clock_ids), Clock.elapsed_seconds.is_not(None), Clock.kind == Clock.rule_id
    return session.scalars(select(Clock).where(*kept).order_by(Clock.round, Clock.id)).all() if clock_ids else ()
