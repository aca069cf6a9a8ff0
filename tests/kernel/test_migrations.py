"""Bringing the schema to the program's version.

How it can fail: a second start migrates again and breaks; two processes migrate at once; the models say another thing
than the migrations; what is in the tables is counted wrongly, or is refused; a migration waits for a table without end,
and everybody behind it.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

import helpdesk.tables
from helpdesk.kernel import migrations
from helpdesk.kernel.db import Base, make_engine
from helpdesk.kernel.ids import new_id
from tests.racing import at_once

assert helpdesk.tables.__name__  # imported for its effect: every table is then known to the metadata


@contextlib.contextmanager
def empty_database(server_url: str) -> Iterator[Engine]:
    """A database without anything in it."""
    name = f"helpdesk_empty_{new_id().hex}"
    server = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = make_engine(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def empty(server_url: str) -> Iterator[Engine]:
    with empty_database(server_url) as engine:
        yield engine


def revision(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@pytest.mark.filterwarnings(
    "ignore:Did not recognize type 'xid8'"
)  # SQLAlchemy cannot reflect it; the rest is compared
def test_twice_and_the_models_agree(empty: Engine) -> None:
    migrations.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO team (id, name) VALUES (gen_random_uuid(), 'kept')"))
        epoch = connection.execute(text("SELECT epoch FROM event_log_epoch")).scalar_one()
    migrations.upgrade(empty)
    assert revision(empty) == [migrations.head()]
    with empty.connect() as connection:
        assert connection.execute(text("SELECT name FROM team")).scalar_one() == "kept"
        assert connection.execute(text("SELECT epoch FROM event_log_epoch")).scalar_one() == epoch
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert connection.execute(text(waiting)).scalar_one() == 0


def test_teams_that_differ_in_capitals_only_are_told_apart(empty: Engine) -> None:
    """The database let two requests at once make them."""
    config = migrations._config()
    with empty.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text("INSERT INTO team (id, name) VALUES (:a, 'Billing'), (:b, 'BILLING'), (:c, 'Care')"),
            {"a": UUID(int=1), "b": UUID(int=0xABCDEF), "c": UUID(int=3)},
        )
        connection.commit()
    migrations.upgrade(empty)
    with empty.connect() as connection:
        names = connection.execute(text('SELECT name FROM team ORDER BY name COLLATE "C"')).scalars().all()
    assert names == ["BILLING (abcdef)", "Billing", "Care"]


def test_replies_that_wait_can_be_sent_by_the_release_before(empty: Engine) -> None:
    migrations.upgrade(empty)
    config = migrations._config()
    with empty.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO outbound_mail (id, subject_id, reason, recipient, subject, body, completion) "
                "SELECT gen_random_uuid(), gen_random_uuid(), completion, 'a@x.example', 's', 'b', completion "
                "FROM unnest(ARRAY['reply', 'tracking']) AS completion"
            )
        )
        connection.commit()
        config.attributes["connection"] = connection
        command.downgrade(config, "0220_reopening")
        rows = connection.execute(text("SELECT reason, completion FROM outbound_mail")).all()
    assert {tuple(row) for row in rows} == {("reply", None), ("tracking", "tracking")}


ROWS = """
INSERT INTO budget (id, name, currency, starts_on, ends_on) VALUES (:budget, 'B', 'EUR', '2026-01-01', '2026-12-31');
INSERT INTO complaint (id, reference, status, channel, subject, description, received_at, updated_at, severity, waiting_on,
    escalation_level, stage, double_deviation, offers_live, remedies_undelivered, issue_count, transition_count, vulnerable,
    safety)
SELECT id, 'R-' || number, 'received', 'EMAIL', 's', 'd', now(), now(), 'S3', 'us', 0, '1', false, live, undelivered, 0, 0,
    false, false
FROM (VALUES (:offers, 1, 2, 1), (:reopened, 2, 0, 0), (:plain, 3, 0, 0)) AS given (id, number, live, undelivered);
INSERT INTO offer (id, complaint_id, kind, amount_minor, currency, status, reason, language, valid_days, budget_id,
    issued_reference, suggestion)
SELECT gen_random_uuid(), :offers, 'voucher', 1000, 'EUR', status, 'r', 'en', 30, budget, issued, '{}'
FROM (VALUES ('failed', :budget, NULL), ('issued', :budget, 'V-1'), ('drafted', NULL::uuid, NULL), ('declined', NULL, NULL))
    AS given (status, budget, issued);
