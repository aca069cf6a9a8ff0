"""Regulators' rules over the API, and their clocks through the life of a complaint.

How it can fail: a rule's number can be set though the law says it; a change moves clocks that run, or does not hold for new ones;
a rule past its review date looks like any other; the wrong rules count for a jurisdiction, or go on when it is another; a fact
that is recorded late, or taken back, leaves a clock that does not follow from the facts; a notice that is late by a second moves
a deadline; waiting for the customer stops a regulator's clock; reopening, merging, splitting or an import forgets what was owed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.complaints import intake, queries, service
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import regime_acts, regime_in_force, regime_installing, regime_notices, regime_queries, regime_rules
from helpdesk.sla.regime_errors import DeadlinePassed, ExtensionUsed, NotExtensible
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller, Join, complaint_body
from tests.racing import at_once
from tests.sla.watching import LETTER, MONDAY, Story, act, clocks_of, join, part, wrong

DAY: Final = timedelta(days=1)
HOUSING: Final[dict[str, Any]] = {"jurisdiction": "GB", "sector": "social housing"}
FINANCIAL: Final[dict[str, Any]] = {"jurisdiction": "GB", "sector": "financial"}
MORTGAGE: Final[dict[str, Any]] = {"jurisdiction": "US", "sector": "mortgage servicing"}
DECISION: Final[dict[str, Any]] = {
    "outcomes": [{"outcome": "upheld"}],
    "letter": LETTER,
    "remedy": {"none_because": "They wanted none."},
}


class Regulated(Story):
    """A story whose facts, notices and decisions happen when the test says."""

    def fact(self, kind: str, at: datetime, so_at: datetime | None = None) -> UUID:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, self.id)
            _, fact_id = regime_acts.record_fact(uow, SYSTEM, complaint, {"kind": kind, "at": so_at or at})
        return fact_id

    def withdraw(self, fact_id: UUID, at: datetime) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            part = regime_queries.fact_for_update(uow.session, SYSTEM, str(self.id), fact_id)
            regime_acts.withdraw_fact(uow, part, {"reason": "It was another one's."})

    def decide(self, rule_id: str, at: datetime, *, applies: bool) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, self.id)
            given = {"rule_id": rule_id, "applies": applies, "reason": "We looked."}
            regime_acts.decide(uow, SYSTEM, complaint, given)

    def extend(self, kind: str, at: datetime) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            part = regime_queries.clock_for_update(uow.session, SYSTEM, str(self.id), self.clock(kind).id)
            regime_notices.check(uow.session, SYSTEM, part)
            given = {"text": "We need longer.", "reason": "The surveyor.", "send": False}
            regime_notices.extend(uow, SYSTEM, part, given)

    def edit(self, at: datetime, **given: Any) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            service.edit(uow, queries.complaint_by_id_for_update(uow.session, self.id), given)

    def decided(self, at: datetime) -> None:
        finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
        self.act("investigate", at, findings=[finding], root_cause="RC.HAND", fault="firm")
        self.act("resolve", at, **DECISION)


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
        again = manager.post("/sla/regimes/uk.fca.src/switch-off", {"reason": "Again."})
        assert (again.status_code, again.json["code"]) == (409, "already_switched")
        regime_in_force.look_again()
        after = agent.post("/complaints", complaint_body(**FINANCIAL)).json
        assert "uk.fca.src" not in clocks_of(agent, after["reference"])
        assert clocks_of(agent, before["reference"])["uk.fca.src"]["state"] == "running"
        assert manager.post("/sla/regimes/uk.fca.src/switch-on", {"reason": "We do."}).json["off_because"] is None
        assert manager.post("/sla/regimes/cn.samr.accept/switch-on", {"reason": "Verified."}).status_code == 200

    def test_past_its_review_date_it_is_marked_everywhere(self, manager: Caller, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**FINANCIAL)).json
        assert manager.patch("/sla/regimes/uk.fca.final", {"review_by": "2020-01-31"}, if_match="*").status_code == 200
        regime_in_force.look_again()
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
        regime_in_force.look_again()
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


class TestLife:
    def test_nothing_pauses_it(self, database: Database) -> None:
        story = Regulated(database, **FINANCIAL)
        due = story.clock("uk.fca.src").due_at
        story.act("ask_customer", MONDAY + DAY, message="Which account?")
        clock = story.clock("uk.fca.src")
        assert (clock.state, clock.due_at, clock.pauses) == ("running", due, [])
        assert story.clock("resolve").state == "paused"
        assert wrong(database) == []

    def test_a_chain(self, database: Database) -> None:
        story = Regulated(database, **HOUSING)
        assert story.kinds("running") >= {"uk.housing.ack"}
        assert not story.kinds("running") & {"uk.housing.s1", "uk.housing.s2ack", "uk.housing.s2"}
        story.act("acknowledge", MONDAY + DAY, channel="PHONE")
        assert story.clock("uk.housing.ack").state == "met"
        s1 = story.clock("uk.housing.s1")
        # From Tuesday 3 March: ten working days are Tuesday the 17th.
        assert (s1.started_at, s1.due_at) == (MONDAY + DAY, datetime(2026, 3, 18, tzinfo=UTC))
        story.decided(MONDAY + 2 * DAY)
        assert story.clock("uk.housing.s1").state == "met"
        story.fact("escalation_requested", MONDAY + 7 * DAY)
        assert story.clock("uk.housing.s2ack").state == "running"
        story.fact("stage2_acknowledged", MONDAY + 8 * DAY)
        assert story.clock("uk.housing.s2ack").state == "met"
        assert story.clock("uk.housing.s2").started_at == MONDAY + 8 * DAY
        story.fact("stage2_response_sent", MONDAY + 60 * DAY)
        clock = story.clock("uk.housing.s2")
        assert (clock.state, clock.stopped_at) == ("breached", MONDAY + 60 * DAY)
        assert wrong(database) == []

    def test_what_was_said_by_telephone_stops_no_clock_that_asks_for_writing(self, database: Database) -> None:
        story = Regulated(database, **MORTGAGE)
        story.act("acknowledge", MONDAY + DAY, channel="PHONE")
        assert story.clock("us.respa.ack").state == "running"
        story.fact("written_acknowledgement_sent", MONDAY + 2 * DAY)
        assert story.clock("us.respa.ack").state == "met"

    def test_the_decision_answers_and_what_lies_elsewhere_goes_on(self, database: Database) -> None:
        story = Regulated(database, jurisdiction="GB", sector="energy")
        story.fact("standard_failed", MONDAY + DAY)
        story.decided(MONDAY + 2 * DAY)
        assert story.clock("uk.ofgem.8w").state == "met"
        assert story.clock("uk.ofgem.gsop.pay").state == "running"  # paid by somebody else
        story.act("follow_up", MONDAY + 3 * DAY, result="contact_made")
        assert story.clock("uk.ofgem.gsop.pay").state == "running"
        story.fact("compensation_credited", MONDAY + 4 * DAY)
        assert story.clock("uk.ofgem.gsop.pay").state == "met"
        assert wrong(database) == []

    def test_on_the_spot_and_a_reply(self, database: Database) -> None:
        story = Regulated(database, **FINANCIAL)
        story.act("resolve_on_the_spot", MONDAY + DAY, fault="firm", accepted_by_complainant=True, **DECISION)
        assert {"uk.fca.ack", "uk.fca.src", "uk.fca.final"} <= story.kinds("met")
        other = Regulated(database, jurisdiction="IN", sector="insurance")
        other.decided(MONDAY + DAY)
        assert other.clock("in.irdai.autoclose").started_at == MONDAY + DAY
        with database.unit_of_work(SYSTEM, now=MONDAY + 2 * DAY) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, other.id)
            service.write_message(uow, SYSTEM, complaint, {"kind": "inbound", "body": "No."})
        assert other.clock("in.irdai.autoclose").state == "met"
        assert wrong(database) == []

    def test_recorded_late_it_comes_to_the_same(self, database: Database) -> None:
        """Told three months later, with their times, the clocks stand as if they had been told at once."""
        told, late = Regulated(database, **HOUSING), Regulated(database, **HOUSING)
        times = {"escalation_requested": MONDAY + 7 * DAY, "stage2_acknowledged": MONDAY + 20 * DAY}
        for kind, at in times.items():
            told.fact(kind, at)
        for kind, at in reversed(times.items()):
            late.fact(kind, MONDAY + 90 * DAY, at)
        for kind in ("uk.housing.s2ack", "uk.housing.s2"):
            one, other = told.clock(kind), late.clock(kind)
            assert (one.started_at, one.due_at, one.stopped_at) == (other.started_at, other.due_at, other.stopped_at)
        assert told.clock("uk.housing.s2ack").state == late.clock("uk.housing.s2ack").state == "breached"
        assert wrong(database) == []

    def test_taken_back_it_had_never_been(self, database: Database) -> None:
        story = Regulated(database, **HOUSING)
        first = story.fact("escalation_requested", MONDAY + DAY)
        second = story.fact("stage2_acknowledged", MONDAY + 2 * DAY)
        story.withdraw(second, MONDAY + 3 * DAY)
        assert story.clock("uk.housing.s2ack").state == "running"
        assert story.clock("uk.housing.s2").state == "cancelled"
        story.withdraw(first, MONDAY + 3 * DAY)
        assert story.clock("uk.housing.s2ack").state == "cancelled"
        assert wrong(database) == []

    def test_an_earlier_receipt_that_is_recorded_goes_before_ours(self, database: Database) -> None:
        story = Regulated(database, jurisdiction="GB", sector="telecom", received_at=MONDAY)
        due = story.clock("uk.ofcom.adr8").due_at
        story.fact("complaint_first_raised", MONDAY + DAY, MONDAY - 7 * DAY)
        clock = story.clock("uk.ofcom.adr8")
        assert (clock.started_at, clock.due_at) == (MONDAY - 7 * DAY, (due or MONDAY) - 7 * DAY)
        assert wrong(database) == []

    def test_a_decision(self, database: Database) -> None:
        story = Regulated(database, jurisdiction="US", sector="deposit/EFT")
        assert "us.rege.10" in story.kinds("running")
        story.decide("us.rege.20", MONDAY + DAY, applies=True)
        assert "us.rege.20" in story.kinds("running")
        assert story.clock("us.rege.10").state == "cancelled"
        story.decide("us.rege.20", MONDAY + 2 * DAY, applies=False)
        assert story.clock("us.rege.20").state == "cancelled"
        assert (story.clock("us.rege.10").state, story.clock("us.rege.10").started_at) == ("running", MONDAY)
        assert wrong(database) == []

    def test_the_jurisdiction_is_another(self, database: Database) -> None:
        story = Regulated(database, **FINANCIAL)
        story.act("acknowledge", MONDAY + DAY, channel="LETTER")
        story.edit(MONDAY + 2 * DAY, jurisdiction="AU", sector="financial")
        assert story.clock("uk.fca.final").state == "cancelled"
        assert story.clock("uk.fca.ack").state == "met"  # what was kept was kept
        ack, std = story.clock("au.asic.ack"), story.clock("au.asic.std")
        assert (ack.state, ack.stopped_at) == ("met", MONDAY + DAY)  # as if it had been so from the beginning
        assert (std.state, std.started_at, std.timezone) == ("running", MONDAY, "Australia/Sydney")
        story.edit(MONDAY + 3 * DAY, jurisdiction="GB")
        assert story.clock("uk.fca.final").state == "running"
        assert story.clock("au.asic.std").state == "cancelled"
        story.edit(MONDAY + 4 * DAY, jurisdiction=None)
        assert not {kind for kind in story.kinds("running") if "." in kind}
        assert wrong(database) == []

    def test_what_is_no_complaint_has_none(self, database: Database) -> None:
        story = Regulated(database, **FINANCIAL)
        story.act("convert", MONDAY + DAY, record_type="inquiry", reason="They only ask.")
        assert story.clock("uk.fca.final").state == "cancelled"
        story.act("convert", MONDAY + 2 * DAY, record_type="complaint", reason="They do complain.")
        clock = story.clock("uk.fca.final")
        assert (clock.state, clock.started_at) == ("running", MONDAY)
        assert wrong(database) == []

    def test_a_regulator_counts_on_after_reopening(self, database: Database) -> None:
        story = Regulated(database, **HOUSING)
        story.act("acknowledge", MONDAY + DAY, channel="LETTER")
        story.extend("uk.housing.s1", MONDAY + 2 * DAY)
        due = story.clock("uk.housing.s1").due_at
        story.act("withdraw", MONDAY + 3 * DAY, reason="x")
        assert story.clock("uk.housing.s1").state == "cancelled"
        story.act("reopen", MONDAY + 4 * DAY, reason="x")
        again = story.clock("uk.housing.s1", 2)
        assert (again.state, again.due_at, again.extensions) == ("running", due, 1)
        story.fact("delay_letter_sent", MONDAY + 5 * DAY)  # which has everything chosen anew
        assert story.clock("uk.housing.s1", 2).due_at == due
        assert wrong(database) == []

    def test_merged_and_parted(self, database: Database) -> None:
        source = Regulated(database, **HOUSING)
        source.fact("escalation_requested", MONDAY + DAY)
        survivor = Regulated(database, MONDAY + 2 * DAY)
        join(source, survivor, MONDAY + 3 * DAY)
        for kind in ("uk.housing.ack", "uk.housing.s2ack"):
            assert (survivor.clock(kind).state, source.clock(kind).state) == ("running", "cancelled")
            assert survivor.clock(kind).started_at == source.clock(kind).started_at
        survivor.fact("stage2_acknowledged", MONDAY + 4 * DAY)
        assert survivor.clock("uk.housing.s2ack").state == "met"
        part(source, MONDAY + 5 * DAY)
        assert source.clock("uk.housing.ack").state == "running"
        assert not {kind for kind in survivor.kinds("running") if "." in kind}
        assert wrong(database) == []

    def test_a_part_has_what_the_first_one_had(self, database: Database) -> None:
        story = Regulated(database, **HOUSING, issues=[{"category": "DEL"}, {"category": "COM"}])
        story.fact("escalation_requested", MONDAY + DAY)
        new = story.split(MONDAY + 2 * DAY)
        assert new.clock("uk.housing.s2ack").due_at == story.clock("uk.housing.s2ack").due_at
        new.fact("delay_letter_sent", MONDAY + 3 * DAY)
        assert new.clock("uk.housing.s2ack").state == "running"
        assert wrong(database) == []

    def test_old_complaints_of_an_import(self, database: Database) -> None:
        """Overdue for years: a breach without warnings, and what they brought with them has stopped in time."""
        sent = {"statement_sent": MONDAY - 40 * DAY}
        story = Regulated(database, MONDAY, jurisdiction="US", sector="deposit/EFT", clock_starts=sent)
        assert story.clock("us.rege.notice60").state == "met"
        given: dict[str, Any] = {"channel": "EMAIL", "subject": "Late", "description": "Late.", "jurisdiction": "US"}
        given |= {"sector": "deposit/EFT", "received_at": datetime(2020, 3, 2, 12, tzinfo=UTC)}
        starts = {"statement_sent": datetime(2019, 3, 2, 12, tzinfo=UTC)}
        with database.unit_of_work(SYSTEM) as uow:
            late = Regulated.of(database, intake.receive(uow, SYSTEM, given | {"clock_starts": starts}))
        notice = late.clock("us.rege.notice60")
        assert (notice.state, notice.breached_at) == ("breached", notice.due_at)
        assert late.clock("us.rege.10").next_threshold == 100
        ring_due(database)
        assert late.rang("us.rege.10") == [100]
        assert wrong(database) == []

    def test_each_country_by_its_own_midnight(self, database: Database) -> None:
        dues = [
            Regulated(database, jurisdiction=country, sector="payments").clock("eu.psd2.15").due_at
            for country in ("FI", "DE", "PT")
        ]
        hour = timedelta(hours=1)
        # 15 TARGET days after 2 March 2026: the 23rd, before clocks go forward.
        assert dues == [datetime(2026, 3, 23, 22, tzinfo=UTC) + number * hour for number in range(3)]
        assert wrong(database) == []


class TestExtensions:
    def test_a_notice_moves_the_deadline_once(self, database: Database) -> None:
        story = Regulated(database, **MORTGAGE)
        before = story.clock("us.respa.respond")
        story.extend("us.respa.respond", MONDAY + 3 * DAY)
        clock = story.clock("us.respa.respond")
        assert (clock.target_amount, clock.extensions, clock.generation) == (45, 1, before.generation + 1)
        # 45 working days after Monday 2 March 2026: Monday 4 May, in summer time.
        assert clock.due_at == datetime(2026, 5, 5, 4, tzinfo=UTC)
        letter = story.clock("us.respa.respond/notice.1")
        assert (letter.state, letter.due_at, letter.stopped_at) == ("met", before.due_at, MONDAY + 3 * DAY)
        with pytest.raises(ExtensionUsed):
            story.extend("us.respa.respond", MONDAY + 4 * DAY)
        assert wrong(database) == []

    def test_late_by_a_second(self, database: Database) -> None:
        due = Regulated(database, **MORTGAGE).clock("us.respa.respond").due_at or MONDAY
        for at in (due, due + timedelta(seconds=1)):
            with pytest.raises(DeadlinePassed):
                Regulated(database, **MORTGAGE).extend("us.respa.respond", at)
        story = Regulated(database, **MORTGAGE)
        story.extend("us.respa.respond", due - timedelta(seconds=1))
        assert story.clock("us.respa.respond").due_at == datetime(2026, 5, 5, 4, tzinfo=UTC)
        assert 50 in story.rang("us.respa.respond")  # what had been due before is not swallowed
        assert wrong(database) == []

    def test_in_steps(self, database: Database) -> None:
        story = Regulated(database, jurisdiction="CN", sector="bank")
        for days in (30, 60):
            story.extend("cn.bank.15", MONDAY + DAY)
            assert story.clock("cn.bank.15").target_amount == days
        with pytest.raises(ExtensionUsed):
            story.extend("cn.bank.15", MONDAY + DAY)

    def test_what_cannot_be_moved(self, database: Database) -> None:
        story = Regulated(database, **MORTGAGE)
        for kind in ("us.respa.ack", "resolve"):
            with pytest.raises(NotExtensible):
                story.extend(kind, MONDAY + DAY)
        story.decided(MONDAY + DAY)
        with pytest.raises(NotExtensible):
            story.extend("us.respa.respond", MONDAY + 2 * DAY)

    def test_over_the_api(self, anonymous: Caller, agent: Caller, join: Join) -> None:
        taken = agent.post("/complaints", complaint_body(**MORTGAGE)).json
        clock = clocks_of(agent, taken["reference"])["us.respa.respond"]
        path = f"/complaints/{taken['reference']}/clocks/{clock['id']}/extensions"
        body = {"text": "We need fifteen more days.", "reason": "The servicer before us has the file."}
        assert anonymous.post(path, body).status_code == 401
        assert join("auditor", team_ids=[]).post(path, body).status_code == 403
        made = agent.post(path, body)
        assert made.status_code == 201, made.text
        assert made.json["old_due_at"] == clock["due_at"] < made.json["new_due_at"]
        assert agent.get(path).json["items"] == [made.json]
        messages = agent.get(f"/complaints/{taken['reference']}/messages").json["items"]
        assert [item["purpose"] for item in messages if item["id"] == made.json["message_id"]] == ["holding_letter"]
        told = agent.get(f"/complaints/{taken['reference']}/timeline?limit=200").json["items"]
        (extended,) = [item for item in told if item["type"] == "sla.deadline_extended"]
        assert extended["payload"]["changes"]["target_amount"] == [30, 45]
        assert agent.post(path, body).json["code"] == "extension_used"
        assert agent.get(f"/complaints/{taken['reference']}").json["next_due_at"] is not None

    def test_two_at_once(self, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**MORTGAGE)).json
        clock = clocks_of(agent, taken["reference"])["us.respa.respond"]
        path = f"/complaints/{taken['reference']}/clocks/{clock['id']}/extensions"
        body = {"text": "We need fifteen more days.", "reason": "The file."}
        answers = at_once(*[lambda: agent.post(path, body).status_code] * 2)
        assert sorted(answers) == [201, 409]


class TestFactsApi:
    def test_record_see_and_take_back(self, anonymous: Caller, agent: Caller, join: Join) -> None:
        taken = agent.post("/complaints", complaint_body(**HOUSING)).json
        path = f"/complaints/{taken['reference']}/regulatory-facts"
        body = {"kind": "escalation_requested", "note": "By telephone."}
        assert anonymous.post(path, body).status_code == 401
        assert join("auditor", team_ids=[]).post(path, body).status_code == 403
        made = agent.post(path, body)
        assert made.status_code == 201, made.text
        again = agent.post(path, body | {"at": made.json["at"]})
        assert (again.status_code, again.json["code"]) == (409, "fact_known")
        assert agent.post(path, body | {"at": "2999-01-01T00:00:00Z"}).status_code == 422
        assert agent.post(path, body | {"at": "1989-12-31T23:59:59Z"}).status_code == 422
        assert agent.post(path, {"kind": "anything"}).status_code == 422
        back = agent.post(f"{path}/{made.json['id']}/withdraw", {"reason": "Of another one."})
        assert back.json["withdrawn_because"] == "Of another one."
        twice = agent.post(f"{path}/{made.json['id']}/withdraw", {"reason": "Again."})
        assert (twice.status_code, twice.json["code"]) == (409, "fact_withdrawn")
        assert [item["id"] for item in agent.get(path).json["items"]] == [made.json["id"]]
        kinds = {item["kind"]: item["known_by"] for item in agent.get("/sla/regulatory-facts").json["items"]}
        assert kinds["escalation_requested"] == "people"

    def test_which_rules_and_why(self, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**MORTGAGE)).json
        path = f"/complaints/{taken['reference']}/regime"
        found = {item["rule"]["id"]: item for item in agent.get(path).json["items"]}
        assert (found["us.respa.ack"]["applies"], found["us.respa.ack"]["because"]) == (True, "always")
        assert (found["iso.10002.ack"]["applies"], found["iso.10002.ack"]["because"]) == (False, "off")
        body = {"rule_id": "us.respa.ack", "applies": False, "reason": "It is no notice of error."}
        decided = agent.post(f"{path}/decisions", body)
        assert decided.status_code == 200, decided.text
        found = {item["rule"]["id"]: item for item in decided.json["items"]}
        assert (found["us.respa.ack"]["because"], found["us.respa.ack"]["reason"]) == ("decided", body["reason"])
        assert clocks_of(agent, taken["reference"])["us.respa.ack"]["state"] == "cancelled"
        other = agent.post(f"{path}/decisions", body | {"rule_id": "uk.fca.src"})
        assert (other.status_code, other.json["code"]) == (409, "not_regulated")
        assert agent.post(f"{path}/decisions", body | {"rule_id": "nobody's"}).status_code == 422

    def test_a_complaint_without_a_jurisdiction_asks_nothing(self, agent: Caller, database: Database) -> None:
        taken = agent.post("/complaints", complaint_body()).json
        assert agent.get(f"/complaints/{taken['reference']}/regime").json["items"] == []
        made = agent.post(f"/complaints/{taken['reference']}/regulatory-facts", {"kind": "complaint_served"})
        assert made.status_code == 201
        edited = agent.patch(
            f"/complaints/{taken['reference']}", {"jurisdiction": "US", "sector": "telecom"}, if_match="*"
        )
        assert edited.status_code == 200, edited.text
        assert clocks_of(agent, taken["reference"])["us.fcc.30"]["started_at"] == made.json["at"][:19] + "Z"
        assert wrong(database) == []

    def test_a_merged_one_is_referred_to_its_survivor(self, senior: Caller) -> None:
        one, other = (senior.post("/complaints", complaint_body(**HOUSING)).json["reference"] for _ in range(2))
        body = {"into": other, "reason": "Written twice.", "other_complainant": True}
        assert senior.post(f"/complaints/{one}/merge", body).status_code == 201
        answer = senior.post(f"/complaints/{one}/regulatory-facts", {"kind": "escalation_requested"})
        assert (answer.status_code, answer.json["code"]) == (409, "complaint_merged")

    def test_acknowledged_at_once(self, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**HOUSING, acknowledge=True)).json
        found = clocks_of(agent, taken["reference"])
        assert (found["uk.housing.ack"]["state"], found["uk.housing.s1"]["state"]) == ("met", "running")
        act(agent, taken["reference"], "withdraw", reason="x")
        assert clocks_of(agent, taken["reference"])["uk.housing.s1"]["state"] == "cancelled"


def test_a_complainant_is_told_of_promises_not_of_windows(agent: Caller, anonymous: Caller) -> None:
    taken = agent.post("/complaints", complaint_body(**FINANCIAL)).json
    given = {"reference": taken["reference"], "secret": taken["tracking_secret"]}
    token = anonymous.post("/public/tracking", given).json["token"]
    told = anonymous.get("/public/tracking/milestones", authorization=f"Tracking {token}").json["items"]
    dues = {item["due_at"] for item in told if item["kind"] == "regulator"}
    clocks = clocks_of(agent, taken["reference"])
    assert dues == {clocks["uk.fca.ack"]["due_at"], clocks["uk.fca.final"]["due_at"]}  # not the window of `uk.fca.src`
    assert {item["notice"] for item in told} == {None, "Information, not legal advice."}


def test_a_clock_whose_rule_is_gone_is_named(database: Database) -> None:
    story = Regulated(database, **HOUSING)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE sla_clock SET rule_version = 77 WHERE kind = 'uk.housing.ack'"))
    found = wrong(database)
    assert [item for item in found if item.startswith("regime") and str(story.clock("uk.housing.ack").id) in item]
