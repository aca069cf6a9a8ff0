"""What agents keep for themselves, for a team or for everybody: written, changed, thrown away.

What several use changes what others do, so it needs a permission, and the log of administrative acts tells of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.scoped_models import Scoped
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.access import require
from helpdesk.kernel.differences import Changes, differences
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.events import Event
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

Row = TypeVar("Row", bound=Scoped)

MakeEvent = Callable[[UUID, Changes], Event]


@dataclass(frozen=True, slots=True)
class Shelf(Generic[Row]):
    """One kind of such rows. `share`: the permission for what is not one's own; `told`: fields that events tell of, beside
    whose it is; `write(uow, actor, row, given)` puts everything else into the row, and refuses what does not fit.
    """

    kind: type[Row]
    share: str
    told: tuple[str, ...]
    write: Callable[[UnitOfWork, Actor, Row, Mapping[str, Any]], None]
    created: MakeEvent
    changed: MakeEvent
    deleted: MakeEvent

    def check(self, _session: Session, actor: Actor, row: Row) -> None:
        """Whether the caller may change what they see. Raises `Forbidden`."""
        if row.scope != "own":
            require(actor, self.share)

    def create(self, uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> UUID:
        """Raises `Forbidden` without the right to share, and `ValidationFailed` for what does not fit."""
        row = self.kind(id=new_id(), version=1, created_at=uow.now)
        self._write(uow, actor, row, given)
        uow.session.add(row)
        _record(uow, self.created(row.id, differences({}, self._told(row))), row.scope)
        return row.id

    def change(self, uow: UnitOfWork, actor: Actor, row: Row, given: Mapping[str, Any]) -> UUID:
        """All of it anew; `row`: locked, and the caller may change it (`check`)."""
        before, scope = self._told(row), row.scope
        self._write(uow, actor, row, given)
        changes = differences(before, self._told(row))
        if changes:
            row.touch()
            _record(uow, self.changed(row.id, changes), scope, row.scope)
        return row.id

    def delete(self, uow: UnitOfWork, row: Row) -> None:
        """`row`: as for `change`."""
        _record(uow, self.deleted(row.id, differences(self._told(row), {})), row.scope)
        uow.session.delete(row)

    def _write(self, uow: UnitOfWork, actor: Actor, row: Row, given: Mapping[str, Any]) -> None:
        row.scope = given["scope"]
        row.agent_id, row.team_id = self._owner(uow, actor, given)
        self.write(uow, actor, row, given)

    def _owner(self, uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> tuple[UUID | None, UUID | None]:
        """Agent and team."""
        team_id = given.get("team_id")
        if given["scope"] == "own":
            if actor.kind != "agent":
                raise Forbidden("Only agents have some of their own.")
            return actor.id, None
        require(actor, self.share)
        if team_id is not None:
            theirs = actor.sees_all or team_id in actor.team_ids
            if not (theirs and identity.active_team(uow.session, team_id)):
                text = "You are in no such active team."
                raise ValidationFailed(errors=[FieldError.at("/team_id", "unknown", text)])
        return None, team_id

    def _told(self, row: Row) -> dict[str, Any]:
        return {name: json_safe(getattr(row, name)) for name in ("scope", "team_id", *self.told)}


def _record(uow: UnitOfWork, event: Event, *scopes: str) -> None:
    """What an agent keeps for themselves, before and after, is nobody else's business."""
    if set(scopes) != {"own"}:
        record_administration(uow, event)
