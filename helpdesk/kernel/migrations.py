"""Bringing the schema to the program's version. Several processes may try at once; one does it, the others wait.

Alembic is imported where it is used: it is a quarter of the program's start-up time, and most processes never migrate.
"""

import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from helpdesk.kernel.advisory import Alone

_LOCK: Final = Alone.MIGRATING.value
_PATIENCE = "5s"
_TRIES = 5
_PAUSE = 2.0
"""Seconds between two tries, in which whoever waited behind us goes on."""

_LOCK_NOT_AVAILABLE: Final = "55P03"
_HOLDERS: Final = text(
    "SELECT pid, application_name, extract(epoch FROM now() - xact_start)::int AS seconds FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND EXISTS "
    "(SELECT FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid AND locktype = 'relation' AND granted) "
    "ORDER BY xact_start LIMIT 5"
)


class MigrationBlocked(Exception):
    """Others hold what a migration has to change; the message names their sessions."""


def _config() -> Any:
    from alembic.config import Config  # noqa: PLC0415  # start-up time: see the module

    here = Path(__file__).resolve().parent.parent
    packed, beside = here / "_migrations", here.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(packed if packed.exists() else beside).replace("%", "%%"))
    return config


@lru_cache(maxsize=1)
def head() -> str | None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # start-up time: see the module

    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(engine: Engine) -> None:
    """To the newest version. The advisory lock is held on one connection while the migrations run on it.

    A migration that waits for a table keeps everybody waiting who comes after it, so it waits five seconds, lets them go,
    and tries again. Raises `MigrationBlocked` when that was in vain; what was done until then stays.
    """
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = 0"))  # to wait for another who migrates is the point
        connection.execute(text("SELECT pg_advisory_lock(:lock)").bindparams(lock=_LOCK))
        connection.commit()
        connection.execute(text(f"SET lock_timeout = '{_PATIENCE}'"))
        connection.commit()
        try:
            _persist(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)").bindparams(lock=_LOCK))
            connection.execute(text("RESET lock_timeout"))
            connection.commit()


def _persist(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # start-up time: see the module

    config = _config()
    config.attributes["connection"] = connection
    for left in reversed(range(_TRIES)):
        try:
            command.upgrade(config, "head")
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if not left:
                raise MigrationBlocked(_blocked(connection)) from error
            time.sleep(_PAUSE)
        else:
            return


def _blocked(connection: Connection) -> str:
    found = [
        f"session {row.pid} ({row.application_name or 'unnamed'}, for {row.seconds} s)"
        for row in connection.execute(_HOLDERS)
    ]
    connection.rollback()
    held = f"Held by a transaction of {', '.join(found)}." if found else "Whoever held it has just let go."
    return (
        f"A migration could not lock a table in {_TRIES} tries. {held} End it, or wait until it has ended; then run "
        "`helpdesk migrate` again."
    )
