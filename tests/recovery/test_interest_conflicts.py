"""Conflicts of interest as data.

How it can fail: a conflict that holds bars nobody, or the wrong one; one that is over or not begun bars; it bars the approval but
not the approval in one's name, or one's own submission; who has it ends it; a merge of the complaint makes it forgotten; somebody
reads who is married to whom.
"""

from typing import Any
from uuid import uuid4

import pytest

from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.kernel.advisory import Alone
from tests.conftest import Caller, Join
from tests.racing import while_it_waits
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import act, draft, execute, violations, voucher
from tests.recovery.lending import Crew, approve, in_days, lent, missing, new, pending

PATH = "/interest-conflicts"


def declared(caller: Caller, kind: str = "family", **given: Any) -> dict[str, Any]:
    answer = caller.post(PATH, {"kind": kind} | given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def end(caller: Caller, conflict: dict[str, Any], reason: str = "Over.") -> Any:
    return caller.post(f"{PATH}/{conflict['id']}/end", {"reason": reason}, if_match="*")


class TestDeclaring:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, auditor: Caller, agent: Caller, senior: Caller) -> None:
        for path in (PATH, f"{PATH}/{NO_ID}"):
            assert anonymous.get(path).status_code == 401
        assert auditor.post(PATH, {"kind": "family", "colleague_id": str(agent.id)}).status_code == 403
        others = {"kind": "family", "agent_id": str(senior.id), "colleague_id": str(agent.id)}
        answer = agent.post(PATH, others)
        assert (answer.status_code, answer.json["permission"]) == (403, "conflict:manage")

    def test_ones_own_and_what_is_recorded_of_others(
        self, agent: Caller, senior: Caller, manager: Caller, admin: Caller, join: Join
    ) -> None:
        mine = declared(senior, colleague_id=str(agent.id), note="Married.")
        assert (mine["agent_id"], mine["declared_by"], mine["ends_at"]) == (str(senior.id), str(senior.id), None)
        recorded = declared(manager, "reports_to", agent_id=str(agent.id), colleague_id=str(senior.id))
        assert [item["id"] for item in senior.get(PATH).json["items"]] == [mine["id"]]
        assert [item["id"] for item in manager.get(f"{PATH}?standing=true").json["items"]] == [
            recorded["id"],
            mine["id"],
        ]
        assert join("senior").get(f"{PATH}/{mine['id']}").status_code == 404
        told = admin.get("/audit-log?type=conflict.declared").json["items"]
        assert told[-1]["payload"]["changes"]["colleague_id"] == [None, str(agent.id)]

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ({}, [("/colleague_id", "required")]),
            ({"colleague_id": str(uuid4()), "customer_id": str(uuid4())}, [("/customer_id", "invalid")]),
            ({"colleague_id": str(uuid4())}, [("/colleague_id", "unknown")]),
            ({"customer_id": str(uuid4())}, [("/customer_id", "unknown")]),
            ({"complaint": "7K3M-9QX2-TAM"}, [("/complaint", "unknown")]),
            ({"kind": "reports_to", "customer_id": str(uuid4())}, [("/colleague_id", "required")]),
            ({"kind": "subject", "customer_id": str(uuid4())}, [("/complaint", "required")]),
            ({"kind": "rival", "customer_id": str(uuid4())}, [("/kind", "choice")]),
            (
                {"customer_id": str(uuid4()), "starts_at": in_days(-1), "ends_at": in_days(-2)},
                [("/customer_id", "unknown"), ("/starts_at", "past"), ("/ends_at", "before_start")],
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, senior: Caller, given: dict[str, Any], found: list[tuple[str, str]]) -> None:
        answer = senior.post(PATH, {"kind": "family"} | given)
        assert (answer.status_code, codes(answer)) == (422, found)

    def test_nobody_with_themselves(self, manager: Caller, senior: Caller) -> None:
        given = {"kind": "family", "agent_id": str(senior.id), "colleague_id": str(senior.id)}
        assert codes(manager.post(PATH, given)) == [("/colleague_id", "self")]
        given = {"kind": "family", "colleague_id": str(senior.id)}
        assert codes(senior.post(PATH, given)) == [("/colleague_id", "self")]


class TestEnding:
    def test_not_by_whose_it_is(self, crew: Crew) -> None:
        mine = declared(crew.senior, colleague_id=str(crew.agent.id))
        assert refused(end(crew.senior, mine)) == (403, "forbidden")
        assert refused(end(crew.agent, mine)) == (404, "not_found")
        managers = declared(crew.manager, colleague_id=str(crew.agent.id))
        assert refused(end(crew.manager, managers)) == (403, "forbidden")
        assert end(crew.director, managers).status_code == 200
        over = end(crew.manager, mine, "Divorced.").json
        assert (over["end_reason"], over["version"], over["ends_at"] is None) == ("Divorced.", 2, False)
        assert refused(end(crew.manager, mine)) == (409, "conflict_over")

    def test_what_has_not_begun_never_does(self, crew: Crew) -> None:
        mine = declared(crew.senior, colleague_id=str(crew.agent.id), starts_at=in_days(3))
        over = end(crew.manager, mine).json
        assert over["ends_at"] == over["starts_at"]


