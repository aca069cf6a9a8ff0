"""The database: metadata with a naming convention, column types, and the engine.

Tables state their promises as constraints, and the convention gives each a name that an error can be read by. An
engine is made per process and thrown away in a forked child: two processes on one socket work until both talk at once.
"""

import os
import weakref
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, DateTime, Engine, MetaData, Table, create_engine, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from helpdesk.kernel.ids import new_id

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
Minor = Annotated[int, mapped_column(BigInteger)]
"""An amount of money in minor units; its currency stands in a column beside it."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    __table__: ClassVar[Table]


class Xid8(UserDefinedType[int]):
    """A 64-bit transaction id. It travels as text; compare and sort it in SQL only, where it is a number."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Identified:
    """A UUIDv7 primary key made in Python, so that an id is known before the insert (and on PostgreSQL 15)."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class Versioned:
    """A row version for `ETag` and `If-Match`, counted up by the code that changes what a reader sees.

    It is not SQLAlchemy's `version_id_col`: that counts every UPDATE, and an agent would lose an edit (412) to an alarm
    that changed nothing they could see. Rows are locked before they are changed, so no update is lost.
    """

    version: Mapped[int] = mapped_column(default=1, server_default="1")

    def touch(self) -> None:
        self.version += 1

    @property
    def etag(self) -> str:
        return f"v{self.version}"


class Stamped:
    created_at: Mapped[Timestamp] = mapped_column(server_default=func.now())


def utc(value: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a naive datetime: a time without a zone is not an instant."""
    if value.tzinfo is None:
        raise ValueError("a time needs a zone")
    return value.astimezone(UTC)


def normalised_url(url: str) -> str:
    """Any spelling of a PostgreSQL address, as SQLAlchemy's for psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def make_engine(url: str, *, pool_size: int = 10, statement_timeout_ms: int = 15_000, name: str = "helpdesk") -> Engine:
    """An engine whose sessions give up instead of hanging.

    `idle_in_transaction_session_timeout` is what keeps the event feed moving: one forgotten transaction anywhere would
    hold its horizon back for ever. `random_page_cost`: PostgreSQL's own supposes a disk whose head moves, and then reads a
    whole table rather than a tenth of it by an index.
    """
    options = (
        f"-c statement_timeout={statement_timeout_ms} -c lock_timeout=5000 "
        "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC -c random_page_cost=1.1"
    )
    engine = create_engine(
        normalised_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args={"options": options, "connect_timeout": 5, "application_name": name},
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,  # errors end up in logs, and parameters are personal data
    )
    _engines.add(engine)
    return engine


def _abandon_connections_in_child() -> None:
    for engine in _engines:
        engine.dispose(close=False)  # the sockets belong to the parent; closing them here would end its sessions


os.register_at_fork(after_in_child=_abandon_connections_in_child)
