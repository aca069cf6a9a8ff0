"""That what is wrong with clocks is found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from helpdesk import verifying
from helpdesk.cli import main
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.kernel.verification import Violation
from helpdesk.sla import integrity_verification, naming_verification, regime_in_force
from helpdesk.sla.sweep import ring_due
from helpdesk.wiring import Program
from tests.sla.watching import MONDAY, Story, join, move_clocks, violations


class TestVerification:
    def test_a_deadline_that_does_not_follow_from_the_facts_is_named(
        self, database: Database, complaint: dict[str, Any]
    ) -> None:
        assert violations(database) == []
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET due_at = due_at + interval '1 hour' WHERE kind = 'resolve'"))
        assert any("the facts say" in item for item in violations(database))

    def test_it_is_named_by_its_complaints_reference(self, database: Database, complaint: dict[str, Any]) -> None:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET due_at = due_at + interval '1 hour' WHERE kind = 'resolve'"))
        found = {item.subject for item in verifying.violations(database, ["clocks"]) if item.check == "deadline"}
        assert len(found) == 1
        assert found.pop().startswith(f"{complaint['reference']} resolve, round 1 (clock ")

    def test_many_are_named_by_two_statements(
        self, database: Database, complaint: dict[str, Any], statements: Callable[[], Any]
    ) -> None:
        story = Story(database)
        with database.reader() as session:
            reference = session.get_one(Complaint, story.id).reference
        one = [Violation("x", f"complaint {each}", "?") for each in (complaint["id"], story.id)] * 20
        gone = Violation("x", f"clock {UUID(int=7)}", "?")
        named = [
            Violation("x", f"clock {clock.id}", "?")
            for kind in ("acknowledge", "resolve")
            for clock in story.clocks(kind)
        ] * 20
        with database.reader() as session, statements() as seen:
            found = list(naming_verification.named(session, iter([*one, gone, *named])))
        assert len(seen) == 2, seen.seen
        assert [item.subject for item in found[:2]] == [f"complaint {complaint['reference']}", f"complaint {reference}"]
        assert found[40] == gone
        assert all(item.subject.startswith(reference) for item in found[41:])

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


def differences(database: Database) -> list[str]:
    """What `clocks_follow_from_facts` says, without the reference."""
    with database.snapshot() as session:
        return [
            f"{item.subject.partition(' ')[2]} {item.detail}"
            for item in integrity_verification.clocks_follow_from_facts(session)
        ]


def change(database: Database, statement: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(statement))


NOW = datetime.now(UTC).replace(microsecond=0)


class TestFromTheFacts:
    """Each open clock against the version of its policy, of its calendar, and the history of its complaint."""

    def test_lives_of_every_kind_have_nothing_wrong(self, database: Database) -> None:
        stories = [Story(database, NOW - timedelta(minutes=minutes)) for minutes in range(1, 9)]
        stories[0].act("ask_customer", NOW, message="Which parcel?")
        stories[1].act("ask_third_party", NOW - timedelta(seconds=30), note="Asked the carrier.")
        stories[1].act("resume", NOW)
        stories[2].triage(NOW, "S5")
        stories[3].act("withdraw", NOW, reason="They found it.")
        stories[3].act("reopen", NOW + timedelta(seconds=1), reason="It was another one.")
        stories[4].act("ask_customer", NOW, message="Which parcel?")
        stories[4].triage(NOW + timedelta(seconds=1), "S5")
        join(stories[5], stories[6], NOW)
        Story(database)
        ring_due(database)
        assert differences(database) == []

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("target_amount = 241", "acknowledge has 241 minutes, should have 240 minutes"),
            ("pausable = false", "acknowledge is not pausable, should be"),
            (
                'conventions = conventions || \'{"boundary": "next_opening"}\'',
                "acknowledge has boundary next_opening, should have earliest",
            ),
            ("severity = 'S5'", "acknowledge is for severity S5, should be for S3"),
            ("next_threshold = NULL, next_alarm_at = NULL", "acknowledge runs, but will never ring"),
        ],
    )
    def test_what_the_policy_does_not_say_is_named(self, database: Database, statement: str, found: str) -> None:
        Story(database, NOW)
        change(database, f"UPDATE sla_clock SET {statement} WHERE kind = 'acknowledge'")
        assert found in differences(database)

    def test_what_the_history_does_not_say_is_named(self, database: Database) -> None:
        waits, runs, began = (Story(database, NOW) for _ in range(3))
        waits.act("ask_third_party", NOW + timedelta(minutes=1), note="Asked the carrier.")
        for story, statement in {
            waits: "state = 'running', remaining_seconds = NULL, due_at = now() + interval '30 days', next_threshold = 100, "
            "next_alarm_at = now() + interval '30 days', pauses = '[]'",
            runs: "due_at = due_at + interval '1 hour'",
            began: "started_at = started_at - interval '1 hour'",
        }.items():
            change(database, f"UPDATE sla_clock SET {statement} WHERE kind = 'resolve' AND complaint_id = '{story.id}'")
        found = [item for item in differences(database) if "rings" not in item]
        assert sorted(item.split(" ")[1] for item in found) == ["began", "is", "is"]
        assert "resolve is running, should be paused" in found
        due = runs.clock("resolve").due_at
        assert due is not None
        should = (due - timedelta(hours=1)).astimezone(UTC).isoformat()
        assert f"resolve is due at {due.astimezone(UTC).isoformat()}, should be at {should}" in found

    def test_what_a_regulators_rule_does_not_say_is_named(self, database: Database) -> None:
        sent = {"complaint_sent_to_company": NOW}
        story = Story(database, NOW, jurisdiction="US", sector="financial", clock_starts=sent)
        (kind, *_) = sorted(kind for kind in story.kinds("running") if kind.startswith("us."))
        assert differences(database) == []
        change(database, f"UPDATE sla_clock SET target_amount = target_amount + 1 WHERE kind = '{kind}'")
        (found,) = differences(database)
        assert found.startswith(f"{kind} has ")

    def test_no_regulators_rule_is_held_against_another(self, database: Database) -> None:
        with database.reader() as session:
            rules = list(regime_in_force.in_force(session).rules.values())
        starts = {rule.clock_start: NOW for rule in rules}
        places = {(rule.jurisdiction, sector) for rule in rules for sector in (*rule.sectors, None)}
        for jurisdiction, sector in sorted(places, key=str):
            more = {} if sector is None else {"sector": sector}
            Story(database, NOW, jurisdiction=jurisdiction, clock_starts=starts, **more)
        with database.reader() as session:
            of_rules = text("SELECT count(DISTINCT rule_id) FROM sla_clock WHERE stopped_at IS NULL")
            assert session.execute(of_rules).scalar_one() > 15
        assert differences(database) == []

    def test_what_was_erased_is_held_against_nobody(self, database: Database) -> None:
        story = Story(database, NOW)
        story.act("ask_third_party", NOW + timedelta(minutes=1), note="Asked the carrier.")
        with database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE event DISABLE TRIGGER USER"))
            erased = "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.third_party_asked'"
            assert connection.execute(text(erased)).rowcount == 1
            connection.execute(text("ALTER TABLE event ENABLE TRIGGER USER"))
        assert differences(database) == []

    def test_in_pieces(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(integrity_verification, "_TOGETHER", 2)
        for _ in range(5):
            Story(database, NOW)
        change(database, "UPDATE sla_clock SET target_amount = 241 WHERE kind = 'acknowledge'")
        assert sum("has 241 minutes" in item for item in differences(database)) == 5

    def test_the_command(self, database: Database, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("helpdesk.cli._program", lambda *_args, **_options: program)
        story = Story(database, NOW)
        assert CliRunner().invoke(main, ["verify", "clocks"]).exit_code == 0
        change(database, "UPDATE sla_clock SET target_amount = 241 WHERE kind = 'acknowledge'")
        done = CliRunner().invoke(main, ["verify", "clocks"])
        assert done.exit_code == 1
        with database.reader() as session:
            reference = session.execute(
                text("SELECT reference FROM complaint WHERE id = :id"), {"id": story.id}
            ).scalar_one()
        assert f"clock: {reference} acknowledge: has 241 minutes, should have 240 minutes" in done.output
