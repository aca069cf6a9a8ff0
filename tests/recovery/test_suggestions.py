"""What is suggested for a case over the API: by what is asked, what was recorded, and what the complaint says."""

from typing import Any
from uuid import UUID

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merging import new
from tests.complaints.steps import do
from tests.conftest import Caller, make_team
from tests.recovery.helpers import eur
from tests.recovery.playbook_steps import banded, default, published, suggestion


class TestSuggestion:
    def test_tariffs_by_what_is_asked_and_by_what_is_recorded(self, manager: Caller, agent: Caller) -> None:
        complaint = new(agent, jurisdiction="GB", price={"amount": "200.00", "currency": "GBP"})
        query = "?failed_standards=2&happened_on=2025-03-01"
        found = suggestion(agent, complaint, query)
        assert (found["owed"], found["statutory"]) == ({"amount": "80.00", "currency": "GBP"},) * 2
        assert found["lines"][0]["rule"] == "tariffs.uk.energy"
        assert "SI 2024/1166" in found["lines"][0]["evidence"]["source"]
        path = f"/complaints/{complaint['reference']}/recovery-facts"
        agent.patch(path, {"failed_standards": 1, "happened_on": "2024-03-01"}, if_match="*")
        assert suggestion(agent, complaint)["statutory"]["amount"] == "30.00"
        assert suggestion(agent, complaint, "?failed_standards=3")["statutory"]["amount"] == "90.00"

    def test_says_why_a_tariff_is_none(self, agent: Caller) -> None:
        complaint = new(agent, jurisdiction="DE")
        found = suggestion(agent, complaint, "?cause=delay&distance_km=900&delay_hours=2.9&extraordinary=false")
        assert [(item["tariff"], item["applies"], item["code"], item["counted"]) for item in found["tariffs"]] == [
            ("eu.261", False, "not_late_enough", False)
        ]
        assert found["owed"]["amount"] == "0.00"
        named = suggestion(agent, complaint, "?tariff=uk.telecom&happened_on=2025-06-01")
        assert [(item["tariff"], item["code"]) for item in named["tariffs"]] == [("uk.telecom", "not_known")]
        assert (
            "the one before it ends on 2025-03-31, and the next one begins on 2026-04-01"
            in named["tariffs"][0]["because"]
        )
        assert "POST /tariffs/uk.telecom/versions" in named["tariffs"][0]["because"]
        assert suggestion(agent, complaint, "?tariff=no.such")["tariffs"][0]["because"] == "There is no such tariff."

    def test_what_nobody_knows_is_told_and_not_passed_over(self, agent: Caller) -> None:
        """On a day between two versions something is laid down; before the first one nothing is."""
        complaint = new(agent, jurisdiction="GB")
        asked = "?missed_appointments=1&happened_on="
        (told,) = suggestion(agent, complaint, f"{asked}2025-06-01")["tariffs"]
        assert (told["tariff"], told["code"], told["applies"]) == ("uk.telecom", "not_known", None)
        assert suggestion(agent, complaint, f"{asked}2019-03-01")["tariffs"] == []
        elsewhere = new(agent, jurisdiction="FR")
        assert suggestion(agent, elsewhere, f"{asked}2025-06-01")["tariffs"] == []

    def test_another_currency_is_told_and_not_added(self, agent: Caller) -> None:
        complaint = new(agent, jurisdiction="GB", price=eur("200.00"))
        (told,) = suggestion(agent, complaint, "?failed_standards=1")["tariffs"]
        assert (told["applies"], told["counted"], told["amount"]["currency"]) == (True, False, "GBP")
        assert suggestion(agent, complaint, "?failed_standards=1")["statutory"] == eur("0.00")

    def test_what_was_lost_follows_the_issue(self, agent: Caller) -> None:
        for issue, lost, first in (
            ("PRD.DEFECT", "product", "exchange"),
            ("SVC.POOR", "service", "redo"),
            ("BIL.OVER", "money", "money"),
            ("STF.RUDE", "attention", "words"),
        ):
            complaint = new(agent, issues=[{"category": issue[:3], "issue": issue}])
            found = suggestion(agent, complaint)
            assert (found["lost"], found["alternatives"][0]["name"] if found["alternatives"] else None) == (lost, first)
        assert suggestion(agent, new(agent), "?lost=product")["alternatives"][0]["name"] == "exchange"

    def test_every_offer_keeps_what_made_it(self, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        before = agent.post(f"/complaints/{complaint['reference']}/offers", {"kind": "apology_letter"}).json
        found = published(manager, default(manager), banded("55"))
        kept = agent.get(f"/offers/{before['id']}").json["suggestion"]
        assert (kept["playbook"], kept["version"], kept["goodwill"]) == ("default", "1", eur("40.00"))
        assert kept["playbook_id"] == found["playbook_id"]
        after = agent.post(
            f"/complaints/{complaint['reference']}/offers", {"kind": "apology_letter", "allow_duplicate": True}
        ).json
        assert after["suggestion"]["version"] == "2"

    def test_failed_before_is_what_is_established(self, agent: Caller, manager: Caller, database: Database) -> None:
        """Neither what is merely open, nor what was not upheld, is another's, was withdrawn or dismissed."""

        def ended(*steps: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
            made = new(agent, **more)
            for action, given in steps:
                do(database, UUID(made["id"]), action, **given)
            return made

        innocent = [{"finding": "It came on time.", "evidence": "Its scan."}]
        ended()
        ended(("investigate", {"findings": innocent, "fault": "none"}))
        ended(
            ("investigate", {"findings": innocent, "fault": "none"}),
            ("resolve", {"outcomes": [{"outcome": "not_upheld"}]}),
        )
        ended(("investigate", {}), ("withdraw", {}))
        ended(("dismiss", {}))
        ended(("investigate", {}), ("resolve", {}), issues=[{"category": "BIL", "issue": "BIL.FEE"}])
        ended(("investigate", {}), ("resolve", {}), complainant={"name": "Ana Costa", "email": "ana.costa@example.com"})
        two = [{"category": "BIL", "issue": "BIL.FEE"}, {"category": "DEL", "issue": "DEL.LATE"}]
        both = new(agent, issues=two)
        ids = [issue["id"] for issue in both["issues"]]
        found = [{"issue_id": each, "finding": "Looked at.", "evidence": "The log."} for each in ids]
        do(database, UUID(both["id"]), "investigate", findings=found)
        outcomes = [
            {"issue_id": ids[0], "outcome": "upheld"},
            {"issue_id": ids[1], "outcome": "not_upheld"},
        ]
        do(database, UUID(both["id"]), "resolve", outcomes=outcomes)
        now = suggestion(agent, new(agent))
        factor = now["lines"][-1]["evidence"]["factors"][3]
        assert (now["goodwill"], factor["value"]) == (eur("40.00"), "1")
        assert factor["because"] == "the same issue is not known to have failed before within 180 days"

        shared = ended(("investigate", {"fault": "shared"}))
        upheld = ended(("investigate", {}), ("resolve", {"outcomes": [{"outcome": "partly_upheld"}]}))
        latest = new(agent)
        now = suggestion(agent, latest)
        factor = now["lines"][-1]["evidence"]["factors"][3]
        assert (now["goodwill"], factor["value"]) == (eur("60.00"), "1.5")
        assert factor["because"] == "the same issue failed before within 180 days: 2 complaints"
        assert [one["reference"] for one in factor["complaints"]] == [upheld["reference"], shared["reference"]]
        assert suggestion(agent, latest, "?repeat=false")["goodwill"] == eur("40.00")
        stated = suggestion(agent, new(agent, issues=[{"category": "DEL", "issue": "DEL.LOST"}]), "?repeat=true")
        assert stated["lines"][-1]["evidence"]["factors"][3] == {
            "factor": "repeat",
            "value": "1.5",
            "because": "the same issue failed before within 180 days, as it was stated",
        }

    def test_an_earlier_failure_that_the_reader_does_not_see(
        self, agent: Caller, manager: Caller, database: Database
    ) -> None:
        hidden = new(manager, make_team(database, "Elsewhere"))
        do(database, UUID(hidden["id"]), "investigate")
        found = suggestion(agent, new(agent))
        factor = found["lines"][-1]["evidence"]["factors"][3]
        assert (found["goodwill"], factor["complaints"], factor["hidden"]) == (eur("60.00"), [], 1)
        assert hidden["id"] not in str(found)

    def test_statements(self, agent: Caller, complaint: dict[str, Any], statements: Any) -> None:
        suggestion(agent, complaint)
        with statements() as seen:
            suggestion(agent, complaint)
        asked = [
            it for it in seen.seen if any(word in it for word in ("recovery_fact", "customer.tier", "complaint_issue"))
        ]
        assert len(asked) <= 3, asked
