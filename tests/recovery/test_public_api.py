"""What a customer does by the link in a mail."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.identity.actors import complainant_actor
from helpdesk.kernel import links
from helpdesk.kernel.errors import ActionNotAllowed
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs, offers, queries
from helpdesk.wiring import Program
from tests.conftest import SIGNING_KEY, Caller
from tests.racing import at_once, until
from tests.recovery.answers import refused
from tests.recovery.helpers import (
    draft,
    eur,
    execute,
    offered,
    perform,
    scalar,
    token,
    violations,
)


class TestPublic:
    @pytest.fixture
    def offer(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> dict[str, Any]:
        return offered(agent, complaint)

    def test_without_a_link_of_ours(self, anonymous: Caller, offer: dict[str, Any], program: Program) -> None:
        forged = token(offer)[:-2] + "xx"
        elsewhere = links.sign(SIGNING_KEY, "survey", UUID(offer["id"]), program_now(program))
        for bad in (forged, elsewhere, "x"):
            assert anonymous.get(f"/public/offers/{bad}").status_code == 404
            assert anonymous.pay(f"/public/offers/{bad}/accept").status_code == 404
            assert anonymous.pay(f"/public/offers/{bad}/decline", {}).status_code == 404

    def test_a_link_past_its_time(self, anonymous: Caller, offer: dict[str, Any], program: Program) -> None:
        old = links.sign(SIGNING_KEY, "offer", UUID(offer["id"]), program_now(program).replace(year=2020))
        execute(program.database, "UPDATE offer SET valid_until = now() - interval '91 days'")
        assert refused(anonymous.get(f"/public/offers/{old}")) == (410, "gone")
        assert refused(anonymous.pay(f"/public/offers/{old}/accept")) == (410, "gone")

    def test_not_before_it_is_sent(
        self, anonymous: Caller, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        waiting = draft(agent, complaint)
        guess = offers.Links(SIGNING_KEY, "").of(UUID(waiting["id"]), program_now(program))
        assert anonymous.get(f"/public/offers/{guess}").status_code == 404
        assert anonymous.pay(f"/public/offers/{guess}/accept").status_code == 404

    def test_is_shown_what_is_theirs_and_no_more(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        shown = anonymous.get(f"/public/offers/{token(offer)}").json
        assert shown == {
            "complaint_reference": offer["complaint_reference"],
            "kind": "voucher",
            "amount": eur("30.00"),
            "reason": offer["reason"],
            "status": "offered",
            "valid_until": offer["valid_until"],
            "voucher_code": None,
            "voucher_expires_at": None,
            "voucher_balance": None,
            "points_expires_at": None,
            "validity": None,
            "voucher_partial": False,
            "options": [
                {
                    "number": 1,
                    "kind": "voucher",
                    "amount": eur("30.00"),
                    "voucher_days": 365,
                    "voucher_partial": False,
                    "points_days": None,
                    "breakdown": None,
                }
            ],
            "chosen_option": None,
            "breakdown": None,
            "counter": None,
            "counters_left": 3,
            "replaced": False,
            "delayed": False,
            "delayed_because": None,
            "delivered_at": None,
            "version": offer["version"],
        }

    def test_the_link_is_mailed(self, database: Database, offer: dict[str, Any]) -> None:
        with database.reader() as session:
            mail = session.execute(text("SELECT recipient, body FROM outbound_mail WHERE reason = 'offer'")).one()
        assert mail.recipient == "li.wei@example.com"
        assert offer["link"] in mail.body
        assert "a voucher for 30.00 EUR" in mail.body

    def test_accepts_and_gets_the_voucher(
        self, program: Program, anonymous: Caller, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]
    ) -> None:
        path = f"/public/offers/{token(offer)}"
        assert refused(anonymous.post(f"{path}/accept")) == (400, "idempotency_key_required")
        assert anonymous.pay(f"{path}/accept").json["status"] == "accepted"
        perform(program)
        shown = anonymous.get(path).json
        assert (shown["status"], len(shown["voucher_code"])) == ("issued", 21)
        assert (
            scalar(program.database, "SELECT body FROM outbound_mail WHERE reason = 'voucher'").count(
                shown["voucher_code"]
            )
            == 1
        )
        items = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        accept = next(item for item in items if item["type"] == "offer.accepted")
        assert (accept["actor_kind"], accept["actor_id"]) == ("complainant", complaint["id"])
        assert violations(program.database) == []

    def test_declines_with_a_reason(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any]
    ) -> None:
        answer = anonymous.pay(f"/public/offers/{token(offer)}/decline", {"reason": "I want my money back."})
        assert answer.json["status"] == "declined"
        assert agent.get(f"/offers/{offer['id']}").json["status_reason"] == "I want my money back."
        assert violations(database) == []

    def test_one_answer_only(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        path = f"/public/offers/{token(offer)}"
        anonymous.pay(f"{path}/decline", {})
        assert refused(anonymous.pay(f"{path}/accept")) == (409, "action_not_allowed")
        assert refused(anonymous.pay(f"{path}/decline", {})) == (409, "action_not_allowed")

    def test_a_refusal_is_in_the_customers_words(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        """They do not know of issuing, and need not say by what way they answer."""
        path = f"/public/offers/{token(offer)}"
        for name in ("arrived", "counter/withdraw"):
            answer = anonymous.pay(f"{path}/{name}", {})
            assert (refused(answer), answer.json["state"]) == ((409, "action_not_allowed"), "offered")
            assert "accept" in {item["action"] for item in answer.json["allowed_actions"]}
            assert not any("said_by" in item["supplies"] for item in answer.json["allowed_actions"])
        assert anonymous.pay(f"{path}/accept").status_code == 200
        answer = anonymous.pay(f"{path}/accept")
        assert answer.json["state"] == "accepted"
        assert "issuing" not in answer.text

    def test_too_late_is_late_before_any_sweep(
        self, database: Database, anonymous: Caller, offer: dict[str, Any]
    ) -> None:
        execute(database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=offer["id"])
        path = f"/public/offers/{token(offer)}"
        assert anonymous.get(path).json["status"] == "expired"
        answer = anonymous.pay(f"{path}/accept")
        assert refused(answer) == (409, "action_not_allowed")
        assert [need["code"] for need in answer.json["missing"]] == ["offer_expired"]

    def test_two_acceptances_at_once(
        self, program: Program, anonymous: Caller, agent: Caller, offer: dict[str, Any]
    ) -> None:
        path = f"/public/offers/{token(offer)}/accept"
        browsers = [Caller(anonymous.client.application.test_client(), None, None) for _ in range(3)]
        answers = at_once(
            *(lambda who=who: who.pay(path) for who in browsers),
            lambda: agent.pay(f"/offers/{offer['id']}/actions/accept", {"said_by": "phone"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert scalar(program.database, "SELECT count(*) FROM duty WHERE topic = 'recovery.issue'") == 1
        perform(program)
        assert scalar(program.database, "SELECT count(*) FROM voucher") == 1
        assert violations(program.database) == []

    @pytest.mark.parametrize("attempt", range(4))
    def test_accepted_and_expired_at_once(
        self, program: Program, agent: Caller, offer: dict[str, Any], attempt: int
    ) -> None:
        """The customer's transaction began in time; the offer ends while it waits, and the sweep comes."""
        database, offer_id = program.database, UUID(offer["id"])
        customer = complainant_actor(UUID(offer["complaint_id"]), frozenset({"offer:answer"}))

        def accept() -> bool:
            try:
                with database.unit_of_work(customer) as uow:
                    assert uow.now is not None  # the transaction's time is fixed here, before the offer ends
                    execute(database, "UPDATE offer SET valid_until = clock_timestamp() WHERE id = :id", id=offer_id)
                    gate.append(1)
                    held = queries.hold_any(uow.session, offer_id)
                    offers.act(uow, customer, held, "accept", {"said_by": "link"}, to=offers.Links(SIGNING_KEY, ""))
            except ActionNotAllowed:
                return False
            return True

        def expire() -> bool:
            until(lambda: bool(gate))
            return jobs.expire_offers(database) == 1

        gate: list[int] = []
        accepted_, expired = at_once(accept, expire)
        assert accepted_ is not expired
        status = agent.get(f"/offers/{offer['id']}").json["status"]
        assert status == ("issuing" if accepted_ else "expired")
        assert violations(database) == []


def program_now(program: Program) -> Any:
    with program.database.reader() as session:
        return session.execute(text("SELECT now()")).scalar_one()
