"""Scores of claims through HTTP, and the numbers they go by.

How it can fail: somebody vulnerable is scored, or their need shows by it; the score is read by who may not, in a timeline, an
event or a pack; it changes a suggestion; a version of the numbers is changed, or one that cannot be is taken.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery.guard_rules import LINES, SHIPPED
from tests.complaints.attachments.sending import sent
from tests.complaints.steps import do
from tests.conftest import Caller, make_team
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import (
    another,
    execute,
    new,
    violations,
)
from tests.recovery.reviewing import (
    NEED,
    RULES,
    score,
    set_rules,
    submitted,
)


class TestScore:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert score(anonymous, complaint).status_code == 401

    def test_wrong_role(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert refused(score(agent, complaint)) == (403, "forbidden")

    def test_with_its_reasons(self, senior: Caller, again: dict[str, Any]) -> None:
        found = score(senior, again).json
        assert (found["scored"], found["score"], found["threshold"], found["review"], found["rules"]) == (
            True, 20, 20, True, 2,
        )  # fmt: skip
        (reason,) = found["reasons"]
        assert (reason["code"], reason["points"], reason["evidence"]) == ("same_text", 20, {"likeness": 100})
        assert len(reason["complaints"]) == 1

    def test_complaints_out_of_sight_are_counted_and_not_told(
        self, database: Database, manager: Caller, senior: Caller, budget: str, team: UUID
    ) -> None:
        elsewhere = new(manager, make_team(database, "Elsewhere"))
        answer = score(senior, new(manager, team))
        assert [(item["complaints"], item["hidden"]) for item in answer.json["reasons"]] == [([], 1)]
        assert elsewhere["reference"] not in answer.text

    def test_what_speaks_for_it(self, database: Database, senior: Caller, again: dict[str, Any]) -> None:
        execute(database, "UPDATE complaint SET fault = 'firm' WHERE id = :id", id=again["id"])
        execute(database, "UPDATE customer SET created_at = created_at - interval '3 years'")
        found = score(senior, again).json
        assert found["score"] == 0
        assert {item["code"]: item["points"] for item in found["reasons"]} == {
            "same_text": 20, "long_standing": -15, "firm_at_fault": -40,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("fault", "outcome", "speaks"),
        [("firm", None, True), ("none", None, False), ("none", "not_upheld", False), ("firm", "not_upheld", False),
         ("none", "partly_upheld", True)],
    )  # fmt: skip
    def test_evidence_that_refutes_it_does_not_speak_for_it(
        self, database: Database, senior: Caller, again: dict[str, Any], fault: str, outcome: str | None, speaks: bool
    ) -> None:
        complaint_id = UUID(again["id"])
        do(database, complaint_id, "investigate", fault=fault)
        if outcome is not None:
            do(database, complaint_id, "resolve", outcomes=[{"outcome": outcome}])
        assert ("documented" in {item["code"] for item in score(senior, again).json["reasons"]}) == speaks

    @pytest.mark.parametrize(("kind", "speaks"), [("inbound", True), ("internal_note", False), ("public_reply", False)])
    def test_files_that_they_sent_speak_for_it(
        self, database: Database, senior: Caller, again: dict[str, Any], kind: str, speaks: bool
    ) -> None:
        path = f"/complaints/{again['reference']}"
        file = sent(senior, again)
        body = {"kind": kind, "body": "Look.", "attachment_ids": [file["id"]]}
        answer = senior.post(f"{path}/messages", body)
        assert answer.status_code == 201, answer.text
        assert ("documented" in {item["code"] for item in score(senior, again).json["reasons"]}) == speaks

    def test_dates_and_prices_that_contradict(
        self, database: Database, senior: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        fields = '{"purchase_date": "2999-01-01"}'
        execute(
            database,
            "UPDATE complaint SET custom_fields = CAST(:fields AS jsonb), loss_minor = 99999 WHERE id = :id",
            fields=fields,
            id=complaint["id"],
        )
        found = {item["code"] for item in score(senior, complaint).json["reasons"]}
        assert found == {"above_price", "contradiction"}
        execute(database, 'UPDATE complaint SET custom_fields = \'{"purchase_date": "soon"}\'')
        assert {item["code"] for item in score(senior, complaint).json["reasons"]} == {"above_price"}

    def test_a_day_that_has_begun_where_they_may_be_contradicts_nothing(
        self, database: Database, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        execute(database, 'UPDATE complaint SET custom_fields = \'{"purchase_date": "2026-03-02"}\'')
        for received, later in (
            ("2026-03-02T00:00:00Z", False),
            ("2026-03-01T10:00:00Z", False),
            ("2026-03-01T09:59:59Z", True),
        ):
            execute(database, "UPDATE complaint SET received_at = CAST(:at AS timestamptz)", at=received)
            found = {item["code"] for item in score(senior, complaint).json["reasons"]}
            assert ("contradiction" in found) is later

    def test_nobody_vulnerable_is_scored_nor_told_of(
        self, database: Database, agent: Caller, senior: Caller, manager: Caller, again: dict[str, Any]
    ) -> None:
        """Recorded on a complaint of theirs that the reader does not see."""
        elsewhere = new(manager, make_team(database, "Elsewhere"), needs=[NEED])
        answer = score(senior, again)
        assert answer.json == {
            "scored": False, "why_not": "protected", "score": None, "threshold": None, "rules": None, "review": None,
            "reasons": [],
        }  # fmt: skip
        assert "hearing" not in answer.text
        assert elsewhere["reference"] not in answer.text
        assert submitted(agent, again)["status"] == "approved"

    def test_danger_is_as_much_of_a_reason(self, database: Database, senior: Caller, again: dict[str, Any]) -> None:
        execute(database, "UPDATE complaint SET safety = true WHERE id = :id", id=again["id"])
        assert score(senior, again).json["why_not"] == "protected"

    def test_no_part_of_the_suggestion(self, agent: Caller, manager: Caller, team: UUID) -> None:
        path = f"/complaints/{new(agent, team)['reference']}/suggestion"
        before = agent.get(path).json
        set_rules(manager, threshold=1, lines=[item | {"points": 100} for item in SHIPPED["lines"]])
        new(agent, team)
        assert agent.get(path).json == before


class TestRules:
    def body(self, **more: Any) -> dict[str, Any]:
        return SHIPPED | {"reason": "To try it."} | more

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(RULES).status_code == 401
        assert anonymous.put(RULES, self.body()).status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller) -> None:
        assert refused(agent.get(RULES)) == (403, "forbidden")
        assert refused(senior.put(RULES, self.body(), if_match="*")) == (403, "forbidden")

    def test_as_shipped(self, senior: Caller) -> None:
        found = senior.get(RULES).json
        assert {name: found[name] for name in SHIPPED} == SHIPPED
        assert (found["number"], found["version"]) == (1, 1)

    def test_a_new_version(self, database: Database, manager: Caller, auditor: Caller) -> None:
        before = manager.get(RULES)
        assert manager.put(RULES, self.body()).status_code == 428
        changed = manager.put(RULES, self.body(threshold=70), if_match=before.headers["ETag"])
        assert (changed.status_code, changed.json["number"], changed.json["threshold"]) == (200, 2, 70)
        assert manager.put(RULES, self.body(), if_match=before.headers["ETag"]).status_code == 412
        numbers = [item["number"] for item in auditor.get(f"{RULES}/versions").json["items"]]
        assert numbers == [2, 1]
        assert auditor.get(f"{RULES}/versions/1").json["threshold"] == SHIPPED["threshold"]
        assert auditor.get(f"{RULES}/versions/9").status_code == 404
        (act_,) = [item for item in auditor.get("/audit-log").json["items"] if item["type"] == "guard.rules_set"]
        assert act_["payload"]["changes"] == {"threshold": [60, 70]}
        with pytest.raises(Exception, match="never changed"), database.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM guard_rules WHERE number = 2")
        execute(database, "DELETE FROM guard_rules WHERE number = 1")
        assert any("recovery.guard_rules" in line for line in violations(database))

    def test_two_at_once_make_one_version(self, manager: Caller) -> None:
        tag = manager.get(RULES).headers["ETag"]
        calls = [lambda by=by: by.put(RULES, self.body(), if_match=tag) for by in (manager, another(manager))]
        assert sorted(answer.status_code for answer in at_once(*calls)) == [200, 412]

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"lines": SHIPPED["lines"][1:]}, ("/lines", "missing")),
            ({"lines": [*SHIPPED["lines"][1:], SHIPPED["lines"][1]]}, ("/lines/0/code", "duplicate")),
            ({"threshold": 0}, ("/threshold", "range")),
            ({"threshold": 101}, ("/threshold", "range")),
            ({"window_days": 29}, ("/window_days", "range")),
            ({"duplicate_days": -1}, ("/duplicate_days", "range")),
            ({"duplicate_days": 1.5}, ("/duplicate_days", "invalid")),
            ({"reference_fields": ["order_number"] * 2}, ("/reference_fields", "invalid")),
            ({"reference_fields": ["'; DROP"]}, ("/reference_fields/0", "invalid")),
            ({"purchase_date_field": "Bought"}, ("/purchase_date_field", "invalid")),
            ({"reference_fields": ["order_number", "order_nr"]}, ("/reference_fields/1", "unknown")),
            ({"purchase_date_field": "bought"}, ("/purchase_date_field", "unknown")),
            ({"mood": 1}, ("/mood", "unknown_field")),
        ],
    )
    def test_what_cannot_be(self, manager: Caller, change: dict[str, Any], problem: tuple[str, str]) -> None:
        answer = manager.put(RULES, self.body(**change), if_match="*")
        assert answer.status_code == 422
        assert problem in codes(answer)

    def test_a_field_that_is_there_or_stood_there_before(self, manager: Caller) -> None:
        """The shipped names are no fields of a fresh system; what was taken away is not put back without there being one."""
        made = manager.post("/custom-fields", {"key": "parcel", "label": "Parcel", "type": "text"})
        assert made.status_code == 201, made.text
        fields = {"reference_fields": ["parcel", "order_number"], "purchase_date_field": None}
        assert set_rules(manager, **fields)["reference_fields"] == ["parcel", "order_number"]
        answer = manager.put(RULES, self.body(reference_fields=["booking_number", "parcel"]), if_match="*")
        assert answer.status_code == 422
        assert codes(answer) == [("/reference_fields/0", "unknown"), ("/purchase_date_field", "unknown")]
        assert all("There are: parcel." in item["detail"] for item in answer.json["errors"])
        assert manager.get(RULES).json["number"] == 2

    def test_a_line_without_a_limit_takes_none(self, manager: Caller) -> None:
        place = list(LINES).index("regulator")
        lines = [item | ({"limit": 3} if item["code"] == "regulator" else {}) for item in SHIPPED["lines"]]
        answer = manager.put(RULES, self.body(lines=lines), if_match="*")
        assert (answer.status_code, codes(answer)) == (422, [(f"/lines/{place}/limit", "no_limit")])
