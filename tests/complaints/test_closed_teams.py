"""Teams renamed, closed and opened again, and what becomes of what a closed one had.

How it can fail: two teams of one name; a closed one is given something, by whatever way; a rule, a form, a view, a trigger or a
policy goes on naming it; a complaint is left behind, given on twice, or to a team that is closed too; one that is opened again
comes back to it; it loses its handler for nothing; two close each other in the same moment; a complaint is taken in at the very
moment in which its team is closed.
"""

from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import closed_team_jobs, closed_teams
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.calling import at, done, new, problems
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once, while_it_waits
from tests.recovery import helpers
from tests.sla.watching import make_policy, when

NOT_THERE: Final = str(uuid4())


def close(admin: Caller, team_id: UUID, heir: UUID | str | None = None) -> Any:
    more = {} if heir is None else {"reassign_to": {"team_id": str(heir)}}
    return admin.patch(f"/teams/{team_id}", {"active": False} | more, if_match="*")


def closed(admin: Caller, team_id: UUID, heir: UUID | str | None = None) -> None:
    answer = close(admin, team_id, heir)
    assert answer.status_code == 200, answer.text


def team_of(admin: Caller, shown: dict[str, Any]) -> tuple[str | None, str | None]:
    found = admin.get(at(shown)).json
    return found["team_id"], found["assignee_id"]


@pytest.fixture
def other(database: Database) -> UUID:
    return make_team(database, "Others")


class TestChanging:
    def test_anonymous_and_role(self, anonymous: Caller, manager: Caller, team: UUID) -> None:
        assert anonymous.patch(f"/teams/{team}", {"name": "x"}, if_match="*").status_code == 401
        assert manager.patch(f"/teams/{team}", {"name": "x"}, if_match="*").status_code == 403

    def test_renamed(self, admin: Caller, team: UUID, other: UUID) -> None:
        path = f"/teams/{team}"
        assert admin.patch(path, {"name": "x"}).status_code == 428
        assert admin.patch(path, {"name": "x"}, if_match='"v9"').status_code == 412
        assert admin.patch(f"/teams/{NOT_THERE}", {"name": "x"}, if_match="*").status_code == 404
        for name in ("OTHERS", "\uff2f\uff34\uff28\uff25\uff32\uff33", "Oth\u200ders"):
            for taken in (admin.patch(path, {"name": name}, if_match="*"), admin.post("/teams", {"name": name})):
                assert (taken.status_code, taken.json["code"]) == (409, "name_taken"), name
        before = admin.get(path).json
        answer = admin.patch(path, {"name": "COMPLAINTS"}, if_match=f'"v{before["version"]}"')
        assert (answer.status_code, answer.json["name"], answer.json["active"]) == (200, "COMPLAINTS", True)
        act = admin.get("/audit-log?limit=1").json["items"][0]
        assert (act["type"], act["payload"]["changes"]) == ("team.changed", {"name": ["Complaints", "COMPLAINTS"]})
        assert admin.patch(path, {"name": "COMPLAINTS"}, if_match="*").json["version"] == answer.json["version"]

    @pytest.mark.parametrize("name", ["our  TEAM", "our\u00a0team", "\uff2f\uff35\uff32 team", "o\u200cur team"])
    def test_another_spelling_is_the_same_name(self, admin: Caller, team: UUID, name: str) -> None:
        made = admin.post("/teams", {"name": "Our team"}).json["id"]
        for answer in (
            admin.post("/teams", {"name": name}),
            admin.patch(f"/teams/{team}", {"name": name}, if_match="*"),
        ):
            assert (answer.status_code, answer.json["code"]) == (409, "name_taken")
        assert admin.patch(f"/teams/{made}", {"name": name}, if_match="*").status_code == 200  # its own

    @pytest.mark.parametrize("name", ["\u200d", "\u202eevil"])
    def test_a_name_is_to_be_seen(self, admin: Caller, team: UUID, name: str) -> None:
        assert list(problems(admin.post("/teams", {"name": name}))) == ["/name"]
        assert list(problems(admin.patch(f"/teams/{team}", {"name": name}, if_match="*"))) == ["/name"]

    def test_one_name_of_two_at_once(self, admin: Caller, team: UUID, other: UUID) -> None:
        def rename(team_id: UUID) -> Any:
            return admin.patch(f"/teams/{team_id}", {"name": "Ours"}, if_match="*")

        answers = at_once(lambda: rename(team), lambda: rename(other), lambda: admin.post("/teams", {"name": "ours"}))
        assert sorted(answer.status_code for answer in answers)[1:] == [409, 409]
        assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"name_taken"}

    def test_whom_it_may_name(self, admin: Caller, team: UUID, other: UUID, database: Database) -> None:
        for body in ({"reassign_to": {"team_id": str(other)}}, {"active": True, "reassign_to": None}):
            assert problems(admin.patch(f"/teams/{team}", body, if_match="*")) == {"/reassign_to": "not_closing"}
        gone = make_team(database, "Gone")
        closed(admin, gone)
        for heir in (team, gone, NOT_THERE):
            assert problems(close(admin, team, heir)) == {"/reassign_to/team_id": "unknown"}

    def test_it_takes_the_right_to_assign_anything(self, admin: Caller, join: Join, team: UUID, other: UUID) -> None:
        held = ["agent:read", "agent:manage", "complaint:read", "complaint:claim"]
        assert admin.post("/roles", {"name": "clerk", "permissions": held, "scope": "teams"}).status_code == 201
        clerk = join("clerk")
        beyond = {"permissions": ["complaint:assign"], "scope": "everything"}
        answer = close(clerk, other, team)
        assert (answer.status_code, answer.json["beyond"]) == (403, beyond)
        assert close(clerk, other).status_code == 200

    def test_two_that_close_each_other(self, admin: Caller, team: UUID, other: UUID) -> None:
        answers = at_once(lambda: close(admin, team, other), lambda: close(admin, other, team))
        assert sorted(answer.status_code for answer in answers) == [200, 422]

    def test_listed_and_opened_again(self, admin: Caller, team: UUID, other: UUID) -> None:
        closed(admin, team, other)
        shown = admin.get("/teams?active=false").json["items"]
        assert [(item["id"], item["successor_id"]) for item in shown] == [(str(team), str(other))]
        assert [item["team_id"] for item in admin.get("/queues").json["items"]] == [str(other)]
        again = admin.patch(f"/teams/{team}", {"active": False, "name": "Closed"}, if_match="*").json
        assert again["successor_id"] == str(other)
        opened = admin.patch(f"/teams/{team}", {"active": True}, if_match="*").json
        assert (opened["active"], opened["successor_id"]) == (True, None)


