"""A whole system on a PostgreSQL and a Redis of its own, for tests that take both away while remedies are being issued."""

import contextlib
import itertools
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

import redis
from rq import Worker
from sqlalchemy import text

from helpdesk.app import create_app
from helpdesk.cli import main as helpdesk
from helpdesk.kernel.doorbell import ISSUING, MAIL, MAIN, PROVIDERS
from helpdesk.kernel.embedded import EmbeddedPostgres, EmbeddedRedis
from helpdesk.verifying import CHECKS, violations
from tests.conftest import Caller, complaint_body
from tests.recovery.helpers import eur, offered, open_budget
from tests.recovery.processes import CONTEXT
from tests.recovery.providing import register
from tests.recovery.reference_provider import ReferenceProvider, running
from tests.system import ADMIN_TOKEN, System, wait_until
from tests.system import running as running_system

ROADS: Final = ("voucher", "points", "apology_letter", "refund")
"""One of each road: our own codes, an account, a letter, a provider."""
_TABLES: Final = {"voucher": "voucher", "points": "points_lot", "apology_letter": "letter"}
_ASKING: Final = 2
"""Workers that ask providers."""
_OTHERS: Final = 1
"""Workers for what follows: letters that were mailed, budgets that were closed."""


def run(environment: dict[str, str], command: Sequence[str], log: Path) -> None:
    """`helpdesk` with this command, in a process that has everything imported already."""
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    helpdesk(list(command), standalone_mode=False)


