"""What the audit of budgets finds."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.budgeting import SETTLE, TELL, close, transfer
from tests.recovery.helpers import (
    found_by,
    issued,
    offered,
    open_budget,
    perform,
    violations,
    voucher,
)


class TestVerification:
    """What a hand on the console has broken is named, with the budget and the offer."""

    @pytest.fixture
    def story(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> dict[str, str]:
        moved = offered(manager, complaint, voucher("10.00"))
        reserved = offered(manager, complaint, voucher("35.00"))
        transfer(manager, budget, second, "1.00")
        close(manager, second, successor_id=budget, carry_reservations=True)
        perform(program, SETTLE)
        spent = issued(program, manager, complaint, voucher("5.00"))
        perform(program, TELL)
        tight = open_budget(manager, "10.00", name="Tight", ends_on="2999-12-29")
        pending = offered(manager, complaint, voucher("9.00"))
        assert pending["budget_id"] == tight
        return {
            "budget": budget,
            "closed": second,
            "moved": moved["id"],
            "reserved": reserved["id"],
            "spent": spent["id"],
            "tight": tight,
        }

    def test_a_healthy_database(self, database: Database, story: dict[str, str]) -> None:
        assert violations(database) == []

    DAMAGE: tuple[tuple[str, str, str, str], ...] = (
        # statement, whose id goes in, the check that names it, the row that it names
        ("UPDATE budget SET allocated_minor = allocated_minor + 1 WHERE id = :id", "budget", "budget_sums", "budget"),
        ("UPDATE budget SET transferred_minor = 1 WHERE id = :id", "budget", "budget_sums", "budget"),
        ("UPDATE budget SET lapsed_minor = 1, transferred_minor = transferred_minor + 1 WHERE id = :id", "closed",
         "budget_sums", "closed"),
        ("UPDATE budget_entry SET amount_minor = amount_minor + 1 WHERE budget_id = :id AND kind = 'transfer_out'",
         "budget", "transfers_pair_up", "budget"),
        ("DELETE FROM budget_entry WHERE budget_id = :id AND kind = 'transfer_in'", "closed", "transfers_pair_up", "budget"),
        ("DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'carry_out'", "moved", "transfers_pair_up", "budget"),
        (("UPDATE budget_entry SET other_budget_id = (SELECT id FROM budget WHERE name = 'Tight')"
         " WHERE offer_id = :id AND kind = 'carry_in'"), "moved", "transfers_pair_up", "budget"),
        ("UPDATE budget SET currency = 'USD' WHERE id = :id", "closed", "transfers_pair_up", "budget"),
        ("DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'commit'", "spent", "offer_money", "spent"),
        ("DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'reserve'", "reserved", "settled_once", "reserved"),
        ("UPDATE offer SET status = 'declined' WHERE id = :id", "reserved", "offer_money", "reserved"),
        ("UPDATE offer SET budget_id = (SELECT id FROM budget WHERE name = 'Tight') WHERE id = :id", "reserved",
         "offer_money", "reserved"),
        ("UPDATE offer SET currency = 'USD' WHERE id = :id", "reserved", "offer_money", "reserved"),
        ("UPDATE budget_entry SET kind = 'release' WHERE offer_id = :id AND kind = 'commit'", "spent", "offer_money", "spent"),
        ("UPDATE budget_entry SET round = 2 WHERE offer_id = :id AND kind = 'commit'", "spent", "settled_once", "spent"),
        ("UPDATE budget SET alerted = '{}' WHERE id = :id", "tight", "alerts_stand", "tight"),
        ("UPDATE budget SET alerted = '{100}' WHERE id = :id", "budget", "alerts_stand", "budget"),
        ("DELETE FROM budget_alert WHERE budget_id = :id", "tight", "alerts_stand", "tight"),
        ("UPDATE budget_alert SET fell_at = now() WHERE budget_id = :id", "tight", "alerts_stand", "tight"),
        ("DELETE FROM duty WHERE subject_id IN (SELECT id FROM budget_alert WHERE budget_id = :id)", "tight",
         "alerts_stand", "tight"),
        ("UPDATE budget SET closed_at = now(), closed_reason = 'x' WHERE id = :id", "budget", "closed_are_empty", "budget"),
    )  # fmt: skip

    def test_every_damage_is_named(self, database: Database, story: dict[str, str]) -> None:
        for statement, whose, check, named in self.DAMAGE:
            found = _broken_by(database, statement, story[whose])
            assert [line for line in found if line.startswith(f"budgets.{check}:") and story[named] in line], (
                statement,
                found,
            )

    def test_a_second_settlement_even_without_the_index(self, database: Database, story: dict[str, str]) -> None:
        found = _broken_by(
            database,
            "DROP INDEX uq_budget_entry_settle; INSERT INTO budget_entry (id, budget_id, kind, amount_minor, offer_id, round, at, "
            "actor_kind) SELECT gen_random_uuid(), budget_id, 'release', amount_minor, offer_id, round, at, actor_kind "
            f"FROM budget_entry WHERE offer_id = '{story['spent']}' AND kind = 'commit'",
            None,
        )
        assert [line for line in found if line.startswith("budgets.settled_once:") and story["spent"] in line]


def _broken_by(database: Database, statement: str, subject: str | None) -> list[str]:
    """What the audit finds after a hand on the console; nothing of it stays."""
    with database.engine.connect() as connection:
        for table in ("budget_entry", "offer_transition"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        if subject is None:
            connection.exec_driver_sql(statement)
        else:
            connection.execute(text(statement), {"id": subject})
        found = found_by(Session(connection))
        connection.rollback()
    return found
