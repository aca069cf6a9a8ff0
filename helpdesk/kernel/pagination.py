"""Keyset pages: the next page begins after the last row's sort key, so a list never skips or repeats what stood still.

A cursor is opaque and carries no rights. It holds the sort key of the last row and a fingerprint of the filters and the
order, and a keyed checksum; with other filters it is refused (400), because a page of one list continued in another
would be wrong without anybody noticing.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Integer, Result, Select, bindparam, func, literal, select, tuple_
from sqlalchemy.orm import Session

from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import CursorMismatch

AnySelect = Select[*tuple[Any, ...]]
"""A select of whatever columns."""

MAX_LIMIT = 200
DEFAULT_LIMIT = 25

_PARSERS: dict[type, Callable[[Any], Any]] = {
    datetime: parse_rfc3339,
    UUID: UUID,
    int: int,
    str: str,
}


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A stable order. The last column is unique; all go in one direction, so that one row comparison does."""

    columns: Sequence[Any]
    kinds: Sequence[type]
    descending: bool = False

    def apply(self, statement: AnySelect) -> AnySelect:
        return statement.order_by(*((column.desc() if self.descending else column.asc()) for column in self.columns))

    def after(self, values: Sequence[Any]) -> ColumnElement[bool]:
        return self._after(literal(value, column.type) for value, column in zip(values, self.columns, strict=True))

    @property
    def after_named(self) -> ColumnElement[bool]:
        """`after`, its values to be given as the parameters `after_0`, `after_1` ..."""
        return self._after(bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(self.columns))

    def _after(self, right: Iterable[ColumnElement[Any]]) -> ColumnElement[bool]:
        left, last = tuple_(*self.columns), tuple_(*right)
        return left < last if self.descending else left > last


ROWS: Final = bindparam("rows_of_page", type_=Integer)
"""How many rows a page asks for, and one more."""


@lru_cache(maxsize=1000)
def _narrowed(statement: AnySelect, order: Order, going_on: bool) -> AnySelect:
    if going_on:
        statement = statement.where(order.after_named)
    return order.apply(statement).limit(ROWS)


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are; at least so many where it is not `exact`: counting stopped there."""

    number: int
    exact: bool = True

    @classmethod
    def up_to(cls, most: int, found: int) -> "Count":
        """`found`: of `most` and one more, which tells whether there are more."""
        return cls(min(found, most), found <= most)


Listed = tuple[Sequence[Any], str | None, int | Count | None]
"""What a list answers: rows, next cursor (None at the end), total (None where nobody asked)."""


def listed(session: Session, page: "Page", statement: AnySelect, order: Order, given: Mapping[str, Any]) -> Listed:
    """One page of a statement whose columns are named as those of `order`; the rows are mappings. The total only with
    `count` in the list's loaded query `given`, since counting reads every row that matches.
    """
    rows = session.execute(page.narrow(statement, order)).mappings().all()
    shown, cursor = page.cut(rows, lambda row: [row[column.key] for column in order.columns])
    total = None
    if given.get("count"):
        total = session.execute(select(func.count()).select_from(statement.subquery())).scalar_one()
    return shown, cursor, total


@dataclass(frozen=True, slots=True)
class Page:
    """What a list is asked for. `fingerprint` tells one list (filters, order) from another."""

    limit: int
    cursor: str | None
    fingerprint: str
    key: bytes

    @classmethod
    def of(cls, query: dict[str, Any], key: str) -> "Page":
        """From a list's loaded query; everything in it but `limit`, `cursor` and `count` is part of the fingerprint."""
        rest = {name: value for name, value in query.items() if name not in {"limit", "cursor", "count"}}
        text = orjson.dumps(rest, option=orjson.OPT_SORT_KEYS, default=str)
        return cls(
            query.get("limit", DEFAULT_LIMIT),
            query.get("cursor"),
            hashlib.sha256(text).hexdigest()[:12],
            key.encode(),
        )

    def within(self, what: str) -> "Page":
        """Of a list that depends on something beside its query (a saved view): of another `what` it is another list."""
        return replace(self, fingerprint=hashlib.sha256(f"{self.fingerprint} {what}".encode()).hexdigest()[:12])

    def narrow(self, statement: AnySelect, order: Order) -> AnySelect:
        """Order the statement, begin after the cursor, and ask for one row more than the page to know if it goes on."""
        if self.cursor is not None:
            statement = statement.where(order.after(self._decode(order)))
        return order.apply(statement).limit(self.limit + 1)

    def run(self, session: Session, statement: AnySelect, order: Order, values: Mapping[str, Any]) -> Result[Any]:
        """`narrow` and execute, for a statement and an order that the caller keeps: what is made of them is kept too."""
        return self.run_within(session, lambda going_on: _narrowed(statement, order, going_on), order, values)

    def run_within(
        self, session: Session, narrowed: Callable[[bool], AnySelect], order: Order, values: Mapping[str, Any]
    ) -> Result[Any]:
        """`run`, for a statement in which the place to begin after and `ROWS` stand deeper than at its end. `narrowed`: gives it,
        kept, for a page that goes on, or for the first.
        """
        last = self._decode(order) if self.cursor is not None else []
        after = {f"after_{place}": value for place, value in enumerate(last)}
        return session.execute(narrowed(bool(after)), {**values, **after, "rows_of_page": self.limit + 1})

    def holds(self, order: Order) -> bool:
        """Whether the cursor is a place in this order, for a list that has two. Raises `CursorMismatch`."""
        return len(self._opened()) == len(order.kinds)

    def position(self, order: Order) -> list[Any] | None:
        """The sort key after which the page begins, for who cuts it out of rows at hand; None: at the beginning."""
        return None if self.cursor is None else self._decode(order)

    def cut(self, rows: Sequence[Any], key_of: Callable[[Any], Sequence[Any]]) -> tuple[Sequence[Any], str | None]:
        """The page's rows and the next cursor, None at the end."""
        if len(rows) <= self.limit:
            return rows, None
        page = rows[: self.limit]
        return page, self._encode(key_of(page[-1]))

    def _encode(self, values: Sequence[Any]) -> str:
        body = orjson.dumps([self.fingerprint, *values])
        return base64.urlsafe_b64encode(self._checksum(body) + body).decode().rstrip("=")

    def _decode(self, order: Order) -> list[Any]:
        values = self._opened()
        try:
            return [_PARSERS[kind](value) for kind, value in zip(order.kinds, values, strict=True)]
        except (ValueError, TypeError, AttributeError) as error:
            raise CursorMismatch("This is not a cursor that we gave out.") from error

    def _opened(self) -> list[Any]:
        cursor = self.cursor or ""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            checksum, body = raw[:8], raw[8:]
            if not hmac.compare_digest(checksum, self._checksum(body)):
                raise CursorMismatch("This is not a cursor that we gave out.")
            fingerprint, *found = orjson.loads(body)
            values: list[Any] = found
            if fingerprint != self.fingerprint:
                raise CursorMismatch
        except (ValueError, TypeError, AttributeError) as error:
            raise CursorMismatch("This is not a cursor that we gave out.") from error
        return values

    def _checksum(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=8, key=self.key[:64]).digest()
