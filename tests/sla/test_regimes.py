"""Regulators' rules over the API.

How it can fail: a rule's number can be set though the law says it; a change moves clocks that run, or does not hold for new ones;
a rule past its review date looks like any other; what somebody set over the API is lost when the program is installed anew.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.jobs import Job
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import recomputing, regime_installing, regime_rules
from tests.conftest import Caller, complaint_body
from tests.sla.regulated import FINANCIAL, Regulated
from tests.sla.watching import MONDAY, clocks_of, wrong


class TestRulesApi:
    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        assert anonymous.get("/sla/regimes").status_code == 401
        assert agent.get("/sla/regimes").status_code == 200
        body = {"amount": 3, "unit": "business_days"}
        assert agent.patch("/sla/regimes/uk.fca.ack", body, if_match="*").status_code == 403
        assert manager.patch("/sla/regimes/uk.fca.ack", body).status_code == 428
        assert manager.patch("/sla/regimes/nobody.s", body, if_match="*").status_code == 404
        changed = manager.patch("/sla/regimes/uk.fca.ack", body, if_match='"v1"')
        assert changed.status_code == 200, changed.text
        assert (changed.json["version"], changed.json["target_amount"], changed.json["default"]) == (2, 3, True)
        assert changed.json["stated"] == "promptly"
        assert manager.patch("/sla/regimes/uk.fca.ack", body, if_match='"v1"').status_code == 412

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("jurisdiction=GB&sector=telecom", {"uk.ofcom.adr6", "uk.ofcom.adr8", "iso.10002.ack"}),
            ("jurisdiction=GB&sector=telecom&on=2026-04-07", {"uk.ofcom.adr8", "iso.10002.ack"}),
            ("jurisdiction=GB&sector=telecom&on=2026-04-08", {"uk.ofcom.adr6", "iso.10002.ack"}),
            ("jurisdiction=DE&sector=payments", {"eu.psd2.15", "iso.10002.ack"}),
            ("milestone=idr_response", {"au.asic.std", "au.asic.super", "au.asic.hardship"}),
            ("switched_off=true", {"cn.samr.accept", "cn.samr.mediate", "cn.samr.report", "iso.10002.ack"}),
            ("jurisdiction=CN&sector=telecom&switched_off=false", {"cn.telecom.15"}),
        ],
    )
    def test_filters(self, agent: Caller, query: str, found: set[str]) -> None:
        answer = agent.get(f"/sla/regimes?{query}").json
        assert answer["notice"] == "Information, not legal advice."
        assert {item["id"] for item in answer["items"]} == found

    def test_all_of_them_say_where_they_are_from(self, agent: Caller) -> None:
        items = agent.get("/sla/regimes").json["items"]
        assert len(items) == 52
        assert all(item["source"] and item["owner"] and item["review_by"] and item["notice"] for item in items)

    def test_what_the_law_says_is_not_set_here(self, manager: Caller) -> None:
        answer = manager.patch("/sla/regimes/uk.fca.final", {"amount": 9, "unit": "weeks"}, if_match="*")
        assert (answer.status_code, answer.json["code"]) == (409, "amount_of_the_law")
        answer = manager.patch("/sla/regimes/uk.fca.ack", {"amount": 9}, if_match="*")
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "together")
        answer = manager.patch("/sla/regimes/in.irdai.ack", {"amount": 1, "unit": "business_days"}, if_match="*")
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "no_calendar")
        answer = manager.patch("/sla/regimes/uk.fca.ack", {"timezone": "Europe/Londinium"}, if_match="*")
        assert answer.status_code == 422

    def test_what_was_set_can_be_put_back_and_every_version_is_kept(self, manager: Caller, admin: Caller) -> None:
        path = "/sla/regimes/uk.fca.ack"
        first = {"owner": "Li Wei", "review_by": "2031-01-31", "amount": 3, "unit": "business_days"}
        assert manager.patch(path, first, if_match="*").status_code == 200
        back = manager.patch(path, dict.fromkeys(first), if_match="*")
        assert back.status_code == 200, back.text
        assert manager.patch(path, dict.fromkeys(first), if_match="*").json["version"] == 3  # nothing differs
        versions = manager.get(f"{path}/versions").json["items"]
        assert [(item["version"], item["owner"], item["target_amount"]) for item in versions] == [
            (3, "Compliance", 5),
            (2, "Li Wei", 3),
            (1, "Compliance", 5),
        ]
        told = [item for item in admin.get("/audit-log?limit=200").json["items"] if item["type"] == "sla.rule_changed"]
        assert len(told) == 2
        assert told[0]["payload"]["changes"]["owner"] == ["Li Wei", "Compliance"]

    def test_switched_off_with_a_reason(self, manager: Caller, agent: Caller, database: Database) -> None:
        before = agent.post("/complaints", complaint_body(**FINANCIAL)).json
        off = manager.post("/sla/regimes/uk.fca.src/switch-off", {"reason": "We never close within three days."})
        assert (off.status_code, off.json["off_because"]) == (200, "We never close within three days.")
        assert off.json["open_clocks"] == 1
        again = manager.post("/sla/regimes/uk.fca.src/switch-off", {"reason": "Again."})
        assert (again.status_code, again.json["code"]) == (409, "already_switched")
        after = agent.post("/complaints", complaint_body(**FINANCIAL)).json
        assert "uk.fca.src" not in clocks_of(agent, after["reference"])
        assert clocks_of(agent, before["reference"])["uk.fca.src"]["state"] == "running"
        ended = {"rule_id": "uk.fca.src", "applies": False, "reason": "We never close within three days."}
        assert agent.post(f"/complaints/{before['reference']}/regime/decisions", ended).status_code == 200
        assert clocks_of(agent, before["reference"])["uk.fca.src"]["state"] == "cancelled"
        assert manager.post("/sla/regimes/uk.fca.src/switch-on", {"reason": "We do."}).json["off_because"] is None
        off = manager.post("/sla/regimes/uk.fca.src/switch-off", {"reason": "We do not."}).json
        assert off["open_clocks"] == 0
        assert manager.post("/sla/regimes/uk.fca.src/switch-on", {"reason": "We do."}).status_code == 200
        assert manager.post("/sla/regimes/cn.samr.accept/switch-on", {"reason": "Verified."}).status_code == 200

    def test_in_a_zone_that_is_set_days_end_there(self, manager: Caller, agent: Caller) -> None:
        """Also in a foreign one; which days are working days stays with the calendar."""
        changed = manager.patch("/sla/regimes/uk.fca.ack", {"timezone": "America/New_York"}, if_match="*")
        assert (changed.status_code, changed.json["timezone"]) == (200, "America/New_York")
        # Monday 6 April 2026 is Easter Monday in England and a working day in New York.
        taken = agent.post("/complaints", complaint_body(**FINANCIAL, received_at="2026-04-02T12:00:00Z")).json
        assert clocks_of(agent, taken["reference"])["uk.fca.ack"]["due_at"] == "2026-04-14T04:00:00Z"

    def test_past_its_review_date_it_is_marked_everywhere(self, manager: Caller, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**FINANCIAL)).json
        assert manager.patch("/sla/regimes/uk.fca.final", {"review_by": "2020-01-31"}, if_match="*").status_code == 200
        assert "uk.fca.final" in {item["id"] for item in agent.get("/sla/regimes?review_overdue=true").json["items"]}
        assert agent.get("/sla/regimes/uk.fca.final").json["review_overdue"]
        clock = clocks_of(agent, taken["reference"])["uk.fca.final"]  # though another version of the rule made it
        assert (clock["rule_version"], clock["regime"]["review_overdue"]) == (1, True)
        explained = agent.get(f"/complaints/{taken['reference']}/clocks/{clock['id']}/explain").json
        assert explained["rule"]["review_overdue"]
        assert "since its review date, 2020-01-31" in explained["text"]
        assert "not legal advice" in explained["text"]
        regime = agent.get(f"/complaints/{taken['reference']}/regime").json
        assert any(item["rule"]["review_overdue"] for item in regime["items"])

    def test_another_version_moves_no_clock_that_runs(self, manager: Caller, agent: Caller, database: Database) -> None:
        before = agent.post("/complaints", complaint_body(**FINANCIAL, received_at="2026-03-02T10:00:00Z")).json
        body = {"amount": 2, "unit": "weeks"}
        assert manager.patch("/sla/regimes/uk.fca.ack", body, if_match="*").status_code == 200
        after = agent.post("/complaints", complaint_body(**FINANCIAL, received_at="2026-03-02T10:00:00Z")).json
        old, new = (clocks_of(agent, item["reference"])["uk.fca.ack"] for item in (before, after))
        assert (old["rule_version"], old["due_at"]) == (1, "2026-03-10T00:00:00Z")
        assert (new["rule_version"], new["due_at"]) == (2, "2026-03-17T00:00:00Z")
        agent.post(f"/complaints/{before['reference']}/regulatory-facts", {"kind": "delay_letter_sent"})
        assert clocks_of(agent, before["reference"])["uk.fca.ack"]["due_at"] == old["due_at"]

    def test_a_new_edition_is_taken_over_and_keeps_what_was_set(
        self, database: Database, manager: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        story = Regulated(database, **FINANCIAL)
        manager.patch("/sla/regimes/uk.fca.final", {"owner": "Li Wei"}, if_match="*")
        manager.patch("/sla/regimes/uk.fca.ack", {"amount": 3, "unit": "business_days"}, if_match="*")
        data = regime_rules.shipped()
        rules = [
            {**rule, "amount": 7} if rule["id"] == "uk.fca.final" else rule
            for rule in data["rule"]
            if rule["id"] != "uk.fca.ack"
        ]
        rules.append({name: value for name, value in data["rule"][0].items() if name not in {"default", "stated"}})
        newer = {**data, "edition": data["edition"] + 1, "rule": rules}
        monkeypatch.setattr(regime_installing, "shipped", lambda: newer)
        for expected in (True, False):
            with database.unit_of_work(SYSTEM) as uow:
                assert regime_installing.install_rules(uow) is expected
        found = manager.get("/sla/regimes/uk.fca.final").json
        assert (found["version"], found["target_amount"], found["owner"]) == (3, 7, "Li Wei")
        assert manager.get("/sla/regimes/uk.fca.ack").json["target_amount"] == 5  # the source has a number now
        assert story.clock("uk.fca.final").target_amount == 8
        monkeypatch.setattr(regime_installing, "shipped", lambda: data)
        with database.unit_of_work(SYSTEM) as uow:
            assert not regime_installing.install_rules(uow)  # an older release beside a newer one


class TestARelease:
    """What a new release brings: whom its rules are for is chosen anew of what is open."""

    def jobs(self, database: Database) -> list[UUID]:
        with database.reader() as session:
            return list(session.scalars(select(Job.id).where(Job.kind == recomputing.KIND)))

    def install(self, database: Database, monkeypatch: pytest.MonkeyPatch, rules: list[dict[str, Any]]) -> None:
        data = regime_rules.shipped()
        newer = {**data, "edition": data["edition"] + 1, "rule": [*data["rule"], *rules]}
        monkeypatch.setattr(regime_installing, "shipped", lambda: newer)
        with database.unit_of_work(SYSTEM) as uow:
            assert regime_installing.install_rules(uow)

    def test_a_new_rule_reaches_open_complaints(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        story, other = Regulated(database, **FINANCIAL), Regulated(database, jurisdiction="DE", sector="airline")
        (final,) = [rule for rule in regime_rules.shipped()["rule"] if rule["id"] == "uk.fca.final"]
        self.install(database, monkeypatch, [{**final, "id": "uk.fca.later", "amount": 9}])
        (job_id,) = self.jobs(database)
        assert recomputing.run(database, job_id)
        clock = story.clock("uk.fca.later")
        assert (clock.state, clock.started_at, clock.target_amount) == ("running", MONDAY, 9)
        assert "uk.fca.later" not in other.kinds("running")
        assert wrong(database) == []

    def test_where_nothing_is_open_there_is_no_job(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        Regulated(database)
        Regulated(database, **FINANCIAL).act("withdraw", MONDAY, reason="x")
        (final,) = [rule for rule in regime_rules.shipped()["rule"] if rule["id"] == "uk.fca.final"]
        self.install(database, monkeypatch, [{**final, "id": "uk.fca.later"}])
        assert self.jobs(database) == []

    @pytest.mark.parametrize(
        ("change", "jobs"), [({"notes": "Read again."}, 0), ({"amount": 9}, 0), ({"sectors": ["airline"]}, 1)]
    )
    def test_a_rule_that_is_for_others_reaches_them_and_another_number_moves_nothing(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], jobs: int
    ) -> None:
        Regulated(database, **FINANCIAL)
        data = regime_rules.shipped()
        rules = [{**rule, **change} if rule["id"] == "uk.fca.final" else rule for rule in data["rule"]]
        newer = {**data, "edition": data["edition"] + 1, "rule": rules}
        monkeypatch.setattr(regime_installing, "shipped", lambda: newer)
        with database.unit_of_work(SYSTEM) as uow:
            assert regime_installing.install_rules(uow)
        assert len(self.jobs(database)) == jobs


class TestSectors:
    def test_every_sector_that_rules_name(self, anonymous: Caller, agent: Caller) -> None:
        assert anonymous.get("/sla/sectors").status_code == 401
        found = {item["sector"]: item for item in agent.get("/sla/sectors").json["items"]}
        named = {sector for rule in agent.get("/sla/regimes").json["items"] for sector in rule["sectors"]}
        assert set(found) == named - {"any"}
        assert found["airline"]["jurisdictions"] == ["CN", "EU", "US"]
        assert "eu.261.refund" in found["airline"]["rules"]

    def test_whose_days_off_a_rule_counts_by(self, agent: Caller) -> None:
        calendars = {item["id"]: item["name"] for item in agent.get("/sla/calendars?limit=200").json["items"]}
        for name in ("eu.psd2.15", "eu.esma_eba.jc"):
            rule = agent.get(f"/sla/regimes/{name}").json
            assert (rule["calendar"], rule["calendar_name"]) == ("EU", "Regulatory: TARGET")
            assert calendars[rule["calendar_id"]] == "Regulatory: TARGET"
            assert "TARGET" in rule["notes"]
        assert agent.get("/sla/regimes/eu.261.refund").json["calendar_id"] is None
