"""Complaints over HTTP: intake, reading, lists, edits, every action, thread, people, assignment, timeline.

How it can fail: a caller sees or changes what is not theirs; a list skips or repeats a row, or counts others than it
shows; a bad field is let in, or one of two is not named; two who claim at once both win; a mail is sent twice or to
nobody; somebody complained about closes the complaint; the timeline says "broken" because somebody wrote meanwhile.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from helpdesk.complaints import jobs
from helpdesk.complaints.lifecycle import CLOSED, CLOSING, LIFECYCLE
from helpdesk.complaints.schemas import LONG
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.steps import FIRST, GOOD, WAY_TO
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once, behind_lock
from tests.tampering import past_the_trigger

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


BAD_FIELDS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"subject": None}, "/subject"),
    ({"subject": 7}, "/subject"),
    ({"description": ""}, "/description"),
    ({"external_id": "1"}, "/source"),
    ({"impact": 3}, "/urgency"),
    ({"urgency": 3}, "/impact"),
    ({"impact": 0, "urgency": 1}, "/impact"),
    ({"impact": 2.9, "urgency": 1}, "/impact"),
    ({"impact": True, "urgency": 1}, "/impact"),
    ({"impact": 2**63, "urgency": 1}, "/impact"),
    ({"received_at": "2026-03-02"}, "/received_at"),
    ({"received_at": "2026-03-02T10:00:00"}, "/received_at"),
    ({"received_at": "1989-12-31T23:59:59Z"}, "/received_at"),
    ({"received_at": "0001-01-01T00:00:00+23:59"}, "/received_at"),
    ({"received_at": "2999-01-01T00:00:00Z"}, "/received_at"),
    ({"received_at": 1_772_000_000}, "/received_at"),
    ({"issues": []}, "/issues"),
    ({"issues": [{}] * 21}, "/issues"),
    ({"issues": {}}, "/issues"),
    ({"issues": [7]}, "/issues/0"),
    ({"complainant": []}, "/complainant"),
    ({"complainant": {"email": "a@b.example\n"}}, "/complainant/email"),
    ({"complainant": {"email": '"\x01"@example.com'}}, "/complainant/email"),
    ({"complainant": {"email": f"{'a' * 250}@example.com"}}, "/complainant/email"),
    ({"representative": {"name": "Ana"}}, "/representative/authority"),
    ({"needs": [{"flag": "hearing"}]}, "/needs/0/ground"),
    ({"needs": [{"flag": "tired", "consent": True}]}, "/needs/0/flag"),
    ({"price": {"amount": "0", "currency": "EUR"}}, "/price"),
    ({"price": {"amount": "-1", "currency": "EUR"}}, "/price"),
    ({"price": {"amount": 25, "currency": "EUR"}}, "/price"),
    ({"price": {"amount": "1e3", "currency": "EUR"}}, "/price"),
    ({"price": {"amount": "٢٥", "currency": "EUR"}}, "/price"),
    ({"price": {"amount": "9007199254740993", "currency": "JPY"}}, "/price"),
    ({"price": {"amount": "1", "currency": "XXX"}}, "/price"),
    ({"price": "25 EUR"}, "/price"),
    ({"loss": {"amount": "1", "currency": "USD"}}, "/loss"),
    ({"team_id": "blue"}, "/team_id"),
    ({"team_id": str(UUID(int=1))}, "/team_id"),
    ({"customer_id": str(UUID(int=1))}, "/customer_id"),
    ({"jurisdiction": "gb"}, "/jurisdiction"),
]


class TestCreate:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.post("/complaints", complaint_body()).status_code == 401

    def test_wrong_role(self, join: Join) -> None:
        answer = join("auditor").post("/complaints", complaint_body())
        assert (answer.status_code, answer.json["permission"]) == (403, "complaint:create")

    def test_good(self, agent: Caller, team: UUID) -> None:
        answer = agent.post("/complaints", complaint_body(team_id=str(team), source="shop", external_id="4711"))
        shown = answer.json
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/v1/complaints/{shown['reference']}"
        assert answer.headers["ETag"].startswith('"v1-')
        assert {
            "status": "received",
            "severity": "S3",
            "waiting_on": "us",
            "stage": "1",
            "team_id": str(team),
            "source": "shop",
            "external_id": "4711",
            "price": {"amount": "200.00", "currency": "EUR"},
            "loss": None,
            "language": "en",
            "version": 1,
            "vulnerable": False,
        }.items() <= shown.items()
        [person] = shown["people"]
        assert (person["role"], person["email"], person["customer_id"]) == (
            "complainant",
            "li.wei@example.com",
            shown["customer_id"],
        )
        assert [issue["issue"] for issue in shown["issues"]] == ["DEL.LATE"]
        assert agent.get(answer.headers["Location"]).json == as_read(shown)

    def test_least(self, agent: Caller) -> None:
        shown = new(agent, complainant={}, issues=[{}], price={"amount": "1", "currency": "JPY"})
        assert shown["customer_id"] is None
        bare = agent.post("/complaints", {"channel": "EMAIL", "subject": "s", "description": "d"})
        assert bare.status_code == 201
        assert len(bare.json["issues"]) == 1
        assert bare.json["price"] is None

    def test_other_scripts(self, agent: Caller) -> None:
        shown = new(agent, subject="包裹迟到 — طرد متأخر 📦", description="e\u0301", complainant={"name": "李伟"})
        assert shown["subject"] == "包裹迟到 — طرد متأخر 📦"
        assert shown["description"] == "é"  # NFC: one spelling of one word
        assert shown["people"][0]["name"] == "李伟"

    def test_huge(self, agent: Caller) -> None:
        assert len(new(agent, description="长" * LONG)["description"]) == LONG
        answer = agent.post("/complaints", complaint_body(description="长" * (LONG + 1)))
        assert problems(answer) == {"/description": "length"}

    def test_every_bad_field_is_named_at_once(self, agent: Caller) -> None:
        body = complaint_body(
            channel="PIGEON",
            subject=" ",
            description="a\x00b",
            language="english please",
            complainant={"email": "nobody", "nickname": "x"},
            issues=[{"category": "DEL", "issue": "PRD.SAFETY"}, {"issue": "NO.SUCH"}],
            price={"amount": "1.005", "currency": "EUR"},
            impact=6,
            surprise=True,
        )
        assert problems(agent.post("/complaints", body)) == {
            "/channel": "choice",
            "/subject": "length",
            "/description": "invalid",
            "/language": "invalid",
            "/complainant/email": "invalid",
            "/complainant/nickname": "unknown_field",
            "/issues/0/issue": "invalid",
            "/issues/1/issue": "choice",
            "/price": "invalid",
            "/impact": "range",
            "/surprise": "unknown_field",
        }

    def test_bad_field(self, agent: Caller) -> None:
        for more, pointer in BAD_FIELDS:
            assert pointer in problems(agent.post("/complaints", complaint_body(**more))), more

    def test_line_break_after_a_code_is_not_part_of_it(self, agent: Caller) -> None:
        shown = new(agent, language="en\n", jurisdiction="GB\n")
        assert (shown["language"], shown["jurisdiction"]) == ("en", "GB")

    def test_impact_and_urgency_give_the_severity(self, agent: Caller) -> None:
        assert new(agent, impact=5, urgency=4)["severity"] == "S1"
        assert new(agent, impact=1, urgency=1)["severity"] == "S5"

    def test_needs(self, agent: Caller) -> None:
        need = {"flag": "hearing", "consent": True, "expires_at": "2030-01-01T00:00:00+02:00"}
        shown = new(agent, needs=[need])
        assert shown["vulnerable"] is True
        assert shown["needs"][0]["expires_at"] == "2029-12-31T22:00:00Z"

    def test_same_external_id_twice(self, agent: Caller) -> None:
        first = new(agent, source="shop", external_id="4711")
        answer = agent.post("/complaints", complaint_body(source="shop", external_id="4711"))
        assert (answer.status_code, answer.json["code"]) == (409, "already_received")
        assert answer.json["reference"] == first["reference"]
        new(agent, source="till", external_id="4711")

    def test_same_external_id_as_another_teams_names_no_reference(
        self, agent: Caller, join: Join, database: Database, team: UUID
    ) -> None:
        new(agent, team_id=str(team), source="shop", external_id="4711")
        stranger = join(team_ids=[make_team(database, "Other")])
        answer = stranger.post("/complaints", complaint_body(source="shop", external_id="4711"))
        assert (answer.status_code, answer.json["code"]) == (409, "already_received")
        assert "reference" not in answer.json

    def test_same_external_id_at_once(self, app: Flask, agent: Caller, engine: Engine) -> None:
        """Nothing is locked that could be queued behind: the unique constraint decides."""
        callers = [Caller(app.test_client(), agent.actor, agent.token) for _ in range(4)]
        body = complaint_body(source="shop", external_id="one")
        answers = at_once(*(lambda caller=caller: caller.post("/complaints", body) for caller in callers))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM complaint")).scalar_one() == 1
            assert connection.execute(text("SELECT count(*) FROM event WHERE type LIKE 'complaint%'")).scalar_one() == 1

    def test_another_team_is_no_place_to_put_it(self, agent: Caller, manager: Caller, database: Database) -> None:
        other = str(make_team(database, "Other"))
        assert "/team_id" in problems(agent.post("/complaints", complaint_body(team_id=other)))
        assert new(manager, team_id=other)["team_id"] == other

    def test_known_customer_is_recognised_by_address(self, agent: Caller) -> None:
        first, second = new(agent), new(agent, complainant={"email": "LI.WEI@Example.com"})
        assert first["customer_id"] == second["customer_id"]
        assert len(everything(agent, "/customers")) == 1

    def test_named_customer_is_the_customer(self, agent: Caller) -> None:
        """And no second one is made of the complainant's address."""
        customer = agent.post("/customers", {"name": "Works Ltd", "kind": "organisation"}).json
        shown = new(agent, customer_id=customer["id"])
        assert shown["customer_id"] == shown["people"][0]["customer_id"] == customer["id"]
        assert len(everything(agent, "/customers")) == 1


