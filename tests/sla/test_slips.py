"""What an edit by mistake had broken, and an edit after it puts right, where a fact of the complaint changed in between.

How it can fail: a severity or tier that changed during the slip is held against the slip's own clock, which by the old one would never have
been, so that it stays broken for good; by the same, what was honestly broken is taken back because the severity of now promises nothing;
what would have gone by the new severity is left broken when it should be cancelled; a tier that nobody asked for while the clock was made
is taken for none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import dry_running
from helpdesk.sla.dry_running import Edit
from tests.sla.climbing import ring
from tests.sla.editing import carried_out, ring_everything, with_time, worked
from tests.sla.test_transitions import differences, last
from tests.sla.watching import MONDAY, Story, make_policy, tagged, when, wrong

HOUR: Final = timedelta(hours=1)
CAME: Final = MONDAY + HOUR
"""When complaints come in: after the policies."""
MINUTES: Final = "minutes"
Targets = Mapping[str, Mapping[str, Any]]


def two_policies(database: Database, right: Targets, behind: Mapping[str, Any]) -> UUID:
    """The right one, and the one behind it, for everybody, that is asked where the right one is switched off."""
    with_time(database, MONDAY)
    every = {f"S{level}": behind for level in range(1, 6)}
    make_policy(database, "Behind", position=2, targets=every, thresholds=[])
    return make_policy(database, "Right", position=1, targets=right, thresholds=[])


def edited(database: Database, at: datetime, policy_id: UUID, **given: Any) -> dict[str, Any]:
    """An edit and its job, as a trial had said; whatever is due has rung."""
    edit = Edit("change_policy", policy_id, given)
    with_time(database, at)
    tried = dry_running.at_once(database, SYSTEM, edit, at)
    job_id = carried_out(database, edit)
    with_time(database, at + timedelta(minutes=1))
    result = worked(database, job_id)
    ring_everything(database, at + timedelta(minutes=1))
    assert tried is not None
    assert tried["clocks"] == result["clocks"]
    assert differences(database) == wrong(database) == []
    return dict(result["clocks"])


def severity(story: Story, at: datetime, to: str) -> None:
    story.act("set_severity", at, severity=to, reason="It is another.")


@pytest.mark.usefixtures("tuesday")
class TestSeverityDuringTheSlip:
    @pytest.mark.parametrize("how", ["switched off", "another condition", "a target too many"])
    def test_what_the_right_policy_promises_by_it_runs(self, database: Database, how: str) -> None:
        right = {"S3": {"resolve": [200, MINUTES]}, "S4": {"acknowledge": [400, MINUTES]}}
        policy_id = two_policies(database, right, {"resolve": [30, MINUTES]})
        ways: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
            "switched off": ({"active": False}, {"active": True}),
            "another condition": (
                {"condition": when("channel", "LETTER")},
                {"condition": when("channel", "EMAIL")},
            ),
            "a target too many": ({"targets": {**right, "S4": {"resolve": [30, MINUTES]}}}, {"targets": right}),
        }
        slip, again = ways[how]
        story = Story(database, CAME)
        severity(story, CAME, "S4")
        assert (story.kinds("running"), story.kinds("cancelled")) == ({"acknowledge"}, {"resolve"})
        edited(database, CAME + HOUR, policy_id, **slip)
        assert story.kinds("breached") == {"resolve"}
        severity(story, CAME + 1.5 * HOUR, "S3")
        assert story.kinds("breached") == {"resolve"}
        result = edited(database, CAME + 2 * HOUR, policy_id, **again)
        clock = story.clock("resolve")
        assert (clock.state, clock.due_at) == ("running", CAME + timedelta(minutes=200))
        assert (clock.policy_id, clock.severity, clock.breached_at) == (policy_id, "S3", None)
        assert story.kinds("cancelled") == {"acknowledge"}
        assert result["saved"] == 1
        assert last(database, story, "sla.recomputed")["resolve"]["breach_taken_back"]

    def test_it_is_broken_by_what_the_right_policy_promises_where_that_is_over(self, database: Database) -> None:
        policy_id = two_policies(database, {"S3": {"resolve": [90, MINUTES]}, "S4": {}}, {"resolve": [30, MINUTES]})
        story = Story(database, CAME)
        severity(story, CAME, "S4")
        edited(database, CAME + HOUR, policy_id, active=False)
        severity(story, CAME + HOUR, "S3")
        edited(database, CAME + 2 * HOUR, policy_id, active=True)
        clock = story.clock("resolve")
        assert (clock.state, clock.breached_at) == ("breached", CAME + timedelta(minutes=90))
        assert (clock.policy_id, clock.severity) == (policy_id, "S3")

    @pytest.mark.parametrize("born", ["S3", "S5"])
    def test_what_it_would_have_cancelled_is_cancelled(self, database: Database, born: str) -> None:
        """It ran until the slip, and by the severity of now it would not."""
        right = {"S3": {"resolve": [200, MINUTES]}, "S4": {}, "S5": {"resolve": [300, MINUTES]}}
        policy_id = two_policies(database, right, {"resolve": [30, MINUTES]})
        story = Story(database, CAME)
        severity(story, CAME, "S4")
        severity(story, CAME + timedelta(minutes=5), born)
        edited(database, CAME + HOUR, policy_id, active=False)
        assert story.kinds("breached") == {"resolve"}
        severity(story, CAME + HOUR, "S4")
        edited(database, CAME + 2 * HOUR, policy_id, active=True)
        assert (story.kinds("cancelled"), story.kinds("breached")) == ({"resolve"}, set())
        assert last(database, story, "sla.cancelled")["resolve"]["breach_taken_back"]

    def test_a_target_that_was_a_slip_leaves_nothing_broken_where_the_severity_of_now_promises_nothing(
        self, database: Database
    ) -> None:
        right = {"S3": {"resolve": [200, MINUTES]}, "S4": {}}
        policy_id = two_policies(database, {**right, "S3": {"resolve": [20, MINUTES]}}, {})
        story = Story(database, CAME)
        ring(story, CAME + HOUR)
        severity(story, CAME + HOUR, "S4")
        assert story.kinds("breached") == {"resolve"}
        edited(database, CAME + 2 * HOUR, policy_id, targets=right)
        assert (story.kinds("cancelled"), story.kinds("breached")) == ({"resolve"}, set())


@pytest.mark.usefixtures("tuesday")
class TestWhatIsHonestlyBroken:
    """No edit saves it, whatever the complaint's severity is by now."""

    @pytest.mark.parametrize("edit", [{"valid_from": "2026-01-01"}, {"thresholds": [50]}, {"active": False}])
    @pytest.mark.parametrize("to", ["S4", "S5"])
    def test_by_a_severity_that_is_another_now(self, database: Database, edit: dict[str, Any], to: str) -> None:
        """Which promises nothing of the kind, or more."""
        right = {"S3": {"resolve": [30, MINUTES]}, "S4": {}, "S5": {"resolve": [400, MINUTES]}}
        policy_id = two_policies(database, right, {})
        story = Story(database, CAME)
        ring(story, CAME + HOUR)
        severity(story, CAME + HOUR, to)
        assert story.kinds("breached") == {"resolve"}
        assert edited(database, CAME + 2 * HOUR, policy_id, **edit)["saved"] == 0
        clock = story.clock("resolve")
        assert (clock.state, clock.breached_at, clock.severity) == ("breached", CAME + timedelta(minutes=30), "S3")

    def test_and_promised_no_more_by_any(self, database: Database) -> None:
        """The target that it was broken by is taken away: it was one from the beginning."""
        right = {"S3": {"resolve": [30, MINUTES]}, "S4": {"resolve": [400, MINUTES]}}
        policy_id = two_policies(database, right, {})
        story = Story(database, CAME)
        ring(story, CAME + HOUR)
        severity(story, CAME + HOUR, "S4")
        edited(database, CAME + 2 * HOUR, policy_id, targets={"S4": right["S4"]})
        assert story.kinds("breached") == {"resolve"}
        edited(database, CAME + 3 * HOUR, policy_id, targets={"S4": {}})
        assert story.kinds("breached") == {"resolve"}

    def test_before_a_slip_that_began_and_ended_after_it(self, database: Database) -> None:
        right = {"S3": {"resolve": [30, MINUTES]}, "S4": {}, "S5": {"resolve": [400, MINUTES]}}
        policy_id = two_policies(database, right, {"resolve": [20, MINUTES]})
        story = Story(database, CAME)
        ring(story, CAME + HOUR)
        edited(database, CAME + HOUR, policy_id, active=False)
        for minutes, to in ((70, "S4"), (80, "S5")):
            severity(story, CAME + timedelta(minutes=minutes), to)
        edited(database, CAME + 2 * HOUR, policy_id, active=True)
        clock = story.clock("resolve")
        assert (clock.state, clock.breached_at) == ("breached", CAME + timedelta(minutes=30))

    def test_by_a_fact_that_brought_it_under_another_policy(self, database: Database) -> None:
        """By its tag it was under one that promised it, and is again under one that does not, by no edit."""
        policy_id = two_policies(database, {"S3": {"acknowledge": [400, MINUTES]}}, {})
        condition = when("tags", "urgent", "contains")
        make_policy(database, "Urgent", position=0, condition=condition, targets={"S3": {"resolve": [30, MINUTES]}})
        story = Story(database, CAME)
        tagged(story, CAME + HOUR, "urgent")
        ring(story, CAME + HOUR)
        tagged(story, CAME + 1.5 * HOUR, "urgent", off=True)
        edited(database, CAME + 2 * HOUR, policy_id, valid_from="2026-01-01")
        assert story.kinds("breached") == {"resolve"}