class TestRefusedWhereATeamIsGiven:
    def test_everywhere(self, admin: Caller, agent: Caller, team: UUID, other: UUID) -> None:
        shown = new(agent)
        closed(admin, team)
        given = {"team_id": str(team)}
        for caller, path, body, pointer in (
            (agent, "/complaints", complaint_body(**given), "/team_id"),
            (admin, "/complaints", complaint_body(**given), "/team_id"),
            (admin, "/intake/forms", {"name": "Of the closed", **given}, "/team_id"),
            (
                admin,
                "/canned-replies",
                {"title": "x", "scope": "team", "variants": [{"language": "en", "body": "x"}], **given},
                "/team_id",
            ),
            (
                admin,
                "/routing/rules",
                {
                    "name": "x",
                    "condition": {"field": "channel", "operator": "is", "value": "EMAIL"},
                    "result": {**given, "strategy": "queue_only"},
                },
                "/result/team_id",
            ),
            (
                admin,
                "/triggers",
                {
                    "name": "x",
                    "on": {"events": ["complaint.received"]},
                    "condition": {"field": "channel", "operator": "is", "value": "EMAIL"},
                    "actions": [{"step": "assign", "given": given}],
                },
                "/actions/0/given/team_id",
            ),
            (
                admin,
                "/budgets",
                {"name": "x", "currency": "GBP", "starts_on": "2026-01-01", "ends_on": "2026-12-31", **given},
                "/team_id",
            ),
            (
                admin,
                "/agents",
                {"email": "a@b.example", "name": "A", "role": "agent", "team_ids": [str(team)]},
                "/team_ids/0",
            ),
        ):
            assert pointer in problems(caller.post(path, body)), path
        assert problems(admin.put(at(shown, "assignment"), given, if_match="*")) == {"/team_id": "unknown"}
        path = f"/agents/{agent.id}"
        assert admin.patch(path, {"team_ids": [str(team), str(other)]}, if_match="*").status_code == 200  # it was there
        assert admin.patch(path, {"team_ids": [str(other)]}, if_match="*").status_code == 200
        assert problems(admin.patch(path, {"team_ids": [str(team)]}, if_match="*")) == {"/team_ids/0": "inactive"}

    def test_what_is_kept_names_none(self, admin: Caller, team: UUID) -> None:
        """What would have kept it from being closed is not written afterwards; one's own view may look for what it had."""
        closed(admin, team)
        view: dict[str, Any] = {"name": "Theirs", "scope": "shared", "filters": {"team_id": str(team)}}
        assert problems(admin.post("/views", view)) == {"/filters/team_id": "inactive"}
        view["filters"] = {"team_id": [str(team)]}
        assert problems(admin.post("/views", view)) == {"/filters/team_id/0": "inactive"}
        assert admin.post("/views", view | {"scope": "own"}).status_code == 201
        step = {"step": "assign", "given": {"team_id": str(team)}}
        macro = {"name": "To them", "scope": "shared", "steps": [step]}
        assert problems(admin.post("/macros", macro)) == {"/steps/0/given/team_id": "unknown"}

    def test_taken_in_while_it_is_closed(self, admin: Caller, agent: Caller, team: UUID, engine: Engine) -> None:
        """Who closes it has it locked: whoever takes in waits, and is refused."""
        answer = while_it_waits(
            engine,
            "SELECT id FROM team WHERE id = :id FOR UPDATE",
            lambda: agent.post("/complaints", complaint_body(team_id=str(team))),
            f"UPDATE team SET active = false WHERE id = '{team}'",
            id=team,
        )
        assert problems(answer) == {"/team_id": "unknown"}


