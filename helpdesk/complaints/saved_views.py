"""Saved views: written by one, seen by several, and always with the eyes of whoever looks.

What a view asks for is judged when it is written, and again whenever it is read: a tag that was deleted, a field that is
out of use, an agent who has left make it `broken`, which it says, and it counts and lists nothing until it is mended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import marshmallow as ma
from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, filtering, list_queries, view_queries
from helpdesk.complaints.filtering import Fault, Known
from helpdesk.complaints.list_queries import Wanted
from helpdesk.complaints.schemas import sort_of
from helpdesk.complaints.view_errors import TooManyViews, ViewBroken
from helpdesk.complaints.view_events import ViewChanged, ViewCreated, ViewDeleted, ViewEvent
from helpdesk.complaints.view_models import View
from helpdesk.complaints.view_schemas import ComplaintFilters
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe, problems_of
from helpdesk.kernel.unit_of_work import UnitOfWork

SHARE: Final = "view:share"
MOST: Final = 100
"""Views of one agent, of one team, or shared by all."""

_OWN_FIELD: Final = "custom_fields."
_TOLD: Final = ("name", "scope", "team_id", "filters", "sort", "columns", "position")
_FILTERS: Final = ComplaintFilters()


@dataclass(frozen=True, slots=True)
class _World:
    """What there is of all that some views ask for."""

    known: Known
    agents: set[UUID]
    teams: set[UUID]
    fields: set[str]
    """Keys of custom fields in use, of those that columns name."""


def create(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> UUID:
    """Raises `Forbidden` without the right to share, `ValidationFailed` for what is not there, `TooManyViews`."""
    row = View(id=new_id(), version=1, created_at=uow.now)
    _write(uow, actor, row, given)
    uow.session.add(row)
    _record(uow, ViewCreated(view_id=row.id, changes=_differences({}, _told(row))), row.scope)
    return row.id


def change(uow: UnitOfWork, actor: Actor, row: View, given: Mapping[str, Any]) -> UUID:
    """All of it anew; `row`: locked, and the caller may change it (`check`)."""
    before, scope = _told(row), row.scope
    _write(uow, actor, row, given)
    changes = _differences(before, _told(row))
    if changes:
        row.touch()
        _record(uow, ViewChanged(view_id=row.id, changes=changes), scope, row.scope)
    return row.id


def delete(uow: UnitOfWork, row: View) -> None:
    _record(uow, ViewDeleted(view_id=row.id, changes=_differences(_told(row), {})), row.scope)
    uow.session.delete(row)


def check(_session: Session, actor: Actor, row: View) -> None:
    """Whether the caller may change what they see. Raises `Forbidden`."""
    if row.scope != "own":
        require(actor, SHARE)


def _write(uow: UnitOfWork, actor: Actor, row: View, given: Mapping[str, Any]) -> None:
    row.scope = given["scope"]
    row.agent_id, row.team_id = _owner(uow, actor, given)
    row.name, row.position, row.columns = given["name"], given["position"], list(given["columns"])
    row.sort = sort_of({**given["filters"], **({"sort": given["sort"]} if "sort" in given else {})})
    row.filters = json_safe(given["filters"])
    faults = _faults(_look_around(uow.session, [(given["filters"], row.columns)]), given["filters"], row.columns)
    if faults:
        raise ValidationFailed(errors=list(_problems(faults)))
    if view_queries.how_many(uow.session, row) >= MOST:
        raise TooManyViews


def _owner(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> tuple[UUID | None, UUID | None]:
    """Agent and team."""
    team_id = given.get("team_id")
    if given["scope"] == "own":
        if actor.kind != "agent":
            raise Forbidden("Only agents have some of their own.")
        return actor.id, None
    require(actor, SHARE)
    if team_id is not None and team_id not in actor.team_ids:
        there = actor.sees_all and identity.team_exists(uow.session, team_id)
        if not there:
            raise ValidationFailed(errors=[FieldError.at("/team_id", "unknown", "You are in no such team.")])
    return None, team_id


def _told(row: View) -> dict[str, Any]:
    return {name: json_safe(getattr(row, name)) for name in _TOLD}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    pairs = {name: [before.get(name), after.get(name)] for name in _TOLD}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _record(uow: UnitOfWork, event: ViewEvent, *scopes: str) -> None:
    """What an agent looks at by themselves is nobody else's business."""
    if set(scopes) != {"own"}:
        record_administration(uow, event)


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
        view_queries.active_agents(session, {given["assignee_id"] for given in filters if "assignee_id" in given}),
        view_queries.teams(session, {given["team_id"] for given in filters if "team_id" in given}),
        {key for key, field in fields.items() if field.active},
    )


def _is_own(column: str) -> bool:
    return column.startswith(_OWN_FIELD)


def _faults(world: _World, given: Mapping[str, Any], columns: Sequence[str]) -> list[Fault]:
    found = filtering.read(world.known, given)[1] + filtering.unknown_tags(world.known, given)
    if "assignee_id" in given and given["assignee_id"] not in world.agents:
        found.append(Fault("assignee_id", None, "unknown", "There is no such active agent."))
    if "team_id" in given and given["team_id"] not in world.teams:
        found.append(Fault("team_id", None, "unknown", "There is no such team."))
    for place, column in enumerate(columns):
        if _is_own(column) and column.removeprefix(_OWN_FIELD) not in world.fields:
            found.append(Fault("columns", place, "unknown_field", f"There is no custom field {column} in use."))
    return found


def _problems(faults: Iterable[Fault]) -> Iterable[FieldError]:
    for fault in faults:
        yield filtering.problem(fault, "" if fault.name == "columns" else "/filters")
