"""The Core floor does the same work: the same answers, the same rows, and our own `verify` finds nothing wrong with them.

How it can fail: the program has changed what it writes or answers, and the floor does not do it yet. Then the ratios
would compare two different things. It is quick, and an ordinary test: who changes what is written sees it at once.
"""

import re
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import intake
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.benchmarks import floor_core
from tests.conftest import Caller, Join, complaint_body, make_team

_ROWS: Final = {
    "complaint": "id = :id",
    "complaint_issue": "complaint_id = :id",
    "complaint_person": "complaint_id = :id",
    "complaint_message": "complaint_id = :id",
    "complaint_transition": "complaint_id = :id",
    "sla_clock": "complaint_id = :id",
    "event": "stream_id = :id OR subject_id = (SELECT customer_id FROM complaint WHERE complaint.id = :id)",
    "customer": "id = (SELECT customer_id FROM complaint WHERE complaint.id = :id)",
    "outbound_mail": "subject_id = :id",
    "duty": "subject_id IN (SELECT id FROM outbound_mail WHERE outbound_mail.subject_id = :id)",
}
"""Everything that the measured operations write, by table: what belongs to one complaint."""

_NEVER_TWICE: Final = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids
    r"|\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)"
    r"|([0-9A-Z]{4}-){6}[0-9A-Z]{3}\b"  # secrets
    r"|[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{3}\b"  # references
    r"|\\\\x[0-9a-f]+"  # salts and hashes
    r"|(?<=\": \")[0-9a-f]{64}(?=\")"  # digests of texts
    r"|(?<=\"request_id\": \")[0-9a-f]{24}"
    r"|(?<=\"(xid|seq)\": )\"?\d+\"?"
    r"|(?<=\"number\": )\d+(?=, \"dead_at\")"  # a duty's
    r"|(?<=[a-z]\.)\d+(?=@)"  # our customers' addresses
)


def _alike(shown: str) -> str:
    return _NEVER_TWICE.sub("*", shown)


@pytest.fixture
def floor(engine: Engine, agent: Caller) -> Caller:
    """The same agent, calling the floor."""
    return Caller(floor_core.create_app(engine).test_client(), agent.actor, agent.token)


def _rows(engine: Engine, reference: str) -> dict[str, list[str]]:
    """What a complaint is made of, without what is never the same twice."""
    with engine.connect() as connection:
        one = {"id": connection.execute(text(f"SELECT id FROM complaint WHERE reference = '{reference}'")).scalar_one()}
        return {
            table: sorted(
                _alike(row)
                for row in connection.execute(
                    text(f"SELECT to_jsonb({table})::text FROM {table} WHERE {condition}"), one
                ).scalars()
            )
            for table, condition in _ROWS.items()
        }


def _life(caller: Caller, team: UUID, name: str) -> list[Any]:
    """Every measured write once, on a new complaint; the answers. The first one's reference names the complaint."""
    person = {"name": "Li Wei", "email": f"{name}@example.com", "language": "en"}
    answers = [caller.post("/complaints", complaint_body(team_id=str(team), complainant=person))]
    path = f"/complaints/{answers[0].json['reference']}"
    answers += [
        caller.post(f"{path}/messages", {"kind": "public_reply", "body": "We have found your parcel."}),
        caller.post(f"{path}/actions/ask_customer", {"message": "Which day suits you?"}),
        caller.post(f"{path}/actions/resume", {}),
    ]
    return answers


def test_writes(agent: Caller, floor: Caller, team: UUID, engine: Engine, database: Database) -> None:
    ours, core = _life(agent, team, "x.1"), _life(floor, team, "x.2")  # of the same they would be duplicates
    for one, other in zip(ours, core, strict=True):
        assert one.status_code == other.status_code
        assert _plain(one.json) == _plain(other.json)
    assert _rows(engine, ours[0].json["reference"]) == _rows(engine, core[0].json["reference"])
    assert not list(violations(database, ["chain", "complaints", "search", "clocks"]))


def _plain(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _plain(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [_plain(value) for value in answer]
    return _alike(answer) if isinstance(answer, str) else answer


def test_one(agent: Caller, floor: Caller, team: UUID) -> None:
    path = f"/complaints/{_life(agent, team, 'x')[0].json['reference']}"
    assert agent.get(path).json == floor.get(path).json


def test_lists(agent: Caller, floor: Caller, team: UUID, database: Database) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        intake.receive_many(uow, [ComplaintIn().load(complaint_body(team_id=str(team))) for _ in range(27)])
    for query in ("limit=25", "limit=25&status=received&severity=S3"):
        one, other = agent.get(f"/complaints?{query}").json, floor.get(f"/complaints?{query}").json
        assert one["items"] == other["items"]
        assert len(one["items"]) == 25
        assert one["next_cursor"]
        assert other["next_cursor"]


def test_not_of_another_team(agent: Caller, floor: Caller, join: Join, database: Database) -> None:
    elsewhere = make_team(database, "Elsewhere")
    other = join("agent", team_ids=[elsewhere])
    path = f"/complaints/{_life(other, elsewhere, 'x')[0].json['reference']}"
    for caller in (agent, floor):
        assert caller.get(path).status_code == 404
        assert caller.post(f"{path}/messages", {"kind": "public_reply", "body": "Hello."}).status_code == 404
        assert caller.get("/complaints").json["items"] == []


def test_a_stranger_is_refused(floor: Caller) -> None:
    stranger = Caller(floor.client, None, "nobody")
    assert stranger.get("/complaints").status_code == 401
    assert stranger.post("/complaints", complaint_body()).status_code == 401
