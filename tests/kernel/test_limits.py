"""How often somebody may ask.

How it can fail: two processes count apart; Redis dies or hangs in the middle of the work and requests hang or fail with
it; it comes back and is not noticed; who is over one limit uses up another; a wait is told that is too short, so that a
client which waits is refused again; refused requests push the end of the wait before them; a window forgets at its edge;
memory grows with everybody who ever asked; a made-up `X-Forwarded-For` buys fresh quota, or spends somebody else's; a
household of IPv6 has 2^64 quotas; a 304 is counted; a request that is done again after a deadlock is counted twice; the
headers say something else than what is enforced.
"""

import contextlib
import itertools
import math
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from flask import Flask, g

from helpdesk.app import create_app
from helpdesk.kernel import limiting, limits
from helpdesk.kernel.embedded import EmbeddedRedis
from helpdesk.kernel.limits import Count, Counter, Limit, MemoryWindows, QuotaExceeded, Rate, RedisWindows, Standing
from helpdesk.kernel.settings import Settings, SettingsError
from helpdesk.wiring import Program
from tests.conftest import Join
from tests.racing import at_once

FEW = Limit("few", (Rate(3, 60),))


def fresh() -> str:
    return str(uuid4())


class Moment:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_700_000_000.0
        for name in ("time", "monotonic"):
            monkeypatch.setattr(f"helpdesk.kernel.limits.{name}", lambda: self.now)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    return Moment(monkeypatch)


def take(counter: Counter, limit: Limit = FEW, key: str = "li") -> Standing:
    return counter.take(list(limit.windows(key)))[0]


