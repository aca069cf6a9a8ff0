"""Offers of which the customer takes one of several remedies.

How it can fail: approval or budget that cover the first option and not the dearest; money that stays set aside, or is freed
twice, when the cheaper one is taken; two options taken at once; the cost of an option that the customer reads; an option
changed after it was put before them; a complaint whose sum of offers is still that of the dearest.
"""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.recovery.option_terms import Terms, dearest
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import LETTER, codes, refused
from tests.recovery.helpers import (
    act,
    another,
    draft,
    eur,
    execute,
    offered,
    perform,
    scalar,
    token,
    violations,
    voucher,
)

REASON = "Your order came four days late."


pytestmark = pytest.mark.usefixtures("budget")


def option(kind: str, amount: str | None = None, **more: Any) -> dict[str, Any]:
    return {"kind": kind} | ({} if amount is None else {"amount": eur(amount)}) | more


SEVERAL = [
    option("voucher", "20.00", voucher_days=90, voucher_partial=True),
    option("refund", "30.00"),
    option("apology_letter", text="We are sorry."),
]


def several(options: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"options": options or SEVERAL, "reason": REASON, "override_reason": "Agreed with the team."} | more


def sums(manager: Caller, budget: str) -> tuple[str, ...]:
    shown = manager.get(f"/budgets/{budget}").json
    return tuple(shown[name]["amount"] for name in ("available", "reserved", "committed"))


def ledger(database: Database) -> list[tuple[str, int]]:
    with database.reader() as session:
        rows = session.execute(
            text("SELECT kind, amount_minor FROM budget_entry WHERE offer_id IS NOT NULL ORDER BY at, id")
        )
        return [(row.kind, row.amount_minor) for row in rows]


class TestDearest:
    def test_the_first_of_those_that_cost_most(self) -> None:
        one, two = Terms(kind="gift", amount=Money(5, "EUR")), Terms(kind="refund", amount=Money(5, "EUR"))
        assert dearest([Terms(kind="apology_letter"), one, two]) is one

    def test_what_costs_nothing_alone(self) -> None:
        letter = Terms(kind="apology_letter")
        assert dearest([letter]) is letter


