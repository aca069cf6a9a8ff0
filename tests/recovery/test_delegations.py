"""Authority that is lent for a time.

How it can fail: it is used before, after, or above what was lent; by somebody else; for one's own draft or the lender's; by two
who are one; lent on; though the lender has left, lost the role, or taken it back while the approval waited; it counts against
nobody, or against the delegate's limits alone; the approval does not say in whose name it was given.
"""

from typing import Any
from uuid import uuid4

import pytest

from helpdesk.kernel.advisory import Alone
from tests.conftest import Caller, Join
from tests.racing import at_once, while_it_waits
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import act, execute, violations
from tests.recovery.lending import (
    Crew,
    approve,
    counted_today,
    decisions,
    granted_by_day,
    in_days,
    lend,
    lent,
    missing,
    new,
    pending,
)

PATH = "/authority-delegations"


class TestLending:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, agent: Caller, senior: Caller) -> None:
        for path in (PATH, f"{PATH}/{NO_ID}"):
            assert anonymous.get(path).status_code == 401
        answer = lend(agent, senior)
        assert (answer.status_code, answer.json["permission"]) == (403, "offer:approve")

    def test_to_somebody_for_a_time(self, manager: Caller, senior: Caller, admin: Caller) -> None:
        made = lent(manager, senior, up_to="500.50")
        assert (made["lender_id"], made["delegate_id"]) == (str(manager.id), str(senior.id))
        assert (made["state"], made["up_to"], made["version"]) == ("active", "500.5", 1)
        assert senior.get(f"{PATH}/{made['id']}").json == made
        told = admin.get("/audit-log?type=authority.lent").json["items"][0]
        assert told["payload"]["changes"]["up_to"] == [None, "500.50"]

    def test_who_sees_it(self, manager: Caller, senior: Caller, join: Join, auditor: Caller) -> None:
        made = lent(manager, senior)
        other = join("senior")
        assert other.get(f"{PATH}/{made['id']}").status_code == 404
        assert other.get(PATH).json["items"] == []
        for caller in (manager, senior, auditor):
            assert [item["id"] for item in caller.get(f"{PATH}?state=active").json["items"]] == [made["id"]]
        assert senior.get(f"{PATH}?lender_id={senior.id}").json["items"] == []

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ({"ends_at": in_days(-1)}, [("/ends_at", "before_start")]),
            ({"ends_at": in_days(32)}, [("/ends_at", "range")]),
            ({"starts_at": in_days(-1)}, [("/starts_at", "past")]),
            ({"starts_at": in_days(400), "ends_at": in_days(401)}, [("/starts_at", "range")]),
            ({"starts_at": "9999-12-31T00:00:00Z", "ends_at": "9999-12-31T01:00:00Z"}, [("/starts_at", "range")]),
            ({"delegate_id": str(uuid4())}, [("/delegate_id", "unknown")]),
            ({"up_to": "0"}, [("/up_to", "invalid")]),
            ({"up_to": "-5"}, [("/up_to", "invalid")]),
            ({"up_to": "1e9"}, [("/up_to", "invalid")]),
            ({"reason": "\u200b"}, [("/reason", "length")]),
            ({"shop": "x"}, [("/shop", "unknown_field")]),
            ({"ends_at": in_days(-1), "delegate_id": str(uuid4())}, [("/ends_at", "before_start"), ("/delegate_id", "unknown")]),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(
        self, manager: Caller, senior: Caller, given: dict[str, Any], found: list[tuple[str, str]]
    ) -> None:
        answer = lend(manager, senior, **given)
        assert (answer.status_code, codes(answer)) == (422, found)

    def test_only_to_who_may_approve_and_not_to_oneself(self, manager: Caller, agent: Caller) -> None:
        assert codes(lend(manager, agent)) == [("/delegate_id", "cannot_approve")]
        assert codes(lend(manager, manager)) == [("/delegate_id", "self")]

    def test_who_has_nothing_lends_nothing(self, admin: Caller, join: Join, senior: Caller) -> None:
        role = {"name": "clerk", "description": "x", "scope": "teams", "authority": "none"}
        admin.post("/roles", role | {"permissions": ["offer:read", "offer:approve", "complaint:read"]})
        assert refused(lend(join("clerk"), senior)) == (403, "forbidden")

    def test_twice_for_one_time_is_once(self, manager: Caller, senior: Caller) -> None:
        made = lent(manager, senior)
        answer = lend(manager, senior, starts_at=in_days(2), ends_at=in_days(4))
        assert (refused(answer), answer.json["delegation_id"]) == ((409, "delegation_overlaps"), made["id"])
        assert lend(manager, senior, starts_at=in_days(3.1), ends_at=in_days(4)).status_code == 201

    def test_two_at_once_are_one(self, manager: Caller, senior: Caller) -> None:
        answers = at_once(*[lambda: lend(manager, senior)] * 3)
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


