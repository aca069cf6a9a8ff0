"""Who is at work on a complaint, over HTTP.

How it can fail: somebody learns who works on a complaint that they may not see, or of an agent they may not see; presence
writes to the database, waits for the complaint's lock, or changes its version; it fails with Redis and takes the API with
it; a complainant or a program is shown as an agent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from flask import Flask
from sqlalchemy import Engine, QueuePool, text
from sqlalchemy.orm import Session

from helpdesk.app import create_app
from helpdesk.identity.actors import SYSTEM, Actor, complainant_actor
from helpdesk.kernel.http import Web, web
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.presence import Presence
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import assemble
from tests.conftest import Caller, Join, make_team


@pytest.fixture
def app(settings: Settings, redis_url: str, database_url: str) -> Iterator[Flask]:
    """With Redis."""
    program = assemble(replace(settings, redis_url=redis_url, limits=False))
    app = create_app(program=program)
    app.testing = True
    yield app
    program.engine.dispose()


@pytest.fixture
def engine(app: Flask) -> Engine:
    found: Engine = app.extensions["helpdesk_program"].engine
    return found


@pytest.fixture
def database(app: Flask) -> Database:
    found: Database = app.extensions["helpdesk_program"].database
    return found


def of(complaint: dict[str, Any]) -> str:
    return f"/complaints/{complaint['reference']}/presence"


def seen(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    assert answer.json["available"] is True
    return {item["name"]: item["state"] for item in answer.json["present"]}


@contextmanager
def calling_as(app: Flask, actor: Actor) -> Iterator[None]:
    """Whoever calls is taken for `actor`."""
    held: Web = app.extensions["helpdesk"]

    def authenticate(session: Session, **more: bool) -> Actor:
        return replace(actor, seen_at=held.authenticate(session, **more).seen_at)

    app.extensions["helpdesk"] = replace(held, authenticate=authenticate)
    yield
    app.extensions["helpdesk"] = held


class TestPresence:
    def test_who_may(
        self, anonymous: Caller, join: Join, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        stranger = join(team_ids=[make_team(database, "Elsewhere")])
        for caller, status in ((anonymous, 401), (stranger, 404), (agent, 200), (join("auditor"), 200)):
            for answer in (
                caller.get(of(complaint)),
                caller.put(of(complaint), {"state": "viewing"}),
                caller.delete(of(complaint)),
            ):
                assert answer.status_code == status, answer.text
        assert stranger.put(of(complaint), {"state": "dancing"}).status_code == 404
        assert agent.put(of(complaint), {"state": "dancing"}).status_code == 422
        assert agent.put(of(complaint), {}).status_code == 422
        assert agent.get("/complaints/0/presence").status_code == 404

    def test_come_and_go(self, join: Join, agent: Caller, complaint: dict[str, Any]) -> None:
        other = join(name="Ben")
        me = agent.actor.name
        assert seen(agent.get(of(complaint))) == {}
        assert seen(agent.put(of(complaint), {"state": "viewing"})) == {me: "viewing"}
        assert seen(other.put(of(complaint), {"state": "writing"})) == {me: "viewing", "Ben": "writing"}
        assert seen(agent.get(f"/complaints/{complaint['id']}/presence")) == {me: "viewing", "Ben": "writing"}
        assert seen(other.delete(of(complaint))) == {me: "viewing"}
        assert seen(other.delete(of(complaint))) == {me: "viewing"}, "gone twice is gone once"

    def test_not_of_agents_whom_one_may_not_see(
        self, join: Join, agent: Caller, complaint: dict[str, Any], app: Flask
    ) -> None:
        join(name="Ben").put(of(complaint), {"state": "writing"})
        with calling_as(app, replace(agent.actor, permissions=agent.actor.permissions - {"agent:read"})):
            assert seen(agent.get(of(complaint))) == {}
            assert seen(agent.put(of(complaint), {"state": "viewing"})) == {agent.actor.name: "viewing"}

    def test_not_for_complainants_and_programs(self, agent: Caller, complaint: dict[str, Any], app: Flask) -> None:
        for actor in (complainant_actor(complaint["id"], frozenset({"complaint:read"})), SYSTEM):
            with calling_as(app, actor):
                assert agent.put(of(complaint), {"state": "viewing"}).status_code == 403
                assert agent.delete(of(complaint)).status_code == 403

    def test_redis_is_asked_while_no_connection_is_held(
        self, agent: Caller, complaint: dict[str, Any], app: Flask, engine: Engine, redis_url: str
    ) -> None:
        """Redis may take its time; the database must not wait with it."""
        held: list[int] = []

        class Watched(Presence):
            def _ask(self, *asked: Any) -> Any:
                held.append(cast(QueuePool, engine.pool).checkedout())
                return super()._ask(*asked)

        app.extensions["helpdesk"] = replace(app.extensions["helpdesk"], presence=Watched(redis_url))
        assert seen(agent.put(of(complaint), {"state": "writing"})) == {agent.actor.name: "writing"}
        assert seen(agent.delete(of(complaint))) == {}
        assert held == [0, 0]

    def test_writes_nothing_and_waits_for_nobody(
        self, agent: Caller, complaint: dict[str, Any], engine: Engine, statements: Callable[[], Any]
    ) -> None:
        with engine.connect() as holder:
            holder.execute(text("SELECT id FROM complaint FOR UPDATE"))
            with statements() as sent:
                assert agent.put(of(complaint), {"state": "writing"}).status_code == 200
            holder.rollback()
        assert len(sent) == 3  # who is calling, the complaint, names
        assert all(statement.lstrip().startswith("SELECT") for statement in sent.seen)
        assert not any("FOR UPDATE" in statement for statement in sent.seen)
        assert agent.get(f"/complaints/{complaint['reference']}").json["version"] == complaint["version"]

    def test_somebody_who_is_no_agent_any_more_is_left_out(
        self, agent: Caller, complaint: dict[str, Any], app: Flask
    ) -> None:
        with app.app_context():
            web().presence.note(complaint["id"], new_id(), "writing")
        assert seen(agent.get(of(complaint))) == {}


class TestWithoutRedis:
    @pytest.fixture
    def app(self, worker_app: Flask, database_url: str) -> Flask:
        return worker_app

    def test_says_that_it_cannot_tell_and_everything_else_goes_on(
        self, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        nothing = {"available": False, "present": []}
        assert agent.put(of(complaint), {"state": "writing"}).json == nothing
        assert agent.get(of(complaint)).json == nothing
        assert agent.delete(of(complaint)).json == nothing
        body = {"kind": "public_reply", "body": "We have found your parcel."}
        assert agent.post(f"/complaints/{complaint['reference']}/messages", body).status_code == 201
