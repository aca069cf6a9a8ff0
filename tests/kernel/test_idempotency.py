"""`Idempotency-Key`, through HTTP.

How it can fail: a repeat acts a second time; a repeat with another body gets the first answer; two at once both act; a
request that failed or was cut off leaves a key that can never be used again; one caller gets another's answer; somebody without an
account gets no answer after changing networks; a secret lies about in the stored answers.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields
from sqlalchemy import Engine, text

from helpdesk.app import api_of, create_app
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.idempotency import KEPT, forget_old
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.openapi import document
from helpdesk.kernel.schemas import Schema, Text
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.kernel.happenings import Said, told
from tests.racing import at_once, until, waiting

BODY = {"name": "Li Wei"}


class Words(Schema):
    words = Text(required=True)


class Shown(Schema):
    words = fields.String(required=True)


def count(engine: Engine, table: str = "customer") -> int:
    with engine.connect() as connection:
        found: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    return found


def another(caller: Caller) -> Caller:
    """The same caller in another thread."""
    return Caller(caller.client.application.test_client(), caller.actor, caller.token)


class TestRepeat:
    def test_same_body_gets_the_same_answer(self, agent: Caller, engine: Engine) -> None:
        first = agent.post("/customers", BODY, idempotency_key="k1")
        again = agent.post("/customers", BODY, idempotency_key="k1")
        assert (first.status_code, "Idempotent-Replayed" in first.headers) == (201, False)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert again.data == first.data
        for name in ("ETag", "Location", "Content-Type"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
        assert count(engine) == 1

    def test_without_a_key_it_happens_again(self, agent: Caller, engine: Engine) -> None:
        for _ in range(2):
            assert agent.post("/customers", BODY).status_code == 201
        assert count(engine) == 2

    def test_another_body(self, agent: Caller, engine: Engine) -> None:
        agent.post("/customers", BODY, idempotency_key="k1")
        answer = agent.post("/customers", {"name": "Somebody else"}, idempotency_key="k1")
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
        assert count(engine) == 1

    def test_another_path_and_another_caller_are_other_keys(self, agent: Caller, join: Join, engine: Engine) -> None:
        agent.post("/customers", BODY, idempotency_key="k1")
        assert agent.post("/tokens", {"name": "x"}, idempotency_key="k1").status_code == 201
        theirs = join().post("/customers", {"name": "Other"}, idempotency_key="k1")
        assert (theirs.status_code, theirs.json["name"]) == (201, "Other")
        assert count(engine) == 2

    def test_quoted_and_bare_are_one_key(self, agent: Caller, engine: Engine) -> None:
        agent.post("/customers", BODY, idempotency_key='"k1"')
        assert agent.post("/customers", BODY, idempotency_key="k1").headers["Idempotent-Replayed"] == "true"
        assert count(engine) == 1

    def test_a_refusal_is_not_kept(self, agent: Caller, engine: Engine) -> None:
        assert agent.post("/customers", {"name": ""}, idempotency_key="k1").status_code == 422
        assert count(engine, "idempotent_answer") == 0
        assert agent.post("/customers", BODY, idempotency_key="k1").status_code == 201

    def test_only_posts_have_keys(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        for word in ("one", "two"):
            path = f"/complaints/{complaint['reference']}"
            answer = agent.patch(path, {"subject": word}, if_match="*", idempotency_key="k1")
            assert answer.json["subject"] == word
        assert agent.get("/customers", idempotency_key="k1").status_code == 200
        assert count(engine, "idempotent_answer") == 0

    def test_a_revoked_caller_gets_no_stored_answer(self, agent: Caller, admin: Caller) -> None:
        agent.post("/customers", BODY, idempotency_key="k1")
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        assert agent.post("/customers", BODY, idempotency_key="k1").status_code == 401

    @pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "\t", '""', "a\x7f"])
    def test_not_a_key(self, agent: Caller, engine: Engine, key: str) -> None:
        answer = agent.post("/customers", BODY, idempotency_key=key)
        assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_invalid")
        assert count(engine) == 0

    def test_longest_and_shortest(self, agent: Caller) -> None:
        for key in ("x" * 255, "!", '"'):
            assert agent.post("/customers", BODY, idempotency_key=key).status_code == 201
            assert agent.post("/customers", BODY, idempotency_key=key).headers["Idempotent-Replayed"] == "true"


class TestPublic:
    """Nobody is known there: the path, which holds the signed token, tells callers apart."""

    @pytest.fixture
    def public(self, program: Program) -> FlaskClient:
        blueprint = Blueprint("things", __name__)

        @blueprint.write(
            "/public/things/<token>/say", operation_id="say", summary="Say", answer=Shown, body=Words, public=True
        )
        def say(uow: UnitOfWork, _actor: Any, given: dict[str, Any], token: str) -> dict[str, str]:
            uow.record(Said(thing_id=new_id(), words=given["words"]))
            return {"words": f"{token} {given['words']}"}

        app = create_app(program=program)
        api_of(app).register_blueprint(blueprint, url_prefix="/api/v1")
        return app.test_client()

    def say(self, client: FlaskClient, token: str, words: str, address: str) -> Any:
        return client.post(
            f"/api/v1/public/things/{token}/say",
            json={"words": words},
            headers={"Idempotency-Key": "k1"},
            environ_overrides={"REMOTE_ADDR": address},
        )

    def test_a_caller_whose_address_changes(self, public: FlaskClient, database: Database) -> None:
        first = self.say(public, "mine", "yes", "192.0.2.1")
        again = self.say(public, "mine", "yes", "2001:db8::7")
        assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
        other = self.say(public, "mine", "no", "2001:db8::7")
        assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
        assert told(database) == [("test.said", "yes")]

    def test_another_link_with_the_same_key_from_one_address(self, public: FlaskClient, database: Database) -> None:
        for token in ("mine", "yours"):
            answer = self.say(public, token, "yes", "192.0.2.1")
            assert (answer.json["words"], "Idempotent-Replayed" in answer.headers) == (f"{token} yes", False)
        assert len(told(database)) == 2


class TestSecrets:
    def test_a_token_is_shown_once_and_not_kept(self, agent: Caller, engine: Engine) -> None:
        first = agent.post("/tokens", {"name": "x"}, idempotency_key="k1")
        assert first.json["token"].startswith("hd_")
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT convert_from(body, 'UTF8') FROM idempotent_answer")).scalar_one()
        assert first.json["token"] not in kept
        assert first.json["id"] in kept
        again = agent.post("/tokens", {"name": "x"}, idempotency_key="k1")
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert again.json == first.json | {"token": None}
        assert count(engine, "token WHERE name = 'x'") == 1

    def test_the_document_says_so(self, app: Flask) -> None:
        operation = document(api_of(app))["paths"]["/api/v1/tokens"]["post"]
        assert "`token` is shown once and kept nowhere" in operation["description"]


class TestAtOnce:
    def test_while_the_first_still_runs(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        """The first waits for the complaint's row, which we hold; the second is told to come back."""
        path, body = f"/complaints/{complaint['reference']}/messages", {"kind": "inbound", "body": "x"}
        with engine.connect() as holder, engine.connect() as watcher, ThreadPoolExecutor(1) as pool:
            holder.execute(text("SELECT 1 FROM complaint FOR UPDATE"))
            first = pool.submit(another(agent).post, path, body, idempotency_key="k1")
            until(lambda: waiting(watcher) == 1)
            second = agent.post(path, body, idempotency_key="k1")
            holder.rollback()
            assert first.result().status_code == 201
        assert (second.status_code, second.json["code"]) == (409, "request_in_progress")
        assert second.headers["Retry-After"] == "1"
        again = agent.post(path, body, idempotency_key="k1")
        assert (again.data, again.headers["Idempotent-Replayed"]) == (first.result().data, "true")
        assert count(engine, "complaint_message") == 1

    def test_many_at_once(self, app: Flask, agent: Caller, engine: Engine) -> None:
        callers = [another(agent) for _ in range(6)]
        answers = at_once(
            *(lambda caller=caller: caller.post("/customers", BODY, idempotency_key="k1") for caller in callers)
        )
        assert {answer.status_code for answer in answers} <= {201, 409}
        made = {answer.json["id"] for answer in answers if answer.status_code == 201}
        assert len(made) == count(engine) == 1
        assert {answer.json["code"] for answer in answers if answer.status_code == 409} <= {"request_in_progress"}

    def test_cut_off_before_the_commit(self, agent: Caller, complaint: dict[str, Any], engine: Engine) -> None:
        """Effect, answer and lock go together; the key is free again."""
        path, body = f"/complaints/{complaint['reference']}/messages", {"kind": "inbound", "body": "x"}
        with engine.connect() as holder, engine.connect() as watcher, ThreadPoolExecutor(1) as pool:
            holder.execute(text("SELECT 1 FROM complaint FOR UPDATE"))
            first = pool.submit(another(agent).post, path, body, idempotency_key="k1")
            until(lambda: waiting(watcher) == 1)
            watcher.execute(
                text(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
            assert (first.result().status_code, first.result().headers["Retry-After"]) == (503, "2")
            holder.rollback()
        assert (count(engine, "complaint_message"), count(engine, "idempotent_answer")) == (0, 0)
        again = agent.post(path, body, idempotency_key="k1")
        assert (again.status_code, "Idempotent-Replayed" in again.headers) == (201, False)
        assert count(engine, "complaint_message") == 1


def test_kept_for_two_days(agent: Caller, engine: Engine) -> None:
    for key in ("young", "old"):
        agent.post("/customers", BODY, idempotency_key=key)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE idempotent_answer SET created_at = now() - make_interval(secs => :s + 60) "
                "WHERE created_at = (SELECT max(created_at) FROM idempotent_answer)"
            ),
            {"s": KEPT.total_seconds()},
        )
    assert forget_old(engine) == 1
    assert forget_old(engine) == 0
    assert agent.post("/customers", BODY, idempotency_key="young").headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in agent.post("/customers", BODY, idempotency_key="old").headers


def test_the_key_itself_is_not_kept(agent: Caller, engine: Engine) -> None:
    agent.post("/customers", BODY, idempotency_key="very-secret-key")
    with engine.connect() as connection:
        assert "very-secret-key" not in str(connection.execute(text("SELECT t::text FROM idempotent_answer t")).all())
