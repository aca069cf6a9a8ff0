"""Every select on the table of limits.

Two locks keep judgement and change apart: whoever changes limits, lends authority or declares a conflict does it alone
(`alone`), and whoever grants something does it among others who grant (`among_others`), to the end of the transaction. So
what counts is what holds at the moment of the approval, and not what held when it was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.allowance_models import AuthorityLimits
from helpdesk.identity.allowances import Allowances
from helpdesk.identity.models import Team
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import Listed, Order, Page, listed

_LIMITS: Final = AuthorityLimits.__table__.c
_CLOCK: Final = func.clock_timestamp()
"""Not the transaction's beginning: who waited for a lock goes by the time at which they got it."""

_VERSION: Final = select(
    _LIMITS.id,
    _LIMITS.number,
    _LIMITS.valid_from,
    _LIMITS.content,
    _LIMITS.reason,
    _LIMITS.actor_kind,
    _LIMITS.actor_id,
    _LIMITS.created_at,
)
_BY_NUMBER: Final = Order((_LIMITS.number,), (int,), descending=True)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest version's number, which the whole goes by, and the time at which it was locked."""

    number: int
    now: datetime

    @property
    def version(self) -> int:
        return self.number

    @property
    def etag(self) -> str:
        return f"v{self.number}"


def alone(session: Session) -> datetime:
    """Nobody grants anything until the transaction ends. The time from then on: what begins now begins at it."""
    advisory.lock(session, advisory.Alone.AUTHORITY_RULES)
    now: datetime = session.execute(select(_CLOCK)).scalar_one()
    return now


def among_others(session: Session) -> None:
    """Nobody changes what judgements go by until the transaction ends. Taken after the locks of complaint and offer."""
    advisory.lock_shared(session, advisory.Alone.AUTHORITY_RULES)


def head_for_update(session: Session, _actor: Actor) -> Head:
    now = alone(session)
    return Head(session.execute(select(func.max(_LIMITS.number))).scalar_one(), now)


def _in_force(at: Any) -> Any:
    newest_first = (_LIMITS.valid_from.desc(), _LIMITS.number.desc())
    return _VERSION.where(_LIMITS.valid_from <= at).order_by(*newest_first).limit(1)


def standing(session: Session) -> tuple[Allowances, datetime]:
    """What holds at this moment, and the moment. For a judgement: `among_others` comes first."""
    moment = select(_CLOCK.label("now")).cte("moment")  # read once: the version is of the very moment that is told
    row = session.execute(_in_force(moment.c.now).add_columns(moment.c.now)).one()
    return Allowances.of(row.number, row.content), row.now


def in_force_at(session: Session, at: datetime) -> Any:
    """The version that holds at a time, as a mapping, as far as is known now."""
    return session.execute(_in_force(at)).mappings().one()


def allowances_detail(session: Session) -> dict[str, Any]:
    """What holds now and what is to come."""
    newest, now = session.execute(select(func.max(_LIMITS.number), _CLOCK)).one()
    coming = session.execute(_VERSION.where(_LIMITS.valid_from > now).order_by(_LIMITS.valid_from, _LIMITS.number))
    current = in_force_at(session, now)
    return {
        "version": newest,
        "in_force": _shown(current),
        "coming": [{"number": row["number"], "valid_from": row["valid_from"]} for row in coming.mappings()],
    }


def _shown(row: Any) -> dict[str, Any]:
    shown: dict[str, Any] = dict(row)
    return {**shown, **shown.pop("content")}


def list_versions(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    rows, cursor, total = listed(session, page, _VERSION, _BY_NUMBER, given)
    return [_shown(row) for row in rows], cursor, total


def version_detail(session: Session, number: int) -> dict[str, Any]:
    return _shown(existing(session.execute(_VERSION.where(_LIMITS.number == number)).mappings().one_or_none()))


def every_version(session: Session) -> list[tuple[datetime, Allowances]]:
    """Each with the time from which it held, in the order in which one took the place of the other."""
    rows = session.execute(_VERSION.order_by(_LIMITS.valid_from, _LIMITS.number))
    return [(row.valid_from, Allowances.of(row.number, row.content)) for row in rows]


def active_teams(session: Session, team_ids: Sequence[UUID]) -> set[UUID]:
    """Those of them that there are."""
    return set(session.scalars(select(Team.id).where(Team.id.in_(team_ids), Team.active))) if team_ids else set()
