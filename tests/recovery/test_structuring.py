"""Offers that belong together: the rule alone, and through the routes.

How it can fail: three small ones go where one large one would not; what is harmless is flagged, or what was beyond the limit by
itself; a refusal does not say why; the flag tells of complaints that its reader may not see; a later look changes the evidence.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.allowances import SHIPPED
from helpdesk.kernel.money import Money
from helpdesk.recovery.structuring import Earlier, suspicion
from tests.conftest import Caller, make_team
from tests.racing import at_once
from tests.recovery.helpers import act, draft, eur, execute, scalar, violations, voucher
from tests.recovery.lending import Crew, approve, decisions, missing, new, pending

ME, OTHER, THIRD = uuid4(), uuid4(), uuid4()


def euro(amount: int) -> Money:
    return Money(amount * 100, "EUR")


def earlier(amount: int, drafter: UUID, *signers: UUID) -> Earlier:
    return Earlier(uuid4(), uuid4(), "same_customer", euro(amount), drafter, frozenset(signers), datetime.now(UTC))


class TestTheRule:
    def test_reached_is_not_passed(self) -> None:
        assert suspicion(euro(20), euro(50), {ME}, ME, [earlier(30, ME, ME)]) is None
        found = suspicion(euro(21), euro(50), {ME}, ME, [earlier(30, ME, ME)])
        assert found is not None
        assert (found.pattern, found.total, found.limit, len(found.offers)) == ("one_person", euro(51), euro(50), 1)

    @pytest.mark.parametrize(
        "before",
        [
            [],
            [earlier(60, ME, ME)],  # beyond the limit by itself: nothing was split
            [earlier(40, ME, OTHER)],  # another one has looked at it
            [earlier(40, OTHER, OTHER)],
        ],
    )
    def test_what_is_harmless(self, before: list[Earlier]) -> None:
        assert suspicion(euro(40), euro(50), {ME}, ME, before) is None

    def test_what_is_beyond_the_limit_by_itself_is_not_split(self) -> None:
        assert suspicion(euro(60), euro(50), {ME}, ME, [earlier(40, ME, ME)]) is None

    def test_two_who_approve_for_each_other(self) -> None:
        found = suspicion(euro(40), euro(50), {OTHER}, ME, [earlier(30, OTHER, ME)])
        assert found is not None
        assert found.pattern == "pair"
        assert suspicion(euro(40), euro(50), {OTHER}, ME, [earlier(30, THIRD, ME)]) is None

    def test_in_whose_name_counts_like_who(self) -> None:
        assert suspicion(euro(40), euro(50), {ME, OTHER}, THIRD, [earlier(30, THIRD, OTHER)]) is not None

    def test_another_currency_is_as_many_units(self) -> None:
        yen = Earlier(uuid4(), uuid4(), "same_customer", Money(30, "JPY"), ME, frozenset({ME}), datetime.now(UTC))
        assert suspicion(euro(20), euro(50), {ME}, ME, [yen]) is None
        found = suspicion(euro(21), euro(50), {ME}, ME, [yen])
        assert found is not None
        assert found.total == euro(51)


class TestThroughTheRoutes:
    def split(self, crew: Crew, *amounts: str) -> list[dict[str, Any]]:
        """Offers of one agent to one customer, each on a complaint of its own."""
        return [
            act(crew.agent, draft(crew.agent, new(crew.agent, crew.team), voucher(amount)), "submit")
            for amount in amounts
        ]

    def test_the_next_authority_looks(self, crew: Crew) -> None:
        first, second = self.split(crew, "30.00", "30.00")
        assert (first["status"], first["flags"]) == ("approved", [])
        assert second["status"] == "pending_approval"
        (flag,) = second["flags"]
        assert (flag["pattern"], flag["person_id"], flag["authority"]) == ("one_person", str(crew.agent.id), "agent")
        assert (flag["total"], flag["limit"], flag["days"], flag["hidden"]) == (eur("60.00"), eur("50.00"), 7, 0)
        (evidence,) = flag["offers"]
        assert (evidence["offer_id"], evidence["relation"]) == (first["id"], "same_customer")
        assert (evidence["signed_by"], evidence["amount"]) == ([str(crew.agent.id)], eur("30.00"))
        assert decisions(crew.agent, second)[0]["together"] == eur("60.00")
        assert approve(crew.senior, second).json["status"] == "approved"
        assert violations(crew.database) == []

    def test_a_peer_is_not_the_next_authority(self, crew: Crew) -> None:
        """Whoever grants it may grant all of them together, though they granted none of the others."""
        caller = crew.senior
        first, second, third = (
            act(caller, draft(caller, new(caller, crew.team), voucher("90.00")), "submit") for _ in range(3)
        )
        assert [item["status"] for item in (first, second, third)] == ["approved", "approved", "pending_approval"]
        peer = crew.join("senior")
        assert missing(peer, third) == ["beyond_authority"]
        assert peer.get("/approvals").json["items"] == []
        answer = approve(peer, third)
        assert answer.status_code == 403
        assert answer.json["limits"] == [{"limit": "together", "allowed": eur("200.00"), "would_be": eur("270.00")}]
        (waits,) = crew.manager.get("/approvals").json["items"]
        assert (waits["offer_id"], waits["level"], waits["flagged"]) == (third["id"], "manager", True)
        assert missing(crew.manager, third) == []
        assert approve(crew.manager, third).json["status"] == "approved"
        assert violations(crew.database) == []

    def test_once_the_others_came_to_nothing_a_peer_will_do(self, crew: Crew) -> None:
        caller, peer = crew.senior, crew.join("senior")
        first, second = (
            act(caller, draft(caller, new(caller, crew.team), voucher(amount)), "submit")
            for amount in ("150.00", "60.00")
        )
        assert missing(peer, second) == ["beyond_authority"]
        act(crew.manager, first, "revoke", reason="x")
        assert missing(peer, second) == []
        assert approve(peer, second).json["status"] == "approved"

    def test_where_the_customer_took_what_costs_nothing(self, crew: Crew) -> None:
        """It was judged as the dearest of what they could choose from, and flagged as that."""
        self.split(crew, "30.00")
        options = [
            {"kind": "refund", "amount": eur("30.00")},
            {"kind": "apology_letter", "text": "We are sorry."},
        ]
        body = {"options": options, "reason": "It came late.", "override_reason": "Agreed."}
        offer = act(crew.agent, draft(crew.agent, new(crew.agent, crew.team), body), "submit")
        assert approve(crew.senior, offer).json["status"] == "approved"
        act(crew.agent, offer, "offer")
        before = (crew.agent.get(f"/offers/{offer['id']}").json["flags"], decisions(crew.agent, offer))
        taken = act(crew.agent, offer, "accept", said_by="phone", option=2)
        assert (taken["kind"], taken["amount"]) == ("apology_letter", None)
        assert (taken["flags"], decisions(crew.agent, offer)) == before
        assert [(item["total"], item["limit"]) for item in before[0]] == [(eur("60.00"), eur("50.00"))]
        assert [item["amount"] for item in before[1]] == [eur("30.00"), eur("30.00")]

    def test_the_timeline_and_the_report_tell(self, crew: Crew) -> None:
        _, second = self.split(crew, "30.00", "30.00")
        told = crew.agent.get(f"/complaints/{second['complaint_reference']}/timeline").json["items"]
        assert "offer.flagged" in [item["type"] for item in told]
        assert crew.agent.get("/offer-flags").status_code == 403
        (listed,) = crew.manager.get(f"/offer-flags?person_id={crew.agent.id}&pattern=one_person&count=true").json[
            "items"
        ]
        assert (listed["offer_id"], listed["offer_status"]) == (second["id"], "pending_approval")
        assert crew.manager.get("/offer-flags?offer_status=approved").json["items"] == []
        assert crew.manager.get("/offer-flags?flagged_before=2020-01-01T00:00:00Z").json["items"] == []
        assert len(crew.manager.get("/offer-flags?flagged_from=2020-01-01T00:00:00Z").json["items"]) == 1

    def test_on_one_complaint(self, crew: Crew) -> None:
        complaint = new(crew.agent, crew.team)
        act(crew.agent, draft(crew.agent, complaint, voucher("30.00")), "submit")
        second = act(crew.agent, draft(crew.agent, complaint, voucher("20.01")), "submit")
        assert (second["status"], second["flags"][0]["offers"][0]["relation"]) == ("pending_approval", "same_complaint")

    def test_on_linked_complaints_of_several_customers(self, crew: Crew) -> None:
        one, other = new(crew.agent, crew.team), new(crew.agent, crew.team, "wu@example.com")
        act(crew.agent, draft(crew.agent, one, voucher("40.00")), "submit")
        apart = act(crew.agent, draft(crew.agent, other, voucher("5.00")), "submit")
        assert apart["status"] == "approved"
        link = {"kind": "related", "to": one["reference"]}
        answer = crew.senior.post(f"/complaints/{other['reference']}/links", link)
        assert answer.status_code == 201, answer.text
        second = act(crew.agent, draft(crew.agent, other, voucher("40.00")), "submit")
        assert (second["status"], second["flags"][0]["total"]) == ("pending_approval", eur("85.00"))
        assert {item["relation"] for item in second["flags"][0]["offers"]} == {"linked", "same_complaint"}

    def test_long_ago_or_undone_is_not_looked_at(self, crew: Crew) -> None:
        first, second = self.split(crew, "50.00", "1.00")
        assert second["status"] == "pending_approval"
        act(crew.manager, first, "revoke", reason="x")
        assert self.split(crew, "49.00")[0]["status"] == "approved"
        execute(crew.database, "UPDATE offer SET granted_at = granted_at - interval '8 days'")
        assert self.split(crew, "50.00")[0]["status"] == "approved"

    def test_an_approver_is_looked_at_too(self, crew: Crew) -> None:
        """200 is a senior's for one complaint, by whoever it was drafted."""
        other = crew.join("agent")
        first = pending(crew.agent, new(crew.agent, crew.team), "150.00")
        assert approve(crew.senior, first).json["status"] == "approved"
        second = pending(other, new(other, crew.team), "60.00")
        answer = approve(crew.senior, second)
        assert answer.status_code == 403
        assert answer.json["limits"] == [{"limit": "together", "allowed": eur("200.00"), "would_be": eur("210.00")}]
        assert approve(crew.manager, second).json["status"] == "approved"
        assert violations(crew.database) == []

    def test_a_pair(self, crew: Crew) -> None:
        one, other = crew.senior, crew.join("senior")
        first = draft(one, new(one, crew.team), voucher("190.00"))
        execute(crew.database, "UPDATE offer SET status = 'pending_approval', steps = 1")
        execute(
            crew.database,
            """INSERT INTO offer_transition (id, offer_id, number, action, from_status, to_status, actor_kind, actor_id, at, given)
               SELECT gen_random_uuid(), id, 1, 'submit', 'drafted', 'pending_approval', 'agent', drafted_by, now(), '{}' FROM offer""",
        )
        assert approve(other, first).json["status"] == "approved"
        back = draft(other, new(other, crew.team), voucher("20.00"))
        back = act(other, back, "submit")
        assert back["status"] == "pending_approval"  # 190 by their hand before
        answer = approve(one, back)
        assert [item["limit"] for item in answer.json["limits"]] == ["together"]
        assert approve(crew.manager, back).json["status"] == "approved"

    def test_it_can_be_switched_off(self, crew: Crew) -> None:
        given = {**SHIPPED, "splitting_days": 0, "reason": "Too many."}
        assert crew.director.put("/authority-limits", given, if_match="*").status_code == 200
        assert [offer["status"] for offer in self.split(crew, "30.00", "30.00")] == ["approved", "approved"]

    def test_evidence_is_for_who_sees_it(self, crew: Crew) -> None:
        elsewhere = make_team(crew.database, "Elsewhere")
        first, _ = self.split(crew, "30.00", "1.00")
        roaming = crew.join("agent", team_ids=[crew.team, elsewhere])
        there = new(roaming, elsewhere)
        execute(
            crew.database,
            "UPDATE offer SET approvals = jsonb_set(approvals, '{0,agent_id}', to_jsonb(CAST(:who AS text)))",
            who=str(roaming.id),
        )
        flagged = act(roaming, draft(roaming, there, voucher("30.00")), "submit")
        assert (len(flagged["flags"][0]["offers"]), flagged["flags"][0]["hidden"]) == (2, 0)
        only_there = crew.join("senior", team_ids=[elsewhere])
        seen = only_there.get(f"/offers/{flagged['id']}").json["flags"][0]
        assert (seen["offers"], seen["hidden"]) == ([], 2)
        assert first["id"] not in only_there.get(f"/offers/{flagged['id']}").text

    def test_who_is_refused_for_it_is_flagged_once(self, crew: Crew) -> None:
        """The refusal undoes what was asked for; that it was asked for is kept, with its evidence."""
        other = crew.join("agent")
        first = pending(crew.agent, new(crew.agent, crew.team), "150.00")
        approve(crew.senior, first)
        second = pending(other, new(other, crew.team), "60.00")
        before = crew.manager.get(f"/offers/{second['id']}").json
        for answer in at_once(*[lambda: approve(crew.senior, second)] * 2):
            assert (answer.status_code, answer.json["code"]) == (403, "beyond_authority")
        assert approve(crew.senior, second).status_code == 403
        (flag,) = crew.manager.get(f"/offer-flags?refused=true&person_id={crew.senior.id}").json["items"]
        assert (flag["offer_id"], flag["refused"], flag["number"]) == (second["id"], True, before["round"])
        assert (flag["total"], flag["limit"]) == (eur("210.00"), eur("200.00"))
        assert [item["offer_id"] for item in flag["offers"]] == [first["id"]]
        assert crew.manager.get(f"/offer-flags?refused=false&offer_id={second['id']}").json["items"] == []
        after = crew.manager.get(f"/offers/{second['id']}").json
        assert (after["status"], after["approvals"]) == ("pending_approval", [])
        assert [item["id"] for item in after["flags"]] == [flag["id"]]
        told = crew.manager.get(f"/complaints/{second['complaint_reference']}/timeline").json["items"]
        assert [item["payload"]["refused"] for item in told if item["type"] == "offer.flagged"] == [True]
        assert approve(crew.manager, second).json["status"] == "approved"
        assert violations(crew.database) == []

    def test_another_refusal_flags_nobody(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team), "300.00")
        assert approve(crew.senior, offer).status_code == 403
        assert scalar(crew.database, "SELECT count(*) FROM offer_flag") == 0

    def test_a_flag_is_never_changed(self, crew: Crew) -> None:
        self.split(crew, "30.00", "30.00")
        for table in ("offer_flag", "offer_decision"):
            for statement in (f"UPDATE {table} SET number = 9", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises(DBAPIError, match="never changed"), crew.database.unit_of_work(SYSTEM) as uow:
                    uow.session.execute(text(statement))
        assert scalar(crew.database, "SELECT count(*) FROM offer_flag") == 1


def test_the_director_signs_with_a_second(crew: Crew) -> None:
    """Above the top two persons look."""
    caller: Caller = crew.director
    first = act(caller, draft(caller, new(caller, crew.team), voucher("6000.00")), "submit")
    second = act(caller, draft(caller, new(caller, crew.team), voucher("6000.00")), "submit")
    assert (first["status"], second["status"]) == ("approved", "pending_approval")
    one, two = crew.join("director"), crew.join("director")
    assert [item["offer_id"] for item in one.get("/approvals").json["items"] if item["second_needed"]] == [second["id"]]
    assert approve(one, second).json["status"] == "pending_approval"
    assert approve(two, second).json["status"] == "approved"
    assert len(crew.agent.get(f"/offers/{second['id']}").json["flags"]) == 1
    assert violations(crew.database) == []
