"""Issues, needs and people of a complaint, added and taken away."""

from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import jobs
from helpdesk.complaints.lifecycle import CLOSED
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import at, done, new, problems
from tests.complaints.steps import GOOD, WAY_TO
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once


class TestIssues:
    def test_anonymous_role_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        path = at(complaint, "issues")
        assert anonymous.post(path, {}).status_code == 401
        assert join("auditor").post(path, {}).status_code == 403
        assert join(team_ids=[make_team(database, "Other")]).post(path, {}).status_code == 404

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(at(complaint, "issues"), {"category": "PRD", "issue": "PRD.SAFETY", "detail": "It burns."})
        assert answer.status_code == 201
        assert [issue["issue"] for issue in answer.json["issues"]] == ["DEL.LATE", "PRD.SAFETY"]
        assert (answer.json["version"], answer.json["severity"]) == (3, "S1")
        spot = next(item for item in answer.json["allowed_actions"] if item["action"] == "resolve_on_the_spot")
        assert [need["code"] for need in spot["missing"]] == ["too_severe", "several_issues", "safety"]

    def test_closed(self, senior: Caller) -> None:
        for state in sorted(CLOSED):
            shown = done(senior, new(senior), *WAY_TO[state])
            answer = senior.post(at(shown, "issues"), {"category": "DEL"})
            assert (answer.status_code, answer.json["state"]) == (409, state)

    def test_never_more_than_can_be_decided(self, agent: Caller, complaint: dict[str, Any]) -> None:
        """`investigate` and `resolve` take twenty; with one more, no complaint could ever be closed."""
        for _ in range(19):
            assert agent.post(at(complaint, "issues"), {"category": "DEL"}).status_code == 201
        assert agent.post(at(complaint, "issues"), {"category": "DEL"}).status_code == 409
        shown = agent.get(at(complaint)).json
        findings = [{"issue_id": issue["id"], "finding": "x", "evidence": "y"} for issue in shown["issues"]]
        body = GOOD["investigate"] | {"findings": findings}
        assert agent.post(at(complaint, "actions", "investigate"), body).status_code == 200