class TestMembers:
    def test_see_what_it_decided(self, program: Program, admin: Caller, join: Join, team: UUID, other: UUID) -> None:
        """Also whoever is made one after it was closed: nothing is given to them by it."""
        shown = done(admin, new(admin, team_id=str(team)), "withdraw")
        closed(admin, team, other)
        helpers.perform(program, closed_teams.TOPIC)
        successor = join("agent", team_ids=[other])
        assert successor.get(at(shown)).status_code == 404
        answer = admin.put(f"/teams/{team}/members", {"agent_ids": [str(successor.id)]}, if_match="*")
        assert answer.status_code == 200, answer.text
        assert successor.get(at(shown)).json["team_id"] == str(team)
        assert problems(successor.post("/complaints", complaint_body(team_id=str(team)))) == {"/team_id": "unknown"}


class TestNamedUses:
    def test_a_form_that_is_switched_off_keeps_none(self, admin: Caller, team: UUID, other: UUID) -> None:
        """It takes nothing in; switched on again, it needs a team that there is."""
        form = f"/intake/forms/{admin.post('/intake/forms', {'name': 'Ours', 'team_id': str(team)}).json['id']}"
        assert close(admin, team).json["code"] == "team_in_use"
        assert admin.patch(form, {"active": False}, if_match="*").status_code == 200
        closed(admin, team)
        assert admin.patch(form, {"name": "Kiosk"}, if_match="*").status_code == 200
        assert problems(admin.patch(form, {"active": True}, if_match="*")) == {"/team_id": "unknown"}
        mended = {"active": True, "team_id": str(other)}
        assert admin.patch(form, mended, if_match="*").status_code == 200

    def test_all_at_once(self, admin: Caller, team: UUID, database: Database) -> None:
        given, anything = {"team_id": str(team)}, {"field": "channel", "operator": "is", "value": "EMAIL"}
        bodies = {
            "/intake/forms": {"name": "Ours", **given},
            "/routing/rules": {"name": "To us", "condition": anything, "result": {**given, "strategy": "queue_only"}},
            "/views": {"name": "What we have", "scope": "shared", "filters": given},
            "/triggers": {
                "name": "Give",
                "on": {"events": ["complaint.received"]},
                "condition": anything,
                "actions": [{"step": "assign", "given": given}],
            },
        }
        made = {}
        for path, body in bodies.items():
            answer = admin.post(path, body)
            assert answer.status_code == 201, answer.text
            made[path] = answer.json["id"]
        policy = make_policy(
            database, "For us", condition=when("team_id", str(team)), targets={"S3": {"resolve": [1, "weeks"]}}
        )
        refused = close(admin, team)
        assert (refused.status_code, refused.json["code"]) == (409, "team_in_use")
        assert {(use["what"], use["name"]) for use in refused.json["uses"]} == {
            ("form", "Ours"),
            ("routing_rule", "To us"),
            ("view", "What we have"),
            ("trigger", "Give"),
            ("sla_policy", "For us"),
        }
        assert admin.get(f"/teams/{team}").json["active"]
        rule, trigger = f"/routing/rules/{made['/routing/rules']}", f"/triggers/{made['/triggers']}"
        for path in (rule, trigger, f"/sla/policies/{policy}"):
            assert admin.patch(path, {"active": False}, if_match="*").status_code == 200
        assert admin.delete(f"/views/{made['/views']}", if_match="*").status_code == 204
        assert admin.patch(f"/intake/forms/{made['/intake/forms']}", {"team_id": None}, if_match="*").status_code == 200
        closed(admin, team)
        assert problems(admin.patch(rule, {"active": True}, if_match="*")) == {"/result/team_id": "unknown"}
        assert problems(admin.patch(trigger, {"active": True}, if_match="*")) == {"/actions/0/given/team_id": "unknown"}


