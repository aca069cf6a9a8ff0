"""Every transition of a clock is an event on its complaint's stream, and the events tell of nothing that is not so.

How it can fail: a way of changing a clock forgets to say so, or says it twice; several clocks of one act become many events; what
rang before the clock was told of; a field moves that no event names; a unit of work that is undone, or refused, has told of
something; hundreds that are taken in at once take hundreds of statements, or the time of their square. The last class lives random
lives and replays what was told: it has to come to the rows.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from helpdesk.complaints import intake
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import clocks, replaying, revising, transition_verification, transitions
from helpdesk.sla.models import Clock
from helpdesk.verifying import violations
from tests.conftest import Caller, complaint_body
from tests.recovery import helpers as offers
from tests.sla.test_revising import live
from tests.sla.watching import MONDAY, Story, change_policy, join, make_policy, part, promise

HOUR: Final = timedelta(hours=1)


def told(database: Database, complaint_id: UUID, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and payload of what was told of a complaint's clocks, in order; of these kinds, or of all."""
    with Session(database.engine) as session:
        rows = session.execute(
            select(EventRow.type, EventRow.payload)
            .where(EventRow.stream_id == complaint_id, EventRow.type.startswith("sla."))
            .order_by(EventRow.stream_seq)
        )
        return [(row.type, row.payload) for row in rows if not kinds or row.type in kinds]


def types(database: Database, complaint_id: UUID) -> list[str]:
    return [kind for kind, _ in told(database, complaint_id)]


def last(database: Database, story: Story, kind: str) -> dict[str, dict[str, Any]]:
    """Of the last event of that kind: promise -> what it says of the clock."""
    _, payload = told(database, story.id, kind)[-1]
    assert payload["kinds"] == [item["kind"] for item in payload["clocks"]]
    return {item["kind"]: item for item in payload["clocks"]}


def as_told(clock: Any) -> dict[str, Any]:
    """A row as a replay has it: what is null is not there."""
    return {name: value for name in transitions.TOLD if (value := json_safe(getattr(clock, name))) is not None}


def differences(database: Database) -> list[str]:
    """Where the rows of all complaints are not what their events come to."""
    with database.snapshot() as session:
        return [f"{item.subject}: {item.detail}" for item in transition_verification.clocks_follow_from_events(session)]


