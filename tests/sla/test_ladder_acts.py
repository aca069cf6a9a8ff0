"""What a ladder does to a complaint: each action once, in order, whatever becomes of the others.

How it can fail: a worker that is killed between two actions loses one, or does one twice; one that is refused takes the others with
it; the lead is nobody, gone, or the one whom it is about; somebody holds the complaint; a ladder that raises the severity moves its
own clock, and goes round for ever; a clock that was counted anew does it all again, or forgets what rang; a complaint that was
merged away, or closed, goes on climbing; the database, or the sweep, dies in the middle.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel import faults
from helpdesk.kernel.db import make_engine
from helpdesk.kernel.embedded import EmbeddedPostgres
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Consequences, Database
from helpdesk.recovery.kinds import ISSUABLE
from helpdesk.sla import escalating, escalations, sweep
from helpdesk.sla.ladder_schemas import OFFERS
from helpdesk.sla.models import Alarm
from helpdesk.wiring import SUBSCRIBERS, Program, assemble, migrate
from tests.conftest import Caller, Join
from tests.racing import until, waiting
from tests.recovery import helpers
from tests.sla.climbing import (
    AROUND_THE_CLOCK,
    TELL,
    actions,
    after,
    climb,
    complaint_of,
    give,
    notices,
    ring,
    rung,
    said,
    set_hours,
    set_ladder,
    told,
)
from tests.sla.watching import Story, violations, wrong
from tests.system import SECRET_KEY

VOUCHER: dict[str, Any] = {
    "kind": "voucher",
    "amount": {"amount": "15.00", "currency": "EUR"},
    "reason": "We were late.",
}


def offer(**given: Any) -> dict[str, Any]:
    return {"step": "draft_offer", "given": VOUCHER | given}


class TestReassign:
    def test_to_who_leads_the_team_and_has_least_to_do(
        self, database: Database, join: Join, agent: Caller, team: Any
    ) -> None:
        busy, free = join("senior"), join("senior")
        for each in (busy, free):
            set_hours(database, each.id, AROUND_THE_CLOCK)
        give(Story(database), busy.id, team)
        set_ladder(database, rung("100%", "reassign", TELL))
        story = Story(database)
        give(story, agent.id, team)
        climb(story, hours=5)
        assert complaint_of(story).assignee_id == free.id
        entries = free.get(f"/complaints/{complaint_of(story).reference}/assignments").json["items"]
        assert "escalated" in [entry["how"] for entry in entries]
        assert [one.kind for one in told(story, free.id)] == ["sla_breached"]
        with Session(database.engine) as session:
            found = select(EventRow.payload).where(
                EventRow.stream_id == story.id, EventRow.type == "complaint.assigned"
            )
            payload = session.scalars(found).one()
        assert payload is not None
        assert (payload["how"], payload["override"]) == ("escalated", True)
        assert payload["reason"].startswith("The ladder of acknowledge at 100%: the promise is broken. This rang ")

    def test_who_leads_it_keeps_it(self, database: Database, join: Join, team: Any) -> None:
        mine, _other = join("senior"), join("senior")
        set_ladder(database, rung("50%", "reassign"))
        story = Story(database)
        give(story, mine.id, team)
        climb(story, hours=2)
        assert (actions(story), complaint_of(story).assignee_id) == (
            [("50%", "reassign", "dropped", "lead_has_it")],
            mine.id,
        )

    @pytest.mark.parametrize("why", ["nobody", "gone", "about them", "no team", "closed"])
    def test_what_cannot_be_is_said_and_the_others_go_on(
        self, database: Database, join: Join, agent: Caller, team: Any, why: str
    ) -> None:
        set_ladder(database, rung("100%", "reassign", "raise_level" if why != "closed" else "reassign"))
        story = Story(database)
        give(story, agent.id, None if why == "no team" else team)
        if why not in {"nobody", "no team"}:
            lead = join("senior")
            statements = {
                "gone": "UPDATE agent SET active = false WHERE id = :id",
                "about them": "INSERT INTO complaint_person (id, complaint_id, role, name, agent_id) VALUES "
                "(gen_random_uuid(), :complaint, 'subject', 'Lena', :id)",
                "closed": "SELECT 1",
            }
            with database.engine.begin() as connection:
                connection.execute(text(statements[why]), {"id": lead.id, "complaint": story.id})
        ring(story, after(hours=5))
        if why == "closed":
            story.act("withdraw", after(hours=6), reason="It came.")
        escalating.escalate(database, story.id)
        reason = {"closed": "not_open"}.get(why, "no_lead")
        last = ("100%", "reassign", "failed", reason) if why == "closed" else ("100%", "raise_level", "done", None)
        assert actions(story) == [("100%", "reassign", "failed", reason), last]
        assert complaint_of(story).assignee_id == agent.id
        assert said(story, "sla.escalation_failed")[:1] == ["sla.escalation_failed"]
        assert violations(database) == []


class TestTwoThatTell:
    def test_nobody_twice_of_one_alarm(
        self, database: Database, program: Program, agent: Caller, join: Join, team: Any
    ) -> None:
        """By two actions of a rung, at once or held, and as who stands in for another."""
        lead = join("senior")
        set_ladder(
            database, rung("50%", TELL, "raise_level", {"step": "notify", "given": {"to": ["assignee", "team_leads"]}})
        )
        never_now = helpers.scalar(database, "SELECT to_char(now() - interval '1 day', 'dy')")  # when the worker comes
        set_hours(database, agent.id, {"timezone": "UTC", "weekly": {never_now: [["03:00", "04:00"]]}})
        set_hours(database, lead.id, AROUND_THE_CLOCK)
        story = Story(database)
        give(story, agent.id, team)
        climb(story, hours=2)
        assert sorted(each[1:] for each in notices(story)) == sorted([
            (agent.id, "held", None),
            (agent.id, "dropped", "told_already"),
            (lead.id, "sent", None),
        ])  # fmt: skip
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO agent_absence (id, agent_id, starts_at, ends_at, substitute_id) VALUES "
                    "(gen_random_uuid(), :agent, now() - interval '1 day', now() + interval '7 days', :other)"
                ),
                {"agent": agent.id, "other": lead.id},
            )
        assert helpers.perform(program, "sla.held_notice")["done"] == 1
        assert (agent.id, "dropped", "told_already") in [each[1:] for each in notices(story)]
        assert (len(told(story, agent.id)), len(told(story, lead.id))) == (0, 1)


class TestSeverity:
    def test_a_ladder_that_moves_its_own_clock_comes_to_an_end(self, database: Database) -> None:
        set_ladder(
            database, *(rung(f"{share}%", "raise_severity") for share in (25, 50, 75)), rung("100%", "raise_severity")
        )
        story = Story(database)
        assert complaint_of(story).severity == "S3"
        for hour in range(1, 8):
            climb(story, hours=hour)
        assert complaint_of(story).severity == "S1"
        assert [each[2:] for each in actions(story)].count(("done", None)) == 2
        assert {each[3] for each in actions(story) if each[2] == "failed"} == {"worst_severity"}
        assert wrong(database) == []

    def test_counted_anew_the_same_rung_does_nothing_twice(self, database: Database) -> None:
        """A milder severity gives more time, and the clock comes to the rung once more."""
        set_ladder(database, rung("50%", "raise_level", TELL))
        story = Story(database)
        climb(story, hours=2)
        with database.engine.begin() as connection:  # as a recompute does
            connection.execute(
                text(
                    "UPDATE sla_clock SET generation = generation + 1, due_at = due_at + interval '4 hours', target_amount = 480, "
                    "next_threshold = 50, next_alarm_at = started_at + interval '4 hours'"
                )
            )
        climb(story, hours=4)
        assert complaint_of(story).escalation_level == 1
        assert [each[1:] for each in actions(story)] == [
            ("raise_level", "done", None),
            ("notify", "failed", "no_assignee"),
            ("raise_level", "dropped", "done_before"),
            ("notify", "failed", "no_assignee"),
        ]

    def test_at_the_highest_level(self, database: Database) -> None:
        set_ladder(
            database, *(rung(f"{share}%", "raise_level") for share in (10, 20, 30, 40)), rung("50%", "raise_severity")
        )
        story = Story(database)
        climb(story, hours=3)
        assert complaint_of(story).escalation_level == 3
        assert [each[2:] for each in actions(story)] == [
            *[("done", None)] * 3,
            ("failed", "action_not_allowed"),
            ("done", None),
            ("failed", "nobody_to_tell"),  # it moved the deadline into the past, and nobody has it
        ]


class TestOffer:
    def test_drafted_by_the_other_domain(self, database: Database) -> None:
        set_ladder(database, rung("100%", offer()))
        story = Story(database)
        climb(story, hours=5)
        row = helpers.scalar(database, "SELECT row_to_json(offer) FROM offer")
        assert (row["status"], row["kind"], row["amount_minor"], row["drafted_by"]) == (
            "drafted",
            "voucher",
            1500,
            None,
        )
        assert said(story, "sla.escalation_wants_offer", "sla.escalated", "offer.drafted") == [
            "sla.escalation_wants_offer",
            "sla.escalated",
            "offer.drafted",
        ]

    def test_as_much_as_the_playbook_suggests(self, database: Database) -> None:
        set_ladder(database, rung("100%", offer(amount=None)))
        story = Story(database)
        climb(story, hours=5)
        row = helpers.scalar(database, "SELECT row_to_json(offer) FROM offer")
        assert f"{row['amount_minor'] / 100:.2f}" == row["suggestion"]["goodwill"]["amount"]

    def test_a_letter(self, database: Database) -> None:
        set_ladder(database, rung("100%", {"step": "draft_offer", "given": {"kind": "apology_letter"}}))
        story = Story(database)
        climb(story, hours=5)
        assert actions(story) == [("100%", "draft_offer", "done", None)]

    def test_one_that_is_refused(self, database: Database) -> None:
        set_ladder(database, rung("90%", offer()), rung("100%", offer(), "raise_level"))
        story = Story(database)
        climb(story, hours=5)
        assert [each[1:] for each in actions(story)] == [
            ("draft_offer", "done", None),
            ("draft_offer", "failed", "duplicate_offer"),
            ("raise_level", "done", None),
        ]
        assert helpers.scalar(database, "SELECT count(*) FROM offer") == 1
        assert len(said(story, "sla.escalation_wants_offer")) == 1, "what was refused was never wanted"
        assert violations(database) == []

    def test_the_kinds_that_can_be_written_are_those_that_can_be_issued(self) -> None:
        assert set(OFFERS) == set(ISSUABLE)


class TestMeanwhile:
    def test_an_event_for_other_systems(self, database: Database) -> None:
        set_ladder(
            database, rung("50%", {"step": "raise_event", "given": {"name": "crm.call", "data": {"queue": "key"}}})
        )
        story = Story(database)
        climb(story, hours=2)
        with Session(database.engine) as session:
            found = select(EventRow.payload).where(EventRow.type == "sla.escalation_raised_event")
            payload = session.scalars(found).one()
        assert payload is not None
        assert (payload["name"], payload["data"], payload["rung"]) == ("crm.call", {"queue": "key"}, "50%")

    @pytest.mark.parametrize(
        ("action", "given", "reason"),
        [
            ("acknowledge", {"channel": "PHONE"}, "stopped"),
            ("withdraw", {"reason": "It came."}, "cancelled"),
            ("ask_customer", {"message": "Which day?"}, "paused"),
        ],
    )
    def test_what_is_over_is_not_acted_on(
        self, database: Database, action: str, given: dict[str, Any], reason: str
    ) -> None:
        set_ladder(database, rung("50%", "raise_level", offer()))
        story = Story(database)
        ring(story, after(hours=2))
        story.act(action, after(hours=3), **given)
        escalating.escalate(database, story.id)
        assert [each[2:] for each in actions(story)] == [("dropped", reason)] * 2
        assert complaint_of(story).escalation_level == 0

    def test_a_pause_between_two_rungs_moves_the_second(self, database: Database) -> None:
        set_ladder(database, rung("50%", "raise_level"), rung("75%", "raise_level"), rung("-30 minutes", "raise_level"))
        story = Story(database)
        climb(story, hours=2)
        story.act("ask_customer", after(hours=2, minutes=30), message="Which day?")
        assert ring(story, after(hours=3)) == 0
        story.write("inbound", after(hours=4, minutes=30))
        clock = story.clock("acknowledge")
        assert (clock.next_rung, clock.next_alarm_at) == ("75%", after(hours=5))
        assert ring(story, after(hours=5)) == 1
        clock = story.clock("acknowledge")
        assert (clock.next_rung, clock.next_alarm_at) == ("-30 minutes", after(hours=5, minutes=30))

    def test_counted_anew_between_ringing_and_acting(self, database: Database) -> None:
        """What rang stays owed; only what is ahead again waits for its time."""
        set_ladder(database, rung("50%", "raise_level"), rung("75%", "raise_level"))
        story = Story(database)
        ring(story, after(hours=3))
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE sla_clock SET generation = generation + 1, started_at = now() - interval '30 days', "
                    "due_at = now() + interval '20 days', next_threshold = 75, next_alarm_at = now() + interval '5 days'"
                )
            )
        escalating.escalate(database, story.id)
        assert [each[::3] for each in actions(story)] == [("50%", None), ("75%", "counted_anew")]

    def test_merged_away(self, database: Database, manager: Caller) -> None:
        set_ladder(database, rung("50%", "raise_level"))
        story, survivor = Story(database), Story(database)
        ring(story, after(hours=2))
        body = {"into": complaint_of(survivor).reference, "reason": "The same.", "other_complainant": True}
        answer = manager.post(f"/complaints/{complaint_of(story).reference}/merge", body, if_match="*")
        assert answer.status_code == 201, answer.text
        escalating.escalate(database, story.id)
        assert actions(story)[0] == ("50%", "raise_level", "dropped", "stopped")
        assert complaint_of(survivor).escalation_level == 0

    def test_somebody_holds_the_complaint(self, database: Database, program: Program) -> None:
        """It is not refused: the duty brings it back."""
        set_ladder(database, rung("50%", "raise_level"))
        story = Story(database)
        ring(story, after(hours=2))
        hasty = make_engine(str(program.settings.database_url))
        event.listen(hasty, "begin", lambda connection: connection.exec_driver_sql("SET lock_timeout = '50ms'"))
        with program.engine.connect() as holder:
            holder.execute(select(Complaint.id).where(Complaint.id == story.id).with_for_update())
            with pytest.raises(DBAPIError, match="lock timeout"):
                escalating.escalate(Database(hasty, Consequences(SUBSCRIBERS)), story.id)
        hasty.dispose()
        assert actions(story) == [("50%", "raise_level", "owed", None)]
        assert helpers.perform(program, escalations.TOPIC)["done"] == 1
        assert actions(story) == [("50%", "raise_level", "done", None)]


WORKER = """
import os, sys
from uuid import UUID
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import assemble

