"""The command line: what each command says and how it exits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from helpdesk import demo
from helpdesk.cli import main
from helpdesk.identity import service
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.up import _way_in, command, first_agent
from helpdesk.verifying import CHECKS
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.tampering import past_the_trigger

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with the test's database; `run("verify", HELPDESK_PORT="x")` adds variables."""

    def command(*arguments: str, **variables: str) -> Result:
        environment = {
            "HELPDESK_DATABASE_URL": settings.database_url or "",
            "HELPDESK_DATA_DIR": str(settings.data_dir),
            "HELPDESK_SECRET_KEY": settings.secret_key or "",
        }
        for name in Settings.__dataclass_fields__:
            monkeypatch.delenv(f"HELPDESK_{name.upper()}", raising=False)
        return CliRunner().invoke(main, list(arguments), env=environment | variables)

    return command


def test_settings_that_cannot_be_used_are_all_named(run: Run) -> None:
    wrong = {"HELPDESK_PORT": "eighty", "HELPDESK_ADMIN_TOKEN": "short", "HELPDESK_REDIS_URL": "http://x"}
    done = run("up", **wrong)
    assert done.exit_code == 1
    assert all(name in done.output for name in wrong)


@pytest.mark.parametrize("part", ["serve", "relay", "worker", "scheduler", "migrate", "verify", "demo"])
def test_a_part_alone_says_what_it_needs(run: Run, part: str, tmp_path: Path) -> None:
    done = run(part, HELPDESK_DATABASE_URL="", HELPDESK_DATA_DIR=str(tmp_path))
    assert done.exit_code == 1
    assert "HELPDESK_DATABASE_URL" in done.output


def test_a_worker_needs_redis(run: Run) -> None:
    done = run("worker")
    assert (done.exit_code, "HELPDESK_REDIS_URL" in done.output) == (1, True)


def test_a_token_for_an_agent_works_at_once(run: Run, agent: Caller, database: Database) -> None:
    with database.reader() as session:
        email = session.execute(text("SELECT email FROM agent WHERE id = :id").bindparams(id=agent.id)).scalar_one()
    done = run("token", "create", "--agent", email.upper())
    assert done.exit_code == 0, done.output
    caller = Caller(agent.client, None, done.stdout.strip())
    assert caller.get("/me").json["id"] == str(agent.id)
    assert run("token", "create", "--agent", "nobody@example.com").exit_code == 1


class TestPasswords:
    """The way in with a password, where no mail is sent."""

    def test_a_link_to_a_first_and_a_new_password(self, run: Run, anonymous: Caller) -> None:
        assert run("agent", "create", "ana@example.com", "--name", "Ana", "--role", "admin").exit_code == 0
        for kind, password in (("invitation", "plum-harbour-violin-42"), ("reset", "quiet-otter-juggles-71")):
            done = run("agent", "password-link", "Ana@example.com")
            assert done.exit_code == 0, done.output
            path = done.stdout.strip().partition("/api/v1")[2]
            assert anonymous.get(path).json["kind"] == kind
            assert anonymous.post(path, {"password": password}).status_code == 200
            body = {"email": "ana@example.com", "password": password}
            assert anonymous.post("/public/sessions", body).status_code == 201

    def test_nobody_there(self, run: Run, agent: Caller, database: Database) -> None:
        assert run("agent", "password-link", "nobody@example.com").exit_code == 1
        with database.unit_of_work(SYSTEM) as uow:
            email = uow.session.execute(
                text("UPDATE agent SET active = false WHERE id = :id RETURNING email"), {"id": agent.id}
            ).scalar_one()
        done = run("agent", "password-link", email)
        assert (done.exit_code, "not active" in done.output) == (1, True)

    def test_invited_by_mail(self, run: Run, database: Database) -> None:
        asked = ("agent", "create", "ana@example.com", "--name", "Ana", "--role", "agent", "--invite")
        refused = run(*asked)
        assert (refused.exit_code, "HELPDESK_SMTP_URL" in refused.output) == (1, True)
        done = run(*asked, HELPDESK_SMTP_URL="smtp://127.0.0.1:1")
        assert done.exit_code == 0, done.output
        with database.reader() as session:
            mail = session.execute(text("SELECT reason, recipient FROM outbound_mail")).one()
        assert tuple(mail) == ("password_invitation", "ana@example.com")


