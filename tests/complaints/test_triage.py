"""Severity as it is assessed, kept and shown, and the rule for settling on the spot.

How it can fail: a rule is told and not applied, or applied and not told; the clocks stay with the old severity; something
that becomes known lowers what was judged, or raises what a person passed over, or changes it without a trace; a repeat
of another customer's counts; the evidence tells of complaints that the caller may not see, or of a need that was to be
forgotten; the view says that it may be settled on the spot and the act refuses, or the other way round; two facts at once
raise it twice.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.steps import GOOD
from tests.complaints.work import arrive, at
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once
from tests.recovery import helpers

TRIAGE = GOOD["triage"]
SAFETY = {"category": "PRD", "issue": "PRD.SAFETY"}


def triage(caller: Caller, complaint: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = caller.post(at(complaint, "actions/triage"), TRIAGE | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def view(caller: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    answer = caller.get(at(complaint, "triage"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def rules(reasons: list[dict[str, Any]]) -> list[str]:
    return [reason["rule"] for reason in reasons]


def timeline(caller: Caller, complaint: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    items = caller.get(at(complaint, "timeline?limit=200")).json["items"]
    return [item for item in items if item["type"] == f"complaint.{kind}"]


def due(engine: Engine, complaint: dict[str, Any], kind: str = "resolve") -> datetime:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT due_at FROM sla_clock WHERE complaint_id = :id AND kind = :kind"),
            {"id": complaint["id"], "kind": kind},
        ).scalar_one()
    assert isinstance(found, datetime)
    return found


class TestWho:
    def test_anonymous_stranger_auditor(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        stranger = join(team_ids=[make_team(database, "Other")])
        for path in (at(complaint, "triage"), at(complaint, "severity-assessments")):
            assert anonymous.get(path).status_code == 401
            assert stranger.get(path).status_code == 404
            assert join("auditor").get(path).status_code == 200
        assert anonymous.get("/severity-overrides").status_code == 401
        body = GOOD["set_severity"]
        assert anonymous.post(at(complaint, "actions/set_severity"), body).status_code == 401
        assert join("auditor").post(at(complaint, "actions/set_severity"), body).status_code == 403
        assert stranger.post(at(complaint, "actions/set_severity"), body).status_code == 404


class TestAtReceipt:
    def test_nothing_tells_yet(self, agent: Caller) -> None:
        complaint = arrive(agent)
        shown = view(agent, complaint)
        assert (shown["severity"], shown["provisional"], shown["assessment"]) == ("S3", True, None)
        assert (shown["judged_now"], shown["reasons_now"]) == (None, [])
        assert agent.get(at(complaint, "severity-assessments")).json["items"] == []

    @pytest.mark.parametrize(
        ("more", "level", "rule"),
        [
            ({"issues": [SAFETY]}, "S1", "safety"),
            ({"channel": "REGULATOR"}, "S2", "regulator"),
            ({"needs": [{"flag": "no_heat_or_power", "consent": True}]}, "S2", "essential_service"),
            ({"impact": 1, "urgency": 1}, "S5", "matrix"),
        ],
    )
    def test_what_comes_with_it_tells(
        self, agent: Caller, engine: Engine, more: dict[str, Any], level: str, rule: str
    ) -> None:
        plain, complaint = arrive(agent), arrive(agent, **more)
        assert complaint["severity"] == level
        shown = view(agent, complaint)
        assert (shown["assessment"]["cause"], rules(shown["assessment"]["reasons"])) == ("received", [rule])
        assert timeline(agent, complaint, "severity_assessed")[0]["payload"]["reasons"][0]["rule"] == rule
        if level < "S3":
            assert due(engine, complaint) < due(engine, plain)

    def test_what_is_no_complaint_is_not_judged_until_it_is_one(self, agent: Caller) -> None:
        inquiry = arrive(agent, record_type="inquiry", channel="REGULATOR")
        assert (inquiry["severity"], view(agent, inquiry)["judged_now"]) == ("S3", None)
        body = {"record_type": "complaint", "reason": "They want it put right."}
        assert agent.post(at(inquiry, "actions/convert"), body).json["severity"] == "S2"
        assert view(agent, inquiry)["assessment"]["cause"] == "converted"


class TestTriage:
    def test_by_the_matrix_with_its_reason(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert triage(agent, complaint, impact=4, urgency=3)["severity"] == "S2"
        shown = view(agent, complaint)
        kept = shown["assessment"]
        assert (kept["cause"], kept["severity"], kept["before"], kept["judged"]) == ("triaged", "S2", "S3", "S2")
        assert kept["reasons"] == [{"rule": "matrix", "severity": "S2", "evidence": {"impact": 4, "urgency": 3}}]
        assert kept["actor_id"] == str(agent.id)
        assert (shown["judged_now"], shown["reasons_now"]) == ("S2", kept["reasons"])

    def test_a_repeat_is_a_level_more(self, agent: Caller, senior: Caller) -> None:
        first, second = arrive(agent), arrive(agent)
        assert triage(agent, first, impact=3, urgency=2)["severity"] == "S3"
        assert triage(agent, second, impact=3, urgency=2)["severity"] == "S2"
        (_, repeat) = view(agent, second)["assessment"]["reasons"]
        assert repeat == {
            "rule": "repeat",
            "severity": "S2",
            "evidence": {"count": 1, "days": 90, "references": [first["reference"]]},
        }
        assert senior.post(at(first, "actions/dismiss"), {"reason_code": "spam"}).status_code == 200
        assert triage(agent, second)["severity"] == "S3"

    @pytest.mark.parametrize(
        "more",
        [
            {"complainant": {"email": "somebody.else@example.com"}},
            {"issues": [{"category": "DEL", "issue": "DEL.LOST"}]},
            {"record_type": "inquiry"},
            {"received_at": (datetime.now(UTC) - timedelta(days=91)).isoformat()},
        ],
    )
    def test_what_is_no_repeat(self, agent: Caller, more: dict[str, Any]) -> None:
        arrive(agent, **more)
        assert triage(agent, arrive(agent), impact=3, urgency=2)["severity"] == "S3"

    def test_the_parts_of_one_that_was_split_repeat_nothing(self, agent: Caller, senior: Caller) -> None:
        late = {"category": "DEL", "issue": "DEL.LATE"}
        whole = arrive(agent, issues=[late, late | {"detail": "The second parcel too."}])
        moved = max(issue["id"] for issue in whole["issues"])
        body = {"issues": [moved], "reason": "Two carriers.", "silent": True}
        assert senior.post(at(whole, "split"), body).status_code == 201
        assert triage(agent, whole, impact=3, urgency=2)["severity"] == "S3"

    def test_the_evidence_names_only_what_the_caller_sees(
        self, agent: Caller, join: Join, manager: Caller, database: Database
    ) -> None:
        hidden = arrive(manager, team=make_team(database, "Other"))
        shown = arrive(agent)
        triage(agent, shown)
        for caller, seen in ((agent, []), (manager, [hidden["reference"]])):
            for reasons in (view(caller, shown)["assessment"]["reasons"], view(caller, shown)["reasons_now"]):
                assert reasons[1]["evidence"] == {"count": 1, "days": 90, "references": seen}
        told = agent.get(at(shown, "timeline?limit=200")).text
        assert str(hidden["id"]) not in told

    def test_many_alike_at_once_are_systemic(self, agent: Caller) -> None:
        many = [arrive(agent, complainant={"email": f"{n}@example.com"}) for n in range(5)]
        triage(agent, many[-1])
        shown = view(agent, many[0])
        assert (shown["systemic"], shown["severity"]) == (True, "S3")
        assert view(agent, many[-1])["assessment"]["systemic"] is True
        assert agent.post(at(many[1], "actions/withdraw"), GOOD["withdraw"]).status_code == 200
        assert view(agent, many[0])["systemic"] is False

    def test_a_forgotten_need_is_forgotten(self, agent: Caller, engine: Engine) -> None:
        complaint = arrive(agent, needs=[{"flag": "safeguarding_concern", "consent": True}])
        assert complaint["severity"] == "S1"
        need = complaint["needs"][0]["id"]
        assert agent.delete(at(complaint, f"needs/{need}"), if_match="*").status_code == 200
        shown = view(agent, complaint)
        assert (shown["severity"], shown["judged_now"]) == ("S1", None)  # only a person lowers it
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT string_agg(reasons::text, '') FROM complaint_severity_assessment"))
            assert "safeguarding" not in kept.scalar_one()


class TestFacts:
    def test_a_safety_issue_raises_it_and_the_clocks_follow(
        self, agent: Caller, engine: Engine, database: Database
    ) -> None:
        complaint = arrive(agent)
        triage(agent, complaint, impact=2, urgency=1)
        before = due(engine, complaint)
        answer = agent.post(at(complaint, "issues"), SAFETY)
        assert (answer.status_code, answer.json["severity"]) == (201, "S1")
        assert due(engine, complaint) < before
        kept = view(agent, complaint)["assessment"]
        assert (kept["cause"], kept["before"], kept["actor_kind"]) == ("facts", "S5", "system")
        (told,) = timeline(agent, complaint, "severity_set")
        assert told["actor_kind"] == "system"
        assert told["payload"]["changes"]["severity"] == ["S5", "S1"]
        assert list(violations(database, ["complaints", "clocks", "recovery"])) == []

    def test_a_need_raises_it(self, agent: Caller) -> None:
        complaint = arrive(agent, issues=[{"category": "SVC", "issue": "SVC.OUTAGE"}])
        answer = agent.post(at(complaint, "needs"), {"flag": "older", "consent": True})
        assert (answer.status_code, answer.json["severity"]) == (201, "S2")

    @pytest.mark.parametrize("level", ["S1", "S2"])
    def test_nothing_lowers_it(self, agent: Caller, level: str) -> None:
        complaint = arrive(agent)
        assert (
            agent.post(at(complaint, "actions/set_severity"), {"severity": level, "reason": "Press."}).status_code
            == 200
        )
        answer = agent.post(at(complaint, "issues"), {"category": "PRV", "issue": "PRV.BREACH"})
        assert answer.json["severity"] == level
        assert len(timeline(agent, complaint, "severity_set")) == 1

    def test_what_a_person_passed_over_stays_passed_over(self, agent: Caller) -> None:
        complaint = arrive(agent, channel="REGULATOR")
        body = {"severity": "S4", "reason": "A request for a brochure, forwarded."}
        assert agent.post(at(complaint, "actions/set_severity"), body).json["severity"] == "S4"
        assert agent.post(at(complaint, "needs"), {"flag": "hearing", "consent": True}).json["severity"] == "S4"
        assert agent.post(at(complaint, "issues"), SAFETY).json["severity"] == "S1"

    def test_of_what_is_closed_nothing_changes(self, agent: Caller, senior: Caller) -> None:
        complaint = arrive(senior)
        assert senior.post(at(complaint, "actions/withdraw"), GOOD["withdraw"]).status_code == 200
        answer = senior.post(at(complaint, "needs"), {"flag": "safeguarding_concern", "consent": True})
        assert (answer.status_code, answer.json["severity"]) == (201, "S3")

    def test_two_at_once_raise_it_once(self, agent: Caller) -> None:
        complaint = arrive(agent)
        answers = at_once(*[lambda: agent.post(at(complaint, "issues"), SAFETY)] * 2)
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len(timeline(agent, complaint, "severity_set")) == 1


class TestSetByAPerson:
    def test_with_a_reason_that_is_reported(
        self, agent: Caller, join: Join, database: Database, engine: Engine
    ) -> None:
        complaint = arrive(agent)
        triage(agent, complaint, impact=3, urgency=2)
        before = due(engine, complaint)
        answer = agent.post(at(complaint, "actions/set_severity"), {"severity": "S1", "reason": "It is on television."})
        assert (answer.status_code, answer.json["severity"]) == (200, "S1")
        assert due(engine, complaint) < before
        (found,) = agent.get("/severity-overrides").json["items"]
        assert (found["reference"], found["severity"], found["before"], found["judged"], found["reason"]) == (
            complaint["reference"],
            "S1",
            "S3",
            "S3",
            "It is on television.",
        )
        history = agent.get(at(complaint, "severity-assessments")).json["items"]
        assert [item["cause"] for item in history] == ["set", "triaged"]
        stranger = join(team_ids=[make_team(database, "Other")])
        triage(agent, complaint)
        assert agent.patch(at(complaint), {"subject": "TV"}, if_match="*").status_code == 200
        assert len(agent.get("/severity-overrides?set_from=2020-01-01T00:00:00Z").json["items"]) == 1
        assert agent.get("/severity-overrides?set_before=2020-01-01T00:00:00Z").json["items"] == []
        assert len(stranger.get("/severity-overrides").json["items"]) == 1  # of no team yet: everybody's

    def test_not_of_anothers_team(
        self, agent: Caller, complaint: dict[str, Any], join: Join, database: Database
    ) -> None:
        assert agent.post(at(complaint, "actions/set_severity"), GOOD["set_severity"]).status_code == 200
        stranger = join(team_ids=[make_team(database, "Other")])
        answer = stranger.get("/severity-overrides?count=true")
        assert (answer.json["items"], answer.json["total"]) == ([], 0)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"severity": "S3", "reason": "The same."}, "/severity"),
            ({"severity": "S0", "reason": "Worse."}, "/severity"),
            ({"severity": "S2"}, "/reason"),
            ({"severity": "S2", "reason": " "}, "/reason"),
            ({"severity": "S2", "reason": "x", "cause": "facts"}, "/cause"),
        ],
    )
    def test_bad_bodies(self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], pointer: str) -> None:
        answer = agent.post(at(complaint, "actions/set_severity"), body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]

    def test_a_span_that_ends_before_it_begins(self, agent: Caller) -> None:
        span = "set_from=2026-02-01T00:00:00Z&set_before=2026-01-01T00:00:00Z"
        assert agent.get(f"/severity-overrides?{span}").status_code == 422

    def test_one_that_was_changed_past_the_program_is_found(
        self, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        triage(agent, complaint)
        with database.unit_of_work(agent.actor) as uow:
            uow.session.execute(text("UPDATE complaint SET severity = 'S5'"))
        (found,) = violations(database, ["complaints"])
        assert (found.check, found.subject) == ("complaints.severity_assessed", f"complaint {complaint['reference']}")


class TestOnTheSpot:
    @pytest.mark.parametrize(
        ("more", "judged", "against"),
        [
            ({"issues": [SAFETY]}, {}, {"too_severe", "safety"}),
            ({"channel": "REGULATOR"}, {}, {"too_severe", "regulator"}),
            ({}, {"impact": 5, "urgency": 4}, {"too_severe"}),
        ],
    )
    def test_triage_takes_no_track_that_cannot_be_gone(
        self, agent: Caller, more: dict[str, Any], judged: dict[str, Any], against: set[str]
    ) -> None:
        complaint = arrive(agent, **more)
        named = {name: value for name, value in more.get("issues", [{}])[0].items() if name in {"category", "issue"}}
        given = TRIAGE | named | judged | {"track": "on_the_spot"}
        answer = agent.post(at(complaint, "actions/triage"), given)
        assert answer.status_code == 422, answer.text
        assert {item["pointer"] for item in answer.json["errors"]} == {"/track"}
        assert {item["code"] for item in answer.json["errors"]} == against
        assert agent.get(at(complaint)).json["triaged_at"] is None
        triage(agent, complaint, **named, **judged, track="investigate")

    def rule(self, caller: Caller, complaint: dict[str, Any]) -> tuple[bool, set[str]]:
        """As the view says it; and the act says the same."""
        found = view(caller, complaint)["on_the_spot"]
        codes = {reason["code"] for reason in found["reasons"]}
        assert {check["code"] for check in found["checks"] if not check["met"]} <= codes
        answer = caller.post(at(complaint, "actions/resolve_on_the_spot"), GOOD["resolve_on_the_spot"], if_match='"v0"')
        if found["allowed"]:
            assert answer.status_code == 412, answer.text
        elif "forbidden" in codes:
            assert answer.status_code == 403
        return found["allowed"], codes

    def refused(self, caller: Caller, complaint: dict[str, Any]) -> set[str]:
        answer = caller.post(at(complaint, "actions/resolve_on_the_spot"), GOOD["resolve_on_the_spot"])
        assert answer.status_code == 409, answer.text
        return {need["code"] for need in answer.json["missing"]}

    def test_allowed(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert self.rule(agent, complaint) == (True, set())
        assert agent.post(at(complaint, "actions/resolve_on_the_spot"), GOOD["resolve_on_the_spot"]).status_code == 200
        assert self.rule(agent, complaint) == (False, {"state"})

    def test_every_reason_is_named(self, agent: Caller) -> None:
        complaint = arrive(
            agent,
            channel="REGULATOR",
            issues=[SAFETY, {"category": "DEL"}],
            needs=[{"flag": "hearing", "consent": True}],
        )
        named = {"too_severe", "several_issues", "safety", "vulnerable", "regulator"}
        assert self.rule(agent, complaint) == (False, named)
        assert self.refused(agent, complaint) == named

    def test_who_may_not_decide(self, join: Join, complaint: dict[str, Any]) -> None:
        assert self.rule(join("auditor"), complaint) == (False, {"forbidden"})

    def test_whom_it_is_about(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert agent.post(at(complaint, "subjects"), {"agent_id": str(agent.id)}).status_code == 201
        assert self.rule(agent, complaint) == (False, {"conflict_of_interest"})

    def test_what_is_no_complaint(self, agent: Caller) -> None:
        allowed, codes = self.rule(agent, arrive(agent, record_type="inquiry"))
        assert (allowed, codes) == (False, {"only_complaints"})

    def test_an_amount_beyond_ones_authority(
        self, agent: Caller, senior: Caller, manager: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        helpers.open_budget(manager)
        body = helpers.voucher() | {"amount": {"amount": "120.00", "currency": "EUR"}}
        offer = helpers.draft(agent, complaint, body)
        assert self.rule(agent, complaint) == (False, {"amount_beyond_authority", "offer_not_approved"})
        helpers.act(agent, offer, "submit")
        helpers.act(senior, offer, "approve")
        assert self.rule(agent, complaint) == (False, {"amount_beyond_authority"})
        assert self.refused(agent, complaint) == {"amount_beyond_authority"}
        assert self.rule(senior, complaint) == (True, set())
        assert list(violations(database, ["complaints", "clocks", "recovery"])) == []
        helpers.act(manager, offer, "revoke", reason="Too much.")
        assert self.rule(agent, complaint) == (True, set())
