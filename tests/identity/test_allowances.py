"""Limits of authority as data.

How it can fail: an impossible table is taken; of several faults one is told; a particular row does not count, or counts where
it should not; what is set for later holds at once, or never; a process goes by what held before; two who set limits at once
both succeed; a version that judged something is changed; somebody without the permission sets their own limits.
"""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.identity import allowances_in_force
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.allowance_versions import plain
from helpdesk.identity.allowances import NOTHING, SHIPPED, Allowances, Limits
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join
from tests.racing import at_once
from tests.recovery.answers import codes

PATH = "/authority-limits"


def row(authority: str, case: str, customer: str, day: str, **where: Any) -> dict[str, Any]:
    return {"authority": authority, "case": case, "customer": customer, "day": day} | where


def table(*more: dict[str, Any], **rules: Any) -> dict[str, Any]:
    """The shipped one, with further rows after its four."""
    given = deepcopy(SHIPPED) | rules
    return given | {"limits": given["limits"] + list(more), "reason": "Parcels cost more before Christmas."}


def put(caller: Caller, given: dict[str, Any], version: str = "*") -> Any:
    return caller.put(PATH, given, if_match=version)


@pytest.fixture
def director(join: Join) -> Caller:
    return join("director")


class TestTheMostParticularRowCounts:
    TEAM, OTHER = uuid4(), uuid4()

    @pytest.mark.parametrize(
        ("currency", "team_id", "case"),
        [("EUR", None, 60), ("USD", None, 50), ("USD", TEAM, 40), ("EUR", TEAM, 30), ("EUR", OTHER, 60)],
    )
    def test_of(self, currency: str, team_id: UUID | None, case: int) -> None:
        rows = [
            row("agent", "60", "150", "500", currency="EUR", team_id=None),
            row("agent", "40", "150", "500", currency=None, team_id=str(self.TEAM)),
            row("agent", "30", "150", "500", currency="EUR", team_id=str(self.TEAM)),
        ]
        found = Allowances.of(1, table(*rows)).limits("agent", currency, team_id)
        assert found.case == case

    def test_who_has_no_authority_gives_nothing(self) -> None:
        assert Allowances.of(1, SHIPPED).limits("none", "EUR", None) == NOTHING

    @pytest.mark.parametrize(("currency", "minor"), [("EUR", 5000), ("JPY", 50), ("KWD", 50_000)])
    def test_it_is_nominal(self, currency: str, minor: int) -> None:
        assert Limits(Decimal(50), Decimal(150), Decimal(500)).minor("case", currency) == minor

    @pytest.mark.parametrize(("given", "kept"), [("50.00", "50"), ("0", "0"), ("12.50", "12.5"), ("1000", "1000")])
    def test_one_spelling_of_a_number(self, given: str, kept: str) -> None:
        assert plain(given) == kept


class TestSetting:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        assert anonymous.get(PATH).status_code == 401
        for caller in (agent, manager):
            answer = put(caller, table())
            assert (answer.status_code, answer.json["permission"]) == (403, "authority:manage")

    def test_what_is_shipped(self, agent: Caller) -> None:
        found = agent.get(PATH).json
        assert {name: found["in_force"][name] for name in SHIPPED} == SHIPPED
        assert (found["version"], found["coming"]) == (1, [])

    def test_at_once_and_with_its_trail(self, director: Caller, agent: Caller, admin: Caller) -> None:
        answer = put(director, table(row("agent", "60", "150", "500", currency="EUR"), two_persons=None), '"v1"')
        assert answer.status_code == 200, answer.text
        assert (answer.json["version"], answer.json["in_force"]["number"]) == (2, 2)
        assert put(director, table(), '"v1"').status_code == 412
        assert director.put(PATH, table()).status_code == 428
        assert [item["number"] for item in agent.get(f"{PATH}/versions").json["items"]] == [2, 1]
        shown = agent.get(f"{PATH}/versions/2").json
        assert (shown["reason"], shown["actor_id"]) == ("Parcels cost more before Christmas.", str(director.id))
        assert agent.get(f"{PATH}/versions/3").status_code == 404
        told = admin.get("/audit-log?type=authority.limits_set").json["items"][0]["payload"]
        assert told["changes"]["two_persons"] == ["director", None]
        assert len(told["changes"]["limits"][1]) == 5

    def test_for_later(self, director: Caller, database: Database) -> None:
        later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        answer = put(director, table(row("agent", "60", "150", "500", currency="EUR"), valid_from=later))
        assert answer.status_code == 200, answer.text
        assert (answer.json["in_force"]["number"], [item["number"] for item in answer.json["coming"]]) == (1, [2])
        put(director, table(approval_hours=4))
        with database.reader() as session:
            assert allowances_in_force.case_limit(session, "agent", "EUR", None) == 5000
            assert allowances_in_force.in_force(session).approval_hours == 4
        move(database, 2, timedelta(days=-2))
        move(database, 3, timedelta(days=-1))
        allowances_in_force.forget()
        with database.reader() as session:
            assert allowances_in_force.case_limit(session, "agent", "EUR", None) == 6000

    def test_of_two_from_the_same_time_the_last(self, director: Caller, database: Database) -> None:
        later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        put(director, table(approval_hours=1, valid_from=later))
        put(director, table(approval_hours=2, valid_from=later))
        for number in (2, 3):
            move(database, number, timedelta(days=-3))
        allowances_in_force.forget()
        assert director.get(PATH).json["in_force"]["approval_hours"] == 2

    def test_another_process_goes_by_it_at_once(self, director: Caller, database: Database) -> None:
        """Its copy is of before; what begins after the answer reads the revision with the time."""
        with database.unit_of_work(SYSTEM) as uow:
            assert allowances_in_force.in_force(uow.session).number == 1
        put(director, table(approval_hours=2))
        with database.unit_of_work(SYSTEM) as uow:
            assert uow.now is not None
            assert allowances_in_force.in_force(uow.session).approval_hours == 2

    def test_two_at_once(self, director: Caller, admin: Caller) -> None:
        answers = at_once(*(lambda who=who: put(who, table(), '"v1"') for who in (director, admin)))
        assert sorted(answer.status_code for answer in answers) == [200, 412]

    def test_none_is_ever_changed(self, database: Database) -> None:
        for statement in (
            "UPDATE authority_limits SET number = 9",
            "DELETE FROM authority_limits",
            "TRUNCATE authority_limits CASCADE",
        ):
            with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
                uow.session.execute(text(statement))


