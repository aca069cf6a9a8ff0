"""Every select on canned replies and macros, and which of them exist for whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from helpdesk.complaints import queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import Part
from helpdesk.complaints.scoped_queries import one, one_for_update, usable_by
from helpdesk.complaints.template_models import CannedReply, Macro
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Team
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_REPLY: Final = select(*CannedReply.__table__.c)
_MACRO: Final = select(*Macro.__table__.c)
_BY_REPLY: Final = Order((CannedReply.__table__.c.id,), (UUID,))
_BY_MACRO: Final = Order((Macro.__table__.c.id,), (UUID,))


def list_replies(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    statement = _REPLY.where(usable_by(actor, CannedReply))
    if "shortcut" in given:
        statement = statement.where(CannedReply.shortcut == given["shortcut"])
    return listed(session, page, _narrowed(statement, CannedReply, given), _BY_REPLY, given)


def list_macros(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return listed(session, page, _narrowed(_MACRO.where(usable_by(actor, Macro)), Macro, given), _BY_MACRO, given)


def _narrowed(statement: AnySelect, kind: type[CannedReply | Macro], given: dict[str, Any]) -> AnySelect:
    if "scope" in given:
        statement = statement.where(kind.scope == given["scope"])
    if "team_id" in given:
        statement = statement.where(kind.team_id == given["team_id"])
    return statement


def reply_detail(session: Session, reply_id: UUID) -> dict[str, Any]:
    """For whoever has just written it: no visibility."""
    return dict(session.execute(_REPLY.where(CannedReply.id == reply_id)).mappings().one())


def macro_detail(session: Session, macro_id: UUID) -> dict[str, Any]:
    return dict(session.execute(_MACRO.where(Macro.id == macro_id)).mappings().one())


def reply(session: Session, actor: Actor, reply_id: UUID) -> CannedReply:
    return one(session, actor, CannedReply, reply_id)


def reply_if_usable(session: Session, actor: Actor, reply_id: UUID) -> CannedReply | None:
    found = select(CannedReply).where(CannedReply.id == reply_id, usable_by(actor, CannedReply))
    return session.scalars(found).one_or_none()


def macro(session: Session, actor: Actor, macro_id: UUID) -> Macro:
    return one(session, actor, Macro, macro_id)


def macros_of_several(session: Session) -> Sequence[Any]:
    """`(id, name, steps)` of those that are a team's, or everybody's."""
    return session.execute(
        select(Macro.id, Macro.name, Macro.steps).where(Macro.scope != "own").order_by(Macro.id)
    ).all()


def reply_for_update(session: Session, actor: Actor, canned_reply_id: UUID) -> CannedReply:
    return one_for_update(session, actor, CannedReply, canned_reply_id)


def macro_for_update(session: Session, actor: Actor, macro_id: UUID) -> Macro:
    return one_for_update(session, actor, Macro, macro_id)


def shortcut_taken(session: Session, row: CannedReply) -> bool:
    """By another one of the same agent, of the same team, or of those that are shared."""
    others = select(CannedReply.id).where(
        CannedReply.scope == row.scope,
        CannedReply.shortcut == row.shortcut,
        CannedReply.id != row.id,
        CannedReply.agent_id.is_not_distinct_from(row.agent_id),
        CannedReply.team_id.is_not_distinct_from(row.team_id),
    )
    return session.execute(others).first() is not None


def count_use(session: Session, kind: type[CannedReply | Macro], row_id: UUID) -> None:
    """Its version stays: nobody's edit is lost to it."""
    used = update(kind).where(kind.id == row_id).values(uses=kind.uses + 1, last_used_at=func.now())
    session.execute(used.execution_options(synchronize_session=False))


def team_name(session: Session, team_id: UUID) -> str | None:
    return session.execute(select(Team.name).where(Team.id == team_id)).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Previewed:
    """A complaint and the canned reply that is to be read for it."""

    complaint: Complaint
    reply: CannedReply


def previewed(session: Session, actor: Actor, ref: str, canned_reply_id: UUID) -> Previewed:
    return Previewed(queries.get_visible(session, actor, ref), reply(session, actor, canned_reply_id))


def macro_part(session: Session, actor: Actor, ref: str, macro_id: UUID) -> Part[Macro]:
    """The complaint, locked, and the macro that is to be applied to it."""
    complaint = queries.complaint_for_update(session, actor, ref)
    return Part(complaint, macro(session, actor, macro_id))
