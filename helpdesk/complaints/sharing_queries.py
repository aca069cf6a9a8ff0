"""What of a complaint is whose, where complaints of several people were merged into it.

Each sees what was theirs before, what they sent since, and what we have said to all of them since. Nobody reads what
another person wrote, or what we had written to that person.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.merge_models import Merge, MergedRow

_MERGE: Final = Merge.__table__.c
_ROW: Final = MergedRow.__table__.c
_HOLDS: Final = _MERGE.undone_at.is_(None)
_OF_ONE_PERSON: Final = func.coalesce(
    _MERGE.facts_before["customer_id"].astext == _MERGE.source_facts["customer_id"].astext, False
)
"""As the two were when they were merged: what one lacks, the other brings. Of whom nobody knows who they are, no."""

_BROUGHT: Final = select(_ROW.row_id).join(Merge.__table__, _MERGE.id == _ROW.merge_id).where(_HOLDS)


def brought_by_others(row_id: Any) -> ColumnElement[bool]:
    """A row that came with another person's complaint."""
    return _BROUGHT.where(_ROW.row_id == row_id, ~_OF_ONE_PERSON).exists()


def theirs_beside(row_id: Any, beside_id: Any) -> ColumnElement[bool]:
    """A row that came with, or later from, the complaint that was merged into another person's."""
    return _BROUGHT.where(_ROW.row_id == row_id, _MERGE.source_id == beside_id).exists()


def of_the_complainant(
    row: Any, beside_id: UUID | None, *, ours: ColumnElement[bool], own: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Which rows (messages, files; `row`: their columns) a complainant sees. `ours`: of those, what we said to them; `own`:
    what they said. Of a merged complaint: that of `Actor.beside_id`.
    """
    if beside_id is None:
        return and_(or_(ours, own), ~brought_by_others(row.id))
    since = select(_MERGE.merged_at).where(_MERGE.source_id == beside_id, _HOLDS).scalar_subquery()
    return or_(and_(or_(ours, own), theirs_beside(row.id, beside_id)), and_(ours, row.created_at >= since))


def merge_of(session: Session, source_id: UUID) -> UUID:
    """The merge by which a complaint went on in another."""
    found: UUID = session.execute(select(_MERGE.id).where(_MERGE.source_id == source_id, _HOLDS)).scalar_one()
    return found


_STEPS: Final = (
    select(_MERGE.survivor_id, _OF_ONE_PERSON.label("of_one_person"))
    .where(_MERGE.source_id == bindparam("source_id"), _HOLDS)
    .cte("steps", recursive=True)
)
_WAY: Final = _STEPS.union_all(
    select(_MERGE.survivor_id, _OF_ONE_PERSON).join(_STEPS, _STEPS.c.survivor_id == _MERGE.source_id).where(_HOLDS)
)
_ALL_OF_ONE: Final = select(func.bool_and(_WAY.c.of_one_person))


def is_of_one_person(session: Session, source_id: UUID) -> bool:
    """Whether a complaint goes on in another one of the same person's, from merge to merge."""
    return session.execute(_ALL_OF_ONE, {"source_id": source_id}).scalar_one() is True