SPELLINGS: Final[list[Callable[[dict[str, Any]], str]]] = [
    lambda shown: shown["id"],
    lambda shown: shown["id"].upper(),
    lambda shown: shown["reference"],
    lambda shown: shown["reference"].lower(),
    lambda shown: shown["reference"].replace("-", ""),
    lambda shown: shown["reference"].replace("-", "%20"),
    lambda shown: f"%20{shown['reference']}%20",
    lambda shown: shown["reference"].replace("0", "O").replace("1", "l"),
    lambda shown: "-".join(shown["reference"].replace("-", "")),
]
NONSENSE: Final = [
    "x",
    "%00",
    "%FF%FE",
    "..",
    "7K3M-9QX2-TA6",
    "%F0%9F%93%A6",
    "a" * 3000,
    str(UUID(int=0)),
    "' OR 1=1 --",
    "-",
]


class TestGet:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.get(at(complaint)).status_code == 401

    def test_other_team(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        stranger = join(team_ids=[make_team(database, "Other")])
        answer = stranger.get(at(complaint))
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
        assert complaint["subject"] not in answer.text

    def test_sloppily_typed(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for number, spelled in enumerate(SPELLINGS):
            answer = agent.get(f"/complaints/{spelled(complaint)}")
            assert (answer.status_code, answer.json) == (200, as_read(complaint)), number

    def test_nonsense_is_not_found(self, agent: Caller) -> None:
        for nonsense in NONSENSE:
            answer = agent.get(f"/complaints/{nonsense}")
            assert (answer.status_code, answer.content_type) == (404, "application/problem+json"), nonsense

    def test_a_slip_finds_nothing(self, agent: Caller, complaint: dict[str, Any]) -> None:
        reference = complaint["reference"]
        wrong = ("8" if reference[0] != "8" else "9") + reference[1:]
        assert agent.get(f"/complaints/{wrong}").status_code == 404

    def test_allowed_actions_are_the_callers(self, join: Join, agent: Caller, complaint: dict[str, Any]) -> None:
        mine = {item["action"] for item in agent.get(at(complaint)).json["allowed_actions"]}
        theirs = {item["action"] for item in join("senior").get(at(complaint)).json["allowed_actions"]}
        assert theirs - mine == {"dismiss", "convert", "merge", "refer_externally"}
        assert join("auditor").get(at(complaint)).json["allowed_actions"] == []

    def test_missing_is_told(self, agent: Caller, complaint: dict[str, Any]) -> None:
        listed = {item["action"]: item for item in complaint["allowed_actions"]}
        assert [need["code"] for need in listed["resume"]["missing"]] == ["not_waiting"]
        assert listed["triage"] == {
            "action": "triage",
            "supplies": ["impact", "urgency", "category", "issue", "track"],
            "missing": [],
        }


BAD_QUERIES: Final = [
    "limit=0",
    "limit=201",
    "limit=-1",
    "limit=many",
    "limit=1.5",
    "limit=",
    "status=lost",
    "severity=1",
    "team_id=blue",
    "mine=perhaps",
    "received_from=2026-03-02",
    "received_from=2026-03-02T00:00:00",
    "sort=subject",
    "sort=-received_at,id",
    "ref=7K3M-9QX2-TA6",
    "ref=,",
    "external_id=%00",
    "source=%00",
    "issue=DEL.NONE",
    "cursor=",
    "colour=red",
    "status=received&status=resolved",
    f"external_id={','.join('1' * 201)}",
]


class TestList:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/complaints").status_code == 401

    def test_empty(self, agent: Caller) -> None:
        answer = agent.get("/complaints?count=true")
        assert answer.json == {"items": [], "next_cursor": None, "total": 0}

    def test_filters(self, admin: Caller, agent: Caller, team: UUID, database: Database) -> None:
        other = str(make_team(database, "Other"))
        made = [
            new(admin),
            new(admin, team_id=str(team), channel="PHONE", source="shop", external_id="1"),
            new(admin, team_id=other, impact=5, urgency=4, source="shop", external_id="2"),
            new(admin, channel="PHONE", issues=[{"category": "PRD", "issue": "PRD.SAFETY"}, {"category": "DEL"}]),
            new(admin, received_at="2020-05-05T00:00:00Z", complainant={"name": "No Address"}),
            new(admin, received_at="2021-05-05T00:00:00Z", source="till", external_id="2"),
        ]
        done(admin, made[0], "ask_customer")
        done(admin, made[1], "withdraw")
        done(admin, made[2], "refer_externally")
        admin.put(at(made[3], "assignment"), {"assignee_id": str(agent.id)}, if_match="*")
        admin.post(at(made[4], "claim"))
        now = [admin.get(at(shown)).json for shown in made]
        some = f"{now[5]['reference'].lower()},{now[0]['reference'].replace('-', '')}"
        filters: dict[str, Callable[[dict[str, Any]], bool]] = {
            "": lambda row: True,
            "status=withdrawn": lambda row: row["status"] == "withdrawn",
            "severity=S1": lambda row: row["severity"] == "S1",
            "channel=PHONE": lambda row: row["channel"] == "PHONE",
            "waiting_on=customer": lambda row: row["waiting_on"] == "customer",
            "stage=external": lambda row: row["stage"] == "external",
            f"team_id={team}": lambda row: row["team_id"] == str(team),
            f"assignee_id={agent.id}": lambda row: row["assignee_id"] == str(agent.id),
            f"customer_id={now[0]['customer_id']}": lambda row: row["customer_id"] == now[0]["customer_id"],
            "mine=true": lambda row: row["assignee_id"] == str(admin.id),
            "unassigned=true": lambda row: row["assignee_id"] is None,
            "source=shop": lambda row: row["source"] == "shop",
            "external_id=2,nothing": lambda row: row["external_id"] == "2",
            "source=till&external_id=2": lambda row: row is now[5],
            f"ref={some}": lambda row: row in (now[5], now[0]),
            "category=DEL": lambda row: any(issue["category"] == "DEL" for issue in row["issues"]),
            "issue=PRD.SAFETY": lambda row: row is now[3],
            "category=DEL&issue=PRD.SAFETY": lambda row: False,
            "received_before=2021-05-05T00:00:00Z": lambda row: row is now[4],
            "received_from=2021-05-05T00:00:00%2B00:00": lambda row: row is not now[4],
            "status=withdrawn&severity=S1": lambda row: False,
        }
        for query, holds in filters.items():
            wanted = {row["id"] for row in now if holds(row)}
            answer = admin.get(f"/complaints?{query}&count=true".replace("?&", "?"))
            assert answer.status_code == 200, (query, answer.text)
            assert {row["id"] for row in answer.json["items"]} == wanted, query
            assert answer.json["total"] == len(wanted), query

    def test_order_and_pages(self, agent: Caller) -> None:
        moments = [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000001Z",
            "2026-01-01T00:00:00Z",
            "2025-01-01T00:00:00Z",
        ]
        made = [new(agent, received_at=moment) for moment in moments * 2]
        up = sorted(made, key=lambda row: (datetime.fromisoformat(row["received_at"]), row["id"]))
        for limit in (1, 2, 3, 7, 8, 9, 200):
            ids = [row["id"] for row in everything(agent, "/complaints", limit=limit, sort="received_at")]
            assert ids == [row["id"] for row in up], limit
            ids = [row["id"] for row in everything(agent, "/complaints", limit=limit)]
            assert ids == [row["id"] for row in reversed(up)], limit

    def test_next_link_goes_on(self, agent: Caller) -> None:
        for _ in range(3):
            new(agent)
        answer = agent.get("/complaints?limit=2&channel=EMAIL&count=true")
        address, _, rest = answer.headers["Link"].partition(">")
        assert rest == '; rel="next"'
        assert address.startswith("<http://helpdesk.test/api/v1/complaints?")
        following = agent.get(address.removeprefix("<http://helpdesk.test"))
        assert (len(following.json["items"]), following.json["total"], following.json["next_cursor"]) == (1, 3, None)

    def test_cursor_of_other_filters(self, agent: Caller) -> None:
        for _ in range(2):
            new(agent)
        cursor = agent.get("/complaints?limit=1").json["next_cursor"]
        for query in ("sort=received_at", "status=received", "mine=true"):
            answer = agent.get(f"/complaints?limit=1&{query}&cursor={cursor}")
            assert (answer.status_code, answer.json["code"]) == (400, "cursor_mismatch"), query
        assert agent.get(f"/complaints?limit=2&count=true&cursor={cursor}").status_code == 200

    def test_bad_query(self, agent: Caller) -> None:
        for query in BAD_QUERIES:
            answer = agent.get(f"/complaints?{query}")
            assert answer.status_code == 422, (query, answer.text)
            assert [item["parameter"] for item in answer.json["errors"]] == [query.split("=", maxsplit=1)[0]]

    def test_two_hundred_references(self, agent: Caller) -> None:
        shown = new(agent)
        answer = agent.get(f"/complaints?ref={','.join([shown['reference']] * 200)}")
        assert [row["id"] for row in answer.json["items"]] == [shown["id"]]


class TestEdit:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.patch(at(complaint), {"subject": "x"}, if_match="*").status_code == 401

    def test_wrong_role_and_team(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        assert join("auditor").patch(at(complaint), {"subject": "x"}, if_match="*").status_code == 403
        stranger = join(team_ids=[make_team(database, "Other")])
        assert stranger.patch(at(complaint), {"subject": "x"}, if_match="*").status_code == 404

    def test_needs_the_version_looked_at(self, agent: Caller, complaint: dict[str, Any]) -> None:
        missing = agent.patch(at(complaint), {"subject": "x"})
        assert (missing.status_code, missing.json["code"]) == (428, "precondition_required")
        for wrong in ('"v2"', "v1", 'W/"v1"', "", '"v11"'):
            answer = agent.patch(at(complaint), {"subject": "x"}, if_match=wrong)
            assert (answer.status_code, answer.headers["ETag"], answer.json["current_version"]) == (412, '"v1"', 1), (
                wrong
            )
        assert agent.get(at(complaint)).json == as_read(complaint)

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        body = {"subject": "Two weeks late", "loss": {"amount": "0", "currency": "EUR"}, "language": "zh-CN"}
        answer = agent.patch(at(complaint), body, if_match='"v7", "v1"')
        assert answer.status_code == 200
        assert answer.headers["ETag"].startswith('"v2-')
        assert {name: answer.json[name] for name in body} == body | {"loss": {"amount": "0.00", "currency": "EUR"}}
        last = everything(agent, at(complaint, "timeline"))[-1]
        assert last["type"] == "complaint.edited"
        assert last["payload"]["changes"]["subject"] == ["Parcel a week late", "Two weeks late"]

    def test_no_change_is_no_version(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for body in ({}, {"subject": complaint["subject"]}):
            answer = agent.patch(at(complaint), body, if_match="*")
            assert (answer.status_code, answer.json["version"]) == (200, 1)
        assert len(everything(agent, at(complaint, "timeline"))) == 1

    def test_one_currency(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.patch(at(complaint), {"loss": {"amount": "5", "currency": "EUR"}}, if_match="*")
        dollars = {"amount": "9", "currency": "USD"}
        for body in (
            {"loss": dollars},
            {"price": dollars},
            {"price": dollars, "loss": {"amount": "5", "currency": "EUR"}},
        ):
            assert set(problems(agent.patch(at(complaint), body, if_match="*"))) & {"/price/currency", "/loss/currency"}
        answer = agent.patch(at(complaint), {"price": dollars, "loss": dollars}, if_match="*")
        assert answer.json["price"] == answer.json["loss"] == {"amount": "9.00", "currency": "USD"}

    def test_status_is_not_edited(self, agent: Caller, complaint: dict[str, Any]) -> None:
        body = {"status": "resolved", "severity": "S5", "reference": "x", "version": 9, "team_id": None}
        answer = agent.patch(at(complaint), body, if_match="*")
        assert problems(answer) == dict.fromkeys((f"/{name}" for name in body), "unknown_field")

    def test_two_at_once_with_one_version(self, app: Flask, agent: Caller, engine: Engine, complaint: Any) -> None:
        callers = [Caller(app.test_client(), agent.actor, agent.token) for _ in range(2)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(
                lambda caller=caller, word=word: caller.patch(at(complaint), {"subject": word}, if_match='"v1"')
                for caller, word in zip(callers, ("one", "two"), strict=True)
            ),
            id=complaint["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        assert agent.get(at(complaint)).json["version"] == 2


ELSEWHERE: Final = {"merge", "unmerge"}
"""Actions with routes of their own, tested with them."""


class TestActions:
    def test_anonymous_role_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        stranger, auditor = join(team_ids=[make_team(database, "Other")]), join("auditor")
        for action in set(LIFECYCLE.actions) - ELSEWHERE:
            path = at(complaint, "actions", action)
            assert anonymous.post(path, GOOD[action]).status_code == 401
            assert stranger.post(path, GOOD[action]).status_code == 404
            refused = auditor.post(path, GOOD[action])
            assert (refused.status_code, refused.json["permission"]) == (403, LIFECYCLE.by_action(action).permission)

    @pytest.mark.parametrize(("action", "state"), LIFE)
    def test_good(self, senior: Caller, action: str, state: str) -> None:
        way = (*WAY_TO[state], *([FIRST[action]] if action in FIRST else []))
        shown = done(senior, new(senior), *way)
        answer = senior.post(at(shown, "actions", action), GOOD[action], if_match=f'"v{shown["version"]}"')
        assert answer.status_code == 200, answer.text
        assert answer.json["version"] == shown["version"] + 1
        assert answer.headers["ETag"].startswith(f'"v{shown["version"] + 1}-')
        assert answer.json["status"] == (LIFECYCLE.by_action(action).target or state)
        assert senior.get(at(shown)).json == answer.json

    def test_life_covers_every_action(self) -> None:
        assert {action for action, _ in LIFE} | {"answer"} | ELSEWHERE == set(
            LIFECYCLE.actions
        )  # `answer`: what is none

    def test_refused_with_what_is_possible(self, senior: Caller, complaint: dict[str, Any]) -> None:
        answer = senior.post(at(complaint, "actions", "follow_up"), GOOD["follow_up"])
        assert (answer.status_code, answer.json["code"]) == (409, "action_not_allowed")
        assert (answer.json["state"], answer.json["action"]) == ("received", "follow_up")
        assert answer.json["allowed_actions"] == senior.get(at(complaint)).json["allowed_actions"]
        waits = senior.post(at(complaint, "actions", "resume"), GOOD["resume"])
        assert [need["code"] for need in waits.json["missing"]] == ["not_waiting"]

    def test_refusal_before_the_body_is_read(self, senior: Caller, complaint: dict[str, Any]) -> None:
        """409 before 422: what is wrong with the body is of no use to who may not act."""
        assert senior.post(at(complaint, "actions", "follow_up"), {"nonsense": 1}).status_code == 409
        assert senior.post(at(complaint, "actions", "dismiss"), {"nonsense": 1}).status_code == 422

    def test_old_version(self, senior: Caller, complaint: dict[str, Any]) -> None:
        done(senior, complaint, "acknowledge")
        answer = senior.post(at(complaint, "actions", "withdraw"), GOOD["withdraw"], if_match='"v1"')
        assert answer.status_code == 412
        assert senior.get(at(complaint)).json["status"] == "received"

    def test_unknown_action(self, senior: Caller, complaint: dict[str, Any]) -> None:
        answer = senior.post(at(complaint, "actions", "abolish"), {})
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_route")

    def test_two_at_once(self, app: Flask, senior: Caller, engine: Engine, complaint: dict[str, Any]) -> None:
        """Of `withdraw` and `dismiss` at the same moment one happens, the other is told what is possible now."""
        callers = [Caller(app.test_client(), senior.actor, senior.token) for _ in range(2)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(
                lambda caller=caller, action=action: caller.post(at(complaint, "actions", action), GOOD[action])
                for caller, action in zip(callers, ("withdraw", "dismiss"), strict=True)
            ),
            id=complaint["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        lost = next(answer for answer in answers if answer.status_code == 409)
        assert {item["action"] for item in lost.json["allowed_actions"]} == {"reopen", "refer_externally"}

    def test_every_issue_is_named(self, senior: Caller) -> None:
        shown = new(senior, issues=[{"category": "DEL"}, {"category": "PRD"}])
        answer = senior.post(at(shown, "actions", "investigate"), GOOD["investigate"])
        assert problems(answer) == {"/findings/0/issue_id": "unknown"}
        one = GOOD["investigate"]["findings"][0] | {"issue_id": shown["issues"][0]["id"]}
        answer = senior.post(at(shown, "actions", "investigate"), GOOD["investigate"] | {"findings": [one]})
        assert problems(answer) == {"/findings": "incomplete"}
        assert shown["issues"][1]["id"] in answer.json["errors"][0]["detail"]


class TestConflictOfInterest:
    def test_the_subject_cannot_close(self, join: Join, complaint: dict[str, Any]) -> None:
        subject, colleague = join("senior"), join("senior")
        named = colleague.post(at(complaint, "subjects"), {"agent_id": str(subject.id)})
        assert named.status_code == 201, named.text
        for action in ("resolve_on_the_spot", "withdraw", "dismiss"):
            answer = subject.post(at(complaint, "actions", action), GOOD[action])
            assert (answer.status_code, answer.json["code"]) == (403, "conflict_of_interest"), action
        shown = subject.get(at(complaint)).json["allowed_actions"]
        waiting = {
            item["action"] for item in shown if "conflict_of_interest" in {need["code"] for need in item["missing"]}
        }
        assert waiting == {item["action"] for item in shown} & CLOSING
        of_others = colleague.get(at(complaint)).json["allowed_actions"]
        assert "conflict_of_interest" not in {need["code"] for item in of_others for need in item["missing"]}
        done(subject, complaint, "acknowledge", "investigate")
        assert subject.post(at(complaint, "actions", "resolve"), GOOD["resolve"]).status_code == 403
        done(colleague, complaint, "resolve")
        assert subject.post(at(complaint, "actions", "follow_up"), GOOD["follow_up"]).status_code == 403
        again = subject.post(at(complaint, "actions", "resolve"), {})  # before the state and before the body
        assert (again.status_code, again.json["code"]) == (403, "conflict_of_interest")
        assert done(colleague, complaint, "follow_up")["status"] == "followed_up"

    def test_of_another_complaint_it_is_no_matter(self, join: Join, complaint: dict[str, Any]) -> None:
        subject, colleague = join("senior"), join("senior")
        colleague.post(at(complaint, "subjects"), {"agent_id": str(subject.id)})
        assert done(subject, new(subject), "withdraw")["status"] == "withdrawn"

    def test_unknown_subject(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(at(complaint, "subjects"), {"agent_id": str(uuid4())})
        assert problems(answer) == {"/agent_id": "unknown"}


class TestMessages:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.get(at(complaint, "messages")).status_code == 401
        assert anonymous.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}).status_code == 401

    def test_wrong_role_and_team(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        body = {"kind": "internal_note", "body": "x"}
        assert join("auditor").post(at(complaint, "messages"), body).status_code == 403
        stranger = join(team_ids=[make_team(database, "Other")])
        assert stranger.post(at(complaint, "messages"), body).status_code == 404
        assert stranger.get(at(complaint, "messages")).status_code == 404

    def test_public_reply_owes_a_mail(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        answer = agent.post(
            at(complaint, "messages"), {"kind": "public_reply", "body": "We have it.", "channel": "EMAIL"}
        )
        assert answer.status_code == 201
        assert answer.json["author_id"] == str(agent.id)
        with engine.connect() as connection:
            mail = connection.execute(text("SELECT * FROM outbound_mail")).mappings().one()
            duty = connection.execute(text("SELECT * FROM duty WHERE topic = 'mail.deliver'")).mappings().one()
        assert (mail["recipient"], mail["body"]) == ("li.wei@example.com", "We have it.")
        assert mail["subject"] == f"Your complaint {complaint['reference']}"
        assert (duty["subject_id"], duty["done_at"]) == (mail["id"], None)
        assert agent.get(at(complaint)).json["version"] == 2

    def test_the_representative_is_written_to(self, agent: Caller, engine: Engine) -> None:
        proxy = {"name": "Ana", "email": "ana@law.example", "authority": "Signed letter"}
        shown = new(agent, representative=proxy)
        agent.post(at(shown, "messages"), {"kind": "public_reply", "body": "x"})
        with engine.connect() as connection:
            assert connection.execute(text("SELECT recipient FROM outbound_mail")).scalar_one() == "ana@law.example"

    @pytest.mark.parametrize("kind", ["internal_note", "inbound"])
    def test_others_go_to_nobody(self, agent: Caller, complaint: dict[str, Any], engine: Engine, kind: str) -> None:
        assert agent.post(at(complaint, "messages"), {"kind": kind, "body": "x"}).status_code == 201
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 0

    def test_no_address_no_mail(self, agent: Caller, engine: Engine) -> None:
        shown = new(agent, complainant={"name": "No Address"})
        assert agent.post(at(shown, "messages"), {"kind": "public_reply", "body": "x"}).status_code == 201
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 0

    def test_inbound_ends_the_waiting(self, agent: Caller, complaint: dict[str, Any]) -> None:
        done(agent, complaint, "ask_customer")
        agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": "Still waiting."})
        assert agent.get(at(complaint)).json["waiting_on"] == "customer"
        agent.post(at(complaint, "messages"), {"kind": "inbound", "body": "Monday.", "channel": "EMAIL"})
        assert agent.get(at(complaint)).json["waiting_on"] == "us"
        types = [entry["type"] for entry in everything(agent, at(complaint, "timeline"))]
        assert types[-2:] == ["complaint.message_added", "complaint.resumed"]
        done(agent, complaint, "ask_third_party")
        agent.post(at(complaint, "messages"), {"kind": "inbound", "body": "Any news?"})
        assert agent.get(at(complaint)).json["waiting_on"] == "third_party"

    def test_thread_in_order_and_pages(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for number in range(7):
            agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": f"note {number}"})
        new(agent)
        assert [item["body"] for item in everything(agent, at(complaint, "messages"), limit=2)] == [
            f"note {number}" for number in range(7)
        ]

    def test_count(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for _ in range(3):
            agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": "x"})
        assert agent.get(at(complaint, "messages?limit=1&count=true")).json["total"] == 3
        assert agent.get(at(complaint, "timeline?limit=1&count=true")).json["total"] == 4

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"kind": "shout", "body": "x"}, "/kind"),
            ({"kind": "inbound"}, "/body"),
            ({"kind": "inbound", "body": "\x1b[31m"}, "/body"),
            ({"kind": "inbound", "body": "x", "author_id": None}, "/author_id"),
        ],
    )
    def test_bad(self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], pointer: str) -> None:
        assert pointer in problems(agent.post(at(complaint, "messages"), body))


class TestIssues:
    def test_anonymous_role_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        path = at(complaint, "issues")
        assert anonymous.post(path, {}).status_code == 401
        assert join("auditor").post(path, {}).status_code == 403
        assert join(team_ids=[make_team(database, "Other")]).post(path, {}).status_code == 404

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(at(complaint, "issues"), {"category": "PRD", "issue": "PRD.SAFETY", "detail": "It burns."})
        assert answer.status_code == 201
        assert [issue["issue"] for issue in answer.json["issues"]] == ["DEL.LATE", "PRD.SAFETY"]
        assert (answer.json["version"], answer.json["severity"]) == (3, "S1")
        spot = next(item for item in answer.json["allowed_actions"] if item["action"] == "resolve_on_the_spot")
        assert [need["code"] for need in spot["missing"]] == ["too_severe", "several_issues", "safety"]

    def test_closed(self, senior: Caller) -> None:
        for state in sorted(CLOSED):
            shown = done(senior, new(senior), *WAY_TO[state])
            answer = senior.post(at(shown, "issues"), {"category": "DEL"})
            assert (answer.status_code, answer.json["state"]) == (409, state)

    def test_never_more_than_can_be_decided(self, agent: Caller, complaint: dict[str, Any]) -> None:
        """`investigate` and `resolve` take twenty; with one more, no complaint could ever be closed."""
        for _ in range(19):
            assert agent.post(at(complaint, "issues"), {"category": "DEL"}).status_code == 201
        assert agent.post(at(complaint, "issues"), {"category": "DEL"}).status_code == 409
        shown = agent.get(at(complaint)).json
        findings = [{"issue_id": issue["id"], "finding": "x", "evidence": "y"} for issue in shown["issues"]]
        body = GOOD["investigate"] | {"findings": findings}
        assert agent.post(at(complaint, "actions", "investigate"), body).status_code == 200


class TestNeeds:
    NEED: Final = {"flag": "hearing", "adjustment": "Write, do not call.", "consent": True}

    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        path = at(complaint, "needs")
        assert anonymous.post(path, {}).status_code == 401
        assert join("auditor").post(path, {}).status_code == 403
        assert join(team_ids=[make_team(database, "Other")]).post(path, {}).status_code == 404

    def test_recorded_and_ended(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = at(complaint, "needs")
        assert problems(agent.post(path, {"flag": "hearing"})) == {"/ground": "invalid"}
        agent.post(path, self.NEED)
        shown = agent.post(path, self.NEED | {"flag": "sight"}).json
        assert ([need["flag"] for need in shown["needs"]], shown["vulnerable"]) == (["hearing", "sight"], True)
        first, second = (at(complaint, "needs", need["id"]) for need in shown["needs"])
        assert agent.delete(first).status_code == 428
        assert agent.delete(first, if_match='"v3"').json["vulnerable"] is True
        left = agent.delete(second, if_match='"v4"').json
        assert (left["needs"], left["vulnerable"], left["version"]) == ([], False, 5)
        assert agent.delete(second, if_match="*").status_code == 404
        types = [item["type"] for item in agent.get(at(complaint, "timeline")).json["items"]]
        assert types.count("complaint.need_recorded") == types.count("complaint.need_ended") == 2

    def test_ends_by_itself_when_its_time_is_over(
        self, agent: Caller, engine: Engine, database: Database, complaint: dict[str, Any]
    ) -> None:
        past = {"expires_at": "2001-01-01T00:00:00Z"}
        assert problems(agent.post(at(complaint, "needs"), self.NEED | past)) == {"/expires_at": "past"}
        refused = agent.post("/complaints", complaint_body(needs=[self.NEED | past]))
        assert problems(refused) == {"/needs/0/expires_at": "past"}
        later = {"expires_at": "2999-01-01T00:00:00Z"}
        agent.post(at(complaint, "needs"), self.NEED | later)
        agent.post(at(complaint, "needs"), self.NEED | later | {"flag": "sight"})
        assert jobs.end_needs(database) == 0
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_need SET expires_at = now() WHERE flag = 'sight'"))
        assert jobs.end_needs(database) == 1
        assert jobs.end_needs(database) == 0
        shown = agent.get(at(complaint)).json
        assert ([need["flag"] for need in shown["needs"]], shown["vulnerable"]) == (["hearing"], True)
        entry = agent.get(at(complaint, "timeline")).json["items"][-1]
        assert (entry["type"], entry["actor_kind"]) == ("complaint.need_ended", "system")

    def test_no_more_than_can_be_shown(self, agent: Caller) -> None:
        shown = new(agent, needs=[self.NEED] * 20)
        assert agent.post(at(shown, "needs"), self.NEED).status_code == 409


class TestLateIssues:
    """Added after the investigation: resolved only with a finding of their own."""

    def test_needs_a_finding(self, agent: Caller, complaint: dict[str, Any]) -> None:
        done(agent, complaint, "investigate")
        shown = agent.post(at(complaint, "issues"), {"category": "PRD"}).json
        first, second = (issue["id"] for issue in shown["issues"])
        outcomes = [{"issue_id": first, "outcome": "upheld"}, {"issue_id": second, "outcome": "not_upheld"}]
        path = at(complaint, "actions", "resolve")
        refused = agent.post(path, GOOD["resolve"] | {"outcomes": outcomes})
        assert problems(refused) == {"/outcomes/1/finding": "required"}
        found = {"finding": "It was whole.", "no_evidence_reason": "There is no camera at the depot."}
        bare = agent.post(path, GOOD["resolve"] | {"outcomes": [outcomes[0], outcomes[1] | {"finding": "x"}]})
        assert problems(bare) == {"/outcomes/1/evidence": "invalid"}
        resolved = agent.post(path, GOOD["resolve"] | {"outcomes": [outcomes[0], outcomes[1] | found]}).json
        assert resolved["outcome"] == "partly_upheld"
        late = resolved["issues"][1]
        assert (late["finding"], late["evidence"], late["cause"]) == ("It was whole.", None, "RC.HAND")
        assert late["no_evidence_reason"] == "There is no camera at the depot."


class TestPeople:
    @pytest.mark.parametrize("path", ["affected", "representatives", "subjects"])
    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any], path: str
    ) -> None:
        assert anonymous.post(at(complaint, path), {}).status_code == 401
        assert join("auditor").post(at(complaint, path), {}).status_code == 403
        assert join(team_ids=[make_team(database, "Other")]).post(at(complaint, path), {}).status_code == 404

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "affected"), {"name": "Mother", "region": "北京"})
        agent.post(at(complaint, "representatives"), {"name": "Ana", "authority": "Signed letter"})
        answer = agent.post(at(complaint, "subjects"), {"agent_id": str(agent.id)})
        assert answer.status_code == 201
        assert [(person["role"], person["name"]) for person in answer.json["people"]] == [
            ("complainant", "Li Wei"),
            ("affected", "Mother"),
            ("representative", "Ana"),
            ("subject", None),
        ]
        assert answer.json["people"][3]["agent_id"] == str(agent.id)
        assert answer.json["version"] == 4

    def test_corrected_with_before_and_after(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = at(complaint, "people", complaint["people"][0]["id"])
        assert agent.patch(path, {"phone": "1"}).status_code == 428
        answer = agent.patch(path, {"phone": "+49 30 5550100", "email": None}, if_match='"v1"')
        assert (answer.status_code, answer.json["version"]) == (200, 2)
        person = answer.json["people"][0]
        assert (person["name"], person["phone"], person["email"]) == ("Li Wei", "+49 30 5550100", None)
        entry = agent.get(at(complaint, "timeline")).json["items"][-1]
        assert entry["type"] == "complaint.person_changed"
        assert entry["payload"]["changes"] == {
            "phone": [None, "+49 30 5550100"],
            "email": ["li.wei@example.com", None],
        }
        same = agent.patch(path, {"phone": "+49 30 5550100"}, if_match='"v2"')
        assert same.json["version"] == 2
        assert problems(agent.patch(path, {"authority": "x"}, if_match="*")) == {"/authority": "authority"}

    def test_a_representative_keeps_authority_and_can_go(self, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = agent.post(at(complaint, "representatives"), {"name": "Ana", "authority": "Signed letter"}).json
        path = at(complaint, "people", shown["people"][1]["id"])
        assert problems(agent.patch(path, {"authority": None}, if_match="*")) == {"/authority": "authority"}
        assert agent.delete(path).status_code == 428
        assert agent.delete(path, if_match='"v1"').status_code == 412
        left = agent.delete(path, if_match='"v2"')
        assert [person["role"] for person in left.json["people"]] == ["complainant"]
        assert agent.delete(path, if_match="*").status_code == 404
        assert agent.get(at(complaint, "timeline", "verification")).json["valid"]

    def test_the_complainant_stays_and_a_subject_does_not_free_themselves(
        self, join: Join, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        subject = join("senior")
        shown = agent.post(at(complaint, "subjects"), {"agent_id": str(subject.id)}).json
        first, second = (at(complaint, "people", person["id"]) for person in shown["people"])
        stays = agent.delete(first, if_match="*")
        assert (stays.status_code, stays.json["code"]) == (409, "complainant_stays")
        own = subject.delete(second, if_match="*")
        assert (own.status_code, own.json["code"]) == (403, "conflict_of_interest")
        assert agent.patch(second, {"name": "x"}, if_match="*").status_code == 422
        assert agent.delete(second, if_match="*").status_code == 200

    def test_of_another_complaint_there_is_no_such_person(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = at(new(agent), "people", complaint["people"][0]["id"])
        assert agent.patch(path, {"name": "x"}, if_match="*").status_code == 404
        assert agent.delete(path, if_match="*").status_code == 404

    def test_a_representative_needs_authority(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert problems(agent.post(at(complaint, "representatives"), {"name": "Ana"})) == {"/authority": "required"}


class TestAssignment:
    def test_anonymous_role_team(
        self, anonymous: Caller, join: Join, agent: Caller, database: Database, complaint: Any
    ) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Other")])
        auditor = join("auditor")
        for path in ("claim", "release"):
            assert anonymous.post(at(complaint, path)).status_code == 401
            assert auditor.post(at(complaint, path)).status_code == 403
            assert stranger.post(at(complaint, path)).status_code == 404
        assert anonymous.put(at(complaint, "assignment"), {}).status_code == 401
        assert agent.put(at(complaint, "assignment"), {}).status_code == 403
        assert stranger.put(at(complaint, "assignment"), {}).status_code == 404

    def test_claim_twice_is_claiming_once(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first, second = (agent.post(at(complaint, "claim")) for _ in range(2))
        assert first.json["assignee_id"] == second.json["assignee_id"] == str(agent.id)
        assert first.json["version"] == second.json["version"] == 2
        assert [entry["type"] for entry in everything(agent, at(complaint, "timeline"))][1:] == ["complaint.assigned"]

    def test_claimed_by_another(self, join: Join, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "claim"))
        answer = join().post(at(complaint, "claim"))
        assert (answer.status_code, answer.json["code"]) == (409, "already_assigned")
        assert answer.json["assignee_id"] == str(agent.id)

    def test_two_claim_at_once(self, join: Join, engine: Engine, complaint: dict[str, Any]) -> None:
        callers = [join() for _ in range(3)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(lambda caller=caller: caller.post(at(complaint, "claim")) for caller in callers),
            id=complaint["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        winner = next(answer.json["assignee_id"] for answer in answers if answer.status_code == 200)
        assert {answer.json["assignee_id"] for answer in answers} == {winner}

    def test_release(self, join: Join, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        assert agent.post(at(complaint, "release")).json["version"] == 1
        agent.post(at(complaint, "claim"))
        refused = join().post(at(complaint, "release"))
        assert (refused.status_code, refused.json["permission"]) == (403, "complaint:assign")
        assert senior.post(at(complaint, "release")).json["assignee_id"] is None
        agent.post(at(complaint, "claim"))
        assert agent.post(at(complaint, "release")).json["assignee_id"] is None

    def test_assign(self, senior: Caller, agent: Caller, complaint: dict[str, Any], database: Database) -> None:
        other = str(make_team(database, "Other"))
        answer = senior.put(at(complaint, "assignment"), {"assignee_id": str(agent.id)}, if_match="*")
        assert answer.json["assignee_id"] == str(agent.id)
        answer = senior.put(at(complaint, "assignment"), {"team_id": other, "assignee_id": None}, if_match="*")
        assert (answer.status_code, answer.json["team_id"], answer.json["assignee_id"]) == (200, other, None)
        assert senior.get(at(complaint)).status_code == 404  # it has gone out of their sight

    def test_unknown(self, senior: Caller, complaint: dict[str, Any]) -> None:
        body = {"assignee_id": str(uuid4()), "team_id": str(uuid4())}
        answer = senior.put(at(complaint, "assignment"), body, if_match="*")
        assert problems(answer) == {"/assignee_id": "unknown", "/team_id": "unknown"}

    def test_inactive(self, senior: Caller, admin: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        answer = senior.put(at(complaint, "assignment"), {"assignee_id": str(agent.id)}, if_match="*")
        assert problems(answer) == {"/assignee_id": "unknown"}

    def test_old_version(self, senior: Caller, complaint: dict[str, Any]) -> None:
        assert senior.put(at(complaint, "assignment"), {}, if_match='"v9"').status_code == 412


class TestTimeline:
    def test_anonymous_and_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        stranger = join(team_ids=[make_team(database, "Other")])
        for path in ("timeline", "timeline/verification"):
            assert anonymous.get(at(complaint, path)).status_code == 401
            assert stranger.get(at(complaint, path)).status_code == 404

    def test_everything_that_happened(self, agent: Caller, complaint: dict[str, Any]) -> None:
        done(agent, complaint, "acknowledge", "investigate", "resolve")
        agent.post(at(complaint, "messages"), {"kind": "internal_note", "body": "secret words"})
        entries = everything(agent, at(complaint, "timeline"), limit=2)
        assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
        assert [entry["type"] for entry in entries] == [
            "complaint.received",
            "complaint.message_added",
            "complaint.acknowledged",
            "complaint.investigated",
            "complaint.message_added",
            "complaint.resolved",
            "complaint.message_added",
        ]
        assert {entry["actor_id"] for entry in entries} == {str(agent.id)}
        assert len({entry["hash"] for entry in entries}) == len(entries)
        assert "secret words" not in str(entries)  # an event outlives an erasure
        report = agent.get(at(complaint, "timeline/verification")).json
        assert report == {"valid": True, "events": len(entries), "broken": [], "texts": 4, "texts_without_digest": 0}

    def test_tampering_is_found(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        done(agent, complaint, "acknowledge")
        past_the_trigger(engine, """UPDATE event SET payload = payload || '{"channel": "X"}' WHERE stream_seq = 2""")
        report = agent.get(at(complaint, "timeline/verification")).json
        assert report == {
            "valid": False,
            "events": 3,
            "broken": [{"sequence": 2, "kind": "payload", "what": "payload was changed"}],
            "texts": 2,
            "texts_without_digest": 0,
        }

    def test_writing_meanwhile_is_no_tampering(
        self, app: Flask, agent: Caller, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        """Somebody adds to the timeline before each statement of the verification; it holds all the same."""
        other = Caller(app.test_client(), agent.actor, agent.token)
        notes: list[int] = []
        writing = False

        def meanwhile(*_: Any) -> None:
            nonlocal writing
            if not writing:
                writing = True
                notes.append(other.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}).status_code)
                writing = False

        event.listen(engine, "before_cursor_execute", meanwhile)
        try:
            report = agent.get(at(complaint, "timeline/verification")).json
        finally:
            event.remove(engine, "before_cursor_execute", meanwhile)
        assert set(notes) == {201}
        assert report["valid"] is True, report


class TestVisibility:
    """What a list shows, what a count counts and what can be opened are one and the same set, for everybody."""

    def test_every_role_and_team(self, join: Join, database: Database, admin: Caller) -> None:
        teams = [make_team(database, name) for name in ("North", "South")]
        callers = [
            join(role, team_ids=list(member_of))
            for role in ("agent", "senior", "manager", "director", "admin", "auditor")
            for member_of in ((), (teams[0],), tuple(teams))
            if role == "agent" or len(member_of) == 1
        ]
        made = []
        for team_id in (None, *teams):
            made += [new(admin, **({"team_id": str(team_id)} if team_id else {})) for _ in range(2)]
        loner = callers[0]
        admin.put(at(made[4], "assignment"), {"assignee_id": str(loner.id)}, if_match="*")
        now = [admin.get(at(shown)).json for shown in made]
        for caller in callers:
            actor = caller.actor
            visible = {
                row["id"]
                for row in now
                if actor.role in SEES_ALL
                or row["team_id"] is None
                or UUID(row["team_id"]) in actor.team_ids
                or row["assignee_id"] == str(actor.id)
            }
            assert {row["id"] for row in everything(caller, "/complaints", limit=2)} == visible, actor
            assert caller.get("/complaints?count=true&limit=1").json["total"] == len(visible)
            for row in now:
                expected = 200 if row["id"] in visible else 404
                for path in ("", "/messages", "/timeline", "/timeline/verification"):
                    assert caller.get(f"/complaints/{row['reference']}{path}").status_code == expected, (actor, path)
                found = caller.get(f"/complaints?ref={row['reference']}&count=true").json
                assert (len(found["items"]), found["total"]) == ((1, 1) if expected == 200 else (0, 0))
        assert {row["id"] for row in everything(loner, "/complaints")} == {now[0]["id"], now[1]["id"], now[4]["id"]}

    def test_what_is_not_seen_is_not_changed(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Other")])
        before = database_rows(database)
        for action in LIFECYCLE.actions:
            assert stranger.post(at(complaint, "actions", action), GOOD[action]).status_code == 404
        assert stranger.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}).status_code == 404
        assert stranger.patch(at(complaint), {"subject": "x"}, if_match='"v1"').status_code == 404
        assert database_rows(database) == before

    def test_leaving_the_team_takes_effect_at_once(
        self, admin: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        assert agent.get(at(complaint)).status_code == 200
        assert admin.patch(f"/agents/{agent.id}", {"team_ids": []}, if_match="*").status_code == 200
        assert agent.get(at(complaint)).status_code == 404


def database_rows(database: Database) -> list[str]:
    with database.reader() as session:
        return [
            str(row)
            for name in ("complaint", "complaint_message", "complaint_transition", "event")
            for row in session.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1"))
        ]


def test_received_at_of_an_hour_ago(agent: Caller) -> None:
    """The clock that decides is the database's; a moment before it is not the future."""
    moment = datetime.now(UTC) - timedelta(hours=1)
    assert datetime.fromisoformat(new(agent, received_at=moment.isoformat())["received_at"]) == moment
