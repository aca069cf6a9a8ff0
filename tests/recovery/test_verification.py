"""The audit finds nothing in a healthy database, and names what a hand on the console has broken."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.recovery.helpers import accepted, draft, execute, found_by, issued, offered, open_budget, violations, voucher

LETTER = {"kind": "apology_letter"}


@pytest.fixture
def story(program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], team: Any) -> dict[str, Any]:
    """One offer in each of the places that matter; ids by name."""
    open_budget(manager)
    other = agent.post("/complaints", complaint_body(team_id=str(team))).json
    found = {
        "redeemed": issued(program, agent, complaint),
        "issued": issued(program, agent, complaint, voucher("10.00")),
        "letter": issued(program, agent, other, LETTER),
        "issuing": accepted(agent, other, voucher("5.00")),
        "offered": offered(agent, complaint, voucher("2.00")),
        "drafted": draft(agent, complaint, voucher("1.00")),
    }
    assert manager.pay(f"/vouchers/{found['redeemed']['issued_reference']}/redeem").status_code == 200
    ids = {name: offer["id"] for name, offer in found.items()}
    return ids | {"complaint": complaint["id"]}


def test_a_healthy_database(database: Database, story: dict[str, Any]) -> None:
    assert violations(database) == []


DAMAGE: list[tuple[str, str, str, str, str]] = [
    # what, statement, whose id goes in, the check that names it, a word of its detail
    ("sum", "UPDATE budget SET reserved_minor = reserved_minor + 1", "drafted", "budget_sums", "its ledger says"),
    (
        "entry lost",
        "DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'commit'",
        "issued",
        "offer_money",
        "issued with 1 open reservations and 0 commitments",
    ),
    (
        "entry changed",
        "UPDATE budget_entry SET amount_minor = 1 WHERE offer_id = :id AND kind = 'reserve'",
        "offered",
        "offer_money",
        "entries of another amount",
    ),
    (
        "reservation lost",
        "DELETE FROM budget_entry WHERE offer_id = :id",
        "offered",
        "offer_money",
        "0 open reservations",
    ),
    ("voucher lost", "DELETE FROM voucher WHERE offer_id = :id", "issued", "issued_once", "0 issuances at all"),
    ("letter lost", "DELETE FROM letter WHERE offer_id = :id", "letter", "issued_once", "0 issuances at all"),
    (
        "voucher changed",
        "UPDATE voucher SET amount_minor = 99999, balance_minor = 99999 WHERE offer_id = :id",
        "issued",
        "issued_once",
        "of another amount",
    ),
    (
        "another reference",
        "UPDATE offer SET issued_reference = 'X' WHERE id = :id",
        "issued",
        "issued_once",
        "which it does not name",
    ),
    (
        "issued unasked",
        """INSERT INTO voucher (id, offer_id, code, code_digest, amount_minor, balance_minor, currency, expires_at)
           VALUES (gen_random_uuid(), :id, 'FORGED', 'FORGED', 1, 1, 'EUR', now())""",
        "offered",
        "issued_once",
        "offered with 1 issuances",
    ),
    (
        "used twice",
        "UPDATE voucher SET redeemed_at = NULL WHERE offer_id = :id",
        "redeemed",
        "vouchers_redeemed",
        "was not used",
    ),
    (
        "redemption lost",
        "DELETE FROM voucher_entry WHERE voucher_id IN (SELECT id FROM voucher WHERE offer_id = :id)",
        "redeemed",
        "voucher_ledgers",
        "says 0 minor units are left; its ledger says 3000",
    ),
    (
        "balance raised",
        "UPDATE voucher SET redeemed_at = NULL, balance_minor = amount_minor WHERE offer_id = :id",
        "redeemed",
        "voucher_ledgers",
        "says 3000 minor units are left; its ledger says 0",
    ),
    (
        "reversal of nothing",
        """INSERT INTO voucher_entry (id, voucher_id, kind, amount_minor, reverses_id, at, actor_kind)
           SELECT gen_random_uuid(), v.id, 'reverse', 500, e.id, now(), 'system'
           FROM voucher v, voucher_entry e WHERE v.offer_id = :id AND e.kind = 'redeem'""",
        "issued",
        "voucher_ledgers",
        "1 reversals of nothing",
    ),
    (
        "used in parts",
        """INSERT INTO voucher_entry (id, voucher_id, kind, amount_minor, at, actor_kind)
           SELECT gen_random_uuid(), id, 'redeem', 500, now(), 'system' FROM voucher WHERE offer_id = :id""",
        "issued",
        "voucher_ledgers",
        "used in parts, which it does not allow",
    ),
    (
        "duty lost",
        "DELETE FROM duty WHERE subject_id = :id AND topic = 'recovery.issue'",
        "issuing",
        "accepted_is_issued",
        "no duty to issue it",
    ),
    ("status moved", "UPDATE offer SET status = 'declined' WHERE id = :id", "drafted", "offer_replay", "'declined'"),
    (
        "step lost",
        "DELETE FROM offer_transition WHERE offer_id = :id AND number = 1",
        "offered",
        "offer_replay",
        "have a gap",
    ),
    (
        "step changed",
        "UPDATE offer_transition SET to_status = 'offered' WHERE offer_id = :id AND action = 'approve'",
        "offered",
        "offer_replay",
        "not in the table",
    ),
    (
        "unknown step",
        "UPDATE offer_transition SET action = 'bless' WHERE offer_id = :id AND action = 'approve'",
        "offered",
        "offer_replay",
        "bless",
    ),
]


def broken_by(database: Database, *statements: str, **values: Any) -> list[str]:
    """What the audit finds after this damage, which is then taken back: one story serves for all of it."""
    with Session(database.engine) as session:
        for table in ("budget_entry", "offer_transition", "voucher_entry"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            session.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
        found = found_by(session)
        session.rollback()
    return found


def test_every_damage_is_named(database: Database, story: dict[str, Any]) -> None:
    for what, statement, whose, check, word in DAMAGE:
        found = broken_by(database, statement, id=story[whose])
        named = [line for line in found if line.partition(":")[0].endswith(f".{check}")]
        assert len(named) == 1, (what, found)
        assert word in named[0], (what, named)
        if ":id" in statement:
            assert f"offer {story[whose]}" in named[0], (what, named)
    assert violations(database) == []


def test_nothing_is_issued_twice_even_without_the_constraint(database: Database, story: dict[str, Any]) -> None:
    found = broken_by(
        database,
        "ALTER TABLE voucher DROP CONSTRAINT uq_voucher_offer_id",
        """INSERT INTO voucher (id, offer_id, code, code_digest, amount_minor, balance_minor, currency, expires_at)
           SELECT gen_random_uuid(), offer_id, 'AGAIN', 'AGAIN', amount_minor, balance_minor, currency, expires_at
           FROM voucher WHERE offer_id = :id""",
        id=story["issued"],
    )
    assert any("issued_once" in line and story["issued"] in line for line in found)


def test_a_complaints_counters(database: Database, story: dict[str, Any]) -> None:
    with database.reader() as session:
        named = text("SELECT reference FROM complaint WHERE id = :id")
        reference = session.execute(named, {"id": story["complaint"]}).scalar_one()
    for column in ("offers_live", "offers_minor", "remedies_undelivered"):
        damage = f"UPDATE complaint SET {column} = {column} + 1 WHERE id = :id"  # the column is ours
        (found,) = broken_by(database, damage, id=story["complaint"])
        assert found.startswith(f"recovery.complaint_counters: complaint {reference}:")


def test_reading_in_batches_misses_nobody(
    database: Database, story: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpdesk.recovery.verification._BATCH", 2)
    execute(database, "UPDATE offer SET steps = steps + 1")
    assert len([line for line in violations(database) if "offer_replay" in line]) == 6


def test_the_audit_changes_nothing(database: Database, story: dict[str, Any], statements: Callable[[], Any]) -> None:
    with statements() as seen:
        violations(database)
    begun = {statement.split()[0] for statement in seen.seen}
    assert "SELECT" in begun
    assert begun <= {"SELECT", "WITH"}


def test_a_retry_is_told_apart_from_a_double(
    program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
) -> None:
    open_budget(manager)
    offer = accepted(agent, complaint)
    with program.database.unit_of_work(SYSTEM) as uow:
        uow.session.execute(text("UPDATE duty SET dead_at = now() WHERE topic = 'recovery.issue'"))
    assert [line.split(":")[0] for line in violations(program.database)] == ["recovery.accepted_is_issued"]
    assert str(offer["id"]) in violations(program.database)[0]