class TestDraft:
    def path(self, complaint: dict[str, Any]) -> str:
        return f"/complaints/{complaint['reference']}/offers"

    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.post(self.path(complaint), several()).status_code == 401

    def test_wrong_role(self, auditor: Caller, complaint: dict[str, Any]) -> None:
        assert auditor.post(self.path(complaint), several()).status_code == 403

    def test_shows_the_options_and_has_the_terms_of_the_dearest(
        self, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = draft(agent, complaint, several())
        assert (offer["kind"], offer["amount"], offer["chosen_option"]) == ("refund", eur("30.00"), None)
        shown = [(item["number"], item["kind"], item["amount"], item["text"]) for item in offer["options"]]
        assert shown == [
            (1, "voucher", eur("20.00"), None),
            (2, "refund", eur("30.00"), None),
            (3, "apology_letter", None, "We are sorry."),
        ]
        assert (offer["options"][0]["voucher_days"], offer["options"][0]["voucher_partial"]) == (90, True)
        assert scalar(database, "SELECT offers_minor FROM complaint") == 3000
        assert violations(database) == []

    def test_one_option_is_an_offer_without(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = draft(agent, complaint, several([option("voucher", "20.00")]))
        assert (offer["kind"], offer["voucher_days"]) == ("voucher", 365)
        assert [item["number"] for item in offer["options"]] == [1]
        assert scalar(database, "SELECT count(*) FROM offer_option") == 0
        assert violations(database) == []

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"reason": "x"}, [("/kind", "required")]),
            ({"options": [], "reason": "x"}, [("/options", "length")]),
            ({"options": None, "reason": "x"}, [("/options", "null")]),
            ({"options": {}, "reason": "x"}, [("/options", "type")]),
            ({"options": ["refund"], "reason": "x"}, [("/options/0", "type")]),
            (several([option("refund", f"{n}.00") for n in range(1, 5)]), [("/options", "length")]),
            ({"options": SEVERAL}, [("/reason", "required")]),
            (
                several(kind="refund", amount=eur("1.00")),
                [("/kind", "invalid"), ("/amount", "invalid")],
            ),
            (
                several([option("refund", "5.00", voucher_days=3), *SEVERAL[:1]]),
                [("/options/0/voucher_days", "invalid")],
            ),
            (several([option("refund", "5.00", text="x"), *SEVERAL[:1]]), [("/options/0/text", "invalid")]),
            (several([option("refund", "5.00", colour="red"), *SEVERAL[:1]]), [("/options/0/colour", "unknown_field")]),
            (several([{"amount": eur("1.00")}, *SEVERAL[:1]]), [("/options/0/kind", "required")]),
        ],
    )
    def test_bad_bodies(
        self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        answer = agent.post(self.path(complaint), body)
        assert answer.status_code == 422, answer.text
        assert [pointer for pointer, _ in codes(answer)] == [pointer for pointer, _ in expected]

    def test_every_option_that_does_not_fit_is_named(self, agent: Caller, complaint: dict[str, Any]) -> None:
        dollars = {"kind": "gift", "amount": {"amount": "5.00", "currency": "USD"}}
        body = several([option("refund", "5.00"), option("refund", "5.00"), dollars])
        assert sorted(codes(agent.post(self.path(complaint), body))) == [
            ("/options/1", "twice"),
            ("/options/2/amount/currency", "currency"),
        ]
        body = several([option("refund"), option("apology_letter", "1.00"), option("voucher", "1.00")])
        assert codes(agent.post(self.path(complaint), body)) == [
            ("/options/0/amount", "required"),
            ("/options/1/amount", "not_paid"),
        ]

    def test_an_option_is_a_duplicate_like_an_offer(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first = draft(agent, complaint, several())
        answer = agent.post(self.path(complaint), voucher("20.00"))
        assert refused(answer) == (409, "duplicate_offer")
        assert answer.json["offer_id"] == first["id"]
        again = agent.post(self.path(complaint), several([option("gift", "1.00"), option("refund", "30.00")]))
        assert refused(again) == (409, "duplicate_offer")

    def test_the_dearest_needs_the_authority(self, agent: Caller, complaint: dict[str, Any]) -> None:
        """An agent's own 50: the first option is within, the second is not."""
        offer = draft(agent, complaint, several([option("voucher", "10.00"), option("refund", "60.00")]))
        assert act(agent, offer, "submit")["status"] == "pending_approval"

    def test_what_was_offered_is_never_changed(
        self, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        draft(agent, complaint, several())
        for statement in ("UPDATE offer_option SET number = 3", "DELETE FROM offer_option", "TRUNCATE offer_option"):
            with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
                uow.session.execute(text(statement))

    def test_the_story_tells_them(self, agent: Caller, complaint: dict[str, Any]) -> None:
        draft(agent, complaint, several())
        items = agent.get(f"/complaints/{complaint['reference']}/timeline?limit=100").json["items"]
        told = next(item for item in items if item["type"] == "offer.drafted")
        assert [item["kind"] for item in told["payload"]["options"]] == ["voucher", "refund", "apology_letter"]


class TestAnswer:
    @pytest.fixture
    def offer(self, agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
        return offered(agent, complaint, several())

    def path(self, offer: dict[str, Any]) -> str:
        return f"/public/offers/{token(offer)}"

    def test_reads_them(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        shown = anonymous.get(self.path(offer)).json
        assert [item["amount"] for item in shown["options"]] == [eur("20.00"), eur("30.00"), None]
        assert "text" not in shown["options"][2]

    def test_is_mailed_a_list(self, database: Database, offer: dict[str, Any]) -> None:
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        good = "   - Good for 90 days from when you get it. It can be used in parts.\n"
        assert f"1. a voucher for 20.00 EUR\n{good}2. a refund of 30.00 EUR\n3. a letter of apology\n" in body
        assert offer["link"] in body

    def test_costs_of_ours_are_not_told(
        self, database: Database, anonymous: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint, several([option("replacement", "17.77"), option("voucher", "5.00")]))
        shown = anonymous.get(self.path(offer))
        assert "17.77" not in shown.text
        assert "17.77" not in scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        answer = anonymous.pay(f"{self.path(offer)}/accept")
        assert answer.status_code == 422
        assert "17.77" not in answer.text

    def test_has_to_say_which(self, anonymous: Caller, agent: Caller, offer: dict[str, Any]) -> None:
        answer = anonymous.pay(f"{self.path(offer)}/accept")
        assert codes(answer) == [("/option", "required")]
        assert "1 (voucher), 2 (refund), 3 (apology_letter)" in answer.json["errors"][0]["detail"]
        assert codes(anonymous.pay(f"{self.path(offer)}/accept", {})) == [("/option", "required")]
        for bad in (0, 4, -1, "x", None, 1.5, True, 10**15):
            answer = anonymous.pay(f"{self.path(offer)}/accept", {"option": bad})
            assert (answer.status_code, [pointer for pointer, _ in codes(answer)]) == (422, ["/option"]), bad
        by_agent = agent.pay(f"/offers/{offer['id']}/actions/accept", {"said_by": "phone"})
        assert codes(by_agent) == [("/option", "required")]
        assert anonymous.get(self.path(offer)).json["status"] == "offered"

    def test_an_option_that_is_not_there(self, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint, several([option("voucher", "5.00"), option("refund", "6.00")]))
        answer = agent.pay(f"/offers/{offer['id']}/actions/accept", {"said_by": "phone", "option": 3})
        assert codes(answer) == [("/option", "unknown")]
        only = offered(agent, complaint, voucher("7.00"))
        answer = agent.pay(f"/offers/{only['id']}/actions/accept", {"said_by": "phone", "option": 2})
        assert codes(answer) == [("/option", "unknown")]
        assert act(agent, only, "accept", said_by="phone", option=1)["chosen_option"] is None

    def test_the_cheaper_one_frees_the_rest(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        manager: Caller,
        budget: str,
        offer: dict[str, Any],
    ) -> None:
        assert sums(manager, budget) == ("970.00", "30.00", "0.00")
        taken = anonymous.pay(f"{self.path(offer)}/accept", {"option": 1}).json
        assert (taken["kind"], taken["amount"], taken["chosen_option"]) == ("voucher", eur("20.00"), 1)
        assert sums(manager, budget) == ("980.00", "20.00", "0.00")
        assert scalar(program.database, "SELECT offers_minor FROM complaint") == 2000
        assert violations(program.database) == []
        perform(program)
        row = agent.get(f"/offers/{offer['id']}").json
        assert (row["status"], row["kind"], row["voucher_days"], row["voucher_partial"]) == (
            "issued", "voucher", 90, True,
        )  # fmt: skip
        assert sums(manager, budget) == ("980.00", "0.00", "20.00")
        assert scalar(program.database, "SELECT amount_minor FROM voucher") == 2000
        assert sorted(ledger(program.database)) == [("commit", 2000), ("reduce", 1000), ("reserve", 3000)]
        assert violations(program.database) == []
        back = act(manager, offer, "reverse", reason="It came back.")
        assert back["status"] == "reversed"
        assert sums(manager, budget) == ("1000.00", "0.00", "0.00")
        assert violations(program.database) == []

    def test_the_dearest_frees_nothing(self, program: Program, agent: Caller, offer: dict[str, Any]) -> None:
        row = act(agent, offer, "accept", said_by="phone", option=2)
        assert (row["kind"], row["chosen_option"], row["issuance"]) == ("refund", 2, "by_hand")
        assert ledger(program.database) == [("reserve", 3000)]
        assert violations(program.database) == []

    def test_what_costs_nothing_frees_all(
        self, program: Program, agent: Caller, manager: Caller, budget: str, offer: dict[str, Any]
    ) -> None:
        row = act(agent, offer, "accept", said_by="phone", option=3)
        assert (row["kind"], row["amount"], row["text"]) == ("apology_letter", None, "We are sorry.")
        assert sums(manager, budget) == ("1000.00", "0.00", "0.00")
        assert violations(program.database) == []
        perform(program)
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "issued"
        assert "We are sorry." in scalar(program.database, "SELECT body FROM letter")
        assert scalar(program.database, "SELECT offers_minor FROM complaint") == 0
        assert violations(program.database) == []

    @pytest.mark.parametrize("option_number", [1, 2, 3])
    def test_failed_and_tried_again(
        self, program: Program, agent: Caller, manager: Caller, offer: dict[str, Any], option_number: int
    ) -> None:
        """The second round sets aside what was chosen, and no more."""
        act(agent, offer, "accept", said_by="phone", option=option_number)
        execute(program.database, "UPDATE duty SET dead_at = now() WHERE topic = 'recovery.issue'")
        if option_number == 2:
            act(manager, offer, "fail", reason="The account is closed.")
        else:
            assert jobs.fail_abandoned(program.database) == 1
        assert violations(program.database) == []
        act(manager, offer, "retry")
        assert violations(program.database) == []
        if option_number == 2:
            act(manager, offer, "record_issued", reference="transfer")
        else:
            perform(program)
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "issued"
        assert violations(program.database) == []

    @pytest.mark.parametrize("action", ["decline", "revoke"])
    def test_not_taken_at_all(
        self, program: Program, manager: Caller, budget: str, offer: dict[str, Any], action: str
    ) -> None:
        act(manager, offer, action, **({"said_by": "phone"} if action == "decline" else {"reason": "x"}))
        assert sums(manager, budget) == ("1000.00", "0.00", "0.00")
        assert manager.get(f"/offers/{offer['id']}").json["chosen_option"] is None
        assert violations(program.database) == []

    def test_the_story_tells_which(self, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]) -> None:
        act(agent, offer, "accept", said_by="phone", option=1)
        items = agent.get(f"/complaints/{complaint['reference']}/timeline?limit=100").json["items"]
        told = next(item for item in items if item["type"] == "offer.accepted")
        assert (told["payload"]["given"]["option"], told["payload"]["kind"]) == (1, "voucher")
        assert told["payload"]["complaint_changes"]["offers_minor"] == [3000, 2000]


class TestAtOnce:
    @pytest.mark.parametrize("attempt", range(3))
    def test_two_options(
        self, program: Program, anonymous: Caller, agent: Caller, complaint: dict[str, Any], attempt: int
    ) -> None:
        offer = offered(agent, complaint, several())
        path = f"/public/offers/{token(offer)}/accept"
        browsers = [Caller(anonymous.client.application.test_client(), None, None) for _ in range(3)]
        answers = at_once(
            *(lambda who=who, n=n: who.pay(path, {"option": n}) for n, who in enumerate(browsers, 1)),
            lambda: another(agent).pay(f"/offers/{offer['id']}/actions/accept", {"said_by": "phone", "option": 2}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        row = agent.get(f"/offers/{offer['id']}").json
        chosen = row["options"][row["chosen_option"] - 1]
        assert (row["kind"], row["amount"]) == (chosen["kind"], chosen["amount"])
        assert violations(program.database) == []
        perform(program)
        assert violations(program.database) == []

    @pytest.mark.parametrize("attempt", range(3))
    def test_accepted_and_revoked(
        self, program: Program, anonymous: Caller, manager: Caller, complaint: dict[str, Any], attempt: int
    ) -> None:
        offer = offered(manager, complaint, several())
        path = f"/public/offers/{token(offer)}/accept"
        answers = at_once(
            lambda: anonymous.pay(path, {"option": 1}),
            lambda: manager.pay(f"/offers/{offer['id']}/actions/revoke", {"reason": "A slip."}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        taken = answers[0].status_code == 200
        assert manager.get(f"/offers/{offer['id']}").json["status"] == ("issuing" if taken else "revoked")
        assert violations(program.database) == []


class TestVerify:
    @pytest.fixture
    def offer(self, agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
        return offered(agent, complaint, several())

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE offer_option SET amount_minor = 4000 WHERE number = 1",
            "UPDATE offer_option SET amount_minor = 3100 WHERE number = 2",
            "DELETE FROM offer_option WHERE number = 1",
            "DELETE FROM offer_option WHERE number <> 2",
            "UPDATE offer_option SET currency = 'USD' WHERE number = 1",
        ],
    )
    def test_before_the_answer(self, database: Database, offer: dict[str, Any], statement: str) -> None:
        execute(database, statement)
        assert any(item.startswith(f"recovery.offer_options: offer {offer['id']}") for item in violations(database))

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE offer SET chosen_option = 2",
            "UPDATE offer SET chosen_option = NULL",
            "UPDATE offer SET voucher_days = 91",
            "DELETE FROM offer_option",
        ],
    )
    def test_after_it(self, database: Database, agent: Caller, offer: dict[str, Any], statement: str) -> None:
        act(agent, offer, "accept", said_by="phone", option=1)
        execute(database, statement)
        assert any(item.startswith(f"recovery.offer_options: offer {offer['id']}") for item in violations(database))

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM budget_entry WHERE kind = 'reduce'",
            "UPDATE budget_entry SET amount_minor = 900 WHERE kind = 'reduce'",
        ],
    )
    def test_money_that_was_not_freed(
        self, database: Database, agent: Caller, offer: dict[str, Any], statement: str
    ) -> None:
        act(agent, offer, "accept", said_by="phone", option=1)
        execute(database, statement)
        assert any(f"offer {offer['id']}" in item and "offer_money" in item for item in violations(database))


def test_letters_alone_are_one_option_twice(agent: Caller, complaint: dict[str, Any]) -> None:
    body = several([LETTER, option("apology_letter", text="Another one.")])
    assert codes(agent.post(f"/complaints/{complaint['reference']}/offers", body)) == [("/options/1", "twice")]
