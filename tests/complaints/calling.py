"""Complaints over HTTP, and what answers say: for tests."""

from typing import Any, Final

from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.steps import GOOD
from tests.conftest import Caller, complaint_body

SEES_ALL: Final = {"manager", "director", "admin", "auditor"}
LIFE: Final = [
    ("acknowledge", "received"),
    ("triage", "received"),
    ("ask_customer", "received"),
    ("ask_third_party", "received"),
    ("resume", "received"),
    ("investigate", "received"),
    ("resolve", "investigated"),
    ("resolve_on_the_spot", "received"),
    ("follow_up", "resolved"),
    ("reopen", "resolved"),
    ("withdraw", "received"),
    ("dismiss", "received"),
    ("convert", "investigated"),
    ("set_severity", "received"),
    ("escalate", "received"),
    ("de_escalate", "received"),
    ("refer_externally", "received"),
]


def new(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def as_read(taken: dict[str, Any]) -> dict[str, Any]:
    """A complaint as it is read again: without what is said only once."""
    return {name: value for name, value in taken.items() if name not in {"tracking_secret", "possible_duplicates"}}


def at(shown: dict[str, Any], *more: str) -> str:
    return "/".join(("/complaints", shown["reference"], *more))


def done(caller: Caller, shown: dict[str, Any], *actions: str) -> dict[str, Any]:
    """The complaint after these actions."""
    for action in actions:
        answer = caller.post(at(shown, "actions", action), GOOD[action])
        assert answer.status_code == 200, answer.text
        shown = answer.json
    return dict(shown)


def everything(caller: Caller, path: str, **query: Any) -> list[dict[str, Any]]:
    """All rows of a list, page after page."""
    found: list[dict[str, Any]] = []
    asked = {"limit": 3} | query
    while True:
        answer = caller.get(f"{path}?{'&'.join(f'{name}={value}' for name, value in asked.items())}")
        assert answer.status_code == 200, answer.text
        found += answer.json["items"]
        if answer.json["next_cursor"] is None:
            assert "Link" not in answer.headers
            return found
        asked["cursor"] = answer.json["next_cursor"]


def problems(answer: Any) -> dict[str, str]:
    """The code of each bad field, by its pointer."""
    assert answer.status_code == 422, answer.text
    assert answer.json["code"] == "validation_failed"
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


def database_rows(database: Database) -> list[str]:
    with database.reader() as session:
        return [
            str(row)
            for name in ("complaint", "complaint_message", "complaint_transition", "event")
            for row in session.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1"))
        ]
