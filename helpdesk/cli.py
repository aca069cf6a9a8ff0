"""The command line: the whole system (`up`), each part alone, and what operators and scripts need."""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from marshmallow import ValidationError

from helpdesk import demo, verifying, worker
from helpdesk.complaints.search_cli import search
from helpdesk.identity import password_service, roles
from helpdesk.identity import queries as identity
from helpdesk.identity import service as identity_service
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.administration import record_administration
from helpdesk.identity.permissions import SHIPPED
from helpdesk.identity.schemas import AgentIn
from helpdesk.integrations.cli import imports
from helpdesk.kernel import logs, metrics, outbox, reviving
from helpdesk.kernel.doorbell import QUEUES
from helpdesk.kernel.embedded import running_url
from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.errors import DomainError, ValidationFailed
from helpdesk.kernel.migrations import MigrationBlocked
from helpdesk.kernel.relay import Relay
from helpdesk.kernel.schemas import problems_of
from helpdesk.kernel.settings import Settings, SettingsError, own_command
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery.provider_cli import provider
from helpdesk.schedule import Scheduler
from helpdesk.sla.calendar_cli import holidays
from helpdesk.sla.cli import sla
from helpdesk.sla.pause_cli import pause_audit_command
from helpdesk.sla.simulate_cli import simulate
from helpdesk.up import ADDRESS, first_agent, run_everything
from helpdesk.wiring import HANDLERS, Program, assemble, migrate


def _settings() -> Settings:
    try:
        return Settings.from_environment()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _program(name: str, **options: Any) -> Program:
    """The program on the configured database, or on the embedded one that a running `helpdesk up` owns."""
    settings = _settings()
    try:
        if not settings.database_url:
            settings = _beside_running(settings)
        program = assemble(settings, name=name, **options)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    click.get_current_context().call_on_close(program.engine.dispose)
    return program


def _beside_running(settings: Settings) -> Settings:
    database = running_url(settings.data_dir / "postgres")
    if database is None:
        raise SettingsError(
            "HELPDESK_DATABASE_URL is not set and no `helpdesk up` is running on "
            f"{settings.data_dir}. Start it, or name a database."
        )
    address = settings.data_dir / ADDRESS
    return replace(
        settings,
        database_url=database,
        redis_url=settings.redis_url or running_url(settings.data_dir / "redis"),
        # It listens where it was told to when it was started, whatever this shell says.
        public_url=settings.public_url or (address.read_text(encoding="utf-8") if address.exists() else None),
    )


@click.group()
@click.version_option(package_name="helpdesk", message="%(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Helpdesk: complaint handling and service recovery."""
    context.obj = lambda: _program("helpdesk-import", statement_timeout_ms=60_000)  # for the commands of a domain


main.add_command(imports)
main.add_command(search)
main.add_command(sla)
main.add_command(provider)
sla.add_command(holidays)
sla.add_command(pause_audit_command)
sla.add_command(simulate)


@main.command()
def up() -> None:
    """Run the whole system: database, Redis, API, relay, workers, scheduler."""
    settings = _settings()
    try:
        sys.exit(run_everything(settings))
    except EmbeddedServerError as error:
        raise click.ClickException(str(error)) from error


@main.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the program's version; install the shipped policy and the bootstrap administrator."""
    logs.configure(_settings().log_level)
    program = _program("helpdesk-migrate", statement_timeout_ms=0)
    try:
        migrate(program)
    except MigrationBlocked as error:
        raise click.ClickException(str(error)) from error
    click.echo("The database is at the program's version.")
    with program.database.reader() as session:
        if not identity.any_active_agent(session):
            click.echo(f"There is no agent yet: {first_agent()}")


@main.command()
def serve() -> None:
    """Serve the API with gunicorn."""
    settings = _settings()
    if not settings.database_url:
        raise click.ClickException("HELPDESK_DATABASE_URL is not set; `helpdesk up` brings its own PostgreSQL.")
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(metrics.fresh_folder())}
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "helpdesk.app:create_app()",
        f"--bind={host}:{settings.port}",
        "--worker-class=helpdesk.gunicorn_config.Worker",
        f"--workers={settings.web_workers}",
        f"--threads={settings.web_threads}",
        "--graceful-timeout=20",
        "--keep-alive=30",
        "--max-requests=100000",
        "--max-requests-jitter=10000",
        "--no-control-socket",
        "--preload",  # the program is loaded once and shared by the workers
        "--config=python:helpdesk.gunicorn_config",
        f"--log-level={settings.log_level.lower()}",
    ]
    os.execve(sys.executable, command, environment)  # noqa: S606  # the server takes this process's place


