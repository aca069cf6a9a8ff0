"""Saved views: written by one, seen by several, and always with the eyes of whoever looks.

What a view asks for is judged when it is written, and again whenever it is read: a tag that was deleted, a field that is
out of use, an agent who has left make it `broken`, which it says, and it counts and lists nothing until it is mended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import marshmallow as ma
from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, filtering, list_queries, view_queries
from helpdesk.complaints.filtering import Fault, Known
from helpdesk.complaints.list_queries import Wanted
from helpdesk.complaints.schemas import sort_of
from helpdesk.complaints.scoped import Shelf
from helpdesk.complaints.view_errors import TooManyViews, ViewBroken
from helpdesk.complaints.view_events import ViewChanged, ViewCreated, ViewDeleted
from helpdesk.complaints.view_models import View
from helpdesk.complaints.view_schemas import ComplaintFilters
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.schemas import json_safe, problems_of
from helpdesk.kernel.unit_of_work import UnitOfWork

SHARE: Final = "view:share"
MOST: Final = 100
"""Views of one agent, of one team, or shared by all."""

_OWN_FIELD: Final = "custom_fields."
_FILTERS: Final = ComplaintFilters()


@dataclass(frozen=True, slots=True)
class _World:
    """What there is of all that some views ask for."""

    known: Known
    agents: set[UUID]
    teams: set[UUID]
    fields: set[str]
    """Keys of custom fields in use, of those that columns name."""


def _write(uow: UnitOfWork, actor: Actor, row: View, given: Mapping[str, Any]) -> None:
    """Raises `ValidationFailed` for what is not there, `TooManyViews`."""
    row.name, row.position, row.columns = given["name"], given["position"], list(given["columns"])
    row.sort = sort_of({**given["filters"], **({"sort": given["sort"]} if "sort" in given else {})})
    row.filters = json_safe(given["filters"])
    problems = faults(uow.session, actor, given)
    if problems:
        raise ValidationFailed(errors=problems)
    if view_queries.how_many(uow.session, row) >= MOST:
        raise TooManyViews


def faults(session: Session, _actor: Actor, given: Mapping[str, Any]) -> list[FieldError]:
    """What a view names and is not there. `given`: of a view that is written, what is sound of it."""
    filters, columns = given.get("filters") or {}, given.get("columns") or ()
    found = _faults(_look_around(session, [(filters, columns)]), filters, columns)
    if not found and given.get("scope", "own") != "own":
        found = _closed_teams(session, filters)
    return list(_problems(found))


def _closed_teams(session: Session, filters: Mapping[str, Any]) -> list[Fault]:
    """What a view of several may not look for: it would have kept the team from being closed."""
    named = list(_each(filters, "team_id"))
    active = identity.active_teams(session, {team_id for _, team_id in named})
    text = "This team is not active; only a view of one's own looks for what it had."
    return [Fault("team_id", place, "inactive", text) for place, team_id in named if team_id not in active]


SHELF: Final = Shelf(
    kind=View,
    share=SHARE,
    told=("name", "filters", "sort", "columns", "position"),
    write=_write,
    created=lambda row_id, changes: ViewCreated(view_id=row_id, changes=changes),
    changed=lambda row_id, changes: ViewChanged(view_id=row_id, changes=changes),
    deleted=lambda row_id, changes: ViewDeleted(view_id=row_id, changes=changes),
)


def shown(
    session: Session, actor: Actor, rows: Sequence[Mapping[str, Any]], *, counts: bool = True
) -> list[dict[str, Any]]:
    """Views with what is broken of them and how many complaints the actor sees; a few statements, however many they are."""
    read = [_read(row) for row in rows]
    asked = [(filters, row["columns"]) for (filters, _), row in zip(read, rows, strict=True)]
    world = _look_around(session, asked)
    found = []
    for row, (filters, faults) in zip(rows, read, strict=True):
        all_faults = faults + _faults(world, filters, row["columns"])
        found.append((row, filtering.read(world.known, filters)[0], all_faults))
    counted = iter(
        list_queries.counts(session, actor, [wanted for _, wanted, faults in found if not faults and counts])
    )
    out = []
    for row, _, faults in found:
        count = next(counted) if counts and not faults else None
        out.append(
            {
                **row,
                "complaints": None if count is None else count.number,
                "complaints_is_exact": None if count is None else count.exact,
                "broken": [dict(problem) for problem in _problems(faults)],
            }
        )
    return out


def wanted(session: Session, row: Mapping[str, Any]) -> Wanted:
    """What a view looks for. Raises `ViewBroken`."""
    filters, faults = _read(row)
    world = _look_around(session, [(filters, ())])
    faults = faults + _faults(world, filters, ())
    if faults:
        raise ViewBroken(errors=list(_problems(faults)))
    return filtering.read(world.known, filters)[0]


def _read(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The filters as they are loaded today, without those that cannot be; words may have left the vocabulary."""
    try:
        return {**_FILTERS.load(row["filters"]), "sort": row["sort"]}, []
    except ma.ValidationError as error:
        sound = error.valid_data if isinstance(error.valid_data, dict) else {}
        faults = [
            Fault(problem["pointer"].strip("/").split("/")[0], None, problem["code"], problem["detail"])
            for problem in problems_of(error.messages)
        ]
        return {**sound, "sort": row["sort"]}, faults


def _look_around(session: Session, many: Iterable[tuple[Mapping[str, Any], Sequence[str]]]) -> _World:
    views = list(many)
    filters = [given for given, _ in views]
    keys = {column.removeprefix(_OWN_FIELD) for _, columns in views for column in columns if _is_own(column)}
    fields = custom_field_queries.fields_of(session, keys)
    return _World(
        filtering.look_up(session, filters),
        view_queries.active_agents(session, {one for given in filters for _, one in _each(given, "assignee_id")}),
        view_queries.teams(session, {one for given in filters for _, one in _each(given, "team_id")}),
        {key for key, field in fields.items() if field.active},
    )


def _each(given: Mapping[str, Any], name: str) -> Iterator[tuple[int | None, UUID]]:
    """The values of a filter, each with its place where there are several."""
    value = given.get(name)
    if isinstance(value, list):
        yield from enumerate(value)
    elif value is not None:
        yield None, value


def _is_own(column: str) -> bool:
    return column.startswith(_OWN_FIELD)


def _faults(world: _World, given: Mapping[str, Any], columns: Sequence[str]) -> list[Fault]:
    found = filtering.read(world.known, given)[1] + filtering.unknown_tags(world.known, given)
    for name, there, what in (("assignee_id", world.agents, "active agent"), ("team_id", world.teams, "team")):
        found += [
            Fault(name, place, "unknown", f"There is no such {what}.")
            for place, one in _each(given, name)
            if one not in there
        ]
    for place, column in enumerate(columns):
        if _is_own(column) and column.removeprefix(_OWN_FIELD) not in world.fields:
            found.append(Fault("columns", place, "unknown_field", f"There is no custom field {column} in use."))
    return found


def _problems(faults: Iterable[Fault]) -> Iterable[FieldError]:
    for fault in faults:
        yield filtering.problem(fault, "" if fault.name == "columns" else "/filters")
