"""Issuing through a provider: what it may answer, late, twice, wrongly or not at all.

How it can fail: asked twice with two keys or two bodies; failed, and its money freed, though the provider did it; recorded
twice; forgotten while it is pending; asked for ever; a person and a late answer both decide; Redis flushed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel import outbox
from helpdesk.recovery import asking, jobs
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.helpers import accepted, act, another, duties, execute, ledger, scalar, told, violations, voucher
from tests.recovery.providing import let_pass, order_of, refund, register, status, work
from tests.recovery.reference_provider import ReferenceProvider, running

pytestmark = pytest.mark.usefixtures("budget")


class TestIssued:
    def test_once_with_its_reference(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        assert offer["issuance"] == "automatic"
        work(program, 3)
        shown = agent.get(f"/offers/{offer['id']}").json
        assert (shown["status"], shown["issued_reference"]) == ("issued", "re_1")
        assert provider.asked == [("POST", f"{offer['id']}-1")]
        assert ledger(program.database) == ["reserve", "commit"]
        assert told(program.database, "offer.issued") == 1
        assert violations(program.database) == []

    def test_what_is_sent_says_no_more_than_it_must(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        import json

        offer = accepted(agent, complaint, refund("20.50"))
        work(program)
        sent = json.loads(provider.done[f"{offer['id']}-1"].body)
        assert sent["amount"] == {"amount": "20.50", "currency": "EUR"}
        assert sent["complaint_reference"] == complaint["reference"]
        assert "Li Wei" not in json.dumps(sent)
        assert "li.wei" not in json.dumps(sent)

    def test_done_twice_and_by_four_at_once_is_done_once(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        (duty,) = duties(program.database)
        at_once(*[lambda: asking.ask(program.tools, duty, UUID(offer["id"]))] * 4)
        assert len(provider.done) == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1
        assert violations(program.database) == []

    def test_by_the_recording_one(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        register(admin)
        offer = accepted(agent, complaint, refund())
        work(program, 2)
        shown = agent.get(f"/offers/{offer['id']}").json
        assert shown["issued_reference"].startswith("recorded-")
        assert scalar(program.database, "SELECT body ->> 'kind' FROM recorded_remedy") == "refund"
        assert violations(program.database) == []


class TestAnswers:
    @pytest.mark.parametrize(
        "first", ["error", "lost", "silent", "absent", "redirect", "strange", "wordless", "huge", "busy"]
    )
    def test_what_does_not_tell_is_asked_again_and_issued_once(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider, first: str
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = [first]
        work(program)
        assert status(agent, offer) == ("issuing", "automatic")
        assert order_of(program.database, offer).in_doubt == (0 if first == "busy" else 1)
        assert violations(program.database) == []
        work(program, 2)
        assert status(agent, offer) == ("issued", None)
        assert {key for _, key in provider.asked} == {f"{offer['id']}-1"}
        assert len(provider.done) == 1
        assert violations(program.database) == []

    def test_a_refusal_fails_it_with_the_providers_words(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["refuse"]
        work(program)
        shown = agent.get(f"/offers/{offer['id']}").json
        assert shown["status"] == "failed"
        assert "The account is closed." in shown["status_reason"]
        assert ledger(program.database) == ["reserve", "release"]
        act(senior, offer, "retry")
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert [key for _, key in provider.asked] == [f"{offer['id']}-1", f"{offer['id']}-2"]
        assert violations(program.database) == []

    def test_a_refusal_of_what_may_have_been_done_before_is_none(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        """The provider has no status to ask for, did it, and refuses the repeat: its secret was changed, say."""
        offer = accepted(agent, complaint, refund())
        provider.faults = frozenset({"no_status"})
        provider.plan = ["silent", "refuse"]
        work(program, 2)
        assert status(agent, offer) == ("issuing", "automatic")
        assert ledger(program.database) == ["reserve"]
        work(program)
        assert status(agent, offer) == ("issued", None)

    def test_500_for_hours_and_then_it_works(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.away = True
        work(program, asking.MOST_ATTEMPTS - 1)
        assert status(agent, offer) == ("issuing", "automatic")
        hours = scalar(
            program.database, "SELECT extract(epoch FROM max(not_before) - now()) FROM duty WHERE done_at IS NULL"
        )
        assert 800 < hours <= 900, "the pauses grow to a quarter of an hour"
        provider.away = False
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert len(provider.done) == 1
        assert violations(program.database) == []

    def test_never_reached_fails_in_the_end(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        """Nothing was ever sent, so nothing can have been done."""
        with running(ReferenceProvider("")) as gone:
            register(admin, gone)
        offer = accepted(agent, complaint, refund())
        work(program, asking.MOST_ATTEMPTS)
        assert status(agent, offer) == ("failed", None)
        assert ledger(program.database) == ["reserve", "release"]
        assert violations(program.database) == []


class TestUnknown:
    @pytest.fixture
    def lost(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> dict[str, Any]:
        """Done by the provider, which then was away for too long."""
        offer = accepted(agent, complaint, refund())
        provider.plan = ["silent"]
        work(program)
        provider.away = True
        work(program, asking.MOST_ATTEMPTS - 1)
        return offer

    def test_is_not_failed_and_keeps_its_money(
        self, program: Program, agent: Caller, senior: Caller, lost: dict[str, Any]
    ) -> None:
        assert status(agent, lost) == ("issuing", "unknown")
        assert ledger(program.database) == ["reserve"]
        assert told(program.database, "offer.issuance_unknown") == 1
        allowed = [
            item["action"]
            for item in senior.get(f"/offers/{lost['id']}").json["allowed_actions"]
            if not item["missing"]
        ]
        assert allowed == ["record_issued", "fail", "ask_again"]
        assert jobs.fail_abandoned(program.database) == 0
        assert violations(program.database) == []

    def test_the_provider_tells_after_all(
        self, program: Program, agent: Caller, lost: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        work(program)
        assert status(agent, lost) == ("issuing", "unknown")
        provider.away = False
        work(program)
        assert status(agent, lost) == ("issued", None)
        assert len(provider.done) == 1
        assert violations(program.database) == []

    def test_the_provider_never_heard_of_it(
        self, program: Program, agent: Caller, lost: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.done.clear()
        provider.away = False
        work(program)
        assert status(agent, lost) == ("failed", None)
        assert ledger(program.database) == ["reserve", "release"]
        assert violations(program.database) == []

    def test_a_person_asks_again(
        self, program: Program, agent: Caller, senior: Caller, lost: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.away = False
        provider.done.clear()
        assert act(senior, lost, "ask_again")["issuance"] == "automatic"
        work(program)
        assert status(agent, lost) == ("issued", None)
        assert {key for _, key in provider.asked} == {f"{lost['id']}-1"}
        assert violations(program.database) == []

    @pytest.mark.parametrize(
        ("action", "given", "ends", "books"),
        [
            ("record_issued", {"reference": "found in their books"}, "issued", ["reserve", "commit"]),
            ("fail", {"reason": "They have nothing."}, "failed", ["reserve", "release"]),
        ],
    )
    def test_a_person_settles_it(
        self,
        program: Program,
        agent: Caller,
        senior: Caller,
        lost: dict[str, Any],
        action: str,
        given: dict[str, str],
        ends: str,
        books: list[str],
    ) -> None:
        act(senior, lost, action, **given)
        assert status(agent, lost) == (ends, None)
        assert ledger(program.database) == books
        work(program, 2)
        assert status(agent, lost) == (ends, None)
        assert violations(program.database) == []

    def test_asking_how_it_stands_ends_one_day(self, program: Program, agent: Caller, lost: dict[str, Any]) -> None:
        let_pass(program.database, lost, "31 days")
        work(program)
        assert duties(program.database) == []
        assert status(agent, lost) == ("issuing", "unknown")
        assert violations(program.database) == []


class TestRetried:
    """While it is asked again and again, that can be seen, and need not be waited for."""

    @pytest.fixture
    def retried(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> dict[str, Any]:
        offer = accepted(agent, complaint, refund())
        provider.away = True
        work(program, 5)
        return offer

    def test_can_be_seen(self, program: Program, agent: Caller, retried: dict[str, Any]) -> None:
        shown = agent.get(f"/offers/{retried['id']}").json["issuing"]
        assert (shown["attempts"], shown["last_error"], shown["provider_name"]) == (5, "answered 500", "Payments")
        due = scalar(
            program.database, "SELECT not_before FROM duty WHERE done_at IS NULL AND topic = :topic", topic=asking.TOPIC
        )
        assert datetime.fromisoformat(shown["next_try_at"]) == due
        assert 'helpdesk_offers_retried{provider="Payments"} 1.0' in agent.get("/metrics").text.splitlines()

    def test_not_when_it_is_done(
        self, program: Program, agent: Caller, retried: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.away = False
        work(program)
        assert agent.get(f"/offers/{retried['id']}").json["issuing"] is None
        assert 'helpdesk_offers_retried{provider="Payments"} 0.0' in agent.get("/metrics").text.splitlines()

    def test_a_person_has_it_asked_now(
        self, program: Program, agent: Caller, senior: Caller, retried: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        assert claimed(program) == [], "it is due in a while"
        act(senior, retried, "ask_again")
        act(senior, retried, "ask_again")
        (duty,) = claimed(program)
        assert order_of(program.database, retried).attempts == 5, "its tries go on being counted"
        provider.away = False
        program.performer.perform([duty])
        assert status(agent, retried) == ("issued", None)
        assert len(provider.done) == 1
        assert violations(program.database) == []

    def test_two_who_ask_at_once_and_the_worker_meanwhile(
        self, program: Program, agent: Caller, senior: Caller, retried: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        provider.away = False
        (duty,) = duties(program.database)
        windows = [another(senior) for _ in range(2)]
        path = f"/offers/{retried['id']}/actions/ask_again"
        at_once(
            *(lambda who=who: who.pay(path, {}) for who in windows),
            lambda: asking.ask(program.tools, duty, UUID(retried["id"])),
        )
        work(program)
        assert status(agent, retried) == ("issued", None)
        assert (len(provider.done), duties(program.database)) == (1, [])
        assert ledger(program.database) == ["reserve", "commit"]
        assert violations(program.database) == []

    def test_what_we_issue_ourselves_is_asked_of_nobody(
        self, agent: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint, voucher())
        assert agent.get(f"/offers/{offer['id']}").json["issuing"]["attempts"] == 0
        answer = senior.pay(f"/offers/{offer['id']}/actions/ask_again", {})
        assert (answer.status_code, answer.json["missing"][0]["code"]) == (409, "not_in_doubt")


def claimed(program: Program) -> list[UUID]:
    """What the relay would ring for now."""
    with program.engine.begin() as connection:
        return [ring.id for ring in outbox.claim(connection, [asking.TOPIC])]


class TestPending:
    def test_is_asked_for_until_it_is_done(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["pending"]
        work(program, 3)
        order = order_of(program.database, offer)
        assert (order.state, order.external_id, order.attempts) == ("pending", "job-re_1", 1)
        assert [method for method, _ in provider.asked] == ["POST", "GET", "GET"]
        provider.done[order.key].status = "issued"
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert violations(program.database) == []

    @pytest.mark.parametrize(
        ("reason", "told"), [("No such card.", "The provider: No such card."), (None, "The provider: it failed")]
    )
    def test_fails_when_the_provider_says_so(
        self,
        program: Program,
        agent: Caller,
        complaint: dict[str, Any],
        provider: ReferenceProvider,
        reason: str | None,
        told: str,
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["pending"]
        work(program)
        done = provider.done[f"{offer['id']}-1"]
        done.status, done.reason = "failed", reason
        work(program)
        assert agent.get(f"/offers/{offer['id']}").json["status_reason"] == told
        assert order_of(program.database, offer).last_error == told.removeprefix("The provider: ")
        assert ledger(program.database) == ["reserve", "release"]
        assert violations(program.database) == []

    def test_for_too_long_waits_for_a_person(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["pending"]
        work(program)
        let_pass(program.database, offer, "8 days")
        work(program)
        assert status(agent, offer) == ("issuing", "unknown")
        work(program)
        assert status(agent, offer) == ("issuing", "unknown"), "that it is pending is no news"
        provider.done[f"{offer['id']}-1"].status = "issued"
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert violations(program.database) == []


class TestSwitchedOff:
    def off(self, admin: Caller) -> None:
        (row,) = admin.get("/recovery/providers").json["items"]
        answer = admin.patch(f"/recovery/providers/{row['id']}", {"enabled": False}, if_match="*")
        assert answer.status_code == 200, answer.text

    def test_before_it_was_asked_it_waits_for_a_person(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        self.off(admin)
        work(program)
        assert (status(agent, offer), provider.asked) == (("issuing", "by_hand"), [])
        assert told(program.database, "offer.handed_over") == 1
        assert violations(program.database) == []

    def test_what_may_have_been_done_is_still_asked_for(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["silent"]
        work(program)
        self.off(admin)
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert [method for method, _ in provider.asked] == ["POST", "GET"]
        assert violations(program.database) == []

    def test_one_that_is_away_as_well_is_asked_less_and_less_and_not_for_ever(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        """It was switched off because it was down."""
        offer = accepted(agent, complaint, refund())
        provider.plan = ["silent"]
        work(program)
        self.off(admin)
        provider.away = True
        work(program, asking.MOST_ATTEMPTS - 2)
        pause = scalar(
            program.database, "SELECT extract(epoch FROM max(not_before) - now()) FROM duty WHERE done_at IS NULL"
        )
        assert 800 < pause <= 900
        assert status(agent, offer) == ("issuing", "automatic")
        work(program)
        assert status(agent, offer) == ("issuing", "unknown")
        assert order_of(program.database, offer).attempts == asking.MOST_ATTEMPTS
        assert violations(program.database) == []

    def test_what_was_surely_not_done_waits_for_a_person(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["absent"]
        work(program)
        self.off(admin)
        work(program)
        assert status(agent, offer) == ("issuing", "by_hand")
        assert violations(program.database) == []


class TestGivenUp:
    """The duty died: its worker was taken down each time, or the program has a fault."""

    def dead(self, program: Program) -> None:
        execute(program.database, "UPDATE duty SET dead_at = now() WHERE done_at IS NULL")
        assert jobs.fail_abandoned(program.database) == 1
        assert jobs.fail_abandoned(program.database) == 0

    def test_before_it_was_asked_fails(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        self.dead(program)
        assert status(agent, offer) == ("failed", None)
        assert violations(program.database) == []

    def test_after_it_was_asked_waits_for_a_person(
        self, program: Program, agent: Caller, complaint: dict[str, Any], provider: ReferenceProvider
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["silent"]
        work(program)
        self.dead(program)
        assert status(agent, offer) == ("issuing", "unknown")
        assert ledger(program.database) == ["reserve"]
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert violations(program.database) == []
