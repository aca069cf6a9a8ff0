"""Every select on the text of complaints: what is indexed, what matches, and in which order it is shown.

**Order.** Up to `RANKED` complaints that match are ranked by weight (subject, people and tags, description, thread) and then by
how new they are. A search that finds more says little about what is meant, and to rank tens of thousands of texts
takes longer than anybody waits: those are shown newest first, and the answer says so. With filters those that pass, and may be
seen, are counted: they are gathered, newest first, until they are more than are ranked, or all. Without, all that match are, for
that is told at once; of more than are ranked those that may be seen are ranked too where they fit a page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
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
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.list_queries import Wanted, is_filtered, narrowed
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.search_language import Query
from helpdesk.complaints.search_models import SearchSegment, Unsearched
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import CursorMismatch
from helpdesk.kernel.pagination import AnySelect, Order, Page

RANKED: Final = 100
"""Complaints that are ranked; with more that match, the newest come first."""

AT_HAND: Final = 3_000
"""So many of the newest that match are looked through by themselves for those that may be seen. Where they are not enough,
each complaint that may be seen is asked whether it matches.
"""

GLANCE: Final = 600
"""So many of the newest complaints are looked at first: they tell how frequent is what is looked for."""

FAR: Final = 5_500
"""Where so many looked at, newest first, should be enough, that is quicker than to gather all that match. The least favourable
share of matches, one in 50, takes as long either way at 100 000 complaints."""
_UNEVEN: Final = 3
"""And so many times as many are looked at before that is given up: what is looked for may be rarer in what came before."""

_AT_NO_COST: Final = 2
"""Where all that match are gathered, so many times as many as are wanted cost nothing more."""

_COMPLAINT, _SEGMENT = Complaint.__table__.c, SearchSegment.__table__.c
_WEIGHTS: Final[Any] = literal_column("ARRAY[0.1, 0.3, 0.6, 1.0]::float4[]")
"""Of D, C, B and A."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `total`: of all that match, pass the filters and may be seen; None with more than are ranked."""

    rows: Sequence[Any]
    """Summaries, as the list gives them."""
    next_cursor: str | None
    total: int | None
    ranked: bool


class _List(NamedTuple):
    """What the filters leave of what may be seen."""

    statement: AnySelect
    order: Order
    values: Mapping[str, Any]


Run = Callable[[AnySelect, Mapping[str, Any]], Sequence[Any]]
"""Gives rows of a statement in its order, for its values: so many at most as whoever gave it wants."""


def search(session: Session, actor: Actor, page: Page, query: Query, wanted: Wanted) -> Found:
    """`wanted`: the filters of the list, newest first. The cursor tells in which order the pages before were."""
    listed = _List(*narrowed(actor, wanted))
    statement, newest_first, values = listed
    if query.reference is not None:
        found = session.execute(_by_reference(statement), {**values, "typed": query.reference}).mappings().all()
        if found or not query.wanted:
            return Found(found, None, len(found), ranked=True)
    look = _Look(session, (len(query.wanted), len(query.unwanted)), _terms(query))
    by_rank = page.cursor is None or not page.holds(newest_first)
    newest = look.newest(RANKED + 1, None if by_rank else page.position(newest_first))
    few = newest.end is None and len(newest.ids) <= RANKED
    if by_rank and (few or is_filtered(actor, wanted)):
        ids = newest.ids if few else _first_seen(look, listed, newest)
        if len(ids) <= RANKED:
            return _ranked(session, page, listed, query, ids)
        if page.limit <= RANKED:
            newest = _Newest(ids, None)  # they fill the page
    if by_rank and page.cursor is not None:
        raise CursorMismatch("More match by now than are ranked; begin without a cursor.")

    def shown(which: AnySelect, given: Mapping[str, Any]) -> Sequence[Any]:
        return page.run(session, which, newest_first, given).mappings().all()

    rows = _seen_of(look, listed, newest, shown, page.limit + 1)
    if page.cursor is None and len(rows) <= min(page.limit, RANKED):
        return _ranked(session, page, listed, query, [row["id"] for row in rows])
    return _page_of(page, rows)


