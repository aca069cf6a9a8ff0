"""That every process knows what is in force.

How it can fail: a process that was idle, or began before the change, goes on with what it knew; the look costs a statement each
time; the whole comes over the wire though nothing changed; of two databases in one process one gets the other's codes.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine

from helpdesk.kernel import in_force as keeping
from helpdesk.taxonomy.in_force import forget, in_force, look
from helpdesk.taxonomy.terms import SHIPPED_VERSION, Taxonomy, shipped
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import until
from tests.taxonomy.helpers import retire

_ANOTHER = """
import sys
from helpdesk.kernel.settings import Settings
from helpdesk.taxonomy.in_force import in_force
from helpdesk.wiring import assemble

program = assemble(Settings(database_url=sys.argv[1], secret_key="x" * 40))
for _ in sys.stdin:
    with program.database.reader():
        print(in_force().offers("channel", "FAX"), flush=True)
"""


@contextmanager
def another_process(url: str) -> Iterator[Callable[[], str]]:
    """Asks another process whether a fax may come in."""
    with subprocess.Popen(
        [sys.executable, "-c", _ANOTHER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("it was started with both")
        into, out = process.stdin, process.stdout

        def ask() -> str:
            into.write("\n")
            into.flush()
            return out.readline().strip()

        yield ask
        into.close()


def test_another_process_sees_a_change(manager: Caller, database_url: str) -> None:
    with another_process(database_url) as ask:
        assert ask() == "True"
        assert retire(manager, "channel", "FAX").status_code == 200
        until(lambda: ask() == "False")


@pytest.fixture
def looked_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets for how many seconds a look holds."""
    return lambda seconds: monkeypatch.setattr(keeping, "LOOKED_FOR_AGAIN", seconds)


def test_a_look_holds_for_a_while(
    program: Program, statements: Callable[[], Any], looked_for: Callable[[float], None]
) -> None:
    looked_for(3600.0)
    forget()
    with statements() as seen:
        for _ in range(3):
            with program.database.reader():
                assert in_force().version == 1
    assert len(seen) == 1, seen.seen
    forget()
    with statements() as seen, program.database.reader():
        pass
    assert len(seen) == 1, seen.seen


def test_the_same_version_is_kept_as_it_is(program: Program, looked_for: Callable[[float], None]) -> None:
    looked_for(0.0)
    kept: list[Taxonomy] = []
    for _ in range(2):
        with program.database.reader():
            kept.append(in_force())
    assert kept[0] is kept[1]


def test_who_checks_something_while_another_thread_changes_it_goes_on_with_what_was_known(
    program: Program, manager: Caller
) -> None:
    """Not with what ships: the operator's own codes would be refused for that moment."""
    retire(manager, "channel", "FAX")
    with program.database.reader():
        known = in_force()
    body = {"kind": "channel", "code": "PIGEON", "labels": {"en": "by pigeon"}}
    assert manager.post("/taxonomy/terms", body).status_code == 201
    assert in_force() is known
    assert not in_force().offers("channel", "FAX")
    with program.database.reader():
        assert in_force().offers("channel", "PIGEON")


def test_what_ships_holds_where_nobody_looked() -> None:
    forget()
    assert in_force() is shipped()
    assert in_force().version == SHIPPED_VERSION


def test_another_database_is_looked_at_by_itself(
    program: Program, manager: Caller, engine: Engine, looked_for: Callable[[float], None]
) -> None:
    looked_for(3600.0)
    retire(manager, "channel", "FAX")
    with program.database.reader():
        assert not in_force().offers("channel", "FAX")

    elsewhere = engine.url.set(database="elsewhere")

    class Elsewhere:
        """A session of a database in which nothing was installed."""

        info: ClassVar[dict[str, Any]] = {}

        class _Bind:
            url = elsewhere

            @property
            def engine(self) -> Any:
                return self

            def get_execution_options(self) -> dict[str, Any]:
                return {}

        def get_bind(self) -> Any:
            return self._Bind()

        def execute(self, *_: Any) -> Any:
            return self

        def one_or_none(self) -> None:
            return None

    session: Any = Elsewhere()
    look(session)
    assert in_force() is shipped()
    with program.database.reader():
        assert not in_force().offers("channel", "FAX")
