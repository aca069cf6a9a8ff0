"""Vouchers that were there before they had a ledger.

How it can fail: one that was used can be used again, or nobody knows any more who used it; one that was withdrawn has something
left; one that nobody used has not; a code is not found any more.
"""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.kernel import migrations
from helpdesk.recovery import verification, voucher_queries
from helpdesk.recovery.codes import new_code
from helpdesk.recovery.voucher_queries import UnknownVoucher
from tests.kernel.test_migrations import empty_database

BEFORE: Final = "0260_message_mail"
KEY: Final = UUID(int=77)
"""The key of a shop."""
CASES: Final = ("fresh", "by_agent", "by_shop", "by_nobody", "withdrawn", "late", "failed", "at_work")
STATUS: Final = {
    "by_agent": "redeemed",
    "by_shop": "redeemed",
    "by_nobody": "redeemed",
    "withdrawn": "reversed",
    "failed": "failed",
    "at_work": "issuing",
}

_ONCE = """
INSERT INTO agent (id, email, name, role) VALUES (:agent, 'a@example.com', 'A', 'manager');
INSERT INTO budget (id, name, currency, starts_on, ends_on) VALUES (:budget, 'B', 'EUR', '2026-01-01', '2026-12-31');
INSERT INTO complaint (id, reference, status, channel, subject, description, received_at, updated_at, severity, waiting_on,
    escalation_level, stage, double_deviation, offers_live, remedies_undelivered, issue_count, transition_count, vulnerable,
    safety)
VALUES (:complaint, 'R-1', 'received', 'EMAIL', 's', 'd', now(), now(), 'S3', 'us', 0, '1', false, 8, 2, 0, 0, false, false)
"""
_OFFER = """
INSERT INTO offer (id, complaint_id, kind, amount_minor, currency, status, reason, language, valid_days, budget_id,
    issued_reference, suggestion)
VALUES (:id, :complaint, 'voucher', 1000, 'EUR', :status, 'r', 'en', 30, :budget, :reference, '{}')
"""
_VOUCHER = """
INSERT INTO voucher (id, offer_id, code, amount_minor, currency, expires_at, redeemed_at, redeemed_by)
VALUES (gen_random_uuid(), :id, :code, 1000, 'EUR', now() + cast(:until AS interval), :at, :by)
"""
_STEP = """
INSERT INTO offer_transition (id, offer_id, number, action, from_status, to_status, actor_kind, actor_id, at, given)
VALUES (gen_random_uuid(), :id, 7, :action, 'issued', :status, :kind, :by, :at, '{}')
"""
WHEN: Final = "2026-03-02T10:00:00+00:00"


class Before:
    """A database of the release before, with a voucher in every place that one could be in; `codes` of each."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.codes = {name: new_code() for name in CASES}
        self.offers = {name: UUID(int=100 + number) for number, name in enumerate(CASES)}
        self.agent = UUID(int=1)
        config = migrations._config()
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, BEFORE)
            values: dict[str, Any] = {"agent": self.agent, "budget": UUID(int=2), "complaint": UUID(int=3)}
            for statement in _ONCE.split(";"):
                connection.execute(text(statement), values)
            for name in CASES:
                status = STATUS.get(name, "issued")
                used = status == "redeemed"
                given = values | {
                    "id": self.offers[name],
                    "code": self.codes[name],
                    "status": status,
                    "action": "redeem",
                }
                given |= {"reference": None if name in {"failed", "at_work"} else self.codes[name]}
                given |= {"until": "-1 day" if name == "late" else "300 days", "at": WHEN if used else None}
                given |= {"by": self.agent if name == "by_agent" else None}
                connection.execute(text(_OFFER), given)
                connection.execute(text(_VOUCHER), given)
                given |= {"kind": "agent", "at": WHEN}
                if name == "by_shop":
                    given |= {"kind": "integration", "by": KEY}
                if name == "withdrawn":
                    given |= {"action": "reverse", "by": self.agent}
                if name in {"by_agent", "by_shop", "withdrawn"}:
                    connection.execute(text(_STEP), given)
            connection.commit()

    def rows(self, statement: str) -> dict[str, list[tuple[Any, ...]]]:
        """By the name of the case; the first column is the offer's id."""
        names = {offer_id: name for name, offer_id in self.offers.items()}
        found: dict[str, list[tuple[Any, ...]]] = {}
        with self.engine.connect() as connection:
            for row in connection.execute(text(statement)):
                found.setdefault(names[row[0]], []).append(tuple(row)[1:])
        return found