def _first_seen(look: "_Look", listed: _List, newest: "_Newest") -> Sequence[UUID]:
    """Of all that match, those that the list has, newest first: all of them, or one more than are ranked."""

    def ids(which: AnySelect, given: Mapping[str, Any]) -> Sequence[UUID]:
        return look.session.scalars(_first_ids(which, listed.order), {**given, "most": RANKED + 1}).all()

    return _seen_of(look, listed, newest, ids, RANKED + 1)[: RANKED + 1]


def _seen_of(look: "_Look", listed: _List, newest: "_Newest", run: Run, enough: int) -> Sequence[Any]:
    """Of the `newest` that match and of those after them, what `run` gives of the list, until that is `enough`."""
    rows: list[Any] = []
    most, looked = RANKED + 1, 0
    while True:
        for ids in filter(None, (newest.ids[:most], newest.ids[most:])):
            rows += run(_these(listed.statement), {**listed.values, "ids": ids})
            if len(rows) >= enough:
                return rows
        if newest.end is None:
            return rows
        looked += len(newest.ids)
        if looked > AT_HAND:
            return run(_among(listed.statement, look.kind), {**listed.values, **look.terms})
        most *= 2
        newest = look.newest(most, newest.end)


class _Newest(NamedTuple):
    """`end`: the place after which there may be more that match, None where these are the last."""

    ids: Sequence[UUID]
    end: Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked for, whoever asks."""

    session: Session
    kind: "Kind"
    terms: Mapping[str, str]

    def newest(self, most: int, after: Sequence[Any] | None = None) -> _Newest:
        """Those that match, newest first, beginning after the place `after`: `most` at least, or all."""
        found = self._walked(most, after, GLANCE)
        if len(found) < most <= len(found) * FAR // GLANCE:
            found = self._walked(most, after, FAR * _UNEVEN)
        if len(found) >= most:
            return self._cut(found, most)
        return self._cut(self._run(_looked_up, after, most=most * _AT_NO_COST), most * _AT_NO_COST)

    def _cut(self, found: Sequence[Any], most: int) -> _Newest:
        end = (found[-1].received_at, found[-1].complaint_id) if len(found) >= most else None
        # Each once: a complaint with several segments may be found in more than one.
        return _Newest(list(dict.fromkeys(row.complaint_id for row in found)), end)

    def _walked(self, most: int, after: Sequence[Any] | None, rows: int) -> Sequence[Any]:
        return self._run(_walked, after, most=most, looked_at=rows)

    def _run(
        self, statement: Callable[["Kind", bool], Any], after: Sequence[Any] | None, **numbers: int
    ) -> Sequence[Any]:
        place = {} if after is None else dict(zip(("after_0", "after_1"), after, strict=True))
        return self.session.execute(statement(self.kind, bool(place)), {**self.terms, **place, **numbers}).all()


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


def _told_by(vector: Any, name: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = vector.op("@@", is_comparison=True)(cast(bindparam(name), TSQUERY))
    return found


def _matches(name: str) -> ColumnElement[bool]:
    return _told_by(_SEGMENT.vector, name)


Kind = tuple[int, int]
"""How many terms are wanted, and how many are not."""


_BY_RECEIPT: Final = Order((_SEGMENT.received_at, _SEGMENT.complaint_id), (datetime, UUID), descending=True)
_PLACE: Final = (_SEGMENT.complaint_id, _SEGMENT.received_at)


@lru_cache(maxsize=1000)
def _walked(kind: Kind, going_on: bool) -> Any:
    """Places of complaints that match, among the newest `looked_at`."""
    newest = select(SearchSegment.__table__)
    if going_on:
        newest = newest.where(_BY_RECEIPT.after_named)
    looked_at = _BY_RECEIPT.apply(newest).limit(_number("looked_at")).subquery()
    found = select(looked_at.c.complaint_id, looked_at.c.received_at).where(_told(kind, looked_at.c))
    order = (looked_at.c.received_at.desc(), looked_at.c.complaint_id.desc())
    return found.order_by(*order).limit(_number("most"))


_IN_NO_INDEX: Final[Any] = literal_column("interval '0'")
"""Keeps the planner from going through all in this order, which it does for few that match where it thinks that they are many."""


@lru_cache(maxsize=1000)
def _looked_up(kind: Kind, going_on: bool) -> Any:
    """Places of complaints that match, newest first. What stands in one segment is told by the index at once. The few
    complaints with several segments are asked for each term by itself, for two words may stand in two of them.
    """
    wanted, unwanted = kind
    alone = select(*_PLACE).where(_matches("all_of"))
    if kind != (1, 0):
        alone = alone.where(_SEGMENT.several.is_(False))
    if going_on:
        alone = alone.where(_BY_RECEIPT.after_named)
    alone = alone.order_by((_SEGMENT.received_at + _IN_NO_INDEX).desc(), _SEGMENT.complaint_id.desc())
    alone = alone.limit(_number("most"))
    if kind == (1, 0):
        return alone
    spread: Any = intersect(*(_somewhere(f"wanted_{place}", going_on) for place in range(wanted)))
    if unwanted:
        spread = except_(spread, *(_somewhere(f"unwanted_{place}", going_on) for place in range(unwanted)))
    found = union_all(select(alone.subquery()), select(spread.subquery())).subquery()
    return select(found).order_by(found.c.received_at.desc(), found.c.complaint_id.desc()).limit(_number("most"))


def _number(name: str) -> Any:
    return bindparam(name, type_=Integer)


def _somewhere(name: str, going_on: bool) -> Any:
    """In any segment of a complaint that has several."""
    found = select(*_PLACE).where(_matches(name), _SEGMENT.several)
    return found.where(_BY_RECEIPT.after_named) if going_on else found


@lru_cache(maxsize=1000)
def _among(statement: AnySelect, kind: Kind) -> AnySelect:
    """Each complaint is asked whether it matches."""
    # OFFSET 0 keeps the planner from asking the index for all that match.
    there: Any = select(literal_column("1")).where(_SEGMENT.complaint_id == Complaint.id, _told(kind, _SEGMENT))
    return statement.where(there.correlate(Complaint).offset(0).exists())


def _told(kind: Kind, segment: Any) -> ColumnElement[bool]:
    """Whether the complaint of this segment matches, if this is all of it or it has several."""
    wanted, unwanted = kind
    whole = _told_by(segment.vector, "all_of")
    if kind == (1, 0):
        return whole
    spread = [_elsewhere(f"wanted_{place}", segment) for place in range(wanted)]
    spread += [~_elsewhere(f"unwanted_{place}", segment) for place in range(unwanted)]
    return or_(and_(~segment.several, whole), and_(segment.several, *spread))


def _elsewhere(name: str, segment: Any) -> ColumnElement[bool]:
    """In any segment of the complaint of this one."""
    other = aliased(SearchSegment)
    here = other.complaint_id == segment.complaint_id
    return exists().where(here, _told_by(other.vector, name)).correlate(segment.complaint_id.table)


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


def _ranked(session: Session, page: Page, listed: _List, query: Query, ids: Sequence[UUID]) -> Found:
    """All that match are at hand, so the page is cut here."""
    statement, _, values = listed
    places = session.execute(_places(statement), {**values, "any_of": query.any_of, "ids": ids}).all()
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


@lru_cache(maxsize=1000)
def _first_ids(statement: AnySelect, order: Order) -> AnySelect:
    narrow = statement.with_only_columns(_COMPLAINT.id, maintain_column_froms=True)
    return order.apply(narrow).limit(_number("most"))


EVERY_COMPLAINT: Final = select(Complaint.id)
LAST_SEGMENT: Final = (
    select(func.max(_SEGMENT.segment)).where(_SEGMENT.complaint_id == bindparam("of")).scalar_subquery()
)
"""Of the complaint `of`: what a message is added to."""


def unsearched(session: Session, limit: int) -> Sequence[UUID]:
    return session.scalars(select(Unsearched.complaint_id).limit(limit)).all()


def how_many_unsearched(session: Session) -> int:
    return session.execute(select(func.count()).select_from(Unsearched)).scalar_one()


def lock_free(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Those of them that nobody is at work on, locked: their text stands still."""
    statement = select(Complaint.id).where(Complaint.id.in_(complaint_ids)).order_by(Complaint.id)
    return session.scalars(statement.with_for_update(skip_locked=True)).all()
