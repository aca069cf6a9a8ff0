"""People who sign in: members with a password, and browsers and programs that they do it with."""

import itertools
from functools import cache
from typing import Any

import pyotp
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity import passwords
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.models import Agent
from helpdesk.identity.password_models import AgentPassword
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import HANDLERS, Program

PASSWORD = "plum-harbour-violin-42"
OTHER = "quiet-otter-juggles-71"
REAL_HASHER = passwords._HASHER
_numbers = itertools.count(1)


@cache
def known_hash() -> str:
    """Of `PASSWORD`, made once: it costs on purpose."""
    return passwords.hashed(PASSWORD)


class Member:
    """An agent who may sign in."""

    def __init__(self, database: Database, role: str = "agent", *, password: bool = True, active: bool = True) -> None:
        self.id = new_id()
        self.email = f"Member{next(_numbers)}@Example.com"
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.add(Agent(id=self.id, email=self.email, name="Ana Souza", role=role, active=active, version=1))
            uow.session.flush()
            if password:
                uow.session.add(AgentPassword(agent_id=self.id, hash=known_hash(), set_at=uow.now))


class Browser:
    """Keeps cookies, comes from an address of its own, and says so with each request. `token`: shown as bearer."""

    def __init__(self, app: Flask, address: str = "192.0.2.1", **headers: str) -> None:
        self.client = app.test_client()
        self.address = address
        self.token: str | None = None
        self.headers = headers

    def open(self, method: str, path: str, body: Any = None, **headers: str | None) -> Any:
        sent: dict[str, str] = {"User-Agent": "Tests"} | self.headers
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        for name, value in headers.items():
            sent.pop(name.replace("_", "-"), None)
            if value is not None:
                sent[name.replace("_", "-")] = value
        return self.client.open(
            f"/api/v1{path}",
            method=method,
            json=body,
            headers=sent,
            base_url="https://helpdesk.test",
            environ_overrides={"REMOTE_ADDR": self.address},
        )

    def get(self, path: str, **headers: str | None) -> Any:
        return self.open("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str | None) -> Any:
        return self.open("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str | None) -> Any:
        return self.open("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str | None) -> Any:
        return self.open("DELETE", path, **headers)

    def try_to_sign_in(self, email: str, password: str = PASSWORD, **more: Any) -> Any:
        return self.post("/public/sessions", {"email": email, "password": password, **more})

    def sign_in(self, who: Member, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """Signed in from here on."""
        answer = self.try_to_sign_in(who.email, password, **more)
        assert answer.status_code == 201, answer.text
        self.token = answer.json["token"]
        return dict(answer.json)


def perform_duties(program: Program) -> dict[str, int]:
    """Everything owed, done here."""
    with program.engine.connect() as connection:
        owed = text("SELECT id FROM duty WHERE done_at IS NULL AND dead_at IS NULL ORDER BY number")
        ids = list(connection.execute(owed).scalars())
    return Performer(program.database, HANDLERS, SYSTEM, program.tools).perform(ids)


def mails(engine: Engine, to: str) -> list[Any]:
    with engine.connect() as connection:
        statement = text("SELECT reason, subject, body FROM outbound_mail WHERE recipient = :to ORDER BY id")
        return list(connection.execute(statement, {"to": to}))


def recorded(engine: Engine, kind: str) -> list[dict[str, Any]]:
    """Payloads of the administrative acts of a kind, in their order."""
    with engine.connect() as connection:
        statement = text("SELECT payload FROM event WHERE type = :kind AND stream_id IS NOT NULL ORDER BY stream_seq")
        return list(connection.execute(statement, {"kind": kind}).scalars())


def execute(engine: Engine, statement: str, **values: Any) -> int:
    with engine.begin() as connection:
        return connection.execute(text(statement), values).rowcount


class App:
    """An authenticator app with one seed. Codes of any step, counted from now."""

    def __init__(self, engine: Engine, seed: str) -> None:
        self._engine = engine
        self.seed = seed

    def code(self, steps: int = 0) -> str:
        with self._engine.connect() as connection:
            now = int(connection.execute(text("SELECT extract(epoch FROM now())::bigint")).scalar_one())
        return pyotp.HOTP(self.seed).at(now // 30 + steps)


def enrolled(engine: Engine, browser: Browser) -> tuple[App, list[str]]:
    """The second factor of whoever is signed in there, enabled with the code of the step before now; and the recovery
    codes. The browser goes on with its new token.
    """
    answer = browser.post("/me/second-factor", {"password": PASSWORD}, X_Requested_With="tests")
    assert answer.status_code == 201, answer.text
    app = App(engine, answer.json["secret"])
    answer = browser.post("/me/second-factor/confirm", {"code": app.code(-1)}, X_Requested_With="tests")
    assert answer.status_code == 200, answer.text
    browser.token = answer.json["session"]["token"]
    return app, list(answer.json["recovery_codes"])