class TestFirstAgent:
    """A fresh system, without demo data and without a bootstrap token."""

    def test_the_way_in(self, run: Run, anonymous: Caller) -> None:
        assert "helpdesk agent create EMAIL --name NAME --role admin" in run("migrate").output
        done = run("agent", "create", "ada@example.com", "--name", "Ada Admin", "--role", "admin")
        assert (done.exit_code, "helpdesk token create --agent ada@example.com" in done.output) == (0, True), (
            done.output
        )
        caller = Caller(anonymous.client, None, run("token", "create", "--agent", "ada@example.com").stdout.strip())
        me = caller.get("/me").json
        assert (me["name"], me["role"], "agent:manage" in me["permissions"]) == ("Ada Admin", "admin", True)
        assert "no agent" not in run("migrate").output
        assert run("verify").exit_code == 0

    def test_refused(self, run: Run, anonymous: Caller) -> None:
        arguments = ("--name", "Ada", "--role", "admin")
        for email in ("ada", "", "a@b\x00.example"):
            done = run("agent", "create", email, *arguments)
            assert (done.exit_code, "email: " in done.output) == (1, True), done.output
        assert run("agent", "create", "ada@example.com", "--name", "Ada", "--role", "king").exit_code == 1
        assert run("agent", "create", "ada@example.com", *arguments).exit_code == 0
        twice = run("agent", "create", "ADA@example.com", *arguments)
        assert (twice.exit_code, "Another agent has this e-mail address" in twice.output) == (1, True)

    def test_a_role_goes_back_to_what_it_came_with(self, run: Run, admin: Caller) -> None:
        roles = admin.get("/roles").json["items"]
        agent = next(role for role in roles if role["name"] == "agent")
        admin.patch(f"/roles/{agent['id']}", {"permissions": [], "scope": "own"}, if_match="*")
        assert run("role", "reset", "agent").exit_code == 0
        back = admin.get(f"/roles/{agent['id']}").json
        assert [back[name] for name in ("permissions", "scope")] == [agent[name] for name in ("permissions", "scope")]
        assert run("role", "reset", "night shift").exit_code == 2

    def test_what_up_says(self, program: Program, database: Database) -> None:
        assert "HELPDESK_ADMIN_TOKEN" in _way_in(program)
        program = replace(program, settings=replace(program.settings, admin_token=None))
        assert _way_in(program) == first_agent()
        with database.unit_of_work(SYSTEM) as uow:
            service.create_agent(uow, SYSTEM, {"email": "ada@example.com", "name": "Ada", "role": "admin"})
        assert _way_in(program) == f"{command()} token create --agent EMAIL"
        with database.unit_of_work(SYSTEM) as uow:
            service.create_agent(uow, SYSTEM, {"email": demo.MANAGER, "name": "Mei", "role": "manager"})
        assert _way_in(program) == f"{command()} token create --agent {demo.MANAGER}"