class TestTakingBack:
    def test_by_whom(self, manager: Caller, senior: Caller, join: Join, auditor: Caller, director: Caller) -> None:
        made = lent(manager, senior)
        path = f"{PATH}/{made['id']}/revoke"
        for stranger, status in ((join("senior"), 404), (join("manager"), 404), (auditor, 404)):
            assert stranger.post(path, {"reason": "x"}, if_match="*").status_code == status
        assert manager.post(path, {"reason": "x"}).status_code == 428
        assert manager.post(path, {"reason": "x"}, if_match='"v9"').status_code == 412
        assert codes(manager.post(path, {}, if_match="*")) == [("/reason", "required")]
        taken = manager.post(path, {"reason": "Back from leave."}, if_match="*").json
        assert (taken["state"], taken["revoked_by"], taken["version"]) == ("revoked", str(manager.id), 2)
        assert refused(director.post(path, {"reason": "x"}, if_match="*")) == (409, "delegation_ended")
        for who in (senior, director):
            path = f"{PATH}/{lent(manager, senior)['id']}/revoke"
            assert who.post(path, {"reason": "x"}, if_match="*").status_code == 200

    def test_what_was_approved_stands(self, crew: Crew) -> None:
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        made = lent(manager, senior)
        offer = pending(agent, new(agent, team), "500.00")
        assert approve(senior, offer).json["status"] == "approved"
        manager.post(f"{PATH}/{made['id']}/revoke", {"reason": "x"}, if_match="*")
        assert senior.get(f"/offers/{offer['id']}").json["status"] == "approved"
        assert violations(database) == []


