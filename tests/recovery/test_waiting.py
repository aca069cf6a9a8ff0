"""The queue of approvals, decisions with their reasons, and what is overdue.

How it can fail: the queue shows what one could not approve, or not what one could; pages skip or repeat; it is told late, twice, to
whoever drafted it, to who may not see it, or after it was decided; the due time forgets a team's calendar; a decision does not say
why, or by which limits; limits that were lowered meanwhile are not gone by.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from helpdesk.identity.allowances import SHIPPED
from helpdesk.kernel.advisory import Alone
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.sla import due_times
from tests.conftest import Caller, make_team
from tests.racing import at_once, while_it_waits
from tests.recovery.answers import LETTER, codes, refused
from tests.recovery.helpers import act, draft, eur, execute, scalar, violations, voucher
from tests.recovery.lending import Crew, approve, decisions, lent, new, pending


def queue(caller: Caller, query: str = "") -> list[str]:
    answer = caller.get(f"/approvals?{query}")
    assert answer.status_code == 200, answer.text
    return [item["offer_id"] for item in answer.json["items"]]


def limits(caller: Caller, **given: Any) -> Any:
    return caller.put("/authority-limits", {**SHIPPED, "reason": "x"} | given, if_match="*")


def late(database: Database) -> None:
    execute(
        database,
        "UPDATE approval_request SET due_at = now() - interval '1 hour', asked_at = now() - interval '9 hours'",
    )


class TestQueue:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, agent: Caller) -> None:
        for path in ("/approvals", "/approvals/counts"):
            assert anonymous.get(path).status_code == 401
            answer = agent.get(path)
            assert (answer.status_code, answer.json["permission"]) == (403, "offer:approve")

    def test_for_whom_it_waits(self, crew: Crew) -> None:
        small = pending(crew.agent, new(crew.agent, crew.team, "a@example.com"))
        large = pending(crew.agent, new(crew.agent, crew.team, "b@example.com"), "500.00")
        huge = pending(crew.agent, new(crew.agent, crew.team, "c@example.com"), "10001.00")
        own = pending(crew.senior, new(crew.senior, crew.team, "d@example.com"), "300.00")
        assert queue(crew.senior) == [small["id"]]
        assert queue(crew.manager) == [small["id"], large["id"], own["id"]]
        assert queue(crew.director) == [small["id"], large["id"], huge["id"], own["id"]]
        lent(crew.manager, crew.senior)
        listed = crew.senior.get("/approvals?count=true").json
        assert [(item["offer_id"], item["in_name_of"]) for item in listed["items"]] == [
            (small["id"], None),
            (large["id"], str(crew.manager.id)),
        ]
        assert listed["total"] == 2
        counts = crew.director.get("/approvals/counts").json
        assert (counts["waiting"], counts["second_needed"], counts["overdue"], counts["flagged"]) == (4, 1, 0, 0)
        stranger = crew.join("senior", team_ids=[make_team(crew.database, "Elsewhere")])
        assert queue(stranger) == []

    def test_what_one_has_signed_waits_for_another(self, crew: Crew) -> None:
        huge = pending(crew.agent, new(crew.agent, crew.team), "10001.00")
        approve(crew.director, huge)
        assert queue(crew.director) == []
        assert queue(crew.join("director")) == [huge["id"]]

    def test_pages_in_the_order_in_which_they_are_due(self, crew: Crew) -> None:
        offers = [pending(crew.agent, new(crew.agent, crew.team, f"{n}@example.com")) for n in range(5)]
        beyond = pending(crew.agent, new(crew.agent, crew.team, "x@example.com"), "5000.00")
        for place, offer in enumerate([*reversed(offers), beyond]):
            execute(
                crew.database,
                f"UPDATE approval_request SET due_at = asked_at + interval '{place} hours' WHERE offer_id = :id",
                id=offer["id"],
            )
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = crew.senior.get(f"/approvals?limit=2{cursor and f'&cursor={cursor}'}").json
            seen += [item["offer_id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert seen == [offer["id"] for offer in reversed(offers)]

    def test_what_is_overdue(self, crew: Crew) -> None:
        first = pending(crew.agent, new(crew.agent, crew.team))
        late(crew.database)
        second = pending(crew.agent, new(crew.agent, crew.team, "wu@example.com"))
        assert queue(crew.senior, "overdue=true") == [first["id"]]
        assert queue(crew.senior, "overdue=false") == [second["id"]]
        counts = crew.senior.get("/approvals/counts").json
        assert (counts["waiting"], counts["overdue"]) == (2, 1)
        assert counts["next_due_at"] == crew.senior.get("/approvals?overdue=false").json["items"][0]["due_at"]

    @pytest.mark.parametrize("action", ["approve", "refuse", "withdraw", "revoke"])
    def test_it_waits_until_it_is_decided(self, crew: Crew, action: str) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        who = {"withdraw": crew.agent, "revoke": crew.manager}.get(action, crew.senior)
        given = {"reason": "Not so."} if action in {"refuse", "revoke"} else {}
        act(who, offer, action, **given)
        assert queue(crew.senior) == []
        assert violations(crew.database) == []
        if action == "refuse":
            act(crew.agent, offer, "submit")
            assert queue(crew.senior) == [offer["id"]]
            assert violations(crew.database) == []


class TestDue:
    START = datetime.fromisoformat("2026-03-06T16:00:00+00:00")  # a Friday

    def test_by_the_hours_of_the_default_policy(self, database: Database) -> None:
        with database.reader() as session:
            due = due_times.after_hours(session, None, self.START, 8, business=True)
            assert due.date().isoformat() == "2026-03-09"  # on Monday
            assert due_times.after_hours(session, None, self.START, 8, business=False) == self.START + timedelta(
                hours=8
            )

    def test_by_the_calendar_of_the_team(self, crew: Crew) -> None:
        weekly = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
        made = crew.manager.post("/sla/calendars", {"name": "Always", "timezone": "UTC", "weekly_hours": weekly})
        assert made.status_code == 201, made.text
        path = f"/sla/teams/{crew.team}/calendar"
        answer = crew.manager.put(path, {"calendar_id": made.json["id"]}, if_match="*")
        assert answer.status_code == 200, answer.text
        with crew.database.reader() as session:
            due = due_times.after_hours(session, crew.team, self.START, 8, business=True)
        assert due == self.START + timedelta(hours=8)

    def test_the_hours_are_data(self, crew: Crew) -> None:
        limits(crew.director, approval_hours=2, business_hours=False)
        pending(crew.agent, new(crew.agent, crew.team))
        assert scalar(crew.database, "SELECT due_at - asked_at FROM approval_request") == timedelta(hours=2)


class TestOverdue:
    def test_the_next_authority_is_told_once(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        assert jobs.escalate_overdue(crew.database) == 0
        late(crew.database)
        assert sum(at_once(*[lambda: jobs.escalate_overdue(crew.database)] * 3)) == 1
        assert jobs.escalate_overdue(crew.database) == 0
        told = [item for item in crew.manager.get("/notifications").json["items"] if item["kind"] == "approval_overdue"]
        assert [item["detail"]["offer_id"] for item in told] == [offer["id"]]
        for other in (crew.senior, crew.director, crew.agent):
            assert other.get("/notifications?kind=approval_overdue").json["items"] == []
        (item,) = crew.senior.get("/approvals").json["items"]
        assert (item["overdue"], item["level"], item["escalated_to"]) == (True, "senior", "manager")
        events = crew.agent.get(f"/complaints/{offer['complaint_reference']}/timeline").json["items"]
        assert [event["type"] for event in events].count("offer.approval_overdue") == 1

    def test_not_what_was_decided(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        late(crew.database)
        approve(crew.senior, offer)
        assert jobs.escalate_overdue(crew.database) == 0

    def test_where_nobody_is_above(self, crew: Crew) -> None:
        pending(crew.agent, new(crew.agent, crew.team), "10001.00")
        late(crew.database)
        assert jobs.escalate_overdue(crew.database) == 1
        assert crew.director.get("/approvals").json["items"][0]["escalated_to"] == "director"
        assert len(crew.director.get("/notifications?kind=approval_overdue").json["items"]) == 1


class TestReasons:
    def test_approving_anothers_says_why(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        path = f"/offers/{offer['id']}/actions/approve"
        assert codes(crew.senior.pay(path, {})) == [("/reason", "required")]
        assert codes(crew.senior.pay(path, {"reason": "\u200b"})) == [("/reason", "length")]
        assert crew.senior.pay(path, {"note": "It was late."}).json["status"] == "approved"
        assert decisions(crew.agent, offer)[-1]["reason"] == "It was late."

    def test_every_decision_keeps_who_why_and_by_what(self, crew: Crew) -> None:
        complaint = new(crew.agent, crew.team)
        before = act(crew.agent, draft(crew.agent, complaint, voucher("10.00")), "submit")
        offer = act(crew.agent, draft(crew.agent, complaint, voucher("60.00")), "submit", note="For the wait.")
        act(crew.senior, offer, "refuse", reason="Too much.")
        act(crew.agent, offer, "submit")
        act(crew.senior, offer, "approve", reason="On second thought.")
        act(crew.manager, offer, "revoke", reason="They took it to court.")
        found = decisions(crew.agent, offer)
        assert [(item["action"], item["reason"]) for item in found] == [
            ("submit", "For the wait."),
            ("refuse", "Too much."),
            ("submit", None),
            ("approve", "On second thought."),
            ("revoke", "They took it to court."),
        ]
        approved = found[3]
        assert (approved["authority"], approved["limit_version"]) == ("senior", 1)
        assert approved["amount"] == eur("60.00")
        assert approved["granted"] == {"case": eur("10.00"), "customer": eur("10.00"), "day": eur("0.00")}
        assert approved["limits"] == {"case": eur("200.00"), "customer": eur("400.00"), "day": eur("2000.00")}
        assert [item["reason"] for item in decisions(crew.agent, before)] == [None, "within own authority"]
        letter = act(crew.agent, draft(crew.agent, complaint, LETTER), "submit")
        assert [(item["reason"], item["limits"]) for item in decisions(crew.agent, letter)][1] == (
            "it costs nothing",
            None,
        )
        assert violations(crew.database) == []

    def test_of_an_offer_that_one_does_not_see(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        stranger = crew.join("agent", team_ids=[make_team(crew.database, "Elsewhere")])
        assert stranger.get(f"/offers/{offer['id']}/decisions").status_code == 404


class TestLimitsThatChange:
    def test_what_holds_at_the_moment_counts(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        lowered = [{**row, "case": "59"} if row["authority"] == "senior" else row for row in SHIPPED["limits"]]
        lowered = [{**row, "case": "50"} if row["authority"] == "agent" else row for row in lowered]
        answer = while_it_waits(
            crew.database.engine,
            f"SELECT pg_advisory_xact_lock({Alone.AUTHORITY_RULES.value})",
            lambda: approve(crew.senior, offer),
            f"""INSERT INTO authority_limits (id, number, valid_from, content, reason, actor_kind)
                SELECT gen_random_uuid(), 2, clock_timestamp(), jsonb_set(content, '{{limits}}', '{json.dumps(lowered)}'), 'x', 'system'
                FROM authority_limits""",
        )
        assert refused(answer) == (403, "beyond_authority")
        assert answer.json["limits"][0]["allowed"] == eur("59.00")

    def test_lowered_and_approved_at_once(self, crew: Crew) -> None:
        offer = pending(crew.agent, new(crew.agent, crew.team))
        lowered = [{**row, "case": "50"} if row["authority"] == "senior" else row for row in SHIPPED["limits"]]
        answers = at_once(lambda: approve(crew.senior, offer), lambda: limits(crew.director, limits=lowered))
        assert answers[1].status_code == 200
        assert answers[0].status_code in {200, 403}
        assert violations(crew.database) == []
        later = pending(crew.agent, new(crew.agent, crew.team, "wu@example.com"))
        assert refused(approve(crew.senior, later)) == (403, "beyond_authority")

    def test_of_the_team_and_the_currency(self, crew: Crew) -> None:
        rows = [
            *SHIPPED["limits"],
            {
                "authority": "agent",
                "team_id": str(crew.team),
                "currency": "EUR",
                "case": "100",
                "customer": "150",
                "day": "500",
            },
        ]
        assert limits(crew.director, limits=rows).status_code == 200
        offer = act(crew.agent, draft(crew.agent, new(crew.agent, crew.team), voucher("100.00")), "submit")
        assert offer["status"] == "approved"
        assert decisions(crew.agent, offer)[-1]["limit_version"] == 2
        assert violations(crew.database) == []

    def test_nobody_above_the_limits(self, crew: Crew) -> None:
        limits(crew.director, two_persons=None)
        offer = pending(crew.agent, new(crew.agent, crew.team), "10001.00")
        assert refused(approve(crew.director, offer)) == (403, "beyond_authority")
        limits(crew.director, two_persons="manager")
        assert approve(crew.manager, offer).json["status"] == "pending_approval"
        assert approve(crew.join("manager"), offer).json["status"] == "approved"
        assert violations(crew.database) == []

    def test_settled_on_the_spot_by_the_same_limits(self, crew: Crew) -> None:
        complaint = new(crew.agent, crew.team)
        path = f"/complaints/{complaint['reference']}"
        act(crew.agent, draft(crew.agent, complaint, voucher("50.00")), "submit")

        def wanting() -> set[str]:
            shown = crew.agent.get(path).json["allowed_actions"]
            item = next(item for item in shown if item["action"] == "resolve_on_the_spot")
            return {need["code"] for need in item["missing"]}

        assert "amount_beyond_authority" not in wanting()
        lowered = [{**row, "case": "40"} if row["authority"] == "agent" else row for row in SHIPPED["limits"]]
        limits(crew.director, limits=lowered)
        assert "amount_beyond_authority" in wanting()


class TestVerify:
    @pytest.mark.parametrize(
        ("tamper", "check", "detail"),
        [
            ("UPDATE offer_decision SET case_limit = 99999 WHERE action = 'approve'", "approvals_within_authority", "reckons with"),
            ("UPDATE offer_decision SET case_minor = 19999 WHERE action = 'approve'", "approvals_within_authority", "passes what was allowed"),
            ("UPDATE offer_decision SET actor_id = (SELECT drafted_by FROM offer) WHERE action = 'approve'", "approvals_kept", "somebody else"),
            ("DELETE FROM offer_decision WHERE action = 'approve'", "approvals_kept", "has no decision"),
            ("UPDATE offer_decision SET judged_at = '1960-01-01' WHERE action = 'approve'", "approvals_within_authority", ""),
            ("UPDATE approval_request SET closed_at = NULL", "pending_offers_wait", "waits"),
        ],
    )  # fmt: skip
    def test_a_hand_on_the_ledger_is_found(self, crew: Crew, tamper: str, check: str, detail: str) -> None:
        approve(crew.senior, pending(crew.agent, new(crew.agent, crew.team)))
        assert violations(crew.database) == []
        if "1960" in tamper:
            limits(crew.director)
            tamper = "UPDATE offer_decision SET judged_at = now() WHERE action = 'approve'"
            detail = "version 1; 2 held then"
        execute(crew.database, tamper)
        found = violations(crew.database)
        assert any(line.startswith(f"recovery.{check}: ") and detail in line for line in found), found
