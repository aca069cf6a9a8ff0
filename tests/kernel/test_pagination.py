"""Keyset pages.

How it can fail: a row is skipped or shown twice, with ties in the sort key or with rows coming in meanwhile; a cursor
is followed in another list; a cursor that somebody bent is a 500.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from helpdesk.customers.models import Customer
from helpdesk.kernel.errors import CursorMismatch
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.pagination import DEFAULT_LIMIT, Order, Page
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, complaint_body

KEY = "a key"
START = datetime(2026, 1, 1, tzinfo=UTC)
BY_TIME = Order((Customer.created_at, Customer.id), (datetime, UUID))
BY_TIME_DOWN = Order((Customer.created_at, Customer.id), (datetime, UUID), descending=True)


def page_of(limit: int, cursor: str | None = None, **more: Any) -> Page:
    return Page.of({"limit": limit, "cursor": cursor} | more, KEY)


def fill(engine: Engine, ticks: list[int]) -> list[tuple[datetime, UUID]]:
    """Customers made at these ticks; several at one tick are ties."""
    rows = [(START + timedelta(microseconds=tick), new_id()) for tick in ticks]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM customer"))
        add(connection, rows)
    return rows


def add(connection: Any, rows: list[tuple[datetime, UUID]]) -> None:
    if rows:
        connection.execute(
            text("INSERT INTO customer (id, kind, tier, created_at) VALUES (:id, 'person', 'small', :at)"),
            [{"id": row_id, "at": at} for at, row_id in rows],
        )


def turn(
    database: Database, order: Order, limit: int, cursor: str | None
) -> tuple[list[tuple[datetime, UUID]], str | None]:
    with database.reader() as session:
        page = page_of(limit, cursor)
        rows = session.execute(page.narrow(select(Customer.created_at, Customer.id), order)).all()
        shown, following = page.cut(rows, lambda row: (row.created_at, row.id))
    return [(row.created_at, row.id) for row in shown], following


def walk(database: Database, order: Order, limit: int) -> list[tuple[datetime, UUID]]:
    found: list[tuple[datetime, UUID]] = []
    cursor: str | None = None
    while True:
        rows, cursor = turn(database, order, limit, cursor)
        assert len(rows) <= limit
        found += rows
        if cursor is None:
            return found


class TestWalk:
    def test_every_row_once_whatever_the_page(self, database: Database, engine: Engine) -> None:
        @given(st.lists(st.integers(0, 6), max_size=14), st.integers(1, 15))
        @settings(max_examples=40)
        def check(ticks: list[int], limit: int) -> None:
            rows = fill(engine, ticks)
            assert walk(database, BY_TIME, limit) == sorted(rows)
            assert walk(database, BY_TIME_DOWN, limit) == sorted(rows, reverse=True)

        check()

    def test_rows_that_come_meanwhile(self, database: Database, engine: Engine) -> None:
        """What stood still comes exactly once. What came before the cursor does not come; what came after it does."""

        @given(
            st.lists(st.integers(0, 9), min_size=1, max_size=10),
            st.lists(st.integers(0, 9), max_size=10),
            st.integers(1, 4),
        )
        @settings(max_examples=40)
        def check(ticks: list[int], later: list[int], limit: int) -> None:
            stood = fill(engine, ticks)
            coming = [(START + timedelta(microseconds=tick), new_id()) for tick in later]
            found, cursor = turn(database, BY_TIME, limit, None)
            mark = found[-1]
            with engine.begin() as connection:
                add(connection, coming)
            while cursor is not None:
                rows, cursor = turn(database, BY_TIME, limit, cursor)
                found += rows
            assert len(found) == len(set(found))
            assert set(stood) <= set(found)
            if len(stood) > limit:  # else the first page was the last
                assert set(found) == set(stood) | {row for row in coming if row > mark}
            assert found == sorted(found)

        check()

    def test_rows_that_go_meanwhile(self, database: Database, engine: Engine) -> None:
        """Also the very row that the cursor stands on."""
        rows = sorted(fill(engine, [0, 0, 1, 2, 2, 3]))
        found, cursor = turn(database, BY_TIME, 2, None)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM customer WHERE id = ANY(:ids)"), {"ids": [rows[1][1], rows[2][1]]})
        rest, _ = turn(database, BY_TIME, 10, cursor)
        assert (found, rest) == (rows[:2], rows[3:])

    def test_default(self) -> None:
        assert Page.of({}, KEY).limit == DEFAULT_LIMIT


class TestCursor:
    VALUES = (START, UUID(int=7))

    def _cursor(self) -> str:
        return page_of(5)._encode(self.VALUES)

    def test_round_trip(self) -> None:
        assert page_of(9, self._cursor(), count=True)._decode(BY_TIME) == list(self.VALUES)

    def test_every_flipped_bit(self) -> None:
        """Of the raw bytes: each is noticed."""
        cursor = self._cursor()
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        for place in range(len(raw) * 8):
            bent = bytearray(raw)
            bent[place // 8] ^= 1 << place % 8
            text_of = base64.urlsafe_b64encode(bent).decode().rstrip("=")
            with pytest.raises(CursorMismatch):
                page_of(5, text_of)._decode(BY_TIME)

    @given(st.text(max_size=60) | st.text("abcXYZ019-_=", max_size=60))
    def test_any_text(self, given_text: str) -> None:
        with pytest.raises(CursorMismatch):
            page_of(5, given_text)._decode(BY_TIME)

    @pytest.mark.parametrize(
        "more", [{"status": "x"}, {"team_id": UUID(int=1)}, {"at": START}, {"ref": ["a"]}, {"/": "/x"}]
    )
    def test_of_another_question(self, more: dict[str, Any]) -> None:
        with pytest.raises(CursorMismatch):
            page_of(5, self._cursor(), **more)._decode(BY_TIME)

    def test_of_another_key(self) -> None:
        with pytest.raises(CursorMismatch):
            Page.of({"limit": 5, "cursor": self._cursor()}, "another key")._decode(BY_TIME)

    def test_of_another_order(self) -> None:
        """Ours, but from before the order of this list was changed."""
        for kinds in ((UUID, datetime), (int, UUID), (datetime,), (datetime, UUID, int)):
            order = Order(BY_TIME.columns, kinds)
            with pytest.raises(CursorMismatch):
                page_of(5, self._cursor())._decode(order)

    def test_our_own_nonsense(self) -> None:
        """Well signed, but not what we would write."""
        page = page_of(5)
        nonsense: list[Any] = [
            [],
            [page.fingerprint],
            [page.fingerprint, None, None],
            {},
            "x",
            [page.fingerprint, {}, []],
        ]
        for body in nonsense:
            raw = orjson.dumps(body)
            cursor = base64.urlsafe_b64encode(page._checksum(raw) + raw).decode()
            with pytest.raises(CursorMismatch):
                page_of(5, cursor)._decode(BY_TIME)


class TestThroughHttp:
    def test_cursor_of_another_list(self, admin: Caller) -> None:
        """Lists without filters, all in the order of ids: what is a cursor in one is none in another."""
        shown = [admin.post("/complaints", complaint_body()).json for _ in range(2)]
        for _ in range(2):
            admin.post("/customers", {"name": "x"})
            admin.post("/tokens", {"name": "x"})
            admin.post("/teams", {"name": f"Team {new_id()}"})
            admin.post("/agents", {"name": "x", "email": f"{new_id()}@x.example", "role": "agent"})
            for one in shown:
                path = f"/complaints/{one['reference']}/messages"
                admin.post(path, {"kind": "internal_note", "body": "x"})
        lists = ["/customers", "/tokens", "/teams", "/agents", "/complaints"]
        lists += [f"/complaints/{one['reference']}/{part}" for one in shown for part in ("messages", "timeline")]
        cursors = {path: admin.get(f"{path}?limit=1").json["next_cursor"] for path in lists}
        assert None not in cursors.values()
        for path in lists:
            for source, cursor in cursors.items():
                answer = admin.get(f"{path}?limit=1&cursor={cursor}")
                assert answer.status_code == (200 if source == path else 400), (source, path, answer.text)

    def test_bent_cursors(self, admin: Caller) -> None:
        for _ in range(3):
            admin.post("/customers", {"name": "x"})
        first = admin.get("/customers?limit=1").json
        following = admin.get(f"/customers?limit=1&cursor={first['next_cursor']}").json
        cursor = first["next_cursor"]
        for place in range(len(cursor)):
            bent = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            answer = admin.get(f"/customers?limit=1&cursor={bent}")
            # The last character carries bits that stand for nothing: such a cursor is the same cursor.
            assert answer.status_code == 400 or (place == len(cursor) - 1 and answer.json == following), place
        for bent in ("x", "%00", "%FF", "é", "A" * 2000, f"{cursor}{cursor}", cursor[:-4], "====", "..", "🎁"):
            assert admin.get(f"/customers?limit=1&cursor={bent}").status_code == 400, bent
        assert admin.get(f"/customers?cursor={'A' * 2001}").status_code == 422