class TestUsing:
    def test_in_whose_name(self, crew: Crew) -> None:
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        offer = pending(agent, new(agent, team), "500.00")
        assert refused(approve(senior, offer)) == (403, "beyond_authority")
        made = lent(manager, senior)
        assert missing(senior, offer) == []
        done = approve(senior, offer).json
        assert done["status"] == "approved"
        assert (done["approvals"][0]["agent_id"], done["approvals"][0]["in_name_of"]) == (
            str(senior.id),
            str(manager.id),
        )
        kept = decisions(agent, offer)[-1]
        assert (kept["action"], kept["actor_id"], kept["in_name_of"]) == ("approve", str(senior.id), str(manager.id))
        assert (kept["delegation_id"], kept["authority"]) == (made["id"], "manager")
        assert violations(database) == []

    def test_ones_own_authority_comes_first(self, crew: Crew) -> None:
        agent, manager, senior, team = crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior)
        offer = pending(agent, new(agent, team))
        assert approve(senior, offer).json["approvals"][0]["in_name_of"] is None

    def test_a_name_that_is_asked_for(self, crew: Crew) -> None:
        agent, manager, senior, team = crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior)
        offer = pending(agent, new(agent, team))
        answer = approve(senior, offer, in_name_of=str(agent.id))
        assert (answer.status_code, codes(answer)) == (422, [("/in_name_of", "not_lent")])
        done = approve(senior, offer, in_name_of=str(manager.id)).json
        assert done["approvals"][0]["in_name_of"] == str(manager.id)

    def test_not_before_not_after_not_above(self, crew: Crew) -> None:
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        offer = pending(agent, new(agent, team), "500.00")
        made = lent(manager, senior, starts_at=in_days(1), ends_at=in_days(2))
        assert refused(approve(senior, offer)) == (403, "beyond_authority")
        execute(database, "UPDATE authority_delegation SET starts_at = now() - interval '2 days', ends_at = now()")
        assert refused(approve(senior, offer)) == (403, "beyond_authority")
        execute(database, "UPDATE authority_delegation SET ends_at = now() + interval '1 day', up_to = 499.99")
        assert refused(approve(senior, offer)) == (403, "beyond_authority")
        execute(database, "UPDATE authority_delegation SET up_to = 500")
        assert approve(senior, offer).status_code == 200
        assert made["state"] == "scheduled"

    def test_the_refusal_says_why_what_was_lent_does_not_count(self, crew: Crew) -> None:
        """In whichever name it was asked: what one's own authority is worth is said first, and then of every loan."""
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        offer = pending(agent, new(agent, team), "500.00")
        assert "lent" not in approve(senior, offer, in_name_of=str(manager.id)).json
        made = lent(manager, senior, starts_at=in_days(1), ends_at=in_days(2))

        def why(setting: str = "") -> tuple[str, str]:
            if setting:
                execute(database, f"UPDATE authority_delegation SET {setting}")
            answer = approve(senior, offer, in_name_of=str(manager.id))
            assert refused(answer) == (403, "beyond_authority")
            assert [item["limit"] for item in answer.json["limits"]] == ["case", "customer"]
            (loan,) = answer.json["lent"]
            assert (loan["delegation_id"], loan["in_name_of"]) == (made["id"], str(manager.id))
            assert answer.json["detail"].endswith(loan["detail"])
            shown = senior.get(f"/offers/{offer['id']}").json["allowed_actions"]
            assert [each["missing"][0]["detail"] for each in shown if each["action"] == "approve"] == [
                answer.json["detail"]
            ]
            return loan["code"], loan["detail"]

        assert why() == (
            "scheduled",
            f"What {manager.actor.name} lent you does not count: it begins at {made['starts_at'][:10]} {made['starts_at'][11:16]} UTC.",
        )
        assert why("starts_at = now() - interval '2 days', ends_at = now()")[0] == "ended"
        assert why("ends_at = now() + interval '1 day', up_to = 499.99") == (
            "lent_less",
            f"What {manager.actor.name} lent you does not count: it is for offers up to 499.99 EUR.",
        )
        assert why("up_to = NULL, revoked_at = now(), revoked_by = lender_id, revoke_reason = 'x'")[0] == "revoked"
        execute(database, "UPDATE authority_delegation SET revoked_at = NULL, revoked_by = NULL, revoke_reason = NULL")
        assert approve(senior, offer, in_name_of=str(manager.id)).status_code == 200

    def test_the_refusal_says_that_the_lender_has_not_enough_either(self, crew: Crew) -> None:
        agent, manager, senior, team = crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior)
        answer = approve(senior, pending(agent, new(agent, team), "1000.01"))
        (loan,) = answer.json["lent"]
        assert (loan["code"], [item["limit"] for item in loan["limits"]]) == ("beyond_authority", ["case"])

    def test_the_refusal_says_that_the_lender_is_another_now(self, crew: Crew) -> None:
        agent, admin, senior, team = crew.agent, crew.admin, crew.senior, crew.team
        lender = crew.join("manager")
        lent(lender, senior)
        offer = pending(agent, new(agent, team), "500.00")
        admin.patch(f"/agents/{lender.id}", {"role": "agent"}, if_match="*")
        assert [item["code"] for item in approve(senior, offer).json["lent"]] == ["cannot_approve"]
        admin.patch(f"/agents/{lender.id}", {"active": False}, if_match="*")
        assert [item["code"] for item in approve(senior, offer).json["lent"]] == ["void"]

    def test_a_name_whose_loan_is_over_where_ones_own_is_enough(self, crew: Crew) -> None:
        agent, manager, senior, team = crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior)
        execute(crew.database, "UPDATE authority_delegation SET starts_at = now() - interval '2 days', ends_at = now()")
        answer = approve(senior, pending(agent, new(agent, team)), in_name_of=str(manager.id))
        assert (answer.status_code, codes(answer)) == (422, [("/in_name_of", "not_lent")])
        assert "it ended at" in answer.json["errors"][0]["detail"]

    def test_a_name_whose_loan_is_for_less_where_ones_own_is_enough(self, crew: Crew) -> None:
        agent, manager, senior, team = crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior, up_to="10.00")
        answer = approve(senior, pending(agent, new(agent, team)), in_name_of=str(manager.id))
        assert refused(answer) == (403, "beyond_authority")
        assert [item["limit"] for item in answer.json["limits"]] == ["lent"]
        assert [item["code"] for item in answer.json["lent"]] == ["lent_less"]
        assert "beyond your authority" not in answer.json["detail"]

    def test_neither_ones_own_draft_nor_the_lenders(self, crew: Crew) -> None:
        manager, senior, team, director = crew.manager, crew.senior, crew.team, crew.director
        lent(director, senior)
        lent(manager, senior)
        own = pending(senior, new(senior, team), "300.00")
        assert refused(approve(senior, own)) == (403, "own_approval")
        theirs = pending(manager, new(manager, team, "wu@example.com"), "1500.00")
        assert refused(approve(senior, theirs, in_name_of=str(manager.id))) == (403, "own_approval")
        assert approve(senior, theirs, in_name_of=str(director.id)).json["status"] == "approved"

    def test_it_is_not_lent_on(self, crew: Crew) -> None:
        agent, join, director, team = crew.agent, crew.join, crew.director, crew.team
        between, last = join("senior"), join("senior")
        lent(director, between)
        lent(between, last)
        offer = pending(agent, new(agent, team), "5000.00")
        assert refused(approve(last, offer)) == (403, "beyond_authority")
        assert approve(between, offer).status_code == 200

    def test_it_ends_with_the_lender(self, crew: Crew) -> None:
        agent, admin, senior, join, team = crew.agent, crew.admin, crew.senior, crew.join, crew.team
        lender = join("manager")
        made = lent(lender, senior)
        offer = pending(agent, new(agent, team), "500.00")
        assert admin.patch(f"/agents/{lender.id}", {"active": False}, if_match="*").status_code == 200
        assert refused(approve(senior, offer)) == (403, "beyond_authority")
        assert senior.get(f"{PATH}/{made['id']}").json["state"] == "void"
        admin.patch(f"/agents/{lender.id}", {"active": True, "role": "agent"}, if_match="*")
        assert refused(approve(senior, offer)) == (403, "beyond_authority")

    def test_it_counts_in_the_lenders_day(self, crew: Crew) -> None:
        """5 000 a day are a manager's, in whosever hand."""
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior)
        for number in range(5):
            offer = pending(agent, new(agent, team, f"{number}@example.com"), "1000.00")
            assert approve((senior, manager)[number % 2], offer, in_name_of=str(manager.id)).status_code == 200
        last = pending(agent, new(agent, team, "last@example.com"), "201.00")
        own = pending(agent, new(agent, team, "own@example.com"), "60.00")
        with counted_today(database):
            for caller, limits in ((senior, ["case", "day"]), (manager, ["day"])):
                answer = approve(caller, last)
                assert [item["limit"] for item in answer.json["limits"]] == limits
            assert refused(approve(senior, own)) == (403, "beyond_authority")  # 3 000 in the senior's own day, of 2 000
        assert violations(database) == []

    def test_two_signatures_are_of_two(self, crew: Crew) -> None:
        """Neither the lender nor another delegate of theirs is a second person."""
        database, agent, senior, join, director, team = (
            crew.database,
            crew.agent,
            crew.senior,
            crew.join,
            crew.director,
            crew.team,
        )
        other, second = join("senior"), join("director")
        lent(director, senior)
        lent(director, other)
        offer = pending(agent, new(agent, team), "10000.01")
        assert approve(senior, offer).json["status"] == "pending_approval"
        for caller, code in ((senior, "own_approval"), (other, "beyond_authority"), (director, "own_approval")):
            assert refused(approve(caller, offer)) == (403, code)
        lent(second, senior)
        assert refused(approve(senior, offer)) == (403, "own_approval")
        assert approve(second, offer).json["status"] == "approved"
        assert violations(database) == []

    def test_a_key_borrows_nothing(self, crew: Crew) -> None:
        agent, admin, director, team = crew.agent, crew.admin, crew.director, crew.team
        lent(director, admin)
        key = admin.post(
            "/api-keys",
            {"name": "k", "permissions": ["offer:approve", "offer:read", "complaint:read"], "scope": "everything"},
        )
        offer = pending(agent, new(agent, team))
        caller = Caller(admin.client, None, key.json["key"])
        assert refused(approve(caller, offer)) == (403, "beyond_authority")


