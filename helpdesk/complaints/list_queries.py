"""Lists of complaints: every filter and every order there is, and how many complaints pass.

Each filter is served by an index, also at a hundred thousand complaints; `tests/complaints/test_plans.py` reads the plans.
A filter that none could serve is not offered. What is to be looked up before a list can be asked for (tags by their
names, custom fields by their keys) `filtering` looks up; here are ids and values only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    String,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.visitors import replacement_traverse

from helpdesk.complaints import queries
from helpdesk.complaints.custom_field_models import CustomValue
from helpdesk.complaints.models import IS_CLOSED, IS_OPEN, IS_TAGGED, IS_UNTAGGED, NOTHING_DUE, Complaint, Issue
from helpdesk.complaints.tag_models import TERM, ComplaintTag
from helpdesk.identity.actors import Actor
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.pagination import AnySelect, Count, Listed, Order, Page

COUNTED_TO: Final = 1_000
"""Further than that nobody counts: it would read every complaint that matches, each time somebody looks."""

_COMPLAINT: Final = Complaint.__table__.c
_ISSUE: Final = Issue.__table__.c
_TAG: Final = ComplaintTag.__table__.c
_VALUE: Final = CustomValue.__table__.c
_TERMS: Final = ARRAY(String())

_BY_RECEIPT: Final = "received_at"
_SORTS: Final[dict[str, tuple[Sequence[Any], Sequence[type]]]] = {
    _BY_RECEIPT: ((_COMPLAINT.received_at, _COMPLAINT.id), (datetime, UUID)),
    "updated_at": ((_COMPLAINT.updated_at, _COMPLAINT.id), (datetime, UUID)),
    "next_due_at": ((_COMPLAINT.next_due_at, _COMPLAINT.id), (datetime, UUID)),
    "severity": ((_COMPLAINT.severity, _COMPLAINT.received_at, _COMPLAINT.id), (str, datetime, UUID)),
}
"""`severity`: the worst first, and of those the oldest. `next_due_at` has no other way round: that would begin with all
that nothing is due of, which are most.
"""
SORTS: Final = (
    "-received_at",
    "received_at",
    "-updated_at",
    "updated_at",
    "severity",
    "-severity",
    "next_due_at",
)
NEWEST_FIRST: Final = SORTS[0]

_EQUAL: Final = (
    "record_type",
    "status",
    "severity",
    "channel",
    "waiting_on",
    "team_id",
    "assignee_id",
    "customer_id",
    "source",
    "stage",
)


def _sql(condition: str) -> ColumnElement[bool]:
    """As it stands in a partial index."""
    return literal_column(
        condition.replace("status", "complaint.status").replace("(tags)", "(complaint.tags)"), Boolean
    )


_FILTERS: Final[Mapping[str, ColumnElement[bool]]] = {
    **{name: _COMPLAINT[name] == bindparam(name) for name in _EQUAL},
    "open": _sql(IS_OPEN),
    "closed": _sql(IS_CLOSED),
    "tagged": _sql(IS_TAGGED),
    "untagged": _sql(IS_UNTAGGED),
    "overdue": _COMPLAINT.next_due_at < func.now(),
    "not_overdue": _COMPLAINT.next_due_at >= func.now(),
    "mine": _COMPLAINT.assignee_id == bindparam("mine"),
    "unassigned": _COMPLAINT.assignee_id.is_(None),
    "received_from": _COMPLAINT.received_at >= bindparam("received_from"),
    "received_before": _COMPLAINT.received_at < bindparam("received_before"),
    "updated_from": _COMPLAINT.updated_at >= bindparam("updated_from"),
    "updated_before": _COMPLAINT.updated_at < bindparam("updated_before"),
    "external_id": _COMPLAINT.external_id.in_(bindparam("external_id", expanding=True)),
    "ref": _COMPLAINT.reference.in_(bindparam("ref", expanding=True)),
    "all_terms": _COMPLAINT.terms.op("@>")(bindparam("all_terms", type_=_TERMS)),
    "any_terms": _COMPLAINT.terms.op("&&")(bindparam("any_terms", type_=_TERMS)),
}
_OF_ISSUE: Final[Mapping[str, ColumnElement[bool]]] = {
    name: _ISSUE[name] == bindparam(name) for name in ("category", "issue")
}
"""Filters that one and the same issue has to pass."""
_EITHER: Final = {"open": ("open", "closed"), "has_tag": ("tagged", "untagged"), "overdue": ("overdue", "not_overdue")}
"""Filters that ask yes or no: which condition is meant by which."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What a custom field has to hold: `text`, or a number from `low` to `high`, both belonging to it."""

    field_id: UUID
    key: str
    text: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for. `given`: the filters that need no looking up, as `ComplaintFilters` loads them. `tags`: all
    of these; `any_tags`: at least one of these.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[UUID, ...] = ()
    any_tags: tuple[UUID, ...] = ()
    holds: tuple[Holds, ...] = ()
    sort: str = NEWEST_FIRST


