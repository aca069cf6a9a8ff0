"""Acts in processes of their own: at once with others, let go together, or dying at a fault point as by `kill -9`.

Each process has its own program, its own connections and its own copies of what is kept in memory; nothing is shared with the
test but the database. They are forked from a server of `multiprocessing` that has everything imported, so that one costs a tenth
of a second. What is run is a function of a module, called with the program and its arguments.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final
from uuid import UUID

from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.kernel import faults
from helpdesk.kernel.settings import Settings
from helpdesk.recovery import jobs
from helpdesk.wiring import Program, assemble
from tests.conftest import Caller
from tests.racing import LOCKS, until, waiting
from tests.recovery.helpers import scalar

CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest", "tests.recovery.restarting"])
_PATIENCE: Final = 60
"""Seconds until a process that does not end is ended, and the test with it."""

_THREADS: Final = 8
_ASKED: Final = 20

Work = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Request:
    """A POST as somebody sends it. `body`: JSON, or bytes as they are. `token` None: by nobody, or by whom the path's link or the
    signature is for.
    """

    path: str
    body: Any = None
    token: str | None = None
    key: str = "one-key"
    headers: dict[str, str] = field(default_factory=dict)

    def sent(self, app: Flask) -> Any:
        headers = {"Idempotency-Key": self.key, "If-Match": "*", **self.headers}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        given = {"data": self.body} if isinstance(self.body, bytes) else {"json": self.body}
        return app.test_client().post(f"/api/v1{self.path}", headers=headers, **given)


def by(caller: Caller | None, path: str, body: Any = None, *, key: str = "one-key") -> Request:
    return Request(path, {} if body is None else body, None if caller is None else caller.token, key)


def send(program: Program, *requests: Request) -> list[tuple[int, Any]]:
    """As many at once as a web worker has threads; status and body of their answers, in order. What a busy machine had no time
    for (503) is asked again, with the same key, as a client does.
    """
    app = create_app(program=program)

    def one(given: Request) -> tuple[int, Any]:
        answer = given.sent(app)
        for _ in range(_ASKED):
            if answer.status_code != 503:
                break
            answer = given.sent(app)
        return answer.status_code, answer.json

    with ThreadPoolExecutor(min(len(requests), _THREADS)) as pool:
        return list(pool.map(one, requests))


def perform(program: Program, duty_id: UUID) -> dict[str, int]:
    return program.performer.perform([duty_id])


def perform_all(program: Program, *duty_ids: UUID) -> dict[str, int]:
    """As one ring brings them."""
    return program.performer.perform(duty_ids)


def expire_offers(program: Program) -> int:
    return jobs.expire_offers(program.database)


def _child(settings: Settings, point: str | None, work: Work, gate: Any, told: Connection) -> None:
    if point is not None:
        os.environ[faults.VARIABLE] = point
    try:
        program = assemble(settings)
        program.database.mails = True
        with program.engine.connect():  # what comes next is not slowed by it
            pass
        if gate is not None:
            gate.wait(_PATIENCE)
        function, arguments = work
        told.send((True, function(program, *arguments)))
    except BaseException:
        told.send((False, traceback.format_exc()))
        raise


@contextmanager
def _running(program: Program, works: Sequence[Work], point: str | None) -> Iterator[list[Any]]:
    """(process, its answers) of each; none is left behind."""
    gate = CONTEXT.Barrier(len(works)) if len(works) > 1 else None
    children = []
    for work in works:
        heard, told = CONTEXT.Pipe(duplex=False)
        child = CONTEXT.Process(target=_child, args=(program.settings, point, work, gate, told), daemon=True)
        child.start()
        told.close()
        children.append((child, heard))
    try:
        yield children
    finally:
        for child, heard in children:
            heard.close()
            child.kill()
            child.join()


def _heard(heard: Connection) -> Any:
    if not heard.poll(_PATIENCE):
        raise AssertionError("a process did not answer")
    well, said = heard.recv()
    assert well, said
    return said


def together(program: Program, *works: Work) -> list[Any]:
    """Each in a process of its own, let go together; their results in order."""
    with _running(program, works, None) as children:
        return [_heard(heard) for _, heard in children]


def behind_lock(program: Program, lock: str, *works: Work, let_go_at: int | None = None, **values: Any) -> list[Any]:
    """Take a lock, start each in a process of its own, wait until `let_go_at` sessions (one of each work) stand in its queue,
    let go; their results in order.
    """
    engine: Engine = program.engine
    with engine.connect() as holder, _running(program, works, None) as children:
        holder.execute(text(lock), values)
        try:
            with engine.connect() as watcher:
                until(lambda: waiting(watcher) >= (let_go_at or len(works)))
        finally:
            holder.rollback()
        return [_heard(heard) for _, heard in children]


def dies(program: Program, point: str, *work: Any) -> None:
    """Do this in a process that dies at the point; afterwards its sessions are gone too."""
    function, *arguments = work
    with _running(program, [(function, tuple(arguments))], point) as ((child, heard),):
        child.join(_PATIENCE)
        if child.exitcode != faults.EXIT_STATUS:
            raise AssertionError(f"{point} was not reached: {child.exitcode}: {heard.recv() if heard.poll() else ''}")
    until(lambda: scalar(program.database, LOCKS) == 0)
