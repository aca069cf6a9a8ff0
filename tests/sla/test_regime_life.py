"""Regulators' clocks through the life of a complaint.

How it can fail: the wrong rules count for a jurisdiction, or go on when it is another; a fact that is recorded late, or taken
back, leaves a clock that does not follow from the facts; waiting for the customer stops a regulator's clock; reopening, merging,
splitting or an import forgets what was owed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from helpdesk.complaints import intake, queries, service
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.sweep import ring_due
from tests.sla.regulated import DAY, DECISION, FINANCIAL, HOUSING, MORTGAGE, Regulated
from tests.sla.test_transitions import told
from tests.sla.watching import MONDAY, join, part, wrong


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

    def test_what_only_moved_has_not_begun(self, database: Database) -> None:
        """A second acknowledgement, its withdrawal, and the end of a merge that had moved it."""
        story = Regulated(database, **HOUSING)
        story.fact("acknowledgement_sent", MONDAY + 3 * DAY)
        second = story.fact("acknowledged_defined_logged", MONDAY + 4 * DAY, MONDAY + 2 * DAY)
        story.withdraw(second, MONDAY + 5 * DAY)
        other = Regulated(database, MONDAY + DAY, **HOUSING)
        other.fact("acknowledgement_sent", MONDAY + 2 * DAY)
        join(other, story, MONDAY + 6 * DAY)
        part(other, MONDAY + 7 * DAY)
        chosen = [payload for _, payload in told(database, story.id, "sla.regime_chosen")]
        said = [(each["begun"], each["moved"], each["ended"]) for each in chosen]
        moved: Any = ([], ["uk.housing.s1@1"], [])
        assert said == [(["uk.housing.s1@1"], [], []), moved, moved, moved, moved]

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


def test_a_clock_whose_rule_is_gone_is_named(database: Database) -> None:
    story = Regulated(database, **HOUSING)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE sla_clock SET rule_version = 77 WHERE kind = 'uk.housing.ack'"))
    found = wrong(database)
    assert [item for item in found if item.startswith("regime") and str(story.clock("uk.housing.ack").id) in item]
