"""That whoever begins after a change goes by it, in whatever process.

How it can fail: a process that looked just before goes on by what it knew, so that a complaint is promised by a policy that
was replaced, for good where nothing is recomputed; it is put back to what a long look at the past has seen; a change that is taken back is taken for one; each unit of work pays a
statement; two changes at once wait for each other for ever.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import in_force
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import policies_in_force
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.sla.regulated import FINANCIAL

_ANOTHER = """
import json
import sys
from helpdesk.app import create_app
from helpdesk.automation import rules
from helpdesk.complaints import routing_rules
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import in_force
from helpdesk.kernel.settings import Settings
from helpdesk.sla import policies_in_force, regime_in_force
from helpdesk.wiring import assemble

in_force.LOOKED_FOR_AGAIN = 3600.0
program = assemble(Settings(database_url=sys.argv[1], secret_key="x" * 40))
client = create_app(program=program).test_client()
for line in sys.stdin:
    if line.strip():
        token, body = json.loads(line)
        auth = {"Authorization": "Bearer " + token}
        made = client.post("/api/v1/complaints", json=body, headers=auth).json
        clocks = client.get(f"/api/v1/complaints/{made['reference']}/clocks", headers=auth).json["items"]
        print(*sorted({clock["policy_version"] or clock["rule_version"] for clock in clocks}), flush=True)
        continue
    with program.database.unit_of_work(SYSTEM) as uow:
        policies, regimes = policies_in_force.in_force(uow.session), regime_in_force.in_force(uow.session)
        routing, triggers = routing_rules.in_force(uow.session), rules.in_force(uow.session)
        print(
            policies.default.version,
            len(policies.default.calendar.holidays),
            regimes.rules["uk.fca.ack"].version,
            len(routing),
            len(triggers.listening),
            flush=True,
        )
"""

Ask = Callable[..., list[int]]


@pytest.fixture
def ask(database_url: str) -> Iterator[Ask]:
    """What another process goes by, which looks by itself once an hour; given a token and a complaint, by which versions of policies and
    rules the complaint is promised something when it comes in there.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _ANOTHER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("it was started with both")
        into, out = process.stdin, process.stdout

        def asked(*given: Any) -> list[int]:
            into.write((json.dumps(given) if given else "") + "\n")
            into.flush()
            return [int(word) for word in out.readline().split()]

        yield asked
        into.close()


def _revision(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT revision FROM in_force_revision")).scalar_one()
        return found


def _default(manager: Caller) -> dict[str, Any]:
    found: dict[str, Any] = manager.get("/sla/policies").json["items"][-1]
    return found


def _calendar(manager: Caller, calendar_id: str) -> Any:
    return manager.put(
        f"/sla/calendars/{calendar_id}",
        {"timezone": "UTC", "weekly_hours": {"mon": [["09:00", "17:00"]]}, "holidays": ["2027-03-01"]},
        if_match="*",
    )


def test_what_begins_after_a_change_goes_by_it_in_another_process_too(manager: Caller, ask: Ask) -> None:
    default = _default(manager)
    before = ask()
    assert before == [default["version"], 0, 1, 0, 0]
    changes: list[tuple[int, Callable[[], Any]]] = [
        (0, lambda: manager.patch(f"/sla/policies/{default['id']}", {"name": "Everybody"}, if_match="*")),
        (1, lambda: _calendar(manager, default["calendar_id"])),
        (2, lambda: manager.patch("/sla/regimes/uk.fca.ack", {"owner": "Li Wei"}, if_match="*")),
        (3, lambda: manager.post("/routing/rules", {"name": "all", "result": {"strategy": "queue_only"}})),
    ]
    for place, change in changes:
        answer = change()
        assert answer.status_code in {200, 201}, answer.json
        after = ask()
        assert [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [place]
        before = after


def test_what_comes_in_through_another_process_goes_by_the_edit(agent: Caller, manager: Caller, ask: Ask) -> None:
    default = _default(manager)
    now = default["version"]
    assert ask(agent.token, complaint_body()) == [now]
    for minutes in (401, 402):
        targets = {"S3": {"resolve": {"amount": minutes, "unit": "minutes"}}}
        given = {"targets": targets, "recompute": False}
        now = manager.patch(f"/sla/policies/{default['id']}", given, if_match="*").json["version"]
        assert ask(agent.token, complaint_body()) == [now]


def test_a_rule_that_is_switched_on_starts_its_clocks_in_another_process(
    agent: Caller, manager: Caller, ask: Ask
) -> None:
    path = "/sla/regimes/uk.fca.src"
    assert 1 in ask(agent.token, complaint_body(**FINANCIAL))
    assert manager.post(f"{path}/switch-off", {"reason": "Not us."}).status_code == 200
    assert 3 not in ask(agent.token, complaint_body(**FINANCIAL))
    assert manager.post(f"{path}/switch-on", {"reason": "Us.", "recompute": False}).status_code == 200
    assert 3 in ask(agent.token, complaint_body(**FINANCIAL))


def test_a_change_that_is_taken_back_is_none(database: Database, ask: Ask, engine: Engine) -> None:
    before, first = ask(), _revision(engine)

    def take_back() -> None:
        with database.unit_of_work(SYSTEM) as uow:
            policies_in_force.changed(uow)
            uow.finish()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_back()
    assert _revision(engine) == first
    assert ask() == before


def test_it_costs_no_statement_where_nothing_changed(
    database: Database, statements: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_force, "LOOKED_FOR_AGAIN", 3600.0)
    with database.unit_of_work(SYSTEM) as uow:
        assert uow.now.tzinfo is not None
        policies_in_force.in_force(uow.session)
    with statements() as seen, database.unit_of_work(SYSTEM) as uow:
        assert uow.now.tzinfo is not None
        policies_in_force.in_force(uow.session)
    assert len(seen) == 1, seen.seen


def test_what_was_when_a_snapshot_began_is_nobody_elses(database: Database) -> None:
    kept = in_force.Kept(
        lambda session, _: in_force.Known((), session.scalars(select(in_force.Revision.revision)).one())
    )
    with database.snapshot() as still:
        before = kept.compared(still)
        with database.unit_of_work(SYSTEM) as uow:
            kept.changed(uow)
        for _ in range(2):
            with database.unit_of_work(SYSTEM) as uow:
                assert uow.now.tzinfo is not None
                assert kept.compared(uow.session) == before + 1
            kept.look_again()  # as when the second is over
            assert kept.compared(still) == before


def test_changes_at_once_are_all_counted(database: Database, engine: Engine) -> None:
    def change() -> None:
        with database.unit_of_work(SYSTEM) as uow:
            policies_in_force.changed(uow)
            policies_in_force.changed(uow)

    first = _revision(engine)
    at_once(*[change] * 4)
    assert _revision(engine) == first + 4