class TestCorrectedIssues:
    """How it can fail: the last one goes; what was found of one goes with it; a merge cannot be undone any more; a severity
    falls by itself, or does not rise; the search finds what is gone; the promises are those of what it was; of two at
    once both win.
    """

    TWO: Final = {"issues": [{"category": "DEL", "issue": "DEL.LATE"}, {"category": "BIL", "detail": "Zahlendreher"}]}

    @pytest.fixture
    def two(self, agent: Caller, team: UUID) -> dict[str, Any]:
        return new(agent, team_id=str(team), **self.TWO)

    def second(self, shown: dict[str, Any]) -> str:
        return at(shown, "issues", shown["issues"][1]["id"])

    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, database: Database, agent: Caller, two: dict[str, Any]
    ) -> None:
        path = self.second(two)
        elsewhere = join(team_ids=[make_team(database, "Other")])
        for caller, status in ((anonymous, 401), (join("auditor"), 403), (elsewhere, 404)):
            assert caller.patch(path, {"detail": "x"}, if_match="*").status_code == status
            assert caller.delete(path, if_match="*").status_code == status
        assert agent.patch(path, {"detail": "x"}).status_code == agent.delete(path).status_code == 428
        other = at(new(agent), "issues", two["issues"][1]["id"])
        assert agent.patch(other, {"detail": "x"}, if_match="*").status_code == 404
        assert agent.delete(other, if_match="*").status_code == 404

    def test_corrected_with_before_and_after(self, agent: Caller, two: dict[str, Any]) -> None:
        path = self.second(two)
        assert agent.patch(path, {"detail": "x"}, if_match='"v9"').status_code == 412
        given = {"category": "PRD", "issue": "PRD.SAFETY", "detail": None}
        answer = agent.patch(path, given, if_match='"v1"')
        assert (answer.status_code, answer.json["severity"]) == (200, "S1")
        issue = answer.json["issues"][1]
        assert (issue["category"], issue["issue"], issue["detail"]) == ("PRD", "PRD.SAFETY", None)
        told = {item["type"]: item["payload"] for item in agent.get(at(two, "timeline")).json["items"]}
        assert told["complaint.issue_changed"]["changes"] == {
            "category": ["BIL", "PRD"],
            "issue": [None, "PRD.SAFETY"],
            "detail": ["Zahlendreher", None],
        }
        assert told["complaint.issue_changed"]["complaint_changes"] == {"safety": [False, True]}
        assert agent.get("/complaints/search?q=Zahlendreher").json["items"] == []
        again = agent.patch(path, given, if_match="*")
        assert (again.status_code, again.json["version"]) == (200, answer.json["version"])
        spared = agent.patch(path, {"category": "DEL", "issue": "DEL.LATE"}, if_match="*").json
        assert spared["severity"] == "S1"  # people lower it
        assert agent.get(at(two, "timeline", "verification")).json["valid"]

    def test_a_code_is_of_its_category(self, agent: Caller, two: dict[str, Any]) -> None:
        first, second = (at(two, "issues", issue["id"]) for issue in two["issues"])
        assert problems(agent.patch(second, {"issue": "DEL.LATE"}, if_match="*")) == {"/issue": "invalid"}
        assert problems(agent.patch(first, {"category": "BIL"}, if_match="*")) == {"/category": "invalid"}
        assert agent.patch(first, {"category": "BIL", "issue": None}, if_match="*").status_code == 200
        assert problems(agent.patch(first, {"finding": "x"}, if_match="*")) == {"/finding": "unknown_field"}

    def test_taken_off_but_the_last(self, agent: Caller, two: dict[str, Any]) -> None:
        first, second = (at(two, "issues", issue["id"]) for issue in two["issues"])
        left = agent.delete(first, if_match="*").json
        assert [issue["category"] for issue in left["issues"]] == ["BIL"]
        entry = agent.get(at(two, "timeline")).json["items"][-1]
        assert entry["type"] == "complaint.issue_removed"
        assert entry["payload"]["changes"] == {
            "position": [1, None],
            "category": ["DEL", None],
            "issue": ["DEL.LATE", None],
        }
        assert agent.get("/complaints?category=DEL").json["items"] == []
        last = agent.delete(second, if_match="*")
        assert (last.status_code, last.json["code"]) == (409, "last_issue")
        assert agent.delete(first, if_match="*").status_code == 404
        assert len(agent.post(at(two, "issues"), {"category": "COM"}).json["issues"]) == 2

    def test_what_was_found_of_it_keeps_it(self, agent: Caller, two: dict[str, Any]) -> None:
        first, second = (issue["id"] for issue in two["issues"])
        findings = [{"issue_id": issue_id, "finding": "x", "evidence": "y"} for issue_id in (first, second)]
        done_ = agent.post(at(two, "actions", "investigate"), GOOD["investigate"] | {"findings": findings})
        assert done_.status_code == 200
        refused = agent.delete(at(two, "issues", second), if_match="*")
        assert (refused.status_code, refused.json["code"]) == (409, "issue_in_use")
        assert {use["what"]: use["name"] for use in refused.json["uses"]} == {"finding": "x", "cause": "RC.HAND"}
        assert agent.patch(at(two, "issues", second), {"category": "COM"}, if_match="*").status_code == 200
        late = agent.post(at(two, "issues"), {"category": "DEL"}).json["issues"][-1]["id"]
        assert agent.delete(at(two, "issues", late), if_match="*").status_code == 200

    def test_closed(self, senior: Caller) -> None:
        shown = new(senior, **self.TWO)
        done(senior, shown, "withdraw")
        for answer in (
            senior.patch(self.second(shown), {"detail": "x"}, if_match="*"),
            senior.delete(self.second(shown), if_match="*"),
        ):
            assert (answer.status_code, answer.json["state"]) == (409, "withdrawn")

    def test_what_a_merge_brought_stays_while_it_can_be_undone(self, senior: Caller, engine: Engine) -> None:
        survivor = new(senior, issues=[{"category": "BIL"}])
        source = new(senior, issues=[{"category": "DEL", "issue": "DEL.LATE"}])
        body = {"into": survivor["reference"], "reason": "Written twice.", "other_complainant": True}
        assert senior.post(at(source, "merge"), body).status_code == 201
        shown = senior.get(at(survivor)).json
        refused = senior.delete(self.second(shown), if_match="*")
        assert (refused.status_code, refused.json["code"]) == (409, "issue_in_use")
        assert [(use["what"], use["name"]) for use in refused.json["uses"]] == [("merge", source["reference"])]
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_merge SET undo_until = now()"))
        assert senior.delete(self.second(shown), if_match="*").status_code == 200

    def test_of_two_at_once_one_stays(self, agent: Caller, two: dict[str, Any]) -> None:
        paths = [at(two, "issues", issue["id"]) for issue in two["issues"]]
        answers = at_once(*(lambda path=path: agent.delete(path, if_match="*") for path in paths))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert len(agent.get(at(two)).json["issues"]) == 1


