"""Who is looking at a thing, and who is writing: for a minute after they last said so, in Redis alone.

Nothing depends on it. It tells two people in time that they are about to do the same work; what they then do is guarded
by the row's lock and version. So it is never waited for: a quarter of a second, then Redis is left alone for a few
seconds, and until it is back nobody is told anything, which is said (None) and is not the same as "nobody is there".

One hash per thing, one field per person; the time is Redis' own, so that hosts whose clocks differ agree who is there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger()

STATES: Final = ("viewing", "writing")
LASTS: Final = 60
"""Seconds. Whoever stays says so again before they are over."""

_TIMEOUT: Final = 0.25
_PAUSE: Final = 5.0
_UNTIL: Final = 'local t = redis.call("TIME") local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000) '
_READ: Final = """
    local found, all = {}, redis.call('HGETALL', KEYS[1])
    for i = 1, #all, 2 do
        local state, since, ends = string.match(all[i + 1], '^(%a+) (%d+) (%d+)$')
        if tonumber(ends) > now then
            found[#found + 1] = {all[i], state, since, ends}
        else
            redis.call('HDEL', KEYS[1], all[i])
        end
    end
    return found
"""
_NOTE: Final = """
    local since = now
    local old = redis.call('HGET', KEYS[1], ARGV[1])
    if old then
        local state, began, ends = string.match(old, '^(%a+) (%d+) (%d+)$')
        if state == ARGV[2] and tonumber(ends) > now then since = tonumber(began) end
    end
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f %.0f', ARGV[2], since, now + ARGV[3]))
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""


class Seen(NamedTuple):
    """`since`: in this state without a break."""

    who: UUID
    state: str
    since: datetime
    until: datetime


class Presence:
    """Every method gives None when it cannot tell: without Redis, or while it does not answer."""

    def __init__(self, redis_url: str | None, *, lasts: float = LASTS) -> None:
        self._redis = None if redis_url is None else _connect(redis_url)
        self._lasts = int(lasts * 1000)
        self._ask_again = 0.0
        """When (monotonic) to try Redis again; 0 while it answers."""
        if self._redis is not None:
            self._read = self._redis.register_script(_UNTIL + _READ)
            self._note = self._redis.register_script(_UNTIL + _NOTE + _READ)
            self._leave = self._redis.register_script(f"redis.call('HDEL', KEYS[1], ARGV[1]) {_UNTIL}{_READ}")

    def note(self, subject_id: UUID, who: UUID, state: str) -> list[Seen] | None:
        """Whoever it is says that they are there; everybody who is there, in the order of their coming."""
        return None if self._redis is None else self._ask(self._note, subject_id, [str(who), state, self._lasts])

    def leave(self, subject_id: UUID, who: UUID) -> list[Seen] | None:
        """They are gone; who is left."""
        return None if self._redis is None else self._ask(self._leave, subject_id, [str(who)])

    def of(self, subject_id: UUID) -> list[Seen] | None:
        return None if self._redis is None else self._ask(self._read, subject_id, [])

    def _ask(self, script: Any, subject_id: UUID, values: Sequence[object]) -> list[Seen] | None:
        if monotonic() < self._ask_again:
            return None
        try:
            rows = script([f"helpdesk:presence:{subject_id}"], values)
        except redis.RedisError as error:
            if not self._ask_again:
                log.warning("nobody is told who is there: Redis does not answer", reason=type(error).__name__)
            self._ask_again = monotonic() + _PAUSE
            return None
        self._ask_again = 0.0
        found = [
            Seen(UUID(who.decode()), state.decode(), _time(since), _time(ends)) for who, state, since, ends in rows
        ]
        return sorted(found, key=lambda seen: (seen.since, seen.who))

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()


def _connect(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0)
    )


def _time(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