@pytest.fixture
def before(server_url: str) -> Iterator[Before]:
    with empty_database(server_url) as engine:
        yield Before(engine)


def test_what_was_there_has_a_ledger(before: Before) -> None:
    migrations.upgrade(before.engine)
    left = before.rows("SELECT offer_id, balance_minor, partial, expired_at FROM voucher")
    empty_ = {"by_agent", "by_shop", "by_nobody", "withdrawn"}
    assert left == {name: [(0 if name in empty_ else 1000, False, None)] for name in CASES}
    entries = before.rows(
        "SELECT v.offer_id, e.kind, e.amount_minor, e.actor_kind, e.actor_id, e.at = cast('"
        + WHEN
        + "' AS timestamptz), "
        "e.external_id, e.reverses_id FROM voucher_entry e JOIN voucher v ON v.id = e.voucher_id"
    )
    assert entries == {
        "by_agent": [("redeem", 1000, "agent", before.agent, True, None, None)],
        "by_shop": [("redeem", 1000, "integration", KEY, True, None, None)],
        "by_nobody": [("redeem", 1000, "system", None, True, None, None)],
        "withdrawn": [("void", 1000, "agent", before.agent, True, None, None)],
    }
    assert before.rows("SELECT id, voucher_days FROM offer") == {name: [(365,)] for name in CASES}
    with Session(before.engine) as session:
        for check in (verification.voucher_ledgers, verification.vouchers_redeemed):
            assert list(check(session)) == []
    _every_code_is_found_and_stands_as_before(before)
    with before.engine.connect() as connection, pytest.raises(DBAPIError, match="never changed"):
        connection.execute(text("UPDATE voucher_entry SET actor_kind = 'agent'"))


def _every_code_is_found_and_stands_as_before(before: Before) -> None:
    expected = dict.fromkeys(("by_agent", "by_shop", "by_nobody"), "redeemed")
    expected |= {"fresh": "valid", "withdrawn": "withdrawn", "late": "expired"}
    with Session(before.engine) as session:
        for name, status in expected.items():
            found = voucher_queries.voucher_by_code(session, before.codes[name].lower().replace("-", " "))
            assert (found[0].offer_id, voucher_queries.voucher_status(*found)) == (before.offers[name], status)
        for name in ("failed", "at_work"):
            with pytest.raises(UnknownVoucher):
                voucher_queries.voucher_by_code(session, before.codes[name])
        assert voucher_queries.vouchers_past_their_time(session, 10) == [before.offers["late"]]
        (owed,) = voucher_queries.liabilities(session)
    assert {name: owed[name] for name in ("issued", "outstanding", "used", "expired", "withdrawn", "open")} == {
        "issued": (6000, "EUR"),
        "outstanding": (1000, "EUR"),
        "used": (3000, "EUR"),
        "expired": (1000, "EUR"),
        "withdrawn": (1000, "EUR"),
        "open": 1,
    }


def test_there_and_back_and_there_again(before: Before) -> None:
    config = migrations._config()
    with before.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0300_voucher_ledger")
        command.downgrade(config, BEFORE)
    kept = before.rows("SELECT offer_id, code, redeemed_at IS NOT NULL FROM voucher")
    assert {name: rows[0] for name, rows in kept.items()} == {
        name: (before.codes[name], name.startswith("by_")) for name in CASES
    }
    migrations.upgrade(before.engine)
    assert len(before.rows("SELECT v.offer_id FROM voucher_entry e JOIN voucher v ON v.id = e.voucher_id")) == 4
