"""Replies of complainants in the middle of a pause: clocks went on standing still though what was waited for had come.

Read along the index of replies by their time. Whoever was waited for: a reply while somebody else is waited for is one, too. Only
the first reply in a pause counts for that pause.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Text, cast, column, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.list_queries import COUNTED_TO
from helpdesk.complaints.models import Complaint, Message
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team
from helpdesk.kernel.pagination import AnySelect, Count, Order
from helpdesk.sla.models import Clock

_CLOCK: Final = Clock.__table__.c
_COMPLAINT: Final = Complaint.__table__.c
_MESSAGE: Final = Message.__table__.c
_EARLIER: Final = aliased(Message.__table__, name="earlier").c

_PAUSE: Final = func.jsonb_array_elements(_CLOCK.pauses).table_valued(column("value", JSONB), name="pause")


def _end(place: int) -> ColumnElement[datetime]:
    return cast(_PAUSE.c.value.op("->>", return_type=Text())(place), DateTime(timezone=True))


_IN_A_PAUSE: Final = (
    select(
        func.jsonb_agg(func.jsonb_build_array(_CLOCK.id, _PAUSE.c.value.op("->>", return_type=Text())(1))).label("of")
    )
    .select_from(Clock.__table__)
    .join(_PAUSE, true())
    .where(
        _CLOCK.complaint_id == _MESSAGE.complaint_id,
        _CLOCK.pausable,
        ~func.coalesce(_CLOCK.carried, literal([], JSONB)).contains(func.jsonb_build_array(_PAUSE.c.value)),
        _end(0) <= _MESSAGE.created_at,
        func.coalesce(_end(1), func.now()) > _MESSAGE.created_at,
        ~select(_EARLIER.id)
        .where(
            _EARLIER.complaint_id == _MESSAGE.complaint_id,
            _EARLIER.kind == "inbound",
            _EARLIER.created_at >= _end(0),
            tuple_(_EARLIER.created_at, _EARLIER.id) < tuple_(_MESSAGE.created_at, _MESSAGE.id),
        )
        .correlate(Message.__table__, _PAUSE)
        .exists(),
    )
    .correlate(Message.__table__)
    .lateral("paused")
)
"""Clocks in one of whose pauses it is the first reply, each with the end of that pause: `[[id, end or null], ...]`. What a clock carries
from a round before is that one's; and while a complaint was closed nobody was waited for.
"""

ORDER: Final = Order((_MESSAGE.created_at, _MESSAGE.id), (datetime, UUID), descending=True)


def replies(actor: Actor, given: Mapping[str, Any], since: datetime, before: datetime) -> AnySelect:
    """Of the complaints that the actor may see, newest first once `ORDER` is applied. `given`: team_id, agent_id."""
    narrowed = [_COMPLAINT.team_id == given["team_id"]] if "team_id" in given else []
    narrowed += [_COMPLAINT.assignee_id == given["agent_id"]] if "agent_id" in given else []
    return (
        select(
            _MESSAGE.id,
            _MESSAGE.created_at,
            _COMPLAINT.id.label("complaint_id"),
            _COMPLAINT.reference,
            _COMPLAINT.team_id,
            Team.name.label("team"),
            _COMPLAINT.assignee_id.label("agent_id"),
            Agent.name.label("agent"),
            _IN_A_PAUSE.c.of.label("paused"),
        )
        .select_from(Message.__table__)
        .join(Complaint.__table__, _COMPLAINT.id == _MESSAGE.complaint_id)
        .join(_IN_A_PAUSE, _IN_A_PAUSE.c.of.is_not(None))
        .outerjoin(Team, Team.id == _COMPLAINT.team_id)
        .outerjoin(Agent, Agent.id == _COMPLAINT.assignee_id)
        .where(
            _MESSAGE.kind == "inbound",
            _MESSAGE.created_at >= since,
            _MESSAGE.created_at < before,
            complaints.visible_to(actor),
            *narrowed,
        )
    )


def clocks_by_id(session: Session, clock_ids: Sequence[UUID]) -> dict[UUID, Clock]:
    return {clock.id: clock for clock in session.scalars(select(Clock).where(Clock.id.in_(clock_ids)))}


def after(session: Session, statement: AnySelect, last: Any, limit: int) -> Sequence[Any]:
    """The next so many rows in order after the row `last`, None at the beginning."""
    if last is not None:
        statement = statement.where(ORDER.after((last["created_at"], last["id"])))
    return session.execute(ORDER.apply(statement).limit(limit)).mappings().all()


def count(session: Session, statement: AnySelect) -> Count:
    """How many there are, up to `COUNTED_TO`."""
    some = ORDER.apply(statement).limit(COUNTED_TO + 1).subquery()
    return Count.up_to(COUNTED_TO, session.execute(select(func.count()).select_from(some)).scalar_one())