@dataclass(frozen=True, slots=True)
class _Shape:
    """What there is to a statement beside its values. Statements are kept by it: see `queries`."""

    sight: str
    filters: frozenset[str]
    sort: str
    along: str | None = None
    """Where the order comes from an index that has what is wanted in it: `tag` or `value`."""
    spans: tuple[tuple[bool, bool], ...] = ()
    """Of each span of numbers, which ends it has."""


def listing(session: Session, actor: Actor, page: Page, wanted: Wanted, *, count: bool = False) -> Listed:
    """As `pagination.listed`; the rows are summaries. Counts to `COUNTED_TO`."""
    shape, values = _asked(actor, wanted, along=True)
    statement, order = _statement(shape)
    rows = page.run(session, statement, order, values).mappings().all()
    names = [name.lstrip("-") for name in _key_of(shape.sort)]
    shown, cursor = page.cut(rows, lambda row: [NOTHING_DUE if row[name] is None else row[name] for name in names])
    total = None
    if count:
        total = counts(session, actor, [wanted])[0]
    return shown, cursor, total


def counts(session: Session, actor: Actor, many: Sequence[Wanted]) -> list[Count]:
    """How many complaints of each the actor sees, up to `COUNTED_TO`; all in one statement."""
    if not many:
        return []
    asked = [_asked(actor, wanted) for wanted in many]
    columns = [
        _with_values(_counting(shape), values).scalar_subquery().label(f"n{place}")
        for place, (shape, values) in enumerate(asked)
    ]
    return [Count.up_to(COUNTED_TO, int(number)) for number in session.execute(select(*columns)).one()]


def _with_values(statement: Select[int], values: Mapping[str, Any]) -> Select[int]:
    """A kept statement with its values in place of their names, so that several can stand in one."""

    def valued(element: Any, **_: Any) -> Any:
        if isinstance(element, BindParameter) and element.key in values:
            value = values[element.key]
            return bindparam(None, value, type_=element.type, unique=True, expanding=element.expanding)
        return None

    return cast(Select[int], replacement_traverse(statement, {}, valued))


def found(session: Session, actor: Actor, wanted: Wanted, limit: int) -> Sequence[Any]:
    """`id`, `reference` and `version` of those the actor sees, in order; at most `limit`."""
    shape, values = _asked(actor, wanted)
    statement, order = _statement(shape)
    columns = (_COMPLAINT.id, _COMPLAINT.reference, _COMPLAINT.version)
    narrowed = order.apply(statement.with_only_columns(*columns, maintain_column_froms=True)).limit(limit)
    return session.execute(narrowed, values).all()


def narrowed(actor: Actor, wanted: Wanted) -> tuple[AnySelect, Order, dict[str, Any]]:
    """The statement, its order, which is not applied, and the values it takes: for what narrows it further. The first two
    are kept: the same filters give the same objects.
    """
    shape, values = _asked(actor, wanted, along=True)
    return *_statement(shape), values


def is_everything(actor: Actor, wanted: Wanted) -> bool:
    """Whether the list leaves out nothing at all: no filter, and an actor who sees every complaint."""
    shape, _ = _asked(actor, wanted)
    return shape.sight == "everything" and not (shape.filters or shape.spans)


