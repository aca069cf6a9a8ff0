"""Outside providers as data: who issues which kinds, made, changed, switched off, their secrets rotated. Every act is told
in the log of administrative acts.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.outgoing import is_acceptable_url
from helpdesk.kernel.sealing import seal, unseal
from helpdesk.kernel.signatures import new_secret
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import provider_queries
from helpdesk.recovery.provider_errors import ProviderHasOrders, ProviderNameTaken
from helpdesk.recovery.provider_events import (
    RemedyProviderChanged,
    RemedyProviderCreated,
    RemedyProviderSecretRotated,
)
from helpdesk.recovery.provider_models import RemedyProvider

PURPOSE: Final = "remedy provider"
DEFAULT_OVERLAP: Final = 86_400
MAX_OVERLAP: Final = 7 * 86_400
_FIELDS: Final = ("name", "mode", "url", "kinds", "currencies", "timeout_seconds", "enabled")

_WHERE: Final = frozenset({"mode", "url"})


def create(uow: UnitOfWork, signing_key: str, given: Mapping[str, Any], *, private: bool) -> dict[str, Any]:
    """`given`: the fields above. The secret is in the answer and nowhere else. `private`: addresses that are not public will
    do. Raises `ProviderNameTaken`, `ValidationFailed`.
    """
    wanted = _sorted({name: given.get(name) for name in _FIELDS})
    _check(uow.session, wanted, None, private=private)
    provider_id, secret = new_id(), new_secret()
    row = RemedyProvider(
        id=provider_id,
        version=1,
        created_at=uow.now,
        secret=seal(signing_key, PURPOSE, provider_id, secret),
        **wanted,
    )
    uow.session.add(row)
    uow.session.flush()  # it is shown
    changes = {name: [None, value] for name, value in wanted.items()}
    record_administration(uow, RemedyProviderCreated(provider_id=provider_id, name=row.name, changes=changes))
    return {**provider_queries.provider_detail(uow.session, provider_id), "secret": secret}


def change(uow: UnitOfWork, row: RemedyProvider, given: Mapping[str, Any], *, private: bool) -> UUID:
    """`given`: any of the fields; `row` is locked. Raises as `create` does, and `ProviderHasOrders` for another mode or address
    while anything is open with it: what is asked again, or how it stands, would be asked of somebody who knows nothing of it.
    """
    before = {name: getattr(row, name) for name in _FIELDS}
    wanted = _sorted({**before, **given})
    _check(uow.session, wanted, row.id, private=private)
    changes = {name: [before[name], wanted[name]] for name in _FIELDS if before[name] != wanted[name]}
    if changes.keys() & _WHERE:
        orders = provider_queries.open_orders(uow.session, row.id)
        if orders:
            raise ProviderHasOrders(orders=orders)
    if changes:
        for name in changes:
            setattr(row, name, wanted[name])
        row.silences, row.paused_until = 0, None  # it may answer by now
        row.touch()
        record_administration(uow, RemedyProviderChanged(provider_id=row.id, name=row.name, changes=changes))
    return row.id


def rotate(uow: UnitOfWork, signing_key: str, row: RemedyProvider, overlap_seconds: int) -> dict[str, Any]:
    """Another secret; the one before counts for as long: requests are signed with both, callbacks with either."""
    secret = new_secret()
    until = uow.now + timedelta(seconds=overlap_seconds)
    row.previous_secret, row.previous_until = row.secret, until
    row.secret = seal(signing_key, PURPOSE, row.id, secret)
    row.touch()
    record_administration(
        uow, RemedyProviderSecretRotated(provider_id=row.id, name=row.name, previous_until=rfc3339(until))
    )
    uow.session.flush()  # it is shown
    return {**provider_queries.provider_detail(uow.session, row.id), "secret": secret}


def keys_of(signing_key: str, row: RemedyProvider, now: datetime) -> Sequence[str]:
    """The secrets that count, the newest first. Raises `SealBroken`."""
    found = [unseal(signing_key, PURPOSE, row.id, row.secret)]
    if row.previous_secret is not None and row.previous_until is not None and now < row.previous_until:
        found.append(unseal(signing_key, PURPOSE, row.id, row.previous_secret))
    return found


def _sorted(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, "kinds": sorted(set(given["kinds"])), "currencies": sorted(set(given["currencies"] or []))}


def _check(session: Session, wanted: Mapping[str, Any], own_id: UUID | None, *, private: bool) -> None:
    problems = []
    if wanted["mode"] == "recording" and wanted["url"] is not None:
        problems.append(FieldError.at("/url", "not_asked", "The recording provider has no address."))
    if wanted["mode"] == "http":
        if wanted["url"] is None:
            problems.append(FieldError.at("/url", "required", "Say where it is asked."))
        elif not is_acceptable_url(wanted["url"], private=private):
            detail = "Write https://, a public host and a path, without user, query or fragment."
            problems.append(FieldError.at("/url", "invalid", detail))
    if problems:
        raise ValidationFailed(errors=problems)
    if provider_queries.provider_named(session, wanted["name"]) not in {None, own_id}:
        raise ProviderNameTaken
