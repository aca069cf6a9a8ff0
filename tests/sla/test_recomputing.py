"""Open clocks follow an edit of policies or calendars, keeping what was used.

How it can fail: a clock that the edit concerns is not looked at (it is paused, of a closed complaint, on a calendar through one of
its targets, promised nothing before); one that nothing changes for gets another generation, so that it rings anew, or one that
changes does not.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import (
    calendar_queries,
    calendars,
    dry_running,
    recomputing,
)
from helpdesk.sla.dry_running import Edit
from helpdesk.sla.models import Clock, SlaPolicy
from helpdesk.sla.recompute_scope import EVERY
from tests.sla.editing import (
    HOUR,
    OFFICE,
    Now,
    calendar_id,
    carried_out,
    decision,
    default_policy,
    finding,
    new_targets,
    ring_everything,
    with_holiday,
    with_time,
    worked,
)
from tests.sla.test_transitions import differences, last, told
from tests.sla.watching import MONDAY, Story, change_policy, make_policy, promise, when, wrong


@pytest.mark.usefixtures("tuesday")
class TestPolicies:
    def test_another_target_moves_what_runs_and_what_waits(self, database: Database) -> None:
        runs, waits = Story(database), Story(database)
        waits.act("ask_third_party", MONDAY + HOUR, note="Asked the carrier.")
        left = waits.clock("resolve").remaining_seconds
        result = worked(database, carried_out(database, new_targets(database, resolve=[10, "business_days"])))
        assert runs.clock("resolve").due_at == MONDAY + timedelta(days=14, hours=8)
        assert runs.clock("resolve").generation == 2
        assert runs.clock("investigate").generation == 1
        assert (waits.clock("resolve").remaining_seconds or 0) - (left or 0) == 5 * 8 * 3600
        assert waits.clock("resolve").state == "paused"
        assert result["clocks"]["later"] == 2
        assert result["complaints"] == 2
        assert [item["later"] for item in result["by_kind"] if item["kind"] == "resolve"] == [2]
        assert differences(database) == wrong(database) == []

    def test_what_waits_and_is_put_over_was_not_resumed(self, database: Database) -> None:
        """Whom it waited for is waited for still."""
        story = Story(database)
        story.act("ask_third_party", MONDAY + 3 * HOUR, note="Where is it?")
        assert story.clock("resolve").state == "paused"
        worked(database, carried_out(database, new_targets(database, resolve=[60, "minutes"])))
        clock = story.clock("resolve")
        assert (clock.state, clock.due_at) == ("running", MONDAY + HOUR)
        assert told(database, story.id, "sla.resumed") == []
        item = last(database, story, "sla.recomputed")["resolve"]
        assert item["changes"]["state"] == ["paused", "running"]
        assert item["changes"]["due_at"] == [None, "2026-03-02T10:00:00Z"]
        assert differences(database) == wrong(database) == []

    def test_it_says_which_job_did_it(self, database: Database) -> None:
        story = Story(database)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        worked(database, job_id)
        ((_, payload),) = told(database, story.id, "sla.recomputed")
        assert payload["job_id"] == str(job_id)
        assert last(database, story, "sla.recomputed")["resolve"]["because"] == ["policy"]

    def test_left_by_the_version_that_made_them(self, database: Database) -> None:
        story = Story(database)
        edit = new_targets(database, resolve=[10, "business_days"])
        assert carried_out(database, edit, wanted=False) is None
        assert story.clock("resolve").policy_version == 1
        with database.unit_of_work(SYSTEM) as uow:
            job_id = recomputing.begin_for(uow, SYSTEM, EVERY)
        worked(database, job_id)
        assert story.clock("resolve").policy_version == 2

    def test_what_is_promised_as_before_keeps_its_version_and_generation(self, database: Database) -> None:
        story = Story(database)
        worked(database, carried_out(database, new_targets(database, resolve=[10, "business_days"])))
        kept = story.clock("investigate")
        assert (kept.policy_version, kept.generation) == (1, 1)
        assert differences(database) == []

    def test_a_name_is_no_promise(self, database: Database) -> None:
        Story(database)
        assert carried_out(database, Edit("change_policy", default_policy(database).id, {"name": "Usual"})) is None

    def test_created_deactivated_and_activated(self, database: Database) -> None:
        """Policy deactivated: what it had promised goes by the next one."""
        story = Story(database)
        quick = Edit(
            "create_policy",
            None,
            {
                "name": "Quick",
                "active": True,
                "calendar_id": calendar_id(database),
                "thresholds": [50],
                "targets": {"S3": {"resolve": [60, "minutes"], "first_response": [10, "business_days"]}},
            },
        )
        result = worked(database, carried_out(database, quick))
        assert story.kinds("cancelled") == {"investigate"}
        assert story.kinds("breached") == {"acknowledge"}  # it was over on Tuesday, whatever is promised since
        assert story.kinds("running") == {"first_response", "resolve"}
        assert story.clock("resolve").due_at == MONDAY + HOUR  # so it rings with the next sweep
        expected = {"cancelled": 1, "started": 1, "earlier": 1, "overdue": 1, "unchanged": 1, "later": 0, "saved": 0}
        assert result["clocks"] == expected
        with Session(database.engine) as session:
            policy_id = session.scalars(select(SlaPolicy.id).where(~SlaPolicy.is_default)).one()
        worked(database, carried_out(database, Edit("change_policy", policy_id, {"active": False})))
        assert "first_response" in story.kinds("cancelled")
        assert "investigate" in story.kinds("running")
        worked(database, carried_out(database, Edit("change_policy", policy_id, {"active": True})))
        assert "first_response" in story.kinds("running")
        assert differences(database) == wrong(database) == []

    def test_reordered(self, database: Database) -> None:
        for name, minutes in (("First", 3000), ("Second", 6000)):
            make_policy(database, name, targets={"S3": {"resolve": [minutes, "minutes"]}})
        story = Story(database)
        with Session(database.engine) as session:
            ids = list(session.scalars(select(SlaPolicy.id).where(~SlaPolicy.is_default).order_by(SlaPolicy.position)))
        worked(database, carried_out(database, Edit("reorder_policies", None, {"policy_ids": ids[::-1]})))
        assert story.clock("resolve").target_amount == 6000

    def test_deleted_what_promised_nothing(self, database: Database) -> None:
        policy_id = make_policy(database, "Nothing", targets={}, position=1)
        story = Story(database)
        assert story.kinds("running") == set()
        worked(database, carried_out(database, Edit("remove_policy", policy_id, {})))
        assert "resolve" in story.kinds("running")

    def test_a_day_that_comes_moves_nothing_that_began_before(self, database: Database) -> None:
        """So nobody has to look at policies whose days begin or end: the start of a clock decides (`policy_spec`)."""
        story = Story(database)
        targets = {"S3": {"resolve": [60, "minutes"]}}
        later = make_policy(
            database, "From Tuesday", targets=targets, valid_from=f"{MONDAY + timedelta(days=1):%Y-%m-%d}"
        )
        with database.unit_of_work(SYSTEM) as uow:
            job_id = recomputing.begin_for(uow, SYSTEM, EVERY)
        worked(database, job_id)
        assert story.clock("resolve").policy_id != later
        assert told(database, story.id, "sla.recomputed") == []

    def test_a_closed_complaint_with_something_still_owed(self, database: Database) -> None:
        promise(database, S3={"follow_up": (30, "business_days"), "resolve": (5, "business_days")})
        story = Story(database)
        story.act("investigate", MONDAY + HOUR, **finding(database, story))
        story.act("resolve", MONDAY + HOUR, **decision(database, story))
        assert story.kinds("running") == {"follow_up"}
        worked(database, carried_out(database, new_targets(database, follow_up=[60, "business_days"])))
        assert story.clock("follow_up").target_amount == 60


@pytest.mark.usefixtures("tuesday")
class TestCalendars:
    def test_a_holiday_moves_deadlines_and_says_so(self, database: Database) -> None:
        story = Story(database)
        worked(database, carried_out(database, with_holiday(database, "2026-03-04")))
        item = last(database, story, "sla.recomputed")["resolve"]
        assert item["because"] == ["holidays"]
        assert story.clock("resolve").due_at == MONDAY + timedelta(days=8, hours=8)
        assert story.clock("resolve").generation == 2

    def test_a_holiday_far_off_moves_nothing_and_rings_nothing_anew(self, database: Database) -> None:
        """Another version, since what waits may come to that day; the same generation, since nothing else is another."""
        story = Story(database)
        worked(database, carried_out(database, with_holiday(database, "2026-12-24")))
        clock = story.clock("resolve")
        assert (clock.calendar_version, clock.generation) == (2, 1)
        assert differences(database) == []

    def test_what_was_broken_by_a_holiday_that_nobody_had_entered_is_not(self, database: Database) -> None:
        """It runs again, from the same start; that it was said to be broken stays in the log."""
        story = Story(database, MONDAY - timedelta(days=3) + 6 * HOUR)  # on Friday at 15:00: due on Monday at 11:00
        ring_everything(database, MONDAY + 3 * HOUR)
        assert story.clock("acknowledge").state == "breached"
        edit = with_holiday(database, "2026-03-02")
        tried = dry_running.at_once(database, SYSTEM, edit, MONDAY + 4 * HOUR)
        job_id = carried_out(database, edit)
        with_time(database, MONDAY + 4 * HOUR)
        result = worked(database, job_id)
        clock = story.clock("acknowledge")
        assert (clock.state, clock.due_at) == ("running", MONDAY + timedelta(days=1, hours=2))
        assert clock.breached_at is None
        assert result["clocks"]["saved"] == 1
        assert tried is not None
        assert tried["clocks"] == result["clocks"]
        item = last(database, story, "sla.recomputed")["acknowledge"]
        assert item["changes"]["state"] == ["breached", "running"]
        ring_everything(database, MONDAY + timedelta(days=1, hours=3))
        assert story.clock("acknowledge").state == "breached"
        assert len(told(database, story.id, "sla.breached")) == 2
        assert differences(database) == wrong(database) == []

    def generous(self, database: Database, **more: Any) -> UUID:
        """Before the default policy: sixty days where that gives five."""
        with_time(database, MONDAY)
        given = {"position": 1, "targets": {"S3": {"resolve": [60, "business_days"]}}, **more}
        return make_policy(database, "Generous", **given)

    def edited(self, database: Database, at: Any, edit: Edit) -> dict[str, Any]:
        """The edit and its job, as a trial had said; whatever is due has rung."""
        with_time(database, at)
        tried = dry_running.at_once(database, SYSTEM, edit, at)
        job_id = carried_out(database, edit)
        with_time(database, at + timedelta(minutes=1))
        result = worked(database, job_id)
        ring_everything(database, Now.at)
        assert tried is not None
        assert tried["clocks"] == result["clocks"]
        assert differences(database) == wrong(database) == []
        return dict(result["clocks"])

    @pytest.mark.parametrize(
        ("slip", "again"),
        [
            ({"active": False}, {"active": True}),
            ({"condition": when("channel", "LETTER")}, {"condition": when("channel", "EMAIL")}),
            ({"valid_from": "2026-03-03"}, {"valid_from": "2026-03-02"}),
        ],
    )
    def test_what_was_broken_by_a_slip_in_choosing_is_not(
        self, database: Database, slip: dict[str, Any], again: dict[str, Any]
    ) -> None:
        policy_id = self.generous(database)
        story = Story(database, MONDAY + HOUR)
        due = story.clock("resolve").due_at
        at = MONDAY + timedelta(days=14)
        self.edited(database, at, Edit("change_policy", policy_id, slip))
        assert story.clock("resolve").state == "breached"
        assert self.edited(database, at + HOUR, Edit("change_policy", policy_id, again))["saved"] == 1
        clock = story.clock("resolve")
        assert (clock.state, clock.due_at, clock.policy_id, clock.breached_at) == ("running", due, policy_id, None)
        assert "resolve" in {payload["kind"] for _, payload in told(database, story.id, "sla.breached")}  # which stays
        assert last(database, story, "sla.recomputed")["resolve"]["breach_taken_back"]

    @pytest.mark.parametrize("rung", [True, False])
    def test_a_kind_that_only_the_slip_promised_goes_broken_or_not(self, database: Database, rung: bool) -> None:
        """The policy promises to resolve and nothing else; while it was off by mistake the default one promised all of its own."""
        policy_id = self.generous(database)
        story = Story(database, MONDAY + HOUR)
        assert story.kinds("running") == {"resolve"}
        at = MONDAY + timedelta(days=14)
        off, on = (Edit("change_policy", policy_id, {"active": active}) for active in (False, True))
        if rung:
            self.edited(database, at, off)
            assert story.kinds("breached") >= {"acknowledge", "investigate", "resolve"}
        else:
            job_id = carried_out(database, off, at)
            with_time(database, at + timedelta(minutes=1))
            worked(database, job_id)
        result = self.edited(database, at + HOUR, on)
        assert (story.kinds("running"), story.kinds("breached")) == ({"resolve"}, set())
        assert story.kinds("cancelled") == {"acknowledge", "investigate"}
        assert (result["saved"], result["cancelled"]) == (1, len(story.kinds("cancelled")))
        assert last(database, story, "sla.cancelled")["acknowledge"].get("breach_taken_back", False)
        self.edited(database, at + 2 * HOUR, off)  # it is no slip after all
        assert story.kinds("breached") >= {"acknowledge", "investigate", "resolve"}
        assert story.kinds("running") == story.kinds("cancelled") == set()

    def test_what_was_promised_from_the_beginning_stays_broken_when_it_is_promised_no_more(
        self, database: Database
    ) -> None:
        policy_id = self.generous(
            database, targets={"S3": {"resolve": [60, "business_days"], "acknowledge": [5, "minutes"]}}
        )
        story = Story(database, MONDAY + HOUR)
        at = MONDAY + timedelta(days=14)
        ring_everything(database, at)
        edit = Edit("change_policy", policy_id, {"targets": {"S3": {"resolve": [60, "business_days"]}}})
        self.edited(database, at, edit)
        assert (story.kinds("running"), story.kinds("breached")) == ({"resolve"}, {"acknowledge"})

    def test_what_a_fact_had_promised_stays_broken_when_it_is_promised_no_more(self, database: Database) -> None:
        """It was under the default policy for an hour, by its severity and by no edit."""
        policy_id = self.generous(database, condition=when("severity", "S3"))
        story = Story(database, MONDAY + HOUR)
        at = MONDAY + timedelta(days=14)
        story.act("set_severity", at, severity="S4", reason="It is milder.")
        ring_everything(database, at + HOUR)
        assert "acknowledge" in story.kinds("breached")
        story.act("set_severity", at + HOUR, severity="S3", reason="It is not.")
        self.edited(database, at + 2 * HOUR, Edit("change_policy", policy_id, {"valid_from": "2026-01-01"}))
        assert "acknowledge" in story.kinds("breached")

    def test_a_policy_that_was_too_strict_and_is_switched_off_leaves_no_breach(self, database: Database) -> None:
        policy_id = self.generous(database, targets={"S3": {"resolve": [10, "minutes"]}})
        story = Story(database, MONDAY + HOUR)
        with_time(database, MONDAY + 2 * HOUR)
        ring_everything(database, MONDAY + 2 * HOUR)
        assert story.clock("resolve").state == "breached"
        edit = Edit("change_policy", policy_id, {"active": False})
        assert self.edited(database, MONDAY + 3 * HOUR, edit)["saved"] == 1
        assert story.clock("resolve").state == "running"

    def test_it_can_be_put_right_without_an_edit(self, database: Database) -> None:
        """The edit itself left the clocks alone."""
        policy_id = self.generous(database)
        story = Story(database, MONDAY + HOUR)
        at = MONDAY + timedelta(days=14)
        self.edited(database, at, Edit("change_policy", policy_id, {"active": False}))
        with_time(database, at + HOUR)
        carried_out(database, Edit("change_policy", policy_id, {"active": True}), wanted=False)
        with database.unit_of_work(SYSTEM) as uow:
            job_id = recomputing.begin_for(uow, SYSTEM, EVERY)
        assert worked(database, job_id)["clocks"]["saved"] == 1
        assert story.clock("resolve").state == "running"

    def test_what_a_fact_brought_under_another_policy_saves_nothing(self, database: Database) -> None:
        """Broken by the default policy, milder afterwards: that the other is for it now is by no edit, and no edit after it says so."""
        policy_id = self.generous(database, condition=when("severity", "S4"))
        story = Story(database, MONDAY + HOUR)
        at = MONDAY + timedelta(days=14)
        ring_everything(database, at)
        with_time(database, at)
        change_policy(database, policy_id, targets={"S4": {"resolve": [70, "business_days"]}})
        story.act("set_severity", at + HOUR, severity="S4", reason="It is milder.")
        result = self.edited(database, at + 2 * HOUR, Edit("change_policy", policy_id, {"valid_from": "2026-01-01"}))
        assert (result["saved"], story.clock("resolve").state) == (0, "breached")

    def test_a_milder_severity_saves_nothing_beside_an_edit_either(self, database: Database) -> None:
        targets = {"S3": {"resolve": [6, "business_days"]}, "S5": {"resolve": [60, "business_days"]}}
        policy_id = self.generous(database, active=False, targets=targets)
        story = Story(database, MONDAY + HOUR)
        at = MONDAY + timedelta(days=14)
        ring_everything(database, at)
        story.act("set_severity", at, severity="S5", reason="It is milder.")
        result = self.edited(database, at + HOUR, Edit("change_policy", policy_id, {"active": True}))
        assert (result["saved"], story.clock("resolve").state) == (0, "breached")

    def test_what_was_stopped_late_stays_broken(self, database: Database) -> None:
        story = Story(database, MONDAY - timedelta(days=3) + 6 * HOUR)
        story.act("acknowledge", MONDAY + 3 * HOUR, channel="PHONE")
        worked(database, carried_out(database, with_holiday(database, "2026-03-02")))
        assert story.clock("acknowledge").state == "breached"

    def test_a_calendar_of_one_target_alone(self, database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            other = calendars.create(uow, "Depot", {**OFFICE})
        promise(database, S3={"resolve": {"amount": 5, "unit": "business_days", "calendar_id": str(other)}})
        story = Story(database)
        edit = Edit("change_calendar", other, {**OFFICE, "holidays": ["2026-03-04"]})
        result = worked(database, carried_out(database, edit))
        assert result["clocks"]["later"] == 1
        assert story.clock("resolve").calendar_version == 2

    def test_a_holiday_in_the_middle_of_a_pause(self, database: Database) -> None:
        """Nothing is counted twice: the pause covers it."""
        story = Story(database)
        story.act("ask_third_party", MONDAY + HOUR, note="Asked the carrier.")
        left = story.clock("resolve").remaining_seconds
        worked(database, carried_out(database, with_holiday(database, "2026-03-03")))
        assert story.clock("resolve").remaining_seconds == left
        story.act("resume", MONDAY + timedelta(days=2))
        assert wrong(database) == differences(database) == []

    def test_the_clocks_of_regulators_follow_their_calendars(self, database: Database) -> None:
        sent = {"complaint_received": MONDAY}
        story = Story(database, jurisdiction="GB", sector="financial", clock_starts=sent)
        with Session(database.engine) as session:
            row = session.scalars(
                select(Clock).where(Clock.rule_id.is_not(None), Clock.calendar_id.is_not(None)).order_by(Clock.due_at)
            ).first()
            assert row is not None, "a rule of working days"
            spec = calendar_queries.current_spec(session, row.calendar_id)  # type: ignore[arg-type]
            day = f"{MONDAY + timedelta(days=2):%Y-%m-%d}"
        given = {name: spec[name] for name in ("timezone", "weekly_hours", "working_days")}
        edit = Edit("change_calendar", row.calendar_id, {**given, "holidays": [*spec.get("holidays", []), day]})
        before = row.due_at
        worked(database, carried_out(database, edit))
        after = story.clock(row.kind)
        assert before is not None
        assert after.due_at is not None
        assert after.due_at > before
        assert after.calendar_version == 2
        assert differences(database) == []
