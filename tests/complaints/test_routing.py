"""Routing: rules as data, who gets a complaint at intake, and why.

How it can fail: a complaint goes to somebody who is away, off hours, full, about whom it is, who lacks the skill or the
language, or who may not handle any; a rule of one team moves another team's complaints; a rule that cannot be read stops
every intake; intake costs statements where there is no rule; a decision cannot be explained, or is explained to whoever may
not see agents; a rule's past is lost.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import routing_rules
from helpdesk.kernel import in_force
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.routes import NOW, decision, now, of, reasons, rule, to
from tests.complaints.work import arrive, at, profile
from tests.conftest import Caller, Join, make_team


class TestRules:
    def test_who_may(self, anonymous: Caller, agent: Caller, senior: Caller, manager: Caller, join: Join) -> None:
        made = rule(manager)
        path = f"/routing/rules/{made['id']}"
        for caller, read, write in (
            (anonymous, 401, 401),
            (agent, 403, 403),
            (senior, 200, 403),
            (join("auditor"), 200, 403),
            (manager, 200, 200),
        ):
            for seen in ("/routing/rules", path, f"{path}/versions", "/routing/vocabulary"):
                assert caller.get(seen).status_code == read, seen
            assert caller.patch(path, {"name": "Other"}, if_match="*").status_code == write
        assert manager.get(f"/routing/rules/{new_id()}").status_code == 404

    def test_made_changed_and_taken_away(self, manager: Caller, admin: Caller, team: UUID, database: Database) -> None:
        made = rule(manager, condition=of("severity", "le", "S2"), result=to(team, required_skills=["B", "A", "B"]))
        assert made["position"] == 10
        assert made["result"]["required_skills"] == ["B", "A"]
        assert rule(manager)["position"] == 20
        path = f"/routing/rules/{made['id']}"
        assert manager.patch(path, {"active": False}).status_code == 428
        changed = manager.patch(path, {"active": False, "position": 30}, if_match='"v1"').json
        assert (changed["version"], changed["condition"]) == (2, of("severity", "le", "S2"))
        assert manager.patch(path, {"active": True}, if_match='"v1"').status_code == 412
        assert [item["position"] for item in manager.get("/routing/rules").json["items"]] == [20, 30]
        assert manager.delete(path, if_match='"v2"').status_code == 200
        assert manager.patch(path, {"active": True}, if_match="*").status_code == 404
        assert manager.get(path).json["removed_at"] is not None
        assert len(manager.get("/routing/rules").json["items"]) == 1
        assert [item["active"] for item in manager.get(f"{path}/versions").json["items"]] == [False, True]
        told = [item["type"] for item in admin.get("/audit-log?limit=200").json["items"]]
        assert {"routing.rule_created", "routing.rule_changed", "routing.rule_removed"} <= set(told)
        assert list(violations(database, ["chain"])) == []

    @pytest.mark.parametrize(
        ("given", "pointer", "code"),
        [
            ({"condition": of("salary", "is", 1)}, "/condition/field", "unknown"),
            ({"condition": {"all": [of("severity", "is", "S9")]}}, "/condition/all/0/value", "choice"),
            ({"condition": {"field": "team_id", "operator": "changed"}}, "/condition", "changes"),
            ({"condition": []}, "/condition", "invalid"),
            ({"result": {"strategy": "lottery"}}, "/result/strategy", "choice"),
            ({"result": {"team_id": str(UUID(int=7))}}, "/result/team_id", "unknown"),
            ({"result": {"required_skills": ["a b"]}}, "/result/required_skills/0", "invalid"),
            ({"result": {"match_language": "fluent"}}, "/result/match_language", "choice"),
            ({"result": {"assignee_id": str(UUID(int=7))}}, "/result/assignee_id", "unknown_field"),
            ({"team_id": str(UUID(int=7))}, "/team_id", "unknown"),
            ({"position": -1}, "/position", "range"),
            ({"name": ""}, "/name", "length"),
        ],
    )
    def test_what_cannot_be_meant(self, manager: Caller, given: dict[str, Any], pointer: str, code: str) -> None:
        body = {"name": "x", "result": {"strategy": "queue_only"}} | given
        answer = manager.post("/routing/rules", body)
        assert answer.status_code == 422, answer.text
        assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [(pointer, code)]

    def test_a_deep_and_a_huge_condition(self, manager: Caller) -> None:
        deep: dict[str, Any] = of("safety", "is", True)
        for _ in range(200):
            deep = {"not": deep}
        for condition in (deep, {"all": [of("safety", "is", True)] * 5000}):
            body = {"name": "x", "condition": condition, "result": {}}
            assert manager.post("/routing/rules", body).status_code == 422

    def test_whoever_sees_some_teams_rules_those(
        self, manager: Caller, join: Join, admin: Caller, team: UUID, *, database: Database
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        for_all, of_other, of_own = rule(manager), rule(manager, team_id=elsewhere), rule(manager, team_id=team)
        role = {"name": "lead", "description": "Leads.", "scope": "teams", "authority": "none"}
        held = ["complaint:read", "routing:read", "routing:manage", "agent:read"]
        assert admin.post("/roles", role | {"permissions": held}).status_code == 201
        lead = join("senior")
        assert admin.patch(f"/agents/{lead.id}", {"role": "lead"}, if_match="*").status_code == 200
        assert {item["id"] for item in lead.get("/routing/rules").json["items"]} == {for_all["id"], of_own["id"]}
        for made, status in ((for_all, 403), (of_other, 404), (of_own, 200)):
            path = f"/routing/rules/{made['id']}"
            assert lead.patch(path, {"name": "Mine"}, if_match="*").status_code == status
            assert lead.delete(path, if_match="*").status_code == status
        for given in ({}, {"team_id": str(elsewhere)}, {"team_id": str(team), "result": to(elsewhere)}):
            assert lead.post("/routing/rules", {"name": "x", "result": {}} | given).status_code == 422
        assert rule(lead, team_id=team, result=to(team))["team_id"] == str(team)

    def test_fields(self, manager: Caller) -> None:
        found = {item["name"]: item for item in manager.get("/routing/vocabulary").json["fields"]}
        assert found["severity"]["choices"] == ["S1", "S2", "S3", "S4", "S5"]
        assert "le" in found["severity"]["operators"]
        assert not any(word.startswith("changed") for item in found.values() for word in item["operators"])


class TestAtIntake:
    def test_without_rules_it_costs_nothing(
        self, agent: Caller, team: UUID, statements: Callable[[], Any], manager: Caller, join: Join
    ) -> None:
        arrive(agent, team)
        with statements() as seen:
            arrive(agent, team)
        without = len(seen)
        assert not any("routing_rule" in statement for statement in seen.seen)
        rule(manager, result={"strategy": "queue_only"})
        arrive(agent, team)
        with statements() as seen:
            queued = arrive(agent, team)
        assert len(seen) == without, "a rule that gives it to nobody costs nothing either"
        assert decision(manager, queued)["reason"] == "queue_only"
        rule(manager, position=0, result={"strategy": "least_loaded"})
        arrive(agent, team)
        with statements() as seen:
            given = arrive(agent, team)
        assert given["assignee_id"] is not None
        told = [
            statement for statement in seen.seen if "notification" in statement or "FROM agent JOIN role" in statement
        ]
        assert len(seen) - len([item for item in told if "FOR NO KEY UPDATE" not in item]) <= without + 2, seen.seen

    def test_to_a_team_and_the_least_loaded_there(
        self, agent: Caller, manager: Caller, join: Join, database: Database, admin: Caller
    ) -> None:
        deliveries = make_team(database, "Deliveries")
        ana, ben = (join(team_ids=[deliveries], name=name) for name in ("Ana", "Ben"))
        made = rule(manager, condition=of("category", "is", "DEL"), result=to(deliveries))
        first = arrive(agent, None)
        assert (first["team_id"], first["assignee_id"]) == (str(deliveries), str(ana.id))
        assert arrive(agent, None)["assignee_id"] == str(ben.id)
        assert arrive(agent, None)["assignee_id"] == str(ana.id)
        other = arrive(agent, None, issues=[{"category": "BIL"}])
        assert (other["team_id"], other["assignee_id"]) == (None, None)
        found = decision(manager, first)
        told = {name: found[name] for name in ("cause", "rule_id", "rule_version", "strategy", "outcome", "reason")}
        assert told == {
            "cause": "received",
            "rule_id": made["id"],
            "rule_version": 1,
            "strategy": "least_loaded",
            "outcome": "assigned",
            "reason": None,
        }
        assert found["candidates"][0] == {
            "agent_id": str(ana.id),
            "taken": True,
            "reasons": [],
            "load": 0,
            "capacity": None,
        }
        assert found["considered"] == 2
        held = manager.get(at(first, "assignments")).json["items"]
        assert [(item["how"], item["assignee_id"]) for item in held] == [("received", None), ("routed", str(ana.id))]
        assert list(violations(database, ["chain", "complaints", "clocks"])) == []

    def test_whoever_is_given_one_is_told(self, agent: Caller, manager: Caller, team: UUID, join: Join) -> None:
        rule(manager)
        complaint = arrive(manager, team)
        (taker,) = [one for one in (agent, manager) if str(one.id) == complaint["assignee_id"]]
        told = taker.get("/notifications").json["items"]
        assert [item["kind"] for item in told] == ["assigned"]

    def test_why_not(self, manager: Caller, admin: Caller, join: Join, database: Database, *, engine: Engine) -> None:
        team = make_team(database, "Second line")
        away, absent, asleep, full, unskilled, foreign, reader, gone = (join(team_ids=[team]) for _ in range(8))
        away.post(f"/agents/{away.id}/availability", {"availability": "away"})
        week = {"starts_at": rfc3339(NOW - timedelta(days=1)), "ends_at": rfc3339(NOW + timedelta(days=6))}
        absent.post(f"/agents/{absent.id}/absences", week)
        hours = {"timezone": "UTC", "weekly": {}}
        able = {"skills": ["DEL"], "languages": [{"tag": "zh-TW", "level": "native"}]}
        for one, more in (
            (away, {}),
            (absent, {}),
            (asleep, {"working_hours": hours}),
            (full, {"capacity": 0}),
            (unskilled, {"skills": []}),
            (foreign, {"languages": [{"tag": "zh", "level": "basic"}]}),
            (reader, {}),
        ):
            profile(admin, one, **(able | more))
        admin.patch(f"/agents/{reader.id}", {"role": "auditor"}, if_match="*")
        admin.patch(f"/agents/{gone.id}", {"active": False}, if_match="*")
        rule(manager, result=to(team, match_category=True, match_language="good"))
        complaint = arrive(manager, None, language="zh-CN")
        assert (complaint["team_id"], complaint["assignee_id"]) == (str(team), None)
        found = decision(manager, complaint)
        assert (found["outcome"], found["reason"]) == ("queued", "nobody_ready")
        assert found["required_skills"] == ["DEL", "lang:zh:good"]
        assert reasons(found) == {
            str(away.id): ["away"],
            str(absent.id): ["out_of_office"],
            str(asleep.id): ["outside_working_hours"],
            str(full.id): ["at_capacity"],
            str(unskilled.id): ["skill_missing"],
            str(foreign.id): ["skill_missing"],
            str(reader.id): ["may_not_handle"],
        }
        fit = join(team_ids=[team])
        profile(admin, fit, **able)
        assert arrive(manager, None, language="zh-CN")["assignee_id"] == str(fit.id)

    def test_a_rule_of_a_team_comes_first_and_leaves_others_alone(
        self, manager: Caller, agent: Caller, team: UUID, database: Database
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        rule(manager, name="all", position=1, result=to(elsewhere, strategy="queue_only"))
        rule(manager, name="own", position=2, team_id=team, result={"strategy": "round_robin"})
        assert decision(manager, own := arrive(manager, team))["rule_name"] == "own"
        assert own["team_id"] == str(team)
        assert arrive(manager, None)["team_id"] == str(elsewhere)

    def test_the_strategy_of_the_team_that_it_is_sent_to(
        self, manager: Caller, agent: Caller, team: UUID, admin: Caller
    ) -> None:
        rule(manager, name="sends", result=to(team, strategy=None, required_skills=["A"]))
        rule(manager, name="chooses", team_id=team, result={"strategy": "longest_idle", "required_skills": ["B"]})
        profile(admin, agent, skills=["A", "B"])
        found = decision(manager, arrive(manager, None))
        assert (found["rule_name"], found["strategy"]) == ("sends", "longest_idle")
        assert found["required_skills"] == ["A", "B"]
        assert found["assignee_id"] == str(agent.id)

    def test_a_rule_that_cannot_be_read_decides_nothing_and_stops_nothing(
        self, manager: Caller, agent: Caller, team: UUID, engine: Engine
    ) -> None:
        broken, _ = rule(manager, name="broken"), rule(manager, name="whole", result={"strategy": "queue_only"})
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE routing_rule SET spec = jsonb_set(spec, '{condition}', :condition) WHERE id = :id"),
                {"condition": '{"field": "abolished", "operator": "is", "value": 1}', "id": broken["id"]},
            )
        routing_rules.forget()
        assert decision(manager, arrive(agent, team))["rule_name"] == "whole"

    def test_a_change_is_seen_without_being_told_of(
        self, manager: Caller, agent: Caller, team: UUID, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in another process: not told of it, it looks again when the second is over."""
        arrive(agent, team)
        monkeypatch.setattr(routing_rules, "changed", lambda _: None)
        rule(manager, result={"strategy": "queue_only"})
        monkeypatch.setattr(in_force, "LOOKED_FOR_AGAIN", 0.0)
        assert decision(manager, arrive(agent, team))["outcome"] == "queued"

    def test_facts_of_a_new_customer_and_of_a_known_one(
        self, manager: Caller, admin: Caller, agent: Caller, team: UUID, *, engine: Engine
    ) -> None:
        rule(manager, name="key", condition=of("customer_tier", "is", "key"), result={"strategy": "queue_only"})
        rule(manager, name="ordinary", condition=of("customer_tier", "is", "ordinary"))
        first = arrive(agent, team)
        assert decision(manager, first)["rule_name"] == "ordinary"
        with engine.begin() as connection:
            connection.execute(text("UPDATE customer SET tier = 'key'"))
        assert decision(manager, arrive(agent, team))["rule_name"] == "key"
        assert manager.get(at(arrive(agent, team, complainant={}), "routing")).json["items"] == []

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (of("severity", "le", "S2"), False),
            (of("channel", "is", "EMAIL"), True),
            (of("language", "starts_with", "en"), True),
            (of("jurisdiction", "is", "GB"), True),
            (of("issues", "contains", "DEL.LATE"), True),
            (of("tags", "contains", "vip"), True),
            (of("price", "ge", {"amount": "200.00", "currency": "EUR"}), True),
            ({"not": of("safety", "is", True)}, True),
            ({"all": []}, True),
        ],
    )
    def test_conditions(self, manager: Caller, team: UUID, condition: dict[str, Any], holds: bool) -> None:
        rule(manager, condition=condition, result={"strategy": "queue_only"})
        complaint = arrive(manager, team, jurisdiction="GB", tags=["vip"])
        assert bool(manager.get(at(complaint, "routing")).json["items"]) is holds

    def test_fields_of_the_operators_own(self, manager: Caller, admin: Caller, agent: Caller, team: UUID) -> None:
        options = [{"code": code, "label": code} for code in ("north", "south")]
        for key, more in (
            ("region", {"type": "choice", "options": options}),
            ("delay", {"type": "number"}),
            ("promised", {"type": "date"}),
        ):
            answer = admin.post("/custom-fields", {"key": key, "label": key, **more})
            assert answer.status_code == 201, answer.text
        wrong = {"name": "x", "condition": of("custom.region", "is", "east"), "result": {}}
        assert manager.post("/routing/rules", wrong).status_code == 422
        condition = {
            "all": [
                of("custom.region", "is", "north"),
                of("custom.delay", "gt", "2.5"),
                of("custom.promised", "lt", "2026-03-02"),
            ]
        }
        rule(manager, condition=condition, result={"strategy": "queue_only"})
        names = {item["name"] for item in manager.get("/routing/vocabulary").json["fields"]}
        assert {"custom.region", "custom.delay", "custom.promised"} <= names
        for region, found in (("north", 1), ("south", 0)):
            values = {"region": region, "delay": "3", "promised": "2026-03-01"}
            complaint = arrive(agent, team, custom_fields=values)
            assert len(manager.get(at(complaint, "routing")).json["items"]) == found

    def test_a_field_that_a_rule_asks_for_stays_and_may_change_its_type(
        self, manager: Caller, admin: Caller, agent: Caller, team: UUID, *, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each process notices by itself: it is read anew with the next look."""
        monkeypatch.setattr(in_force, "LOOKED_FOR_AGAIN", 0.0)
        field = admin.post("/custom-fields", {"key": "region", "label": "Region", "type": "text"}).json
        condition = {"not": of("custom.region", "contains", "north")}
        asks = rule(manager, name="asks", position=1, condition=condition, result={"strategy": "queue_only"})
        rule(manager, name="other", position=2, result={"strategy": "queue_only"})
        assert decision(manager, arrive(agent, team))["rule_name"] == "asks"
        path = f"/custom-fields/{field['id']}"
        refused = admin.delete(path, if_match="*")
        assert (refused.status_code, refused.json["code"]) == (409, "custom_field_named")
        assert refused.json["uses"] == [{"what": "routing_rule", "id": asks["id"], "name": "asks"}]
        assert admin.patch(path, {"type": "number"}, if_match="*").json["code"] == "custom_field_named"
        changed = {"type": "number", "even_if_named": True}
        assert admin.patch(path, changed, if_match="*").status_code == 200
        assert decision(manager, arrive(agent, team))["rule_name"] == "other"
        assert manager.delete(f"/routing/rules/{asks['id']}", if_match="*").status_code == 200
        assert admin.delete(path, if_match="*").status_code == 204


class TestWhoSees:
    def test_decisions(
        self,
        anonymous: Caller,
        manager: Caller,
        agent: Caller,
        join: Join,
        database: Database,
        *,
        team: UUID,
        admin: Caller,
    ) -> None:
        rule(manager)
        complaint = arrive(manager, team)
        stranger = join(team_ids=[make_team(database, "Elsewhere")])
        for caller, status in ((anonymous, 401), (stranger, 404), (agent, 200), (join("auditor"), 200)):
            for path in ("routing", "routing/preview"):
                assert caller.get(at(complaint, path)).status_code == status
        held = {"name": "blind", "description": "Sees no agents.", "scope": "teams", "authority": "none"}
        assert admin.post("/roles", held | {"permissions": ["complaint:read"]}).status_code == 201
        admin.patch(f"/agents/{agent.id}", {"role": "blind"}, if_match="*")
        assert decision(agent, complaint)["candidates"] is None
        assert agent.get(at(complaint, "routing/preview")).json["candidates"] is None

    def test_preview_changes_nothing(
        self, manager: Caller, agent: Caller, team: UUID, statements: Callable[[], Any]
    ) -> None:
        complaint = arrive(manager, team)
        nothing = manager.get(at(complaint, "routing/preview")).json
        assert (nothing["outcome"], nothing["rule_id"]) == ("no_rule", None)
        rule(manager)
        with statements() as seen:
            found = manager.get(at(complaint, "routing/preview")).json
        assert (found["outcome"], found["reason"]) == ("assigned", None)
        assert not any("FOR" in statement and "UPDATE" in statement for statement in seen.seen)
        assert now(manager, complaint) == (None, str(team))
        assert manager.get(at(complaint)).json["version"] == complaint["version"]