class TestAtOnce:
    def test_taken_back_while_the_approval_waits(self, crew: Crew) -> None:
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        lent(manager, senior)
        offer = pending(agent, new(agent, team), "500.00")
        answer = while_it_waits(
            database.engine,
            f"SELECT pg_advisory_xact_lock({Alone.AUTHORITY_RULES.value})",
            lambda: approve(senior, offer),
            "UPDATE authority_delegation SET revoked_at = clock_timestamp(), revoked_by = lender_id, revoke_reason = 'x'",
        )
        assert refused(answer) == (403, "beyond_authority")
        assert violations(database) == []

    def test_approved_and_taken_back_at_once(self, crew: Crew) -> None:
        database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
        made = lent(manager, senior)
        offer = pending(agent, new(agent, team), "500.00")
        answers = at_once(
            lambda: approve(senior, offer),
            lambda: manager.post(f"{PATH}/{made['id']}/revoke", {"reason": "x"}, if_match="*"),
        )
        assert answers[1].status_code == 200
        assert answers[0].status_code in {200, 403}
        assert violations(database) == []

    def test_two_of_a_lenders_names_share_one_limit(self, crew: Crew) -> None:
        database, agent, manager, senior, join, team = (
            crew.database,
            crew.agent,
            crew.manager,
            crew.senior,
            crew.join,
            crew.team,
        )
        other = join("senior")
        lent(manager, senior)
        lent(manager, other)
        offers = [pending(agent, new(agent, team, f"{number}@example.com"), "1000.00") for number in range(6)]
        for offer in offers[:4]:
            assert approve(senior, offer, in_name_of=str(manager.id)).status_code == 200
        with counted_today(database):
            answers = at_once(
                *(
                    lambda who=who, offer=offer: approve(who, offer, in_name_of=str(manager.id))
                    for who, offer in zip((other, manager), offers[4:], strict=True)
                )
            )
        by_day = granted_by_day(database, offers[4:])  # two days, where midnight came between the two
        assert sorted(answer.status_code for answer in answers) == ([200, 403] if by_day == [1] else [200, 200])
        assert violations(database) == []


def test_what_verify_finds(crew: Crew) -> None:
    database, agent, manager, senior, team = crew.database, crew.agent, crew.manager, crew.senior, crew.team
    lent(manager, senior)
    offer = pending(agent, new(agent, team), "500.00")
    approve(senior, offer)
    act(senior, offer, "offer")
    execute(
        database,
        "UPDATE authority_delegation SET ends_at = now() - interval '1 hour', starts_at = now() - interval '2 hours'",
    )
    assert [line.split(": ", 2)[::2] for line in violations(database)] == [
        ["recovery.approvals_within_authority", "step 2 is by a delegation that did not hold then"]
    ]
