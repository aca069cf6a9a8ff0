"""Fixtures: a real PostgreSQL migrated to head and a real Redis, each test with a database of its own.

`HELPDESK_TEST_DATABASE_URL` and `HELPDESK_TEST_REDIS_URL` name servers to use instead of embedded ones; the database
account must be allowed to create databases. A Redis that cannot be found fails the tests: they are about it.
"""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import hypothesis
import pytest
import redis
import structlog
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from helpdesk.app import create_app
from helpdesk.automation.rules import forget as forget_triggers
from helpdesk.complaints.routing_rules import forget as forget_rules
from helpdesk.identity.actors import SYSTEM, Actor, agent_actor
from helpdesk.identity.allowances_in_force import forget as forget_limits
from helpdesk.identity.authentication import new_token, token_hash
from helpdesk.identity.models import Agent, Team, TeamMember, Token
from helpdesk.identity.role_queries import rights_of_role
from helpdesk.kernel import in_force, migrations
from helpdesk.kernel.db import Base, make_engine, normalised_url
from helpdesk.kernel.embedded import EmbeddedPostgres, EmbeddedRedis
from helpdesk.kernel.embedded.postgres import SUPERUSER
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Consequences, Database
from helpdesk.recovery.playbooks_in_force import forget as forget_playbooks
from helpdesk.recovery.tariffs_in_force import forget as forget_tariffs
from helpdesk.sla.clock_terms import forget_versions
from helpdesk.sla.policies_in_force import forget as forget_policies
from helpdesk.taxonomy.in_force import forget as forget_taxonomy
from helpdesk.wiring import Program, assemble, install_shipped
from tests import s3

# The console renderer that structlog begins with spends seconds on drawing each traceback with its variables.
structlog.configure(
    processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.ReturnLoggerFactory()
)
# A busy machine is no failure, and a run is like the one before; `--hypothesis-profile=search` looks for news.
hypothesis.settings.register_profile("helpdesk", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("helpdesk")

_names = itertools.count(1)
_ADMIN_TOKEN = "administrator-token-for-tests-0123456789abcdef"
SIGNING_KEY = "a signing key for tests, long enough for anybody"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server; its URL names the maintenance database."""
    given = os.environ.get("HELPDESK_TEST_DATABASE_URL")
    if given:
        yield normalised_url(given)
        return
    with tempfile.TemporaryDirectory(prefix="hd") as folder, contextlib.closing(_Embedded(Path(folder))) as embedded:
        Path(folder).chmod(0o711)  # as root PostgreSQL runs under another account, which must pass through
        yield embedded.server.start()


class _Embedded:
    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder / "pg", durable=False)

    def close(self) -> None:
        self.server.stop()
        self.server.discard()


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        engine.dispose()


@event.listens_for(Engine, "before_cursor_execute")
def a_reader_reads(connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: Any) -> None:
    """In every test: what is written through a reader commits by itself, so only what is noted in passing may be."""
    if connection.get_execution_options().get("reading") and statement.lstrip()[:6].upper() in {
        "INSERT",
        "UPDATE",
        "DELETE",
    }:
        assert context.execution_options.get("noted"), statement


@pytest.fixture(scope="session")
def worker_database_url(server_url: str) -> Iterator[str]:
    """One database per test process, migrated to head. Each test finds it as a fresh system would be (`Cleaner`): that
    takes milliseconds, where a database per test took the server longer than most tests.
    """
    name = f"helpdesk_test_{os.getpid()}"
    _execute(server_url, f"CREATE DATABASE {name}")
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    engine = make_engine(url)
    migrations.upgrade(engine)
    with Database(engine, Consequences()).unit_of_work(SYSTEM) as uow:
        install_shipped(uow)
    _keep_pristine(engine)
    engine.dispose()
    yield url
    _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _keep_pristine(engine: Engine) -> None:
    """Copies of what a fresh system has in its tables."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA pristine"))
        for table in Base.metadata.sorted_tables:
            if connection.execute(text(f'SELECT EXISTS (SELECT FROM "{table.name}")')).scalar_one():
                connection.execute(text(f'CREATE TABLE pristine."{table.name}" AS TABLE "{table.name}"'))


