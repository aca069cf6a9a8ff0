"""Rows written by the hundred: one statement per table, in the order of the foreign keys.

Use it for rows that are born and not looked at again in the same unit of work (events, clocks, an import). For a row
that a person is changing, use the session. Few rows go as one pipelined INSERT, many as COPY, which spares the
parameters; both take plain dictionaries, every row of a table with the same keys.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Table, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

COPY_FROM = 20
"""From this many rows on, COPY is faster than INSERT (measured)."""


def write_rows(session: Session, rows: Mapping[Table, Sequence[Mapping[str, Any]]]) -> None:
    for table in sorted(rows, key=_order):
        batch = rows[table]
        if not batch:
            continue
        if len(batch) < COPY_FROM:
            session.execute(insert(table), list(batch))
        else:
            _copy(session, table, batch)


_positions: dict[int, dict[Table, int]] = {}


def _order(table: Table) -> int:
    """The table's place among all, referenced ones first. Computed once per metadata: it walks every foreign key."""
    known = _positions.setdefault(id(table.metadata), {})
    if table not in known:
        known.update({item: place for place, item in enumerate(table.metadata.sorted_tables)})
    return known[table]


def _copy(session: Session, table: Table, batch: Sequence[Mapping[str, Any]]) -> None:
    names = list(batch[0])
    json_at = [place for place, name in enumerate(names) if isinstance(table.c[name].type, JSONB)]
    columns = sql.SQL(", ").join(sql.Identifier(table.c[name].name) for name in names)
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver = session.connection().connection.driver_connection
    if driver is None:
        raise RuntimeError("the session has no connection")
    with driver.cursor() as cursor, cursor.copy(command) as copy:
        for row in batch:
            values = [row[name] for name in names]
            for place in json_at:
                if values[place] is not None:
                    values[place] = Jsonb(values[place])
            copy.write_row(values)
