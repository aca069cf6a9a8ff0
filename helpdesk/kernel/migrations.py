"""Bringing the schema to the program's version. Several processes may try at once; one does it, the others wait.

Alembic is imported where it is used: it is a quarter of the program's start-up time, and most processes never migrate.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

_LOCK = 0x48444D47


def _config() -> Any:
    from alembic.config import Config  # noqa: PLC0415  # see the module

    here = Path(__file__).resolve().parent.parent
    packed, beside = here / "_migrations", here.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(packed if packed.exists() else beside).replace("%", "%%"))
    return config


@lru_cache(maxsize=1)
def head() -> str | None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # see the module

    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(engine: Engine) -> None:
    """To the newest version. The advisory lock is held on one connection while the migrations run on it."""
    from alembic import command  # noqa: PLC0415  # see the module

    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = 0"))  # to wait for another who migrates is the point
        connection.execute(text("SELECT pg_advisory_lock(:lock)").bindparams(lock=_LOCK))
        connection.commit()
        try:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)").bindparams(lock=_LOCK))
            connection.commit()
