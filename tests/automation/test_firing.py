"""What triggers do when something happens: order, all or nothing, once for each event, and what comes of failures.

How it can fail: it fires twice for one event (a duty delivered twice, two workers at once, a crash between the commit and the
end of the duty), or never; half of its actions are done; one that fails keeps the others back, or fails for ever; it acts
as if it were somebody else; it sees what was so when the event happened and not what is so now, or the other way round; a
complaint that came in before the trigger was there sets it off; who is told is not who was named, or may not see it; an
import is slowed by it; without triggers it costs statements.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.automation import firing, reacting, rules
from helpdesk.automation.subscribers import FEW, MANY_TOPIC, TOGETHER, TOPIC
from helpdesk.automation.triggers import PAUSED_AFTER
from helpdesk.complaints import intake, steps
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.sweep import ring_due
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.automation.rules import (
    ESCALATE,
    NOTE,
    arrive,
    firings,
    of,
    outcomes,
    react,
    shown,
    story,
    tag,
    trigger,
)
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once
from tests.recovery import helpers
from tests.tampering import past_the_trigger


def events_owed(database: Database, topic: str = TOPIC) -> list[UUID]:
    with database.reader() as session:
        rows = session.execute(
            text("SELECT payload FROM duty WHERE topic = :t AND done_at IS NULL ORDER BY number"), {"t": topic}
        )
        return [UUID(event_id) for row in rows for event_id in row.payload["events"]]


class TestOnEvents:
    def test_it_acts_by_its_own_name(self, manager: Caller, agent: Caller, team: UUID, program: Program) -> None:
        made = trigger(manager, name="Late parcels", actions=[ESCALATE, tag("late"), NOTE])
        complaint = arrive(agent, team)
        assert react(program) == 1
        after = shown(agent, complaint)
        assert (after["escalation_level"], after["tags"]) == (1, ["late"])
        (fired,) = story(agent, complaint, "automation.fired")
        assert fired["summary"].startswith(
            "Trigger fired: trigger Late parcels, actions escalate, add_tags, write_message"
        )
        by = {(item["type"], item["actor_kind"], item["actor_id"]) for item in story(agent, complaint)[2:]}
        assert by == {
            (name, "automation", made["id"])
            for name in ("automation.fired", "complaint.escalated", "complaint.tagged", "complaint.message_added")
        }
        (told,) = agent.get(f"/complaints/{complaint['reference']}/messages").json["items"]
        assert (told["author_kind"], told["author_id"]) == ("automation", made["id"])
        assert list(violations(program.database, ["chain", "complaints", "automation"])) == []

    def test_the_log(self, manager: Caller, team: UUID, program: Program) -> None:
        condition = {"all": [of("severity", "le", "S3"), {"not": of("channel", "is", "PHONE")}]}
        made = trigger(manager, condition=condition)
        complaint = arrive(manager, team)
        react(program)
        (found,) = firings(manager, made)
        assert found["why"] == {
            "all": [
                {**of("severity", "le", "S3"), "found": "S3", "holds": True},
                {"not": {**of("channel", "is", "PHONE"), "found": "EMAIL", "holds": False}, "holds": True},
            ],
            "holds": True,
        }
        assert found["reference"] == complaint["reference"]
        assert (found["outcome"], found["event_type"], found["depth"], found["chain"]) == (
            "done",
            "complaint.received",
            1,
            [],
        )
        assert firings(manager, made, outcome="failed") == []

    def test_one_whose_condition_does_not_hold(self, manager: Caller, program: Program) -> None:
        made = trigger(manager, condition=of("severity", "is", "S1"))
        complaint = arrive(manager)
        assert react(program) == 1
        assert (firings(manager, made), shown(manager, complaint)["tags"]) == ([], [])

    def test_before_and_after(self, manager: Caller, agent: Caller, team: UUID, program: Program) -> None:
        worse = trigger(
            manager,
            "complaint.severity_set",
            condition={"all": [of("severity", "changed_from", "S3"), of("severity", "changed_to", "S2")]},
        )
        recategorised = trigger(manager, "complaint.triaged", condition=of("category", "changed_to", "BIL"))
        tagged = trigger(manager, "complaint.tagged", condition=of("tags", "changed_to", "vip"), actions=[ESCALATE])
        dearer = trigger(
            manager,
            "complaint.edited",
            condition=of("price", "changed_to", {"amount": "300.00", "currency": "EUR"}),
            actions=[NOTE],
        )
        complaint = arrive(agent, team)
        path = f"/complaints/{complaint['reference']}"
        calls: tuple[Callable[[], Any], ...] = (
            lambda: agent.post(f"{path}/actions/set_severity", GOOD["set_severity"]),
            lambda: agent.post(f"{path}/actions/triage", GOOD["triage"] | {"category": "BIL", "issue": "BIL.OVER"}),
            lambda: agent.post(f"{path}/tags", {"tags": ["vip"]}),
            lambda: agent.patch(path, {"price": helpers.eur("300.00")}, if_match="*"),
            lambda: agent.patch(path, {"subject": "Other"}, if_match="*"),
        )
        for call in calls:
            answer = call()
            assert answer.status_code in {200, 201}, answer.text
        react(program)
        assert [len(firings(manager, made)) for made in (worse, recategorised, tagged, dearer)] == [1, 1, 1, 1]

    def test_who_and_what_the_event_tells(self, manager: Caller, agent: Caller, team: UUID, program: Program) -> None:
        inbound = trigger(
            manager,
            "complaint.message_added",
            condition={"all": [of("event.message_kind", "is", "inbound"), of("event.actor", "is", "agent")]},
        )
        moved = trigger(
            manager, "complaint.withdrawn", condition=of("event.to_status", "is", "withdrawn"), actions=[NOTE]
        )
        complaint = arrive(agent, team)
        path = f"/complaints/{complaint['reference']}"
        agent.post(f"{path}/messages", {"kind": "internal_note", "body": "They call back."})
        agent.post(f"{path}/messages", {"kind": "inbound", "body": "I call back."})
        agent.post(f"{path}/actions/withdraw", GOOD["withdraw"])
        react(program)
        assert (len(firings(manager, inbound)), len(firings(manager, moved))) == (1, 1)

    def test_clocks_and_offers(self, manager: Caller, team: UUID, program: Program) -> None:
        condition = {
            "all": [
                of("clock.resolve.state", "is", "running"),
                of("clock.resolve.percent_used", "lt", 100),
                of("clock.resolve.minutes_to_due", "gt", 0),
                of("clock.follow_up.state", "is", "none"),
                {"not": of("promise_broken", "is", True)},
                of("offer_kinds", "contains", "apology_letter"),
                of("offer_statuses", "is", "drafted"),
                of("business_minutes_since_received", "le", 1),
                of("customer_tier", "is", "ordinary"),
                of("event.offer_kind", "is", "apology_letter"),
            ]
        }
        made = trigger(manager, "offer.drafted", condition=condition)
        complaint = arrive(manager, team)
        helpers.draft(manager, complaint, {"kind": "apology_letter"})
        react(program)
        (found,) = firings(manager, made)
        assert all(part["holds"] for part in found["why"]["all"])

    def test_a_broken_promise(self, manager: Caller, team: UUID, program: Program, database: Database) -> None:
        made = trigger(manager, "sla.breached", condition=of("event.promise", "is", "acknowledge"), actions=[ESCALATE])
        complaint = arrive(manager, team, received_at="2026-01-05T09:00:00Z")

        ring_due(database)
        react(program)
        (found,) = firings(manager, made)
        assert found["event_type"] == "sla.breached"
        assert shown(manager, complaint)["escalation_level"] == 1

    def test_what_happened_before_it_was_there(self, manager: Caller, program: Program, database: Database) -> None:
        trigger(manager, actions=[NOTE])
        complaint = arrive(manager)
        made = trigger(manager)
        react(program)
        assert (firings(manager, made), shown(manager, complaint)["tags"]) == ([], [])

    def test_an_offer_is_drafted_by_nobody(self, manager: Caller, team: UUID, program: Program) -> None:
        offer = {"step": "draft_offer", "given": {"kind": "apology_letter"}}
        made = trigger(manager, actions=[offer])
        complaint = arrive(manager, team)
        react(program)
        assert outcomes(manager, made) == [("done", None)]
        (drafted,) = manager.get(f"/complaints/{complaint['reference']}/offers").json["items"]
        assert (drafted["kind"], drafted["status"], drafted["drafted_by"]) == ("apology_letter", "drafted", None)


class TestOrder:
    def test_by_position_each_as_the_one_before_left_it(self, manager: Caller, program: Program) -> None:
        second = trigger(manager, position=20, condition=of("tags", "contains", "first"), actions=[tag("second")])
        first = trigger(manager, position=10, actions=[tag("first")])
        third = trigger(manager, position=30, condition=of("tags", "contains", "second"), actions=[tag("third")])
        complaint = arrive(manager)
        react(program)
        assert shown(manager, complaint)["tags"] == ["first", "second", "third"]
        fired = [item["actor_id"] for item in story(manager, complaint, "automation.fired")]
        assert fired == [first["id"], second["id"], third["id"]]

    def test_stop_after(self, manager: Caller, program: Program, database: Database) -> None:
        missed = trigger(manager, position=1, condition=of("severity", "is", "S1"), stop_after=True)
        stops = trigger(manager, position=2, stop_after=True, condition={"not": of("tags", "contains", "seen")})
        after = trigger(manager, position=3, actions=[NOTE])
        arrive(manager)
        events = events_owed(database)
        react(program)
        reacting.react(database, events)  # and so also when it is looked at again
        assert [len(firings(manager, made)) for made in (missed, stops, after)] == [0, 1, 0]


class TestOnce:
    def test_twice_in_a_row_and_two_at_once(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager, actions=[ESCALATE])
        complaint = arrive(manager)
        events = events_owed(database)
        at_once(*(lambda: reacting.react(database, events) for _ in range(3)))
        reacting.react(database, events)
        assert outcomes(manager, made) == [("done", None)]
        assert shown(manager, complaint)["escalation_level"] == 1
        assert react(program) == 1, "the duty finds it done"
        assert outcomes(manager, made) == [("done", None)]

    def test_all_or_nothing(self, manager: Caller, program: Program) -> None:
        made = trigger(
            manager,
            position=1,
            actions=[
                tag("a"),
                ESCALATE,
                {"step": "de_escalate", "given": {"reason": "x"}},
                {"step": "resume", "given": {"note": "x"}},
                NOTE,
            ],
        )
        other = trigger(manager, position=2, actions=[tag("b")])
        complaint = arrive(manager)
        react(program)
        (found,) = firings(manager, made)
        assert (found["outcome"], found["reason"]) == ("failed", "action_not_allowed")
        assert found["detail"].startswith("Action 4 (resume): ")
        assert [item["outcome"] for item in found["actions"]] == ["undone", "undone", "undone", "refused", "not_tried"]
        after = shown(manager, complaint)
        assert (after["tags"], after["escalation_level"]) == (["b"], 0)
        assert [item["actor_id"] for item in story(manager, complaint, "automation.fired")] == [other["id"]]
        assert manager.get(f"/triggers/{made['id']}").json["failures"] == 1

    def test_one_that_breaks_stops_no_other(
        self, manager: Caller, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = trigger(manager, position=1, actions=[NOTE])
        other = trigger(manager, position=2)
        perform = steps.perform

        def explode(uow: Any, actor: Any, complaint: Any, given: Any) -> None:
            if given.step.name == "write_message":
                raise ZeroDivisionError
            perform(uow, actor, complaint, given)

        monkeypatch.setattr(firing, "perform", explode)
        arrive(manager)
        react(program)
        assert (outcomes(manager, broken), outcomes(manager, other)) == (
            [("failed", "internal_error")],
            [("done", None)],
        )

    def test_what_only_met_with_others_is_done_again(
        self, manager: Caller, program: Program, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = trigger(manager)
        perform, times = steps.perform, list[int]()

        def deadlock(uow: Any, actor: Any, complaint: Any, given: Any) -> None:
            times.append(1)
            if len(times) == 1:
                uow.session.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$"))
            perform(uow, actor, complaint, given)

        monkeypatch.setattr(firing, "perform", deadlock)
        arrive(manager)
        react(program)
        assert (outcomes(manager, made), len(times)) == ([("done", None)], 2)

    def test_what_meets_with_others_every_time_is_done_later(
        self, manager: Caller, program: Program, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is no failure of the trigger's; the others wait for it, and other complaints do not."""
        first, second = trigger(manager), trigger(manager, condition=of("tags", "contains", "seen"), actions=[NOTE])
        one, other = arrive(manager), arrive(manager)
        perform = steps.perform

        def deadlock(uow: Any, actor: Any, complaint: Any, given: Any) -> None:
            if str(complaint.id) == one["id"]:
                uow.session.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'lock_not_available'; END $$"))
            perform(uow, actor, complaint, given)

        with monkeypatch.context() as patched:
            patched.setattr(firing, "perform", deadlock)
            found = program.performer.perform(helpers.duties(database, TOPIC))
        assert found == {"done": 1, "skipped": 0, "failed": 1}
        assert (shown(manager, one)["tags"], shown(manager, other)["tags"]) == ([], ["seen"])
        assert manager.get(f"/triggers/{first['id']}").json["failures"] == 0
        react(program)
        assert outcomes(manager, first) == outcomes(manager, second) == [("done", None)] * 2

    def test_many_failures_in_a_row_pause_it(
        self, manager: Caller, admin: Caller, program: Program, join: Join
    ) -> None:
        condition = of("channel", "is", "EMAIL")
        made = trigger(manager, condition=condition, actions=[{"step": "resume", "given": {"note": "x"}}])
        path = f"/triggers/{made['id']}"
        for _ in range(PAUSED_AFTER - 1):
            arrive(manager)
        react(program)
        assert manager.get(path).json["failures"] == PAUSED_AFTER - 1
        assert manager.get(path).json["active"] is True
        last = arrive(manager)
        react(program)
        arrive(manager)
        react(program)
        paused = manager.get(path).json
        assert (paused["active"], paused["failures"], paused["version"]) == (False, PAUSED_AFTER, 2)
        assert paused["paused_at"] is not None
        assert "Action 1 (resume)" in paused["paused_because"]
        assert len(firings(manager, made)) == PAUSED_AFTER
        for caller in (manager, admin):
            (told,) = [item for item in caller.get("/notifications").json["items"] if item["kind"] == "trigger_paused"]
            assert (told["reference"], told["detail"]["trigger_id"]) == (last["reference"], made["id"])
        audit = [item["type"] for item in admin.get("/audit-log?limit=200").json["items"]]
        assert audit.count("automation.trigger_paused") == 1
        again = manager.patch(path, {"active": True, "actions": [tag("a")]}, if_match="*").json
        assert (again["active"], again["failures"], again["paused_at"]) == (True, 0, None)
        arrive(manager)
        react(program)
        assert outcomes(manager, made)[-1] == ("done", None)
        assert list(violations(program.database, ["chain"])) == []

    def test_what_succeeds_begins_the_count_anew(self, manager: Caller, program: Program) -> None:
        made = trigger(
            manager,
            "complaint.received",
            actions=[{"step": "escalate", "given": {"reason": "x"}}],
        )
        arrive(manager, record_type="inquiry")  # which is not escalated
        react(program)
        assert manager.get(f"/triggers/{made['id']}").json["failures"] == 1
        arrive(manager)
        react(program)
        assert manager.get(f"/triggers/{made['id']}").json["failures"] == 0

    def test_a_complaint_at_work_is_waited_for(
        self, manager: Caller, program: Program, database: Database, agent: Caller
    ) -> None:
        """An agent and a trigger at once: both are done, one after the other."""
        made = trigger(manager, "complaint.message_added", actions=[ESCALATE])
        complaint = arrive(manager)
        path = f"/complaints/{complaint['reference']}"
        agent.post(f"{path}/messages", {"kind": "inbound", "body": "Hello?"})
        events = events_owed(database)
        answers = at_once(
            lambda: reacting.react(database, events),
            lambda: agent.post(f"{path}/tags", {"tags": ["at once"]}).status_code,
        )
        assert answers == [1, 200]
        after = shown(manager, complaint)
        assert (after["escalation_level"], after["tags"]) == (1, ["at once"])
        assert outcomes(manager, made) == [("done", None)]