@main.command(name="worker")
@click.option("--queue", type=click.Choice(QUEUES), default=QUEUES[0], show_default=True, help="One queue per process.")
def worker_command(queue: str) -> None:
    """Do what is owed, as RQ jobs."""
    program = _program("helpdesk-worker", statement_timeout_ms=60_000)
    logs.configure(program.settings.log_level)
    if program.doorbell is None:
        raise click.ClickException("HELPDESK_REDIS_URL is not set; without Redis the relay does the work itself.")
    worker.run(program, queue)


@main.command()
def relay() -> None:
    """Ring the workers for what is owed; without Redis, do it here."""
    program = _program("helpdesk-relay", statement_timeout_ms=60_000)
    logs.configure(program.settings.log_level)
    inline = program.performer if program.doorbell is None else None
    _until_stopped(Relay(program.engine, HANDLERS, program.doorbell, inline))


@main.command()
def scheduler() -> None:
    """Ring for the periodic jobs; of several, one is active."""
    program = _program("helpdesk-scheduler", statement_timeout_ms=60_000)
    logs.configure(program.settings.log_level)
    _until_stopped(Scheduler(program))


def _until_stopped(part: Relay | Scheduler) -> None:
    def stop(*_: object) -> None:
        part.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    part.run()


@main.group()
def agent() -> None:
    """The people who work here."""


@agent.command(name="create")
@click.argument("email")
@click.option("--name", required=True, help="What the others read.")
@click.option("--role", required=True, help="What the agent may do: admin, agent, or another role.")
@click.option("--invite", is_flag=True, help="Mail the link to a first password.")
def create_agent(email: str, name: str, role: str, *, invite: bool) -> None:
    """Create an agent; on a fresh system, the first one (--role admin)."""
    try:
        given = AgentIn().load({"email": email, "name": name, "role": role})
    except ValidationError as error:
        wrong = "; ".join(
            f"{item['pointer'].removeprefix('/')}: {item['detail']}" for item in problems_of(error.messages)
        )
        raise click.ClickException(wrong) from error
    program = _program("helpdesk-agent")
    try:
        with program.database.unit_of_work(SYSTEM) as uow:
            agent_id = identity_service.create_agent(uow, SYSTEM, given)
            if invite:
                row = identity.agent_for_update(uow.session, SYSTEM, agent_id)
                password_service.invite(uow, row, program.tools.signing_key, program.tools.base_url)
    except ValidationFailed as error:
        raise click.ClickException("; ".join(item["detail"] for item in error.errors)) from error
    except DomainError as error:
        raise click.ClickException(f"{error.detail}. {error.advice}") from error
    click.echo(f"{given['name']} is here. For a token: {own_command()} token create --agent {given['email']}")


@main.group()
def role() -> None:
    """What people may do."""


@role.command(name="reset")
@click.argument("name", type=click.Choice(list(SHIPPED)))
def reset_role(name: str) -> None:
    """Give a role that came with the system what it came with: the way back when nobody can give it any more."""
    program = _program("helpdesk-role")
    with program.database.unit_of_work(SYSTEM) as uow:
        roles.reset_role(uow, name)
    click.echo(f"{name} may do again what it came with.")


@agent.command(name="password-link")
@click.argument("email")
def password_link(email: str) -> None:
    """Print a link that sets an agent's password, a first or a new one; it counts once, and not for long.

    For a system that sends no mail. Whoever has the link can set the password: hand it over safely.
    """
    program = _program("helpdesk-agent")
    tools = program.tools
    try:
        with program.database.unit_of_work(SYSTEM) as uow:
            row = identity.agent_by_email(uow.session, email)
            if row is None:
                raise click.ClickException(f"There is no agent {email}.")
            link = password_service.make_link(uow, row, tools.signing_key, tools.base_url)
    except DomainError as error:
        raise click.ClickException(f"{error.detail}. {error.advice}") from error
    click.echo(link)


@main.group()
def token() -> None:
    """Bearer tokens."""