class Cleaner:
    """Makes the database a fresh system's again, over a connection that stays open: there are thousands of tests."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self._connection = self._engine.connect()
        self._names = [table.name for table in reversed(Base.metadata.sorted_tables)]
        self._filled = text(
            " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in self._names)
        )
        kept = self._rows("SELECT tablename FROM pg_tables WHERE schemaname = 'pristine'")
        self._pristine = [name for name in reversed(self._names) if name in kept]
        self._rows_of = text(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM \"{name}\"" for name in self._pristine
            )
        )
        self._left: dict[str, Any] = {}
        self._resets = itertools.count(1)
        # Append-only tables refuse a DELETE. As a superuser one is past all triggers; otherwise they are switched off,
        # which changes the tables' definitions: every connection then plans all its statements anew, at twice the time.
        self._superuser = self._rows("SELECT rolname FROM pg_roles WHERE rolname = current_user AND rolsuper") != set()
        if self._superuser:
            self._connection.execute(text("SET session_replication_role = replica"))
        self._guarded = set() if self._superuser else self._rows(_GUARDED)
        self._connection.commit()

    def _rows(self, statement: str) -> set[str]:
        return set(self._connection.execute(text(statement)).scalars())

    def reset(self) -> None:
        if next(self._resets) % _VACUUMED_EVERY == 0:
            self._vacuum()
        untouched = self._untouched()
        present = set(self._connection.execute(self._filled).scalars()) - untouched
        guarded = [name for name in self._guarded if name in present]
        steps = [f'ALTER TABLE "{name}" DISABLE TRIGGER USER' for name in guarded]
        steps += [f'DELETE FROM "{name}"' for name in self._names if name in present]
        steps += [
            f'INSERT INTO "{name}" OVERRIDING SYSTEM VALUE SELECT * FROM pristine."{name}"'
            for name in self._pristine
            if name not in untouched
        ]
        steps += [f'ALTER TABLE "{name}" ENABLE TRIGGER USER' for name in guarded]
        if steps:
            self._connection.exec_driver_sql("; ".join(steps))
            self._left = self._marks()
        self._connection.commit()

    def _vacuum(self) -> None:
        """Autovacuum comes too late: rows of tests that are over made every statement several times as slow."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            names = connection.execute(text(_LITTERED)).scalars().all()
            if names:
                connection.exec_driver_sql("VACUUM " + ", ".join(f'"{name}"' for name in names))

    def _untouched(self) -> set[str]:
        """Of the tables that a fresh system has rows in, those with the very rows that the last reset left."""
        marks = self._marks()
        untouched = {name for name in marks if marks[name] == self._left.get(name)}
        # Where foreign keys hold, what refers to a row must go before it.
        return untouched if self._superuser or len(untouched) == len(marks) else set()

    def _marks(self) -> dict[str, Any]:
        """A row that was written has a newer `xmin`; one that went is not counted."""
        return {name: (count, newest) for name, count, newest in self._connection.execute(self._rows_of)}

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


_VACUUMED_EVERY: Final = 25
_LITTERED: Final = "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public' AND n_dead_tup > 100"
_GUARDED: Final = (
    "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype::int & 8 <> 0"
)


@pytest.fixture(scope="session")
def cleaner(worker_database_url: str) -> Iterator[Cleaner]:
    url = make_url(worker_database_url)
    if "HELPDESK_TEST_DATABASE_URL" not in os.environ:
        url = url.set(username=SUPERUSER)
    with contextlib.closing(Cleaner(url.render_as_string(hide_password=False))) as made:
        yield made


