"""Providers at their worst, and where each of them leaves the offer in the end: its state, the budget, the dead letters.

Time is moved, not waited for: everything that has a time becomes so much older, and what is due by then is done.

How it can fail: done twice after a timeout; a second answer counts; hammered for an hour, or given up in it; a callback that
overtakes the answer is forgotten, or makes the answer a second issuance; pending for ever, with nobody told.
"""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.kernel import outbox
from helpdesk.recovery import asking, outcomes
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.helpers import accepted, act, duties, ledger, money, scalar, violations
from tests.recovery.providing import call_back, order_of, refund, register, said, status, work
from tests.recovery.reference_provider import ReferenceProvider

pytestmark = pytest.mark.usefixtures("budget")


@pytest.fixture
def offer(agent: Caller, complaint: dict[str, Any], registered: dict[str, Any]) -> dict[str, Any]:
    """Accepted, and not asked for yet."""
    return accepted(agent, complaint, refund())


def pass_by(program: Program, so_long: timedelta, *, steps: int = 1) -> None:
    """So much time passes, so many times; what is due each time is done."""
    older = {"so_long": so_long}
    for _ in range(steps):
        with program.engine.begin() as connection:
            connection.execute(
                text("UPDATE duty SET not_before = not_before - :so_long, next_at = next_at - :so_long"), older
            )
            connection.execute(text("UPDATE remedy_order SET first_asked_at = first_asked_at - :so_long"), older)
            connection.execute(text("UPDATE remedy_provider SET paused_until = paused_until - :so_long"), older)
            due = outbox.claim(connection, [asking.TOPIC])
        program.performer.perform([ring.id for ring in due])


def letters(caller: Caller) -> list[str]:
    return [item["why"] for item in caller.get("/recovery/dead-letters").json["items"]]


def ends(program: Program, caller: Caller, offer: dict[str, Any], where: str, *whys: str) -> None:
    """`whys`: of its dead letters."""
    issued = where == "issued"
    assert status(caller, offer) == (where, None)
    assert ledger(program.database) == ["reserve", "commit" if issued else "release"]
    assert money(program.database) == (0, 2000 if issued else 0)
    assert letters(caller) == list(whys)
    assert duties(program.database) == []
    told = {kind: scalar(program.database, f"SELECT count(*) FROM event WHERE type = 'offer.{kind}'") for kind in _ENDS}
    assert told == {"issued": int(issued), "failed": int(not issued)}
    mails = scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'")
    assert mails == int(issued)
    assert violations(program.database) == []


_ENDS = ("issued", "failed")