class TestVerify:
    def test_what_was_done_is_told(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager)
        arrive(manager)
        react(program)
        (done,) = firings(manager, made)
        helpers.execute(database, "UPDATE automation_firing SET id = gen_random_uuid()")
        helpers.execute(database, "UPDATE automation_trigger SET spec = jsonb_set(spec, '{stop_after}', 'true')")
        found = list(violations(database, ["automation"]))
        assert {item.check for item in found} == {"trigger_version", "trigger_firing"}
        assert done["id"] not in str(found)

    def test_what_was_erased_was_done_all_the_same(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager)
        arrive(manager)
        react(program)
        assert outcomes(manager, made) == [("done", None)]
        past_the_trigger(
            database.engine, "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'automation.fired'"
        )
        assert list(violations(database, ["automation"])) == []


class TestTelling:
    def test_whom_it_names_and_who_may_see_it(
        self,
        manager: Caller,
        agent: Caller,
        senior: Caller,
        join: Join,
        team: UUID,
        *,
        database: Database,
        program: Program,
    ) -> None:
        stranger = join(team_ids=[make_team(database, "Elsewhere")])
        watcher = join()
        notify = {
            "step": "notify",
            "given": {
                "agent_ids": [str(senior.id), str(stranger.id), str(agent.id)],
                "team_ids": [],
                "assignee": True,
                "watchers": True,
                "text": "Call them.",
            },
        }
        made = trigger(manager, "complaint.tagged", name="Calls", actions=[notify])
        complaint = arrive(agent, team)
        watcher.put(f"/complaints/{complaint['reference']}/watchers/{watcher.id}", None)
        agent.post(f"/complaints/{complaint['reference']}/claim")
        agent.post(f"/complaints/{complaint['reference']}/tags", {"tags": ["x"]})
        react(program)
        assert outcomes(manager, made) == [("done", None)]
        for caller, count in ((senior, 1), (agent, 1), (watcher, 1), (stranger, 0), (manager, 0)):
            told = [item for item in caller.get("/notifications").json["items"] if item["kind"] == "trigger_fired"]
            assert len(told) == count
            for item in told:
                assert item["detail"] == {"trigger_id": made["id"], "trigger": "Calls", "text": "Call them."}
                assert (item["actor_kind"], item["actor_id"]) == ("automation", made["id"])

    def test_a_team(self, manager: Caller, agent: Caller, team: UUID, program: Program) -> None:
        notify = {"step": "notify", "given": {"team_ids": [str(team)], "text": "All of you."}}
        trigger(manager, actions=[notify])
        arrive(manager, team)
        react(program)
        told = [item["kind"] for item in agent.get("/notifications").json["items"]]
        assert told == ["trigger_fired"]

    def test_other_systems_read_it_in_the_feed(self, manager: Caller, program: Program) -> None:
        raised = {"step": "raise_event", "given": {"name": "crm.call_back", "data": {"why": "key customer"}}}
        made = trigger(manager, actions=[raised])
        complaint = arrive(manager)
        react(program)
        (item,) = [
            item for item in manager.get("/events?limit=200").json["items"] if item["type"] == "automation.event_raised"
        ]
        assert item["subject_id"] == complaint["id"]
        assert (item["payload"]["name"], item["payload"]["data"]) == ("crm.call_back", {"why": "key customer"})
        assert item["payload"]["trigger_id"] == made["id"]


