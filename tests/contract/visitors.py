"""People at the door, for what is about signing in: each operation's caller is as far as it needs."""

import atexit
import time
from collections.abc import Callable
from functools import cache
from typing import Final
from uuid import UUID

from flask import Flask

from helpdesk.identity import password_service
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.models import Agent
from helpdesk.identity.provider_models import AgentIdentity
from helpdesk.kernel.ids import new_id
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.identity.doors import PASSWORD, App, Browser, Member, enrolled
from tests.identity.providers import Lying


@cache
def provider() -> Lying:
    """An honest one, for as long as the tests run."""
    found = Lying()
    found.now = int(time.time())
    found.claims = {"exp": found.now + 86_400}
    found.start()
    atexit.register(found.stop)
    return found


class Visitors:
    def __init__(self, app: Flask, program: Program, caller: Caller) -> None:
        self._app = app
        self._program = program
        self._caller = caller
        self._browser = Browser(app)
        self._phone: App | None = None
        self._brought: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._count = 0

    def token(self, operation_id: str) -> str | None:
        """That of somebody who is signed in as the operation needs it; None where any caller's will do."""
        prepare = _SIGNED_IN.get(operation_id)
        if prepare is not None and operation_id not in self._tokens:
            self._tokens[operation_id] = prepare(self)
        return self._tokens.get(operation_id)

    def forget(self, operation_id: str) -> None:
        self._tokens.pop(operation_id, None)

    def field(self, operation_id: str, name: str) -> str | None:
        """What belongs into a body's field; None where anything does."""
        maker = _FIELDS.get(f"{operation_id} {name}")
        if maker is None:
            return None
        self.token(operation_id)  # what is made up is about whoever that is
        return maker(self)

    def member(self) -> Member:
        """Somebody with a password, an administrator like the caller."""
        return Member(self._program.database, "admin")

    def email(self) -> str:
        return self.member().email

    def _somebody_elsewhere(self) -> Browser:
        self._count += 1
        return Browser(self._app, f"198.51.{self._count % 250}.1")

    def session(self) -> str:
        self._browser = self._somebody_elsewhere()
        self._browser.sign_in(self.member())
        return str(self._browser.token)

    def session_id(self) -> str:
        return str(self._somebody_elsewhere().sign_in(self.member())["session_id"])

    def enrolling(self) -> str:
        token = self.session()
        seed = self._browser.post("/me/second-factor", {"password": PASSWORD}).json["secret"]
        self._phone = App(self._program.engine, seed)
        return token

    def with_second_factor(self) -> str:
        self.session()
        self._phone, _ = enrolled(self._program.engine, self._browser)
        return str(self._browser.token)

    def code(self) -> str:
        """Of whoever was signed in last."""
        assert self._phone is not None
        return self._phone.code()

    def protected(self) -> str:
        """An agent with a second factor."""
        agent = Member(self._program.database)
        browser = self._somebody_elsewhere()
        browser.sign_in(agent)
        enrolled(self._program.engine, browser)
        return str(agent.id)

    def uninvited(self) -> str:
        """An agent without a password."""
        return str(Member(self._program.database, password=False).id)

    def reset_token(self) -> str:
        agent_id = UUID(self.uninvited())
        with self._program.database.unit_of_work(SYSTEM) as uow:
            row = uow.session.get(Agent, agent_id)
            assert row is not None
            link = password_service.make_invitation(uow, row, self._program.tools.signing_key, "")
        return link.rpartition("/")[2]

    def provider_id(self) -> str:
        body = {
            "name": f"Provider {new_id()}",
            "issuer": provider().issuer,
            "client_id": "helpdesk",
            "client_secret": "s3cret/",
            "allowed_domains": ["example.com"],
            "provision_role": "agent",
        }
        answer = self._caller.post("/identity-providers", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def identity_id(self) -> str:
        identity_id = new_id()
        agent_id, provider_id = self.member().id, UUID(self.provider_id())
        with self._program.database.unit_of_work(SYSTEM) as uow:
            uow.session.add(
                AgentIdentity(
                    id=identity_id,
                    agent_id=agent_id,
                    provider_id=provider_id,
                    issuer=provider().issuer,
                    subject=str(identity_id),
                )
            )
        return str(identity_id)

    def brought(self, name: str) -> str:
        """By somebody who has just come back from there; each is given out once, so that those of one body belong together."""
        if name not in self._brought:
            begun = (
                self._somebody_elsewhere().post("/public/provider-sign-ins", {"provider_id": self.provider_id()}).json
            )
            self._brought = {**provider().authorize(begun["authorization_url"]), "binding": begun["binding"]}
        return self._brought.pop(name)


_SIGNED_IN: Final[dict[str, Callable[[Visitors], str]]] = {
    "get_session": Visitors.session,
    "sign_out": Visitors.session,
    "change_password": Visitors.session,
    "enrol_second_factor": Visitors.session,
    "confirm_second_factor": Visitors.enrolling,
    "prove_second_factor": Visitors.with_second_factor,
    "renew_recovery_codes": Visitors.with_second_factor,
    "disable_second_factor": Visitors.with_second_factor,
}
_FIELDS: Final[dict[str, Callable[[Visitors], str]]] = {
    "sign_in email": Visitors.email,
    "confirm_second_factor code": Visitors.code,
    "prove_second_factor code": Visitors.code,
    "renew_recovery_codes code": Visitors.code,
    "disable_second_factor code": Visitors.code,
    "begin_provider_sign_in provider_id": Visitors.provider_id,
    "sign_in_with_provider state": lambda visitors: visitors.brought("state"),
    "sign_in_with_provider code": lambda visitors: visitors.brought("code"),
    "sign_in_with_provider binding": lambda visitors: visitors.brought("binding"),
}
