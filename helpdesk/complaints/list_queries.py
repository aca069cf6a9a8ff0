"""Lists of complaints: every filter and every order there is, and how many complaints pass.

Each filter is served by an index, also at a hundred thousand complaints; `tests/complaints/test_plans.py` reads the plans.
A filter that none could serve is not offered. **Of several values of a filter** no index has all in the order of the list: one
that goes by the order reads in vain where few match, one that goes by the values sorts where many do. So each value is asked
for by itself, as if it were the only one, and a page is made of what each of them gives (`_spread`). In other orders than that
of receipt, which no index has for one value either, all of them are asked for at once. What is to be looked up before a list can be asked for (tags by their
names, custom fields by their keys) `filtering` looks up; here are ids and values only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    String,
    Uuid,
    any_,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.visitors import replacement_traverse

from helpdesk.complaints import queries
from helpdesk.complaints.custom_field_models import CustomValue
from helpdesk.complaints.models import (
    IS_CLOSED,
    IS_OPEN,
    IS_TAGGED,
    IS_UNTAGGED,
    IS_VULNERABLE,
    NOTHING_DUE,
    Complaint,
    Issue,
)
from helpdesk.complaints.notification_models import Watcher
from helpdesk.complaints.tag_models import TERM, ComplaintTag
from helpdesk.identity.actors import Actor
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.pagination import ROWS, AnySelect, Count, Listed, Order, Page

COUNTED_TO: Final = 1_000
"""Further than that nobody counts: it would read every complaint that matches, each time somebody looks."""

_COMPLAINT: Final = Complaint.__table__.c
_ISSUE: Final = Issue.__table__.c
_TAG: Final = ComplaintTag.__table__.c
_VALUE: Final = CustomValue.__table__.c
_WATCHER: Final = Watcher.__table__.c
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

_SEVERAL: Final[Mapping[str, Any]] = {
    "assignee_id": Uuid(),
    "team_id": Uuid(),
    "source": String(),
    "channel": String(),
    "status": String(),
    "severity": String(),
    "stage": String(),
    "waiting_on": String(),
    "record_type": String(),
}
"""Filters that take several values, with their type."""
_SPREAD: Final = tuple(name for name in _SEVERAL if name != "record_type")
"""Of these each value is asked for by itself, of the first one where two have several. Not of the type: where all but few are
complaints, PostgreSQL takes any of them for frequent, as long as it does not know which is meant.
"""
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
    "language",
    "escalation_level",
)


def _sql(condition: str) -> ColumnElement[bool]:
    """As it stands in a partial index."""
    return literal_column(
        condition.replace("status", "complaint.status")
        .replace("(tags)", "(complaint.tags)")
        .replace("vulnerable", "complaint.vulnerable"),
        Boolean,
    )


_FILTERS: Final[Mapping[str, ColumnElement[bool]]] = {
    **{name: _COMPLAINT[name] == bindparam(name) for name in _EQUAL},
    **{
        f"{name}_any": _COMPLAINT[name] == any_(bindparam(f"{name}_any", type_=ARRAY(kind)))
        for name, kind in _SEVERAL.items()
    },
    "vulnerable": _sql(IS_VULNERABLE),
    "not_vulnerable": _sql(f"NOT {IS_VULNERABLE}"),
    "watched": _COMPLAINT.id.in_(select(_WATCHER.complaint_id).where(_WATCHER.agent_id == bindparam("watched"))),
    "not_watched": _COMPLAINT.id.not_in(
        select(_WATCHER.complaint_id).where(_WATCHER.agent_id == bindparam("not_watched"))
    ),
    "open": _sql(IS_OPEN),
    "closed": _sql(IS_CLOSED),
    "tagged": _sql(IS_TAGGED),
    "untagged": _sql(IS_UNTAGGED),
    "overdue": _COMPLAINT.next_due_at < func.now(),
    "not_overdue": _COMPLAINT.next_due_at >= func.now(),
    "mine": _COMPLAINT.assignee_id == bindparam("mine"),
    # What nobody has is not one's own either.
    "not_mine": (_COMPLAINT.assignee_id == bindparam("not_mine")).is_not(True),
    "unassigned": _COMPLAINT.assignee_id.is_(None),
    "assigned": _COMPLAINT.assignee_id.is_not(None),
    "received_from": _COMPLAINT.received_at >= bindparam("received_from"),
    "received_before": _COMPLAINT.received_at < bindparam("received_before"),
    "other_teams": _COMPLAINT.team_id == any_(bindparam("other_teams", type_=ARRAY(Uuid()))),
    "updated_from": _COMPLAINT.updated_at >= bindparam("updated_from"),
    "updated_before": _COMPLAINT.updated_at < bindparam("updated_before"),
    "external_id": _COMPLAINT.external_id.in_(bindparam("external_id", expanding=True)),
    "ref": _COMPLAINT.reference.in_(bindparam("ref", expanding=True)),
    "all_terms": _COMPLAINT.terms.op("@>")(bindparam("all_terms", type_=_TERMS)),
    "any_terms": _COMPLAINT.terms.op("&&")(bindparam("any_terms", type_=_TERMS)),
}
_OF_ISSUE: Final[Mapping[str, ColumnElement[bool]]] = {
    **{name: _ISSUE[name] == bindparam(name) for name in ("category", "issue")},
    "category_any": _ISSUE.category == any_(bindparam("category_any", type_=_TERMS)),
}
"""Filters that one and the same issue has to pass."""
_EITHER: Final = {
    "open": ("open", "closed"),
    "has_tag": ("tagged", "untagged"),
    "overdue": ("overdue", "not_overdue"),
    "vulnerable": ("vulnerable", "not_vulnerable"),
    "unassigned": ("unassigned", "assigned"),
    "mine": ("mine", "not_mine"),
    "watched": ("watched", "not_watched"),
}
"""Filters that ask yes or no: which condition is meant by which."""
_OF_ACTOR: Final = frozenset({"mine", "watched"})
"""Of those, the ones whose value is who asks."""


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
    each: str | None = None
    """The filter whose values, `each_value`, are asked for one by one."""
    beside: bool = False
    """What is looked for is of the actor's teams, and beside that what is their own of the teams `other_teams`."""

    @property
    def apart(self) -> bool:
        """Whether its rows come from several places, and are brought together."""
        return self.each is not None or self.beside


