"""Many at once: whatever is done in whatever order, nobody has more than they have room for, and nothing is lost.

How it can fail: a count that was taken before a lock was had; two intakes, an intake and a claim, a sweep and a reopening
that each see room for one more; a deadlock between who goes from the complaint to the agents and who goes the other way;
an unfair choice, because two saw the same loads.
"""

import threading
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors as pg_errors
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from helpdesk.complaints import acts, assignment, intake, queries
from helpdesk.complaints.errors import AgentUnavailable, AlreadyAssigned
from helpdesk.complaints.routing_jobs import route_waiting
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.routes import rule, to
from tests.complaints.work import profile
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once

CAPACITY: Final = 2
BUSY: Final = text(
    "SELECT count(*) FROM complaint WHERE assignee_id IS NOT NULL AND status IN ('received', 'investigated') "
    "GROUP BY assignee_id ORDER BY 1 DESC LIMIT 1"
)


class Firm:
    """Three agents with room for two each, one team, a rule for everything; and what may happen there."""

    def __init__(self, database: Database, team: UUID, agents: list[Actor]) -> None:
        self.database = database
        self.team = team
        self.agents = agents
        self.ids: list[UUID] = []
        self.most = 0

    def do(self, what: str, number: int) -> None:
        """Again where the database says that nothing happened, as a request would be."""
        for _ in range(5):
            try:
                getattr(self, what)(number)
            except DomainError:
                return
            except DBAPIError as error:
                if not isinstance(error.orig, pg_errors.DeadlockDetected):
                    raise
            else:
                return
        raise AssertionError(f"{what} met a deadlock each time")

    def arrive(self, _number: int) -> None:
        body = complaint_body(team_id=str(self.team), complainant={})
        with self.database.unit_of_work(SYSTEM) as uow:
            self.ids.append(intake.receive(uow, SYSTEM, ComplaintIn().load(body)))

    def _on_one(self, number: int, act: Callable[[Any, Any], object]) -> None:
        if not self.ids:
            return
        with self.database.unit_of_work(SYSTEM) as uow:
            act(uow, queries.complaint_by_id_for_update(uow.session, self.ids[number % len(self.ids)]))

    def claim(self, number: int) -> None:
        actor = self.agents[number % 3]
        self._on_one(number, lambda uow, row: assignment.claim(uow, actor, row, {}))

    def assign(self, number: int) -> None:
        to_whom = self.agents[number % 3].id
        self._on_one(number, lambda uow, row: assignment.assign(uow, SYSTEM, row, {"assignee_id": to_whom}))

    def release(self, number: int) -> None:
        self._on_one(number, lambda uow, row: assignment.release(uow, SYSTEM, row, {}))

    def close(self, number: int) -> None:
        self._on_one(number, lambda uow, row: acts.act(uow, SYSTEM, row, "withdraw", {"reason": "Found."}))

    def reopen(self, number: int) -> None:
        self._on_one(number, lambda uow, row: acts.act(uow, SYSTEM, row, "reopen", {"reason": "Lost."}))

    def take(self, number: int) -> None:
        actor = self.agents[number % 3]
        with self.database.unit_of_work(actor) as uow:
            assignment.take_next(uow, actor, self.team)

    def sweep(self, _number: int) -> None:
        route_waiting(self.database)

    def watched(self, run: Callable[[], object]) -> None:
        """Each look is of one moment, so that a load that was too high even for a moment would be seen."""
        over = threading.Event()

        def watch() -> None:
            with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                while True:
                    last = over.is_set()
                    self.most = max(self.most, connection.execute(BUSY).scalar() or 0)
                    if last:
                        return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            run()
        finally:
            over.set()
            watcher.join()


@pytest.fixture
def firm(database: Database, join: Join, admin: Caller, manager: Caller) -> Firm:
    team = make_team(database, "Second line")
    agents = [join(team_ids=[team]) for _ in range(3)]
    for agent in agents:
        profile(admin, agent, capacity=CAPACITY)
    rule(manager, result=to(team))
    return Firm(database, team, [agent.actor for agent in agents])


ACTS: Final = ("arrive", "claim", "assign", "release", "close", "reopen", "take", "sweep")
_STEP = st.tuples(st.sampled_from(ACTS), st.integers(0, 11))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_STEP, min_size=3, max_size=6), min_size=2, max_size=4))
def test_capacity_is_never_exceeded(firm: Firm, scripts: list[list[tuple[str, int]]]) -> None:
    for number in range(4):
        firm.do("arrive", number)

    def play(script: list[tuple[str, int]]) -> None:
        for what, number in script:
            firm.do(what, number)

    firm.watched(lambda: at_once(*(lambda script=script: play(script) for script in scripts)))
    assert firm.most <= CAPACITY
    assert list(violations(firm.database, ["chain", "complaints", "clocks"])) == []


def test_ten_come_in_at_once(firm: Firm, engine: Engine) -> None:
    """Six have room, four wait; nobody is passed over for somebody with more."""
    firm.watched(lambda: at_once(*[lambda: firm.do("arrive", 0)] * 10))
    assert firm.most == CAPACITY
    with engine.connect() as connection:
        held = text("SELECT count(*), count(DISTINCT assignee_id), count(*) FILTER (WHERE awaits_agent) FROM complaint")
        assert tuple(connection.execute(held).one()) == (10, 3, 4)


def test_fair_at_once(firm: Firm, engine: Engine, admin: Caller) -> None:
    """As if one had come in after the other."""
    at_once(*[lambda: firm.do("arrive", 0)] * 3)
    with engine.connect() as connection:
        each = text("SELECT count(*) FROM complaint GROUP BY assignee_id")
        assert list(connection.execute(each).scalars()) == [1, 1, 1]


def test_two_sweeps_at_once_give_each_to_one(firm: Firm, engine: Engine) -> None:
    for number in range(8):
        firm.do("arrive", number)
    for number in range(4):
        firm.do("close", number)
    firm.watched(lambda: at_once(*[lambda: firm.do("sweep", 0)] * 3))
    firm.do("sweep", 0)  # what was in another's hands
    assert firm.most <= CAPACITY
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM complaint WHERE awaits_agent")).scalar_one() == 0
        given_out = text(
            "SELECT count(*) FROM event WHERE type = 'complaint.assigned' AND payload ->> 'how' = 'routed'"
        )
        assert connection.execute(given_out).scalar_one() == 8


def test_a_claim_and_an_intake(firm: Firm) -> None:
    """The last room: one of them gets it."""
    for number in range(5):
        firm.do("arrive", number)
    free = next(actor for actor in firm.agents if _load(firm, actor) < CAPACITY)
    firm.do("arrive", 0)
    firm.do("release", 5)
    results: list[str] = []

    def claim() -> None:
        try:
            with firm.database.unit_of_work(free) as uow:
                row = queries.complaint_by_id_for_update(uow.session, firm.ids[5])
                assignment.claim(uow, free, row, {})
        except (AgentUnavailable, AlreadyAssigned):
            results.append("refused")
        else:
            results.append("claimed")

    firm.watched(lambda: at_once(claim, lambda: firm.do("arrive", 0)))
    assert firm.most <= CAPACITY
    assert len(results) == 1


def _load(firm: Firm, actor: Actor) -> int:
    with firm.database.engine.connect() as connection:
        found: int = connection.execute(
            text("SELECT count(*) FROM complaint WHERE assignee_id = :id"), {"id": actor.id}
        ).scalar_one()
        return found
