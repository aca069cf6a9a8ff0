"""Every select of the suggestions: what is learned from, which model is in use, and what became of what it said.

**What counts as categorised.** The category of a complaint's first issue, where a person has judged it: an agent at
triage (the last one), or, before any triage, whoever entered it or imported it with a category. Not what the public
chose in a form, what another system sent over the API, or what a rule set. Of a complaint from another system only the
description is read: its subject is often made from the very columns that gave the category. Dismissed complaints (spam,
duplicates) and those whose text was redacted teach nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ARRAY, Integer, String, Uuid, and_, bindparam, func, literal, literal_column, or_, select, text
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint, Issue, Person, TransitionRow
from helpdesk.complaints.redaction_models import Redaction
from helpdesk.kernel import advisory
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.jobs import ENDED, Job
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.suggestions.models import CategoryModel, CategorySuggestion

FOLLOWED_DAYS: Final = 90
_C: Final = Complaint.__table__.c


class Example(NamedTuple):
    """`names`: of the people on it, and their addresses."""

    id: UUID
    subject: str | None
    description: str
    category: str
    names: Sequence[str | None]


def lock_training(session: Session) -> None:
    """Trainings begin and end one at a time; until the end of the transaction."""
    advisory.lock(session, advisory.Alone.TRAINING)


def training_under_way(session: Session, kind: str) -> UUID | None:
    return session.scalars(select(Job.id).where(Job.kind == kind, Job.state.not_in(ENDED)).limit(1)).first()


def redactions(session: Session) -> int:
    """How many times the text of a complaint was redacted."""
    return session.execute(select(func.count()).where(Redaction.part != "message")).scalar_one()


_FIRST_ISSUE: Final = (
    select(func.coalesce(Issue.category, func.split_part(Issue.issue, literal_column("'.'"), literal_column("1"))))
    .where(Issue.complaint_id == _C.id)
    .order_by(Issue.position)
    .limit(1)
    .correlate(Complaint.__table__)
    .scalar_subquery()
)
_JUDGED_BY: Final = (
    select(TransitionRow.actor_kind)
    .where(TransitionRow.complaint_id == _C.id, TransitionRow.action == "triage")
    .order_by(TransitionRow.number.desc())
    .limit(1)
    .correlate(Complaint.__table__)
    .scalar_subquery()
)
_ENTERED_BY: Final = (
    select(EventRow.actor_kind)
    .where(EventRow.stream_id == _C.id, EventRow.stream_seq == 1)
    .correlate(Complaint.__table__)
    .scalar_subquery()
)
_NAMES: Final = (
    select(func.json_agg(func.json_build_array(Person.name, Person.email)))
    .where(Person.complaint_id == _C.id)
    .correlate(Complaint.__table__)
    .scalar_subquery()
)
_REDACTED: Final = (
    select(Redaction.id)
    .where(Redaction.complaint_id == _C.id, Redaction.part != "message")
    .correlate(Complaint.__table__)
    .exists()
)
_OWN_WORDS: Final = or_(_C.source_data.is_(None), _C.source_data[("_import", "description")].is_(None))
"""The description is the complainant's, and not made by a mapping for want of one."""
_ENTERED: Final = and_(
    _C.triaged_at.is_(None),
    _ENTERED_BY.in_(["agent", "system"]),
    or_(_C.source_data.is_(None), ~_C.source_data.has_key("form_id")),
)
_EXAMPLES: Final = select(
    _C.id, _C.subject, _C.description, _C.source, _FIRST_ISSUE.label("category"), _NAMES.label("names")
).where(_C.status != "dismissed", or_(_JUDGED_BY == "agent", _ENTERED), _OWN_WORDS, ~_REDACTED)


def examples(session: Session, most: int, batch: int) -> Iterator[list[Example]]:
    """The newest complaints that were categorised, newest first, at most so many, in batches of at most `batch`: empty ones
    too, so that whoever reads can say how it goes.
    """
    last: UUID | None = None
    left = most
    while left > 0:
        ids = _ids_before(session, last, batch)
        if not ids:
            return
        last = ids[-1]
        rows = session.execute(_EXAMPLES.where(_C.id.in_(ids)).order_by(_C.id.desc())).all()
        found = [_example(row) for row in rows if row.category][:left]
        left -= len(found)
        yield found


def _ids_before(session: Session, last: UUID | None, batch: int) -> Sequence[UUID]:
    statement = select(_C.id).order_by(_C.id.desc()).limit(batch)
    return session.scalars(statement if last is None else statement.where(_C.id < last)).all()


def _example(row: Any) -> Example:
    names = [name for pair in row.names or () for name in pair]
    return Example(row.id, None if row.source else row.subject, row.description, row.category, names)


class Kept(NamedTuple):
    """A version, without its content."""

    id: UUID
    version: int
    created_at: datetime
    examples: int


_KEPT: Final = select(CategoryModel.id, CategoryModel.version, CategoryModel.created_at, CategoryModel.examples)


def kept_versions(session: Session) -> list[Kept]:
    """The newest first."""
    return [Kept(*row) for row in session.execute(_KEPT.order_by(CategoryModel.version.desc()))]


def content_of(session: Session, model_id: UUID) -> tuple[bytes, bytes] | None:
    """The packed model and its checksum; None when it is gone meanwhile."""
    row = session.execute(
        select(CategoryModel.content, CategoryModel.checksum).where(CategoryModel.id == model_id)
    ).one_or_none()
    return None if row is None else (bytes(row.content), bytes(row.checksum))


_SHOWN: Final[Sequence[Any]] = (
    CategoryModel.id,
    CategoryModel.version,
    CategoryModel.created_at,
    CategoryModel.trained_by,
    CategoryModel.examples,
    CategoryModel.words,
    CategoryModel.figures,
)


def version_in_full(session: Session, model_id: UUID) -> Mapping[str, Any] | None:
    """None when it is gone meanwhile."""
    found = session.execute(select(*_SHOWN).where(CategoryModel.id == model_id))
    return cast("Mapping[str, Any] | None", found.mappings().one_or_none())


_NEWEST_FIRST: Final = Order((CategoryModel.version,), (int,), descending=True)


def list_versions(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    return listed(session, page, select(*_SHOWN), _NEWEST_FIRST, given)


SHOWN_NOW: Final = (
    select(
        _C.id,
        bindparam("agent_id", type_=Uuid()),
        func.now(),
        bindparam("basis", type_=String()),
        bindparam("model_version", type_=Integer()),
        bindparam("categories", type_=ARRAY(String())),
    )
    .where(_C.id == bindparam("complaint_id"))
    .with_for_update(read=True, key_share=True, skip_locked=True)
)
"""What is to be noted as shown: nothing while somebody changes the complaint, since whoever only looks waits for nobody."""


def followed(session: Session) -> Sequence[Mapping[str, Any]]:
    """Of what was shown lately, by what it was based on and the model's version: how many, how many of them were judged, and
    of these how many by the first suggestion and by any.
    """
    shown = CategorySuggestion
    since = func.now() - text(f"interval '{FOLLOWED_DAYS} days'")
    statement = (
        select(
            shown.basis,
            shown.model_version,
            func.count().label("shown"),
            func.count(shown.place).label("decided"),
            func.count().filter(shown.place == literal(1)).label("first"),
            func.count().filter(shown.place > literal(0)).label("among"),
        )
        .where(shown.shown_at > since)
        .group_by(shown.basis, shown.model_version)
        .order_by(shown.basis, shown.model_version.desc())
    )
    return cast(Sequence[Mapping[str, Any]], session.execute(statement).mappings().all())
