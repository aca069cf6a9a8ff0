"""Who is there, in Redis.

How it can fail: somebody who closed the window stays for ever; a heartbeat begins the time anew, or another state does
not; two things are mixed up; Redis is away, hangs or comes back, and requests fail, hang, or never notice; "cannot tell"
looks like "nobody"; a thing that nobody looks at any more stays in Redis' memory.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import pytest
import redis

from helpdesk.kernel import presence
from helpdesk.kernel.embedded import EmbeddedRedis
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.presence import Presence, Seen
from tests.racing import at_once, until

ANA, BEN = UUID(int=1), UUID(int=2)
SHORT: Final = 0.15


@pytest.fixture
def there(redis_url: str) -> Iterator[Presence]:
    with contextlib.closing(Presence(redis_url)) as found:
        yield found


def states(found: Any) -> dict[UUID, str]:
    return {item.who: item.state for item in found}


def only(found: list[Seen] | None) -> Seen:
    assert found is not None
    assert len(found) == 1
    return found[0]


def test_they_come_say_what_they_do_and_go(there: Presence) -> None:
    one, other = new_id(), new_id()
    assert there.of(one) == []
    first = there.note(one, ANA, "viewing")
    assert states(first) == {ANA: "viewing"}
    assert states(there.note(one, BEN, "writing")) == {ANA: "viewing", BEN: "writing"}
    assert [item.who for item in there.of(one) or ()] == [ANA, BEN], "in the order of their coming"
    assert there.of(other) == []
    assert states(there.leave(one, ANA)) == {BEN: "writing"}
    assert there.leave(other, ANA) == []


def test_a_heartbeat_goes_on_and_another_state_begins(there: Presence) -> None:
    thing = new_id()
    first = only(there.note(thing, ANA, "viewing"))
    until(lambda: only(there.note(thing, ANA, "viewing")).until > first.until)
    assert only(there.of(thing)).since == first.since
    writing = only(there.note(thing, ANA, "writing"))
    assert writing.state == "writing"
    assert writing.since >= first.since
    assert (first.until - first.since).total_seconds() == presence.LASTS


def test_who_says_nothing_is_gone(redis_url: str) -> None:
    thing = new_id()
    with contextlib.closing(Presence(redis_url, lasts=SHORT)) as short, contextlib.closing(Presence(redis_url)) as long:
        long.note(thing, BEN, "viewing")
        assert set(states(short.note(thing, ANA, "writing"))) == {ANA, BEN}
        until(lambda: states(long.note(thing, BEN, "viewing")) == {BEN: "viewing"})
        (anew,) = [item for item in long.note(thing, ANA, "writing") or () if item.who == ANA]
        assert (anew.until - anew.since).total_seconds() == presence.LASTS, "who comes back begins anew"


def test_nothing_is_left_of_what_nobody_looks_at(redis_url: str) -> None:
    with contextlib.closing(Presence(redis_url, lasts=SHORT)) as short, redis.Redis.from_url(redis_url) as server:
        short.note(new_id(), ANA, "writing")
        assert server.keys("helpdesk:presence:*")
        until(lambda: not server.keys("helpdesk:presence:*"))


def test_many_at_once(there: Presence) -> None:
    thing = new_id()
    people = [UUID(int=number) for number in range(1, 21)]
    at_once(*(lambda who=who: there.note(thing, who, "viewing") for who in people))
    assert set(states(there.of(thing))) == set(people)


class TestAway:
    def test_without_redis_nobody_can_tell(self) -> None:
        without = Presence(None)
        assert without.note(new_id(), ANA, "viewing") is None
        assert without.of(new_id()) is None
        assert without.leave(new_id(), ANA) is None

    def test_killed_in_between_and_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(presence, "_PAUSE", 0.05)
        server = EmbeddedRedis(tmp_path / "r")
        thing = new_id()
        with contextlib.closing(Presence(server.start())) as there:
            assert there.note(thing, ANA, "viewing")
            server.stop()
            assert there.note(thing, ANA, "viewing") is None
            server.start()
            try:
                until(lambda: there.note(thing, ANA, "viewing") is not None)
            finally:
                server.stop()

    def test_one_that_hangs_is_asked_once_and_left_alone(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections and answers nothing
            url = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
            with contextlib.closing(Presence(url)) as there:
                assert there.of(new_id()) is None
                asked = monotonic()
                answers = [there.note(new_id(), ANA, "viewing") for _ in range(1000)]
                assert set(answers) == {None}
                assert monotonic() - asked < presence._TIMEOUT * 4, "it is not waited for each time"