class TestRates:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("600/minute", (Rate(600, 60),)),
            ("20/10minutes", (Rate(20, 600),)),
            ("5 per minute; 50 per hour", (Rate(5, 60), Rate(50, 3600))),
            ("off", ()),
        ],
    )
    def test_are_read(self, text: str, found: tuple[Rate, ...]) -> None:
        assert limits.rates(text) == found

    @pytest.mark.parametrize("text", ["", "many", "0/minute", "-1/minute", "5", "5/fortnight"])
    def test_others_are_no_setting(self, text: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            limits.rates(text)
        if text:
            with pytest.raises(SettingsError, match="HELPDESK_LIMIT_PUBLIC"):
                Settings.from_environment({"HELPDESK_LIMIT_PUBLIC": text})


class TestMemory:
    def test_refuses_what_is_too_much_and_waits_are_long_enough(self, moment: Moment) -> None:
        counter = Counter(None)
        assert [take(counter).left for _ in range(3)] == [2, 1, 0]
        with pytest.raises(QuotaExceeded) as refused:
            take(counter)
        wait = refused.value.extra["retry_after"]
        assert refused.value.headers == {"Retry-After": str(wait)}
        assert refused.value.extra["violated-policies"] == ["few"]
        assert 1 <= wait <= 121
        moment.now += wait
        take(counter)

    def test_what_is_refused_is_not_counted(self, moment: Moment) -> None:
        counter = Counter(None)
        for _ in range(3):
            take(counter)
        waits = []
        for _ in range(20):
            with pytest.raises(QuotaExceeded) as refused:
                take(counter)
            waits.append(refused.value.extra["retry_after"])
            moment.now += 1
        assert waits == list(range(waits[0], waits[0] - 20, -1))

    def test_never_more_than_allowed_in_any_window(self, moment: Moment) -> None:
        """At whatever pace: the counter is an estimate, but it never lets more than the amount and a half through."""
        chance = random.Random(7)
        counter, rate = Counter(None), Rate(10, 60)
        limit, passed = Limit("ten", (rate,)), []
        for _ in range(4_000):
            moment.now += chance.choice([0.1, 1, 2, 15])
            with contextlib.suppress(QuotaExceeded):
                take(counter, limit)
                passed.append(moment.now)
        for place, at in enumerate(passed):
            inside = sum(1 for other in passed[place:] if other < at + rate.seconds)
            assert inside <= rate.amount * 1.5
        assert len(passed) > 0.5 * rate.amount * (passed[-1] - passed[0]) / rate.seconds

    @pytest.mark.parametrize("count", [(3, 0), (3, 2), (9, 1), (0, 3), (0, 9), (1, 3), (100, 3)])
    @pytest.mark.parametrize("elapsed", [0.0, 0.001, 29.5, 59.999])
    def test_the_wait_told_is_never_too_short_nor_much_too_long(self, count: tuple[int, int], elapsed: float) -> None:
        rate = Rate(3, 60)
        held = Count(*count, elapsed)
        window = next(FEW.windows("x"))
        standing = Standing.of(window, held, passed=False)
        if held.used(60) < 3:
            assert standing.wait == 0
            return
        assert standing.reset == standing.wait
        assert _used_after(held, rate, standing.wait) < rate.amount
        assert standing.wait == 1 or _used_after(held, rate, standing.wait - 1.01) >= rate.amount

    def test_all_or_nothing(self, moment: Moment) -> None:
        """Who is over one limit uses up nothing of the others."""
        counter = Counter(None)
        narrow, wide = Limit("narrow", (Rate(1, 60),)), Limit("wide", (Rate(5, 3600),))
        both = [*narrow.windows("a"), *wide.windows("all")]
        counter.take(both)
        for _ in range(10):
            with pytest.raises(QuotaExceeded) as refused:
                counter.take(both)
            assert refused.value.extra["violated-policies"] == ["narrow"]
        assert take(counter, wide, "all").left == 3

    def test_several_rates_of_one_limit_are_each_kept(self, moment: Moment) -> None:
        counter = Counter(None)
        limit = Limit("two", (Rate(2, 60), Rate(3, 3600)))
        take(counter, limit)
        take(counter, limit)
        with pytest.raises(QuotaExceeded):
            take(counter, limit)
        moment.now += 121
        assert [it.left for it in counter.take(list(limit.windows("li")))] == [1, 0]
        moment.now += 121
        with pytest.raises(QuotaExceeded) as refused:
            take(counter, limit)
        assert refused.value.extra["violated-policies"] == ["two-3600"]

    def test_does_not_grow_without_end(self, moment: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "_KEPT", 100)
        windows = MemoryWindows()
        for number in range(1_000):
            windows.take(list(FEW.windows(str(number))))
        assert len(windows._counts) <= 100 + limits._SHARED
        moment.now += 200
        windows.take(list(FEW.windows("one more")))
        assert len(windows._counts) == 1

    def test_looking_counts_nothing(self) -> None:
        memory, windows = MemoryWindows(), list(FEW.windows("li"))
        assert [memory.take(windows, counting=False)[1][0].now for _ in range(5)] == [0] * 5
        assert [memory.take(windows)[0] for _ in range(4)] == [True, True, True, False]
        assert memory.take(windows, counting=False)[0] is False

    def test_many_threads_lose_no_count(self) -> None:
        counter, limit = Counter(None), Limit("hundred", (Rate(100, 3600),))
        passed = itertools.count()

        def hammer() -> None:
            for _ in range(50):
                with contextlib.suppress(QuotaExceeded):
                    take(counter, limit)
                    next(passed)

        at_once(*[hammer] * 8)
        assert next(passed) == 100


def _used_after(held: Count, rate: Rate, seconds: float) -> int:
    elapsed = held.elapsed + seconds
    if elapsed >= rate.seconds:
        held = Count(held.now, 0, 0)
        elapsed -= rate.seconds
    return held._replace(elapsed=elapsed).used(rate.seconds)


class TestRedis:
    def test_counts_as_memory_does(self, redis_url: str, moment: Moment) -> None:
        """The same script of what is asked, both ways; Redis' own clock moves on by itself, which a window of an hour
        does not notice.
        """
        shared, own = RedisWindows(redis_url), MemoryWindows()
        chance, keys = random.Random(3), [fresh() for _ in range(3)]
        wide = [Limit("a", (Rate(4, 3600),)), Limit("b", (Rate(7, 86_400),))]
        for _ in range(60):
            windows = [window for limit in wide for window in limit.windows(chance.choice(keys))]
            (passed, counts), (passed_too, counts_too) = shared.take(windows), own.take(windows)
            assert passed == passed_too
            assert [count.now for count in counts] == [count.now for count in counts_too]
        shared.close()

    def test_a_stretch_that_is_over_counts_as_the_one_before(self, redis_url: str) -> None:
        windows = list(Limit("a", (Rate(5, 2),)).windows(fresh()))
        shared = RedisWindows(redis_url)
        held = redis.Redis.from_url(redis_url)
        key = f"helpdesk:limit:{windows[0].key}"
        shared.take(windows)
        stretch = int(str(held.hget(key, "s"), "ascii"))  # type: ignore[arg-type]  # redis' types leave open what it gives
        held.hset(key, mapping={"s": stretch - 1, "n": 4, "b": 9})
        _, [count] = shared.take(windows)
        assert (count.before, count.now) in {(4, 1), (1, 1), (0, 1)}  # as far as the clock went on meanwhile
        held.hset(key, mapping={"s": stretch - 5, "n": 4, "b": 9})
        _, [count] = shared.take(windows)
        assert (count.before, count.now) == (0, 1)
        assert 0 < held.pttl(key) <= 4_000
        held.close()
        shared.close()

    def test_two_processes_share_one_count(self, redis_url: str) -> None:
        """Each process has a `Counter` of its own; nothing but Redis is between them."""
        first, second, key = Counter(redis_url), Counter(redis_url), fresh()
        assert [take(counter, key=key).left for counter in (first, second, first)] == [2, 1, 0]
        for counter in (first, second):
            with pytest.raises(QuotaExceeded):
                take(counter, key=key)
            counter.close()

    def test_who_only_looks_sees_what_another_counted_and_counts_nothing(self, redis_url: str) -> None:
        first, second, windows = Counter(redis_url), Counter(redis_url), list(FEW.windows(fresh()))
        assert [first.take(windows)[0].left for _ in range(2)] == [2, 1]
        assert [second.look_at(windows)[0].left for _ in range(5)] == [1] * 5
        first.take(windows)
        with pytest.raises(QuotaExceeded) as refused:
            second.look_at(windows)
        assert refused.value.extra["retry_after"] >= 1
        for counter in (first, second):
            counter.close()

    def test_a_process_of_its_own_counts_with_us(self, redis_url: str) -> None:
        counter, key = Counter(redis_url), fresh()
        take(counter, key=key)
        program = (
            "import sys; from helpdesk.kernel.limits import Counter, Limit, Rate\n"
            "print(Counter(sys.argv[1]).take(list(Limit('few', (Rate(3, 60),)).windows(sys.argv[2])))[0].left)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, redis_url, key], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "1"
        assert take(counter, key=key).left == 0
        counter.close()

    def test_one_round_trip(self, redis_url: str) -> None:
        counter = Counter(redis_url)
        take(counter)  # which loads the script
        watcher = redis.Redis.from_url(redis_url)
        before = _commands(watcher)
        counter.take([*FEW.windows(fresh()), *Limit("other", (Rate(3, 60), Rate(9, 3600))).windows(fresh())])
        asked = {name: number - before.get(name, 0) for name, number in _commands(watcher).items()}
        assert asked.get("evalsha") == 1
        assert not {"eval", "script|load", "script|exists"} & {name for name, number in asked.items() if number}
        watcher.close()
        counter.close()

    def test_a_restarted_redis_has_forgotten_the_script(self, redis_url: str) -> None:
        counter = Counter(redis_url)
        take(counter)
        with contextlib.closing(redis.Redis.from_url(redis_url)) as held:
            held.script_flush()
        take(counter)
        assert not counter.away
        counter.close()

    def test_keys_tell_nobody_and_end(self, redis_url: str) -> None:
        counter = Counter(redis_url)
        take(counter, key="Bearer hd_secret")
        with contextlib.closing(redis.Redis.from_url(redis_url, decode_responses=True)) as held:
            [key] = [key for key in held.scan_iter("helpdesk:limit:*")]  # noqa: C416  # of redis' own type
            assert "secret" not in key
            assert 0 < int(str(held.ttl(key))) <= 120
        counter.close()


def _commands(watcher: Any) -> dict[str, int]:
    found = watcher.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in found.items()}


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """One that a test may kill."""
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


class TestRedisAway:
    def test_killed_in_between(self, own_redis: EmbeddedRedis, moment: Moment) -> None:
        counter = Counter(own_redis.start())
        assert take(counter).left == 2
        own_redis.stop()
        assert take(counter).left == 2  # in memory, which knows of nothing yet
        assert (counter.away, counter.counted_in) == (True, "memory")
        own_redis.start()
        assert take(counter).left == 1  # it is not asked again at once
        moment.now += 6
        assert take(counter).left in {1, 2}  # what it kept is its own affair
        assert (counter.away, counter.counted_in) == (False, "redis")
        counter.close()

    def test_the_public_gets_a_quarter_and_others_all(self, own_redis: EmbeddedRedis) -> None:
        url = own_redis.start()
        own_redis.stop()
        counter = Counter(url)
        tight, wide = Limit("tight", (Rate(8, 60),), tight=True), Limit("wide", (Rate(8, 60),))
        assert (take(counter, tight).rate.amount, take(counter, wide).rate.amount) == (2, 8)
        take(counter, tight)
        with pytest.raises(QuotaExceeded):
            take(counter, tight)
        counter.close()

    def test_one_that_hangs_is_waited_for_once(self) -> None:
        """It takes connections and answers nothing."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            counter = Counter(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
            began = time.monotonic()
            for _ in range(200):
                with contextlib.suppress(QuotaExceeded):
                    take(counter)
            assert time.monotonic() - began < 3  # 200 x 0.25 s would be 50
            assert counter.away
            counter.close()

    def test_only_one_request_tries_again(self, own_redis: EmbeddedRedis, moment: Moment) -> None:
        url = own_redis.start()
        own_redis.stop()
        counter = Counter(url)
        take(counter)
        moment.now += 6
        assert sum(at_once(*[counter._may_ask] * 8)) == 1
        counter.close()


class Site:
    """The program with limits, and its callers."""

    def __init__(self, app: Flask, token: str) -> None:
        self.app = app
        self.token = token

    def get(self, path: str = "/api/v1/me", *, token: str | None = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {token or self.token}"} if "public" not in path else {}
        return self.app.test_client().get(
            path,
            headers=sent | {name.replace("_", "-"): value for name, value in headers.items() if name != "came_from"},
            environ_base={"REMOTE_ADDR": headers.get("came_from", "203.0.113.9")},
        )


Open = Callable[..., Site]


@pytest.fixture
def site(program: Program, join: Join) -> Open:
    token = join("agent").token or ""

    def make(**more: Any) -> Site:
        given = replace(program.settings, **({"limits": True} | more))
        app = create_app(program=replace(program, settings=given))
        app.testing = True
        return Site(app, token)

    return make


OFFER = "/api/v1/public/offers/nothing"


class TestRequests:
    def test_headers_say_what_is_enforced(self, site: Open) -> None:
        here = site(limit_credential="2/minute")
        first, second, third = here.get(), here.get(), here.get()
        assert first.headers["RateLimit-Policy"] == '"credential";q=2;w=60'
        assert first.headers["RateLimit"].startswith('"credential";r=1;t=')
        assert second.headers["RateLimit"].startswith('"credential";r=0;t=')
        assert third.status_code == 429
        assert third.content_type == "application/problem+json"
        assert third.json["code"] == "quota_exceeded"
        assert third.json["violated-policies"] == ["credential"]
        wait = int(third.headers["Retry-After"])
        assert third.headers["RateLimit"] == f'"credential";r=0;t={wait}'
        assert third.headers["X-Request-ID"]

    def test_of_two_counts_of_one_limit_the_tighter_is_told(self, site: Open) -> None:
        """A try is counted for the address and for the reference; another reference does not give the address more tries."""
        here = site(limit_tracking="3/hour")
        left = []
        for reference in ("0000-0000-000", "1000-0000-000", "2000-0000-000", "3000-0000-000"):
            given = {"reference": reference, "secret": "nothing"}
            told = here.app.test_client().post("/api/v1/public/tracking", json=given).headers["RateLimit"]
            left.append(told.partition('"tracking";r=')[2].partition(";")[0])
        assert left == ["2", "1", "0", "0"]

    def test_each_credential_has_its_own(self, site: Open, join: Join) -> None:
        here = site(limit_credential="1/minute")
        assert [here.get().status_code for _ in range(2)] == [200, 429]
        assert here.get(token=join("agent").token).status_code == 200

    def test_however_a_token_is_written_it_is_one(self, site: Open) -> None:
        here = site(limit_credential="3/minute")
        client = here.app.test_client()
        written = ("Bearer {}", "bearer {}", "BEARER   {}  ", "bEaReR {}")
        answers = [client.get("/api/v1/me", headers={"Authorization": it.format(here.token)}) for it in written]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]

    def test_strangers_use_up_nobodys(self, site: Open) -> None:
        here = site(limit_credential="1/minute")
        assert [here.get(token="nobody").status_code for _ in range(3)] == [401, 401, 401]
        assert here.get().status_code == 200

    def test_every_kind_of_answer_is_counted_and_says_so(self, site: Open) -> None:
        here = site(limit_credential="1/minute", limit_public="1/minute")
        answer = here.get(OFFER)
        assert answer.status_code == 404
        assert answer.headers["RateLimit"].startswith('"public";r=0')
        assert here.get(OFFER).status_code == 429
        assert here.get("/api/v1/complaints?nothing=1").status_code == 422
        assert here.get().status_code == 429

    def test_what_is_not_modified_is_free(self, site: Open) -> None:
        here = site(limit_credential="2/minute")
        tag = here.get().headers["ETag"]
        for _ in range(5):
            answer = here.get(If_None_Match=tag)
            assert answer.status_code == 304
            assert "RateLimit" not in answer.headers
        changed = here.get(If_None_Match='"another"')
        assert changed.status_code == 200
        assert changed.headers["RateLimit"].startswith('"credential";r=0')
        refused = here.get(If_None_Match='"another"')
        assert (refused.status_code, refused.json["code"]) == (429, "quota_exceeded")
        assert int(refused.headers["Retry-After"]) >= 1
        assert here.get(If_None_Match=tag).status_code == 429  # known by now, and nothing is done for it

    def test_off(self, site: Open) -> None:
        here = site(limits=False, limit_credential="1/minute")
        answers = [here.get() for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        assert not any("RateLimit" in answer.headers for answer in answers)
        one_off = site(limit_credential="off")
        assert [one_off.get().status_code for _ in range(3)] == [200, 200, 200]

    def test_done_again_after_a_deadlock_is_counted_once(self, site: Open) -> None:
        here = site(limit_credential="5/minute")
        with here.app.test_request_context("/api/v1/me", headers={"Authorization": "Bearer x"}):
            for _ in range(3):
                limiting.count_credential("agent:x")
        assert here.get(token=here.token).headers["RateLimit"].startswith('"credential";r=4')
        with here.app.test_request_context("/api/v1/me", headers={"Authorization": "Bearer x"}):
            limiting.count_credential("agent:x")
            assert g.standings[0].left == 3

    def test_no_statement_is_added(self, site: Open, statements: Callable[[], Any]) -> None:
        counts = []
        for here in (site(limits=False), site()):
            here.get()  # what a process looks up now and then it has by now
            with statements() as seen:
                assert here.get().status_code == 200
            counts.append(len(seen))
        assert counts[0] == counts[1]

    def test_a_redis_that_is_away_is_told_and_nothing_stops(self, site: Open, own_redis: EmbeddedRedis) -> None:
        url = own_redis.start()
        here = site(redis_url=url, limit_credential="3/minute")
        assert here.get("/health/ready").json["checks"]["limits"] == {"status": "ok", "limits": "redis"}
        assert here.get().headers["RateLimit"].startswith('"credential";r=2')
        own_redis.stop()
        assert here.get().status_code == 200
        ready = here.get("/health/ready")
        assert (ready.status_code, ready.json["status"]) == (200, "degraded")
        assert ready.json["checks"]["limits"] == {"status": "down", "limits": "memory"}
        assert [here.get().status_code for _ in range(3)] == [200, 200, 429]

    def test_that_it_is_back_is_seen_without_a_request(
        self, site: Open, own_redis: EmbeddedRedis, moment: Moment
    ) -> None:
        here = site(redis_url=own_redis.start(), limit_credential="3/minute")
        own_redis.stop()
        here.get()
        own_redis.start()
        assert here.get("/health/ready").json["checks"]["limits"]["status"] == "down"
        moment.now += 6
        assert here.get("/health/ready").json["checks"]["limits"] == {"status": "ok", "limits": "redis"}

    def test_without_redis_memory_is_no_loss(self, site: Open) -> None:
        ready = site().get("/health/ready").json
        assert (ready["status"], ready["checks"]["limits"]) == ("ready", {"status": "ok", "limits": "memory"})
        assert site(limits=False).get("/health/ready").json["checks"]["limits"] == {"status": "off"}


class TestAddresses:
    """Who is counted on a public route."""

    def left(self, here: Site, came_from: str, **headers: str) -> int:
        answer = here.get(OFFER, came_from=came_from, **headers)
        return int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0])

    def test_a_header_that_nobody_was_trusted_with_decides_nothing(self, site: Open) -> None:
        here = site(limit_public="9/minute")
        assert self.left(here, "203.0.113.1", X_Forwarded_For="198.51.100.1") == 8
        assert self.left(here, "203.0.113.1", X_Forwarded_For="198.51.100.2") == 7
        assert self.left(here, "198.51.100.1") == 8  # nor does it spend another's

    @pytest.mark.parametrize(
        ("proxies", "header"),
        [
            (1, "198.51.100.1"),
            (1, "6.6.6.6, 198.51.100.1"),
            (1, "6.6.6.6,6.6.6.7 ,198.51.100.1:4711"),
            (2, "6.6.6.6, 198.51.100.1, 10.0.0.1"),
            (1, "::ffff:198.51.100.1"),
            (1, "[::ffff:198.51.100.1]:443"),
        ],
    )
    def test_of_several_proxies_the_outermost_is_believed(self, site: Open, proxies: int, header: str) -> None:
        here = site(limit_public="9/minute", trusted_proxies=proxies)
        plain = ", ".join(["198.51.100.1", "10.0.0.1"][:proxies])
        assert self.left(here, "10.0.0.9", X_Forwarded_For=plain) == 8
        assert self.left(here, "10.0.0.9", X_Forwarded_For=header) == 7

    @pytest.mark.parametrize("header", ["", "nonsense", "6.6.6.6", "999.1.1.1, 10.0.0.1", "\u0661.1.1.1, x"])
    def test_what_is_no_address_is_the_connections(self, site: Open, header: str) -> None:
        here = site(limit_public="9/minute", trusted_proxies=2)
        assert self.left(here, "10.0.0.9") == 8
        assert self.left(here, "10.0.0.9", X_Forwarded_For=header) == 7

    def test_a_network_of_ipv6_is_one(self, site: Open) -> None:
        here = site(limit_public="9/minute")
        assert self.left(here, "2001:db8:1:2::1") == 8
        assert self.left(here, "2001:db8:1:2:ffff:ffff:ffff:ffff") == 7
        assert self.left(here, "2001:db8:1:3::1") == 8

    def test_a_socket_without_addresses_counts_all_together(self, site: Open) -> None:
        here = site(limit_public="9/minute")
        assert [self.left(here, "") for _ in range(2)] == [8, 7]


def test_memory_and_redis_are_the_same_to_mathematics() -> None:
    """The share of the stretch before is rounded down, as the script does it."""
    assert Count(7, 2, 30.0).used(60) == 2 + math.floor(3.5)
    assert Count(7, 2, 61.0).used(60) == 2  # a clock that jumped


def test_threads_left_behind() -> None:
    """Nothing of this runs by itself: no timers, no sweeps."""
    before = threading.active_count()
    Counter(None).take(list(FEW.windows(fresh())))
    assert threading.active_count() == before