class Servers:
    """`crash` takes both away; `keep` does what a supervisor does; `caller` asks the API, which lives in the test."""

    def __init__(self, folder: Path, provider: ReferenceProvider, workers: int, *, mails: bool) -> None:
        self.postgres = EmbeddedPostgres(folder / "pg", durable=False)
        self.redis = EmbeddedRedis(folder / "redis")
        self.provider = provider
        self.workers = workers
        self.mails = mails
        self.system = System(self.postgres.start(), self.redis.start(), folder, private=True)
        self.program = self.system.program
        self.caller = Caller(create_app(program=self.program).test_client(), None, ADMIN_TOKEN)
        numbers = {ISSUING: workers, PROVIDERS: _ASKING, MAIN: _OTHERS, MAIL: int(mails)}
        self._wanted = {("relay",): 1} | {("worker", "--queue", queue): number for queue, number in numbers.items()}
        self._children: dict[tuple[str, ...], list[ForkServerProcess]] = {}
        self._people = itertools.count(1)
        open_budget(self.caller, "90000.00")
        register(self.caller, provider, timeout_seconds=60)

    def keep(self) -> None:
        for command, wanted in self._wanted.items():
            alive = [child for child in self._children.get(command, []) if child.is_alive()]
            self._children[command] = alive + [self._start(command) for _ in range(wanted - len(alive))]

    def _start(self, command: Sequence[str]) -> ForkServerProcess:
        log = self.system.folder / f"{command[0]}.log"
        child = CONTEXT.Process(target=run, args=(self.system.environment(), command, log), daemon=True)
        child.start()
        return child

    def running(self, command: str) -> list[ForkServerProcess]:
        return [
            child for key, many in self._children.items() for child in many if key[0] == command and child.is_alive()
        ]

    def stop(self) -> None:
        for child in itertools.chain(*self._children.values()):
            child.kill()
            child.join()

    def ready(self) -> None:
        """Wait until every worker listens."""
        doorbell = self.program.doorbell
        assert doorbell is not None
        self.wait(
            lambda: Worker.count(connection=doorbell.connection) == self.workers + _ASKING + _OTHERS + self.mails,
            "the workers to listen",
        )

    def crash(self) -> None:
        """Redis forgets everything; PostgreSQL is stopped at once, as by a power cut but for the disk, and started again."""
        with contextlib.closing(redis.Redis.from_url(self.redis.url)) as connection:
            connection.flushall()
        process = self.postgres.process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(60)
        self.program.engine.dispose()
        self.postgres.start()

    def offered(self, kind: str) -> dict[str, Any]:
        """An offer before a customer of its own, so that none is like another."""
        number = next(self._people)
        customer = self.caller.post("/customers", {"name": f"Li {number}"}).json["id"]
        person = {"name": f"Li {number}", "email": f"li.{number}@example.com"}
        body = complaint_body(customer_id=customer, complainant=person)
        complaint = self.caller.post("/complaints", body).json
        paid = {"amount": eur("10.00"), "override_reason": "Agreed with the team."}
        given = {"kind": kind, "reason": "It came late."}
        return offered(self.caller, complaint, given if kind == "apology_letter" else given | paid)

    def accept(self, offer: dict[str, Any]) -> None:
        answer = self.caller.pay(f"/offers/{offer['id']}/actions/accept", {"said_by": "phone"})
        assert answer.status_code == 200, answer.text

    def count(self, statement: str) -> int:
        with self.program.engine.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one() or 0)

    def by_status(self) -> Counter[tuple[str, str]]:
        """How many offers of which kind are where."""
        with self.program.engine.connect() as connection:
            rows = connection.execute(text("SELECT kind, status FROM offer WHERE status NOT IN ('offered', 'drafted')"))
            return Counter((row.kind, row.status) for row in rows)

    def wait(self, holds: Callable[[], Any], what: str, timeout: float = 120) -> None:
        def looked_after() -> Any:
            self.keep()
            return holds()

        try:
            wait_until(looked_after, what, timeout)
        except AssertionError:
            print(self.by_status(), self.system.logs(), sep="\n")
            raise

    def comes_to_rest(self, offers: int) -> None:
        """Every offer ends issued or failed, every duty is done, and everything adds up: nothing twice, nothing lost."""
        ended = "SELECT count(*) FROM offer WHERE status IN ('issued', 'failed')"
        self.wait(lambda: self.count(ended) == offers, "every offer to end", 300)
        owed = "SELECT count(*) FROM duty WHERE done_at IS NULL" + (
            "" if self.mails else " AND topic IN ('recovery.issue', 'recovery.ask_provider')"
        )
        self.wait(lambda: self.count(owed) == 0, "every duty to be done", 300)
        found = self.by_status()
        issued = {kind: found[kind, "issued"] for kind in ROADS}
        failed = {kind: found[kind, "failed"] for kind in ROADS}
        assert sum(issued.values()) + sum(failed.values()) == offers
        for kind, table in _TABLES.items():
            assert self.count(f"SELECT count(*) FROM {table}") == issued[kind], kind  # ours
        assert sum(done.status == "issued" for done in self.provider.done.values()) == issued["refund"]
        assert len(self.provider.done) == issued["refund"]
        assert self.count("SELECT count(*) FROM event WHERE type = 'offer.issued'") == sum(issued.values())
        assert self.count("SELECT count(*) FROM event WHERE type = 'offer.failed'") == sum(failed.values())
        told = ("voucher", "points", "apology_letter", "issued_refund")
        for kind, reason in zip(ROADS, told, strict=True):
            mails = self.count(f"SELECT count(*) FROM outbound_mail WHERE reason = '{reason}'")  # ours
            assert mails == issued[kind], reason
        paid = sum(issued.values()) - issued["apology_letter"]
        assert self.count("SELECT count(*) FROM budget_entry WHERE kind = 'commit'") == paid
        assert self.count("SELECT count(*) FROM budget_entry WHERE kind = 'release'") == sum(failed.values())
        assert self.count("SELECT committed_minor FROM budget") == paid * 1000
        assert self.count("SELECT reserved_minor FROM budget") == 0
        assert self.count("SELECT sum(balance_minor) FROM points_account") == 1000 * issued["points"]
        groups = [name for name in CHECKS if self.mails or name != "duties"]
        assert [str(one) for one in violations(self.program.database, groups)] == []


@contextlib.contextmanager
def running_servers(workers: int, *, mails: bool = False) -> Iterator[Servers]:
    """`workers`: how many that issue. `mails`: one for the mail too."""
    with tempfile.TemporaryDirectory(prefix="hd") as name, running(ReferenceProvider("")) as provider:
        folder = Path(name)
        folder.chmod(0o711)  # as root PostgreSQL runs under another account, which must pass through
        servers = Servers(folder, provider, workers, mails=mails)
        try:
            with running_system(servers.system):
                yield servers
        finally:
            servers.stop()
            servers.postgres.stop()
            servers.postgres.discard()
            servers.redis.stop()