class TestEach:
    def test_begun_with_the_complaint(self, database: Database) -> None:
        story = Story(database)
        assert types(database, story.id) == ["sla.started"]
        items = last(database, story, "sla.started")
        assert set(items) == {"acknowledge", "investigate", "resolve"}
        clock = story.clock("acknowledge")
        assert items["acknowledge"] == {
            "clock_id": str(clock.id),
            "kind": "acknowledge",
            "round": 1,
            "generation": 1,
            "state": "running",
            "policy_id": str(clock.policy_id),
            "policy_version": 1,
            "calendar_id": str(clock.calendar_id),
            "calendar_version": 1,
            "severity": "S3",
            "target_amount": 240,
            "target_unit": "minutes",
            "pausable": True,
            "started_at": rfc3339(MONDAY),
            "due_at": rfc3339(MONDAY + 4 * HOUR),
        }

    def test_paused_and_resumed(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_third_party", MONDAY + HOUR, note="Asked the carrier.")
        paused = last(database, story, "sla.paused")
        assert set(paused) == {"acknowledge", "investigate", "resolve"}
        assert paused["acknowledge"]["remaining_seconds"] == 3 * 3600
        assert paused["acknowledge"]["due_at"] is None
        assert paused["acknowledge"]["changes"]["due_at"] == [rfc3339(MONDAY + 4 * HOUR), None]
        assert paused["acknowledge"]["changes"]["state"] == ["running", "paused"]
        story.act("resume", MONDAY + 2 * HOUR)
        resumed = last(database, story, "sla.resumed")
        assert resumed["acknowledge"]["due_at"] == rfc3339(MONDAY + 5 * HOUR)
        assert resumed["acknowledge"]["generation"] == 2
        assert types(database, story.id) == ["sla.started", "sla.paused", "sla.resumed"]

    def test_met(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY + HOUR, channel="PHONE")
        (item,) = last(database, story, "sla.met").values()
        assert (item["kind"], item["elapsed_seconds"], item["late"]) == ("acknowledge", 3600, False)
        assert item["changes"]["state"] == ["running", "met"]

    def test_met_late_after_its_breach(self, database: Database) -> None:
        """The sweep had not come by."""
        story = Story(database)
        story.act("acknowledge", MONDAY + 6 * HOUR, channel="PHONE")
        told_of = [
            kind for kind, payload in told(database, story.id) if payload.get("kind", "acknowledge") == "acknowledge"
        ]
        assert told_of == ["sla.started", "sla.warned", "sla.breached", "sla.met"] or told_of[-2:] == [
            "sla.breached",
            "sla.met",
        ]
        (item,) = last(database, story, "sla.met").values()
        assert (item["elapsed_seconds"], item["late"], item["state"]) == (6 * 3600, True, "breached")
        (_, breach) = told(database, story.id, "sla.breached")[-1]
        assert (breach["round"], breach["policy_version"], breach["about_id"]) == (1, 1, None)

    def test_recomputed_by_severity_while_paused(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_third_party", MONDAY + HOUR, note="Asked the carrier.")
        left = story.clock("resolve").remaining_seconds
        story.triage(MONDAY + 2 * HOUR, "S1")
        item = last(database, story, "sla.recomputed")["resolve"]
        assert item["because"] == ["severity"]
        assert item["changes"]["severity"] == ["S3", "S1"]
        assert item["changes"]["remaining_seconds"] == [left, story.clock("resolve").remaining_seconds]
        assert item["state"] == "paused"
        ((_, payload),) = told(database, story.id, "sla.recomputed")
        assert payload["job_id"] is None

    def test_severity_and_the_end_of_a_wait_in_one_act_are_two_things(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_third_party", MONDAY + HOUR, note="Asked the carrier.")
        with database.unit_of_work(SYSTEM, now=MONDAY + 2 * HOUR) as uow:
            complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
            uow.know_stream(complaint)
            for clock in uow.session.scalars(select(Clock).where(Clock.complaint_id == story.id)):
                clocks.resume(uow, clock, uow.now)
                transitions.watch(uow, clock)
                clock.severity = "S1"
        assert types(database, story.id)[-2:] == ["sla.recomputed", "sla.resumed"]
        assert set(last(database, story, "sla.recomputed")["resolve"]["changes"]) == {"severity"}

    def test_cancelled_and_revived(self, database: Database) -> None:
        story = Story(database)
        story.act("convert", MONDAY + HOUR, record_type="inquiry", reason="A question.")
        assert last(database, story, "sla.cancelled")["resolve"]["changes"]["state"] == ["running", "cancelled"]
        story.act("convert", MONDAY + 2 * HOUR, record_type="complaint", reason="It is one.")
        item = last(database, story, "sla.recomputed")["resolve"]
        assert "revived" in item["because"]
        assert item["state"] == "running"
        assert differences(database) == []

    def test_reopened(self, database: Database) -> None:
        story = Story(database)
        story.act("withdraw", MONDAY + HOUR, reason="It came.")
        story.act("reopen", MONDAY + 2 * HOUR, reason="It did not.")
        assert {item["round"] for item in last(database, story, "sla.started").values()} == {2}

    def test_of_an_answer_it_says_to_what(self, database: Database) -> None:
        promise(database, S3={"next_response": (120, "minutes")})
        story = Story(database)
        asked = story.write("inbound", MONDAY + HOUR)
        (item,) = last(database, story, "sla.started").values()
        assert (item["kind"], item["about_id"]) == ("next_response", str(asked))
        story.write("public_reply", MONDAY + 2 * HOUR)
        assert last(database, story, "sla.met")["next_response"]["about_id"] == str(asked)

    def test_merged_and_parted(self, database: Database) -> None:
        older, younger = Story(database), Story(database, MONDAY + HOUR)
        join(older, younger, MONDAY + 2 * HOUR)
        moved = last(database, younger, "sla.recomputed")["resolve"]
        assert moved["because"] == ["start"]
        assert moved["changes"]["started_at"] == [rfc3339(MONDAY + HOUR), rfc3339(MONDAY)]
        assert set(last(database, older, "sla.cancelled")) == {"acknowledge", "investigate", "resolve"}
        part(older, MONDAY + 3 * HOUR)
        assert "revived" in last(database, older, "sla.recomputed")["resolve"]["because"]
        assert last(database, younger, "sla.recomputed")["resolve"]["changes"]["started_at"][1] == rfc3339(
            MONDAY + HOUR
        )
        assert differences(database) == []

    def test_of_a_regulator_what_was_over_before_it_was_known_is_told_in_order(self, database: Database) -> None:
        sent = {"complaint_received": MONDAY - timedelta(days=60)}
        story = Story(database, jurisdiction="GB", sector="financial", clock_starts=sent)
        told_of = types(database, story.id)
        assert told_of[0] == "sla.started"
        assert differences(database) == []

    def test_nothing_is_told_of_what_is_undone(self, database: Database) -> None:
        story = Story(database)
        with database.unit_of_work(SYSTEM, now=MONDAY + HOUR) as uow:
            complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
            uow.know_stream(complaint)
            with uow.rehearsal() as tried:
                (clock, *_) = tried.session.scalars(select(Clock).where(Clock.complaint_id == story.id))
                clocks.cancel(tried, clock, tried.now)
                tried.finish()
        assert types(database, story.id) == ["sla.started"]

    def test_a_clock_that_is_looked_at_and_stays_is_not_told_of(self, database: Database) -> None:
        story = Story(database)
        with database.unit_of_work(SYSTEM, now=MONDAY + HOUR) as uow:
            uow.know_stream(uow.session.get_one(Complaint, story.id, with_for_update=True))
            for clock in uow.session.scalars(select(Clock).where(Clock.complaint_id == story.id)):
                transitions.watch(uow, clock)
        assert types(database, story.id) == ["sla.started"]

    def test_of_what_is_no_complaint_nothing_was_promised(self, database: Database) -> None:
        story = Story(database, record_type="inquiry")
        assert types(database, story.id) == []


class TestMany:
    def test_an_import_tells_of_each_in_the_statements_of_one(
        self, database: Database, statements: Callable[[], Any]
    ) -> None:
        given = [{"channel": "EMAIL", "subject": "Late", "description": "It came late."} for _ in range(30)]
        with statements() as seen, database.unit_of_work(SYSTEM, now=MONDAY) as uow:
            intake.receive_many(uow, [dict(each) for each in given])
        assert not [item for item in seen.seen if "INSERT INTO event" in item]  # they go by COPY
        with Session(database.engine) as session:
            count = session.execute(text("SELECT count(*) FROM event WHERE type = 'sla.started'")).scalar_one()
        assert count == 30
        assert differences(database) == []


class TestSeen:
    def test_in_the_timeline_and_the_feed(self, agent: Caller, manager: Caller) -> None:
        ref = agent.post("/complaints", complaint_body()).json["reference"]
        items = agent.get(f"/complaints/{ref}/timeline?type=sla.started").json["items"]
        assert [item["type"] for item in items] == ["sla.started"]
        assert items[0]["summary"].startswith("Deadlines set: acknowledgement 20")

    def test_an_automation_can_listen(self, manager: Caller) -> None:
        found = manager.get("/triggers/vocabulary").json
        assert {"sla.started", "sla.paused", "sla.recomputed", "sla.met", "sla.cancelled"} <= set(found["events"])
        assert "event.promises" in {item["name"] for item in found["fields"]}


class TestReplayed:
    """Rows follow from events."""

    @pytest.mark.parametrize("number", [*range(12), *(pytest.param(n, marks=pytest.mark.fire) for n in range(12, 200))])
    def test_random_lives(self, database: Database, number: int) -> None:
        life = random.Random(number)  # a life, no secret
        kinds = ("acknowledge", "first_response", "next_response", "investigate", "resolve", "follow_up")
        promise(database, **{each: dict.fromkeys(kinds, (300, "minutes")) for each in ("S1", "S3", "S5")})
        regulated = {"jurisdiction": life.choice(["GB", "US", "AU"]), "sector": "financial"} if number % 2 else {}
        story, other = Story(database, MONDAY, **regulated), Story(database, MONDAY + timedelta(minutes=90))
        done = live(story, other, life)
        for each in (story, other):
            with database.unit_of_work(SYSTEM, now=MONDAY + timedelta(days=life.choice((1, 9)))) as uow:
                uow.know_stream(uow.session.get_one(Complaint, each.id, with_for_update=True))
                for clock in uow.session.scalars(select(Clock).where(Clock.complaint_id == each.id)):
                    clocks.ring(uow, clock, uow.now)
        assert differences(database) == [], done
        assert not list(violations(database, ["chain"])), done
        with Session(database.engine) as session:
            rows = {str(row.id): as_told(row) for row in session.scalars(select(Clock))}
        found: dict[str, Any] = {}
        for each in (story, other):
            replayed = replaying.replay(told(database, each.id), transitions.USUAL)
            assert replayed.broken == [], done
            found |= replayed.clocks
        assert {key: _without_nulls(value) for key, value in found.items()} == rows, done

    def test_a_remedy(self, agent: Caller, senior: Caller, manager: Caller, database: Database) -> None:
        offers.open_budget(manager)
        promise(database, S3={"remedy_delivered": (300, "minutes")})
        offers.accepted(senior, agent.post("/complaints", complaint_body()).json)
        assert differences(database) == []

    def test_what_a_row_has_that_no_event_tells_is_named(self, database: Database) -> None:
        Story(database)
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET due_at = due_at + interval '1 hour' WHERE kind = 'resolve'"))
        (found,) = differences(database)
        assert "due_at" in found
        assert "resolve" in found


def _without_nulls(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None}


def test_a_policy_that_is_another_is_why(database: Database) -> None:
    policy_id = make_policy(database, "Late", targets={"S3": {"resolve": [60, "minutes"]}}, position=1)
    story = Story(database)
    change_policy(database, policy_id, targets={"S3": {"resolve": [90, "minutes"]}})
    with database.unit_of_work(SYSTEM, now=MONDAY) as uow:
        complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
        uow.know_stream(complaint)
        revising.revise(uow, complaint)
    item = last(database, story, "sla.recomputed")["resolve"]
    assert item["because"] == ["policy"]
    assert item["changes"]["policy_version"] == [1, 2]
    assert item["changes"]["target_amount"] == [60, 90]