class TestTimesOutAfterDoingIt:
    @pytest.fixture
    def registered(self, admin: Caller, reference_provider: ReferenceProvider) -> dict[str, Any]:
        return register(admin, reference_provider, timeout_seconds=1)

    def test_once(self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider) -> None:
        provider.plan = ["hang"]
        work(program)
        assert (status(agent, offer), ledger(program.database)) == (("issuing", "automatic"), ["reserve"])
        assert order_of(program.database, offer).in_doubt == 1
        assert "no answer" in order_of(program.database, offer).last_error
        pass_by(program, timedelta(minutes=1))
        assert [method for method, _ in provider.asked] == ["POST", "GET"]
        ends(program, agent, offer, "issued")
        assert len(provider.done) == 1

    def test_twice_where_it_cannot_be_asked_how_it_stands(
        self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.plan = ["hang", "hang"]
        provider.faults = frozenset({"no_status"})
        work(program)
        pass_by(program, timedelta(minutes=1), steps=2)
        assert {key for _, key in provider.asked} == {f"{offer['id']}-1"}
        ends(program, agent, offer, "issued")
        assert len(provider.done) == 1


class TestAnswersTwice:
    def test_the_first_counts(
        self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.plan = ["twice"]
        work(program)
        pass_by(program, timedelta(hours=1), steps=2)
        assert agent.get(f"/offers/{offer['id']}").json["issued_reference"] == "re_1"
        ends(program, agent, offer, "issued")


class TestAnswers500ForAnHour:
    @pytest.mark.parametrize("first", ["error", "lost"])
    def test_and_then_works(
        self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider, first: str
    ) -> None:
        """Done with the first request, or not; what it says is the same."""
        provider.plan = [first]
        work(program)
        provider.away = True
        pass_by(program, timedelta(minutes=1), steps=60)
        assert (status(agent, offer), letters(agent)) == (("issuing", "automatic"), [])
        assert (ledger(program.database), money(program.database)) == (["reserve"], (2000, 0))
        attempts = order_of(program.database, offer).attempts
        assert 8 <= attempts <= 16, "it grows tired of asking, and does not give up"
        assert len(provider.done) == (1 if first == "lost" else 0)
        provider.away = False
        pass_by(program, timedelta(minutes=16))
        ends(program, agent, offer, "issued")
        assert {key for _, key in provider.asked} == {f"{offer['id']}-1"}
        assert len(provider.done) == 1

    def test_and_for_ever(
        self, program: Program, agent: Caller, senior: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        """It may have been done, so it does not fail by itself: a person finds out, and the money waits for that."""
        provider.away = True
        work(program)
        pass_by(program, timedelta(minutes=16), steps=asking.MOST_ATTEMPTS)
        assert status(agent, offer) == ("issuing", "unknown")
        assert (letters(agent), money(program.database)) == (["unknown"], (2000, 0))
        pass_by(program, outcomes.UNKNOWN_FOR, steps=2)
        assert (duties(program.database), letters(agent)) == ([], ["unknown"]), (
            "nobody is asked any more, and it is listed"
        )
        assert violations(program.database) == []
        act(senior, offer, "fail", reason="They have nothing of it.")
        ends(program, agent, offer, "failed", "failed")


class TestSaysThatItDidIt:
    """Without a word of as what; and where it keeps how things stand, it knows nothing of it yet."""

    @pytest.mark.parametrize("answer", ["wordless", "strange", "huge", "pending"])
    def test_is_never_failed_by_itself(
        self,
        program: Program,
        agent: Caller,
        senior: Caller,
        offer: dict[str, Any],
        provider: ReferenceProvider,
        answer: str,
    ) -> None:
        provider.plan, provider.faults = [answer] * asking.MOST_ATTEMPTS, frozenset({"lagging"})
        work(program)
        pass_by(
            program, timedelta(days=1) if answer == "pending" else timedelta(minutes=16), steps=asking.MOST_ATTEMPTS
        )
        assert (status(agent, offer), letters(agent)) == (("issuing", "unknown"), ["unknown"])
        pass_by(program, outcomes.UNKNOWN_FOR, steps=2)
        assert status(agent, offer) == ("issuing", "unknown"), "that the key is unknown takes back no claim"
        assert (ledger(program.database), money(program.database)) == (["reserve"], (2000, 0))
        last_error = agent.get("/recovery/dead-letters").json["items"][0]["last_error"]
        assert last_error.startswith("answered 20")
        assert "asked again: the provider does not know the key" in last_error
        assert {key for _, key in provider.asked} == {f"{offer['id']}-1"}
        assert violations(program.database) == []
        act(senior, offer, "record_issued", reference="found in their books")
        ends(program, agent, offer, "issued")

    def test_and_then_that_it_failed(
        self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        """That is its own word, and counts."""
        provider.plan = ["wordless"]
        work(program)
        done = provider.done[f"{offer['id']}-1"]
        done.status, done.reason = "failed", "No such card."
        pass_by(program, timedelta(minutes=1))
        ends(program, agent, offer, "failed", "failed")

    def test_and_is_switched_off(
        self, program: Program, admin: Caller, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.plan, provider.faults = ["wordless"], frozenset({"lagging"})
        work(program)
        (row,) = admin.get("/recovery/providers").json["items"]
        assert admin.patch(f"/recovery/providers/{row['id']}", {"enabled": False}, if_match="*").status_code == 200
        pass_by(program, timedelta(minutes=16), steps=asking.MOST_ATTEMPTS)
        assert status(agent, offer) == ("issuing", "unknown")
        assert violations(program.database) == []

    def test_as_a_number(
        self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.plan = ["numbered"]
        work(program)
        assert agent.get(f"/offers/{offer['id']}").json["issued_reference"] == "12345"
        ends(program, agent, offer, "issued")


class TestCallsBackBeforeTheRequestReturns:
    @pytest.mark.parametrize(
        ("word", "answer", "where", "whys"),
        [
            ("issued", "issue", "issued", []),
            ("issued", "silent", "issued", []),
            ("issued", "lost", "issued", []),
            ("issued", "pending", "issued", []),
            ("issued", "refuse", "issued", []),
            ("failed", "refuse", "failed", ["failed"]),
            ("failed", "silent", "failed", ["failed"]),
            ("failed", "issue", "failed", ["contradicted"]),
        ],
    )
    def test_whatever_it_answers_then(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        registered: dict[str, Any],
        offer: dict[str, Any],
        provider: ReferenceProvider,
        word: str,
        answer: str,
        where: str,
        whys: list[str],
    ) -> None:
        caller = Caller(anonymous.client.application.test_client(), None, None)
        heard = list[int]()
        provider.plan = [answer]
        provider.before = lambda _key: heard.append(call_back(caller, registered, said(offer, word)).status_code)
        work(program)
        assert heard == [200]
        pass_by(program, timedelta(hours=1), steps=3)
        assert [method for method, _ in provider.asked] == ["POST"]
        ends(program, agent, offer, where, *whys)


class TestNeverCallsBack:
    @pytest.mark.parametrize("faults", [frozenset[str](), frozenset({"no_status"})], ids=["pending", "no status"])
    def test_a_person_is_asked_and_settles_it(
        self,
        program: Program,
        agent: Caller,
        senior: Caller,
        offer: dict[str, Any],
        provider: ReferenceProvider,
        faults: frozenset[str],
    ) -> None:
        """It said that it works on it, and says so, or nothing, whenever it is asked."""
        provider.plan, provider.faults = ["pending"], faults
        work(program)
        pass_by(program, timedelta(days=1), steps=6)
        assert (status(agent, offer), letters(agent)) == (("issuing", "automatic"), [])
        pass_by(program, timedelta(days=1), steps=2)
        assert (status(agent, offer), letters(agent)) == (("issuing", "unknown"), ["unknown"])
        assert money(program.database) == (2000, 0)
        pass_by(program, timedelta(days=8), steps=4)
        assert duties(program.database) == [], "thirty days after the first question nobody asks any more"
        assert [method for method, _ in provider.asked].count("POST") == 1
        act(senior, offer, "record_issued", reference="found in their books")
        ends(program, agent, offer, "issued")

    def test_and_tells_how_it_stands_when_it_is_asked(
        self, program: Program, agent: Caller, offer: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.plan = ["pending"]
        work(program)
        pass_by(program, timedelta(minutes=10), steps=3)
        assert status(agent, offer) == ("issuing", "automatic")
        provider.done[f"{offer['id']}-1"].status = "issued"
        pass_by(program, timedelta(hours=1))
        ends(program, agent, offer, "issued")
