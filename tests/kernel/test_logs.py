"""Logs: JSON lines, and no personal data in them.

How it can fail: personal data comes in under a key of its own, in an exception's words (the database quotes the whole
row, a mail server the recipient), in a path, or through another library's logger. A real process, because logging is
set up once per process.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

CANARY = "Li.Wei.CANARY@example.com"


def run(code: str, **environ: str) -> list[dict[str, Any]]:
    """The lines that a process with our logging writes; each must be JSON."""
    script = f"from helpdesk.kernel import logs\nlogs.configure('DEBUG')\nCANARY = {CANARY!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environ},
    )
    assert done.returncode == 0, done.stderr
    assert "CANARY" not in done.stderr + done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_allowed_keys_pass_and_others_are_dropped_visibly() -> None:
    [line] = run(
        """
import structlog
structlog.contextvars.bind_contextvars(request_id="r-1", email=CANARY)
structlog.get_logger().info("received", route="/x", rows=3, subject=CANARY, body={"name": CANARY}, name="sla")
"""
    )
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "received",
        "level": "info",
        "request_id": "r-1",
        "route": "/x",
        "rows": 3,
        "name": "sla",
        "dropped": ["body", "email", "subject"],
    }


def test_exceptions_say_where_and_not_what() -> None:
    lines = run(
        """
import logging, structlog
log = structlog.get_logger()
def inner():
    raise KeyError(CANARY)
def outer():
    try:
        inner()
    except KeyError as error:
        raise RuntimeError(f"no such customer: {CANARY}") from error
for logger in (log, logging.getLogger("a.library")):
    try:
        outer()
    except RuntimeError:
        logger.exception("it failed")
try:
    raise ValueError(CANARY)
except ValueError as error:
    log.warning("again", exc_info=error)
    log.error("and again", exc_info=True)
"""
    )
    assert [line["event"] for line in lines] == ["it failed", "it failed", "again", "and again"]
    for line in lines[:2]:
        text = line["exception"]
        assert (
            text.index("in outer")
            < text.index("builtins.RuntimeError")
            < text.index("caused by")
            < text.index("in inner")
        )
        assert text.rstrip().endswith("builtins.KeyError")


def test_a_request_that_fails(database_url: str) -> None:
    """The row that the database quotes, the path, the query, the body and the headers of a request that ends in a 500."""
    lines = run(
        """
from flask import request
from sqlalchemy import text
from helpdesk.app import create_app
app = create_app()
def mistake(word):
    with app.extensions["helpdesk"].database.unit_of_work(app.extensions["helpdesk"].anonymous) as uow:
        uow.session.execute(text("INSERT INTO customer (id, kind, tier, name) VALUES (gen_random_uuid(), :k, 'small', :k)"), {"k": word})
def plain(word):
    raise RuntimeError(word)
app.add_url_rule("/mistake/<word>", "mistake", mistake, methods=["POST"])
app.add_url_rule("/plain/<word>", "plain", plain, methods=["POST"])
client = app.test_client()
for path in ("mistake", "plain"):
    answer = client.post(f"/{path}/{CANARY}?q={CANARY}", json={"name": CANARY}, headers={"Authorization": f"Bearer {CANARY}"})
    assert answer.status_code == 500, answer.text
assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {CANARY}"}).status_code == 401
assert client.get(f"/{CANARY}").status_code == 404
""",
        HELPDESK_DATABASE_URL=database_url,
        HELPDESK_SECRET_KEY="s" * 32,
    )
    errors = [line for line in lines if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["database error", "unhandled"]
    assert "[23514]" in errors[0]["exception"]
    assert (errors[1]["route"], errors[1]["method"]) == ("/plain/<word>", "POST")
    assert all(line["request_id"] for line in errors)


def test_a_duty_that_fails(database_url: str) -> None:
    lines = run(
        """
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.duties import Outside, Performer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import assemble
from sqlalchemy import text
from dataclasses import replace
program = assemble(replace(Settings.from_environment(), smtp_url="smtp://127.0.0.1:1"))
def work(tools, duty, subject):
    raise RuntimeError(CANARY)
