"""Edits and the acts of a life. Each class begins with the anonymous caller, then the wrong role, then the good case.

How it can fail: a caller changes what is not theirs; two who claim at once both win; somebody complained about closes the
complaint.
"""

from typing import Any, Final
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine

from helpdesk.complaints.lifecycle import CLOSING, LIFECYCLE
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import LIFE, as_read, at, done, everything, new, problems
from tests.complaints.steps import FIRST, GOOD, WAY_TO
from tests.conftest import Caller, Join, make_team
from tests.racing import behind_lock


class TestEdit:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.patch(at(complaint), {"subject": "x"}, if_match="*").status_code == 401

    def test_wrong_role_and_team(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        assert join("auditor").patch(at(complaint), {"subject": "x"}, if_match="*").status_code == 403
        stranger = join(team_ids=[make_team(database, "Other")])
        assert stranger.patch(at(complaint), {"subject": "x"}, if_match="*").status_code == 404

    def test_needs_the_version_looked_at(self, agent: Caller, complaint: dict[str, Any]) -> None:
        missing = agent.patch(at(complaint), {"subject": "x"})
        assert (missing.status_code, missing.json["code"]) == (428, "precondition_required")
        for wrong in ('"v2"', "v1", 'W/"v1"', "", '"v11"'):
            answer = agent.patch(at(complaint), {"subject": "x"}, if_match=wrong)
            assert (answer.status_code, answer.headers["ETag"], answer.json["current_version"]) == (412, '"v1"', 1), (
                wrong
            )
        assert agent.get(at(complaint)).json == as_read(complaint)

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        body = {"subject": "Two weeks late", "loss": {"amount": "0", "currency": "EUR"}, "language": "zh-CN"}
        answer = agent.patch(at(complaint), body, if_match='"v7", "v1"')
        assert answer.status_code == 200
        assert answer.headers["ETag"].startswith('"v2-')
        assert {name: answer.json[name] for name in body} == body | {"loss": {"amount": "0.00", "currency": "EUR"}}
        last = everything(agent, at(complaint, "timeline"))[-1]
        assert last["type"] == "complaint.edited"
        assert last["payload"]["changes"]["subject"] == ["Parcel a week late", "Two weeks late"]

    def test_no_change_is_no_version(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for body in ({}, {"subject": complaint["subject"]}):
            answer = agent.patch(at(complaint), body, if_match="*")
            assert (answer.status_code, answer.json["version"]) == (200, 1)
        types = [entry["type"] for entry in everything(agent, at(complaint, "timeline"))]
        assert types == ["complaint.received", "sla.started"]

    def test_one_currency(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.patch(at(complaint), {"loss": {"amount": "5", "currency": "EUR"}}, if_match="*")
        dollars = {"amount": "9", "currency": "USD"}
        for body in (
            {"loss": dollars},
            {"price": dollars},
            {"price": dollars, "loss": {"amount": "5", "currency": "EUR"}},
        ):
            assert set(problems(agent.patch(at(complaint), body, if_match="*"))) & {"/price/currency", "/loss/currency"}
        answer = agent.patch(at(complaint), {"price": dollars, "loss": dollars}, if_match="*")
        assert answer.json["price"] == answer.json["loss"] == {"amount": "9.00", "currency": "USD"}

    def test_status_is_not_edited(self, agent: Caller, complaint: dict[str, Any]) -> None:
        body = {"status": "resolved", "severity": "S5", "reference": "x", "version": 9, "team_id": None}
        answer = agent.patch(at(complaint), body, if_match="*")
        assert problems(answer) == dict.fromkeys((f"/{name}" for name in body), "unknown_field")

    def test_two_at_once_with_one_version(self, app: Flask, agent: Caller, engine: Engine, complaint: Any) -> None:
        callers = [Caller(app.test_client(), agent.actor, agent.token) for _ in range(2)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(
                lambda caller=caller, word=word: caller.patch(at(complaint), {"subject": word}, if_match='"v1"')
                for caller, word in zip(callers, ("one", "two"), strict=True)
            ),
            id=complaint["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        assert agent.get(at(complaint)).json["version"] == 2


ELSEWHERE: Final = {"merge", "unmerge"}
"""Actions with routes of their own, tested with them."""


class TestActions:
    def test_anonymous_role_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        stranger, auditor = join(team_ids=[make_team(database, "Other")]), join("auditor")
        for action in set(LIFECYCLE.actions) - ELSEWHERE:
            path = at(complaint, "actions", action)
            assert anonymous.post(path, GOOD[action]).status_code == 401
            assert stranger.post(path, GOOD[action]).status_code == 404
            refused = auditor.post(path, GOOD[action])
            assert (refused.status_code, refused.json["permission"]) == (403, LIFECYCLE.by_action(action).permission)

    @pytest.mark.parametrize(("action", "state"), LIFE)
    def test_good(self, senior: Caller, action: str, state: str) -> None:
        way = (*WAY_TO[state], *([FIRST[action]] if action in FIRST else []))
        shown = done(senior, new(senior), *way)
        answer = senior.post(at(shown, "actions", action), GOOD[action], if_match=f'"v{shown["version"]}"')
        assert answer.status_code == 200, answer.text
        assert answer.json["version"] == shown["version"] + 1
        assert answer.headers["ETag"].startswith(f'"v{shown["version"] + 1}-')
        assert answer.json["status"] == (LIFECYCLE.by_action(action).target or state)
        assert senior.get(at(shown)).json == answer.json

    def test_life_covers_every_action(self) -> None:
        assert {action for action, _ in LIFE} | {"answer"} | ELSEWHERE == set(
            LIFECYCLE.actions
        )  # `answer`: what is none

    def test_refused_with_what_is_possible(self, senior: Caller, complaint: dict[str, Any]) -> None:
        answer = senior.post(at(complaint, "actions", "follow_up"), GOOD["follow_up"])
        assert (answer.status_code, answer.json["code"]) == (409, "action_not_allowed")
        assert (answer.json["state"], answer.json["action"]) == ("received", "follow_up")
        assert answer.json["allowed_actions"] == senior.get(at(complaint)).json["allowed_actions"]
        waits = senior.post(at(complaint, "actions", "resume"), GOOD["resume"])
        assert [need["code"] for need in waits.json["missing"]] == ["not_waiting"]

    def test_refusal_before_the_body_is_read(self, senior: Caller, complaint: dict[str, Any]) -> None:
        """409 before 422: what is wrong with the body is of no use to who may not act."""
        assert senior.post(at(complaint, "actions", "follow_up"), {"nonsense": 1}).status_code == 409
        assert senior.post(at(complaint, "actions", "dismiss"), {"nonsense": 1}).status_code == 422

    def test_old_version(self, senior: Caller, complaint: dict[str, Any]) -> None:
        done(senior, complaint, "acknowledge")
        answer = senior.post(at(complaint, "actions", "withdraw"), GOOD["withdraw"], if_match='"v1"')
        assert answer.status_code == 412
        assert senior.get(at(complaint)).json["status"] == "received"

    def test_unknown_action(self, senior: Caller, complaint: dict[str, Any]) -> None:
        answer = senior.post(at(complaint, "actions", "abolish"), {})
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_route")

    def test_two_at_once(self, app: Flask, senior: Caller, engine: Engine, complaint: dict[str, Any]) -> None:
        """Of `withdraw` and `dismiss` at the same moment one happens, the other is told what is possible now."""
        callers = [Caller(app.test_client(), senior.actor, senior.token) for _ in range(2)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(
                lambda caller=caller, action=action: caller.post(at(complaint, "actions", action), GOOD[action])
                for caller, action in zip(callers, ("withdraw", "dismiss"), strict=True)
            ),
            id=complaint["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        lost = next(answer for answer in answers if answer.status_code == 409)
        assert {item["action"] for item in lost.json["allowed_actions"]} == {"reopen", "refer_externally"}

    def test_every_issue_is_named(self, senior: Caller) -> None:
        shown = new(senior, issues=[{"category": "DEL"}, {"category": "PRD"}])
        answer = senior.post(at(shown, "actions", "investigate"), GOOD["investigate"])
        assert problems(answer) == {"/findings/0/issue_id": "unknown"}
        one = GOOD["investigate"]["findings"][0] | {"issue_id": shown["issues"][0]["id"]}
        answer = senior.post(at(shown, "actions", "investigate"), GOOD["investigate"] | {"findings": [one]})
        assert problems(answer) == {"/findings": "incomplete"}
        assert shown["issues"][1]["id"] in answer.json["errors"][0]["detail"]


class TestConflictOfInterest:
    def test_the_subject_cannot_close(self, join: Join, complaint: dict[str, Any]) -> None:
        subject, colleague = join("senior"), join("senior")
        named = colleague.post(at(complaint, "subjects"), {"agent_id": str(subject.id)})
        assert named.status_code == 201, named.text
        for action in ("resolve_on_the_spot", "withdraw", "dismiss"):
            answer = subject.post(at(complaint, "actions", action), GOOD[action])
            assert (answer.status_code, answer.json["code"]) == (403, "conflict_of_interest"), action
        shown = subject.get(at(complaint)).json["allowed_actions"]
        waiting = {
            item["action"] for item in shown if "conflict_of_interest" in {need["code"] for need in item["missing"]}
        }
        assert waiting == {item["action"] for item in shown} & CLOSING
        of_others = colleague.get(at(complaint)).json["allowed_actions"]
        assert "conflict_of_interest" not in {need["code"] for item in of_others for need in item["missing"]}
        done(subject, complaint, "acknowledge", "investigate")
        assert subject.post(at(complaint, "actions", "resolve"), GOOD["resolve"]).status_code == 403
        done(colleague, complaint, "resolve")
        assert subject.post(at(complaint, "actions", "follow_up"), GOOD["follow_up"]).status_code == 403
        again = subject.post(at(complaint, "actions", "resolve"), {})  # before the state and before the body
        assert (again.status_code, again.json["code"]) == (403, "conflict_of_interest")
        assert done(colleague, complaint, "follow_up")["status"] == "followed_up"

    def test_of_another_complaint_it_is_no_matter(self, join: Join, complaint: dict[str, Any]) -> None:
        subject, colleague = join("senior"), join("senior")
        colleague.post(at(complaint, "subjects"), {"agent_id": str(subject.id)})
        assert done(subject, new(subject), "withdraw")["status"] == "withdrawn"

    def test_unknown_subject(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(at(complaint, "subjects"), {"agent_id": str(uuid4())})
        assert problems(answer) == {"/agent_id": "unknown"}


class TestAssignment:
    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, agent: Caller, database: Database, complaint: Any
    ) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Other")])
        auditor = join("auditor")
        for path in ("claim", "release"):
            assert anonymous.post(at(complaint, path)).status_code == 401
            assert auditor.post(at(complaint, path)).status_code == 403
            assert stranger.post(at(complaint, path)).status_code == 404
        assert anonymous.put(at(complaint, "assignment"), {}).status_code == 401
        assert agent.put(at(complaint, "assignment"), {}).status_code == 403
        assert stranger.put(at(complaint, "assignment"), {}).status_code == 404

    def test_claim_twice_is_claiming_once(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first, second = (agent.post(at(complaint, "claim")) for _ in range(2))
        assert first.json["assignee_id"] == second.json["assignee_id"] == str(agent.id)
        assert first.json["version"] == second.json["version"] == 2
        assert [entry["type"] for entry in everything(agent, at(complaint, "timeline"))][2:] == ["complaint.assigned"]

    def test_claimed_by_another(self, join: Join, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "claim"))
        answer = join().post(at(complaint, "claim"))
        assert (answer.status_code, answer.json["code"]) == (409, "already_assigned")
        assert answer.json["assignee_id"] == str(agent.id)

    def test_two_claim_at_once(self, join: Join, engine: Engine, complaint: dict[str, Any]) -> None:
        callers = [join() for _ in range(3)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(lambda caller=caller: caller.post(at(complaint, "claim")) for caller in callers),
            id=complaint["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        winner = next(answer.json["assignee_id"] for answer in answers if answer.status_code == 200)
        assert {answer.json["assignee_id"] for answer in answers} == {winner}

    def test_release(self, join: Join, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        assert agent.post(at(complaint, "release")).json["version"] == 1
        agent.post(at(complaint, "claim"))
        refused = join().post(at(complaint, "release"))
        assert (refused.status_code, refused.json["permission"]) == (403, "complaint:assign")
        assert senior.post(at(complaint, "release")).json["assignee_id"] is None
        agent.post(at(complaint, "claim"))
        assert agent.post(at(complaint, "release")).json["assignee_id"] is None

    def test_assign(self, senior: Caller, agent: Caller, complaint: dict[str, Any], database: Database) -> None:
        other = str(make_team(database, "Other"))
        answer = senior.put(at(complaint, "assignment"), {"assignee_id": str(agent.id)}, if_match="*")
        assert answer.json["assignee_id"] == str(agent.id)
        answer = senior.put(at(complaint, "assignment"), {"team_id": other, "assignee_id": None}, if_match="*")
        assert (answer.status_code, answer.json["team_id"], answer.json["assignee_id"]) == (200, other, None)
        assert senior.get(at(complaint)).status_code == 404  # it has gone out of their sight

    def test_unknown(self, senior: Caller, complaint: dict[str, Any]) -> None:
        body = {"assignee_id": str(uuid4()), "team_id": str(uuid4())}
        answer = senior.put(at(complaint, "assignment"), body, if_match="*")
        assert problems(answer) == {"/assignee_id": "unknown", "/team_id": "unknown"}

    def test_inactive(self, senior: Caller, admin: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        answer = senior.put(at(complaint, "assignment"), {"assignee_id": str(agent.id)}, if_match="*")
        assert problems(answer) == {"/assignee_id": "unknown"}

    def test_old_version(self, senior: Caller, complaint: dict[str, Any]) -> None:
        assert senior.put(at(complaint, "assignment"), {}, if_match='"v9"').status_code == 412