@token.command(name="create")
@click.option("--agent", "email", required=True, help="The agent's e-mail address.")
@click.option("--name", default="command line", show_default=True, help="What the token is for.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it is valid.")
def create_token(email: str, name: str, days: int) -> None:
    """Make a token for an agent and print it; it is shown this once."""
    program = _program("helpdesk-token")
    with program.database.unit_of_work(SYSTEM) as uow:
        agent = identity.agent_by_email(uow.session, email)
        if agent is None or not agent.active:
            raise click.ClickException(f"There is no active agent {email}.")
        given = {"agent_id": agent.id, "name": name, "expires_at": uow.now + timedelta(days=days)}
        made = identity_service.create_token(uow, SYSTEM, given)
    click.echo(made["token"])


@main.group()
def duties() -> None:
    """What is owed, and what was given up."""


@duties.command(name="list")
@click.option("--dead", is_flag=True, help="Only those that were given up and that nobody has settled.")
def list_duties(dead: bool) -> None:
    """One line per duty that is not done, oldest first: id, topic, state, its subject, the last error."""
    with _program("helpdesk-duties").database.reader() as session:
        for row in outbox.owed(session, dead=dead):
            state = "given up" if row.dead_at else f"next {row.next_at:%Y-%m-%dT%H:%M:%SZ}"
            click.echo(f"{row.id}  {row.topic}  {state}  {row.subject_id}  {row.last_error or ''}".rstrip())


@duties.command(name="retry")
@click.argument("duty_id", metavar="ID", type=click.UUID)
def retry_duty(duty_id: UUID) -> None:
    """Have a duty tried again that was given up."""
    _settle(duty_id, lambda uow: reviving.retry(uow, duty_id, record_administration), "is owed anew")


@duties.command(name="dismiss")
@click.argument("duty_id", metavar="ID", type=click.UUID)
@click.option("--reason", required=True, help="Why it need not be done; recorded.")
def dismiss_duty(duty_id: UUID, reason: str) -> None:
    """Settle a duty that was given up without doing it."""
    if not (reason := reason.strip()[:500]):
        raise click.ClickException("Give a reason.")
    _settle(duty_id, lambda uow: reviving.dismiss(uow, duty_id, reason, record_administration), "is dismissed")


def _settle(duty_id: UUID, act: Callable[[UnitOfWork], None], said: str) -> None:
    program = _program("helpdesk-duties")
    try:
        with program.database.unit_of_work(SYSTEM) as uow:
            act(uow)
    except reviving.NotGivenUp as error:
        raise click.ClickException(f"No duty {duty_id} was given up; see: helpdesk duties list --dead") from error
    click.echo(f"Duty {duty_id} {said}.")


@main.command(name="demo")
def demo_command() -> None:
    """Put a few agents, a budget and some complaints into an empty system."""
    program = _program("helpdesk-demo")
    click.echo("Demo data installed." if demo.install(program) else "There is data already; nothing was changed.")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per violation.")
@click.argument("checks", nargs=-1)
def verify(checks: tuple[str, ...], as_json: bool) -> None:
    """Check the invariants of the whole database and name every violation; exit 1 when there is any.

    `files`, only when it is named, reads every stored file.
    """
    program = _program("helpdesk-verify", statement_timeout_ms=0)
    try:
        found = 0
        for violation in verifying.violations(program.database, checks, program.tools.store):
            found += 1
            if as_json:
                click.echo(
                    json.dumps({"check": violation.check, "subject": violation.subject, "detail": violation.detail})
                )
            else:
                click.echo(f"{violation.check}: {violation.subject}: {violation.detail}")
    except verifying.UnknownCheck as error:
        raise click.ClickException(str(error)) from error
    if not as_json:
        click.echo(f"{found} violations." if found else "Everything holds.")
    sys.exit(1 if found else 0)


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A file for the document, or a folder for the document and a schema for each event.  [standard output]",
)
def openapi(output: Path | None) -> None:
    """Write the OpenAPI document and the schemas of the events."""
    from helpdesk import contract  # noqa: PLC0415  # with every route, a second that no other command needs

    if output is None:
        click.echo(contract.rendered(), nl=False)
    elif output.suffix:
        output.write_text(contract.rendered(), encoding="utf-8")
    else:
        contract.write(output)