def listing(session: Session, actor: Actor, page: Page, wanted: Wanted, *, count: bool = False) -> Listed:
    """As `pagination.listed`; the rows are summaries. Counts to `COUNTED_TO`."""
    shape, values = _asked(actor, wanted, along=True, spread=True)
    statement, order = _statement(shape)
    if not shape.apart:
        rows = page.run(session, statement, order, values).mappings().all()
    else:
        rows = page.run_within(session, partial(_spread, shape, queries.SUMMARY), order, values).mappings().all()
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
    asked = [_asked(actor, wanted, spread=True) for wanted in many]
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
    shape, values = _asked(actor, wanted, spread=True)
    statement, order = _statement(shape)
    columns = (_COMPLAINT.id, _COMPLAINT.reference, _COMPLAINT.version)
    if shape.apart:
        sorted_by = tuple(column for column in order.columns if column.name not in {"id", "reference", "version"})
        spread = _spread(shape, (*columns, *sorted_by), going_on=False)
        return session.execute(spread, {**values, "rows_of_page": limit}).all()
    narrowed = order.apply(statement.with_only_columns(*columns, maintain_column_froms=True)).limit(limit)
    return session.execute(narrowed, values).all()


def narrowed(actor: Actor, wanted: Wanted) -> tuple[AnySelect, Order, dict[str, Any]]:
    """The statement, its order, which is not applied, and the values it takes: for what narrows it further. The first two
    are kept: the same filters give the same objects.
    """
    shape, values = _asked(actor, wanted, along=True)
    return *_statement(shape), values


def is_filtered(actor: Actor, wanted: Wanted) -> bool:
    """Whether the list leaves out anything that the actor may see."""
    shape, _ = _asked(actor, wanted)
    return bool(shape.filters or shape.spans)


