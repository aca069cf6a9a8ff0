"""Policies over the API: who they are for, in which order, in which versions.

How it can fail: a policy that cannot be computed is taken, and refuses every complaint from then on; a target that pauses where
time never does; a condition that asks for what follows from the clocks; the default one is put out of force, and nothing is
promised to anybody; two orders at once leave a mixture; a deleted policy takes the history of its clocks with it; a name is taken
for ever by one that was deleted; an edit makes no version, or one that changed nothing does; one that takes every promise away says nothing of it.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import recomputing
from tests.conftest import Caller, Join, complaint_body
from tests.sla.watching import clocks_of, wrong


def calendar_of(manager: Caller) -> str:
    return str(manager.get("/sla/policies").json["items"][-1]["calendar_id"])


def body(manager: Caller, name: str = "Urgent", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "calendar_id": calendar_of(manager),
        "condition": {"field": "channel", "operator": "is", "value": "PHONE"},
        "targets": {"S3": {"resolve": [2, "business_days"]}},
        **more,
    }


def made(manager: Caller, name: str = "Urgent", **more: Any) -> dict[str, Any]:
    answer = manager.post("/sla/policies", body(manager, name, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def edit(manager: Caller, policy: dict[str, Any], **given: Any) -> Any:
    return manager.patch(f"/sla/policies/{policy['id']}", given, if_match="*")


class TestWhoMay:
    def test_reading_is_for_agents_and_changing_for_managers(
        self, anonymous: Caller, agent: Caller, join: Join, manager: Caller
    ) -> None:
        given = body(manager)
        assert anonymous.post("/sla/policies", given).status_code == 401
        assert agent.post("/sla/policies", given).status_code == 403
        policy = manager.post("/sla/policies", given)
        assert (policy.status_code, policy.headers["Location"]) == (201, f"/api/v1/sla/policies/{policy.json['id']}")
        path = f"/sla/policies/{policy.json['id']}"
        for caller in (agent, join("auditor", team_ids=[])):
            assert caller.patch(path, {"active": False}, if_match="*").status_code == 403
            assert caller.delete(path, if_match="*").status_code == 403
            assert caller.post("/sla/policies/reorder", {"policy_ids": []}).status_code == 403
            for below in ("", "/versions", "/versions/1", "/uses"):
                assert caller.get(path + below).status_code == 200
        assert agent.get("/sla/policies/vocabulary").status_code == 200
        assert manager.patch(path, {"active": False}).status_code == 428


class TestVersions:
    def test_each_change_is_a_version_and_none_makes_none(self, manager: Caller) -> None:
        policy = made(manager)
        changed = edit(manager, policy, valid_until="2027-01-01", thresholds=[80])
        assert (changed.json["version"], changed.json["valid_until"], changed.json["thresholds"]) == (
            2,
            "2027-01-01",
            [80],
        )
        assert edit(manager, policy, thresholds=[80]).json["version"] == 2
        assert edit(manager, policy, active=False).json["version"] == 3
        listed = manager.get(f"/sla/policies/{policy['id']}/versions").json["items"]
        assert [(item["version"], item["active"], item["thresholds"]) for item in listed] == [
            (3, False, [80]),
            (2, True, [80]),
            (1, True, [50, 75, 90]),
        ]
        assert manager.get(f"/sla/policies/{policy['id']}/versions/1").json == listed[2]
        assert manager.get(f"/sla/policies/{policy['id']}/versions/4").status_code == 404

    def test_the_log_says_what_changed(self, manager: Caller, join: Join) -> None:
        policy = made(manager)
        edit(manager, policy, name="Very urgent")
        entries = join("auditor", team_ids=[]).get("/audit-log?type=sla.policy_changed").json["items"]
        assert entries[0]["payload"]["changes"] == {"name": ["Urgent", "Very urgent"]}

    def test_uses_are_counted_by_version(self, manager: Caller, agent: Caller) -> None:
        policy = made(manager)
        agent.post("/complaints", complaint_body(channel="PHONE"))
        edit(manager, policy, thresholds=[60])
        for _ in range(2):
            agent.post("/complaints", complaint_body(channel="PHONE"))
        uses = manager.get(f"/sla/policies/{policy['id']}/uses").json
        assert uses == {"open_clocks": [{"version": 2, "count": 2}, {"version": 1, "count": 1}]}


class TestOrder:
    def test_new_ones_stand_before_the_default_in_the_order_in_which_they_come(self, manager: Caller) -> None:
        made(manager, "One")
        made(manager, "Two")
        first = made(manager, "Three", position=5)
        names = [item["name"] for item in manager.get("/sla/policies").json["items"]]
        assert (names, first["position"]) == (["Three", "One", "Two", "Default"], 5)
        page = manager.get("/sla/policies?limit=3").json
        assert manager.get(f"/sla/policies?limit=3&cursor={page['next_cursor']}").json["items"][0]["name"] == "Default"

    def test_another_order(self, manager: Caller) -> None:
        one, two = made(manager, "One"), made(manager, "Two")
        answer = manager.post("/sla/policies/reorder", {"policy_ids": [two["id"], one["id"]]})
        assert [(item["name"], item["version"]) for item in answer.json["items"]] == [
            ("Two", 2),
            ("One", 2),
            ("Default", 1),
        ]
        default = answer.json["items"][2]["id"]
        for ids in ([one["id"]], [one["id"], one["id"]], [one["id"], two["id"], default], []):
            refused = manager.post("/sla/policies/reorder", {"policy_ids": ids})
            assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/policy_ids")


class TestDefault:
    @pytest.mark.parametrize(
        "change",
        [
            {"active": False},
            {"position": 10},
            {"valid_until": "2030-01-01"},
            {"condition": {"field": "severity", "operator": "is", "value": "S1"}},
        ],
    )
    def test_it_is_for_everything_always(self, manager: Caller, change: dict[str, Any]) -> None:
        default = manager.get("/sla/policies").json["items"][-1]
        refused = edit(manager, default, **change)
        assert (refused.status_code, refused.json["code"]) == (409, "default_policy")
        assert manager.delete(f"/sla/policies/{default['id']}", if_match="*").json["code"] == "default_policy"

    def test_its_name_and_targets_can_be_changed(self, manager: Caller) -> None:
        default = manager.get("/sla/policies").json["items"][-1]
        assert (
            edit(manager, default, name="Ours", tiers={"key": {"S1": {"resolve": [1, "minutes"]}}}).status_code == 200
        )


class TestDeleting:
    def test_one_that_promised_nothing(self, manager: Caller) -> None:
        policy = made(manager)
        path = f"/sla/policies/{policy['id']}"
        gone = manager.delete(path, if_match="*")
        assert (gone.status_code, gone.json["removed_at"] is not None) == (200, True)
        job = manager.get(f"/jobs/{gone.json['recompute_job_id']}").json
        assert (job["kind"], job["state"]) == ("sla.recompute", "queued")
        assert manager.get(path).json["removed_at"] == gone.json["removed_at"]
        assert [item["name"] for item in manager.get("/sla/policies").json["items"]] == ["Default"]
        assert manager.patch(path, {"active": True}, if_match="*").status_code == 404
        made(manager)  # its name is free again

    def test_one_that_was_used_is_deactivated_instead(self, manager: Caller, agent: Caller) -> None:
        policy = made(manager)
        created = agent.post("/complaints", complaint_body(channel="PHONE")).json
        assert clocks_of(agent, created["reference"])["resolve"]["policy_id"] == policy["id"]
        refused = manager.delete(f"/sla/policies/{policy['id']}", if_match="*")
        assert (refused.status_code, refused.json["code"]) == (409, "policy_used")

    def test_a_name_is_taken_once(self, manager: Caller) -> None:
        one = made(manager)
        assert manager.post("/sla/policies", body(manager)).json["code"] == "name_taken"
        two = made(manager, "Two")
        assert edit(manager, two, name="Urgent").json["code"] == "name_taken"
        assert edit(manager, one, name="Urgent").status_code == 200


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"targets": {"S9": {}}}, "/targets/S9"),
            ({"targets": {"S1": {"answer": [1, "minutes"]}}}, "/targets/S1/"),
            ({"targets": {"S1": {"resolve": [1.5, "minutes"]}}}, "/targets/S1/"),
            ({"targets": {"S1": {"resolve": [True, "minutes"]}}}, "/targets/S1/"),
            ({"targets": {"S1": {"resolve": {"amount": 1}}}}, "/targets/S1/"),
            ({"targets": {"S1": {"resolve": {"amount": 1, "unit": "weeks", "pausable": True}}}}, "/targets/S1/"),
            ({"targets": {"S1": {"resolve": {"amount": 1, "unit": "minutes", "hurry": True}}}}, "/targets/S1/"),
            (
                {"targets": {"S1": {"resolve": {"amount": 1, "unit": "minutes", "conventions": {"boundary": "soon"}}}}},
                "/targets/S1/",
            ),
            ({"targets": {"S1": {"resolve": {"amount": 1, "unit": "minutes", "thresholds": [9, 5]}}}}, "/targets/S1/"),
            (
                {
                    "targets": {
                        "S1": {
                            "resolve": {
                                "amount": 1,
                                "unit": "minutes",
                                "calendar_id": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10",
                            }
                        }
                    }
                },
                "/targets/S1/resolve/calendar_id",
            ),
            ({"targets": {"S1": {"resolve": [100_000, "business_days"]}}}, "/targets/S1/resolve"),
            ({"tiers": {"gold": {}}}, "/tiers/gold"),
            ({"tiers": {"key": {"S1": {"resolve": [100_000, "business_days"]}}}}, "/tiers/key/S1/resolve"),
            ({"condition": {"field": "next_due_at", "operator": "is_set"}}, "/condition/field"),
            ({"condition": {"field": "severity", "operator": "changed"}}, "/condition"),
            ({"condition": {"any": []}}, "/condition/any"),
            ({"valid_from": "2026-02-30"}, "/valid_from"),
            ({"valid_from": "2026-03-02", "valid_until": "2026-03-01"}, "/valid_until"),
            ({"calendar_id": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"}, "/calendar_id"),
            ({"thresholds": [100]}, "/thresholds"),
            ({"nonsense": 1}, "/nonsense"),
        ],
    )
    def test_what_cannot_be(self, manager: Caller, change: dict[str, Any], pointer: str) -> None:
        refused = manager.post("/sla/policies", body(manager, **change))
        assert refused.status_code == 422, refused.text
        assert any(error["pointer"].startswith(pointer) for error in refused.json["errors"]), refused.json
        assert len(manager.get("/sla/policies").json["items"]) == 1

    def test_a_calendar_cannot_lose_the_hours_that_a_target_counts_on(self, manager: Caller) -> None:
        hours = {"timezone": "UTC", "weekly_hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed")}}
        calendar = manager.post("/sla/calendars", {"name": "Other", **hours}).json
        target = {"amount": 5000, "unit": "business_days", "calendar_id": calendar["id"]}
        policy = made(manager, targets={"S3": {"resolve": target}})
        path = f"/sla/calendars/{calendar['id']}"
        assert manager.get(f"{path}/uses").json["policies"][0]["id"] == policy["id"]
        less = {"timezone": "UTC", "weekly_hours": {}, "working_days": {}, "holidays": []}
        refused = manager.put(path, less | {"weekly_hours": {"mon": [["09:00", "09:30"]]}}, if_match="*")
        assert refused.status_code == 422
        assert "Urgent" in refused.json["errors"][0]["detail"]


class TestTargets:
    def test_each_target_is_counted_by_its_own_words(self, manager: Caller, agent: Caller, database: Database) -> None:
        """Received on Friday at 16:00 in UTC office hours, which end at 17:00."""
        always = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
        open_always = manager.post("/sla/calendars", {"name": "Always", "timezone": "UTC", "weekly_hours": always}).json
        targets = {
            "acknowledge": {"amount": 120, "unit": "minutes", "calendar_id": open_always["id"], "thresholds": [10]},
            "investigate": {
                "amount": 1,
                "unit": "business_days",
                "conventions": {"business_day": "same_time_nth_day"},
                "pausable": False,
            },
            "resolve": {"amount": 60, "unit": "minutes", "conventions": {"boundary": "next_opening"}},
        }
        policy = made(manager, targets={"S3": targets})
        given = complaint_body(channel="PHONE", received_at="2026-11-20T16:00:00Z")
        ref = agent.post("/complaints", given).json["reference"]
        found = clocks_of(agent, ref)
        assert {kind: found[kind]["due_at"] for kind in targets} == {
            "acknowledge": "2026-11-20T18:00:00Z",
            "investigate": "2026-11-23T16:00:00Z",
            "resolve": "2026-11-23T09:00:00Z",
        }
        assert found["acknowledge"]["calendar_id"] == open_always["id"]
        assert (found["investigate"]["pausable"], found["resolve"]["pausable"]) == (False, True)
        assert found["investigate"]["conventions"]["business_day"] == "same_time_nth_day"
        assert found["resolve"]["policy_id"] == policy["id"]
        assert agent.post(f"/complaints/{ref}/actions/ask_third_party", {"note": "Asked."}).status_code == 200
        assert clocks_of(agent, ref)["investigate"]["state"] != "paused"
        assert wrong(database) == []


class TestUnpromised:
    def test_what_an_edit_takes_away_is_told_with_it(self, manager: Caller, agent: Caller, database: Database) -> None:
        """The default policy may promise nothing; that all that is open goes with it is said by the answer, and before."""
        created = agent.post("/complaints", complaint_body(channel="PHONE")).json
        agent.post("/complaints", complaint_body(channel="PHONE"))
        default = manager.get("/sla/policies").json["items"][-1]
        path, there = f"/sla/policies/{default['id']}", len(clocks_of(agent, created["reference"]))
        dry = manager.post(f"{path}/dry-run", {"targets": {}}).json["result"]
        assert (dry["clocks"]["cancelled"], dry["clocks"]["unchanged"]) == (2 * there, 0)
        named = manager.patch(path, {"name": "Ours"}, if_match="*").json
        assert (named["unpromised_clocks"], named["recompute_job_id"]) == (0, None)
        less = {severity: {"resolve": kinds["resolve"]} for severity, kinds in default["targets"].items()}
        assert manager.patch(path, {"targets": less}, if_match="*").json["unpromised_clocks"] == 2 * (there - 1)
        answer = manager.patch(path, {"targets": {}}, if_match="*")
        assert (answer.status_code, answer.json["unpromised_clocks"]) == (200, 2 * there)
        recomputing.run(database, UUID(answer.json["recompute_job_id"]))
        assert (
            manager.get(f"/jobs/{answer.json['recompute_job_id']}").json["result"]["clocks"]["cancelled"] == 2 * there
        )
        assert clocks_of(agent, created["reference"])["resolve"]["state"] == "cancelled"