class TestBarring:
    def test_either_of_two_colleagues(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        conflict = declared(crew.agent, colleague_id=str(crew.senior.id))
        answer = approve(crew.senior, offer)
        assert (refused(answer), answer.json["kind"]) == ((403, "conflict_of_interest"), "family")
        assert missing(crew.senior, offer) == [ConflictOfInterest.code]
        assert crew.senior.get("/approvals").json["items"] == []
        end(crew.manager, conflict)
        assert approve(crew.senior, offer).json["status"] == "approved"
        assert violations(crew.database) == []

    def test_who_reports_to_somebody_does_not_approve_theirs(self, crew: Crew) -> None:
        declared(crew.manager, "reports_to", agent_id=str(crew.senior.id), colleague_id=str(crew.director.id))
        bosses = pending(crew.director, new(crew.agent, crew.team), "10001.00")
        declared(crew.manager, "reports_to", agent_id=str(crew.agent.id), colleague_id=str(crew.senior.id))
        theirs = pending(crew.agent, new(crew.agent, crew.team, "wu@example.com"))
        assert refused(approve(crew.senior, bosses))[1] == "conflict_of_interest"
        assert approve(crew.senior, theirs).json["status"] == "approved"

    @pytest.mark.parametrize("target", ["customer_id", "complaint"])
    def test_with_the_customer_or_the_complaint(self, crew: Crew, target: str) -> None:
        complaint = new(crew.agent, crew.team)
        value = complaint["reference"] if target == "complaint" else complaint["customer_id"]
        declared(crew.senior, "friend", **{target: value})
        offer = pending(crew.agent, complaint)
        assert approve(crew.senior, offer).json["kind"] == "friend"
        mine = act(crew.senior, draft(crew.senior, complaint, voucher("1.00")), "submit")
        assert mine["status"] == "pending_approval"  # nor what they draft themselves
        assert approve(crew.manager, offer).json["status"] == "approved"

    def test_not_before_it_begins_nor_after_it_ends(self, crew: Crew) -> None:
        declared(crew.senior, colleague_id=str(crew.agent.id), starts_at=in_days(1), ends_at=in_days(2))
        first = pending(crew.agent, new(crew.agent, crew.team))
        assert missing(crew.senior, first) == []
        execute(crew.database, "UPDATE interest_conflict SET starts_at = now() - interval '1 day', ends_at = now()")
        assert missing(crew.senior, first) == []
        execute(crew.database, "UPDATE interest_conflict SET ends_at = now() + interval '1 day'")
        assert missing(crew.senior, first) == ["conflict_of_interest"]

    def test_nor_in_the_name_of_who_is_in_conflict(self, crew: Crew) -> None:
        lent(crew.manager, crew.senior)
        declared(crew.manager, colleague_id=str(crew.agent.id))
        offer = pending(crew.agent, new(crew.agent, crew.team), "500.00")
        assert refused(approve(crew.senior, offer)) == (403, "beyond_authority")
        lent(crew.director, crew.senior)
        assert approve(crew.senior, offer).json["approvals"][0]["in_name_of"] == str(crew.director.id)

    def test_it_goes_with_the_complaint_that_was_merged(self, crew: Crew) -> None:
        survivor, source = new(crew.agent, crew.team), new(crew.agent, crew.team)
        declared(crew.senior, complaint=source["reference"])
        merged = crew.manager.post(
            f"/complaints/{source['reference']}/merge",
            {"into": survivor["reference"], "reason": "The same."},
            if_match="*",
        )
        assert merged.status_code == 201, merged.text
        offer = pending(crew.agent, survivor)
        assert refused(approve(crew.senior, offer)) == (403, "conflict_of_interest")

    def test_declared_while_the_approval_waits(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        answer = while_it_waits(
            crew.database.engine,
            f"SELECT pg_advisory_xact_lock({Alone.AUTHORITY_RULES.value})",
            lambda: approve(crew.senior, offer),
            f"""INSERT INTO interest_conflict (id, agent_id, kind, colleague_id, starts_at)
                VALUES (gen_random_uuid(), '{crew.senior.id}', 'family', '{crew.agent.id}', clock_timestamp())""",
        )
        assert refused(answer) == (403, "conflict_of_interest")

    def test_what_verify_finds(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        approve(crew.senior, offer)
        declared(crew.senior, colleague_id=str(crew.agent.id))
        assert violations(crew.database) == []  # it is later than the approval
        execute(crew.database, "UPDATE interest_conflict SET starts_at = now() - interval '1 day'")
        assert ["in conflict" in line for line in violations(crew.database)] == [True]
