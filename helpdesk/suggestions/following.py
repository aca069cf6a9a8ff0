"""Whether people follow what was suggested to them: what each was last shown of a complaint, until they judge it."""

from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.unit_of_work import UnitOfWork, note
from helpdesk.suggestions import queries
from helpdesk.suggestions.models import CategorySuggestion


class Shown(NamedTuple):
    """`basis` of the first one; `categories` in their order."""

    basis: str
    model_version: int | None
    categories: list[str]


_TABLE: Final = CategorySuggestion.__table__
_NEW: Final = insert(_TABLE)
_SHOW: Final = _NEW.from_select(
    ["complaint_id", "agent_id", "shown_at", "basis", "model_version", "categories"], queries.SHOWN_NOW
).on_conflict_do_update(
    index_elements=["complaint_id", "agent_id"],
    set_={name: _NEW.excluded[name] for name in ("shown_at", "basis", "model_version", "categories")},
    where=(_TABLE.c.decided_at.is_(None))
    & or_(
        _TABLE.c.categories != _NEW.excluded.categories,
        _TABLE.c.model_version.is_distinct_from(_NEW.excluded.model_version),
    ),
)
_DECIDE: Final = (
    update(CategorySuggestion)
    .where(
        CategorySuggestion.complaint_id == bindparam("of"),
        CategorySuggestion.agent_id == bindparam("by"),
        CategorySuggestion.decided_at.is_(None),
    )
    .values(
        chosen=bindparam("category"),
        place=func.coalesce(func.array_position(CategorySuggestion.categories, bindparam("category")), 0),
        decided_at=bindparam("at"),
    )
    .execution_options(synchronize_session=False)
)


def note_shown(session: Session, actor: Actor, complaint_id: UUID, shown: Shown) -> None:
    """Of agents who may judge it. To look again changes nothing, nor does it when they have judged it already; while
    somebody changes the complaint nothing is noted.
    """
    if actor.kind == "agent" and actor.may("complaint:triage"):
        note(session, _SHOW, {"complaint_id": complaint_id, "agent_id": actor.id, **shown._asdict()})


def decide(uow: UnitOfWork, complaint_id: UUID, agent_id: UUID, category: str) -> None:
    """The agent has judged the complaint; only the first judgement after what they were shown counts."""
    uow.session.execute(_DECIDE, {"of": complaint_id, "by": agent_id, "category": category, "at": uow.now})
