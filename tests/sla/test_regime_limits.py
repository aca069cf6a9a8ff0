"""A regulator's deadline can always be computed, and where it cannot, complaints are taken in all the same.

How it can fail: an amount is set that lies beyond what a calendar is searched for, in one of the units, or by another way of writing it;
a calendar that rules count on is given so few days, or days that run out; what an older release let in refuses every complaint.
"""

from typing import Any

import pytest

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import regime_in_force, regime_queries
from helpdesk.sla.regime_limits import LONGEST
from helpdesk.sla.regime_models import SlaRuleVersion
from tests.conftest import Caller, complaint_body
from tests.sla.regulated import FINANCIAL, Regulated
from tests.sla.watching import clocks_of, wrong

ACK = "/sla/regimes/uk.fca.ack"


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "unit"),
        [(5000, "months"), (10_000, "weeks"), (10_000, "business_days"), (10_000, "calendar_days"), (250, "months")],
    )
    def test_what_is_too_far_away_is_refused(self, manager: Caller, agent: Caller, amount: int, unit: str) -> None:
        answer = manager.patch(ACK, {"amount": amount, "unit": unit}, if_match="*")
        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
        assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [("/amount", "too_long")]
        taken = agent.post("/complaints", complaint_body(**FINANCIAL))
        assert taken.status_code == 201, taken.text

    def test_where_every_day_counts_no_calendar_is_to_blame(self, manager: Caller) -> None:
        answer = manager.patch(ACK, {"amount": 10_000, "unit": "weeks"}, if_match="*")
        (error,) = answer.json["errors"]
        assert (error["code"], error["detail"]) == (
            "too_long",
            f"Cannot be computed: it would be due more than {LONGEST.days} days after its start.",
        )

    @pytest.mark.parametrize(
        ("amount", "unit"), [(200, "months"), (10_000, "hours"), (10_000, "minutes"), (0, "months"), (1_000, "weeks")]
    )
    def test_what_can_be_set_can_be_promised(self, manager: Caller, agent: Caller, amount: int, unit: str) -> None:
        assert manager.patch(ACK, {"amount": amount, "unit": unit}, if_match="*").status_code == 200
        for received_at in ("1990-01-01T00:00:00Z", "2026-03-02T09:00:00Z"):
            taken = agent.post("/complaints", complaint_body(**FINANCIAL, received_at=received_at))
            assert taken.status_code == 201, taken.text
            assert "uk.fca.ack" in clocks_of(agent, taken.json["reference"])


def kept_by_an_older_release(database: Database) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        rule = regime_queries.rule_for_update(uow.session, None, "uk.fca.ack")
        spec = regime_queries.rule_spec(uow.session, rule.id, rule.version)
        rule.touch()
        own = {"amount": 5000, "unit": "months"}
        row: dict[str, Any] = {"rule_id": rule.id, "version": rule.version, "created_at": uow.now}
        uow.add_rows(SlaRuleVersion, [{**row, "spec": {**spec, "own": own}}])
        regime_in_force.changed(uow)


class TestWhatIsThereAllTheSame:
    def test_complaints_are_taken_in_and_verification_names_the_rule(
        self, database: Database, agent: Caller, manager: Caller
    ) -> None:
        kept_by_an_older_release(database)
        taken = agent.post("/complaints", complaint_body(**FINANCIAL))
        assert taken.status_code == 201, taken.text
        kinds = clocks_of(agent, taken.json["reference"])
        assert "uk.fca.final" in kinds
        assert "uk.fca.ack" not in kinds
        story = Regulated(database)
        story.edit(story.clock("resolve").started_at, **FINANCIAL)
        assert "uk.fca.final" in story.kinds("running")
        assert [item for item in wrong(database) if "rule uk.fca.ack starts no clocks" in item]
        mended = manager.patch(ACK, {"amount": 5, "unit": "business_days"}, if_match="*")
        assert mended.status_code == 200, mended.text
        assert not [item for item in wrong(database) if "starts no clocks" in item]

    def test_it_is_switched_off_but_not_on(self, database: Database, manager: Caller) -> None:
        kept_by_an_older_release(database)
        assert manager.post(f"{ACK}/switch-off", {"reason": "Too long."}).status_code == 200
        answer = manager.post(f"{ACK}/switch-on", {"reason": "We do."})
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "too_long")


class TestCalendars:
    def test_of_too_few_days_for_a_rule_is_refused(self, manager: Caller) -> None:
        """Eleven hundred working days are five years; of one day a week they would be more than twenty."""
        assert manager.patch(ACK, {"amount": 1_100, "unit": "business_days"}, if_match="*").status_code == 200
        listed = manager.get("/sla/calendars?limit=200").json["items"]
        (england,) = [item for item in listed if item["name"] == "Regulatory: England"]
        body = {"timezone": "Europe/London", "holidays": [], "weekly_hours": {"mon": [["00:00", "24:00"]]}}
        answer = manager.put(f"/sla/calendars/{england['id']}", body, if_match="*")
        assert answer.status_code == 422, answer.text
        (error,) = answer.json["errors"]
        assert (error["pointer"], error["code"]) == ("/weekly_hours", "too_few")
        assert "'uk.fca.ack' could not be computed" in error["detail"]
        body["weekly_hours"] = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed")}
        assert manager.put(f"/sla/calendars/{england['id']}", body, if_match="*").status_code == 200