def _asked(actor: Actor, wanted: Wanted, *, along: bool = False, spread: bool = False) -> tuple[_Shape, dict[str, Any]]:
    """The shape of the statement, and the values that go into it. `along`: where a tag or a value is looked for, go through
    its complaints in their order. A page needs that: a tag that only old complaints carry would have it look at all that
    came after. A count reads on for longer than that is worth, and a span of numbers has an index of its own to begin with.
    `spread`: ask for several values of a filter one by one; who looks at complaints that are at hand need not.
    """
    sight, values = queries.sight(actor, _one_team(actor, wanted.given))
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
    shape = _Shape(sight, frozenset(plain), wanted.sort, path, ends)
    if not spread or path is not None:
        return shape, {**values, **plain}
    beside = "team_id_any" in plain and sight == "own and open to all"
    if beside:
        teams = plain["team_id_any"]
        plain["team_id_any"] = [team_id for team_id in teams if team_id in actor.team_ids]
        values = {**values, "other_teams": [team_id for team_id in teams if team_id not in actor.team_ids]}
        shape = replace(shape, sight="everything", beside=True)
    name = "team_id" if beside else next((name for name in _SPREAD if f"{name}_any" in plain), None)
    if name is None or spans or wanted.sort.lstrip("-") != _BY_RECEIPT:
        return shape, {**values, **plain}
    values = {**values, "each_value": plain.pop(f"{name}_any")}
    return replace(shape, filters=frozenset(plain), each=name), {**values, **plain}


def _one_team(actor: Actor, given: Mapping[str, Any]) -> UUID | None:
    """The team that is looked for, or any of several where the actor's sight of all of them is the same."""
    team_id = given.get("team_id")
    if not isinstance(team_id, list):
        return cast(UUID | None, team_id)
    return team_id[0] if len({one in actor.team_ids for one in team_id}) == 1 else None


def _plain(actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions on the complaint's own columns that are in use, by name, with their values."""
    plain: dict[str, Any] = {}
    for name, value in given.items():
        if name in _EITHER:
            plain[_EITHER[name][not value]] = actor.id if name in _OF_ACTOR else None
        elif isinstance(value, list) and (name in _SEVERAL or name == "category"):
            plain |= {f"{name}_any": value} if len(value) > 1 else {name: value[0]}
        elif name == "ref":
            plain["ref"] = [parse_reference(ref) or "" for ref in value]
        else:
            plain[name] = value
    return plain


_EACH: Final = {
    name: func.unnest(bindparam("each_value", type_=ARRAY(kind)))
    .table_valued(column("value", kind), name="one_of")
    .render_derived()
    for name, kind in _SEVERAL.items()
}


@lru_cache(maxsize=1000)
def _spread(shape: _Shape, columns: tuple[Any, ...], going_on: bool, most: int | None = None) -> AnySelect:
    """`most` rows (None: a page's) of each value at most, brought together and cut; in order, of the columns that are asked for."""
    rows_of_each = ROWS if most is None else literal(most)
    some = _ordered(shape, columns, going_on, rows_of_each)
    found: Any = select(some.subquery("of_all"))
    if shape.each is not None:
        of_value = some.lateral("of_value")
        found = select(*of_value.c).select_from(_EACH[shape.each].join(of_value, true()))
    if shape.beside:
        filters = (shape.filters - {"team_id_any"}) | {"other_teams"}
        own = replace(shape, sight="own", each=None, beside=False, filters=filters)
        found = union_all(found, select(_ordered(own, columns, going_on, rows_of_each).subquery("own")))
    rows = found.subquery("found")
    _, order = _statement(shape)
    brought = Order([rows.c[column.name] for column in order.columns], order.kinds, order.descending)
    return brought.apply(select(*rows.c)).limit(rows_of_each)


def _ordered(shape: _Shape, columns: tuple[Any, ...], going_on: bool, most: Any) -> AnySelect:
    statement, order = _statement(shape)
    if going_on:
        statement = statement.where(order.after_named)
    return order.apply(statement.with_only_columns(*columns, maintain_column_froms=True)).limit(most)


def _key_of(sort: str) -> Sequence[str]:
    return [column.name for column in _SORTS[sort.lstrip("-")][0]]


@lru_cache(maxsize=1000)
def _statement(shape: _Shape) -> tuple[AnySelect, Order]:
    source: FromClause = Complaint.__table__
    conditions = [queries.SIGHTS[shape.sight]]
    conditions += [_FILTERS[name] for name in sorted(shape.filters) if name in _FILTERS]
    if shape.each is not None:
        conditions.append(_COMPLAINT[shape.each] == _EACH[shape.each].c.value)
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
    if shape.apart:
        columns = (_COMPLAINT.id, *_SORTS[shape.sort.lstrip("-")][0][:-1])
        spread = _spread(shape, columns, going_on=False, most=COUNTED_TO + 1)
        return select(func.count()).select_from(spread.subquery())
    statement, order = _statement(shape)
    some = order.apply(statement.with_only_columns(_COMPLAINT.id, maintain_column_froms=True)).limit(COUNTED_TO + 1)
    return select(func.count()).select_from(some.subquery())
