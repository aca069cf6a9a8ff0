"""Compensation for a matter that was compensated already, through HTTP.

How it can fail: two drafts at once on two complaints of one customer each see the other missing; the refusal tells of a complaint
that its reader may not see; what came to nothing counts, or what is past the window; another order of the same customer counts;
what is still owed is refused; a reason is not asked for, or not kept; a merge hides what was given on the other complaint.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merging import merge, unmerge
from tests.complaints.steps import GOOD
from tests.complaints.test_custom_fields import define
from tests.complaints.test_links import link
from tests.conftest import Caller, make_team
from tests.racing import at_once
from tests.recovery.answers import LETTER, codes, refused
from tests.recovery.helpers import act, another, delivered, draft, eur, execute, new, scalar, violations, voucher

OTHER = {"name": "Ana Costa", "email": "ana.costa@example.com", "language": "en"}


@pytest.fixture
def first(agent: Caller, budget: str, team: UUID) -> dict[str, Any]:
    """A complaint of Li Wei's with a voucher of 30.00 approved."""
    complaint = new(agent, team)
    act(agent, draft(agent, complaint, voucher("30.00")), "submit")
    return complaint


def offer(caller: Caller, complaint: dict[str, Any], amount: str = "20.00", **more: Any) -> Any:
    return caller.post(f"/complaints/{complaint['reference']}/offers", voucher(amount) | more)


def given(caller: Caller, complaint: dict[str, Any]) -> Any:
    return caller.get(f"/complaints/{complaint['reference']}/compensations")


