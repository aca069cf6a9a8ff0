"""How often somebody may ask: sliding windows, counted in Redis for all processes together, in memory where it is away.

A window of `w` seconds counts what came in the present stretch of `w` seconds and, of the stretch before, the share that
still lies within the last `w` seconds (the sliding window counter: two numbers per caller, whatever the amount). What is
refused is not counted, so whoever waits gets on. Of several windows that one request has to pass, either all count it or
none: who is over one of them uses up nothing of the others.

Redis is never waited for: a quarter of a second, then it is left alone for a few seconds and this process counts for
itself. Ordinary traffic goes on under the same numbers, each process for itself; what the public may do without being
known (`tight`) goes on under a quarter of them.

Source of the headers: draft-ietf-httpapi-ratelimit-headers.
"""

import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Final, NamedTuple

import limits
import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from helpdesk.kernel.errors import DomainError

log = structlog.get_logger()

_TIMEOUT: Final = 0.25
_PAUSE: Final = 5.0
"""Seconds until Redis is asked again after it did not answer."""
_TIGHTER: Final = 4
_KEPT: Final = 50_000
"""Keys in memory; beyond them, callers share what is left. Somebody with a large network has many addresses."""
_SHARED: Final = 1_024


class QuotaExceeded(DomainError):
    status = 429
    code = "quota_exceeded"
    title = "Too many requests"
    advice = "Wait `Retry-After` seconds. `RateLimit-Policy` says how much is allowed, `RateLimit` how much is left."
    standings: "Sequence[Standing]" = ()

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.extra.get("retry_after", 1))}


@dataclass(frozen=True, slots=True)
class Rate:
    """`amount` in any `seconds`."""

    amount: int
    seconds: int


def rates(text: str) -> tuple[Rate, ...]:
    """`600/minute`, `20/10minutes`, `5/minute;50/hour`; `off` is no limit. Raises ValueError."""
    if text.strip().lower() == "off":
        return ()
    found = tuple(Rate(item.amount, item.get_expiry()) for item in limits.parse_many(text))
    if any(rate.amount < 1 or rate.seconds < 1 for rate in found):
        raise ValueError("write a number from 1 up, or off")
    return found


