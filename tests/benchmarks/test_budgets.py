"""What it costs to set money aside for an offer, beside the bare UPDATE of a balance that no design could go below.

Eight writers, each a process of its own, on one and the same budget: everybody waits for its row. `bare`: a table of one row,
`UPDATE ... WHERE balance >= x` and a commit. `reserve`: `reservations.reserve` in a unit of work of its own, with all that
belongs to it: which budget pays, room asked for in the UPDATE, the ledger's entry, the alerts. Rounds of the two follow each
other, and each ratio is of two that did.
"""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from helpdesk import demo
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.db import make_engine
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Consequences, Database
from helpdesk.recovery import budgets, drafting, reservations
from helpdesk.recovery.budget_models import Budget
from helpdesk.recovery.models import Offer
from helpdesk.wiring import Program
from tests.benchmarks.conftest import fresh_program

pytestmark = pytest.mark.bench

WRITERS: Final = 8
SECONDS: Final = 3.0
ROUNDS: Final = 5
WANTED: Final = 0.5


def test_reserve_beside_a_bare_update(server_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints; asserts only that the books are right afterwards."""
    with fresh_program(server_url, "helpdesk_bench_budgets", tmp_path) as program:
        url = program.engine.url.render_as_string(hide_password=False)
        made = _made(program)
        rates: dict[str, list[float]] = {"bare": [], "reserve": []}
        for _ in range(ROUNDS):
            for name, work in (("bare", _bare), ("reserve", _reserve)):
                rates[name].append(_measured(work, url, made))
        with program.database.reader() as session:
            row = session.execute(
                text("SELECT reserved_minor, (SELECT count(*) FROM budget_entry WHERE kind = 'reserve') FROM budget")
            ).one()
    assert row[0] == row[1] > 0
    ratios = [ours / bare for ours, bare in zip(rates["reserve"], rates["bare"], strict=True)]
    with capsys.disabled():
        print(f"\n{WRITERS} writers on one budget, {ROUNDS} rounds of {SECONDS:.0f} s each, the median")
        print(f"{'':10}{'per second':>12}{'to bare':>10}{'wanted':>10}")
        print(f"{'bare':10}{median(rates['bare']):12.0f}{1:10.2f}")
        missed = "" if median(ratios) >= WANTED else " MISSED"
        print(f"{'reserve':10}{median(rates['reserve']):12.0f}{median(ratios):10.2f}{f'>= {WANTED}':>10}{missed}")


def _made(program: Program) -> list[UUID]:
    """The demo's budget, with more in it than will be taken, as many offers as there are writers, and the table of the bare one."""
    demo.install(program)
    with program.database.unit_of_work(SYSTEM) as uow:
        uow.session.execute(text("CREATE TABLE bare (id integer PRIMARY KEY, balance bigint NOT NULL)"))
        uow.session.execute(text("INSERT INTO bare VALUES (1, 1000000000000)"))
        budget = uow.session.scalars(select(Budget).with_for_update()).one()
        budgets.allocate(uow, SYSTEM, budget, Money(1_000_000_000_000, "EUR"), None)
    with program.database.unit_of_work(SYSTEM) as uow:
        complaint = uow.session.scalars(select(Complaint).limit(1).with_for_update()).one()
        given = {"kind": "voucher", "amount": Money(1, "EUR"), "reason": "x", "allow_duplicate": True}
        return [drafting.draft(uow, SYSTEM, complaint, given) for _ in range(WRITERS)]


Work = Callable[[str, UUID, Callable[[], bool]], int]


def _measured(work: Work, url: str, made: list[UUID]) -> float:
    """How many a second, of all writers together."""
    context = multiprocessing.get_context("fork")
    gate, counts = context.Barrier(WRITERS), context.Queue()
    running = [context.Process(target=_write, args=(work, url, offer_id, gate, counts)) for offer_id in made]
    for one in running:
        one.start()
    total = sum(counts.get(timeout=120) for _ in running)
    for one in running:
        one.join()
    return float(total) / SECONDS


def _write(work: Work, url: str, offer_id: UUID, gate: Any, counts: Any) -> None:
    began: list[float] = []

    def going_on() -> bool:
        if not began:
            gate.wait(120)
            began.append(time.monotonic())
        return time.monotonic() - began[0] < SECONDS

    counts.put(work(url, offer_id, going_on))


def _bare(url: str, _offer_id: UUID, going_on: Callable[[], bool]) -> int:
    engine, count = make_engine(url), 0
    statement = text("UPDATE bare SET balance = balance - :x WHERE id = 1 AND balance >= :x RETURNING id")
    with Session(engine) as session:
        session.execute(text("SELECT 1"))
        session.commit()
    while going_on():
        with Session(engine) as session:
            session.execute(statement, {"x": 1}).one()
            session.commit()
        count += 1
    return count


def _reserve(url: str, offer_id: UUID, going_on: Callable[[], bool]) -> int:
    database, count = Database(make_engine(url), Consequences()), 0
    with database.unit_of_work(SYSTEM) as uow:
        offer = uow.session.get_one(Offer, offer_id)
        rounds = uow.session.execute(
            text("SELECT count(*) FROM budget_entry WHERE offer_id = :id"), {"id": offer_id}
        ).scalar_one()
        uow.session.expunge(offer)
        now = uow.now
    while going_on():
        count += 1
        offer.round = rounds + count
        with database.unit_of_work(SYSTEM, now=now) as uow:  # every request knows the time when it comes to this
            reservations.reserve(uow, SYSTEM, offer, None)
    return count