class TestNeeds:
    NEED: Final = {"flag": "hearing", "adjustment": "Write, do not call.", "consent": True}

    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        path = at(complaint, "needs")
        assert anonymous.post(path, {}).status_code == 401
        assert join("auditor").post(path, {}).status_code == 403
        assert join(team_ids=[make_team(database, "Other")]).post(path, {}).status_code == 404

    def test_recorded_and_ended(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = at(complaint, "needs")
        assert problems(agent.post(path, {"flag": "hearing"})) == {"/ground": "invalid"}
        agent.post(path, self.NEED)
        shown = agent.post(path, self.NEED | {"flag": "sight"}).json
        assert ([need["flag"] for need in shown["needs"]], shown["vulnerable"]) == (["hearing", "sight"], True)
        first, second = (at(complaint, "needs", need["id"]) for need in shown["needs"])
        assert agent.delete(first).status_code == 428
        assert agent.delete(first, if_match='"v3"').json["vulnerable"] is True
        left = agent.delete(second, if_match='"v4"').json
        assert (left["needs"], left["vulnerable"], left["version"]) == ([], False, 5)
        assert agent.delete(second, if_match="*").status_code == 404
        types = [item["type"] for item in agent.get(at(complaint, "timeline")).json["items"]]
        assert types.count("complaint.need_recorded") == types.count("complaint.need_ended") == 2

    def test_ends_by_itself_when_its_time_is_over(
        self, agent: Caller, engine: Engine, database: Database, complaint: dict[str, Any]
    ) -> None:
        past = {"expires_at": "2001-01-01T00:00:00Z"}
        assert problems(agent.post(at(complaint, "needs"), self.NEED | past)) == {"/expires_at": "past"}
        refused = agent.post("/complaints", complaint_body(needs=[self.NEED | past]))
        assert problems(refused) == {"/needs/0/expires_at": "past"}
        later = {"expires_at": "2999-01-01T00:00:00Z"}
        agent.post(at(complaint, "needs"), self.NEED | later)
        agent.post(at(complaint, "needs"), self.NEED | later | {"flag": "sight"})
        assert jobs.end_needs(database) == 0
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_need SET expires_at = now() WHERE flag = 'sight'"))
        assert jobs.end_needs(database) == 1
        assert jobs.end_needs(database) == 0
        shown = agent.get(at(complaint)).json
        assert ([need["flag"] for need in shown["needs"]], shown["vulnerable"]) == (["hearing"], True)
        entry = agent.get(at(complaint, "timeline")).json["items"][-1]
        assert (entry["type"], entry["actor_kind"]) == ("complaint.need_ended", "system")

    def test_no_more_than_can_be_shown(self, agent: Caller) -> None:
        shown = new(agent, needs=[self.NEED] * 20)
        assert agent.post(at(shown, "needs"), self.NEED).status_code == 409


class TestLateIssues:
    """Added after the investigation: resolved only with a finding of their own."""

    def test_needs_a_finding(self, agent: Caller, complaint: dict[str, Any]) -> None:
        done(agent, complaint, "investigate")
        shown = agent.post(at(complaint, "issues"), {"category": "PRD"}).json
        first, second = (issue["id"] for issue in shown["issues"])
        outcomes = [{"issue_id": first, "outcome": "upheld"}, {"issue_id": second, "outcome": "not_upheld"}]
        path = at(complaint, "actions", "resolve")
        refused = agent.post(path, GOOD["resolve"] | {"outcomes": outcomes})
        assert problems(refused) == {"/outcomes/1/finding": "required"}
        found = {"finding": "It was whole.", "no_evidence_reason": "There is no camera at the depot."}
        bare = agent.post(path, GOOD["resolve"] | {"outcomes": [outcomes[0], outcomes[1] | {"finding": "x"}]})
        assert problems(bare) == {"/outcomes/1/evidence": "invalid"}
        resolved = agent.post(path, GOOD["resolve"] | {"outcomes": [outcomes[0], outcomes[1] | found]}).json
        assert resolved["outcome"] == "partly_upheld"
        late = resolved["issues"][1]
        assert (late["finding"], late["evidence"], late["cause"]) == ("It was whole.", None, "RC.HAND")
        assert late["no_evidence_reason"] == "There is no camera at the depot."


class TestPeople:
    @pytest.mark.parametrize("path", ["affected", "representatives", "subjects"])
    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any], path: str
    ) -> None:
        assert anonymous.post(at(complaint, path), {}).status_code == 401
        assert join("auditor").post(at(complaint, path), {}).status_code == 403
        assert join(team_ids=[make_team(database, "Other")]).post(at(complaint, path), {}).status_code == 404

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "affected"), {"name": "Mother", "region": "北京"})
        agent.post(at(complaint, "representatives"), {"name": "Ana", "authority": "Signed letter"})
        answer = agent.post(at(complaint, "subjects"), {"agent_id": str(agent.id)})
        assert answer.status_code == 201
        assert [(person["role"], person["name"]) for person in answer.json["people"]] == [
            ("complainant", "Li Wei"),
            ("affected", "Mother"),
            ("representative", "Ana"),
            ("subject", None),
        ]
        assert answer.json["people"][3]["agent_id"] == str(agent.id)
        assert answer.json["version"] == 4

    def test_corrected_with_before_and_after(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = at(complaint, "people", complaint["people"][0]["id"])
        assert agent.patch(path, {"phone": "1"}).status_code == 428
        answer = agent.patch(path, {"phone": "+49 30 5550100", "email": None}, if_match='"v1"')
        assert (answer.status_code, answer.json["version"]) == (200, 2)
        person = answer.json["people"][0]
        assert (person["name"], person["phone"], person["email"]) == ("Li Wei", "+49 30 5550100", None)
        entry = agent.get(at(complaint, "timeline")).json["items"][-1]
        assert entry["type"] == "complaint.person_changed"
        assert entry["payload"]["changes"] == {
            "phone": [None, "+49 30 5550100"],
            "email": ["li.wei@example.com", None],
        }
        same = agent.patch(path, {"phone": "+49 30 5550100"}, if_match='"v2"')
        assert same.json["version"] == 2
        assert problems(agent.patch(path, {"authority": "x"}, if_match="*")) == {"/authority": "authority"}

    def test_a_representative_keeps_authority_and_can_go(self, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = agent.post(at(complaint, "representatives"), {"name": "Ana", "authority": "Signed letter"}).json
        path = at(complaint, "people", shown["people"][1]["id"])
        assert problems(agent.patch(path, {"authority": None}, if_match="*")) == {"/authority": "authority"}
        assert agent.delete(path).status_code == 428
        assert agent.delete(path, if_match='"v1"').status_code == 412
        left = agent.delete(path, if_match='"v2"')
        assert [person["role"] for person in left.json["people"]] == ["complainant"]
        assert agent.delete(path, if_match="*").status_code == 404
        assert agent.get(at(complaint, "timeline", "verification")).json["valid"]

    def test_the_complainant_stays_and_a_subject_does_not_free_themselves(
        self, join: Join, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        subject = join("senior")
        shown = agent.post(at(complaint, "subjects"), {"agent_id": str(subject.id)}).json
        first, second = (at(complaint, "people", person["id"]) for person in shown["people"])
        stays = agent.delete(first, if_match="*")
        assert (stays.status_code, stays.json["code"]) == (409, "complainant_stays")
        own = subject.delete(second, if_match="*")
        assert (own.status_code, own.json["code"]) == (403, "conflict_of_interest")
        assert agent.patch(second, {"name": "x"}, if_match="*").status_code == 422
        assert agent.delete(second, if_match="*").status_code == 200

    def test_of_another_complaint_there_is_no_such_person(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = at(new(agent), "people", complaint["people"][0]["id"])
        assert agent.patch(path, {"name": "x"}, if_match="*").status_code == 404
        assert agent.delete(path, if_match="*").status_code == 404

    def test_a_representative_needs_authority(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert problems(agent.post(at(complaint, "representatives"), {"name": "Ana"})) == {"/authority": "required"}