@dataclass(frozen=True, slots=True)
class Limit:
    """One kind of limit. `tight`: where Redis is away, a quarter of it."""

    name: str
    rates: tuple[Rate, ...]
    tight: bool = False

    def windows(self, key: str) -> Iterator["Window"]:
        """For one caller, form or reference. `key` may be anything: only its hash is kept."""
        for place, rate in enumerate(self.rates):
            name = self.name if place == 0 else f"{self.name}-{rate.seconds}"
            yield Window(name, _hashed(f"{self.name}/{rate.amount}/{rate.seconds}/{key}"), rate, self.tight)


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Window(NamedTuple):
    name: str
    key: str
    rate: Rate
    tight: bool

    def tightened(self) -> "Window":
        return self._replace(rate=Rate(max(1, self.rate.amount // _TIGHTER), self.rate.seconds)) if self.tight else self


class Count(NamedTuple):
    """What a window holds: in the stretch before, in this one, and how many seconds of this one are over."""

    before: int
    now: int
    elapsed: float

    def used(self, seconds: int) -> int:
        return math.floor(self.before * max(0.0, 1 - self.elapsed / seconds)) + self.now


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with one limit. `wait`: seconds until there is room again, 0 where there is."""

    name: str
    rate: Rate
    left: int
    reset: int
    wait: int

    @classmethod
    def of(cls, window: Window, count: Count, *, passed: bool) -> "Standing":
        rate = window.rate
        used = count.used(rate.seconds)
        wait = 0 if passed or used < rate.amount else _wait(rate, count)
        reset = wait or max(1, math.ceil(rate.seconds - count.elapsed))
        return cls(window.name, rate, max(0, rate.amount - used), reset, wait)


def _wait(rate: Rate, count: Count) -> int:
    """Whole seconds after which one more fits, never too few."""
    if count.now < rate.amount:  # the stretch before has to run out by so much
        left = rate.seconds * (1 - (rate.amount - count.now) / count.before) - count.elapsed
    else:  # then this one is the one before
        left = rate.seconds - count.elapsed + rate.seconds * (1 - rate.amount / count.now)
    return math.floor(max(0.0, left)) + 1


class MemoryWindows:
    """Of this process."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int, int, int]] = {}
        """key -> seconds, number of the stretch, counted before and in it."""
        self._lock = threading.Lock()
        self._tidied = 0.0

    def take(self, windows: Sequence[Window], *, counting: bool = True) -> tuple[bool, list[Count]]:
        """Count one in all of them, if all have room for it: whether they had, and how each stands after it. Not `counting`: whether
        they have, and how each stands.
        """
        now = time()
        with self._lock:
            self._tidy(now)
            keys = [self._key(window.key) for window in windows]
            counts = [self._count(key, window.rate.seconds, now) for key, window in zip(keys, windows, strict=True)]
            passed = all(
                count.used(it.rate.seconds) < it.rate.amount for count, it in zip(counts, windows, strict=True)
            )
            if passed and counting:
                counts = [count._replace(now=count.now + 1) for count in counts]
                for key, window, count in zip(keys, windows, counts, strict=True):
                    seconds = window.rate.seconds
                    self._counts[key] = (seconds, int(now // seconds), count.before, count.now)
        return passed, counts

    def _key(self, key: str) -> str:
        if key in self._counts or len(self._counts) < _KEPT:
            return key
        return f"shared {int(key, 16) % _SHARED}"

    def _count(self, key: str, seconds: int, now: float) -> Count:
        stretch, elapsed = divmod(now, seconds)
        _, of, before, present = self._counts.get(key, (seconds, int(stretch), 0, 0))
        if of == stretch:
            return Count(before, present, elapsed)
        return Count(present if of == stretch - 1 else 0, 0, elapsed)

    def _tidy(self, now: float) -> None:
        """Once a minute, or else it would grow with everybody who ever asked."""
        if now - self._tidied < 60:
            return
        self._tidied = now
        self._counts = {key: held for key, held in self._counts.items() if (held[1] + 2) * held[0] > now}


class RedisWindows:
    """Of all processes. Raises `redis.RedisError` when it cannot tell."""

    # One hash per window: the number of the stretch, what was counted before it and in it. The time is the server's own.
    _SCRIPT: Final = """
        local time = redis.call('TIME')
        local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
        local free, found = 1, {}
        for i, key in ipairs(KEYS) do
            local amount, length = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]) * 1000000
            local stretch = math.floor(now / length)
            local elapsed = now - stretch * length
            local held = redis.call('HMGET', key, 's', 'b', 'n')
            local of, before, present = tonumber(held[1]), tonumber(held[2]) or 0, tonumber(held[3]) or 0
            if of ~= stretch then
                before = (of == stretch - 1) and present or 0
                present = 0
            end
            if math.floor(before * (1 - elapsed / length)) + present >= amount then
                free = 0
            end
            found[i] = {before, present, elapsed, stretch, length}
        end
        local answer = {free}
        for i, key in ipairs(KEYS) do
            local before, present, elapsed, stretch, length = unpack(found[i])
            if free == 1 and ARGV[2 * #KEYS + 1] == '1' then
                present = present + 1
                redis.call('HSET', key, 's', stretch, 'b', before, 'n', present)
                redis.call('PEXPIRE', key, math.ceil((2 * length - elapsed) / 1000))
            end
            answer[#answer + 1] = before
            answer[#answer + 1] = present
            answer[#answer + 1] = elapsed
        end
        return answer
    """

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._script = self._redis.register_script(self._SCRIPT)

    def take(self, windows: Sequence[Window], *, counting: bool = True) -> tuple[bool, list[Count]]:
        """As `MemoryWindows.take`."""
        values = [number for window in windows for number in (window.rate.amount, window.rate.seconds)]
        free, *rest = self._script([f"helpdesk:limit:{window.key}" for window in windows], [*values, int(counting)])
        counts = [Count(rest[at], rest[at + 1], rest[at + 2] / 1_000_000) for at in range(0, len(rest), 3)]
        return bool(free), counts

    def close(self) -> None:
        self._redis.close()


class Counter:
    """Redis while it answers, else memory. `away` says which it is at the moment."""

    def __init__(self, redis_url: str | None) -> None:
        self._shared = RedisWindows(redis_url) if redis_url else None
        self._own = MemoryWindows()
        self._ask_again = 0.0
        """When (monotonic) to try Redis again; 0 while it answers."""
        self._lock = threading.Lock()
        self._refused: dict[str, tuple[float, Standing]] = {}

    @property
    def away(self) -> bool:
        return self._shared is not None and self._ask_again > 0

    @property
    def counted_in(self) -> str:
        return "memory" if self._shared is None or self.away else "redis"

    def refused(self, windows: Sequence[Window]) -> Standing | None:
        """What is known without counting: somebody was refused, and the time to wait is not over yet."""
        now = monotonic()
        for window in windows:
            until, standing = self._refused.get(window.key, (0.0, None))
            if standing is not None and now < until:
                wait = math.ceil(until - now)
                return Standing(standing.name, standing.rate, 0, wait, wait)
        return None

    def take(self, windows: Sequence[Window]) -> list[Standing]:
        """Count one. Raises `QuotaExceeded`, with every limit that has no room, and counts nothing then."""
        return self._through(windows, counting=True)

    def look_at(self, windows: Sequence[Window]) -> list[Standing]:
        """As `take`, and count nothing: for what counts only when it fails."""
        return self._through(windows, counting=False)

    def _through(self, windows: Sequence[Window], *, counting: bool) -> list[Standing]:
        if not windows:
            return []
        known = self.refused(windows)
        if known is not None:
            raise exceeded([known])
        windows, passed, counts = self._count(windows, counting=counting)
        standings = [Standing.of(it, count, passed=passed) for it, count in zip(windows, counts, strict=True)]
        if not passed:
            self._remember(windows, standings)
            raise exceeded(standings)
        return standings

    def _remember(self, windows: Sequence[Window], standings: Sequence[Standing]) -> None:
        """So that who hammers on costs no more round trips."""
        now = monotonic()
        if len(self._refused) >= _KEPT:
            self._refused.clear()  # it spares round trips, and is no more than that
        for window, standing in zip(windows, standings, strict=True):
            if standing.wait:
                self._refused[window.key] = (now + standing.wait, standing)

    def _count(self, windows: Sequence[Window], *, counting: bool) -> tuple[Sequence[Window], bool, list[Count]]:
        if self._shared is not None and self._may_ask():
            try:
                passed, counts = self._shared.take(windows, counting=counting)
            except redis.RedisError as error:
                self._leave_alone(error)
            else:
                self._is_back()
                return windows, passed, counts
        if self._shared is not None:
            windows = [window.tightened() for window in windows]
        passed, counts = self._own.take(windows, counting=counting)
        return windows, passed, counts

    def look(self) -> None:
        """Find out whether Redis is back, where nobody asks anything that would."""
        if self._shared is not None and self._ask_again and self._may_ask():
            try:
                self._shared.take(())
            except redis.RedisError as error:
                self._leave_alone(error)
            else:
                self._is_back()

    def _is_back(self) -> None:
        if self._ask_again:
            self._ask_again = 0.0
            log.info("limits are counted in Redis again")

    def _may_ask(self) -> bool:
        """Always while it answers; after it did not, one request tries now and then, and the others do not wait for it."""
        if not self._ask_again:
            return True
        with self._lock:
            if monotonic() < self._ask_again:
                return False
            self._ask_again = monotonic() + _PAUSE
            return True

    def _leave_alone(self, error: redis.RedisError) -> None:
        if not self._ask_again:
            log.warning("limits are counted in memory: Redis does not answer", reason=type(error).__name__)
        self._ask_again = monotonic() + _PAUSE

    def close(self) -> None:
        if self._shared is not None:
            self._shared.close()


def exceeded(standings: Sequence[Standing]) -> QuotaExceeded:
    over = [standing for standing in standings if standing.wait]
    wait = max(standing.wait for standing in over)
    names = ", ".join(f"{it.rate.amount} in {it.rate.seconds} s ({it.name})" for it in over)
    error = QuotaExceeded(f"Allowed are {names}; there is room again in {wait} s.", retry_after=wait)
    error.extra["violated-policies"] = [standing.name for standing in over]  # as the draft spells it
    error.standings = standings
    return error
