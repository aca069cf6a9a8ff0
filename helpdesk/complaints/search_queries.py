"""Every select on the text of complaints: what is indexed, what matches, and in which order it is shown.

**Order.** Up to `RANKED` complaints that match are ranked by weight (subject, people and tags, description, thread) and then by
how new they are. A search that matches more says little about what is meant, and to rank tens of thousands of texts
takes longer than anybody waits: those are shown newest first, and the answer says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    cast,
    except_,
    exists,
    func,
    intersect,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY, aggregate_order_by
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.list_queries import Wanted, narrowed
from helpdesk.complaints.models import Complaint, Issue, Message, Person
from helpdesk.complaints.search_language import Query
from helpdesk.complaints.search_models import SearchSegment, Unsearched
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import CursorMismatch
from helpdesk.kernel.pagination import AnySelect, Order, Page

RANKED: Final = 300
"""Complaints that are ranked; with more that match, the newest come first."""

AT_HAND: Final = 3_000
"""So many that match are put in order by themselves; with more, it is quicker to go through all from the newest on."""

GLANCE: Final = 300
"""The newest complaints, which are looked through first: where they fill a page, what is looked for is in so many that
there is nothing to rank.
"""

_COMPLAINT, _SEGMENT = Complaint.__table__.c, SearchSegment.__table__.c
_WEIGHTS: Final[Any] = literal_column("ARRAY[0.1, 0.3, 0.6, 1.0]::float4[]")
"""Of D, C, B and A."""


class Texts(NamedTuple):
    """All of a complaint's text that is found. `people`: name, email, phone of each."""

    id: UUID
    reference: str
    external_id: str | None
    subject: str
    description: str
    tags: Sequence[str]
    people: Sequence[Mapping[str, Any]]
    details: Sequence[str]
    messages: Sequence[str]


def _gathered(model: type[Any], what: Any, order: Any, *conditions: ColumnElement[bool]) -> Any:
    rows = (
        select(func.json_agg(aggregate_order_by(what, order)))
        .where(model.complaint_id == Complaint.id, *conditions)
        .correlate(Complaint)
        .scalar_subquery()
    )
    return func.coalesce(rows, literal_column("'[]'::json"))


_PERSON: Final = func.json_build_object(
    literal_column("'name'"),
    Person.name,
    literal_column("'email'"),
    Person.email,
    literal_column("'phone'"),
    Person.phone,
)
_TEXTS: Final = select(
    Complaint.id,
    Complaint.reference,
    Complaint.external_id,
    Complaint.subject,
    Complaint.description,
    Complaint.tags,
    _gathered(Person, _PERSON, Person.id),
    _gathered(Issue, Issue.detail, Issue.position, Issue.detail.is_not(None)),
    _gathered(Message, Message.body, Message.id),
)


