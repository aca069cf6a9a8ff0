"""Issuing through a provider, killed between every two steps: it is asked with one key, and what it did is recorded once.

How it can fail: the note that it is asked is lost, and its refusal of the repeat taken for the answer; asked again with another key;
recorded twice; a refusal that frees the money twice.
"""

from typing import Any

import pytest

from helpdesk.kernel.duties import BEGUN
from helpdesk.recovery import asking, issuance
from helpdesk.recovery.issuers import IN_PROVIDER, MADE
from helpdesk.recovery.kinds import ASK, ISSUE
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.helpers import accepted, duties, execute, ledger, scalar, told, violations
from tests.recovery.providing import order_of, refund, register, status, work
from tests.recovery.reference_provider import ReferenceProvider
from tests.recovery.test_issuance import die_at

pytestmark = pytest.mark.usefixtures("budget")


class TestCrash:
    @pytest.mark.parametrize("point", [BEGUN, *asking.FAULT_POINTS])
    def test_at_every_line_issues_once(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider, point: str
    ) -> None:
        offer = accepted(agent, complaint, refund())
        (duty,) = duties(program.database)
        die_at(point, program, duty)
        assert duties(program.database) == ([] if point == asking.AFTER_SETTLED else [duty])
        assert violations(program.database) == []
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert (len(provider.done), {key for _, key in provider.asked}) == (1, {f"{offer['id']}-1"})
        assert told(program.database, "offer.issued") == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1
        assert violations(program.database) == []

    @pytest.mark.parametrize(
        "point", [BEGUN, issuance.AFTER_READ, issuance.DUTY_DONE, issuance.BEFORE_COMMIT, issuance.AFTER_COMMIT]
    )
    def test_of_a_duty_that_an_older_release_wrote(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider, point: str
    ) -> None:
        """Until the commit it owes it, from then on the one that asks does, in the same turn."""
        offer = accepted(agent, complaint, refund())
        provider.plan = ["error"]
        work(program)  # the next one is of turn 1
        (duty,) = duties(program.database)
        execute(program.database, "UPDATE duty SET topic = 'recovery.issue' WHERE id = :id", id=duty)
        die_at(point, program, duty)
        taken = point == issuance.AFTER_COMMIT
        assert (duties(program.database, ISSUE) == [duty]) is not taken
        assert len(duties(program.database, ASK)) == int(taken)
        assert violations(program.database) == []
        work(program, 2)
        assert status(agent, offer) == ("issued", None)
        assert (len(provider.done), {key for _, key in provider.asked}) == (1, {f"{offer['id']}-1"})
        assert ledger(program.database) == ["reserve", "commit"]
        assert (duties(program.database), violations(program.database)) == ([], [])

    @pytest.mark.parametrize("point", [IN_PROVIDER, MADE, *asking.FAULT_POINTS])
    def test_with_the_recording_provider(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any], point: str
    ) -> None:
        register(admin)
        offer = accepted(agent, complaint, refund())
        (duty,) = duties(program.database)
        die_at(point, program, duty)
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert scalar(program.database, "SELECT count(*) FROM recorded_remedy") == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert violations(program.database) == []

    @pytest.mark.parametrize(("first", "done"), [("absent", 0), ("silent", 1)])
    def test_between_the_question_how_it_stands_and_the_next_one(
        self,
        program: Program,
        agent: Caller,
        complaint: dict[str, Any],
        provider: ReferenceProvider,
        first: str,
        done: int,
    ) -> None:
        """An earlier request is in doubt, and the provider cannot say what came of it."""
        offer = accepted(agent, complaint, refund())
        provider.faults = frozenset({"no_status"})
        provider.plan = [first]
        work(program)
        assert len(provider.done) == done
        for point in asking.IN_DOUBT:
            die_at(point, program, duties(program.database)[0])
            assert status(agent, offer) == ("issuing", "automatic")
            assert violations(program.database) == []
        assert order_of(program.database, offer).in_doubt == 2, (
            "of the one that was noted nobody knows whether it was sent"
        )
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert (len(provider.done), {key for _, key in provider.asked}) == (1, {f"{offer['id']}-1"})
        assert ledger(program.database) == ["reserve", "commit"]
        assert violations(program.database) == []

    def test_at_every_line_of_a_refusal_frees_the_money_once(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["refuse"] * 9
        points = asking.FAULT_POINTS[asking.FAULT_POINTS.index(asking.AFTER_ANSWER) :]
        for point in points:
            die_at(point, program, duties(program.database)[0])
            ended = point == asking.AFTER_SETTLED
            assert status(agent, offer)[0] == ("failed" if ended else "issuing")
            assert ledger(program.database) == (["reserve", "release"] if ended else ["reserve"])
            assert violations(program.database) == []
        work(program)
        assert (duties(program.database), provider.done) == ([], {})
        assert told(program.database, "offer.failed") == 1
        assert ledger(program.database) == ["reserve", "release"]

    def test_killed_again_and_again_after_it_was_done(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        (duty,) = duties(program.database)
        for _ in range(3):
            die_at(asking.AFTER_ANSWER, program, duty)
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert len(provider.done) == 1
        assert violations(program.database) == []
