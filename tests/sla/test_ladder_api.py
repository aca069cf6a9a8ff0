"""Ladders over the API: written with policies and rules, their log read, and the calendars of teams.

How it can fail: a ladder that cannot be climbed is kept; what is wrong is not told where it stands; somebody has a ladder do what they
may not do; whom it names is not there; a default is lost on the way, so that the same ladder is another version; the log shows what
somebody may not see; a team's calendar is changed by who may not, or over somebody else's change.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import escalating
from tests.conftest import Caller, Join, make_team
from tests.recovery import helpers
from tests.sla.climbing import AROUND_THE_CLOCK, TELL, after, complaint_of, give, ring, rung, set_hours, set_ladder
from tests.sla.watching import Story

DEFAULTS = {"to": ["assignee"], "agent_ids": [], "roles": [], "mail": False, "text": None}


def default_policy(caller: Caller) -> dict[str, Any]:
    [found] = [each for each in caller.get("/sla/policies?limit=200").json["items"] if each["is_default"]]
    return dict(found)


def write(caller: Caller, ladder: Any, **more: Any) -> Any:
    return caller.patch(f"/sla/policies/{default_policy(caller)['id']}", {"ladder": ladder, **more}, if_match="*")


def wrong(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestWritten:
    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        path = f"/sla/policies/{default_policy(manager)['id']}"
        assert anonymous.patch(path, {"ladder": []}, if_match="*").status_code == 401
        assert agent.patch(path, {"ladder": []}, if_match="*").status_code == 403

    def test_as_it_is_kept_and_the_same_again_is_no_new_version(self, manager: Caller) -> None:
        ladder = [rung("-30 minutes", TELL), rung("150%", "raise_level", "reassign", at_any_time=True)]
        made = write(manager, ladder)
        assert made.status_code == 200, made.text
        assert made.json["ladder"] == [
            {"at": "-30 minutes", "at_any_time": False, "actions": [{"step": "notify", "given": DEFAULTS}]},
            {
                "at": "150%",
                "at_any_time": True,
                "actions": [{"step": "raise_level", "given": {}}, {"step": "reassign", "given": {"to": "lead"}}],
            },
        ]
        again = write(manager, made.json["ladder"])
        assert again.json["version"] == made.json["version"]

    def test_one_of_a_target(self, manager: Caller) -> None:
        target = {"amount": 60, "unit": "minutes", "ladder": [rung("100%", "raise_severity")]}
        answer = write(manager, [], targets={"S3": {"acknowledge": target}})
        assert answer.status_code == 200, answer.text
        kept = answer.json["targets"]["S3"]["acknowledge"]["ladder"]
        assert kept == [{"at": "100%", "at_any_time": False, "actions": [{"step": "raise_severity", "given": {}}]}]
        created = manager.post(
            "/complaints", {"channel": "PHONE", "subject": "x", "description": "x", "complainant": {"name": "Li"}}
        )
        [clock] = manager.get(f"/complaints/{created.json['reference']}/clocks").json["items"]
        assert clock["next_rung"] == "50%"

    @pytest.mark.parametrize(
        ("ladder", "pointers"),
        [
            ([rung("0%", TELL)], {"/ladder/0/at"}),
            ([rung("75 %", TELL)], {"/ladder/0/at"}),
            ([rung("-30 hours", TELL)], {"/ladder/0/at"}),
            ([rung("1001%", TELL)], {"/ladder/0/at"}),
            ([rung("+60000 minutes", TELL)], {"/ladder/0/at"}),
            ([rung("75%", TELL), rung("75%", TELL)], {"/ladder/1/at"}),
            ([rung("75%", TELL), rung("50%", TELL)], {"/ladder/1/at"}),
            ([rung("+60 minutes", TELL), rung("-60 minutes", TELL)], {"/ladder/1/at"}),
            ([rung(f"{share}%", TELL) for share in range(1, 22)], {"/ladder"}),
            ([rung("75%")], {"/ladder/0/actions"}),
            ([rung("75%", *[TELL] * 11)], {"/ladder/0/actions"}),
            ([rung("75%", "explode")], {"/ladder/0/actions/0/step"}),
            ([rung("75%", "notify")], {"/ladder/0/actions/0/given/to"}),
            ([rung("75%", {"step": "notify", "given": {"to": ["everybody"]}})], {"/ladder/0/actions/0/given/to/0"}),
            ([rung("75%", {"step": "raise_level", "given": {"by": 2}})], {"/ladder/0/actions/0/given/by"}),
            ([rung("75%", {"step": "draft_offer", "given": {}})], {"/ladder/0/actions/0/given/reason"}),
            ([rung("75%", {"step": "raise_event", "given": {"name": "No Blanks"}})], {"/ladder/0/actions/0/given/name"}),
            ([{"at": "75%", "actions": [TELL], "when": "now"}], {"/ladder/0/when"}),
            ("75%", {"/ladder"}),
            ([rung("75%", {"step": "notify", "given": {"agent_ids": [str(uuid4())], "roles": ["king"]}})],
             {"/ladder/0/actions/0/given/agent_ids/0", "/ladder/0/actions/0/given/roles/0"}),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_where_it_stands(self, manager: Caller, ladder: Any, pointers: set[str]) -> None:
        assert set(wrong(write(manager, ladder))) == pointers
        target = {"amount": 60, "unit": "minutes", "ladder": ladder}
        answer = write(manager, [], targets={"S3": {"acknowledge": target}})
        assert set(wrong(answer)) == {f"/targets/S3/acknowledge{pointer}" for pointer in pointers}

    def test_nobody_has_it_do_what_they_may_not(self, manager: Caller, admin: Caller, join: Join) -> None:
        body = {
            "name": "clerk",
            "description": "Keeps the promises.",
            "permissions": ["sla:read", "sla:manage"],
            "scope": "everything",
            "authority": "none",
        }
        assert admin.post("/roles", body).status_code == 201
        clerk = join("clerk")
        ladder = [rung("75%", TELL, "raise_level", {"step": "draft_offer", "given": {"kind": "apology_letter"}})]
        assert wrong(write(clerk, ladder)) == {f"/ladder/0/actions/{place}/step": "beyond_you" for place in range(3)}
        assert write(manager, ladder).status_code == 200
        assert (
            clerk.patch(f"/sla/policies/{default_policy(clerk)['id']}", {"thresholds": [60]}, if_match="*").status_code
            == 200
        )

    def test_of_a_regulators_rule(self, manager: Caller, agent: Caller, database: Database) -> None:
        changed = manager.patch(
            "/sla/regimes/us.cfpb.15", {"thresholds": [40], "ladder": [rung("-2 business_days", TELL)]}, if_match="*"
        )
        assert changed.status_code == 200, changed.text
        assert (changed.json["thresholds"], changed.json["ladder"][0]["at"]) == ([40], "-2 business_days")
        more: dict[str, Any] = {"jurisdiction": "US", "sector": "financial"}
        story = Story(database, **more, channel="REGULATOR", clock_starts={"complaint_sent_to_company": after(hours=0)})
        give(story, agent.id)
        clock = story.clock("us.cfpb.15")
        assert clock.next_rung == "40%"
        ring(story, after(days=14))
        assert story.rang("us.cfpb.15") == [40, None]
        put_back = manager.patch("/sla/regimes/us.cfpb.15", {"thresholds": None, "ladder": None}, if_match="*")
        assert (put_back.json["thresholds"], put_back.json["ladder"]) == ([50, 75, 90], [])


class TestLog:
    def test_who_may(self, anonymous: Caller, agent: Caller, join: Join, database: Database) -> None:
        story = Story(database)
        give(story, agent.id, make_team(database, "Other"))
        path = f"/complaints/{complaint_of(story).reference}/escalations"
        assert anonymous.get(path).status_code == 401
        assert join().get(path).status_code == 404
        assert agent.get(path).json == {"items": [], "next_cursor": None}

    def test_everything_that_followed_page_by_page(self, database: Database, manager: Caller) -> None:
        set_ladder(database, rung("75%", "raise_level", TELL), thresholds=[50])
        set_hours(database, manager.id, AROUND_THE_CLOCK)
        story = Story(database)
        give(story, manager.id)
        ring(story, after(hours=3, minutes=12))
        escalating.escalate(database, story.id)
        path = f"/complaints/{complaint_of(story).reference}/escalations"
        first = manager.get(f"{path}?limit=1").json
        [entry] = first["items"]
        assert (entry["kind"], entry["rung"], entry["threshold"], entry["late_seconds"]) == (
            "acknowledge",
            "75%",
            75,
            720,
        )
        assert (entry["planned_for"], entry["fired_at"]) == ("2026-03-02T12:00:00Z", "2026-03-02T12:12:00Z")
        assert [(one["step"], one["outcome"], len(one["told"])) for one in entry["actions"]] == [
            ("raise_level", "done", 0),
            ("notify", "done", 1),
        ]
        [one] = entry["actions"][1]["told"]
        assert (one["agent_id"], one["outcome"], one["until"]) == (str(manager.id), "sent", None)
        second = manager.get(f"{path}?limit=1&cursor={first['next_cursor']}").json
        assert [entry["rung"] for entry in second["items"]] == ["50%"]
        assert manager.get(f"{path}?clock_id={uuid4()}").json["items"] == []

    def test_in_words(self, database: Database, manager: Caller) -> None:
        set_ladder(database, rung("-30 minutes", "raise_severity"), rung("+60 minutes", "reassign"))
        story = Story(database)
        ring(story, after(hours=6))
        escalating.escalate(database, story.id)
        entries = manager.get(f"/complaints/{complaint_of(story).reference}/timeline?limit=200").json["items"]
        told = {entry["type"]: entry["summary"] for entry in entries}
        assert told["sla.warned"].startswith(
            "Deadline near: for acknowledgement, at 30 business minutes before it is due, per cent used 87"
        )
        assert "at 60 business minutes after it was due" in told["sla.overdue"]
        assert told["sla.escalated"].startswith("Escalated by a ladder: step raise the severity")
        assert "the complaint is in no team" in told["sla.escalation_failed"]


class TestTeamCalendar:
    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller, team: UUID) -> None:
        path = f"/sla/teams/{team}/calendar"
        assert (anonymous.get(path).status_code, anonymous.put(path, {"calendar_id": None}).status_code) == (401, 401)
        assert agent.put(path, {"calendar_id": None}, if_match="*").status_code == 403
        assert agent.get(path).json == {"team_id": str(team), "calendar_id": None, "version": 0}
        assert manager.get(f"/sla/teams/{uuid4()}/calendar").status_code == 404
        assert manager.put(f"/sla/teams/{uuid4()}/calendar", {"calendar_id": None}, if_match="*").status_code == 404

    def test_said_changed_and_taken_back(self, manager: Caller, team: UUID, database: Database) -> None:
        path, calendar_id = f"/sla/teams/{team}/calendar", default_policy(manager)["calendar_id"]
        assert manager.put(path, {"calendar_id": calendar_id}).status_code == 428
        made = manager.put(path, {"calendar_id": calendar_id}, if_match='"v0"')
        assert (made.status_code, made.json["version"]) == (200, 1), made.text
        assert manager.put(path, {"calendar_id": calendar_id}, if_match='"v1"').json["version"] == 1
        assert manager.put(path, {"calendar_id": None}, if_match='"v0"').status_code == 412
        assert wrong(manager.put(path, {"calendar_id": str(uuid4())}, if_match="*")) == {"/calendar_id": "unknown"}
        assert manager.put(path, {"calendar_id": None}, if_match='"v1"').json["version"] == 2
        assert helpers.scalar(database, "SELECT count(*) FROM event WHERE type = 'sla.team_calendar_changed'") == 2