with program.database.unit_of_work(SYSTEM) as uow:
    uow.duty("test", new_id())
    queue_mail(uow, subject_id=new_id(), reason="x", recipient=CANARY, subject=CANARY, body=CANARY)
with program.engine.connect() as connection:
    mails, tests = ([*connection.execute(text("SELECT id FROM duty WHERE topic = :t"), {"t": t}).scalars()] for t in ("mail.deliver", "test"))
assert program.performer.perform(mails)["failed"] == 1
assert Performer(program.database, {"test": Outside(work)}, SYSTEM, None).perform(tests)["failed"] == 1
assert assemble(Settings.from_environment()).performer.perform(mails)["done"] == 1
""",
        HELPDESK_DATABASE_URL=database_url,
        HELPDESK_SECRET_KEY="s" * 32,
    )
    assert [line["event"] for line in lines] == ["duty failed", "duty failed", "mail not sent: no HELPDESK_SMTP_URL"]
    assert [line["error"] for line in lines[:2]] == ["ConnectionRefusedError", "RuntimeError"]


def test_what_rq_says_of_a_job_that_failed() -> None:
    """It writes the whole traceback into its message, with the words of the exception."""
    [line, other] = run(
        """
import logging, sys
from types import SimpleNamespace
from rq import SimpleWorker
worker = object.__new__(SimpleWorker)
worker.name, worker._exc_handlers, worker.log = CANARY, [], logging.getLogger("rq.worker")
job = SimpleNamespace(id="ring-1", func_name="helpdesk.worker.sweep", args=[CANARY], kwargs={}, origin="helpdesk")
try:
    raise KeyError(CANARY)
except KeyError:
    worker.handle_exception(job, *sys.exc_info())
logging.getLogger("rq.worker").error(RuntimeError(CANARY))
"""
    )
    assert "exception raised while executing" in line["event"]
    assert other["event"] == "RuntimeError"


def test_a_sweep_that_fails(database_url: str) -> None:
    [line] = run(
        """
from dataclasses import replace
from helpdesk import worker
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import assemble
def work(program):
    raise RuntimeError(CANARY)
name = "sla.ring_due"
worker._program = assemble(Settings.from_environment())
worker.SWEEPS[name] = replace(worker.SWEEPS[name], work=work)
worker.sweep(name)
""",
        HELPDESK_DATABASE_URL=database_url,
        HELPDESK_SECRET_KEY="s" * 32,
    )
    assert (line["sweep"], line["exception"].rstrip()[-12:]) == ("sla.ring_due", "RuntimeError")


def test_what_gunicorn_says() -> None:
    """Of callers it knows the address and the path, which may be a signed link."""
    lines = run(
        """
from gunicorn.config import Config
from helpdesk.gunicorn_config import logger_class
log = logger_class(Config())
log.info("Listening at: %s (%s)", "http://127.0.0.1:8000", 7)
log.warning("Invalid request from ip={ip}: {error}".format(ip=CANARY, error=f"Invalid HTTP method: {CANARY}"))
log.error("Worker (pid:%s) was sent %s!", 7, "SIGKILL")
try:
    raise ValueError(CANARY)
except ValueError as error:
    log.exception("Error handling request %s %s", "GET", f"/api/v1/public/{CANARY}")
    log.exception(error)
"""
    )
    assert [line["event"] for line in lines] == [
        "Listening at: http://127.0.0.1:8000 (7)",
        "Invalid request from ip=...",
        "Worker (pid:7) was sent SIGKILL!",
        "Error handling request ... ...",
        "ValueError",
    ]


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_level(level: str) -> None:
    lines = run(
        f"""
logs.configure({level!r})
import logging, structlog
for logger in (structlog.get_logger(), logging.getLogger("a.library")):
    logger.debug("no")
    logger.info("perhaps")
    logger.error("yes")
"""
    )
    assert [line["event"] for line in lines] == (["perhaps", "yes"] * 2 if level == "INFO" else ["yes"] * 2)
