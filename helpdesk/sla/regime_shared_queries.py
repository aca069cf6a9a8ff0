"""Facts and notices of other complaints that are so of one: of those that were merged into it, and of the one that it was split off from,
with all that went on in that, until then.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.link_models import Link
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.sla.models import Clock
from helpdesk.sla.queries import split_of
from helpdesk.sla.regime_models import ExtensionNotice, RegulatoryFact


def shared_by(session: Session, complaint_ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """The complaints whose facts are those of these, with until when; None: still. These themselves come first."""
    found: dict[UUID, datetime | None] = dict.fromkeys(complaint_ids)
    ahead = list(complaint_ids)
    while ahead:
        each = ahead.pop(0)
        split = split_of(session, each)
        if split is None:
            continue
        whole, split_at = split
        until = min(split_at, found[each] or split_at)
        for other in (whole, *merge_queries.went_on_in(session, whole, until)):
            if other not in found:
                found[other] = until
                ahead.append(other)
    return found


_EVER: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def parts_of(session: Session, complaint_id: UUID) -> list[UUID]:
    """The complaints that share its facts of before they were split off: from it, or from what it went on in at that time, be it by
    itself again since. Each step is within the time of the one before, so that there is an end to it.
    """
    found, ahead = list[UUID](), [(complaint_id, *_EVER)]
    while ahead:
        whole, since, until = ahead.pop(0)
        split = Link.to_id == whole, Link.kind == "split_from", Link.created_at >= since, Link.created_at < until
        found += session.scalars(select(Link.from_id).where(*split).order_by(Link.from_id))
        merges = merge_queries.undone_merges_of(session, whole)
        spans = ((each.survivor_id, max(since, each.merged_at), min(until, each.undone_at or until)) for each in merges)
        ahead += [span for span in spans if span[1] < span[2]]
    return found


def _with_sources(session: Session, complaint_id: UUID) -> list[UUID]:
    return [complaint_id, *merge_queries.going_on_in(session, complaint_id)]


def facts_of(session: Session, complaint_id: UUID) -> list[ColumnElement[bool]]:
    """Any of which holds of a fact that is so of the complaint."""
    return [
        RegulatoryFact.complaint_id == each
        if until is None
        else and_(RegulatoryFact.complaint_id == each, RegulatoryFact.recorded_at <= until)
        for each, until in shared_by(session, _with_sources(session, complaint_id)).items()
    ]


def notices_shared(session: Session, complaint_ids: Collection[UUID]) -> list[ColumnElement[bool]]:
    """Any of which holds of a notice that is so of these complaints."""
    return [
        ExtensionNotice.complaint_id == each
        if until is None
        else and_(ExtensionNotice.complaint_id == each, ExtensionNotice.given_at <= until)
        for each, until in shared_by(session, complaint_ids).items()
    ]


def notices(actor: Actor) -> Any:
    """With the name of their complaint, and whether the actor may see it."""
    whose = Complaint.reference, complaints.visible_to(actor).label("visible")
    return select(*ExtensionNotice.__table__.c, *whose).join(Complaint, Complaint.id == ExtensionNotice.complaint_id)


def notices_of(session: Session, actor: Actor, clock: Clock) -> Sequence[Any]:
    """Those of the clock, by their numbers and times: also of the earlier rounds that it goes on from."""
    statement = notices(actor).join(Clock, Clock.id == ExtensionNotice.clock_id)
    of_clock = _of_clock(session, clock, clock.kind)
    return (
        session.execute(statement.where(*of_clock).order_by(ExtensionNotice.number, ExtensionNotice.given_at))
        .mappings()
        .all()
    )


def notice_times(session: Session, clock: Clock) -> dict[int, datetime]:
    """Number of a notice of the clock -> when it was given; the first, where several were. Of a clock of a notice, those of the deadline
    that it moved.
    """
    statement = select(ExtensionNotice.number, ExtensionNotice.given_at)
    statement = statement.join(Clock, Clock.id == ExtensionNotice.clock_id)
    of_clock = _of_clock(session, clock, clock.rule_id or clock.kind)
    rows = session.execute(statement.where(*of_clock).order_by(ExtensionNotice.given_at.desc()))
    return {row.number: row.given_at for row in rows}


def _of_clock(session: Session, clock: Clock, kind: str) -> Sequence[ColumnElement[bool]]:
    mine = or_(Clock.complaint_id != clock.complaint_id, Clock.round <= clock.round)
    return or_(*notices_shared(session, _with_sources(session, clock.complaint_id))), Clock.kind == kind, mine
