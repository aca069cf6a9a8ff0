"""Triggers as data: who may write which, what cannot be meant, versions, and who sees what they did.

How it can fail: somebody without the permission, or who sees only some complaints, writes one; one does what its writer may
not; a body, a condition or an event that cannot work is found out when it fires; two change one at once; a past version is
lost; a huge or deep definition takes the server down; a log tells of complaints that the reader may not see, or what was
found to who may not see triggers; a field that is gone keeps every trigger from being read.
"""

from typing import Any
from uuid import UUID

import orjson
import pytest

from helpdesk.automation import jobs, triggers
from helpdesk.automation.actions import ACTIONS, NOT_FOR_TRIGGERS
from helpdesk.complaints.steps import STEPS
from helpdesk.kernel import in_force
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.automation.rules import ESCALATE, NOTE, arrive, body, firings, of, react, tag, timed, trigger
from tests.conftest import Caller, Join, make_team
from tests.recovery import helpers


class TestWriting:
    def test_who_may(self, anonymous: Caller, agent: Caller, senior: Caller, manager: Caller, join: Join) -> None:
        made = trigger(manager)
        path = f"/triggers/{made['id']}"
        for caller, read, write in (
            (anonymous, 401, 401),
            (agent, 403, 403),
            (senior, 403, 403),
            (join("auditor"), 200, 403),
            (manager, 200, 200),
        ):
            for seen in ("/triggers", path, f"{path}/versions", f"{path}/firings", "/triggers/vocabulary"):
                assert caller.get(seen).status_code == read, seen
            assert caller.patch(path, {"name": "Other"}, if_match="*").status_code == write
            made_anew = caller.post("/triggers", body())
            assert made_anew.status_code == (201 if write == 200 else write)
            tried = caller.post("/triggers/dry-runs", {"trigger": body(), "since": "2026-01-01T00:00:00Z"})
            assert tried.status_code == (202 if write == 200 else write)
        assert agent.delete(path, if_match="*").status_code == 403
        assert manager.get(f"/triggers/{new_id()}").status_code == 404
        assert manager.get(f"/triggers/dry-runs/{new_id()}").status_code == 404

    def test_only_who_sees_every_complaint(self, admin: Caller, join: Join) -> None:
        role = {"name": "lead", "description": "Leads.", "scope": "teams", "authority": "none"}
        held = ["complaint:read", "complaint:tag", "automation:read", "automation:manage", "agent:read"]
        assert admin.post("/roles", role | {"permissions": held}).status_code == 201
        lead = join("senior")
        assert admin.patch(f"/agents/{lead.id}", {"role": "lead"}, if_match="*").status_code == 200
        made = trigger(admin)
        assert lead.post("/triggers", body()).status_code == 403
        assert lead.patch(f"/triggers/{made['id']}", {"active": False}, if_match="*").status_code == 403
        assert lead.delete(f"/triggers/{made['id']}", if_match="*").status_code == 403
        dry = {"trigger": body(), "since": "2026-01-01T00:00:00Z"}
        assert lead.post("/triggers/dry-runs", dry).status_code == 403

    def test_nobody_has_it_do_what_they_may_not(self, admin: Caller, join: Join, manager: Caller) -> None:
        role = {"name": "tagger", "description": "Tags.", "scope": "everything", "authority": "none"}
        held = ["complaint:read", "complaint:tag", "complaint:note", "automation:read", "automation:manage"]
        assert admin.post("/roles", role | {"permissions": held}).status_code == 201
        tagger = join("senior")
        assert admin.patch(f"/agents/{tagger.id}", {"role": "tagger"}, if_match="*").status_code == 200
        made = trigger(tagger, actions=[tag("a"), NOTE])
        reply = {"step": "write_message", "given": {"kind": "public_reply", "body": "We look into it."}}
        answer = tagger.post("/triggers", body(actions=[tag("a"), ESCALATE, reply]))
        assert answer.status_code == 422
        assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [
            ("/actions/1/step", "beyond_you"),
            ("/actions/2/step", "beyond_you"),
        ]
        beyond = trigger(manager, actions=[ESCALATE], active=False)
        path = f"/triggers/{beyond['id']}"
        for given in ({"active": True}, {"condition": of("severity", "is", "S1")}):
            assert tagger.patch(path, given, if_match="*").status_code == 422, given
        assert tagger.patch(f"/triggers/{made['id']}", {"active": False}, if_match="*").status_code == 200

    def test_made_changed_and_taken_away(self, manager: Caller, admin: Caller, database: Database) -> None:
        made = trigger(manager, condition=of("severity", "le", "S2"), description="Agreed.")
        assert (made["position"], made["version"], made["active"]) == (10, 1, True)
        assert (made["failures"], made["paused_at"], made["unreadable"]) == (0, None, False)
        assert made["changed_by"] == str(manager.id)
        assert trigger(manager)["position"] == 20
        path = f"/triggers/{made['id']}"
        assert manager.patch(path, {"active": False}).status_code == 428
        changed = manager.patch(path, {"active": False, "position": 30, "actions": [ESCALATE]}, if_match='"v1"').json
        assert (changed["version"], changed["actions"]) == (2, [ESCALATE])
        assert changed["condition"] == of("severity", "le", "S2")
        assert manager.patch(path, {"active": True}, if_match='"v1"').status_code == 412
        same = manager.patch(path, {"position": 30}, if_match='"v2"').json
        assert same["version"] == 2
        assert [item["position"] for item in manager.get("/triggers").json["items"]] == [20, 30]
        assert manager.delete(path, if_match='"v2"').json["removed_at"] is not None
        assert manager.patch(path, {"active": True}, if_match="*").status_code == 404
        assert manager.get(path).json["removed_at"] is not None
        assert len(manager.get("/triggers").json["items"]) == 1
        versions = manager.get(f"{path}/versions").json["items"]
        assert [(item["active"], item["actions"]) for item in versions] == [
            (False, [ESCALATE]),
            (True, made["actions"]),
        ]
        told = [item["type"] for item in admin.get("/audit-log?limit=200").json["items"]]
        assert {f"automation.trigger_{word}" for word in ("created", "changed", "removed")} <= set(told)
        assert list(violations(database, ["chain"])) == []

    @pytest.mark.parametrize(
        ("given", "problems"),
        [
            ({"on": {}}, {("/on/events", "invalid")}),
            ({"on": {"events": []}}, {("/on/events", "length")}),
            ({"on": {"events": ["complaint.exploded"]}}, {("/on/events/0", "choice")}),
            ({"on": {"events": ["automation.fired"]}}, {("/on/events/0", "choice")}),
            ({"on": {"events": ["sla.breached"] * 2}}, {("/on/events/1", "invalid")}),
            (
                {"on": {"events": ["sla.breached"], "time": {"since": "received_at", "minutes": 1}}},
                {("/on/events", "")},
            ),
            ({"on": {"time": {"since": "born_at", "minutes": 1}}}, {("/on/time/since", "choice")}),
            ({"on": {"time": {"since": "received_at", "minutes": -1}}}, {("/on/time/minutes", "invalid")}),
            ({"on": {"time": {"since": "received_at", "minutes": 1e9}}}, {("/on/time/minutes", "range")}),
            ({"condition": of("salary", "is", 1)}, {("/condition/field", "unknown")}),
            ({"condition": {"all": [of("severity", "is", "S9")]}}, {("/condition/all/0/value", "choice")}),
            ({"condition": []}, {("/condition", "invalid")}),
            ({"condition": {"any": []}}, {("/condition/any", "length")}),
            ({"actions": []}, {("/actions", "length")}),
            ({"actions": [NOTE] * 21}, {("/actions", "length")}),
            ({"actions": [{"step": "claim"}]}, {("/actions/0/step", "choice")}),
            ({"actions": [{"step": "resolve"}]}, {("/actions/0/step", "choice")}),
            ({"actions": [{"step": "merge"}]}, {("/actions/0/step", "choice")}),
            (
                {"actions": [tag(), {"step": "escalate", "given": {"reason": 7, "x": 1}}]},
                {
                    ("/actions/0/given/tags", "length"),
                    ("/actions/1/given/reason", "invalid"),
                    ("/actions/1/given/x", "unknown_field"),
                },
            ),
            (
                {"actions": [{"step": "write_message", "given": {"kind": "inbound", "body": "I am so happy."}}]},
                {("/actions/0/given/kind", "invalid")},
            ),
            ({"actions": [{"step": "notify", "given": {"text": "x"}}]}, {("/actions/0/given/agent_ids", "invalid")}),
            (
                {"actions": [{"step": "raise_event", "given": {"name": "Call Back!"}}]},
                {("/actions/0/given/name", "invalid")},
            ),
            (
                {"condition": of("salary", "is", 1), "actions": [{"step": "escalate"}]},
                {("/condition/field", "unknown"), ("/actions/0/given/reason", "required")},
            ),
            ({"position": -1}, {("/position", "range")}),
            ({"name": ""}, {("/name", "length")}),
            ({"stop_after": "yes"}, {("/stop_after", "invalid")}),
            ({"secret": 1}, {("/secret", "unknown_field")}),
        ],
    )
    def test_what_cannot_be_meant(self, manager: Caller, given: dict[str, Any], problems: set[tuple[str, str]]) -> None:
        answer = manager.post("/triggers", body() | given)
        assert answer.status_code == 422, answer.text
        found = {(item["pointer"], item["code"]) for item in answer.json["errors"]}
        assert {pointer for pointer, _ in found} == {pointer for pointer, _ in problems}
        for pointer, code in problems:
            assert not code or (pointer, code) in found, found

    def test_whom_and_what_it_names_is_there(self, manager: Caller, agent: Caller, team: UUID) -> None:
        nobody, reply = (
            str(UUID(int=7)),
            {"title": "We look", "scope": "own", "variants": [{"language": "en", "body": "x"}]},
        )
        own = manager.post("/canned-replies", reply).json["id"]
        shared = manager.post("/canned-replies", reply | {"scope": "shared"}).json["id"]
        signed = [{"language": "en", "body": "Yours, {{agent.name}}"}]
        by_name = manager.post("/canned-replies", reply | {"scope": "shared", "variants": signed}).json["id"]
        message = {"kind": "public_reply"}
        for step, given, pointer in (
            ("assign", {"assignee_id": nobody}, "assignee_id"),
            ("assign", {"team_id": nobody}, "team_id"),
            ("notify", {"text": "x", "agent_ids": [str(agent.id), nobody]}, "agent_ids/1"),
            ("notify", {"text": "x", "team_ids": [nobody]}, "team_ids/0"),
            ("write_message", {"kind": "internal_note", "body": "x", "mentions": [nobody]}, "mentions/0"),
            ("write_message", message | {"body": "Dear {{complainant.name}}"}, "body"),
            ("write_message", message | {"canned_reply_id": nobody}, "canned_reply_id"),
            ("write_message", message | {"canned_reply_id": own}, "canned_reply_id"),
            ("write_message", message | {"canned_reply_id": by_name}, "canned_reply_id"),
            ("assign", {"assignee_id": str(agent.id), "team_id": str(team)}, None),
            ("assign", {"assignee_id": None}, None),
            ("write_message", message | {"canned_reply_id": shared}, None),
        ):
            answer = manager.post("/triggers", body(actions=[{"step": step, "given": given}]))
            found = [item["pointer"] for item in answer.json.get("errors", [])]
            assert found == ([] if pointer is None else [f"/actions/0/given/{pointer}"]), answer.text

    def test_time_has_no_event(self, manager: Caller) -> None:
        on = {"time": {"since": "received_at", "minutes": 5}}
        for condition, code in (
            ({"field": "severity", "operator": "changed"}, "changes"),
            (of("event.actor", "is", "agent"), "event"),
        ):
            answer = manager.post("/triggers", body(on=on, condition=condition))
            assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [("/condition", code)]

    def test_deep_and_huge(self, manager: Caller) -> None:
        deep: dict[str, Any] = of("safety", "is", True)
        for _ in range(200):
            deep = {"not": deep}
        for given in (
            {"condition": deep},
            {"condition": {"all": [of("safety", "is", True)] * 5000}},
            {"condition": of("severity", "in", ["S1"] * 5000)},
            {"actions": [tag(*(f"t{number}" for number in range(5000)))]},
            {"actions": [{"step": "raise_event", "given": {"name": "a", "data": {f"k{n}": "v" for n in range(100)}}}]},
            {"on": {"events": ["complaint.received"] * 1000}},
        ):
            answer = manager.post("/triggers", body() | given)
            assert answer.status_code == 422, (answer.status_code, str(given)[:80])
        for levels in (100, 300, 900, 5000):
            inside = "[" * levels + "]" * levels
            for step, name in (("edit", "custom_fields"), ("raise_event", "data"), ("escalate", "reason")):
                raw = orjson.dumps(body(actions=[{"step": step, "given": {name: {"a": "INSIDE"}}}])).decode()
                answer = manager.client.post(
                    "/api/v1/triggers",
                    data=raw.replace('"INSIDE"', inside),
                    content_type="application/json",
                    headers={"Authorization": f"Bearer {manager.token}"},
                )
                assert answer.status_code in {400, 422}, (step, levels, answer.text[:200])

    def test_there_are_only_so_many(self, manager: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(triggers, "MOST", 1)
        trigger(manager)
        answer = manager.post("/triggers", body())
        assert (answer.status_code, answer.json["code"]) == (409, "too_many_triggers")

    def test_the_list_of_actions_is_one_of_allowed_ones(self) -> None:
        """A new step of a complaint is no action of triggers before somebody has thought of it here."""
        assert set(STEPS) - set(ACTIONS) == NOT_FOR_TRIGGERS
        assert set(ACTIONS) - set(STEPS) == {"draft_offer", "notify", "raise_event"}

    def test_a_field_that_changes_its_type(
        self, manager: Caller, admin: Caller, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each process notices by itself, with its next look."""
        monkeypatch.setattr(in_force, "LOOKED_FOR_AGAIN", 0.0)
        field = admin.post("/custom-fields", {"key": "region", "label": "Region", "type": "text"}).json
        asks = trigger(manager, condition={"not": of("custom.region", "contains", "north")})
        other = trigger(manager, actions=[NOTE])
        arrive(manager)
        react(program)
        assert (len(firings(manager, asks)), len(firings(manager, other))) == (1, 1)
        answer = admin.patch(f"/custom-fields/{field['id']}", {"type": "number", "even_if_named": True}, if_match="*")
        assert answer.status_code == 200, answer.text
        arrive(manager)
        react(program)
        assert (len(firings(manager, asks)), len(firings(manager, other))) == (1, 2)
        assert manager.get(f"/triggers/{asks['id']}").json["unreadable"] is True
        assert manager.get(f"/triggers/{other['id']}").json["unreadable"] is False

    @pytest.mark.parametrize(
        "given",
        [
            {"condition": {"all": [{"not": of("custom.region", "is", "north")}]}},
            {"actions": [{"step": "edit", "given": {"custom_fields": {"region": "north"}}}]},
        ],
    )
    def test_a_field_that_it_names_stays(self, manager: Caller, admin: Caller, given: dict[str, Any]) -> None:
        fields = [
            admin.post("/custom-fields", {"key": key, "label": key, "type": "text"}).json
            for key in ("region", "regional")
        ]
        made = trigger(manager, **given)
        path = f"/custom-fields/{fields[0]['id']}"
        answer = admin.delete(path, if_match="*")
        assert (answer.status_code, answer.json["code"]) == (409, "custom_field_named")
        assert answer.json["uses"] == [{"what": "trigger", "id": made["id"], "name": made["name"]}]
        assert admin.get(path).status_code == 200
        assert admin.delete(f"/custom-fields/{fields[1]['id']}", if_match="*").status_code == 204
        manager.patch(f"/triggers/{made['id']}", {"active": False}, if_match="*")
        assert admin.delete(path, if_match="*").status_code == 204
        shown = manager.get(f"/triggers/{made['id']}").json
        assert shown["unreadable"] is ("condition" in given)

    def test_vocabulary(self, manager: Caller) -> None:
        found = manager.get("/triggers/vocabulary").json
        names = {item["name"]: item for item in found["fields"]}
        assert names.keys() >= {item["name"] for item in manager.get("/routing/vocabulary").json["fields"]}
        assert {
            "severity",
            "event.type",
            "clock.resolve.percent_used",
            "offer_statuses",
            "customer_tier",
        } <= names.keys()
        assert "changed_to" in names["severity"]["operators"]
        assert {"complaint.received", "sla.breached", "offer.accepted", "complaint.tagged"} <= set(found["events"])
        assert "automation.fired" not in found["events"]
        assert "claim" not in found["steps"]
        assert "last_inbound_at" in found["times"]


class TestLog:
    def test_who_sees_it(
        self,
        anonymous: Caller,
        manager: Caller,
        agent: Caller,
        join: Join,
        database: Database,
        *,
        team: UUID,
        program: Program,
    ) -> None:
        made = trigger(manager, condition=of("subject", "contains", "parcel"), actions=[NOTE])
        complaint = arrive(agent, team)
        elsewhere = arrive(manager, make_team(database, "Elsewhere"))
        react(program)
        path = f"/complaints/{complaint['reference']}/automation"
        stranger = join(team_ids=[make_team(database, "Strangers")])
        for caller, status in ((anonymous, 401), (stranger, 404), (agent, 200), (join("auditor"), 200)):
            assert caller.get(path).status_code == status
        assert agent.get(f"/complaints/{elsewhere['reference']}/automation").status_code == 404
        (seen,) = agent.get(path).json["items"]
        assert (seen["why"], seen["actions"][0]["given"], seen["trigger_name"]) == (None, None, "A rule")
        (whole,) = manager.get(path).json["items"]
        assert whole["why"] == {**of("subject", "contains", "parcel"), "found": None, "holds": True}
        assert whole["actions"] == [{**NOTE, "outcome": "done"}]
        assert len(firings(manager, made)) == 2

    def test_a_list_tells_of_visible_complaints_only(
        self, admin: Caller, join: Join, agent: Caller, team: UUID, database: Database, *, program: Program
    ) -> None:
        made = trigger(admin)
        mine, other = arrive(agent, team), arrive(admin, make_team(database, "Elsewhere"))
        react(program)
        role = {"name": "reader", "description": "Reads.", "scope": "teams", "authority": "none"}
        held = ["complaint:read", "automation:read"]
        assert admin.post("/roles", role | {"permissions": held}).status_code == 201
        reader = join("agent")
        assert admin.patch(f"/agents/{reader.id}", {"role": "reader"}, if_match="*").status_code == 200
        assert {item["reference"] for item in firings(admin, made)} == {mine["reference"], other["reference"]}
        assert {item["reference"] for item in firings(reader, made)} == {mine["reference"]}
        assert reader.get(f"/triggers/{made['id']}/firings?count=true").json["total"] == 1

    def test_it_is_kept_for_a_time_and_moments_for_ever(
        self, manager: Caller, program: Program, database: Database
    ) -> None:

        made = trigger(manager)
        old = timed(manager, "received_at", 0)
        arrive(manager)
        react(program)
        jobs.run_timed(database)
        assert (len(firings(manager, made)), len(firings(manager, old))) == (1, 1)
        helpers.execute(database, "UPDATE automation_firing SET at = now() - interval '91 days'")
        assert jobs.forget_firings(program.engine, 92) == 0
        assert jobs.forget_firings(program.engine, 90) == 2
        assert jobs.forget_firings(program.engine, 90) == 0
        helpers.execute(database, "UPDATE complaint SET updated_at = now()")
        jobs.run_timed(database)
        assert firings(manager, old) == []