def _asked(actor: Actor, wanted: Wanted, *, along: bool = False) -> tuple[_Shape, dict[str, Any]]:
    """The shape of the statement, and the values that go into it. `along`: where a tag or a value is looked for, go through
    its complaints in their order. A page needs that: a tag that only old complaints carry would have it look at all that
    came after. A count reads on for longer than that is worth, and a span of numbers has an index of its own to begin with.
    """
    sight, values = queries.sight(actor, wanted.given.get("team_id"))
    plain = _plain(actor, wanted.given)
    tags = list(wanted.tags)
    equal = [held for held in wanted.holds if held.text is not None]
    spans = [held for held in wanted.holds if held.text is None]
    path = None
    if along and not spans and wanted.sort.lstrip("-") == _BY_RECEIPT and (tags or equal):
        path = "tag" if tags else "value"
        if tags:
            values = {**values, "along_tag": tags.pop(0)}
        else:
            first = equal.pop(0)
            values = {**values, "along_field": first.field_id, "along_text": first.text}
    terms = [f"{TERM}{tag_id}" for tag_id in tags] + [f"{held.key}={held.text}" for held in equal]
    if terms:
        plain["all_terms"] = terms
    if wanted.any_tags:
        plain["any_terms"] = [f"{TERM}{tag_id}" for tag_id in wanted.any_tags]
    for place, held in enumerate(spans):
        values = {**values, f"field_{place}": held.field_id, f"low_{place}": held.low, f"high_{place}": held.high}
    ends = tuple((held.low is not None, held.high is not None) for held in spans)
    return _Shape(sight, frozenset(plain), wanted.sort, path, ends), {**values, **plain}


def _plain(actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions on the complaint's own columns that are in use, by name, with their values."""
    plain: dict[str, Any] = {}
    for name, value in given.items():
        if name in _EITHER:
            plain[_EITHER[name][not value]] = None
        elif name == "mine":
            plain |= {"mine": actor.id} if value else {}
        elif name == "unassigned":
            plain |= {"unassigned": None} if value else {}
        elif name == "ref":
            plain["ref"] = [parse_reference(ref) or "" for ref in value]
        else:
            plain[name] = value
    return plain


def _key_of(sort: str) -> Sequence[str]:
    return [column.name for column in _SORTS[sort.lstrip("-")][0]]


@lru_cache(maxsize=1000)
def _statement(shape: _Shape) -> tuple[AnySelect, Order]:
    source: FromClause = Complaint.__table__
    conditions = [queries.SIGHTS[shape.sight]]
    conditions += [_FILTERS[name] for name in sorted(shape.filters) if name in _FILTERS]
    of_issue = [_OF_ISSUE[name] for name in sorted(shape.filters) if name in _OF_ISSUE]
    if of_issue:
        conditions.append(_COMPLAINT.id.in_(select(_ISSUE.complaint_id).where(*of_issue)))
    for place, ends in enumerate(shape.spans):
        source = _with_span(source, conditions, place, ends)
    columns, kinds = _SORTS[shape.sort.lstrip("-")]
    if shape.along == "tag":
        source = source.join(ComplaintTag.__table__, _TAG.complaint_id == _COMPLAINT.id)
        conditions.append(_TAG.tag_id == bindparam("along_tag"))
        columns = (_TAG.received_at, _TAG.complaint_id)
    elif shape.along == "value":
        source = source.join(CustomValue.__table__, _VALUE.complaint_id == _COMPLAINT.id)
        conditions += [_VALUE.field_id == bindparam("along_field"), _VALUE.text == bindparam("along_text")]
        columns = (_VALUE.received_at, _VALUE.complaint_id)
    statement = select(*queries.SUMMARY).select_from(source).where(*conditions)
    return statement, Order(columns, kinds, descending=shape.sort.startswith("-"))


def _with_span(
    source: FromClause, conditions: list[ColumnElement[bool]], place: int, ends: tuple[bool, bool]
) -> FromClause:
    """Joined to the one row that a field with numbers has."""
    value = CustomValue.__table__.alias(f"number_{place}")
    conditions.append(value.c.field_id == bindparam(f"field_{place}"))
    if ends[0]:
        conditions.append(value.c.number >= bindparam(f"low_{place}"))
    if ends[1]:
        conditions.append(value.c.number <= bindparam(f"high_{place}"))
    return source.join(value, value.c.complaint_id == _COMPLAINT.id)


@lru_cache(maxsize=1000)
def _counting(shape: _Shape) -> Select[int]:
    """In an order, so that counting begins at the index that has it and stops on the way."""
    statement, order = _statement(shape)
    some = order.apply(statement.with_only_columns(_COMPLAINT.id, maintain_column_froms=True)).limit(COUNTED_TO + 1)
    return select(func.count()).select_from(some.subquery())