def test_the_demo_goes_into_an_empty_system_only(run: Run, admin: Caller, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM team_member"))
        connection.execute(text("DELETE FROM team"))
    assert "installed" in run("demo").output
    listed = admin.get("/complaints?count=true").json
    assert listed["total"] == 3
    assert "nothing was changed" in run("demo").output
    assert admin.get("/complaints?count=true").json["total"] == 3
    assert run("verify").exit_code == 0


class TestVerify:
    @pytest.mark.parametrize(
        ("damage", "named"),
        [
            ('UPDATE event SET payload = payload || \'{"role": "admin"}\'', "customer.created: payload was changed"),
            ("UPDATE event SET actor_id = NULL", "customer.created: header was changed"),
            ("UPDATE event SET subject_id = gen_random_uuid()", "customer.created: header was changed"),
            ("UPDATE event SET stream_id = id, stream_seq = 1", "has 1 events and no owner"),
        ],
    )
    def test_events_outside_the_chains(
        self, run: Run, admin: Caller, database: Database, damage: str, named: str
    ) -> None:
        made = admin.post("/customers", {"name": "X"}).json
        admin.post("/teams", {"name": "Other"})
        assert run("verify", "chain").exit_code == 0
        past_the_trigger(database.engine, f"{damage} WHERE type = 'customer.created'")
        done = run("verify", "chain")
        assert (done.exit_code, done.output.count("\n")) == (1, 2), done.output
        assert named in done.output
        assert made["id"] not in done.output  # the event is named, not whom it is about

    def test_an_erased_payload_that_nothing_accounts_for(self, run: Run, admin: Caller, database: Database) -> None:
        """Of a customer, outside the chains, and of an administrative act: nothing may erase them."""
        admin.post("/customers", {"name": "X"})
        admin.post("/teams", {"name": "Other"})
        for which in ("customer.created", "team.created"):
            erase = f"UPDATE event SET payload = NULL, salt = NULL WHERE type = '{which}'"
            with pytest.raises(IntegrityError, match="says so"), database.engine.begin() as connection:
                connection.execute(text(erase))
            past_the_trigger(database.engine, erase)
        done = run("verify", "chain")
        assert done.output.count("payload was erased, and no event accounts for it") == 2
        (act,) = admin.get("/audit-log/verification").json["broken"]
        assert act["what"] == "payload was erased, and no event accounts for it"

    def test_a_sound_system_holds(self, run: Run, complaint: dict[str, Any], agent: Caller) -> None:
        agent.post(f"/complaints/{complaint['id']}/actions/acknowledge", {"channel": "EMAIL"})
        done = run("verify")
        assert (done.exit_code, done.output) == (0, "Everything holds.\n")

    def test_an_unknown_check_is_named_with_those_there_are(self, run: Run) -> None:
        done = run("verify", "everything")
        assert done.exit_code == 1
        assert all(name in done.output for name in CHECKS)

    @pytest.mark.parametrize(
        ("damage", "group", "named"),
        [
            ('UPDATE event SET payload = payload || \'{"channel": "FAX"}\'', "chain", "payload was changed"),
            ("UPDATE event SET occurred_at = occurred_at - interval '1 day'", "chain", "header was changed"),
            ("DELETE FROM event WHERE stream_seq = 1", "chain", "event 1: is missing"),
            ("DELETE FROM event WHERE stream_seq = 5", "chain", "event 5: is missing at the end"),
            ("UPDATE event SET stream_seq = 9 WHERE stream_seq = 2", "chain", "event 2: is missing"),
            ("UPDATE complaint SET status = 'resolved'", "complaints", "history ends in received"),
            ("DELETE FROM complaint_transition", "complaints", ""),
            ("UPDATE complaint SET issue_count = 4", "complaints", "says 4 issues, has 1"),
            ("UPDATE complaint SET offers_live = 2", "recovery", "counts 2 live offers"),
            (
                "UPDATE sla_clock SET due_at = due_at + interval '1 hour' WHERE due_at IS NOT NULL",
                "clocks",
                "the facts say",
            ),
            ("UPDATE duty SET not_before = now() - interval '1 hour'", "duties", "is not done"),
            ("UPDATE duty SET dead_at = now(), last_error = 'no mail server'", "duties", "no mail server"),
        ],
    )
    def test_damage_is_named(
        self,
        run: Run,
        complaint: dict[str, Any],
        agent: Caller,
        database: Database,
        damage: str,
        group: str,
        named: str,
    ) -> None:
        agent.post(f"/complaints/{complaint['id']}/actions/acknowledge", {"channel": "EMAIL"})
        agent.post("/complaints", complaint_body())
        with database.engine.begin() as connection:
            for table in ("event", "complaint_transition"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            damaged = (
                damage if damage.startswith("DELETE FROM complaint_transition") else _only(damage, complaint["id"])
            )
            connection.execute(text(damaged))
            if damage.startswith("DELETE FROM complaint_transition"):
                connection.execute(text("UPDATE complaint SET status = 'investigated'"))
            for table in ("event", "complaint_transition"):
                connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
        done = run("verify", group)
        assert done.exit_code == 1, done.output
        assert named in done.output
        if group != "duties":
            assert complaint["reference"] in done.output or "clock" in done.output


class TestDuties:
    @pytest.fixture
    def dead(self, database: Database) -> UUID:
        with database.unit_of_work(SYSTEM) as uow:
            mail_id = queue_mail(uow, subject_id=new_id(), reason="x", recipient="a@x.example", subject="s", body="b")
        with database.engine.begin() as connection:
            connection.execute(
                text("UPDATE duty SET dead_at = now(), failures = 40, last_error = 'SMTPDataError [550]'")
            )
            connection.execute(text("UPDATE outbound_mail SET failed_at = now()"))
            found = connection.execute(text("SELECT id FROM duty WHERE subject_id = :id"), {"id": mail_id})
            return UUID(str(found.scalar_one()))

    def test_tried_again(self, run: Run, dead: UUID, program: Program) -> None:
        assert run("verify", "duties").exit_code == 1
        listed = run("duties", "list", "--dead").output
        assert all(word in listed for word in (str(dead), "mail.deliver", "given up", "[550]"))
        assert program.performer.perform([dead])["skipped"] == 1
        assert run("duties", "retry", str(dead)).exit_code == 0
        assert program.performer.perform([dead])["done"] == 1
        assert run("verify").exit_code == 0
        assert run("duties", "list").output == ""
        with program.database.reader() as session:
            assert session.execute(text("SELECT type FROM event ORDER BY seq DESC")).scalars().first() == "duty.retried"
            assert session.execute(text("SELECT failed_at FROM outbound_mail")).scalar_one() is None

    def test_dismissed(self, run: Run, dead: UUID, admin: Caller, database: Database) -> None:
        assert "helpdesk_duties_dead 1.0" in admin.get("/metrics").text
        assert run("duties", "dismiss", str(dead)).exit_code == 2
        assert run("duties", "dismiss", str(dead), "--reason", " ").exit_code == 1
        assert run("duties", "dismiss", str(dead), "--reason", "the address is gone").exit_code == 0
        assert run("verify").exit_code == 0
        assert run("duties", "list", "--dead").output == ""
        assert "helpdesk_duties_dead 0.0" in admin.get("/metrics").text
        with database.reader() as session:
            payload = session.execute(text("SELECT payload FROM event WHERE type = 'duty.dismissed'")).scalar_one()
        assert payload == {"duty_id": str(dead), "reason": "the address is gone"}

    def test_nothing_to_settle(self, run: Run, dead: UUID) -> None:
        assert run("duties", "retry", str(dead)).exit_code == 0
        for arguments in (("retry",), ("dismiss", "--reason", "x")):
            for duty in (str(dead), str(new_id())):
                done = run("duties", *arguments, duty)
                assert (done.exit_code, "list --dead" in done.output) == (1, True)


def _only(damage: str, complaint_id: str) -> str:
    """Narrow a statement to one complaint's rows."""
    UUID(complaint_id)
    table = damage.split()[2 if damage.startswith("DELETE") else 1]
    column = {"event": "stream_id", "complaint": "id", "sla_clock": "complaint_id"}.get(table)
    if column is None:
        return damage
    return damage + (" AND " if " WHERE " in damage else " WHERE ") + f"{column} = '{complaint_id}'"


def test_openapi_is_printed(run: Run) -> None:
    done = run("openapi")
    assert done.exit_code == 0
    assert '"openapi": "3.1.0"' in done.stdout
