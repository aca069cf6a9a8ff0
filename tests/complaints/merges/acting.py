"""Acts on complaints that are merged, and what is mailed of it."""

from typing import Any

from sqlalchemy import Engine, text

from tests.complaints.merging import (
    path_of,
)
from tests.complaints.steps import GOOD
from tests.conftest import Caller

Complaint = dict[str, Any]

NA = {"name": "Li Na", "email": "li.na@example.com", "language": "zh-CN"}


def act(caller: Caller, complaint: Complaint, action: str, *, expect: int = 200, **more: Any) -> Any:
    answer = caller.post(f"{path_of(complaint)}/actions/{action}", GOOD[action] | more)
    assert answer.status_code == expect, answer.text
    return answer.json


def mails(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT recipient, subject FROM outbound_mail ORDER BY id"))
        return [(row.recipient, row.subject) for row in rows]


def same(one: dict[str, list[dict[str, Any]]], other: dict[str, list[dict[str, Any]]]) -> bool:
    """But for the clocks, of which `test_joining` tells."""
    return {name: rows for name, rows in one.items() if name != "sla_clock"} == {
        name: rows for name, rows in other.items() if name != "sla_clock"
    }
