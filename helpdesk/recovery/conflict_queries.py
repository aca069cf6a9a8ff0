"""Every select on conflicts of interest."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity import allowance_queries
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.conflict_models import InterestConflict

_CONFLICT: Final = InterestConflict.__table__.c
_BY_ID: Final = Order((_CONFLICT.id,), (UUID,), descending=True)
_SHOWN: Final = select(InterestConflict.__table__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A conflict that holds now. `complaint_id`: where it goes on, if that complaint was merged."""

    agent_id: UUID
    kind: str
    colleague_id: UUID | None
    complaint_id: UUID | None
    customer_id: UUID | None

    def bars(self, person_id: UUID, drafter_id: UUID | None, complaint_id: UUID, customer_id: UUID | None) -> bool:
        """Whether this person may for its sake not approve what this drafter drafted on this complaint."""
        if self.colleague_id is not None:
            pairs = {(self.agent_id, self.colleague_id)}
            if self.kind != "reports_to":
                pairs.add((self.colleague_id, self.agent_id))
            return (person_id, drafter_id) in pairs
        if self.agent_id != person_id:
            return False
        return complaint_id == self.complaint_id or (customer_id is not None and customer_id == self.customer_id)


def standing(session: Session, person_ids: Collection[UUID], at: datetime) -> list[Standing]:
    """Those that hold at a time and that one of these people has, or a colleague has with them."""
    goes_on_in = func.coalesce(Complaint.merged_into_id, Complaint.id)
    rows = session.execute(
        select(
            _CONFLICT.agent_id,
            _CONFLICT.kind,
            _CONFLICT.colleague_id,
            goes_on_in.label("complaint_id"),
            _CONFLICT.customer_id,
        )
        .outerjoin(Complaint, Complaint.id == _CONFLICT.complaint_id)
        .where(
            or_(_CONFLICT.agent_id.in_(person_ids), _CONFLICT.colleague_id.in_(person_ids)),
            *_holds(at),
        )
        .order_by(_CONFLICT.id)
    )
    return [Standing(*row) for row in rows]


def _holds(at: Any) -> tuple[ColumnElement[bool], ...]:
    return _CONFLICT.starts_at <= at, or_(_CONFLICT.ends_at.is_(None), _CONFLICT.ends_at > at)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """One's own; everybody's for who reads them."""
    if actor.may("authority:read") or actor.may("conflict:manage"):
        return true()
    return _CONFLICT.agent_id == actor.person_id


def list_conflicts(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    statement: Any = _SHOWN.where(visible_to(actor))
    for name in ("agent_id", "colleague_id", "customer_id", "kind"):
        if name in given:
            statement = statement.where(_CONFLICT[name] == given[name])
    if given.get("standing"):
        statement = statement.where(*_holds(func.now()))
    return listed(session, page, statement, _BY_ID, given)


def conflict_detail(session: Session, actor: Actor | None, conflict_id: UUID) -> Any:
    """Without an actor: for whoever has just changed it."""
    condition = true() if actor is None else visible_to(actor)
    found = session.execute(_SHOWN.where(_CONFLICT.id == conflict_id, condition))
    return existing(found.mappings().one_or_none())


def conflict_for_update(session: Session, actor: Actor, conflict_id: UUID) -> InterestConflict:
    """While it is changed nobody grants anything."""
    allowance_queries.alone(session)
    statement = select(InterestConflict).where(_CONFLICT.id == conflict_id, visible_to(actor)).with_for_update()
    return existing(session.execute(statement).scalar_one_or_none())
