"""Whose promise it is: which policy a complaint has, and what happens when its facts become others.

How it can fail: the order does not count; a team that routing finds comes too late for the policy of that team; a tier nobody asked
about costs a statement; a fact changes and the clocks do not follow, or follow when a fact changes that no policy asks for; what
was used is given back, or what was waited is counted; a met or broken promise is judged anew; the same promise by another policy
rings its warnings again; a deactivated policy takes its clocks with it; a day ends at midnight in the wrong zone; in one
transaction the second act does not know that the first one waits.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.complaints import acts, intake, tagging
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import fact_subscribers, policies
from helpdesk.sla.sweep import ring_due
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body, make_team
from tests.racing import at_once, while_it_waits
from tests.recovery.helpers import duties
from tests.sla.watching import (
    AGENT,
    MONDAY,
    Story,
    act,
    change_policy,
    clocks_of,
    make_policy,
    promise,
    tagged,
    violations,
    when,
    wrong,
)
from tests.taxonomy.helpers import retire

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
ONE_HOUR: Final[dict[str, Any]] = {
    severity: {"resolve": [minutes, "minutes"]}
    for severity, minutes in (("S1", 30), ("S2", 45), ("S3", 60), ("S4", 90), ("S5", 99))
}


class TestFirstMatchWins:
    def test_in_the_order_of_positions(self, database: Database) -> None:
        later = make_policy(database, "Later", condition=when("channel", "PHONE"), targets=ONE_HOUR, position=20)
        sooner = make_policy(
            database,
            "Sooner",
            condition=when("severity", "S3", "le"),
            targets={"S3": {"resolve": [2, "minutes"]}},
            position=30,
        )
        assert Story(database, channel="PHONE").clock("resolve").policy_id == later
        assert Story(database).clock("resolve").policy_id == sooner
        change_policy(database, sooner, position=10)
        assert Story(database, channel="PHONE").clock("resolve").policy_id == sooner
        change_policy(database, sooner, active=False)
        assert Story(database, channel="PHONE").clock("resolve").policy_id == later
        assert Story(database).clock("resolve").policy_id not in {later, sooner}

    @pytest.mark.parametrize(
        ("condition", "given"),
        [
            (when("category", "DEL"), {"issues": [{"category": "DEL", "issue": "DEL.LATE"}]}),
            (when("issues", "DEL.LATE", "contains"), {"issues": [{}, {"category": "DEL", "issue": "DEL.LATE"}]}),
            (when("jurisdiction", "GB"), {"jurisdiction": "GB"}),
            (when("regulator", value=True), {"channel": "REGULATOR"}),
            (when("vulnerable", value=True), {"needs": [{"flag": "hearing", "consent": True}]}),
            (when("language", "zh"), {"language": "zh"}),
        ],
    )
    def test_by_what_it_comes_in_with(
        self, database: Database, condition: dict[str, Any], given: dict[str, Any]
    ) -> None:
        policy = make_policy(database, "Ours", condition=condition, targets=ONE_HOUR)
        assert Story(database, **given).clock("resolve").policy_id == policy
        assert Story(database).clock("resolve").policy_id != policy

    def test_by_tag_and_custom_field(self, manager: Caller, agent: Caller, database: Database) -> None:
        assert (
            manager.post("/custom-fields", {"key": "contract", "label": "Contract", "type": "text"}).status_code == 201
        )
        condition = {"any": [when("tags", "vip", "contains"), when("custom.contract", "gold")]}
        policy = make_policy(database, "Ours", condition=condition, targets=ONE_HOUR)
        for given in ({"tags": ["vip"]}, {"custom_fields": {"contract": "gold"}}):
            created = agent.post("/complaints", complaint_body(**given))
            assert created.status_code == 201, created.text
            assert clocks_of(agent, created.json["reference"])["resolve"]["policy_id"] == str(policy)

    def test_what_a_policy_asks_for_is_not_taken_away(self, manager: Caller, database: Database) -> None:
        field = manager.post("/custom-fields", {"key": "contract", "label": "Contract", "type": "text"}).json
        condition = {"any": [when("custom.contract", "gold"), when("issue", "DEL.LATE")]}
        make_policy(database, "Ours", condition=condition, targets=ONE_HOUR)
        for refused in (
            manager.delete(f"/custom-fields/{field['id']}", if_match="*"),
            retire(manager, "issue", "DEL.LATE"),
            retire(manager, "category", "DEL"),
        ):
            assert (refused.status_code, [use["what"] for use in refused.json["uses"]]) == (409, ["sla_policy"])
        assert retire(manager, "issue", "DEL.LOST").status_code == 200

    def test_the_team_that_routing_finds_counts_at_once(
        self, manager: Caller, admin: Caller, agent: Caller, database: Database
    ) -> None:
        team = make_team(database, "Deliveries")
        rule = {
            "name": "To them",
            "condition": when("channel", "PHONE"),
            "result": {"team_id": str(team), "strategy": "queue_only"},
        }
        assert admin.post("/routing/rules", rule).status_code == 201
        policy = make_policy(database, "Theirs", condition=when("team_id", str(team)), targets=ONE_HOUR)
        created = agent.post("/complaints", complaint_body(channel="PHONE")).json
        assert created["team_id"] == str(team), created
        with database.reader() as session:
            rows = session.execute(text("SELECT kind, policy_id FROM sla_clock")).all()
        assert [(row.kind, row.policy_id) for row in rows] == [("resolve", policy)]
        assert wrong(database) == []


class TestDays:
    def test_they_end_at_midnight_in_the_zone_of_the_calendar(self, manager: Caller, database: Database) -> None:
        hours = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
        calendar = manager.post(
            "/sla/calendars", {"name": "Tokyo", "timezone": "Asia/Tokyo", "weekly_hours": hours}
        ).json
        policy = make_policy(
            database,
            "Golden week",
            calendar_id=UUID(calendar["id"]),
            targets=ONE_HOUR,
            valid_from="2026-03-02",
            valid_until="2026-03-03",
        )
        begins, ends = datetime(2026, 3, 1, 15, tzinfo=UTC), datetime(2026, 3, 3, 15, tzinfo=UTC)
        second = timedelta(seconds=1)
        by = {
            at: Story(database, at).clock("resolve").policy_id == policy
            for at in (begins - second, begins, ends - second, ends)
        }
        assert list(by.values()) == [False, True, True, False]

    def test_what_began_in_time_stays_promised_after_it(self, database: Database) -> None:
        policy = make_policy(database, "March", targets=ONE_HOUR, valid_until="2026-03-02")
        story = Story(database)
        story.triage(MONDAY + 5 * DAY, "S1")
        clock = story.clock("resolve")
        assert (clock.policy_id, clock.state) == (policy, "breached")
        assert (story.clock("resolve").severity, story.kinds("running")) == ("S3", set())


class TestFactsThatChange:
    @pytest.fixture
    def urgent(self, database: Database) -> UUID:
        """240 minutes where the default gives five days, for what carries the tag."""
        targets = {
            severity: {"acknowledge": [240, "minutes"], "resolve": [960, "minutes"]} for severity in ("S1", "S3")
        }
        return make_policy(database, "Urgent", condition=when("tags", "urgent", "contains"), targets=targets)

    def test_the_clocks_follow_keeping_what_was_used(self, database: Database, urgent: UUID) -> None:
        story = Story(database)
        before = story.clock("resolve")
        tagged(story, MONDAY + 2 * HOUR, "urgent")
        after = story.clock("resolve")
        assert (after.policy_id, after.started_at, after.generation) == (urgent, MONDAY, before.generation + 1)
        assert after.due_at == MONDAY + DAY + 8 * HOUR  # sixteen office hours from receipt
        assert story.kinds("cancelled") == {"investigate"}  # which it does not promise
        tagged(story, MONDAY + 3 * HOUR, "urgent", off=True)
        back = story.clock("resolve")
        assert (back.policy_id, back.due_at) == (before.policy_id, before.due_at)
        assert story.kinds("running") == {"acknowledge", "investigate", "resolve"}
        assert wrong(database) == []

    def test_the_same_promise_by_another_policy_keeps_its_generation(self, database: Database, urgent: UUID) -> None:
        story = Story(database)
        before = story.clock("acknowledge")  # 240 minutes by either
        tagged(story, MONDAY + HOUR, "urgent")
        after = story.clock("acknowledge")
        assert (after.policy_id, after.generation, after.due_at) == (urgent, before.generation, before.due_at)

    def test_other_facts_move_nothing(self, database: Database, urgent: UUID) -> None:
        story = Story(database)
        change_policy(database, urgent, thresholds=[10])
        promise(database, S3={"resolve": (1, "minutes")})
        tagged(story, MONDAY + HOUR, "calm")  # tags are asked for, so it is held against what is promised now
        assert story.clock("resolve").target_amount == 1
        other = Story(database)
        promise(database, S3={"resolve": (2, "minutes")})
        other.act("escalate", MONDAY, reason="Loud.")
        assert other.clock("resolve").target_amount == 1

    def test_what_was_met_or_broken_stays(self, database: Database, urgent: UUID) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY + HOUR, channel="PHONE")
        tagged(story, MONDAY + 3 * DAY + 9 * HOUR, "urgent")  # three business days to investigate are over
        kept, broken = story.clock("acknowledge"), story.clock("investigate")
        assert (kept.state, kept.policy_id != urgent) == ("met", True)
        assert (broken.state, broken.policy_id != urgent) == ("breached", True)
        assert story.clock("resolve").policy_id == urgent
        ring_due(database)
        assert story.clock("resolve").state == "breached"
        assert wrong(database) == []

    def test_while_paused_it_stays_paused_and_resumes_by_the_new_promise(
        self, database: Database, urgent: UUID
    ) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + HOUR, message="Which parcel?")
        tagged(story, MONDAY + 2 * HOUR, "urgent")
        paused = story.clock("resolve")
        assert (paused.state, paused.policy_id, paused.remaining_seconds) == ("paused", urgent, 15 * 3600)
        story.triage(MONDAY + 3 * HOUR, "S1")  # the severity is raised meanwhile
        assert story.clock("resolve").state == "paused"
        story.act("resume", MONDAY + DAY + HOUR)
        assert story.clock("resolve").due_at == MONDAY + 2 * DAY + 8 * HOUR
        assert wrong(database) == []

    def test_in_one_transaction_with_what_it_waits_for(self, database: Database, urgent: UUID) -> None:
        """The question is asked and the tag set, in either order: it waits."""
        for tag_first in (True, False):
            story = Story(database)
            with database.unit_of_work(AGENT, now=MONDAY + HOUR) as uow:
                complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
                if tag_first:
                    tagging.add(uow, AGENT, complaint, {"tags": ["urgent"]})
                acts.act(uow, AGENT, complaint, "ask_customer", {"message": "Which parcel?"})
                if not tag_first:
                    tagging.add(uow, AGENT, complaint, {"tags": ["urgent"]})
            clock = story.clock("resolve")
            assert (clock.state, clock.policy_id, clock.remaining_seconds) == ("paused", urgent, 15 * 3600)
            assert wrong(database) == []

    def test_team_issue_need_field_and_triage(
        self, agent: Caller, admin: Caller, team: UUID, database: Database
    ) -> None:
        other = make_team(database, "Others")
        conditions = {
            "Team": when("team_id", str(other)),
            "Issue": when("categories", "BIL", "contains"),
            "Need": when("vulnerable", value=True),
            "Language": when("language", "zh"),
            "Category": when("category", "DEL"),
        }
        ids = {name: str(make_policy(database, name, condition=condition, targets=ONE_HOUR | {"S1": {"resolve": [1, "weeks"]}}))
               for name, condition in conditions.items()}  # fmt: skip

        def by(ref: str) -> str:
            return str(clocks_of(admin, ref)["resolve"]["policy_id"])

        def fresh() -> str:
            return str(agent.post("/complaints", complaint_body(issues=[{}])).json["reference"])

        ref = fresh()
        assert admin.put(f"/complaints/{ref}/assignment", {"team_id": str(other)}, if_match="*").status_code == 200
        assert by(ref) == ids["Team"]
        ref = fresh()
        added = agent.post(f"/complaints/{ref}/issues", {"category": "BIL"})
        assert added.status_code == 201
        assert by(ref) == ids["Issue"]
        path = f"/complaints/{ref}/issues/{added.json['issues'][0]['id']}"
        assert (
            agent.delete(f"/complaints/{ref}/issues/{added.json['issues'][1]['id']}", if_match="*").status_code == 200
        )
        assert by(ref) not in ids.values()
        assert agent.patch(path, {"category": "DEL"}, if_match="*").status_code == 200
        assert by(ref) == ids["Category"]
        ref = fresh()
        need = agent.post(f"/complaints/{ref}/needs", {"flag": "hearing", "consent": True})
        assert need.status_code == 201, need.text
        assert by(ref) == ids["Need"]
        ref = fresh()
        assert agent.patch(f"/complaints/{ref}", {"language": "zh"}, if_match="*").status_code == 200
        assert by(ref) == ids["Language"]
        ref = fresh()
        act(agent, ref, "triage", impact=3, urgency=2, category="DEL", issue="DEL.LATE", track="investigate")
        assert by(ref) == ids["Category"]
        assert violations(database) == []

    def test_a_deactivated_policy_keeps_its_clocks_until_their_facts_change(
        self, database: Database, urgent: UUID
    ) -> None:
        story = Story(database)
        tagged(story, MONDAY, "urgent")
        change_policy(database, urgent, active=False)
        story.act("ask_customer", MONDAY + HOUR, message="Which parcel?")
        story.act("resume", MONDAY + 2 * HOUR)
        assert story.clock("resolve").policy_id == urgent
        story.triage(MONDAY + 3 * HOUR, "S1")
        assert story.clock("resolve").policy_id != urgent
        assert wrong(database) == []


class TestTiers:
    TIERS: Final[dict[str, Any]] = {"key": {"S3": {"resolve": [60, "minutes"]}}}

    @pytest.fixture
    def customer(self, manager: Caller) -> str:
        return str(manager.post("/customers", {"name": "Key", "email": "key@example.org"}).json["id"])

    def set_tier(self, manager: Caller, customer: str, tier: str) -> None:
        assert manager.patch(f"/customers/{customer}", {"tier": tier}, if_match="*").status_code == 200

    def test_its_targets_go_before_those_of_everybody_kind_by_kind(
        self, manager: Caller, customer: str, agent: Caller, database: Database
    ) -> None:
        default = manager.get("/sla/policies").json["items"][-1]
        assert manager.patch(f"/sla/policies/{default['id']}", {"tiers": self.TIERS}, if_match="*").status_code == 200
        self.set_tier(manager, customer, "key")
        ref = agent.post("/complaints", complaint_body(customer_id=customer, complainant={})).json["reference"]
        found = clocks_of(agent, ref)
        assert (found["resolve"]["target_amount"], found["resolve"]["tier"]) == (60, "key")
        assert (found["acknowledge"]["target_amount"], found["acknowledge"]["tier"]) == (240, "key")
        new = agent.post("/complaints", complaint_body()).json[
            "reference"
        ]  # whose customer is of this very transaction
        assert clocks_of(agent, new)["resolve"]["tier"] == "ordinary"
        assert wrong(database) == []

    def test_another_tier_moves_the_clocks_of_all_their_complaints(
        self, manager: Caller, customer: str, agent: Caller, database: Database, program: Program
    ) -> None:
        default = manager.get("/sla/policies").json["items"][-1]
        assert manager.patch(f"/sla/policies/{default['id']}", {"tiers": self.TIERS}, if_match="*").status_code == 200
        refs = [
            agent.post("/complaints", complaint_body(customer_id=customer, complainant={})).json["reference"]
            for _ in range(3)
        ]
        act(agent, refs[1], "ask_third_party", note="Asked the carrier.")
        act(agent, refs[2], "withdraw", reason="It came.")
        before = clocks_of(agent, refs[0])["resolve"]
        self.set_tier(manager, customer, "key")
        assert program.performer.perform(duties(database, fact_subscribers.TOPIC) * 2)["done"] == 1
        after = clocks_of(agent, refs[0])["resolve"]
        assert (after["target_amount"], after["tier"], after["generation"]) == (60, "key", before["generation"] + 1)
        assert (clocks_of(agent, refs[1])["resolve"]["state"], clocks_of(agent, refs[1])["resolve"]["tier"]) == (
            "paused",
            "key",
        )
        assert clocks_of(agent, refs[2])["resolve"]["state"] == "cancelled"
        assert wrong(database) == []
        self.set_tier(manager, customer, "small")
        assert program.performer.perform(duties(database, fact_subscribers.TOPIC))["done"] == 1
        assert clocks_of(agent, refs[0])["resolve"]["target_amount"] == 5

    def test_a_complaint_that_comes_in_while_the_tier_changes_has_the_new_one(
        self, manager: Caller, customer: str, agent: Caller, database: Database
    ) -> None:
        default = manager.get("/sla/policies").json["items"][-1]
        assert manager.patch(f"/sla/policies/{default['id']}", {"tiers": self.TIERS}, if_match="*").status_code == 200
        created = while_it_waits(
            database.engine,
            "SELECT FROM customer WHERE id = :id FOR NO KEY UPDATE",
            lambda: agent.post("/complaints", complaint_body(customer_id=customer, complainant={})),
            "UPDATE customer SET tier = 'key'",
            id=customer,
        )
        assert clocks_of(agent, created.json["reference"])["resolve"]["tier"] == "key"

    def test_nobody_is_asked_where_no_policy_asks(self, manager: Caller, customer: str, database: Database) -> None:
        self.set_tier(manager, customer, "key")
        assert duties(database, fact_subscribers.TOPIC) == []


class TestAtOnce:
    def test_reordering_while_complaints_come_in(self, database: Database) -> None:
        """Each has one of the two, whole; and the order at the end is one of those that somebody gave."""
        one = make_policy(database, "One", targets={"S3": {"resolve": [60, "minutes"], "investigate": [30, "minutes"]}})
        two = make_policy(database, "Two", targets={"S3": {"resolve": [90, "minutes"], "acknowledge": [30, "minutes"]}})

        def reorder(ids: list[UUID]) -> None:
            with database.unit_of_work(SYSTEM) as uow:
                policies.reorder(uow, ids)

        at_once(
            lambda: reorder([two, one]),
            lambda: Story(database),
            lambda: reorder([one, two]),
            lambda: Story(database),
            lambda: reorder([two, one]),
            lambda: Story(database),
        )
        with database.reader() as session:
            rows = session.execute(
                text("SELECT array_agg(DISTINCT policy_id) AS by, count(*) AS n FROM sla_clock GROUP BY complaint_id")
            ).all()
            order = session.execute(
                text("SELECT position FROM sla_policy WHERE NOT is_default ORDER BY position")
            ).scalars()
            assert list(order) == [10, 20]
        assert [(len(row.by), row.n) for row in rows] == [(1, 2)] * 3
        assert wrong(database) == []


def test_many_complaints_ask_for_their_customers_once(manager: Caller, database: Database, statements: Any) -> None:
    default = manager.get("/sla/policies").json["items"][-1]
    assert manager.patch(f"/sla/policies/{default['id']}", {"tiers": TestTiers.TIERS}, if_match="*").status_code == 200
    Story(database)
    seen = []
    for number in (1, 20):
        many = [
            {
                "channel": "EMAIL",
                "subject": "Late",
                "description": "Late.",
                "complainant": {"email": f"{number}.{place}@example.org"},
            }
            for place in range(number)
        ]
        with statements() as counted, database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, many)
        seen.append(sum("customer.tier" in statement for statement in counted.seen))
    assert seen == [1, 1]
