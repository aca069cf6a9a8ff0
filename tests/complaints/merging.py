"""What the tests of merges share: two complaints, one merged into the other, and all that the database says of a complaint."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.conftest import Caller, complaint_body

REASON = "The same parcel, written about twice."


def new(caller: Caller, team: UUID | None = None, **more: Any) -> dict[str, Any]:
    if team is not None:
        more["team_id"] = str(team)
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def path_of(complaint: dict[str, Any]) -> str:
    return f"/complaints/{complaint['reference']}"


def read(caller: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    return dict(caller.get(path_of(complaint)).json)


def merge(caller: Caller, source: dict[str, Any], into: dict[str, Any], *, expect: int = 201, **more: Any) -> Any:
    headers = {name: more.pop(name) for name in ("if_match", "idempotency_key") if name in more}
    answer = caller.post(f"{path_of(source)}/merge", {"into": into["reference"], "reason": REASON, **more}, **headers)
    assert answer.status_code == expect, answer.text
    return answer.json


def unmerge(caller: Caller, source: dict[str, Any], *, expect: int = 200, **more: Any) -> Any:
    answer = caller.post(f"{path_of(source)}/unmerge", {"reason": "They were two parcels.", **more})
    assert answer.status_code == expect, answer.text
    return answer.json


def write(caller: Caller, complaint: dict[str, Any], kind: str, body: str, *, expect: int = 201) -> Any:
    answer = caller.post(f"{path_of(complaint)}/messages", {"kind": kind, "body": body})
    assert answer.status_code == expect, answer.text
    return answer.json


def thread(caller: Caller, complaint: dict[str, Any]) -> list[tuple[str, str]]:
    items = caller.get(f"{path_of(complaint)}/messages?limit=200").json["items"]
    return [(item["kind"], item["body"]) for item in items]


_LEFT_OUT = {"updated_at", "version", "event_count", "event_head", "transition_count", "generation", "xid", "seq"}


def rows_of(database: Database, complaint_id: str) -> dict[str, list[dict[str, Any]]]:
    """Every row that hangs on a complaint and the complaint itself, without what counts changes."""
    tables = (
        "complaint_issue",
        "complaint_person",
        "complaint_need",
        "complaint_message",
        "sla_clock",
        "offer",
    )
    with database.reader() as session:
        found = {
            table: [
                dict(row)
                for row in session.execute(
                    text(f"SELECT to_jsonb({table}) FROM {table} WHERE complaint_id = :id ORDER BY id"),
                    {"id": complaint_id},
                ).scalars()
            ]
            for table in tables
        }
        one = session.execute(text("SELECT to_jsonb(complaint) FROM complaint WHERE id = :id"), {"id": complaint_id})
        found["complaint"] = [dict(one.scalar_one())]
        links = session.execute(
            text("SELECT to_jsonb(l) FROM complaint_link l WHERE :id IN (from_id, to_id) ORDER BY id"),
            {"id": complaint_id},
        )
        found["complaint_link"] = [dict(row) for row in links.scalars()]
    return {
        table: [{name: value for name, value in row.items() if name not in _LEFT_OUT} for row in rows]
        for table, rows in found.items()
    }


def verified(database: Database) -> None:
    found = [f"{item.check} {item.subject}: {item.detail}" for item in violations(database)]
    assert not found, found
