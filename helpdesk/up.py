"""`helpdesk up`: the whole system under one supervisor, on servers of its own where none are named."""

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

import helpdesk
from helpdesk import demo
from helpdesk.identity import queries as identity
from helpdesk.kernel import logs
from helpdesk.kernel.doorbell import BULK, ISSUING, MAIL, PROVIDERS
from helpdesk.kernel.embedded import Child, EmbeddedPostgres, EmbeddedRedis, Server, Supervisor, find_redis_server
from helpdesk.kernel.embedded.folders import make_data_dir
from helpdesk.kernel.migrations import MigrationBlocked
from helpdesk.kernel.settings import Settings, own_command
from helpdesk.wiring import Program, assemble, migrate

ADDRESS: Final = "address"
"""A file in the data folder: what links begin with, for commands beside the running system."""


def run_everything(settings: Settings) -> int:
    """Start, run until asked to stop, stop; the exit status. Raises `EmbeddedServerError` when a server cannot start."""
    logs.configure("WARNING")
    _refuse_taken_port(settings)
    servers: list[Server] = []
    try:
        settings = _with_servers(settings, servers)
        (settings.data_dir / ADDRESS).write_text(settings.base_url, encoding="utf-8")
        way_in = _prepare(settings)
        supervisor = Supervisor(_children(settings), servers, on_ready=lambda: _greet(settings, way_in))
    except BaseException:
        for server in reversed(servers):
            server.stop()
        raise
    return supervisor.run()


def _refuse_taken_port(settings: Settings) -> None:
    """Said before anything is started: a server that dies of it five times says it less clearly."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise click.ClickException(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Choose another with HELPDESK_HOST and HELPDESK_PORT."
            ) from error


def _with_servers(settings: Settings, servers: list[Server]) -> Settings:
    # As root the database runs under another account, which must be able to pass through to its own private folder.
    make_data_dir(settings.data_dir, passable=os.geteuid() == 0)
    settings = replace(settings, data_dir=settings.data_dir.resolve())
    if not settings.database_url:
        postgres = EmbeddedPostgres(settings.data_dir / "postgres")
        servers.append(postgres)
        settings = replace(settings, database_url=postgres.start())
    if not settings.redis_url:
        if find_redis_server() is None:
            click.echo(
                "No Redis: none is named (HELPDESK_REDIS_URL), none is on the PATH, and no wheel brings one for this "
                "Python. The relay does the background work itself; that is slower, and nothing is lost.",
                err=True,
            )
        else:
            redis = EmbeddedRedis(settings.data_dir / "redis")
            servers.append(redis)
            settings = replace(settings, redis_url=redis.start())
    return settings


def _prepare(settings: Settings) -> str:
    """Make the database ready; how to get a token for it."""
    program = assemble(settings, statement_timeout_ms=0, name="helpdesk-up")
    try:
        try:
            migrate(program)
        except MigrationBlocked as error:
            raise click.ClickException(str(error)) from error
        if settings.demo and demo.install(program):
            click.echo("Demo data installed (HELPDESK_DEMO=0 leaves it out).", err=True)
        return _way_in(program)
    finally:
        program.engine.dispose()


def command() -> str:
    """What to type in a second terminal; it must find the same data folder."""
    folder = os.environ.get("HELPDESK_DATA_DIR")
    return f"HELPDESK_DATA_DIR={folder} {own_command()}" if folder else own_command()


def first_agent() -> str:
    return f"{command()} agent create EMAIL --name NAME --role admin, then {command()} token create --agent EMAIL"


def _way_in(program: Program) -> str:
    if program.settings.admin_token:
        return "the token in HELPDESK_ADMIN_TOKEN (an administrator's)"
    with program.database.reader() as session:
        manager = identity.agent_by_email(session, demo.MANAGER)
        if manager is not None and manager.active:
            return f"{command()} token create --agent {demo.MANAGER}"
        if identity.any_active_agent(session):
            return f"{command()} token create --agent EMAIL"
    return first_agent()


def _children(settings: Settings) -> list[Child]:
    environment = dict(os.environ) | {
        "HELPDESK_DATABASE_URL": settings.database_url or "",
        "HELPDESK_REDIS_URL": settings.redis_url or "",
        "HELPDESK_DATA_DIR": str(settings.data_dir),
        "HELPDESK_SECRET_KEY": settings.signing_key(),
        "PYTHONUNBUFFERED": "1",
        # The same program as this one, wherever it was started from; -P below keeps the current folder out.
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(Path(helpdesk.__file__).resolve().parent.parent), os.environ.get("PYTHONPATH")])
        ),
    }

    def part(*command: str, name: str, instances: int = 1, ready: Callable[[], bool] | None = None) -> Child:
        argv = [sys.executable, "-P", "-m", "helpdesk", *command]  # -P: not whatever is called helpdesk in this folder
        return Child(name=name, argv=argv, env=environment, instances=instances, ready=ready)

    children = [part("serve", name="api", ready=lambda: _answers(settings)), part("relay", name="relay")]
    if settings.redis_url:
        children.append(part("worker", name="worker", instances=settings.workers))
        own = {"issuing": ISSUING, "bulk": BULK, "mail": MAIL, "providers": PROVIDERS}
        children += [part("worker", "--queue", queue, name=name) for name, queue in own.items()]
    children.append(part("scheduler", name="scheduler"))
    return children


def _local_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104  # compared, not bound
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}"


def _answers(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(f"{_local_url(settings)}/health/live", timeout=2) as answer:  # noqa: S310  # our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _greet(settings: Settings, way_in: str) -> None:
    url = _local_url(settings)
    click.echo(
        f"\nHelpdesk is ready at {url}  ({time.strftime('%H:%M:%S')})\n"
        f"  documentation  {url}/docs\n"
        f"  API            {url}/api/v1\n"
        f"  get a token    {way_in}\n"
        f"  data           {settings.data_dir}\n"
        "  stop           Ctrl-C\n",
        err=True,
    )
