"""The rules of severity as they are edited.

How it can fail: a matrix in which more harm is milder, a cell that is no severity, a rule for nothing, two rules of one name,
numbers without end; rules that were changed do not hold, or change what was judged before; an assessment does not say by
which version it came; two editors undo each other.
"""

from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest

from tests.complaints.steps import GOOD
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.taxonomy.helpers import codes_of, retire


def rules(caller: Caller) -> dict[str, Any]:
    """As they are, to be changed and put."""
    found = dict(caller.get("/taxonomy/severity").json)
    del found["version"]
    return found


def put(caller: Caller, body: dict[str, Any], version: int = 1) -> Any:
    return caller.put("/taxonomy/severity", body, if_match=f'"v{version}"')


def triaged(caller: Caller, **more: Any) -> str:
    made = caller.post("/complaints", complaint_body(**more)).json
    answer = caller.post(f"/complaints/{made['reference']}/actions/triage", GOOD["triage"])
    assert answer.status_code == 200, answer.text
    return str(made["reference"])


class TestEditing:
    def test_as_they_are_is_no_change(self, manager: Caller) -> None:
        answer = put(manager, rules(manager))
        assert (answer.status_code, answer.json["version"]) == (200, 1)
        assert manager.get("/taxonomy").json["version"] == 1

    def test_needs_the_version(self, manager: Caller) -> None:
        assert manager.put("/taxonomy/severity", rules(manager)).status_code == 428
        assert put(manager, rules(manager) | {"burst": None}).json["version"] == 2
        assert put(manager, rules(manager) | {"repeat": None}).status_code == 412

    def test_twice_at_once_one_is_refused(self, manager: Caller, admin: Caller) -> None:
        body = rules(manager)
        answers = at_once(
            lambda: put(manager, body | {"burst": None}).status_code,
            lambda: put(admin, body | {"repeat": None}).status_code,
        )
        assert sorted(answers) == [200, 412]

    @pytest.mark.parametrize(
        ("place", "value", "wrong"),
        [
            (("matrix", 0), ["S5", "S5", "S4", "S5"], ("/matrix/0/3", "invalid")),
            (("matrix", 4), ["S2", "S1", "S1", "S2"], ("/matrix/4/3", "invalid")),
            (("matrix", 1), ["S4", "S4", "S4"], ("/matrix/1", "length")),
            (("matrix", 1, 2), "S6", ("/matrix/1/2", "choice")),
            (("matrix",), [["S3"] * 4] * 6, ("/matrix", "length")),
            (("rules", 0, "issues"), ["DEL.NOWHERE"], ("/rules/0/issues/0", "choice")),
            (("rules", 0, "at_least"), "S0", ("/rules/0/at_least", "choice")),
            (("rules", 3, "issues"), [], ("/rules/3/issues", "invalid")),
            (("rules", 0, "rule"), "matrix", ("/rules/0/rule", "invalid")),
            (("rules", 0, "rule"), "breach", ("/rules/3/rule", "invalid")),
            (("rules", 0, "labels"), {"zh": "x"}, ("/rules/0/labels", "invalid")),
            (("repeat", "days"), 0, ("/repeat/days", "range")),
            (("repeat", "levels"), 5, ("/repeat/levels", "range")),
            (("burst", "hours"), 10**9, ("/burst/hours", "range")),
            (("burst", "count"), 1, ("/burst/count", "range")),
            (("burst", "factor"), 1, ("/burst/factor", "unknown_field")),
        ],
    )
    def test_what_is_refused(
        self, manager: Caller, place: tuple[str | int, ...], value: Any, wrong: tuple[str, str]
    ) -> None:
        body: Any = rules(manager)
        part = body
        for step in place[:-1]:
            part = part[step]
        part[place[-1]] = value
        answer = put(manager, body)
        assert answer.status_code == 422
        assert wrong in codes_of(answer), answer.json

    def test_what_is_left_out_is_no_rule_by_accident(self, manager: Caller) -> None:
        body = rules(manager)
        del body["repeat"]
        assert codes_of(put(manager, body)) == {("/repeat", "required")}

    def test_rules_may_name_what_was_retired(self, manager: Caller) -> None:
        assert retire(manager, "issue", "PRV.BREACH").status_code == 200
        assert put(manager, rules(manager) | {"burst": None}).status_code == 200

    def test_stands_in_the_log_of_administrative_acts(self, manager: Caller, admin: Caller) -> None:
        before = rules(manager)["burst"]
        put(manager, rules(manager) | {"burst": None})
        act = admin.get("/audit-log?type=taxonomy.severity_rules_changed").json["items"][0]
        assert UUID(act["actor_id"]) == manager.id
        assert act["payload"]["changes"] == {"burst": [before, None]}


