"""Counter-offers: what the customer asks for instead, and what becomes of the offer meanwhile.

How it can fail: money freed or set aside twice; an offer that never ends since nobody answers; one accepted while its
replacement is sent, so that both are owed; a customer who asks for ever, or whose words do something; a replacement that
needs the authority for both, or is sent beside what the customer has accepted.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.complaints import pack_check
from helpdesk.complaints.cutting import MARK
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.verifying import violations as all_violations
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import Archive, made
from tests.complaints.test_redaction import places_with
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import (
    act,
    draft,
    eur,
    execute,
    offered,
    scalar,
    token,
    violations,
    voucher,
)

WISH = {"words": "I should like my money back.", "kind": "refund", "amount": eur("40.00")}


pytestmark = pytest.mark.usefixtures("budget")


@pytest.fixture
def offer(agent: Caller, complaint: dict[str, Any], budget: str) -> dict[str, Any]:
    return offered(agent, complaint)


@pytest.fixture
def link(offer: dict[str, Any]) -> str:
    return f"/public/offers/{token(offer)}"


def available(manager: Caller, budget: str) -> str:
    return str(manager.get(f"/budgets/{budget}").json["available"]["amount"])


def replacing(offer: dict[str, Any], amount: str = "40.00", **more: Any) -> dict[str, Any]:
    return voucher(amount, kind="refund", successor_of=offer["id"], **more)


class TestByLink:
    def test_without_a_link(self, anonymous: Caller) -> None:
        assert anonymous.pay("/public/offers/x/counter", WISH).status_code == 404
        assert anonymous.pay("/public/offers/x/counter/withdraw", {}).status_code == 404

    def test_the_offer_stands_and_the_money_stays(
        self,
        database: Database,
        anonymous: Caller,
        agent: Caller,
        manager: Caller,
        budget: str,
        offer: dict[str, Any],
        link: str,
    ) -> None:
        shown = anonymous.pay(f"{link}/counter", WISH).json
        assert (shown["status"], shown["counters_left"]) == ("countered", 2)
        assert shown["counter"]["words"] == WISH["words"]
        assert (shown["counter"]["amount"], shown["counter"]["outcome"]) == (eur("40.00"), None)
        assert shown["valid_until"] == offer["valid_until"]
        assert available(manager, budget) == "970.00"
        row = agent.get(f"/offers/{offer['id']}").json
        assert [(item["number"], item["said_by"], item["kind"]) for item in row["counters"]] == [(1, "link", "refund")]
        assert row["link"] is not None
        assert [item["action"] for item in row["allowed_actions"]] == [
            "keep", "take_back_counter", "prolong", "decline",
        ]  # fmt: skip
        assert refused(anonymous.pay(f"{link}/accept", {})) == (409, "action_not_allowed")
        assert refused(anonymous.pay(f"{link}/counter", WISH)) == (409, "action_not_allowed")
        assert violations(database) == []

    def test_who_handles_it_is_told(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any], link: str
    ) -> None:
        anonymous.pay(f"{link}/counter", WISH)
        told = agent.get("/notifications").json["items"]
        assert [(item["kind"], item["detail"]) for item in told] == [("offer_countered", {"offer_id": offer["id"]})]
        assert violations(database) == []

    @pytest.mark.parametrize(
        ("body", "pointers"),
        [
            ({}, ["/words"]),
            ({"words": ""}, ["/words"]),
            ({"words": " \u200b "}, ["/words"]),
            ({"words": "x" * 2001}, ["/words"]),
            ({"words": "a\x00b"}, ["/words"]),
            ({"words": 7}, ["/words"]),
            (WISH | {"kind": "crown"}, ["/kind"]),
            (WISH | {"amount": eur("-1.00")}, ["/amount"]),
            (WISH | {"amount": {"amount": "1.00", "currency": "XXQ"}}, ["/amount"]),
            (WISH | {"said_by": "phone"}, ["/said_by"]),
            (WISH | {"option": 1}, ["/option"]),
        ],
    )
    def test_bad_bodies(self, anonymous: Caller, link: str, body: dict[str, Any], pointers: list[str]) -> None:
        answer = anonymous.pay(f"{link}/counter", body)
        assert (answer.status_code, [pointer for pointer, _ in codes(answer)]) == (422, pointers)
        assert anonymous.get(link).json["status"] == "offered"

    @pytest.mark.parametrize(
        "words",
        ["<script>alert(1)</script>", "'; DROP TABLE offer; --", "${name} {{7*7}} %s", "\u202eevil", "退款🙏"],
    )
    def test_words_are_words(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any], link: str, words: str
    ) -> None:
        assert anonymous.pay(f"{link}/counter", {"words": words}).json["counter"]["words"] == words
        assert agent.get(f"/offers/{offer['id']}").json["counters"][0]["words"] == words
        act(agent, offer, "keep")
        assert words not in scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer_kept'")

    def test_so_often_and_no_more(self, database: Database, anonymous: Caller, link: str) -> None:
        for left in (2, 1, 0):
            assert anonymous.pay(f"{link}/counter", WISH).json["counters_left"] == left
            shown = anonymous.pay(f"{link}/counter/withdraw", {}).json
            assert (shown["status"], shown["counter"]["outcome"]) == ("offered", "taken_back")
        answer = anonymous.pay(f"{link}/counter", WISH)
        assert refused(answer) == (409, "action_not_allowed")
        assert answer.json["missing"][0]["code"] == "countered_enough"
        assert anonymous.pay(f"{link}/accept", {}).status_code == 200
        assert violations(database) == []

    def test_declines_all_the_same(self, database: Database, anonymous: Caller, link: str) -> None:
        anonymous.pay(f"{link}/counter", WISH)
        shown = anonymous.pay(f"{link}/decline", {}).json
        assert (shown["status"], shown["counter"]["outcome"]) == ("declined", "declined")
        assert violations(database) == []

    def test_nobody_answers_and_it_expires(
        self, program: Program, anonymous: Caller, manager: Caller, budget: str, offer: dict[str, Any], link: str
    ) -> None:
        anonymous.pay(f"{link}/counter", WISH)
        execute(program.database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=offer["id"])
        assert anonymous.get(link).json["status"] == "expired"
        for path in ("counter/withdraw", "counter"):
            assert anonymous.pay(f"{link}/{path}", WISH if path == "counter" else {}).status_code == 409
        assert refused(manager.pay(f"/offers/{offer['id']}/actions/keep", {})) == (409, "action_not_allowed")
        assert jobs.expire_offers(program.database) == 1
        assert jobs.expire_offers(program.database) == 0
        assert anonymous.get(link).json["counter"]["outcome"] == "expired"
        assert available(manager, budget) == "1000.00"
        assert violations(program.database) == []


class TestByAgents:
    def path(self, offer: dict[str, Any], action: str) -> str:
        return f"/offers/{offer['id']}/actions/{action}"

    @pytest.mark.parametrize("action", ["counter", "keep", "take_back_counter", "prolong"])
    def test_anonymous_and_wrong_role(
        self, anonymous: Caller, auditor: Caller, stranger: Caller, offer: dict[str, Any], action: str
    ) -> None:
        assert anonymous.pay(self.path(offer, action), {}).status_code == 401
        assert stranger.pay(self.path(offer, action), {}).status_code == 404
        assert auditor.pay(self.path(offer, action), {}).status_code == 403

    def test_for_the_customer(self, agent: Caller, offer: dict[str, Any]) -> None:
        needed = codes(agent.pay(self.path(offer, "counter"), {}))
        assert sorted(needed) == [("/said_by", "required"), ("/words", "required")]
        row = act(agent, offer, "counter", said_by="phone", **WISH)
        assert (row["status"], row["counters"][0]["said_by"]) == ("countered", "phone")
        row = act(agent, offer, "take_back_counter", said_by="phone")
        assert (row["status"], row["counters"][0]["outcome"]) == ("offered", "taken_back")

    def test_keeping_it_leaves_a_week(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any], link: str
    ) -> None:
        anonymous.pay(f"{link}/counter", WISH)
        execute(database, "UPDATE offer SET valid_until = now() + interval '1 hour'")
        row = act(agent, offer, "keep", note="It is all we can do.")
        assert (row["status"], row["counters"][0]["outcome"]) == ("offered", "kept")
        assert scalar(database, "SELECT valid_until - now() > interval '6 days 23 hours' FROM offer")
        mail = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer_kept'")
        assert row["link"] in mail
        assert "a voucher for 30.00 EUR" in mail
        assert anonymous.pay(f"{link}/accept", {}).status_code == 200
        assert violations(database) == []

    def test_keeping_it_takes_no_time_away(self, agent: Caller, offer: dict[str, Any]) -> None:
        act(agent, offer, "counter", said_by="phone", **WISH)
        assert act(agent, offer, "keep")["valid_until"] == offer["valid_until"]

    def test_more_time(self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any]) -> None:
        for bad in (0, 91, -1, "x", None, 10**12):
            assert [pointer for pointer, _ in codes(agent.pay(self.path(offer, "prolong"), {"days": bad}))] == ["/days"]
        assert codes(agent.pay(self.path(offer, "prolong"), {"days": 29})) == [("/days", "too_few")]
        row = act(agent, offer, "prolong", days=90)
        assert row["valid_until"] > offer["valid_until"]
        assert anonymous.get(f"/public/offers/{token(offer)}").json["valid_until"] == row["valid_until"]
        execute(database, "UPDATE offer SET valid_until = now()")
        assert refused(agent.pay(self.path(offer, "prolong"), {"days": 9})) == (409, "action_not_allowed")
        assert violations(database) == []

    def test_more_time_more_than_once(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any]
    ) -> None:
        """The link that was mailed first has outlived its own time, and serves as long as the offer stands."""
        execute(database, "UPDATE offer SET valid_until = now() - interval '91 days'")
        late = agent.get(f"/offers/{offer['id']}").json
        link = f"/public/offers/{token(late)}"
        assert anonymous.get(link).status_code == 410
        execute(database, "UPDATE offer SET valid_until = now() + interval '9 days'")
        assert anonymous.get(link).json["status"] == "offered"
        assert anonymous.pay(f"{link}/accept", {}).status_code == 200

    def test_a_withdrawn_complaint_takes_it_back(
        self, database: Database, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]
    ) -> None:
        act(agent, offer, "counter", said_by="phone", **WISH)
        path = f"/complaints/{complaint['reference']}/actions/withdraw"
        assert agent.post(path, {"reason": "Settled elsewhere."}).status_code == 200
        row = agent.get(f"/offers/{offer['id']}").json
        assert (row["status"], row["counters"][0]["outcome"]) == ("revoked", "revoked")
        assert violations(database) == []


class TestSuccessor:
    def drafts(self, complaint: dict[str, Any]) -> str:
        return f"/complaints/{complaint['reference']}/offers"

    @pytest.fixture(autouse=True)
    def _countered(self, anonymous: Caller, link: str) -> None:
        assert anonymous.pay(f"{link}/counter", WISH).status_code == 200

    def test_replaces_it_when_it_is_sent(
        self,
        database: Database,
        anonymous: Caller,
        agent: Caller,
        manager: Caller,
        budget: str,
        offer: dict[str, Any],
        complaint: dict[str, Any],
        link: str,
    ) -> None:
        """The agent's 50 on a case are enough for the one or the other, not for both."""
        new = draft(agent, complaint, replacing(offer))
        assert new["successor_of"] == offer["id"]
        assert agent.get(f"/offers/{offer['id']}").json["successor_id"] == new["id"]
        assert anonymous.get(link).json["status"] == "countered"
        assert act(agent, new, "submit")["status"] == "approved"
        assert available(manager, budget) == "930.00"
        assert violations(database) == []
        sent = act(agent, new, "offer")
        old = agent.get(f"/offers/{offer['id']}").json
        assert (old["status"], old["counters"][0]["outcome"]) == ("revoked", "revoked")
        shown = anonymous.get(link).json
        assert (shown["status"], shown["replaced"]) == ("revoked", True)
        assert available(manager, budget) == "960.00"
        assert anonymous.pay(f"/public/offers/{token(sent)}/accept", {}).status_code == 200
        assert violations(database) == []

    def test_what_cannot_be_replaced(self, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]) -> None:
        path = self.drafts(complaint)
        nobody = replacing({"id": str(UUID(int=7))})
        assert codes(agent.post(path, nobody)) == [("/successor_of", "unknown")]
        assert [pointer for pointer, _ in codes(agent.post(path, replacing({"id": "x"})))] == ["/successor_of"]
        first = draft(agent, complaint, replacing(offer))
        assert codes(agent.post(path, replacing(offer, "41.00"))) == [("/successor_of", "taken")]
        act(agent, first, "withdraw")
        draft(agent, complaint, replacing(offer, "41.00"))
        act(agent, offer, "keep")
        assert codes(agent.post(path, replacing(offer, "42.00"))) == [("/successor_of", "not_countered")]

    def test_may_repeat_what_it_replaces(self, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]) -> None:
        options = [{"kind": "voucher", "amount": eur("30.00")}, {"kind": "refund", "amount": eur("20.00")}]
        body = {"options": options, "reason": "As you like.", "override_reason": "x", "successor_of": offer["id"]}
        assert agent.post(self.drafts(complaint), body).status_code == 201

    def test_is_not_sent_beside_what_was_accepted(
        self,
        database: Database,
        anonymous: Caller,
        agent: Caller,
        offer: dict[str, Any],
        complaint: dict[str, Any],
        link: str,
    ) -> None:
        new = draft(agent, complaint, replacing(offer))
        act(agent, new, "submit")
        anonymous.pay(f"{link}/counter/withdraw", {})
        assert anonymous.pay(f"{link}/accept", {}).status_code == 200
        answer = agent.pay(f"/offers/{new['id']}/actions/offer", {})
        assert refused(answer) == (409, "predecessor_accepted")
        assert agent.get(f"/offers/{new['id']}").json["status"] == "approved"
        assert violations(database) == []

    def test_replaces_one_that_is_offered_again(
        self, database: Database, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]
    ) -> None:
        new = draft(agent, complaint, replacing(offer))
        act(agent, new, "submit")
        act(agent, offer, "keep")
        act(agent, new, "offer")
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "revoked"
        assert violations(database) == []

    @pytest.mark.parametrize("attempt", range(3))
    def test_sent_and_the_old_one_accepted_at_once(
        self,
        database: Database,
        anonymous: Caller,
        agent: Caller,
        offer: dict[str, Any],
        complaint: dict[str, Any],
        link: str,
        attempt: int,
    ) -> None:
        new = draft(agent, complaint, replacing(offer))
        act(agent, new, "submit")
        act(agent, offer, "keep")
        answers = at_once(
            lambda: agent.pay(f"/offers/{new['id']}/actions/offer", {}),
            lambda: anonymous.pay(f"{link}/accept", {}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert violations(database) == []


class TestAtOnce:
    @pytest.mark.parametrize("attempt", range(3))
    def test_countered_and_accepted(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any], link: str, attempt: int
    ) -> None:
        other = Caller(anonymous.client.application.test_client(), None, None)
        answers = at_once(
            lambda: anonymous.pay(f"{link}/accept", {}),
            lambda: other.pay(f"{link}/counter", WISH),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        status = agent.get(f"/offers/{offer['id']}").json["status"]
        assert status == ("issuing" if answers[0].status_code == 200 else "countered")
        assert violations(database) == []

    def test_countered_four_times(self, database: Database, anonymous: Caller, link: str) -> None:
        others = [Caller(anonymous.client.application.test_client(), None, None) for _ in range(4)]
        answers = at_once(*(lambda who=who: who.pay(f"{link}/counter", WISH) for who in others))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert scalar(database, "SELECT count(*) FROM offer_counter") == 1
        assert violations(database) == []

    @pytest.mark.parametrize("attempt", range(3))
    def test_kept_and_expired(self, program: Program, agent: Caller, offer: dict[str, Any], attempt: int) -> None:
        act(agent, offer, "counter", said_by="phone", **WISH)
        execute(program.database, "UPDATE offer SET valid_until = clock_timestamp()")
        answer, expired = at_once(
            lambda: agent.pay(f"/offers/{offer['id']}/actions/keep", {}),
            lambda: jobs.expire_offers(program.database),
        )
        assert answer.status_code == 409
        assert expired + jobs.expire_offers(program.database) == 1
        assert violations(program.database) == []


class TestDelivery:
    @pytest.fixture
    def sent(self, manager: Caller, agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
        offer = offered(agent, complaint, voucher("20.00", kind="replacement"))
        act(agent, offer, "accept", said_by="phone")
        return offer | {"row": act(manager, offer, "record_issued", reference="parcel 1")}

    def test_not_before_it_is_sent(self, anonymous: Caller, link: str) -> None:
        for path in ("arrived", "not-arrived"):
            assert refused(anonymous.pay(f"{link}/{path}", {})) == (409, "action_not_allowed")

    def test_it_arrived(self, database: Database, anonymous: Caller, agent: Caller, sent: dict[str, Any]) -> None:
        path = f"/public/offers/{token(sent)}"
        assert anonymous.get(path).json["delivered_at"] is None
        assert anonymous.pay(f"{path}/arrived", {}).json["delivered_at"] is not None
        for again in ("arrived", "not-arrived"):
            answer = anonymous.pay(f"{path}/{again}", {})
            assert answer.json["missing"][0]["code"] == "delivered_already"
        assert agent.get(f"/offers/{sent['id']}").json["delivered_at"] is not None
        assert violations(database) == []

    def test_it_did_not(self, database: Database, anonymous: Caller, agent: Caller, sent: dict[str, Any]) -> None:
        path = f"/public/offers/{token(sent)}"
        answer = anonymous.pay(f"{path}/not-arrived", {"note": "Nobody rang."})
        assert (answer.status_code, answer.json["delivered_at"]) == (200, None)
        assert anonymous.pay(f"{path}/not-arrived", {}).json["missing"][0]["code"] == "reported_already"
        told = [item["kind"] for item in agent.get("/notifications").json["items"]]
        assert told == ["offer_undelivered"]
        assert agent.get(f"/offers/{sent['id']}").json["reported_at"] is not None
        act(agent, sent, "confirm_delivery", said_by="phone")
        assert violations(database) == []

    def test_what_nobody_has_confirmed_is_listed(
        self, database: Database, agent: Caller, sent: dict[str, Any], offer: dict[str, Any]
    ) -> None:
        def listed(days: int) -> list[str]:
            return [item["id"] for item in agent.get(f"/offers?undelivered_days={days}").json["items"]]

        assert (listed(0), listed(14)) == ([sent["id"]], [])
        execute(database, "UPDATE offer_transition SET at = now() - interval '15 days' WHERE action = 'record_issued'")
        assert listed(14) == [sent["id"]]
        act(agent, sent, "confirm_delivery", said_by="phone")
        assert listed(0) == []
        assert agent.get("/offers?undelivered_days=x").status_code == 422


class TestVerify:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE offer SET counters = 2",
            "DELETE FROM offer_counter",
            "UPDATE offer_counter SET outcome = 'kept', settled_at = now()",
            "UPDATE offer SET status = 'offered'",
        ],
    )
    def test_of_counter_offers(self, database: Database, agent: Caller, offer: dict[str, Any], statement: str) -> None:
        act(agent, offer, "counter", said_by="phone", **WISH)
        execute(database, statement)
        assert any(item.startswith(f"recovery.offer_counters: offer {offer['id']}") for item in violations(database))

    def test_of_two_that_stand(
        self, database: Database, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]
    ) -> None:
        act(agent, offer, "counter", said_by="phone", **WISH)
        new = draft(agent, complaint, replacing(offer))
        execute(database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=new["id"])
        assert any(item.startswith(f"recovery.offer_counters: offer {new['id']}") for item in violations(database))