def move(database: Database, number: int, by: timedelta) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        uow.session.execute(text("ALTER TABLE authority_limits DISABLE TRIGGER USER"))
        uow.session.execute(
            text("UPDATE authority_limits SET valid_from = valid_from + :by WHERE number = :number"),
            {"by": by, "number": number},
        )
        uow.session.execute(text("ALTER TABLE authority_limits ENABLE TRIGGER USER"))


class TestImpossibleTables:
    @pytest.mark.parametrize(
        ("more", "found"),
        [
            (row("agent", "201", "400", "500", currency="EUR"), [("/limits/4/case", "order") ]),
            (row("senior", "40", "400", "2000", currency="EUR"), [("/limits/4/case", "order")]),
            (row("agent", "50", "40", "500", currency="EUR"), [("/limits/4/case", "above_wider")]),
            (row("agent", "50", "60", "40", currency="EUR"), [("/limits/4/case", "above_wider")]),
            (row("agent", "50", "150", "500"), [("/limits/0", "duplicate"), ("/limits/4", "duplicate")]),
            (row("agent", "50.5", "150", "500", team_id=None, currency="JPY"), [("/limits/4/case", "decimals")]),
            (row("agent", "50", "150", "500", currency="EUR", team_id=str(uuid4())), [("/limits/4/team_id", "unknown")]),
            (row("agent", "-1", "150", "500", currency="EUR"), [("/limits/4/case", "invalid")]),
            (row("agent", "1e3", "150", "500", currency="XXX"), [("/limits/4/currency", "invalid"), ("/limits/4/case", "invalid")]),
            (row("agent", "9" * 13, "150", "500", currency="EUR"), [("/limits/4/case", "invalid")]),
            (row("none", "1", "1", "1"), [("/limits/4/authority", "choice")]),
            (row("agent", "1", "1", "1", shop="x"), [("/limits/4/shop", "unknown_field")]),
        ],
    )  # fmt: skip
    def test_each_fault_is_named(self, director: Caller, more: dict[str, Any], found: list[tuple[str, str]]) -> None:
        answer = put(director, table(more))
        assert (answer.status_code, codes(answer)) == (422, found)
        assert director.get(PATH).json["version"] == 1

    def test_every_authority_has_a_general_row(self, director: Caller) -> None:
        given = table()
        given["limits"] = given["limits"][1:]
        assert codes(put(director, given)) == [("/limits", "missing")]

    def test_rows_of_a_team_and_of_a_currency_meet(self, director: Caller, team: UUID) -> None:
        """Neither is out of order beside the general ones, but an agent's euros are more than a senior's of that team."""
        rows = (
            row("agent", "190", "300", "1000", currency="EUR"),
            row("senior", "180", "400", "2000", team_id=str(team)),
        )
        assert codes(put(director, table(*rows))) == [("/limits/5/case", "order")]

    def test_general_limits_are_whole_and_rules_are_in_range(self, director: Caller) -> None:
        given = table(delegation_days=0, splitting_days=91, approval_hours=0)
        given["limits"][0]["case"] = "49.5"
        assert {pointer for pointer, _ in codes(put(director, given))} == {
            "/delegation_days",
            "/splitting_days",
            "/approval_hours",
        }
        given = table()
        given["limits"][0]["case"] = "49.5"
        assert codes(put(director, given)) == [("/limits/0/case", "decimals")]

    def test_not_for_the_past_nor_for_ever(self, director: Caller) -> None:
        for days, code in ((-1, "past"), (3 * 366 + 1, "range")):
            at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
            assert codes(put(director, table(valid_from=at))) == [("/valid_from", code)]

    def test_a_huge_table(self, director: Caller) -> None:
        rows = [row("agent", "50", "150", "500", currency="EUR", team_id=str(uuid4())) for _ in range(300)]
        answer = put(director, table(*rows))
        assert (answer.status_code, codes(answer)) == (422, [("/limits", "length")])
