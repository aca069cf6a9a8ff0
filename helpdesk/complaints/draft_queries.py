"""Every select on drafts."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.draft_models import Draft
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_for_update, get_visible, visible_id
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_DRAFT: Final = Draft.__table__.c
_SHOWN: Final[AnySelect] = select(
    *(column for column in _DRAFT if column.key not in {"html", "html_given"}),
    _DRAFT.html.label("body_html"),
    Agent.name.label("agent_name"),
).join(Agent, Agent.id == _DRAFT.agent_id)
_BY_ID: Final = Order((_DRAFT.id,), (UUID,))


@dataclass(frozen=True, slots=True)
class Writing:
    """A locked draft with its complaint, which is locked too when the draft is to be sent."""

    complaint: Complaint
    draft: Draft

    @property
    def version(self) -> int:
        return self.draft.version

    @property
    def etag(self) -> str:
        return self.draft.etag


def list_drafts(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    statement = _SHOWN.where(_DRAFT.complaint_id == visible_id(session, actor, ref))
    if "mine" in given:
        mine = _DRAFT.agent_id == actor.id
        statement = statement.where(mine if given["mine"] else mine.is_not(True))
    return listed(session, page, statement, _BY_ID, given)


def draft_of(session: Session, actor: Actor, ref: str, draft_id: UUID) -> dict[str, Any]:
    found = _SHOWN.where(_DRAFT.id == draft_id, _DRAFT.complaint_id == visible_id(session, actor, ref))
    row = session.execute(found).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


def draft(session: Session, draft_id: UUID) -> dict[str, Any]:
    """For whoever has just written it: no visibility."""
    return dict(session.execute(_SHOWN.where(_DRAFT.id == draft_id)).mappings().one())


def to_be_written(session: Session, actor: Actor, ref: str, draft_id: UUID) -> Writing:
    """The complaint is not locked: saving what one is typing waits for nobody else's act."""
    return _writing(session, get_visible(session, actor, ref), draft_id)


def to_be_sent(session: Session, actor: Actor, ref: str, draft_id: UUID) -> Writing:
    return _writing(session, complaint_for_update(session, actor, ref), draft_id)


def _writing(session: Session, complaint: Complaint, draft_id: UUID) -> Writing:
    belongs = select(Draft).where(Draft.id == draft_id, Draft.complaint_id == complaint.id).with_for_update()
    row = session.scalars(belongs).one_or_none()
    if row is None:
        raise NotFound
    return Writing(complaint, row)


def count_own(session: Session, complaint_id: UUID, agent_id: UUID) -> int:
    counted = select(func.count()).where(Draft.complaint_id == complaint_id, Draft.agent_id == agent_id)
    return session.execute(counted).scalar_one()