class TestRedaction:
    """What was asked for instead may say what nobody should have written down."""

    CARD = "5105 1051 0510 5100"

    @pytest.fixture
    def said(self, anonymous: Caller, offer: dict[str, Any], link: str) -> dict[str, Any]:
        wish = WISH | {"words": f"Back to {self.CARD}, please."}
        answer = anonymous.pay(f"{link}/counter", wish)
        assert answer.status_code == 200, answer.text
        return offer

    def redact(self, caller: Caller, offer: dict[str, Any], **more: Any) -> Any:
        given = {"number": 1, "reason": "A card number."} | (
            {} if more.keys() & {"whole", "ranges"} else {"strings": [self.CARD]}
        )
        return caller.post(f"/offers/{offer['id']}/counters/redact", given | more, if_match="*")

    def test_anonymous_and_wrong_role(self, anonymous: Caller, senior: Caller, said: dict[str, Any]) -> None:
        assert self.redact(anonymous, said).status_code == 401
        assert refused(self.redact(senior, said)) == (403, "forbidden")

    def test_it_is_gone_from_everywhere_and_all_of_it_verifies(
        self,
        program: Program,
        agent: Caller,
        manager: Caller,
        complaint: dict[str, Any],
        said: dict[str, Any],
        link: str,
    ) -> None:
        database = program.database
        assert {"offer_counter.words", "offer_transition.given", "event.payload", "idempotent_answer.body"} <= set(
            places_with(database.engine, self.CARD)
        )
        before = agent.get(f"/offers/{said['id']}")
        answer = self.redact(manager, said)
        assert answer.status_code == 200, answer.text
        shown = answer.json
        assert (shown["part"], shown["places"], shown["erased_events"], shown["message"]) == ("counter", 1, 1, None)
        assert places_with(database.engine, self.CARD) == []
        after = agent.get(f"/offers/{said['id']}")
        (counter,) = after.json["counters"]
        assert (counter["words"], counter["amount"]) == (f"Back to {MARK}, please.", eur("40.00"))
        assert after.headers["ETag"] != before.headers["ETag"]
        listed = agent.get(f"/complaints/{complaint['reference']}/redactions").json["items"]
        assert [item["counter_id"] for item in listed] == [shown["counter_id"]]
        act(agent, said, "keep")
        assert list(all_violations(database)) == []
        assert agent.get(f"/complaints/{complaint['reference']}/timeline/verification").json["valid"] is True
        pack = made(program, manager, complaint)
        assert self.CARD.encode() not in b"".join(map(pack.read, pack.namelist()))
        assert list(pack_check.faults(Archive(pack))) == []

    @pytest.mark.parametrize("what", ["message", "description"])
    def test_what_is_taken_out_elsewhere_tells_that_it_stands_there(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], said: dict[str, Any], what: str
    ) -> None:
        words = f"Please pay it back to {self.CARD}."
        path = f"/complaints/{complaint['reference']}"
        if what == "message":
            written = agent.post(f"{path}/messages", {"kind": "inbound", "body": words}).json
            at, part = f"{path}/messages/{written['id']}/redact", {}
        else:
            assert agent.patch(path, {"description": words}, if_match="*").status_code == 200
            at, part = f"{path}/redact", {"part": "description"}
        answer = manager.post(at, {"reason": "A card number.", "strings": [self.CARD], **part}, if_match="*")
        assert answer.json["counters_quoting"] == [{"offer_id": said["id"], "number": 1}]
        assert self.redact(manager, said).json["counters_quoting"] == []

    def test_whole_and_not_twice(self, agent: Caller, manager: Caller, said: dict[str, Any]) -> None:
        assert self.redact(manager, said, whole=True).json["whole"] is True
        assert agent.get(f"/offers/{said['id']}").json["counters"][0]["words"] == MARK
        assert refused(self.redact(manager, said, whole=True)) == (409, "nothing_left")

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ({"number": 2}, [("/number", "unknown")]),
            ({"number": 4}, [("/number", "range")]),
            ({"strings": ["a house"]}, [("/strings/0", "not_there")]),
            ({"ranges": [{"start": 0, "end": 5000}]}, [("/ranges/0", "not_there")]),
        ],
    )
    def test_what_is_not_there(
        self, manager: Caller, said: dict[str, Any], given: dict[str, Any], found: list[tuple[str, str]]
    ) -> None:
        answer = self.redact(manager, said, **given)
        assert (answer.status_code, codes(answer)) == (422, found)

    def test_the_version_is_asked_for(self, manager: Caller, said: dict[str, Any]) -> None:
        path = f"/offers/{said['id']}/counters/redact"
        assert manager.post(path, {"number": 1, "reason": "x", "whole": True}).status_code == 428