class TestRefused:
    def test_anonymous(self, anonymous: Caller, first: dict[str, Any]) -> None:
        assert given(anonymous, first).status_code == 401

    def test_of_what_one_does_not_see(self, stranger: Caller, first: dict[str, Any]) -> None:
        assert given(stranger, first).status_code == 404

    def test_with_the_evidence(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        answer = offer(agent, new(agent, team))
        assert refused(answer) == (409, "already_compensated")
        (found,) = answer.json["offers"]
        assert (found["complaint_reference"], found["amount"]) == (first["reference"], eur("30.00"))
        assert (found["kind"], found["status"]) == ("voucher", "approved")
        assert found["shares"] == ["customer", "email", "issue:DEL.LATE"]
        sums = {name: answer.json[name] for name in ("given", "with_this", "owed", "hidden")}
        assert sums == {"given": eur("30.00"), "with_this": eur("50.00"), "owed": eur("0.00"), "hidden": 0}

    def test_a_draft_counts_and_what_came_to_nothing_does_not(self, agent: Caller, budget: str, team: UUID) -> None:
        one, other = new(agent, team), new(agent, team)
        drafted = draft(agent, one)
        assert refused(offer(agent, other)) == (409, "already_compensated")
        act(agent, drafted, "withdraw")
        assert offer(agent, other).status_code == 201

    def test_with_another_address_and_the_same_number(self, agent: Caller, budget: str, team: UUID) -> None:
        phone = {"phone": "+49 (30) 555-01234"}
        draft(agent, new(agent, team, complainant=OTHER | phone))
        second = new(agent, team, complainant={"name": "A. Costa", "phone": "030 55501234"})
        answer = offer(agent, second)
        assert refused(answer) == (409, "already_compensated")
        assert answer.json["offers"][0]["shares"] == ["phone", "issue:DEL.LATE"]

    def test_linked_as_a_duplicate_of_somebody_elses(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        second = new(agent, team, complainant=OTHER, issues=[{"category": "BIL"}])
        assert offer(agent, second).status_code == 201
        third = new(agent, team, complainant=OTHER | {"email": "else@example.com"}, issues=[{"category": "BIL"}])
        link(agent, third, "duplicate_of", first)
        answer = offer(agent, third)
        assert refused(answer) == (409, "already_compensated")
        assert answer.json["offers"][0]["shares"] == ["duplicate"]

    def test_what_a_merge_brought(
        self, program: Program, agent: Caller, manager: Caller, budget: str, team: UUID
    ) -> None:
        source, survivor = new(agent, team), new(agent, team)
        delivered(program, agent, source, voucher("30.00"))
        merge(manager, source, survivor)
        answer = offer(agent, survivor)
        assert refused(answer) == (409, "already_compensated")
        assert answer.json["offers"][0]["shares"] == ["merged"]

    def test_what_the_caller_does_not_see_is_counted_and_not_told(
        self, database: Database, agent: Caller, manager: Caller, budget: str, team: UUID
    ) -> None:
        hidden = new(manager, make_team(database, "Elsewhere"))
        act(manager, draft(manager, hidden, voucher("30.00")), "submit")
        answer = offer(agent, new(agent, team))
        assert refused(answer) == (409, "already_compensated")
        assert (answer.json["offers"], answer.json["hidden"], answer.json["given"]) == ([], 1, eur("30.00"))
        assert hidden["reference"] not in answer.text
        assert hidden["id"] not in answer.text


class TestParted:
    """What was one complaint when the offer was drafted."""

    BOTH = ({"category": "DEL", "issue": "DEL.LATE"}, {"category": "BIL", "issue": "BIL.FEE"})

    @pytest.mark.parametrize("more", [{}, {"complainant": OTHER}])
    def test_a_merge_that_was_undone(
        self, program: Program, agent: Caller, manager: Caller, budget: str, team: UUID, more: dict[str, Any]
    ) -> None:
        source = new(agent, team)
        survivor = new(agent, team, issues=[self.BOTH[1]], **more)
        merge(manager, source, survivor, other_complainant=bool(more))
        for_both = delivered(program, agent, survivor, voucher("30.00"))
        unmerge(manager, source)
        answer = offer(agent, source)
        assert refused(answer) == (409, "already_compensated")
        (found,) = answer.json["offers"]
        assert (found["offer_id"], "was_merged" in found["shares"]) == (for_both["id"], True)
        assert [item["offer_id"] for item in given(agent, source).json["offers"]] == [for_both["id"]]
        reason: dict[str, Any] = {"allow_duplicate": True, "duplicate_reason": "The voucher was for the fee alone."}
        assert offer(agent, source, **reason).status_code == 201

    def test_what_was_drafted_when_they_were_two_counts_for_neither(
        self, agent: Caller, manager: Caller, budget: str, team: UUID
    ) -> None:
        source, survivor = new(agent, team), new(agent, team, issues=[self.BOTH[1]])
        draft(agent, survivor)
        merge(manager, source, survivor)
        unmerge(manager, source)
        draft(agent, survivor, voucher("7.00"))
        assert given(agent, source).json["offers"] == []
        assert offer(agent, source).status_code == 201

    def test_a_part_that_was_split_off(
        self, program: Program, database: Database, agent: Caller, manager: Caller, budget: str, team: UUID
    ) -> None:
        whole = new(agent, team, issues=list(self.BOTH), complainant={"name": "A passer-by"})
        for_both = delivered(program, agent, whole, voucher("30.00"))
        part = split_off(manager, whole, 0)
        draft(agent, whole, voucher("7.00"))  # for what is left of it
        answer = offer(agent, part)
        assert refused(answer) == (409, "already_compensated")
        (found,) = answer.json["offers"]
        assert (found["offer_id"], found["shares"]) == (for_both["id"], ["split", "issue:DEL.LATE"])
        without = "UPDATE offer SET suggestion = suggestion - 'issues'"  # drafted by an earlier release
        execute(database, without)
        assert given(agent, part).json["offers"][0]["shares"] == ["split"]

    def test_an_issue_that_was_corrected(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        triage = GOOD["triage"] | {"category": "BIL", "issue": "BIL.FEE"}
        assert agent.post(f"/complaints/{first['reference']}/actions/triage", triage).status_code == 200
        for issue in self.BOTH:
            answer = offer(agent, new(agent, team, issues=[issue]))
            assert refused(answer) == (409, "already_compensated")
            assert answer.json["offers"][0]["shares"][-1] == f"issue:{issue['issue']}"


def split_off(caller: Caller, complaint: dict[str, Any], place: int) -> dict[str, Any]:
    body = {"issues": [complaint["issues"][place]["id"]], "reason": "Two matters."}
    body |= {"subject": "The parcel", "description": "It came late."}
    answer = caller.post(f"/complaints/{complaint['reference']}/split", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


class TestNotRefused:
    def test_another_issue(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        assert offer(agent, new(agent, team, issues=[{"category": "BIL"}])).status_code == 201

    def test_somebody_else(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        assert offer(agent, new(agent, team, complainant=OTHER)).status_code == 201

    def test_what_costs_nothing(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        draft(agent, new(agent, team), LETTER)

    def test_past_the_window(self, agent: Caller, first: dict[str, Any], database: Database, team: UUID) -> None:
        execute(database, "UPDATE offer SET created_at = created_at - interval '31 days'")
        assert offer(agent, new(agent, team)).status_code == 201

    def test_another_order_is_another_matter(self, agent: Caller, manager: Caller, budget: str, team: UUID) -> None:
        define(manager, "order_number")
        one, other, same = (
            new(agent, team, custom_fields={"order_number": number}) for number in ("A-0001", "A-0002", "A-0001")
        )
        draft(agent, one)
        assert offer(agent, other).status_code == 201
        answer = offer(agent, same)
        assert refused(answer) == (409, "already_compensated")
        assert [item["shares"] for item in answer.json["offers"]] == [
            ["customer", "email", "reference", "issue:DEL.LATE"]
        ]

    def test_a_number_in_a_source_names_no_order(self, agent: Caller, budget: str, team: UUID) -> None:
        """Two sources count each for itself; of one, each complaint has a number of its own."""
        fee = [{"category": "BIL", "issue": "BIL.FEE"}]
        draft(agent, new(agent, team, source="depot", external_id="17"))
        other = new(agent, team, source="shop", external_id="17", complainant=OTHER, issues=fee)
        assert given(agent, other).json["offers"] == []
        assert offer(agent, other).status_code == 201
        again = offer(agent, new(agent, team, source="depot", external_id="18"))
        assert refused(again) == (409, "already_compensated")
        assert [item["shares"] for item in again.json["offers"]] == [["customer", "email", "issue:DEL.LATE"]]

    def test_what_was_given_in_another_currency(
        self, agent: Caller, manager: Caller, first: dict[str, Any], team: UUID
    ) -> None:
        pounds = new(agent, team, price={"amount": "200.00", "currency": "GBP"})
        found = given(agent, pounds).json
        assert (found["given"]["amount"], found["sums"]) == ("0.00", [eur("30.00")])
        second = new(agent, team)
        assert refused(offer(agent, second)) == (409, "already_compensated")
        assert offer(agent, second).json["sums"] == [eur("30.00")]
        assert given(agent, new(agent, team, complainant=OTHER)).json["sums"] == []

    def test_up_to_what_is_owed(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        second = new(agent, team, loss=eur("60.00"))
        assert offer(agent, second, "30.00").status_code == 201
        assert refused(offer(agent, second, "30.01")) == (409, "already_compensated")


class TestAllowed:
    def test_needs_a_reason(self, agent: Caller, first: dict[str, Any], team: UUID) -> None:
        answer = offer(agent, new(agent, team), allow_duplicate=True)
        assert (answer.status_code, codes(answer)) == (422, [("/duplicate_reason", "required")])

    def test_a_second_like_one_on_one_complaint_needs_none(self, agent: Caller, first: dict[str, Any]) -> None:
        assert refused(offer(agent, first, "30.00")) == (409, "duplicate_offer")
        assert offer(agent, first, "30.00", allow_duplicate=True).status_code == 201

    def test_the_reason_is_kept_told_and_reported(
        self, database: Database, agent: Caller, manager: Caller, first: dict[str, Any], team: UUID
    ) -> None:
        second = new(agent, team)
        made = offer(agent, second, allow_duplicate=True, duplicate_reason="Two parcels.")
        assert made.status_code == 201
        assert refused(agent.get("/reports/duplicate-overrides")) == (403, "forbidden")
        (item,) = manager.get("/reports/duplicate-overrides").json["items"]
        assert (item["offer_id"], item["reason"], item["actor_id"]) == (made.json["id"], "Two parcels.", str(agent.id))
        assert (item["given"], item["offers"], item["shares"]) == (
            eur("30.00"), 1, ["customer", "email", "issue:DEL.LATE"],
        )  # fmt: skip
        story = agent.get(f"/complaints/{second['reference']}/timeline?limit=200").json["items"]
        told = next(line for line in story if line["type"] == "offer.duplicate_allowed")
        assert told["payload"]["reason"] == "Two parcels."
        assert first["id"] not in str(told)
        assert violations(database) == []

    def test_the_book_of_reasons_is_never_changed(
        self, database: Database, agent: Caller, first: dict[str, Any], team: UUID
    ) -> None:
        offer(agent, new(agent, team), allow_duplicate=True, duplicate_reason="Two parcels.")
        with pytest.raises(Exception, match="never changed"), database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE duplicate_override SET reason = 'None.'")
        execute(database, "UPDATE duplicate_override SET found = '[]'")
        assert any("recovery.duplicate_overrides" in line for line in violations(database))


class TestAtOnce:
    def test_two_drafts_on_two_complaints_of_one_customer(
        self, database: Database, agent: Caller, budget: str, team: UUID
    ) -> None:
        beside = another(agent)
        for _ in range(3):
            execute(database, "UPDATE offer SET created_at = created_at - interval '31 days'")
            self.draft_both(agent, beside, new(agent, team), new(agent, team))
        assert scalar(database, "SELECT count(*) FROM offer") == 3

    def draft_both(self, agent: Caller, beside: Caller, one: dict[str, Any], other: dict[str, Any]) -> None:
        answers = at_once(lambda: offer(agent, one), lambda: offer(beside, other))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
