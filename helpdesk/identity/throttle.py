"""How often one may try: failures are counted per account, per address and per second factor, and each one more makes the
next wait twice as long, up to a quarter of an hour. Counted in PostgreSQL, so emptying Redis forgives nothing.

**An attempt is counted before it is looked at**, in a transaction of its own, and taken back when it was good: of a
thousand at once, no more get through than one after the other would.

**Nobody is kept out by somebody else for long.** Strangers who try an account share one count. Who comes from where the
agent has signed in before (`KnownPlace`) has a count of their own, which no stranger can run up, and a reset by mail
makes the place it is used from known. Accounts that do not exist are counted as those that do.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Float, Interval, bindparam, case, cast, delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.identity import session_queries
from helpdesk.identity.session_errors import TooManyAttempts
from helpdesk.identity.session_models import SignInThrottle

FREE_OF_ACCOUNT: Final = 5
FREE_OF_ADDRESS: Final = 20
"""More than one person may sit behind an address."""
LONGEST: Final = timedelta(minutes=15)
_AN_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """One count; `free` failures cost nothing. It begins anew when the last one is older than `memory`."""

    key: bytes
    free: int
    memory: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lanes:
    """Finds the counts. `key`: the signing key, so that the table tells no addresses."""

    key: str

    def name(self, *what: str) -> bytes:
        return hmac.digest(self.key.encode(), "\0".join(("helpdesk.throttle", *what)).encode(), hashlib.sha256)

    def place(self, address: str) -> bytes:
        return self.name("place", address)

    def of_sign_in(self, email: str, address: str, *, known: bool) -> list[Lane]:
        """As many for a known place as for any other: the time that it takes tells nothing."""
        if known:
            return [
                Lane(self.name("known", email, address), FREE_OF_ACCOUNT),
                Lane(self.name("known", address), _UNLIMITED),
            ]
        return [
            Lane(self.name("account", email), FREE_OF_ACCOUNT),
            Lane(self.name("address", address), FREE_OF_ADDRESS, _AN_HOUR),
        ]

    def of_second_factor(self, agent_id: UUID) -> Lane:
        return Lane(self.name("factor", str(agent_id)), FREE_OF_ACCOUNT)

    def of_own_password(self, agent_id: UUID) -> Lane:
        """For somebody who is signed in and is asked for the password once more."""
        return Lane(self.name("own", str(agent_id)), FREE_OF_ACCOUNT)

    def of_reset(self, email: str) -> Lane:
        return Lane(self.name("reset", email), 3)

    def of_resets_from(self, address: str) -> Lane:
        return Lane(self.name("resets", address), FREE_OF_ADDRESS, _AN_HOUR)


_UNLIMITED: Final = 2**31 - 1
_T: Final = SignInThrottle.__table__.c
_counted = case((_T.failed_at < func.now() - bindparam("memory", type_=Interval), 1), else_=_T.failures + 1)
_over = func.least(func.greatest(_counted - bindparam("free"), 0), 30)
_seconds = func.least(LONGEST.total_seconds(), func.power(2.0, cast(_over, Float)))
_wait = cast(func.make_interval(0, 0, 0, 0, 0, 0, _seconds), Interval)
_NEVER: Final = func.to_timestamp(0)
"""Not now(): one who began before and waited here in a queue would find that in the future."""

_COUNT: Final = (
    insert(SignInThrottle)
    .values(key=bindparam("key"), failures=1, failed_at=func.now(), blocked_until=_NEVER)
    .on_conflict_do_update(
        index_elements=["key"],
        set_={
            "failures": _counted,
            "failed_at": func.now(),
            "blocked_until": case((_over == 0, _NEVER), else_=func.now() + _wait),
        },
        where=_T.blocked_until <= func.now(),
    )
    .returning(SignInThrottle.key)
)


def _values(lane: Lane) -> dict[str, Any]:
    return {"key": lane.key, "free": lane.free, "memory": lane.memory}


def count(session: Session, lanes: Sequence[Lane]) -> None:
    """Count an attempt on all of these, or on none: raises `TooManyAttempts` when any of them has to wait. The caller
    commits before it looks at the attempt.
    """
    for lane in sorted(lanes):  # in one order, so that two never wait for each other
        if session.execute(_COUNT, _values(lane)).one_or_none() is None:
            raise TooManyAttempts(retry_after=session_queries.blocked_for(session, lane.key))


def may_count(session: Session, lane: Lane) -> bool:
    """Count it if it need not wait; whether it was."""
    return session.execute(_COUNT, _values(lane)).one_or_none() is not None


def take_back(session: Session, lanes: Sequence[Lane]) -> None:
    """The attempt was no failure: as if it had not been counted."""
    less = {"failures": func.greatest(SignInThrottle.failures - 1, 0), "blocked_until": _NEVER}
    for lane in sorted(lanes):
        session.execute(
            update(SignInThrottle)
            .where(SignInThrottle.key == lane.key)
            .values(less)
            .execution_options(synchronize_session=False)
        )


def forgive(session: Session, lanes: Sequence[Lane]) -> None:
    """Begin anew."""
    for lane in sorted(lanes):
        session.execute(
            delete(SignInThrottle).where(SignInThrottle.key == lane.key).execution_options(synchronize_session=False)
        )
