"""Rows written by COPY read back as they were given, whatever is in them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.integrations.models import ImportJob
from helpdesk.kernel import bulk
from helpdesk.kernel.idempotency import IdempotentAnswer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.outbox import Duty
from helpdesk.wiring import Program

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00")) | st.sampled_from(
    [r"\N", r"\.", "\\", "", "a\tb", "a\r\nb", r"\n", "\x0b\x08"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_TIMES = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001  # the zone is drawn beside
    datetime(2900, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
_DUTY = st.fixed_dictionaries(
    {
        "topic": _TEXT,
        "payload": st.dictionaries(_TEXT, _JSON, max_size=3),
        "last_error": st.none() | _TEXT,
        "attempts": st.integers(0, 2**31 - 1),
        "done_at": _TIMES,
        "dead_at": st.none() | _TIMES,
    }
)


def _rows(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Enough of them for COPY, each with ids of its own."""
    repeated = (drawn * bulk.COPY_FROM)[: max(bulk.COPY_FROM, len(drawn))]
    return [row | {"id": new_id(), "subject_id": new_id()} for row in repeated]


class TestCopy:
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(_DUTY, min_size=1, max_size=5))
    def test_text_json_times_and_numbers(self, program: Program, drawn: list[dict[str, Any]]) -> None:
        rows = _rows(drawn)
        with Session(program.engine) as session:
            bulk.write_rows(session, {Duty.__table__: rows})
            found = {row.id: row for row in session.scalars(select(Duty))}
            for row in rows:
                assert {name: getattr(found[row["id"]], name) for name in row} == row
            session.rollback()

    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(), st.binary())
    def test_bytes(self, program: Program, one: bytes, two: bytes) -> None:
        rows: list[dict[str, Any]] = [
            {"scope": one + bytes([place]), "fingerprint": two, "status": 200, "headers": {}, "body": one}
            for place in range(bulk.COPY_FROM)
        ]
        with Session(program.engine) as session:
            bulk.write_rows(session, {IdempotentAnswer.__table__: rows})
            found = {row.scope: row for row in session.scalars(select(IdempotentAnswer))}
            for row in rows:
                assert {name: getattr(found[row["scope"]], name) for name in row} == row
            session.rollback()

    def test_truth_values_and_large_numbers(self, program: Program) -> None:
        rows: list[dict[str, Any]] = [
            {"id": new_id(), "mapping": "m", "file_name": "f", "dry_run": place % 2 == 0, "size_bytes": 2**40 + place}
            for place in range(bulk.COPY_FROM)
        ]
        with Session(program.engine) as session:
            bulk.write_rows(session, {ImportJob.__table__: rows})
            found = {row.id: row for row in session.scalars(select(ImportJob))}
            assert [(found[row["id"]].dry_run, found[row["id"]].size_bytes) for row in rows] == [
                (row["dry_run"], row["size_bytes"]) for row in rows
            ]
            session.rollback()
