"""Every select on events that were erased, and on the redactions that account for it.

A message may have been redacted on another complaint than the one where its events are: it went there by a merge or a split.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.erasures import REDACTIONS, Gone, Places, Redaction, accounted
from helpdesk.complaints.merge_queries import kin_of
from helpdesk.complaints.models import Message
from helpdesk.kernel.event_log import EventRow


def accounted_for(session: Session, streams: Iterable[UUID]) -> Places:
    """Of these complaints' chains, and of their kin, the places of events that were lawfully erased."""
    bare = _erased_in(session, streams)
    if not bare:
        return {}
    kin = {one for stream in {each.stream_id for each in bare} for one in kin_of(session, stream)}
    return accounted(_erased_in(session, kin), redactions_on(session, kin))


def _erased_in(session: Session, streams: Iterable[UUID]) -> list[Gone]:
    erased = select(EventRow.stream_id, EventRow.stream_seq, EventRow.seq, EventRow.occurred_at).where(
        EventRow.stream_id.in_(list(streams)), EventRow.payload.is_(None)
    )
    return [Gone(row.stream_id, row.stream_seq or 0, row.seq, row.occurred_at) for row in session.execute(erased)]


def redactions_on(session: Session, streams: Iterable[UUID]) -> Sequence[Redaction]:
    """Those in these complaints' chains, oldest first."""
    told = select(EventRow).where(
        EventRow.stream_id.in_(list(streams)), EventRow.type.in_(REDACTIONS), EventRow.payload.is_not(None)
    )
    rows = session.scalars(told.order_by(EventRow.seq)).all()
    messages = {UUID(row.payload["message_id"]) for row in rows if row.payload and "message_id" in row.payload}
    written = select(Message.id, Message.created_at).where(Message.id.in_(messages))
    times = {row.id: row.created_at for row in session.execute(written)} if messages else {}
    return [_redaction(row, times) for row in rows if row.payload and "erased_events" in row.payload]


def _redaction(row: EventRow, times: dict[UUID, datetime]) -> Redaction:
    told = row.payload or {}
    message = told.get("message_id")
    return Redaction(
        row.stream_id or row.subject_id,
        row.seq,
        told.get("erased"),
        told["erased_events"],
        message is not None,
        times.get(UUID(message)) if message else None,
    )