class TestCost:
    def test_nothing_where_nobody_listens(
        self, manager: Caller, agent: Caller, team: UUID, statements: Callable[[], Any], database: Database
    ) -> None:
        arrive(agent, team)
        with statements() as seen:
            arrive(agent, team)
        without = len(seen)
        assert not any("automation" in statement for statement in seen.seen)
        trigger(manager, "complaint.withdrawn")
        arrive(agent, team)
        with statements() as seen:
            arrive(agent, team)
        assert len(seen) == without
        assert events_owed(database) == []
        trigger(manager)
        arrive(agent, team)
        with statements() as seen:
            arrive(agent, team)
        assert len(seen) <= without + 1, "one duty"
        assert len(events_owed(database)) == 2

    def test_an_import_owes_a_look_for_each_hundred(
        self, manager: Caller, program: Program, database: Database, statements: Callable[[], Any]
    ) -> None:
        made = trigger(manager, condition=of("channel", "is", "PHONE"))
        for _ in range(9):
            trigger(manager, condition=of("severity", "is", "S1"))
        given = [
            ComplaintIn().load(complaint_body(channel="PHONE" if number % 50 == 0 else "EMAIL", complainant={}))
            for number in range(2 * TOGETHER + 1)
        ]
        rules.forget()
        with database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, given)
        assert len(helpers.duties(database, MANY_TOPIC)) == 3
        assert len(events_owed(database, MANY_TOPIC)) == len(given)
        assert helpers.duties(database, TOPIC) == []
        with statements() as seen:
            react(program)
        assert len(firings(manager, made)) == 5
        assert len(seen) < 4 * len(given), "a look at one that nothing comes of is cheap"

    def test_few_go_before_long_work(self, database: Database, manager: Caller) -> None:
        trigger(manager)
        given = [ComplaintIn().load(complaint_body(complainant={})) for _ in range(FEW)]
        rules.forget()
        with database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, given)
        assert (len(helpers.duties(database, TOPIC)), helpers.duties(database, MANY_TOPIC)) == (1, [])

    def test_a_rehearsal_sets_nothing_off(self, manager: Caller, agent: Caller, team: UUID, database: Database) -> None:
        trigger(manager, "complaint.tagged")
        complaint = arrive(agent, team)
        macro = {"name": "Tags it", "scope": "own", "steps": [{"step": "add_tags", "given": {"tags": ["a"]}}]}
        macro_id = agent.post("/macros", macro).json["id"]
        path = f"/complaints/{complaint['reference']}/macros/{macro_id}/apply"
        assert agent.post(path, {"preview": True}).status_code == 200
        assert events_owed(database) == []
        assert agent.post(path, {}).status_code == 200
        assert len(events_owed(database)) == 1
