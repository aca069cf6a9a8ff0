"""What one can do with API keys, by which other systems call.

A key is made by an agent, who answers for it: it gives what is written in it and its owner holds as well, and nothing when
the owner has left. To make or widen a key, to get its secret (by rotation) and to hand it to another owner takes all that
the key gives.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete

from helpdesk.identity import key_queries, queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.authentication import KEY_PREFIX, MAX_LIFE, new_secret, token_hash
from helpdesk.identity.errors import KeyEnded
from helpdesk.identity.granting import check_rights, check_teams
from helpdesk.identity.key_events import KeyChanged, KeyCreated, KeyRevoked, KeyRotated
from helpdesk.identity.key_models import ApiKey, ApiKeyTeam
from helpdesk.identity.permissions import Rights
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

_SHOWN: Final = len(KEY_PREFIX) + 8
"""Characters of a key that may be known: of 43 random ones, 8."""

DEFAULT_OVERLAP: Final = 86_400
MAX_OVERLAP: Final = 7 * 86_400
_FIELDS: Final = ("name", "permissions", "scope", "team_ids", "owner_id", "expires_at")


def create_key(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    """`given`: name, permissions, scope, team_ids, expires_at. The key is in the answer and nowhere else. Raises
    `BeyondOwnRights`, and `ValidationFailed` for a team that is not there or an end too far away.
    """
    owner_id = actor.person_id
    if owner_id is None or queries.active_agent(uow.session, owner_id) is None:
        raise ValidationFailed("A key needs an agent who answers for it.")
    wanted = {
        "name": given["name"],
        "permissions": sorted(set(given["permissions"])),
        "scope": given["scope"],
        "team_ids": sorted(set(given["team_ids"])),
        "owner_id": owner_id,
        "expires_at": given.get("expires_at") or uow.now + MAX_LIFE,
    }
    _check(uow, wanted)
    _check_held(actor, wanted)
    secret = new_secret(KEY_PREFIX)
    columns = {name: value for name, value in wanted.items() if name != "team_ids"}
    key = ApiKey(id=new_id(), version=1, prefix=secret[:_SHOWN], hash=token_hash(secret), created_at=uow.now, **columns)
    uow.session.add(key)
    _put_into(uow, key.id, wanted["team_ids"])
    changes = {name: json_safe([None, value]) for name, value in wanted.items()}
    record_administration(uow, KeyCreated(**_named(key), changes=changes))
    uow.session.flush()  # its detail is read back
    return {**key_queries.key_detail(uow.session, key.id), "team_ids": wanted["team_ids"], "key": secret}


def change_key(uow: UnitOfWork, actor: Actor, key: ApiKey, given: dict[str, Any]) -> UUID:
    """`given`: any of name, permissions, scope, team_ids, owner_id, expires_at. `key` is locked. What it gains must be the
    actor's own; with another owner, all that it gives. Raises `BeyondOwnRights`, and `ValidationFailed`.
    """
    before = _values(uow, key)
    wanted = {name: given.get(name, before[name]) for name in _FIELDS}
    wanted["permissions"] = sorted(set(wanted["permissions"]))
    wanted["team_ids"] = sorted(set(wanted["team_ids"]))
    if wanted["scope"] != "teams" and "team_ids" not in given:
        wanted["team_ids"] = []
    changed = [name for name in _FIELDS if wanted[name] != before[name]]
    if not changed:
        return key.id
    _check(uow, wanted, changed)
    _check_held(actor, wanted if "owner_id" in changed else _gained(before, wanted))
    for name in changed:
        if name != "team_ids":
            setattr(key, name, wanted[name])
    if "team_ids" in changed:
        uow.session.execute(delete(ApiKeyTeam).where(ApiKeyTeam.key_id == key.id))
        _put_into(uow, key.id, wanted["team_ids"])
    key.touch()
    changes = {name: json_safe([before[name], wanted[name]]) for name in changed}
    record_administration(uow, KeyChanged(**_named(key), changes=changes))
    return key.id


def _values(uow: UnitOfWork, key: ApiKey) -> dict[str, Any]:
    found = {name: getattr(key, name) for name in _FIELDS if name != "team_ids"}
    return {**found, "team_ids": sorted(key_queries.teams_of_key(uow.session, key.id))}


def _gained(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """As a key that gives only what is new; in its scope too, where that is wider."""
    return {
        "permissions": set(after["permissions"]) - set(before["permissions"]),
        "scope": after["scope"] if after["scope"] != before["scope"] else "own",
        "team_ids": set(after["team_ids"]) - set(before["team_ids"]),
    }


def _check(uow: UnitOfWork, wanted: dict[str, Any], changed: Sequence[str] = _FIELDS) -> None:
    problems = []
    if wanted["team_ids"] and wanted["scope"] != "teams":
        problems.append(FieldError.at("/team_ids", "scope", "Only a key of the scope `teams` has teams."))
    known = queries.known_teams(uow.session, wanted["team_ids"])
    problems += [
        FieldError.at("/team_ids", "unknown", f"There is no team {team_id}.")
        for team_id in wanted["team_ids"]
        if team_id not in known
    ]
    if "expires_at" in changed and not uow.now < wanted["expires_at"] <= uow.now + MAX_LIFE:
        problems.append(_too_far())
    if "owner_id" in changed and queries.active_agent(uow.session, wanted["owner_id"]) is None:
        problems.append(FieldError.at("/owner_id", "unknown", "There is no such active agent."))
    if problems:
        raise ValidationFailed(errors=problems)


def _too_far() -> FieldError:
    return FieldError.at("/expires_at", "range", "Choose a time in the future, at most 366 days away.")


def _check_held(actor: Actor, key: dict[str, Any]) -> None:
    check_rights(actor, Rights(frozenset(key["permissions"]), key["scope"]))
    check_teams(actor, key["team_ids"])


def _put_into(uow: UnitOfWork, key_id: UUID, team_ids: Sequence[UUID]) -> None:
    uow.session.flush()  # the key that they refer to; and nothing left of a membership that is made anew
    uow.session.add_all(ApiKeyTeam(key_id=key_id, team_id=team_id) for team_id in team_ids)
    uow.session.flush()  # a key is shown with its teams


def _named(key: ApiKey) -> dict[str, Any]:
    return {"key_id": key.id, "owner_id": key.owner_id, "name": key.name, "prefix": key.prefix}


def check_going(session: Any, _actor: Actor, key: ApiKey) -> None:
    """Raises `KeyEnded`."""
    state = key_queries.key_detail(session, key.id)["state"]
    if state in {"revoked", "expired"}:
        raise KeyEnded(state=state)


def rotate_key(uow: UnitOfWork, actor: Actor, key: ApiKey, given: dict[str, Any]) -> dict[str, Any]:
    """A new secret; the one before counts for `overlap_seconds` more, and any before that no longer. `given` may also have
    a new `expires_at`. `check_going` comes first. Raises `BeyondOwnRights`: who has the secret is the key.
    """
    _check_held(actor, _values(uow, key))
    expires_at: datetime = given.get("expires_at", key.expires_at)
    if expires_at != key.expires_at and not uow.now < expires_at <= uow.now + MAX_LIFE:
        raise ValidationFailed(errors=[_too_far()])
    secret, overlap = new_secret(KEY_PREFIX), timedelta(seconds=given["overlap_seconds"])
    was = {"prefix": key.prefix, "expires_at": key.expires_at}
    key.previous_hash, key.previous_until = (key.hash, uow.now + overlap) if overlap else (None, None)
    key.hash, key.prefix, key.rotated_at, key.expires_at = token_hash(secret), secret[:_SHOWN], uow.now, expires_at
    key.touch()
    changes = {name: json_safe([old, getattr(key, name)]) for name, old in was.items() if old != getattr(key, name)}
    record_administration(uow, KeyRotated(**_named(key), changes=changes, previous_until=uow.now + overlap))
    uow.session.flush()  # its detail is read back
    return {**key_queries.key_detail(uow.session, key.id), "key": secret}


def revoke_key(uow: UnitOfWork, key: ApiKey) -> UUID:
    """At once, and for good. Doing it twice is doing it once."""
    if key.revoked_at is None:
        key.revoked_at = uow.now
        key.touch()
        record_administration(uow, KeyRevoked(**_named(key), changes=json_safe({"revoked_at": [None, uow.now]})))
    return key.id
