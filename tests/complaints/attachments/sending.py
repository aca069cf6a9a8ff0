"""Files sent and had as a caller does it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.scanning import scanner_for
from helpdesk.kernel.storage import FolderStore, Store
from helpdesk.wiring import HANDLERS, Program
from tests.conftest import Caller
from tests.kernel.test_sniffing import PDF
from tests.recovery import helpers


def path_of(complaint: dict[str, Any]) -> str:
    return f"/api/v1/complaints/{complaint['reference']}/attachments"


KIND = "multipart/form-data; boundary=b"


def form(content: bytes, name: str, declared: str = "application/pdf", **fields: str) -> bytes:
    """As no library writes it: the name goes over the wire as it is."""
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (key.encode(), value.encode())
        for key, value in fields.items()
    ]
    parts.append(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\nContent-Type: %b\r\n\r\n%b\r\n--b--\r\n'
        % (name.encode(), declared.encode(), content)
    )
    return b"".join(parts)


def post(caller: Caller, complaint: dict[str, Any], body: bytes, kind: str = KIND, **headers: str) -> Any:
    found = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    found |= {name.replace("_", "-"): value for name, value in headers.items()}
    stream = {"input_stream": io.BytesIO(body), "content_length": len(body), "content_type": kind}
    return caller.client.post(path_of(complaint), headers=found, **stream)


def send(
    caller: Caller, complaint: dict[str, Any], content: bytes = PDF, name: str = "Invoice.pdf", **more: Any
) -> Any:
    """A form with a file; `headers`, and the form's other fields."""
    headers = more.pop("headers", {})
    return post(caller, complaint, form(content, name, **more), **headers)


def sent(caller: Caller, complaint: dict[str, Any], content: bytes = PDF, **more: Any) -> dict[str, Any]:
    answer = send(caller, complaint, content, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def get(caller: Caller, url: str, **headers: str) -> Any:
    """What a link leads to; nobody's token goes with it."""
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = caller.client.get(urlsplit(url).path, headers=dashed)
    assert answer.data is not None  # read, so that nothing stays open
    return answer


def link(caller: Caller, complaint: dict[str, Any], attachment: dict[str, Any], **given: Any) -> str:
    answer = caller.post(f"{path_of(complaint)}/{attachment['id']}/link", given)
    assert answer.status_code == 200, answer.text
    return str(answer.json["url"])


def stored(program: Program) -> set[str]:
    """Names of all there is in the store, whole or not."""
    assert isinstance(program.tools.store, FolderStore)
    return {path.name for path in program.tools.store._folder.rglob("*") if path.is_file()}


def rows(engine: Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement)).mappings())


def perform(program: Program, *topics: str) -> None:
    performer = Performer(program.database, HANDLERS, SYSTEM, program.tools)
    for topic in topics:
        performer.perform(helpers.duties(program.database, topic))


@contextmanager
def app_with(program: Program, store: Store | None = None, **settings: Any) -> Iterator[tuple[Flask, Program]]:
    """The application under other settings, on the same database."""
    changed = replace(program.settings, **settings)
    tools = replace(program.tools, store=store or program.tools.store, scanner=scanner_for(changed.clamd_url))
    other = replace(program, settings=changed, tools=tools)
    app = create_app(program=other)
    app.testing = True
    yield app, other


def at(app: Flask, caller: Caller) -> Caller:
    return Caller(app.test_client(), caller.actor, caller.token)
