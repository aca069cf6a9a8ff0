"""Rows written by the hundred: one statement per table, in the order of the foreign keys.

Use it for rows that are born and not looked at again in the same unit of work (events, clocks, an import). For a row
that a person is changing, use the session. Few rows go as one pipelined INSERT, many as COPY, which spares the
parameters; both take plain dictionaries, every row of a table with the same keys. COPY's text is written here, a column
at a time: adapting a million values one by one was the largest part of an import.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson
from psycopg import sql
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Insert,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
    Uuid,
    insert,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Session

COPY_FROM = 20
"""From this many rows on, COPY is faster than INSERT (measured)."""


def write_rows(session: Session, rows: Mapping[Table, Sequence[Mapping[str, Any]]]) -> None:
    if not rows:
        return
    connection = session.connection()
    for table in sorted(rows, key=_order):
        batch = rows[table]
        if not batch:
            continue
        if len(batch) < COPY_FROM:
            connection.execute(_insertion(table), list(batch))
        else:
            _copy(session, table, batch)


@cache
def _insertion(table: Table) -> Insert:
    """Kept: SQLAlchemy then need not find out each time that it has seen the statement before."""
    return insert(table)


_positions: dict[int, dict[Table, int]] = {}


def _order(table: Table) -> int:
    """The table's place among all, referenced ones first. Computed once per metadata: it walks every foreign key."""
    known = _positions.setdefault(id(table.metadata), {})
    if table not in known:
        known.update({item: place for place, item in enumerate(table.metadata.sorted_tables)})
    return known[table]


def _copy(session: Session, table: Table, batch: Sequence[Mapping[str, Any]]) -> None:
    names = list(batch[0])
    columns = sql.SQL(", ").join(sql.Identifier(table.c[name].name) for name in names)
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver = session.connection().connection.driver_connection
    if driver is None:
        raise RuntimeError("the session has no connection")
    text = _copy_text(table, names, batch)
    with driver.cursor() as cursor, cursor.copy(command) as copy:
        copy.write(text)


def _copy_text(table: Table, names: Sequence[str], batch: Sequence[Mapping[str, Any]]) -> str:
    r"""Rows in COPY's text format: a line each, tabs between values, `\N` for None."""
    columns = [_column_text(table.c[name].type, [row[name] for row in batch]) for name in names]
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def _column_text(kind: Any, values: Sequence[Any]) -> Sequence[str]:
    write = _writer(kind)
    if isinstance(kind, _REPEATING):
        written = {value: write(value) for value in set(values) if value is not None}
        written[None] = _NULL
        return [written[value] for value in values]
    return [_NULL if value is None else write(value) for value in values]


_REPEATING: Final = (String, DateTime, Boolean, Integer)
"""Most columns of these kinds hold few different values in one batch, and each is written once."""

_NULL: Final = r"\N"
_SPECIAL = re.compile(r"[\\\n\r\t]")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def _array(texts: Sequence[str]) -> str:
    """Texts as PostgreSQL writes an array of them: quoted, so that no comma, brace or NULL in one means anything."""
    quoted = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


_WRITERS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (Uuid, lambda value: value.hex),
    (DateTime, lambda value: value.isoformat()),
    (Boolean, lambda value: "t" if value else "f"),
    (BigInteger, str),
    (Integer, str),
    (LargeBinary, lambda value: r"\\x" + value.hex()),
    (Numeric, str),
    (JSONB, lambda value: _escaped(orjson.dumps(value).decode())),
    (ARRAY, lambda value: _escaped(_array(value))),
    (TSVECTOR, _escaped),
    (String, _escaped),
)


def _writer(kind: Any) -> Callable[[Any], str]:
    for known, write in _WRITERS:
        if isinstance(kind, known):
            return write
    raise TypeError(f"no COPY text for {type(kind).__name__}; write fewer than {COPY_FROM} rows, or add it here")