@pytest.mark.usefixtures("tuesday")
class TestTiers:
    """While the right policy is switched off no policy asks for the tier of a customer."""

    EVERYBODY: Final[dict[str, Any]] = {"S3": {"resolve": [10, MINUTES]}}
    KEY: Final[dict[str, Any]] = {"key": {"S3": {"resolve": [400, MINUTES]}}}

    def story(self, database: Database, tier: str) -> Story:
        found = Story(database, CAME, complainant={"name": "Li Wei", "email": "li.wei@example.com"})
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE customer SET tier = :tier"), {"tier": tier})
        return found

    def policies(self, database: Database, **more: Any) -> UUID:
        with_time(database, MONDAY)
        make_policy(database, "Behind", position=2, targets={"S3": {"resolve": [20, MINUTES]}}, thresholds=[])
        given = {"targets": self.EVERYBODY, "tiers": self.KEY, **more}
        return make_policy(database, "Right", position=1, thresholds=[], **given)

    @pytest.mark.parametrize("everybody", [EVERYBODY, {}])
    def test_of_a_customer_whose_own_target_is_not_over(self, database: Database, everybody: dict[str, Any]) -> None:
        policy_id = self.policies(database, targets=everybody, active=False)
        story = self.story(database, "key")
        edited(database, CAME + timedelta(minutes=5), policy_id, active=True)
        clock = story.clock("resolve")
        assert (clock.state, clock.tier, clock.target_amount) == ("running", "key", 400)
        edited(database, CAME + timedelta(minutes=30), policy_id, active=False)
        assert (story.clock("resolve").state, story.clock("resolve").tier) == ("breached", None)
        edited(database, CAME + HOUR, policy_id, active=True)
        clock = story.clock("resolve")
        assert (clock.state, clock.tier, clock.target_amount) == ("running", "key", 400)

    def test_of_a_customer_of_whom_the_same_is_promised_as_of_everybody(self, database: Database) -> None:
        policy_id = self.policies(database)
        story = self.story(database, "small")
        ring(story, CAME + timedelta(minutes=15))
        edited(database, CAME + timedelta(minutes=30), policy_id, active=False)
        edited(database, CAME + HOUR, policy_id, active=True)
        clock = story.clock("resolve")
        assert (clock.state, clock.breached_at) == ("breached", CAME + timedelta(minutes=10))

    def test_that_is_another_since_saves_nothing(self, database: Database) -> None:
        policy_id = self.policies(database)
        story = self.story(database, "small")
        ring(story, CAME + timedelta(minutes=15))
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE customer SET tier = 'key'"))
        assert edited(database, CAME + HOUR, policy_id, valid_from="2026-01-01")["saved"] == 0
        assert story.clock("resolve").state == "breached"
