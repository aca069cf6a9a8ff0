"""How long it takes from acceptance to issuance, at a steady rate, with one worker: of a voucher, and of a refund through the
recording provider. Both by the database's own clock: from the step `begin_issuing` to the step `record_issued`. Nothing is
asserted of the time itself; that every offer was issued once, and every mail went out or is owed, is.

As it runs: a relay, one worker for what is owed, one for mail and one for providers, each a process of its own on a real Redis, a server that
takes the mails, and those who accept in a process of theirs with as many threads as a web process has. Offers are spread over
as many complaints, each with its clocks.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import TextClause, select, text

from helpdesk import demo
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.doorbell import ISSUING, MAIL, PROVIDERS
from helpdesk.kernel.money import Money
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budgets, drafting, offers, queries
from helpdesk.recovery.budget_models import Budget
from helpdesk.recovery.lifecycle import COMPLAINT_TAKES_OFFERS
from helpdesk.recovery.verification import CHECKS
from helpdesk.wiring import Program, assemble
from tests.benchmarks.conftest import fresh_program
from tests.benchmarks.filling import fill
from tests.system import System, free_port, running, wait_until

pytestmark = pytest.mark.bench

SMOKE: Final = os.environ.get("HELPDESK_BENCH") == "smoke"
PER_SECOND: Final = 50
SECONDS: Final = 1 if SMOKE else 20
COMPLAINTS: Final = 100 if SMOKE else 1_000
THREADS: Final = 4
WANTED: Final = 2.0
"""Seconds, of the 99th in 100."""
_LINKS: Final = offers.Links("k" * 40, "http://helpdesk.test/offers/")
_TOOK: Final = text("""
    SELECT o.kind, count(*) AS number, percentile_cont(0.5) WITHIN GROUP (ORDER BY t.took) AS median,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY t.took) AS p99, max(t.took) AS most
    FROM offer o CROSS JOIN LATERAL (
        SELECT extract(epoch FROM max(at) FILTER (WHERE action = 'record_issued')
                                  - max(at) FILTER (WHERE action = 'begin_issuing')) AS took
        FROM offer_transition WHERE offer_id = o.id) t
    WHERE o.status = 'issued' AND o.kind = :kind GROUP BY o.kind
""")
_ISSUED: Final = text("SELECT count(*) FROM offer WHERE status = 'issued' AND kind <> 'apology_letter'")
_OWED: Final = text("SELECT count(*) FROM duty WHERE done_at IS NULL")
_MAILS: Final = text("""
    SELECT count(*) AS written, count(sent_at) AS sent,
           count(*) FILTER (WHERE sent_at IS NULL AND EXISTS (
               SELECT FROM duty WHERE subject_id = outbound_mail.id AND done_at IS NULL AND dead_at IS NULL)) AS owed
    FROM outbound_mail WHERE reason = 'voucher'
