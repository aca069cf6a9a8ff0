"""What follows when a clock comes to a rung of its ladder: whom it tells, and when.

How it can fail: an alarm that is delivered twice tells twice; two sweeps, or two workers at once; a rung that is missed breaks the
ladder; an outage is caught up out of order, or somebody is told ten times; somebody is told at night, or on a holiday; what was
held is told though the matter is over, or never; nobody has it, leads it or is active; a team has no calendar; somebody is told of
what they may not see, or did themselves; that nobody was told is told to nobody; who is given it by a later rung is told twice.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.complaints import acts, intake
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla import (
    escalating,
    escalations,
    notices,
    policies_in_force,
    queries,
    recomputing,
    regime_in_force,
    sweep,
)
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once
from tests.recovery import helpers
from tests.sla.climbing import (
    AROUND_THE_CLOCK,
    TELL,
    actions,
    after,
    climb,
    complaint_of,
    give,
    held,
    ring,
    rung,
    said,
    set_hours,
    set_ladder,
    told,
)
from tests.sla.climbing import notices as noticed
from tests.sla.watching import MONDAY, Story, violations


@pytest.fixture
def lead(join: Join) -> Caller:
    return join("senior", name="Lena Lead")


class TestTelling:
    def test_whoever_has_it_once(self, database: Database, agent: Caller) -> None:
        set_ladder(database, thresholds=[50, 75])
        story = Story(database)
        give(story, agent.id)
        assert ring(story, after(hours=2)) == 1
        assert ring(story, after(hours=2)) == 0
        [one] = told(story, agent.id)
        assert (one.kind, one.detail["promise"], one.detail["rung"]) == ("sla_warned", "acknowledge", "50%")
        assert one.detail["text"] == "acknowledge, due 2026-03-02 13:00 UTC: 50% of the time is used."
        assert actions(story) == [("50%", "notify", "done", None)]
        assert helpers.duties(database, escalations.TOPIC) == []

    def test_an_alarm_that_is_delivered_twice(self, database: Database, agent: Caller) -> None:
        """Somebody has turned the clock back to a rung that rang: it says nothing again, and goes on."""
        set_ladder(database, thresholds=[50, 75])
        story = Story(database)
        give(story, agent.id)
        ring(story, after(hours=2))
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET next_threshold = 50, next_alarm_at = started_at"))
        assert ring(story, after(hours=2, minutes=5)) == 0
        assert story.clock("acknowledge").next_rung == "75%"
        assert len(told(story, agent.id)) == 1

    def test_nobody_has_it_and_the_ladder_goes_on(self, database: Database, agent: Caller) -> None:
        """A threshold has nothing to do then; what is written, and the breach, say why they could not."""
        set_ladder(database, rung("75%", TELL), thresholds=[50])
        story = Story(database)
        assert ring(story, after(hours=5)) == 3
        assert [each[2] for each in actions(story)] == ["owed", "owed"]
        assert violations(database) == []  # a duty sees to it
        escalating.escalate(database, story.id)
        assert actions(story) == [
            ("75%", "notify", "failed", "no_assignee"),
            ("100%", "notify", "failed", "nobody_to_tell"),
        ]
        assert said(story, "sla.escalation_failed") == ["sla.escalation_failed"] * 2
        assert story.clock("acknowledge").state == "breached"

    def test_a_breach_of_what_nobody_has_is_told_to_who_leads_its_team(
        self, database: Database, join: Join, lead: Caller, team: UUID
    ) -> None:
        join("manager", team_ids=[])
        set_ladder(database, thresholds=[50])
        story = Story(database)
        give(story, None, team)
        ring(story, after(hours=5))
        assert noticed(story) == [("100%", lead.id, "sent", None)]
        assert [one.kind for one in told(story, lead.id)] == ["sla_breached"]

    @pytest.mark.parametrize("in_a_team", [True, False])
    def test_where_nobody_leads_it_the_managers_are_told(self, database: Database, join: Join, in_a_team: bool) -> None:
        boss, _ = join("manager", team_ids=[]), join("agent")
        set_ladder(database)
        story = Story(database)
        give(story, None, make_team(database, "Empty") if in_a_team else None)
        ring(story, after(hours=5))
        assert noticed(story) == [("100%", boss.id, "sent", None)]

    def test_what_was_broken_before_it_was_entered_is_no_news_to_who_leads(
        self, database: Database, lead: Caller, team: UUID
    ) -> None:
        set_ladder(database)
        with database.unit_of_work(SYSTEM, now=after(days=1)) as uow:
            given = {"channel": "EMAIL", "subject": "Old", "description": "It is old.", "received_at": MONDAY}
            story = Story.of(database, intake.receive(uow, SYSTEM, given | {"team_id": team}))
        assert ring(story, after(days=1)) == 1
        assert actions(story) == []

    def test_nobody_who_is_meant_is_within_reach(self, database: Database, agent: Caller) -> None:
        set_ladder(database, thresholds=[50])
        set_hours(database, agent.id, {"timezone": "UTC", "weekly": {}})
        story = Story(database)
        give(story, agent.id)
        climb(story, hours=2)
        assert actions(story) == [("50%", "notify", "failed", "nobody_reached")]
        assert noticed(story) == [("50%", agent.id, "dropped", "never_at_work")]
        assert said(story, "sla.escalation_failed") == ["sla.escalation_failed"]
        agent.put("/notifications/preferences", {"mail": [], "muted": ["sla_warned"]}, if_match="*")
        other = Story(database)
        give(other, agent.id)
        climb(other, hours=2)
        assert actions(other) == [("50%", "notify", "done", None)]  # as they wished

    def test_each_who_is_meant(self, database: Database, join: Join, agent: Caller, lead: Caller, team: UUID) -> None:
        watcher, named, boss = join("agent", team_ids=[]), join("agent"), join("director")
        stranger = join("agent", team_ids=[make_team(database, "Other")])
        to = {
            "to": ["assignee", "team_leads", "watchers"],
            "agent_ids": [str(named.id), str(stranger.id)],
            "roles": ["director"],
        }
        set_ladder(database, rung("50%", {"step": "notify", "given": to}, at_any_time=True))
        story = Story(database)
        give(story, agent.id, team)
        with database.engine.begin() as connection:
            connection.execute(
                text("INSERT INTO complaint_watcher (complaint_id, agent_id) VALUES (:complaint, :agent)"),
                {"complaint": story.id, "agent": watcher.id},
            )
            connection.execute(text("UPDATE agent SET active = false WHERE id = :id"), {"id": named.id})
        ring(story, after(hours=2))
        found = {agent_id: (outcome, reason) for _, agent_id, outcome, reason in noticed(story)}
        assert found == {
            agent.id: ("sent", None),
            lead.id: ("sent", None),
            boss.id: ("sent", None),
            watcher.id: ("dropped", "may_not_see"),
            stranger.id: ("dropped", "may_not_see"),
            named.id: ("dropped", "not_active"),
        }

    @pytest.mark.parametrize(
        ("to", "reason"), [("team_leads", "no_lead"), ("team", "empty_team"), ("watchers", "no_watchers")]
    )
    def test_nobody_is_meant(self, database: Database, to: str, reason: str) -> None:
        set_ladder(database, rung("50%", {"step": "notify", "given": {"to": [to]}}))
        story = Story(database)
        give(story, None, make_team(database, "Empty"))
        climb(story, hours=2)
        assert actions(story) == [("50%", "notify", "failed", reason)]

    def test_without_a_team(self, database: Database) -> None:
        set_ladder(database, rung("50%", {"step": "notify", "given": {"to": ["team_leads"]}}))
        story = Story(database)
        climb(story, hours=2)
        assert actions(story) == [("50%", "notify", "failed", "no_team")]

    def test_muted_and_mailed(
        self, database: Database, program: Program, agent: Caller, lead: Caller, team: UUID
    ) -> None:
        to = {"to": ["assignee", "team_leads"], "mail": True, "text": "Call them."}
        set_ladder(database, rung("50%", {"step": "notify", "given": to}, at_any_time=True))
        lead.put("/notifications/preferences", {"mail": [], "muted": ["sla_warned"]}, if_match="*")
        story = Story(database)
        give(story, agent.id, team)
        ring(story, after(hours=2))
        assert {each[1:] for each in noticed(story)} == {(agent.id, "sent", None), (lead.id, "dropped", "muted")}
        helpers.perform(program, "notification.mail")
        body = helpers.scalar(database, "SELECT body FROM outbound_mail")
        assert "50% of the time is used. Call them." in body
        assert "has you mailed" in body

    def test_what_they_did_themselves(self, database: Database, agent: Caller) -> None:
        """Whoever stops a clock too late knows."""
        set_ladder(database, thresholds=[50])
        story = Story(database, MONDAY)
        give(story, agent.id)
        with database.unit_of_work(agent.actor, now=after(hours=5)) as uow:
            complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
            acts.act(uow, SYSTEM, complaint, "acknowledge", {"channel": "PHONE", "text": "Got it."})
        assert story.clock("acknowledge").state == "breached"
        assert noticed(story) == [("100%", agent.id, "dropped", "own_act")]

    def test_what_they_only_came_upon(self, database: Database, agent: Caller) -> None:
        """A breach that a recompute of theirs, or an act that does not keep the promise, meets before the sweep."""

        def counted_anew(uow: UnitOfWork, complaint: Complaint) -> None:
            policies, regimes = policies_in_force.in_force(uow.session), regime_in_force.in_force(uow.session)
            recomputing.follow(uow, complaint, queries.clocks_at_hand(uow.session, complaint.id, 1), policies, regimes)

        def made_worse(uow: UnitOfWork, complaint: Complaint) -> None:
            acts.act(uow, SYSTEM, complaint, "set_severity", {"severity": "S2", "reason": "It is worse."})

        set_ladder(database)
        for meet in (counted_anew, made_worse):
            story = Story(database, MONDAY)
            give(story, agent.id)
            with database.unit_of_work(agent.actor, now=after(hours=5)) as uow:
                complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
                uow.know_stream(complaint)
                meet(uow, complaint)
            assert story.clock("acknowledge").state == "breached"
            assert noticed(story) == [("100%", agent.id, "sent", None)]
            [one] = told(story, agent.id)
            assert (one.kind, one.actor_kind, one.actor_id) == ("sla_breached", "system", None)
            assert (
                helpers.scalar(
                    database,
                    "SELECT actor_kind FROM event WHERE stream_id = :id AND type = 'sla.breached'",
                    id=story.id,
                )
                == "system"
            )


class TestWorkingTime:
    def test_held_until_the_calendar_of_the_clock_opens(self, database: Database, agent: Caller) -> None:
        set_ladder(database, rung("+1 business_days", TELL), target=(1, "business_days"))
        story = Story(database)
        give(story, agent.id)
        ring(story, after(days=2, hours=8, minutes=1))  # closed since a minute
        assert [each[2:] for each in noticed(story)] == [("superseded", None), ("held", None)]
        [notice] = held(story)
        assert notice.until == after(days=3)
        assert told(story, agent.id) == []
        [duty] = helpers.duties(database, notices.TOPIC)
        not_before = helpers.scalar(database, "SELECT not_before FROM duty WHERE id = :id", id=duty)
        assert not_before == after(days=3)

    def test_at_any_time(self, database: Database, agent: Caller) -> None:
        set_ladder(database, rung("+1 business_days", TELL, at_any_time=True), target=(1, "business_days"))
        story = Story(database)
        give(story, agent.id)
        ring(story, after(days=2, hours=12))
        assert [one.detail["rung"] for one in told(story, agent.id)] == ["+1 business_days"]

    def test_their_own_hours_go_before(self, database: Database, agent: Caller) -> None:
        set_ladder(database, thresholds=[50])
        set_hours(
            database,
            agent.id,
            {"timezone": "Asia/Shanghai", "weekly": {"mon": [["08:00", "17:00"]], "tue": [["08:00", "12:00"]]}},
        )
        story = Story(database)
        give(story, agent.id)
        ring(story, after(hours=2))  # 11:00 in London, 19:00 in Shanghai
        assert [one.until for one in held(story)] == [after(hours=15)]

    def test_the_calendar_of_their_team(self, database: Database, manager: Caller, agent: Caller, team: UUID) -> None:
        hours = {"timezone": "UTC", "weekly_hours": {"mon": [["14:00", "18:00"]]}}
        made = manager.post("/sla/calendars", {"name": "Late shift", **hours})
        assert made.status_code == 201, made.text
        path = f"/sla/teams/{team}/calendar"
        assert manager.put(path, {"calendar_id": made.json["id"]}, if_match="*").status_code == 200
        set_ladder(database, thresholds=[50])
        story = Story(database)
        give(story, agent.id, team)
        ring(story, after(hours=2))
        assert [one.until for one in held(story)] == [after(hours=5)]

    def test_a_holiday_is_no_working_time(self, database: Database, manager: Caller, agent: Caller, team: UUID) -> None:
        hours = {"timezone": "UTC", "weekly_hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed")}}
        made = manager.post("/sla/calendars", {"name": "Feast", "holidays": ["2026-03-02", "2026-03-03"], **hours}).json
        manager.put(f"/sla/teams/{team}/calendar", {"calendar_id": made["id"]}, if_match="*")
        set_ladder(database, thresholds=[50])
        story = Story(database)
        give(story, agent.id, team)
        ring(story, after(hours=2))
        assert [one.until for one in held(story)] == [after(days=2)]

    def test_never_at_work(self, database: Database, agent: Caller) -> None:
        set_ladder(database, thresholds=[50])
        set_hours(database, agent.id, {"timezone": "UTC", "weekly": {}})
        story = Story(database)
        give(story, agent.id)
        climb(story, hours=2)
        assert noticed(story) == [("50%", agent.id, "dropped", "never_at_work")]

    def away(self, database: Database, agent_id: UUID, substitute_id: UUID | None) -> None:
        """Now, and for a week: whether somebody is out of office is asked of the present."""
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO agent_absence (id, agent_id, starts_at, ends_at, substitute_id) VALUES "
                    "(gen_random_uuid(), :agent, now() - interval '1 day', now() + interval '7 days', :other)"
                ),
                {"agent": agent_id, "other": substitute_id},
            )

    def test_out_of_office(self, database: Database, agent: Caller) -> None:
        set_ladder(database, thresholds=[50])
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        self.away(database, agent.id, None)
        story = Story(database)
        give(story, agent.id)
        ring(story, after(hours=2))
        ends = helpers.scalar(database, "SELECT ends_at FROM agent_absence")
        assert [one.until for one in held(story)] == [ends]

    def test_who_stands_in_is_told(self, database: Database, agent: Caller, lead: Caller) -> None:
        set_ladder(database, thresholds=[50])
        self.away(database, agent.id, lead.id)
        story = Story(database)
        give(story, agent.id)
        ring(story, after(hours=2))
        assert noticed(story) == [("50%", agent.id, "sent", "substitute")]
        assert len(told(story, lead.id)) == 1

    def one_held(self, database: Database, agent: Caller) -> tuple[Story, UUID]:
        set_ladder(database, thresholds=[50])
        set_hours(database, agent.id, {"timezone": "UTC", "weekly": {"sun": [["03:00", "04:00"]]}})
        story = Story(database)
        give(story, agent.id)
        ring(story, after(hours=2))
        return story, held(story)[0].id

    def test_told_when_they_are_at_work_and_once(self, database: Database, program: Program, agent: Caller) -> None:
        story, _ = self.one_held(database, agent)
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        (duty,) = helpers.duties(database, notices.TOPIC)
        assert program.performer.perform([duty, duty]) == {"done": 1, "skipped": 1, "failed": 0}
        assert noticed(story) == [("50%", agent.id, "sent", None)]
        assert len(told(story, agent.id)) == 1

    def test_still_not_at_work(self, database: Database, program: Program, agent: Caller) -> None:
        story, _ = self.one_held(database, agent)
        set_hours(database, agent.id, {"timezone": "UTC", "weekly": {}})
        escalating.tell_held(database, held(story)[0].id)
        assert noticed(story) == [("50%", agent.id, "dropped", "never_at_work")]

    def test_held_on_where_the_hours_have_changed(self, database: Database, agent: Caller) -> None:
        story, notice_id = self.one_held(database, agent)
        never_now = helpers.scalar(database, "SELECT to_char(now() - interval '1 day', 'dy')")
        set_hours(database, agent.id, {"timezone": "UTC", "weekly": {never_now: [["00:00", "24:00"]]}})
        escalating.tell_held(database, notice_id)
        [one] = held(story)
        assert one.until is not None
        assert one.until > helpers.scalar(database, "SELECT now() + interval '4 days'")
        assert len(helpers.duties(database, notices.TOPIC)) == 2

    @pytest.mark.parametrize(
        ("action", "given", "reason"),
        [
            ("acknowledge", {"channel": "PHONE"}, "stopped"),
            ("withdraw", {"reason": "It came after all."}, "cancelled"),
            ("ask_customer", {"message": "Which day?"}, "paused"),
        ],
    )
    def test_dropped_when_there_is_nothing_to_do_any_more(
        self, database: Database, agent: Caller, action: str, given: dict[str, Any], reason: str
    ) -> None:
        story, notice_id = self.one_held(database, agent)
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        story.act(action, after(hours=3), **given)
        escalating.tell_held(database, notice_id)
        assert noticed(story) == [("50%", agent.id, "dropped", reason)]
        assert told(story, agent.id) == []

    def test_another_has_it_by_then(self, database: Database, agent: Caller, lead: Caller) -> None:
        story, notice_id = self.one_held(database, agent)
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        give(story, lead.id)
        escalating.tell_held(database, notice_id)
        assert noticed(story) == [("50%", agent.id, "dropped", "not_meant_any_more")]

    def test_the_newest_goes_before_what_was_held(self, database: Database, agent: Caller) -> None:
        story, _ = self.one_held(database, agent)
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        ring(story, after(hours=5))
        assert [each[::2] for each in noticed(story)] == [("50%", "superseded"), ("100%", "sent")]
        assert [one.kind for one in told(story, agent.id)] == ["sla_breached"]


class TestOutage:
    def test_all_in_order_and_people_once_with_the_newest(self, database: Database, agent: Caller) -> None:
        set_ladder(database, rung("-30 minutes", TELL), rung("+60 minutes", TELL), thresholds=[50, 75, 90])
        story = Story(database)
        give(story, agent.id)
        assert ring(story, after(hours=7, minutes=12)) == 6
        order = ["50%", "75%", "-30 minutes", "90%", "100%", "+60 minutes"]
        assert [each[0] for each in actions(story)] == order
        assert {each[2] for each in actions(story)} == {"done"}
        assert [each[2] for each in noticed(story)] == ["superseded"] * 5 + ["sent"]
        [one] = told(story, agent.id)
        assert (one.kind, one.detail["rung"], one.detail["late_seconds"]) == ("sla_overdue", "+60 minutes", 7920)
        assert (
            one.detail["text"]
            == "acknowledge, due 2026-03-02 13:00 UTC: overdue for 60 business minutes. This rang 2 h 12 min late."
        )
        assert said(story, "sla.warned", "sla.breached", "sla.overdue") == [
            *["sla.warned"] * 4,
            "sla.breached",
            "sla.overdue",
        ]

    def test_what_acts_is_done_each_once_in_order(self, database: Database, lead: Caller, team: UUID) -> None:
        set_ladder(database, rung("50%", "raise_level"), rung("75%", "reassign", TELL), rung("100%", "raise_level"))
        story = Story(database)
        give(story, None, team)
        set_hours(database, lead.id, AROUND_THE_CLOCK)
        ring(story, after(days=3))
        escalating.escalate(database, story.id)
        assert actions(story) == [
            ("50%", "raise_level", "done", None),
            ("75%", "reassign", "done", None),
            ("75%", "notify", "done", None),
            ("100%", "raise_level", "done", None),
        ]
        assert (complaint_of(story).assignee_id, len(told(story, lead.id))) == (lead.id, 1)
        assert complaint_of(story).escalation_level == 2

    def test_who_gets_it_by_a_later_rung_is_told_once(
        self, database: Database, agent: Caller, lead: Caller, team: UUID
    ) -> None:
        """Not as one of those who lead, and again as the one who has it then. Whoever had it has not any more."""
        both = {"step": "notify", "given": {"to": ["assignee", "team_leads"]}}
        set_ladder(database, rung("50%", both), rung("75%", both), rung("90%", "reassign"), thresholds=[])
        story = Story(database)
        give(story, agent.id, team)
        set_hours(database, lead.id, AROUND_THE_CLOCK)
        ring(story, after(hours=6))
        escalating.escalate(database, story.id)
        assert complaint_of(story).assignee_id == lead.id
        assert [one.detail["rung"] for one in told(story, lead.id)] == ["100%"]
        assert told(story, agent.id) == []
        assert [each[2] for each in actions(story)] == ["done"] * 4

    def test_within_a_rung_the_order_counts(
        self, database: Database, agent: Caller, lead: Caller, team: UUID, join: Join
    ) -> None:
        """Whoever had it is told before it is given to another; and nobody is told of what came before that after it."""
        watch = join("agent", name="Wanda")
        named = {"step": "notify", "given": {"to": ["assignee"], "agent_ids": [str(watch.id)]}}
        set_ladder(
            database, rung("75%", named, at_any_time=True), rung("100%", named, "reassign", TELL, at_any_time=True)
        )
        story = Story(database)
        give(story, agent.id, team)
        ring(story, after(hours=6))
        escalating.escalate(database, story.id)
        found = {one.id: [note.detail["rung"] for note in told(story, one.id)] for one in (agent, lead, watch)}
        assert found == {agent.id: ["100%"], lead.id: ["100%"], watch.id: ["100%"]}

    def test_what_was_past_when_it_was_entered_does_not_ring(self, database: Database, agent: Caller) -> None:
        """An import of an old complaint: that it is overdue is said once, and the ladder after it is not run through."""
        set_ladder(
            database, rung("+60 minutes", "raise_level"), rung("+5 business_days", "raise_level"), thresholds=[50]
        )
        with database.unit_of_work(SYSTEM, now=after(days=1)) as uow:
            given = {"channel": "EMAIL", "subject": "Old", "description": "It is old.", "received_at": MONDAY}
            story = Story.of(database, intake.receive(uow, SYSTEM, given))
        assert ring(story, after(days=1)) == 1
        assert said(story, "sla.warned", "sla.breached", "sla.overdue") == ["sla.breached"]
        assert story.clock("acknowledge").next_rung == "+5 business_days"

    def test_sweeps_and_workers_at_once(self, database: Database, agent: Caller, team: UUID) -> None:
        set_ladder(database, rung("50%", "raise_level", TELL), rung("+60 minutes", TELL), thresholds=[75])
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        stories = [Story(database) for _ in range(6)]
        for story in stories:
            give(story, agent.id, team)
        sweeps: list[Callable[[], Any]] = [lambda: sweep.ring_due(database)] * 3
        at_once(*sweeps)
        sweep.ring_due(database)
        works = [partial(escalating.escalate, database, story.id) for story in stories for _ in range(2)]
        at_once(*works)
        for story in stories:
            assert [each[2] for each in actions(story)] == ["done"] * 5
            assert complaint_of(story).escalation_level == 1
            assert len(told(story, agent.id)) == 1
        assert violations(database) == []
