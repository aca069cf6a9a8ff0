"""A provider that keeps whoever asks it waiting, in vain, and the others beside it. Time is moved, not waited for; only what a request
may take (a second) is.

How it can fail: each of its offers holds the worker for a timeout, and others' offers wait for all of them; every worker finds out by
itself; it is tried by all at once when the pause is over; it answers again, and nobody asks; an offer is put off for ever, or what may
have been done is failed; a person cannot have it asked.
"""

from datetime import timedelta
from typing import Any

import pytest

from helpdesk.kernel import outbox
from helpdesk.recovery import asking
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.helpers import accepted, act, duties, execute, ledger, scalar, violations, voucher
from tests.recovery.providing import order_of, refund, register, status, work
from tests.recovery.reference_provider import ReferenceProvider, running
from tests.recovery.test_bad_providers import pass_by

pytestmark = pytest.mark.usefixtures("budget")

DEAF = frozenset({"deaf"})
PAUSE = timedelta(seconds=11)
"""A little longer than the first one."""


@pytest.fixture
def registered(admin: Caller, reference_provider: ReferenceProvider) -> dict[str, Any]:
    reference_provider.faults = DEAF
    return register(admin, reference_provider, kinds=["refund"], timeout_seconds=1)


@pytest.fixture
def waiting(agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider) -> list[dict[str, Any]]:
    """Accepted, and not asked for yet."""
    return [accepted(agent, complaint, refund(f"{number}.00")) for number in range(1, 6)]


def paused(caller: Caller) -> tuple[int, bool]:
    (row,) = [item for item in caller.get("/recovery/providers").json["items"] if item["kinds"] == ["refund"]]
    return row["silences"], row["paused_until"] is not None


class TestOthers:
    def test_wait_for_one_request_alone(
        self,
        program: Program,
        admin: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        waiting: list[dict[str, Any]],
        provider: ReferenceProvider,
    ) -> None:
        with running(ReferenceProvider("")) as healthy:
            register(admin, healthy, name="Gifts", kinds=["gift"])
            gifts = [accepted(agent, complaint, voucher(f"{number}.00", kind="gift")) for number in range(6, 9)]
            work(program)
            assert [status(agent, gift)[0] for gift in gifts] == ["issued"] * 3
        assert len(provider.asked) == 1, "the first has shown that it does not answer"
        assert {status(agent, offer) for offer in waiting} == {("issuing", "automatic")}
        assert [order_of(program.database, offer).attempts for offer in waiting] == [1, 0, 0, 0, 0]
        assert paused(admin) == (1, True)
        shown = agent.get(f"/offers/{waiting[1]['id']}").json["issuing"]
        assert shown["last_error"] == "not asked yet: the provider does not answer in time"
        assert violations(program.database) == []

    def test_and_then_for_one_request_after_each_pause(
        self, program: Program, admin: Caller, waiting: list[dict[str, Any]], provider: ReferenceProvider
    ) -> None:
        work(program)
        for silences in (1, 2, 3):
            assert (len(provider.asked), paused(admin)) == (silences, (silences, True))
            pass_by(program, timedelta(seconds=5))
            assert len(provider.asked) == silences, "the pause goes on"
            pass_by(program, PAUSE * 2**silences)
        assert [order_of(program.database, offer).attempts for offer in waiting] == [1, 1, 1, 1, 0], "each in its turn"
        assert violations(program.database) == []

    def test_one_tries_it_of_many_workers(
        self, program: Program, admin: Caller, waiting: list[dict[str, Any]], provider: ReferenceProvider
    ) -> None:
        work(program)
        execute(program.database, "UPDATE remedy_provider SET paused_until = now()")
        at_once(*(lambda duty=duty: program.performer.perform([duty]) for duty in duties(program.database)))
        assert len({key for _, key in provider.asked[1:]}) == 1, "of one offer: how it stands, and to issue it"
        assert paused(admin) == (2, True)
        assert violations(program.database) == []

    def test_who_wait_at_once_count_once(
        self, program: Program, admin: Caller, waiting: list[dict[str, Any]], provider: ReferenceProvider
    ) -> None:
        """Nobody knew of it yet."""
        at_once(*(lambda duty=duty: program.performer.perform([duty]) for duty in duties(program.database)))
        assert paused(admin) == (1, True)
        assert violations(program.database) == []


class TestAnswersAgain:
    def test_all_of_them_are_issued(
        self, program: Program, admin: Caller, agent: Caller, waiting: list[dict[str, Any]], provider: ReferenceProvider
    ) -> None:
        work(program)
        provider.faults = frozenset()
        pass_by(program, PAUSE, steps=3)
        assert {status(agent, offer) for offer in waiting} == {("issued", None)}
        assert (len(provider.done), paused(admin)) == (len(waiting), (0, False))
        assert violations(program.database) == []

    @pytest.mark.parametrize("how", ["asked", "changed"])
    def test_and_somebody_knows_it(
        self,
        program: Program,
        admin: Caller,
        agent: Caller,
        senior: Caller,
        registered: dict[str, Any],
        waiting: list[dict[str, Any]],
        provider: ReferenceProvider,
        how: str,
    ) -> None:
        work(program)
        provider.faults = frozenset()
        if how == "asked":
            act(senior, waiting[3], "ask_again")
        else:
            changed = admin.patch(f"/recovery/providers/{registered['id']}", {"timeout_seconds": 2}, if_match="*")
            assert (changed.json["silences"], changed.json["paused_until"]) == (0, None)
            act(senior, waiting[3], "ask_again")
        with program.engine.begin() as connection:
            due = [ring.id for ring in outbox.claim(connection, [asking.TOPIC])]
        program.performer.perform(due)
        assert status(agent, waiting[3]) == ("issued", None)
        assert paused(admin) == (0, False)
        assert violations(program.database) == []


class TestNeverAnswers:
    def test_a_person_is_told_in_the_end(
        self, program: Program, agent: Caller, waiting: list[dict[str, Any]], provider: ReferenceProvider
    ) -> None:
        """The first was asked, so that it may have been done; of the others it is sure that nothing was."""
        work(program)
        execute(program.database, "UPDATE remedy_order SET put_off = :most", most=2 * asking.MOST_ATTEMPTS - 2)
        execute(program.database, "UPDATE remedy_provider SET paused_until = now() + interval '1 hour'")
        for _ in range(2):
            program.performer.perform(duties(program.database))
        assert [status(agent, offer) for offer in waiting] == [("issuing", "unknown"), *[("failed", None)] * 4]
        assert len(provider.asked) == 1
        assert sorted(ledger(program.database)) == ["release"] * 4 + ["reserve"] * 5
        assert (
            scalar(
                program.database, "SELECT count(*) FROM duty WHERE done_at IS NULL AND topic = 'recovery.ask_provider'"
            )
            == 1
        )
        assert violations(program.database) == []
