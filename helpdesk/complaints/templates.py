"""Whose a canned reply or a macro is, and who may change it: an agent's own, a team's, or everybody's.

Those that several use change what others do, so they need a permission, and the log of administrative acts tells of them.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.template_events import TemplateEvent
from helpdesk.complaints.template_models import CannedReply, Macro
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

SHARE: Final = "template:share"

Changes = dict[str, list[Any]]


def check(_session: Session, actor: Actor, row: CannedReply | Macro) -> None:
    """Whether the caller may change what they see. Raises `Forbidden`."""
    if row.scope != "own":
        require(actor, SHARE)


def owner(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, UUID | None]:
    """`agent_id` and `team_id` for the scope that is given. Raises `Forbidden` without the right to share, and
    `ValidationFailed` for a team that is not there, or not the caller's.
    """
    scope, team_id = given["scope"], given.get("team_id")
    if scope == "own":
        if actor.kind != "agent":
            raise Forbidden("Only agents have some of their own.")
        return {"agent_id": actor.id, "team_id": None}
    require(actor, SHARE)
    if team_id is not None and team_id not in actor.team_ids:
        there = actor.sees_all and identity.team_exists(uow.session, team_id)
        if not there:
            raise ValidationFailed(errors=[FieldError.at("/team_id", "unknown", "You are in no such team.")])
    return {"agent_id": None, "team_id": team_id}


def told(row: CannedReply | Macro, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: json_safe(getattr(row, name)) for name in ("scope", "team_id", *names)}


def differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Changes:
    """None: it was not there before, or is not afterwards."""
    names = before or after or {}
    pairs = {name: [(before or {}).get(name), (after or {}).get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def record(uow: UnitOfWork, event: TemplateEvent, *scopes: str) -> None:
    """What an agent keeps for themselves, before and after, is nobody else's business."""
    if set(scopes) != {"own"}:
        record_administration(uow, event)
