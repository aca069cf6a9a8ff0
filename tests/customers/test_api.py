"""Customers over HTTP.

How it can fail: a customer is made twice; an address in another case is another customer; an edit is lost; somebody
who may only read writes.
"""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.conftest import Caller, Join, complaint_body
from tests.racing import at_once

LI = {"name": "Li Wei", "email": "li.wei@example.com", "language": "zh-CN", "external_id": "crm-1"}


class TestCreate:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, join: Join) -> None:
        assert anonymous.post("/customers", LI).status_code == 401
        answer = join("auditor").post("/customers", LI)
        assert (answer.status_code, answer.json["permission"]) == (403, "customer:edit")

    def test_good(self, agent: Caller, engine: Engine) -> None:
        answer = agent.post("/customers", LI)
        shown = answer.json
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/v1/customers/{shown['id']}"
        assert (LI | {"kind": "person", "tier": "ordinary", "phone": None, "version": 1}).items() <= shown.items()
        assert agent.get(answer.headers["Location"]).json == shown
        with engine.connect() as connection:
            payload = connection.execute(text("SELECT payload FROM event WHERE type = 'customer.created'")).scalar_one()
        assert "Li Wei" not in str(payload)

    def test_nothing_is_needed(self, agent: Caller) -> None:
        assert agent.post("/customers", {}).status_code == 201

    def test_same_external_id(self, agent: Caller) -> None:
        agent.post("/customers", LI)
        answer = agent.post("/customers", {"external_id": "crm-1"})
        assert (answer.status_code, answer.json["code"]) == (409, "external_id_taken")

    def test_same_external_id_at_once(self, app: Flask, agent: Caller, engine: Engine) -> None:
        callers = [Caller(app.test_client(), agent.actor, agent.token) for _ in range(4)]
        answers = at_once(*(lambda caller=caller: caller.post("/customers", LI) for caller in callers))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"kind": "dog"}, "/kind"),
            ({"tier": "gold"}, "/tier"),
            ({"email": "x"}, "/email"),
            ({"email": "a@x.example\r\nBcc: b@x.example"}, "/email"),
            ({"name": "\x1b[2J"}, "/name"),
            ({"name": ""}, "/name"),
            ({"phone": "5" * 51}, "/phone"),
            ({"language": "Chinese (simplified)"}, "/language"),
            ({"external_id": " "}, "/external_id"),
            ({"id": str(uuid4())}, "/id"),
            ({"version": 7}, "/version"),
        ],
    )
    def test_bad(self, agent: Caller, body: dict[str, Any], pointer: str) -> None:
        answer = agent.post("/customers", body)
        assert answer.status_code == 422
        assert pointer in {item["pointer"] for item in answer.json["errors"]}


class TestRead:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/customers").status_code == 401
        assert anonymous.get(f"/customers/{uuid4()}").status_code == 401

    def test_unknown(self, agent: Caller) -> None:
        assert agent.get(f"/customers/{uuid4()}").status_code == 404

    def test_list_and_filters(self, agent: Caller) -> None:
        made = [agent.post("/customers", body).json for body in (LI, {"name": "Ana"}, {"email": "LI.WEI@EXAMPLE.COM"})]
        for query, wanted in {
            "": made,
            "email=Li.Wei%40example.com": [made[0], made[2]],
            "external_id=crm-1": made[:1],
            "external_id=crm-1&email=ana%40example.com": [],
        }.items():
            answer = agent.get(f"/customers?count=true&{query}".rstrip("&")).json
            assert (answer["items"], answer["total"]) == (wanted, len(wanted)), query

    def test_pages(self, agent: Caller) -> None:
        made = [agent.post("/customers", {"name": str(number)}).json["id"] for number in range(7)]
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = agent.get(f"/customers?limit=2{cursor and '&cursor=' + cursor}").json
            found += [row["id"] for row in page["items"]]
            cursor = page["next_cursor"]
        assert found == made


class TestChange:
    @pytest.fixture
    def customer(self, agent: Caller) -> dict[str, Any]:
        return dict(agent.post("/customers", LI).json)

    def test_anonymous_and_wrong_role(self, anonymous: Caller, join: Join, customer: dict[str, Any]) -> None:
        path = f"/customers/{customer['id']}"
        assert anonymous.patch(path, {}, if_match="*").status_code == 401
        assert join("auditor").patch(path, {}, if_match="*").status_code == 403

    def test_good(self, agent: Caller, customer: dict[str, Any], engine: Engine) -> None:
        path = f"/customers/{customer['id']}"
        assert agent.patch(path, {"tier": "key"}).status_code == 428
        answer = agent.patch(path, {"tier": "key", "name": "李伟"}, if_match='"v1"')
        assert (answer.json["tier"], answer.json["name"], answer.headers["ETag"][:4]) == ("key", "李伟", '"v2-')
        stale = agent.patch(path, {"tier": "small"}, if_match='"v1"')
        assert (stale.status_code, stale.json["current_version"]) == (412, 2)
        assert agent.patch(path, {"tier": "key"}, if_match='"v2"').json["version"] == 2
        with engine.connect() as connection:
            statement = text("SELECT payload FROM event WHERE type = 'customer.changed'")
            [payload] = connection.execute(statement).scalars()
        assert payload["changes"] == {"tier": ["ordinary", "key"], "name": ["Li Wei", "李伟"]}

    def test_unknown_and_bad(self, agent: Caller, customer: dict[str, Any]) -> None:
        assert agent.patch(f"/customers/{uuid4()}", {}, if_match="*").status_code == 404
        for body in ({"external_id": "x"}, {"kind": "organisation"}, {"name": None}, {"tier": "gold"}):
            assert agent.patch(f"/customers/{customer['id']}", body, if_match="*").status_code == 422

    def test_the_one_behind_a_complaint_is_the_same(self, agent: Caller, customer: dict[str, Any]) -> None:
        shown = agent.post("/complaints", complaint_body()).json
        assert shown["customer_id"] == customer["id"]