""")


@pytest.mark.parametrize("kind", ["voucher", "refund"])
def test_from_acceptance_to_issuance(
    server_url: str, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    with _system(server_url, redis_url, tmp_path) as system, _taking_mail() as post:
        program = system.program
        made = _offered(program, kind, PER_SECOND * SECONDS)
        _start(system, f"smtp://127.0.0.1:{post.port}")
        behind = _accept_elsewhere(system.settings, made)
        wait_until(lambda: _number(program, _ISSUED) == len(made), "all to be issued", 300)
        with program.database.snapshot() as session:  # mails go out meanwhile, and are noted with their vouchers
            row = session.execute(_TOOK, {"kind": kind}).one()
            mails = session.execute(_MAILS).one()
            found = [item for check in CHECKS for item in check(session)]
    assert row.number == len(made)
    assert mails.written == (len(made) if kind == "voucher" else 0)
    assert mails.written == mails.sent + mails.owed
    assert found == []
    with capsys.disabled():
        print(
            f"\n{kind}: {row.number} offers accepted at {PER_SECOND} a second, one worker (at most {behind:.1f} s behind), "
            f"{mails.sent} of {mails.written} mails out by then"
        )
        print(f"{'':10}{'median':>10}{'p99':>10}{'most':>10}{'wanted':>12}")
        missed = "" if row.p99 <= WANTED else " MISSED"
        print(f"{'seconds':10}{row.median:10.3f}{row.p99:10.3f}{row.most:10.3f}{f'p99 <= {WANTED}':>12}{missed}")


@contextmanager
def _system(server_url: str, redis_url: str, folder: Path) -> Iterator[System]:
    with fresh_program(server_url, "helpdesk_bench_issuing", folder) as program:
        url = program.engine.url.render_as_string(hide_password=False)
        with running(System(url, redis_url, folder)) as system:
            yield system


class _Taking:
    """Takes every mail, and forgets it."""

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802  # aiosmtpd calls it so
        return "250 taken"


@contextmanager
def _taking_mail() -> Iterator[Controller]:
    post = Controller(_Taking(), hostname="127.0.0.1", port=free_port())
    post.start()
    try:
        yield post
    finally:
        post.stop()


def _start(system: System, mail_url: str) -> None:
    """And wait until they are at work: a letter is issued, and mailed."""
    system.start("relay")
    system.start("worker", HELPDESK_SMTP_URL=mail_url)
    for queue in (ISSUING, MAIL, PROVIDERS):
        system.start("worker", "--queue", queue, HELPDESK_SMTP_URL=mail_url)
    wait_until(lambda: _number(system.program, _OWED) == 0, "the workers to begin")


def _offered(program: Program, kind: str, number: int) -> list[UUID]:
    """Offers before the customer, on as many complaints as there are of them that take any; and a letter that is accepted. The
    mails that went with them went out long ago.
    """
    demo.install(program)
    fill(program.database, COMPLAINTS)
    with program.database.unit_of_work(SYSTEM) as uow:
        budget = uow.session.scalars(select(Budget).with_for_update()).one()
        budgets.allocate(uow, SYSTEM, budget, Money(1_000_000_000, "EUR"), None)
        found = select(Complaint.id).where(Complaint.status.in_(COMPLAINT_TAKES_OFFERS)).order_by(Complaint.id)
        complaint_ids = list(uow.session.scalars(found))
    made = [_put_before_customer(program, complaint_ids[place % len(complaint_ids)], kind) for place in range(number)]
    letter = _put_before_customer(program, complaint_ids[0], "apology_letter")
    with program.engine.begin() as connection:
        connection.execute(text("UPDATE duty SET done_at = now()"))
    _accept(program, letter)
    return made


def _put_before_customer(program: Program, complaint_id: UUID, kind: str) -> UUID:
    with program.database.unit_of_work(SYSTEM) as uow:
        offer_id = _drafted(uow, complaint_id, kind)
    with program.database.unit_of_work(SYSTEM) as uow:
        held = queries.hold_any(uow.session, offer_id)
        held.offer.granted_at, held.offer.granted_round = uow.now, held.complaint.round
        for action in ("submit", "approve"):
            offers.advance(uow, SYSTEM, held, action, {})
        offers.carry_out(uow, SYSTEM, held, "offer", {}, to=_LINKS)
    return offer_id


def _drafted(uow: UnitOfWork, complaint_id: UUID, kind: str) -> UUID:
    complaint = uow.session.scalars(select(Complaint).where(Complaint.id == complaint_id).with_for_update()).one()
    given: dict[str, Any] = {"kind": kind, "reason": "x", "allow_duplicate": True}
    if kind != "apology_letter":
        given["amount"] = Money(100, "EUR")
    return drafting.draft(uow, SYSTEM, complaint, given)


def _accept(program: Program, offer_id: UUID) -> None:
    with program.database.unit_of_work(SYSTEM) as uow:
        held = queries.hold_any(uow.session, offer_id)
        offers.carry_out(uow, SYSTEM, held, "accept", {"said_by": "phone"}, to=_LINKS)


def _accept_elsewhere(settings: Settings, made: list[UUID]) -> float:
    """In a process of its own; by how many seconds one was late at most."""
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    accepting = context.Process(target=_accept_steadily, args=(settings, made, told))
    accepting.start()
    behind = float(told.get(timeout=300))
    accepting.join()
    return behind


def _accept_steadily(settings: Settings, made: list[UUID], told: Any) -> None:
    """Each at its time, by the next thread that is free."""
    program = assemble(settings)
    with ThreadPoolExecutor(THREADS) as pool:
        began = time.monotonic() + 1
        late = list(pool.map(lambda item: _accept_at(program, began + item[0] / PER_SECOND, item[1]), enumerate(made)))
    program.engine.dispose()
    told.put(max(late))


def _accept_at(program: Program, due: float, offer_id: UUID) -> float:
    time.sleep(max(0.0, due - time.monotonic()))
    late = time.monotonic() - due
    _accept(program, offer_id)
    return late


def _number(program: Program, statement: TextClause) -> int:
    with program.database.reader() as session:
        return int(session.execute(statement).scalar_one())
