"""Bringing the schema to the program's version.

How it can fail: a second start migrates again and breaks; two processes migrate at once; the models say another thing
than the migrations.
"""

from collections.abc import Iterator
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

import helpdesk.tables
from helpdesk.kernel import migrations
from helpdesk.kernel.db import Base, make_engine
from helpdesk.kernel.ids import new_id
from tests.racing import at_once

assert helpdesk.tables.__name__  # imported for its effect: every table is then known to the metadata


@pytest.fixture
def empty(server_url: str) -> Iterator[Engine]:
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
