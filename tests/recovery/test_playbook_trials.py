"""Trials of playbooks over past complaints.

How it can fail: a trial that changes something, counts a complaint twice, stops at one that cannot be reckoned, or shows what
whoever began it does not see.
"""

from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import playbook_trying
from helpdesk.recovery.playbook_schemas import PlaybookTrialResult
from helpdesk.wiring import Program
from tests.complaints.merging import new
from tests.conftest import Caller, make_team
from tests.recovery.answers import codes
from tests.recovery.helpers import duties, eur, execute, perform, scalar
from tests.recovery.playbook_steps import act, banded, default, made, published, spec


class TestTrial:
    def begin(self, caller: Caller, version: dict[str, Any], **given: Any) -> Any:
        return act(caller, version, "dry-run", **{"since": "2000-01-01T00:00:00Z"} | given)

    def test_beside_what_is_suggested_now(self, program: Program, manager: Caller, agent: Caller) -> None:
        for place, severity in enumerate(((3, 2), (3, 2), (5, 4))):
            email = f"customer{place}@example.com"
            complaint = new(agent, complainant={"name": "Li Wei", "email": email})
            agent.post(
                f"/complaints/{complaint['reference']}/actions/triage",
                {
                    "impact": severity[0],
                    "urgency": severity[1],
                    "category": "DEL",
                    "issue": "DEL.LATE",
                    "track": "investigate",
                },
            )
        draft = made(manager, default(manager), banded("50"))
        job = self.begin(manager, draft)
        assert (job.status_code, job.json["state"]) == (202, "queued")
        assert perform(program, playbook_trying.TOPIC)["done"] == 1
        found = manager.get(f"/jobs/{job.json['id']}").json
        result = found["result"]
        assert (found["state"], found["done"], found["total"], result["tried"]) == ("done", 3, 3, 3)
        (money,) = result["currencies"]
        assert (money["complaints"], money["more"], money["same"], money["less"]) == (3, 2, 1, 0)
        assert money["difference"] == eur("20.00")
        assert (money["before"]["median"], money["after"]["median"]) == (eur("40.00"), eur("50.00"))
        assert money["after"]["p90"] == eur("300.00")
        assert [item["severity"] for item in money["by_severity"]] == ["S1", "S3"]
        assert PlaybookTrialResult().validate(result) == {}
        assert scalar(program.database, "SELECT count(*) FROM offer") == 0

    def test_the_median_and_those_that_change_most(
        self, program: Program, manager: Caller, agent: Caller, database: Database
    ) -> None:
        """Of 0, 75.00, 183.01, 262.51 the median is the mean of the middle two: 129.005."""
        fours = [new(agent, complainant={"name": "Wu", "email": f"wu{place}@example.com"}) for place in range(4)]
        for complaint, loss in zip(fours, (0, 7500, 18301, 26251), strict=True):
            execute(database, "UPDATE complaint SET loss_minor = :loss WHERE id = :id", loss=loss, id=complaint["id"])
        execute(database, "UPDATE complaint SET price_minor = 0 WHERE id = :id", id=fours[0]["id"])
        published(manager, default(manager), banded("0"))
        draft = made(manager, default(manager), banded("60"))
        job = self.begin(manager, draft)
        perform(program, playbook_trying.TOPIC)
        (money,) = manager.get(f"/jobs/{job.json['id']}").json["result"]["currencies"]
        assert (money["complaints"], money["before"]["median"], money["before"]["p90"]) == (
            4,
            eur("129.01"),
            eur("262.51"),
        )
        assert [(item["reference"], item["before"], item["after"]) for item in money["changed_most"]][-1:] == [
            (fours[3]["reference"], eur("262.51"), eur("300.00"))  # capped: 1.5 times the price less the loss
        ]
        assert {item["reference"] for item in money["changed_most"]} == {one["reference"] for one in fours[1:]}

    def test_names_only_what_whoever_began_it_sees(
        self, program: Program, manager: Caller, agent: Caller, database: Database
    ) -> None:
        seen, hidden = new(agent), new(manager, make_team(database, "Elsewhere"))
        draft = made(manager, default(manager), banded("60"))
        job = self.begin(manager, draft).json["id"]
        execute(
            database,
            "UPDATE job SET given = jsonb_set(given, '{actor_id}', to_jsonb(CAST(:id AS text)))",
            id=str(agent.id),
        )
        perform(program, playbook_trying.TOPIC)
        (money,) = manager.get(f"/jobs/{job}").json["result"]["currencies"]
        assert money["complaints"] == 2
        assert [item["reference"] for item in money["changed_most"]] == [seen["reference"]]
        assert hidden["reference"] not in str(money)

    def test_goes_on_where_it_stood_and_counts_nothing_twice(
        self, program: Program, manager: Caller, agent: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(5):
            new(agent)
        draft = made(manager, default(manager), banded("50"))
        job = self.begin(manager, draft, limit=4).json
        monkeypatch.setattr(playbook_trying, "_TOGETHER", 2)
        real, calls = playbook_trying._batch, []  # the line at which it dies

        def dying(*given: Any) -> Any:
            calls.append(given)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(*given)

        monkeypatch.setattr(playbook_trying, "_batch", dying)
        with pytest.raises(KeyboardInterrupt):
            perform(program, playbook_trying.TOPIC)
        assert scalar(program.database, "SELECT count(*) FROM playbook_trial") == 2
        monkeypatch.setattr(playbook_trying, "_batch", real)
        for _ in range(2):
            playbook_trying.run(program.database, job["id"])
        found = manager.get(f"/jobs/{job['id']}").json
        assert (found["state"], found["result"]["looked_at"], found["done"]) == ("done", 4, 4)

    def test_of_a_playbook_whose_condition_cannot_be_read_any_more(
        self, program: Program, manager: Caller, agent: Caller
    ) -> None:
        new(agent)
        condition = {"field": "channel", "operator": "is", "value": "LETTER"}
        own = manager.post("/playbooks", {"name": "post", "condition": condition}).json
        job = self.begin(manager, made(manager, own["id"], spec())).json
        execute(
            program.database,
            """UPDATE playbook SET condition = '{"field": "custom.gone", "operator": "is", "value": "x"}' WHERE id = :id""",
            id=own["id"],
        )
        perform(program, playbook_trying.TOPIC)
        assert duties(program.database, playbook_trying.TOPIC) == [], "it is not tried again"
        found = manager.get(f"/jobs/{job['id']}").json
        assert (found["state"], found["result"]) == ("failed", None)
        assert "The playbook's condition cannot be read any more" in found["error"]
        assert "There is no such field" in found["error"]

    def test_bad_spans_are_refused(self, manager: Caller) -> None:
        draft = made(manager, default(manager), spec())
        assert codes(self.begin(manager, draft, since="2999-01-01T00:00:00Z")) == [("/since", "range")]
        assert codes(self.begin(manager, draft, limit=0)) == [("/limit", "range")]