def texts_of(session: Session, complaint_ids: Sequence[UUID]) -> list[Texts]:
    return [Texts(*row) for row in session.execute(_TEXTS.where(Complaint.id.in_(complaint_ids)))]


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `total`: of all that match and may be seen; None with more than are ranked."""

    rows: Sequence[Any]
    """Summaries, as the list gives them."""
    next_cursor: str | None
    total: int | None
    ranked: bool


def search(session: Session, actor: Actor, page: Page, query: Query, wanted: Wanted) -> Found:
    """`wanted`: the filters of the list, newest first. The cursor tells in which order the pages before were."""
    statement, newest_first, values = narrowed(actor, wanted)
    if query.reference is not None:
        found = session.execute(_by_reference(statement), {**values, "typed": query.reference}).mappings().all()
        if found or not query.wanted:
            return Found(found, None, len(found), ranked=True)
    kind, terms = (len(query.wanted), len(query.unwanted)), _terms(query)
    if page.cursor is None:
        glance = session.execute(
            _glance(statement, newest_first, kind), {**values, **terms, "rows_of_page": page.limit + 1}
        )
        newest = glance.mappings().all()
        if len(newest) > page.limit:
            return _page_of(page, newest)
    elif page.holds(newest_first):
        return _page_of(
            page, page.run(session, _among(statement, kind), newest_first, {**values, **terms}).mappings().all()
        )
    ids = list(session.scalars(_some(kind), terms))
    if len(ids) <= RANKED:
        places = session.execute(_places(statement), {**values, "any_of": query.any_of, "ids": ids}).all()
        return _ranked(session, page, statement, values, places)
    if page.cursor is not None and page.holds(_BY_RANK):
        raise CursorMismatch("More match by now than are ranked; begin without a cursor.")
    chosen, more = (_these(statement), {"ids": ids}) if len(ids) <= AT_HAND else (_among(statement, kind), terms)
    return _page_of(page, page.run(session, chosen, newest_first, {**values, **more}).mappings().all())


def _page_of(page: Page, rows: Sequence[Any]) -> Found:
    shown, cursor = page.cut(rows, lambda row: [row["received_at"], row["id"]])
    return Found(shown, cursor, None, ranked=False)


@lru_cache(maxsize=1000)
def _by_reference(statement: AnySelect) -> AnySelect:
    return statement.where(_COMPLAINT.reference == bindparam("typed"))


def _terms(query: Query) -> dict[str, str]:
    return {
        "all_of": query.all_of,
        **{f"wanted_{place}": term.tsquery for place, term in enumerate(query.wanted)},
        **{f"unwanted_{place}": term.tsquery for place, term in enumerate(query.unwanted)},
    }


def _matches(name: str, *, told: bool = False) -> ColumnElement[bool]:
    """`told`: the planner is to see what is looked for. A prepared statement's general plan, which knows no words, walks the
    whole table for rare ones: a hundred times as long. The words are tokens, of letters and digits only.
    """
    return _SEGMENT.vector.op("@@", is_comparison=True)(
        cast(bindparam(name, type_=String, literal_execute=told), TSQUERY)
    )


Kind = tuple[int, int]
"""How many terms are wanted, and how many are not."""


@lru_cache(maxsize=1000)
def _some(kind: Kind) -> Any:
    """Ids of complaints that match, one more than are `AT_HAND`, in no order. What stands in one segment is told by the
    index at once. The few complaints with several segments are asked for each term by itself, for two words may stand in
    two of them.
    """
    wanted, unwanted = kind
    # In the order of the primary key: what is in nearly every text is then taken from there, not from the whole table.
    alone = (
        select(_SEGMENT.complaint_id)
        .where(_matches("all_of", told=True))
        .order_by(_SEGMENT.complaint_id)
        .limit(AT_HAND + 1)
    )
    if kind == (1, 0):
        return alone
    alone = alone.where(_SEGMENT.several.is_(False))
    spread: Any = intersect(*(_somewhere(f"wanted_{place}") for place in range(wanted)))
    if unwanted:
        spread = except_(spread, *(_somewhere(f"unwanted_{place}") for place in range(unwanted)))
    found = union_all(select(alone.subquery().c.complaint_id), select(spread.subquery().c.complaint_id)).subquery()
    return select(found.c.complaint_id).limit(AT_HAND + 1)


def _somewhere(name: str) -> Select[tuple[UUID]]:
    return select(_SEGMENT.complaint_id).where(_matches(name, told=True), _SEGMENT.several)


@lru_cache(maxsize=1000)
def _among(statement: AnySelect, kind: Kind) -> AnySelect:
    """Each complaint is asked whether it matches."""
    return statement.where(_stands(kind, Complaint.__table__))


def _stands(kind: Kind, of: Any) -> ColumnElement[bool]:
    """In the segments of the row at hand of the table `of`, which has complaints' ids. OFFSET 0 keeps the planner from
    asking the index for all that match.
    """
    there: Any = select(literal_column("1")).where(_SEGMENT.complaint_id == of.c.id, _told(kind, of))
    found: ColumnElement[bool] = there.correlate(of).offset(0).exists()
    return found


def _told(kind: Kind, of: Any) -> ColumnElement[bool]:
    wanted, unwanted = kind
    if kind == (1, 0):
        return _matches("all_of")
    spread = [_elsewhere(f"wanted_{place}", of) for place in range(wanted)]
    spread += [~_elsewhere(f"unwanted_{place}", of) for place in range(unwanted)]
    return or_(and_(~_SEGMENT.several, _matches("all_of")), and_(_SEGMENT.several, *spread))


def _elsewhere(name: str, of: Any) -> ColumnElement[bool]:
    """In any segment of the complaint at hand."""
    other = aliased(SearchSegment)
    matches = other.vector.op("@@", is_comparison=True)(cast(bindparam(name), TSQUERY))
    return exists().where(other.complaint_id == of.c.id, matches).correlate(of)


@lru_cache(maxsize=1000)
def _glance(statement: AnySelect, newest_first: Order, kind: Kind) -> AnySelect:
    newest = newest_first.apply(statement).limit(GLANCE).subquery()
    order = (newest.c.received_at.desc(), newest.c.id.desc())
    rows = bindparam("rows_of_page", type_=Integer)
    return select(newest).where(_stands(kind, newest)).order_by(*order).limit(rows)


_RANK: Final = cast(
    func.max(func.ts_rank(_WEIGHTS, _SEGMENT.vector, cast(bindparam("any_of"), TSQUERY))) * 1_000_000, Integer
).label("rank")


_AMONG_IDS: Final = _COMPLAINT.id == func.any(bindparam("ids", type_=ARRAY(Uuid())))


@lru_cache(maxsize=1000)
def _places(statement: AnySelect) -> AnySelect:
    """Of those that match and may be seen: `(id, received_at, rank)`, best first."""
    return (
        statement.with_only_columns(_COMPLAINT.id, _COMPLAINT.received_at, _RANK, maintain_column_froms=True)
        .where(_AMONG_IDS, _SEGMENT.complaint_id == _COMPLAINT.id)
        .group_by(_COMPLAINT.id, _COMPLAINT.received_at)
    )


_BY_RANK: Final = Order(
    (literal_column("rank", Integer), _COMPLAINT.received_at, _COMPLAINT.id), (int, datetime, UUID), descending=True
)


def _ranked(
    session: Session, page: Page, statement: AnySelect, values: Mapping[str, Any], places: Sequence[Any]
) -> Found:
    """All that match are at hand, so the page is cut here."""
    order = sorted(((row.rank, row.received_at, row.id) for row in places), reverse=True)
    last = page.position(_BY_RANK)
    left = [place for place in order if last is None or place < tuple(last)]
    shown, cursor = page.cut(left[: page.limit + 1], list)
    by_id: dict[UUID, Any] = {}
    if shown:
        rows = session.execute(_these(statement), {**values, "ids": [place[2] for place in shown]}).mappings()
        by_id = {row["id"]: row for row in rows}
    # One that was changed out of sight between the two statements is left out.
    return Found([by_id[place[2]] for place in shown if place[2] in by_id], cursor, len(order), ranked=True)


@lru_cache(maxsize=1000)
def _these(statement: AnySelect) -> AnySelect:
    return statement.where(_AMONG_IDS)


_MESSAGES_SHOWN: Final = 20
_SHOWN_LENGTH: Final = 20_000
"""Of each complaint's thread, the newest; of each text, the beginning: what is looked through for fragments. A match
beyond is found all the same, and shown without one.
"""

_NEWEST_MESSAGES: Final = (
    select(Message.id, func.left(Message.body, _SHOWN_LENGTH).label("body"))
    .where(Message.complaint_id == Complaint.id)
    .order_by(Message.id.desc())
    .limit(_MESSAGES_SHOWN)
    .correlate(Complaint)
    .subquery()
)
_SHOWN: Final = select(
    Complaint.id,
    Complaint.subject,
    Complaint.tags,
    func.left(Complaint.description, _SHOWN_LENGTH).label("description"),
    _gathered(Person, func.concat_ws(" ", Person.name, Person.email, Person.phone), Person.id).label("people"),
    select(
        func.coalesce(
            func.json_agg(
                func.json_build_object(
                    literal_column("'id'"), _NEWEST_MESSAGES.c.id, literal_column("'body'"), _NEWEST_MESSAGES.c.body
                )
            ),
            literal_column("'[]'::json"),
        )
    )
    .scalar_subquery()
    .label("messages"),
)


def shown_texts(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[Any]:
    return session.execute(_SHOWN.where(Complaint.id.in_(complaint_ids))).all()


EVERY_COMPLAINT: Final = select(Complaint.id)
LAST_SEGMENT: Final = (
    select(func.max(_SEGMENT.segment)).where(_SEGMENT.complaint_id == bindparam("of")).scalar_subquery()
)
"""Of the complaint `of`: what a message is added to."""


def unsearched(session: Session, limit: int) -> Sequence[UUID]:
    return session.scalars(select(Unsearched.complaint_id).limit(limit)).all()


def lock_free(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Those of them that nobody is at work on, locked: their text stands still."""
    statement = select(Complaint.id).where(Complaint.id.in_(complaint_ids)).order_by(Complaint.id)
    return session.scalars(statement.with_for_update(skip_locked=True)).all()
