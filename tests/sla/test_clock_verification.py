"""That what is wrong with clocks is found."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.sweep import ring_due
from tests.sla.watching import MONDAY, Story, move_clocks, violations


class TestVerification:
    def test_a_deadline_that_does_not_follow_from_the_facts_is_named(
        self, database: Database, complaint: dict[str, Any]
    ) -> None:
        assert violations(database) == []
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET due_at = due_at + interval '1 hour' WHERE kind = 'resolve'"))
        assert any("the facts say" in item for item in violations(database))

    def test_what_is_left_of_a_paused_clock_follows_from_facts_too(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        assert violations(database) == []
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET remaining_seconds = 7 WHERE kind = 'acknowledge'"))
        assert [item.split(" ", 3)[3] for item in violations(database)] == [
            "has 7 business seconds left, but the facts say 10800"
        ]

    def test_a_pause_after_the_due_time_is_named(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        with database.engine.begin() as connection:
            moved = "UPDATE sla_clock SET started_at = started_at - interval '1 week' WHERE kind = 'acknowledge'"
            connection.execute(text(moved))
        assert any("but the facts say it was due at 2026-02-23T13:00:00" in item for item in violations(database))

    def test_a_pause_without_end_on_a_clock_that_runs_is_named(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY, message="Which parcel?")
        story.act("resume", MONDAY + timedelta(hours=1))
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET pauses = jsonb_set(pauses, '{-1,1}', 'null')"))
        assert any("is running, but its last pause has no end" in item for item in violations(database))

    def test_a_promise_kept_late_is_named(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY, channel="PHONE")
        with database.engine.begin() as connection:
            connection.execute(
                text("UPDATE sla_clock SET stopped_at = due_at + interval '1 second' WHERE state = 'met'")
            )
        assert any(item.startswith("kept_late") for item in violations(database))

    def test_an_alarm_that_did_not_ring_is_named(self, database: Database, complaint: dict[str, Any]) -> None:
        """Owed since its time, or since the complaint was entered: an import of old ones is given time to ring."""
        move_clocks(database, complaint["reference"], weeks=6)
        assert not any(item.startswith("alarm_overdue") for item in violations(database))
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE complaint SET created_at = now() - interval '6 minutes'"))
        assert any(item.startswith("alarm_overdue") for item in violations(database))

    def test_a_breach_said_twice_is_named(self, database: Database, complaint: dict[str, Any]) -> None:
        move_clocks(database, complaint["reference"], weeks=6)
        ring_due(database)
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO event (id, type, subject_id, occurred_at, actor_kind, payload, salt, digest, prev_hash, hash)"
                    " SELECT gen_random_uuid(), type, subject_id, occurred_at, actor_kind, payload, salt, digest, prev_hash,"
                    " hash FROM event WHERE type = 'sla.breached' LIMIT 1"
                )
            )
        assert any("2 times" in item for item in violations(database))