program = assemble(Settings(database_url=sys.argv[1], secret_key="x" * 40))
for _ in range(int(sys.argv[3])):  # one worker after the other, each a process
    worker = os.fork()
    if not worker:
        program.performer.perform([UUID(sys.argv[2])])
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
"""


class TestKilled:
    @pytest.mark.parametrize("point", escalating.FAULT_POINTS)
    def test_between_every_two_actions(self, database: Database, program: Program, agent: Caller, point: str) -> None:
        """Workers die there, one after the other; each of the next goes on where it stood."""
        set_ladder(database, rung("50%", "raise_level", TELL, offer(), "raise_severity"))
        workers, done = (3, 3) if point == escalating.SETTLED else (2, 0)
        set_hours(database, agent.id, AROUND_THE_CLOCK)
        story = Story(database)
        give(story, agent.id)
        ring(story, after(hours=2))
        (duty,) = helpers.duties(database, escalations.TOPIC)
        died = subprocess.run(
            [sys.executable, "-c", WORKER, str(program.settings.database_url), str(duty), str(workers)],
            env={**os.environ, faults.VARIABLE: point},
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert died.stdout.split() == [b"%d" % faults.EXIT_STATUS] * workers
        assert self.outcomes(story) == ["done"] * done + ["owed"] * (4 - done)
        assert complaint_of(story).escalation_level == min(done, 1)
        assert program.performer.perform([duty])["done"] == 1
        assert self.outcomes(story) == ["done"] * 4
        assert (complaint_of(story).escalation_level, complaint_of(story).severity) == (1, "S2")
        assert [one.kind for one in told(story, agent.id)] == ["sla_warned", "sla_breached"], (
            "its new severity broke it"
        )
        assert helpers.scalar(database, "SELECT count(*) FROM offer") == 1
        assert wrong(database) == []

    def outcomes(self, story: Story) -> list[str]:
        return [each[2] for each in actions(story) if each[0] == "50%"]


SWEEPER = (
    "import sys; from helpdesk.kernel.settings import Settings; from helpdesk.wiring import assemble; from helpdesk.sla import sweep;"
    "program = assemble(Settings(database_url=sys.argv[1], secret_key='x' * 40)); print('ready', flush=True);"
    "sweep.TOGETHER = 5; sweep.ring_due(program.database); print('done', flush=True)"
)


def rang(database: Database) -> int:
    with Session(database.engine) as session:
        return session.execute(select(func.count()).select_from(Alarm)).scalar_one()


class TestSweepDies:
    def test_killed_mid_batch(self, database: Database, program: Program) -> None:
        """A real process, at work in a batch: the row that it waits for is held, then it is killed as it stands."""
        set_ladder(database, rung("50%", TELL))
        stories = [Story(database) for _ in range(20)]
        with program.engine.connect() as holder:
            # It may lock the complaints, and comes to a stand where it writes what rang.
            holder.execute(text("LOCK TABLE sla_alarm IN SHARE MODE"))
            process = subprocess.Popen(
                [sys.executable, "-c", SWEEPER, str(program.settings.database_url)], stdout=subprocess.PIPE
            )
            try:
                self.until_it_waits(program)
                process.send_signal(signal.SIGKILL)
                assert process.wait(30) == -signal.SIGKILL
            finally:
                process.kill()
                process.communicate()
        assert rang(database) == 0
        assert sweep.ring_due(database) == 40
        assert rang(database) == 40
        assert sweep.ring_due(database) == 0
        for story in stories:
            assert said(story, "sla.warned", "sla.breached") == ["sla.warned", "sla.breached"]
        assert violations(database) == []

    def until_it_waits(self, program: Program) -> None:
        with program.engine.connect() as watcher:
            until(lambda: waiting(watcher) >= 1)

    def test_the_database_is_restarted_mid_batch(self) -> None:
        """A server of its own, stopped at once while a sweep is at work, and started again."""
        with tempfile.TemporaryDirectory(prefix="hd") as folder:
            Path(folder).chmod(0o711)  # as root PostgreSQL runs under another account, which must pass through
            self.restart(Path(folder))

    def restart(self, folder: Path) -> None:
        server = EmbeddedPostgres(folder / "pg", durable=True)
        program = None
        try:
            url = self.own_database(server.start())
            program = assemble(Settings(database_url=url, data_dir=folder, secret_key=SECRET_KEY))
            migrate(program)
            set_ladder(program.database, rung("50%", TELL))
            stories = [Story(program.database) for _ in range(20)]
            process = subprocess.Popen(
                [sys.executable, "-c", SWEEPER, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            holder = program.engine.connect()
            holder.execute(text("LOCK TABLE sla_alarm IN SHARE MODE"))
            self.until_it_waits(program)
            server.stop()
            holder.invalidate()
            holder.close()
            program.engine.dispose()
            assert process.communicate(timeout=60)[0] == b"ready\n"
            assert process.returncode == 1
            assert server.start() is not None
            assert rang(program.database) == 0
            assert sweep.ring_due(program.database) == 40
            for story in stories:
                assert said(story, "sla.warned", "sla.breached") == ["sla.warned", "sla.breached"]
            assert violations(program.database) == []
        finally:
            if program is not None:
                program.engine.dispose()
            server.stop()
            server.discard()

    def own_database(self, server_url: str) -> str:
        admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE restarted"))
        admin.dispose()
        return make_url(server_url).set(database="restarted").render_as_string(hide_password=False)