class TestJudging:
    def test_by_the_matrix_in_force(self, manager: Caller) -> None:
        before = triaged(manager)
        body = rules(manager)
        body["matrix"][2] = ["S3", "S2", "S2", "S1"]
        body["matrix"][3] = ["S3", "S2", "S2", "S1"]
        body["matrix"][4] = ["S2", "S1", "S1", "S1"]
        assert put(manager, body).status_code == 200
        after = triaged(manager, complainant={"email": "another@example.com"})
        found = {ref: manager.get(f"/complaints/{ref}/triage").json for ref in (before, after)}
        assert [found[ref]["severity"] for ref in (before, after)] == ["S3", "S2"]
        versions = [
            (found[ref]["assessment"]["rules_version"], found[ref]["assessment"]["taxonomy_version"]) for ref in found
        ]
        assert versions == [(1, 1), (2, 2)]
        assert (found[before]["judged_now"], found[before]["rules_version"], found[before]["taxonomy_version"]) == (
            "S2",
            2,
            2,
        )
        kept = manager.get("/taxonomy/versions/1").json["severity"]
        assert (kept["matrix"][2], kept["version"]) == (["S4", "S3", "S3", "S2"], 1)

    def test_the_complaint_tells_by_which_rules(self, manager: Caller) -> None:
        """And not what they found: not everybody may see that."""
        made = manager.post("/complaints", complaint_body()).json
        assert made["severity_reasons"] == []
        again = manager.post("/complaints", complaint_body(channel="REGULATOR")).json
        assert again["severity_reasons"] == [{"rule": "regulator", "severity": "S2"}]
        manager.post(f"/complaints/{again['reference']}/actions/triage", GOOD["triage"])
        told = manager.get(f"/complaints/{again['reference']}").json
        assert told["severity_reasons"] == [
            {"rule": "matrix", "severity": "S3"},
            {"rule": "regulator", "severity": "S2"},
            {"rule": "repeat", "severity": "S2"},
        ]
        assert manager.get(f"/complaints/{again['reference']}?fields=severity_reasons").json == {
            "severity_reasons": told["severity_reasons"]
        }

    def test_by_a_rule_of_ones_own_at_receipt(self, manager: Caller) -> None:
        body = rules(manager)
        own = {
            "rule": "press",
            "at_least": "S1",
            "channels": ["SOCIAL_PUBLIC"],
            "labels": {"en": "everybody can read it"},
        }
        body["rules"].append(own)
        assert put(manager, body).status_code == 200
        made = manager.post("/complaints", complaint_body(channel="SOCIAL_PUBLIC")).json
        assert made["severity"] == "S1"
        reasons = manager.get(f"/complaints/{made['reference']}/triage").json["assessment"]["reasons"]
        assert reasons == [{"rule": "press", "severity": "S1", "evidence": {"channels": ["SOCIAL_PUBLIC"]}}]

    def test_without_repeat_and_burst(self, manager: Caller) -> None:
        for _ in range(2):
            manager.post("/complaints", complaint_body())
        assert put(manager, rules(manager) | {"repeat": None, "burst": None, "rules": []}).status_code == 200
        found = manager.get(f"/complaints/{triaged(manager)}/triage").json
        assert [reason["rule"] for reason in found["reasons_now"]] == ["matrix"]
        assert found["severity"] == "S3"

    def test_with_a_shorter_memory(self, manager: Caller) -> None:
        manager.post("/complaints", complaint_body(received_at="2026-01-02T09:00:00Z"))
        received = {"received_at": "2026-02-02T09:00:00Z"}
        ref = triaged(manager, **received)
        assert "repeat" in {reason["rule"] for reason in manager.get(f"/complaints/{ref}/triage").json["reasons_now"]}
        body = deepcopy(rules(manager))
        body["repeat"]["days"] = 7
        put(manager, body)
        assert "repeat" not in {
            reason["rule"] for reason in manager.get(f"/complaints/{ref}/triage").json["reasons_now"]
        }

    def test_a_fact_that_raises_tells_the_rule_in_its_own_words(self, manager: Caller) -> None:
        body = rules(manager)
        body["rules"][0]["labels"] = {"en": "somebody could get hurt"}
        put(manager, body)
        made = manager.post("/complaints", complaint_body()).json
        manager.post(f"/complaints/{made['reference']}/issues", {"category": "PRD", "issue": "PRD.SAFETY"})
        history = manager.get(f"/complaints/{made['reference']}/timeline").json["items"]
        given = [entry for entry in history if entry["type"] == "complaint.severity_set"]
        assert given[0]["payload"]["given"]["reason"] == "somebody could get hurt"
