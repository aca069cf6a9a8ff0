"""Taking complaints in. The class begins with the anonymous caller, then the wrong role, then the good case.

How it can fail: a bad field is let in, or one of two is not named; a part of a complaint is written, and the rest is not.
"""

from typing import Any, Final
from uuid import UUID

from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.complaints.schemas import LONG
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import as_read, everything, new, problems
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once

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
