"""Who has a reference and a secret, what they do with it, and where the mail that tells it ends."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Engine, text

from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.kernel import mail
from helpdesk.kernel.db import Base
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import SIGNING_KEY, Caller, complaint_body
from tests.recovery import helpers

SECRETS: Final = Secrets(SIGNING_KEY)


def new(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def opened(caller: Caller, shown: dict[str, Any]) -> str:
    answer = caller.post("/public/tracking", {"reference": shown["reference"], "secret": shown["tracking_secret"]})
    assert answer.status_code == 200, answer.text
    return str(answer.json["token"])


def with_mail(program: Program) -> Program:
    """The same with a server set up; nothing is sent by the API itself."""
    return replace(program, settings=replace(program.settings, smtp_url="smtp://127.0.0.1:1"))


class Complainant:
    """Somebody with a session."""

    def __init__(self, anonymous: Caller, shown: dict[str, Any]) -> None:
        self._caller = anonymous
        self.token = opened(anonymous, shown)

    def get(self, path: str) -> Any:
        return self._caller.get(f"/public/tracking/{path}", authorization=f"Tracking {self.token}")

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self._caller.post(f"/public/tracking/{path}", body, authorization=f"Tracking {self.token}", **headers)


def act(caller: Caller, shown: dict[str, Any], action: str, **more: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{shown['reference']}/actions/{action}", GOOD[action] | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def everything_written(engine: Engine) -> str:
    """Every row of every table, as text."""
    found: list[str] = []
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            found += connection.execute(text(f'SELECT to_jsonb(t)::text FROM "{table.name}" t')).scalars()
    return "\n".join(found)


class Post:
    """The mail server's place is taken: what would have gone out."""

    def __init__(self, program: Program) -> None:
        self.sent: list[Any] = []
        self._database = program.database
        self._performer = replace(program.performer, tools=replace(program.tools, mailer=self))

    def send(self, message: Any) -> bool:
        self.sent.append(message)
        return True

    def deliver(self) -> None:
        self._performer.perform(helpers.duties(self._database, mail.TOPIC))