INSERT INTO complaint_transition (id, complaint_id, number, action, from_status, to_status, actor_kind, at, given)
SELECT gen_random_uuid(), :reopened, number, action, 'received', 'received', 'system', now(), '{}'
FROM (VALUES (1, 'resolve'), (2, 'reopen'), (3, 'resolve'), (4, 'reopen')) AS given (number, action);
INSERT INTO sla_clock (id, complaint_id, kind, round, rule_id, target_amount, target_unit, pausable, state, started_at, due_at,
    stopped_at, generation)
SELECT gen_random_uuid(), complaint_id, kind, round, 'rule', 1, 'hours', true, state, now(), now(), stopped_at, 1
FROM (VALUES (:reopened, 'resolution', 1, 'met', now()), (:reopened, 'resolution', 2, 'running', NULL::timestamptz),
    (:plain, 'resolution', 1, 'running', NULL)) AS given (complaint_id, kind, round, state, stopped_at)
"""


def test_what_was_there_is_counted(empty: Engine) -> None:
    """Rows as the first version wrote them: offers in places that count, a complaint that was reopened twice."""
    config = migrations._config()
    ids = {name: UUID(int=number) for number, name in enumerate(("budget", "offers", "reopened", "plain"), 1)}
    with empty.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in ROWS.split(";"):
            named = re.sub(r"(?<!:):([a-z]+)\b", lambda found: f"'{ids[found[1]]}'::uuid", statement)
            connection.exec_driver_sql(named)
        connection.commit()
    migrations.upgrade(empty)
    with empty.connect() as connection:
        counted = connection.execute(
            text("SELECT offers_live, offers_approved, remedies_undelivered, reopened_count FROM complaint ORDER BY id")
        )
        assert [tuple(row) for row in counted] == [(3, 2, 2, 0), (0, 0, 0, 2), (0, 0, 0, 0)]
        rounds = connection.execute(text("SELECT complaint_id, state, round FROM sla_clock ORDER BY 1, 3"))
        assert [tuple(row) for row in rounds] == [
            (ids["reopened"], "met", 1),
            (ids["reopened"], "running", 3),
            (ids["plain"], "running", 1),
        ]
    for wrong in (
        "UPDATE complaint SET offers_approved = offers_live + 1",
        "UPDATE complaint SET remedies_undelivered = offers_live + 1",
        "UPDATE offer SET budget_id = NULL WHERE status = 'failed'",
    ):
        with empty.connect() as connection, pytest.raises(IntegrityError):
            connection.execute(text(wrong))


def test_a_table_that_somebody_holds(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration lets those behind it pass, tries again, and at last says who stands in the way."""
    monkeypatch.setattr(migrations, "_TRIES", 2)
    monkeypatch.setattr(migrations, "_PAUSE", 0)
    monkeypatch.setattr(migrations, "_PATIENCE", "50ms")
    config = migrations._config()
    with empty.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    with empty.connect() as holder:
        holder.execute(text("SELECT 1 FROM complaint"))
        pid = holder.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with pytest.raises(migrations.MigrationBlocked, match=rf"session {pid} \(helpdesk, for"):
            migrations.upgrade(empty)
        assert revision(empty) == ["0001"]
        migrating = threading.Timer(0.2, holder.rollback)
        monkeypatch.setattr(migrations, "_TRIES", 100)
        migrating.start()
        migrations.upgrade(empty)
        migrating.join()
    assert revision(empty) == [migrations.head()]
    with empty.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "5s"


def test_three_at_once(empty: Engine) -> None:
    """One does it, the others wait and find it done."""
    url = empty.url.render_as_string(hide_password=False)
    engines = [make_engine(url) for _ in range(3)]
    try:
        at_once(*(lambda engine=engine: migrations.upgrade(engine) for engine in engines))
    finally:
        for engine in engines:
            engine.dispose()
    assert revision(empty) == [migrations.head()]
    with empty.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM event_log_epoch")).scalar_one() == 1


def test_a_migration_that_fails_leaves_nothing(empty: Engine) -> None:
    """Something of that name is there already: the whole migration is taken back, the lock with it."""
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE sla_alarm (x int)"))
    with pytest.raises(Exception, match="sla_alarm"):
        migrations.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT to_regclass('complaint')")).scalar_one() is None
        connection.execute(text("DROP TABLE sla_alarm"))
    migrations.upgrade(empty)
    assert revision(empty) == [migrations.head()]