class TestGivenOn:
    def test_to_the_team_that_was_named(
        self, admin: Caller, join: Join, team: UUID, other: UUID, program: Program
    ) -> None:
        both, ours = join(team_ids=[team, other]), join()
        kept, lost, free = (new(admin, team_id=str(team)) for _ in range(3))
        for shown, caller in ((kept, both), (lost, ours)):
            body = {"assignee_id": str(caller.id)}
            assert admin.put(at(shown, "assignment"), body, if_match="*").status_code == 200
        over = done(admin, new(admin, team_id=str(team)), "withdraw")
        closed(admin, team, other)
        for _ in range(2):
            helpers.perform(program, closed_teams.TOPIC)
        assert team_of(admin, kept) == (str(other), str(both.id))
        assert team_of(admin, lost) == team_of(admin, free) == (str(other), None)
        assert team_of(admin, over)[0] == str(team)
        entries = [
            item for item in admin.get(at(lost, "timeline")).json["items"] if item["type"] == "complaint.assigned"
        ]
        assert (entries[-1]["payload"]["how"], entries[-1]["payload"]["reason"]) == ("reassigned", closed_teams.CLOSED)
        assert len(entries) == 2
        again = admin.post(at(over, "actions", "reopen"), {"reason": "It came back."})
        assert again.json["team_id"] == str(other)
        assert list(violations(program.database)) == []

    def test_where_the_rules_send_it_or_to_nobody(
        self, admin: Caller, team: UUID, other: UUID, program: Program
    ) -> None:
        first = new(admin, team_id=str(team))
        result = {"team_id": str(other), "strategy": "queue_only"}
        condition = {"field": "language", "operator": "is", "value": "fr"}
        assert (
            admin.post("/routing/rules", {"name": "French", "condition": condition, "result": result}).status_code
            == 201
        )
        second = new(admin, team_id=str(team), language="fr")
        closed(admin, team)
        helpers.perform(program, closed_teams.TOPIC)
        assert team_of(admin, first) == (None, None)
        assert team_of(admin, second) == (str(other), None)

    def test_from_one_closed_team_to_the_next(self, admin: Caller, team: UUID, other: UUID, database: Database) -> None:
        """And the sweep finds what no duty gives on."""
        last = make_team(database, "Last")
        shown = new(admin, team_id=str(team))
        closed(admin, team, other)
        closed(admin, other, last)
        assert list(violations(database)) == []
        with database.engine.begin() as connection:
            connection.execute(
                text("UPDATE duty SET dead_at = now() WHERE topic = :topic"), {"topic": closed_teams.TOPIC}
            )
        assert [item.subject for item in violations(database) if item.check == "team"] == [
            f"complaint {shown['reference']}"
        ]
        assert [closed_team_jobs.collect_left_behind(database) for _ in range(2)] == [1, 0]
        assert team_of(admin, shown) == (str(last), None)

    def test_opened_again_before_it_is_given_on(self, admin: Caller, team: UUID, other: UUID, program: Program) -> None:
        shown = new(admin, team_id=str(team))
        closed(admin, team, other)
        assert admin.patch(f"/teams/{team}", {"active": True}, if_match="*").status_code == 200
        helpers.perform(program, closed_teams.TOPIC)
        assert team_of(admin, shown)[0] == str(team)