@pytest.fixture
def database_url(worker_database_url: str, cleaner: Cleaner) -> str:
    """A fresh system's database."""
    cleaner.reset()
    forget_versions()
    forget_policies()
    forget_limits()
    forget_rules()
    forget_taxonomy()
    forget_triggers()
    forget_tariffs()
    forget_playbooks()
    return worker_database_url


@pytest.fixture(scope="session")
def own_database_url(server_url: str) -> Iterator[str]:
    """A database for whole systems, apart from the other tests': processes hold connections to it."""
    with _empty_database(server_url, f"helpdesk_system_{os.getpid()}") as url:
        yield url


@pytest.fixture
def new_database_url(server_url: str) -> Iterator[str]:
    """The same, of this test alone: what other systems have left there (a provider that is asked first) changes what it does."""
    with _empty_database(server_url, f"helpdesk_new_{os.getpid()}") as url:
        yield url


@contextlib.contextmanager
def _empty_database(server_url: str, name: str) -> Iterator[str]:
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    given = os.environ.get("HELPDESK_TEST_REDIS_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="hd") as folder:
        server = EmbeddedRedis(Path(folder) / "redis")
        yield server.start()
        server.stop()


@pytest.fixture
def redis_url(redis_server_url: str) -> Iterator[str]:
    """Redis, empty."""
    with contextlib.closing(redis.Redis.from_url(redis_server_url)) as connection:
        connection.flushall()
        yield redis_server_url
        connection.flushall()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """A server that speaks S3, with a bucket."""
    with s3.running() as address:
        yield address


@pytest.fixture(scope="session")
def worker_settings(worker_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        database_url=worker_database_url,
        data_dir=tmp_path_factory.mktemp("data"),
        secret_key=SIGNING_KEY,
        admin_token=_ADMIN_TOKEN,
        public_url="http://helpdesk.test",
        oidc_insecure=True,  # providers that tests run are on this machine
        private_addresses=True,  # of remedies too
        limits=False,
    )


@pytest.fixture
def settings(worker_settings: Settings, database_url: str) -> Settings:
    """No Redis: what a test does not ask for is not there. Ask for `redis_url`, `replace` it in and `assemble`."""
    return worker_settings


@pytest.fixture(scope="session")
def worker_program(worker_settings: Settings) -> Iterator[Program]:
    program = assemble(worker_settings)
    program.database.mails = True  # it can be said that mail goes out, though none does
    yield program
    program.engine.dispose()


@pytest.fixture
def program(worker_program: Program, database_url: str) -> Program:
    """A fresh system, with an empty store of files too."""
    for path in (worker_program.settings.data_dir / "files").rglob("*"):
        if path.is_file():
            path.unlink()
    return worker_program


@pytest.fixture
def engine(program: Program) -> Engine:
    return program.engine


@pytest.fixture
def database(program: Program) -> Database:
    return program.database


@pytest.fixture(scope="session")
def worker_app(worker_program: Program) -> Flask:
    app = create_app(program=worker_program)
    app.testing = True
    return app


@pytest.fixture
def app(worker_app: Flask, database_url: str) -> Flask:
    return worker_app


class Caller:
    """An agent with a token: `caller.post(path, json)`, answers as they are."""

    def __init__(self, client: FlaskClient, actor: Actor | None, token: str | None) -> None:
        self.client = client
        self._actor = actor
        self.token = token
        self._keys = itertools.count(1)

    @property
    def actor(self) -> Actor:
        if self._actor is None:
            raise AssertionError("the anonymous caller is no actor")
        return self._actor

    @property
    def id(self) -> UUID:
        if self.actor.id is None:
            raise AssertionError("this actor has no id")
        return self.actor.id

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | more

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(_full(path), headers=self._headers(_dashed(headers)))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("POST", path, body, headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self._send("PATCH", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self._send("DELETE", path, None, headers)

    def put(self, path: str, body: Any, **headers: str) -> Any:
        return self._send("PUT", path, body, headers)

    def pay(self, path: str, body: Any = None, **headers: str) -> Any:
        """A POST with a fresh Idempotency-Key, as everything that moves money needs, on whatever version there is."""
        key = f"key-{id(self)}-{next(self._keys)}"
        return self.post(path, body, **({"idempotency_key": key, "if_match": "*"} | headers))

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        extra = {} if body is None else {"json": body}
        return self.client.open(_full(path), method=method, headers=self._headers(_dashed(headers)), **extra)


def _full(path: str) -> str:
    return path if path.startswith(("/health", "/metrics", "/problems", "/docs", "/api/")) else f"/api/v1{path}"


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


Join = Callable[..., Caller]


@pytest.fixture
def team(database: Database) -> UUID:
    return make_team(database, "Complaints")


def make_team(database: Database, name: str) -> UUID:
    team_id = new_id()
    with database.unit_of_work(SYSTEM) as uow:
        uow.session.add(Team(id=team_id, name=name, version=1))
    return team_id


@pytest.fixture
def join(app: Flask, database: Database, team: UUID) -> Join:
    """`join("manager")`: a new agent of that role in the team, with a token; `join("agent", team_ids=[...])`."""

    def make(role: str = "agent", *, team_ids: list[UUID] | None = None, name: str | None = None) -> Caller:
        return make_agent(app, database, role, [team] if team_ids is None else team_ids, name)

    return make


def make_agent(app: Flask, database: Database, role: str, team_ids: list[UUID], name: str | None = None) -> Caller:
    number = next(_names)
    agent_id, token = new_id(), new_token()
    shown = name or f"{role.capitalize()} {number}"
    with database.unit_of_work(SYSTEM) as uow:
        uow.session.add(
            Agent(id=agent_id, email=f"{role}{number}@example.com", name=shown, role=role, active=True, version=1)
        )
        uow.session.flush()  # what follows refers to it
        uow.session.add_all(TeamMember(team_id=team_id, agent_id=agent_id) for team_id in team_ids)
        uow.session.add(Token(id=new_id(), agent_id=agent_id, name="test", hash=token_hash(token)))
        rights = rights_of_role(uow.session, role)
    if rights is None:
        raise AssertionError(f"there is no role {role}")
    return Caller(app.test_client(), agent_actor(agent_id, shown, role, rights, tuple(team_ids)), token)


@pytest.fixture
def agent(join: Join) -> Caller:
    return join("agent")


@pytest.fixture
def senior(join: Join) -> Caller:
    return join("senior")


@pytest.fixture
def manager(join: Join) -> Caller:
    return join("manager")


@pytest.fixture
def admin(join: Join) -> Caller:
    return join("admin")


@pytest.fixture
def anonymous(app: Flask) -> Caller:
    return Caller(app.test_client(), None, None)


def complaint_body(**more: Any) -> dict[str, Any]:
    return {
        "channel": "EMAIL",
        "subject": "Parcel a week late",
        "description": "My parcel was promised for Monday and came on Friday.",
        "complainant": {"name": "Li Wei", "email": "li.wei@example.com", "language": "en"},
        "issues": [{"category": "DEL", "issue": "DEL.LATE"}],
        "price": {"amount": "200.00", "currency": "EUR"},
    } | more


@pytest.fixture
def complaint(agent: Caller, team: UUID) -> dict[str, Any]:
    """A complaint just received by the team."""
    answer = agent.post("/complaints", complaint_body(team_id=str(team)))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


class Statements:
    """Counts statements sent to the server while it is listened to; BEGIN and COMMIT are not statements."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __len__(self) -> int:
        return len(self.seen)


@pytest.fixture
def statements(engine: Engine, database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Without the looks that a process takes at most once a second, at what it keeps a copy of: chance would count them."""
    monkeypatch.setattr(in_force, "LOOKED_FOR_AGAIN", 3600.0)
    with database.reader():
        pass

    @contextlib.contextmanager
    def counting() -> Iterator[Statements]:
        counted = Statements()

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            counted.seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield counted
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return counting
