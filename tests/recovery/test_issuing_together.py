"""Many offers issued in one transaction, as a ring brings them: killed at every line, with a bad one among them, with one that somebody
has in hand.

How it can fail: death in the middle issues some of them twice or never; one that cannot be issued takes the others with it; who has one
complaint open keeps all of them waiting; two offers on one complaint get in each other's way; the budget's sums are not its lines'.
"""

from collections import Counter
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.recovery import issuance
from helpdesk.recovery.offers import STEP
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.racing import at_once, until
from tests.recovery.helpers import accepted, duties, execute, ledger, money, perform, scalar, violations, voucher
from tests.recovery.processes import dies, perform_all

pytestmark = pytest.mark.usefixtures("budget")

LETTER = {"kind": "apology_letter"}


@pytest.fixture
def owed(agent: Caller, complaint: dict[str, Any], team: UUID) -> list[dict[str, Any]]:
    """Accepted: two vouchers on one complaint, a voucher and a letter on two others."""
    found = [accepted(agent, complaint, voucher("10.00")), accepted(agent, complaint, voucher("20.00"))]
    for name, body in (("Ana", voucher("5.00")), ("Eva", LETTER)):
        person = {"name": name, "email": f"{name.lower()}@example.com"}
        other = agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json
        found.append(accepted(agent, other, body))
    return found


def statuses(agent: Caller, offers: list[dict[str, Any]]) -> list[str]:
    return [agent.get(f"/offers/{offer['id']}").json["status"] for offer in offers]


def all_issued_once(program: Program, agent: Caller, offers: list[dict[str, Any]]) -> None:
    database = program.database
    assert statuses(agent, offers) == ["issued"] * 4
    made = (scalar(database, f"SELECT count(*) FROM {table}") for table in ("voucher", "letter"))  # ours
    assert tuple(made) == (3, 1)
    references = [agent.get(f"/offers/{offer['id']}").json["issued_reference"] for offer in offers]
    assert len(set(references)) == 4
    assert scalar(database, "SELECT count(*) FROM event WHERE type = 'offer.issued'") == 4
    mails = "SELECT count(*) FROM outbound_mail WHERE reason IN ('voucher', 'apology_letter')"
    assert scalar(database, mails) == 4
    assert Counter(ledger(database)) == {"reserve": 3, "commit": 3}
    assert money(database) == (0, 3500)
    assert (duties(database), violations(database)) == ([], [])


class TestCrash:
    @pytest.mark.parametrize("point", [STEP + "record_issued", *issuance.FAULT_POINTS])
    def test_at_every_line_issues_each_once(
        self, program: Program, agent: Caller, owed: list[dict[str, Any]], point: str
    ) -> None:
        ring = duties(program.database)
        dies(program, point, perform_all, *ring)
        done = point == issuance.AFTER_COMMIT
        assert statuses(agent, owed) == ["issued" if done else "issuing"] * 4, "all of it, or nothing"
        assert duties(program.database) == ([] if done else ring)
        assert violations(program.database) == []
        assert perform(program)["failed"] == 0
        all_issued_once(program, agent, owed)

    def test_twice_in_the_middle(self, program: Program, agent: Caller, owed: list[dict[str, Any]]) -> None:
        """The second time each comes by itself."""
        ring = duties(program.database)
        for _ in range(2):
            dies(program, issuance.TOLD, perform_all, *ring)
        begun = "SELECT array_agg(begun ORDER BY number) FROM duty WHERE topic = 'recovery.issue'"
        assert scalar(program.database, begun) == [2, 1, 1, 1]
        assert perform(program)["done"] == 4
        all_issued_once(program, agent, owed)


class TestTogether:
    def test_in_one_transaction_and_twice_is_once(
        self, program: Program, agent: Caller, owed: list[dict[str, Any]]
    ) -> None:
        ring = duties(program.database)
        assert perform_all(program, *ring) == {"done": 4, "skipped": 0, "failed": 0}
        assert scalar(program.database, "SELECT count(DISTINCT xmin::text) FROM voucher") == 1
        assert perform_all(program, *ring) == {"done": 0, "skipped": 4, "failed": 0}
        all_issued_once(program, agent, owed)

    def test_by_workers_at_once(self, program: Program, agent: Caller, owed: list[dict[str, Any]]) -> None:
        ring = duties(program.database)
        counts = at_once(*[lambda: perform_all(program, *ring)] * 4)
        assert sum(count["done"] for count in counts) == 4
        all_issued_once(program, agent, owed)

    def test_more_than_are_written_line_by_line(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        """From twenty on rows go in by COPY."""
        offers = [accepted(agent, complaint, voucher("1.00")) for _ in range(20)]
        assert perform(program)["done"] == 20
        assert statuses(agent, offers) == ["issued"] * 20
        assert scalar(program.database, "SELECT count(DISTINCT xmin::text) FROM voucher") == 1
        assert money(program.database) == (0, 2000)
        assert violations(program.database) == []


class TestABadOneAmongThem:
    def test_fails_alone(self, program: Program, agent: Caller, owed: list[dict[str, Any]]) -> None:
        """The database refuses its voucher, each time."""
        bad = owed[0]
        execute(program.database, _REFUSING.format(offer_id=bad["id"]))
        execute(program.database, _REFUSE)
        try:
            assert perform(program) == {"done": 3, "skipped": 0, "failed": 1}
            assert statuses(agent, owed) == ["issuing", *["issued"] * 3]
            assert perform(program) == {"done": 0, "skipped": 0, "failed": 1}
            assert violations(program.database) == []
        finally:
            execute(program.database, "DROP TRIGGER refusing ON voucher")
            execute(program.database, "DROP FUNCTION refuse_voucher")
        assert perform(program)["done"] == 1
        all_issued_once(program, agent, owed)

    def test_one_that_somebody_has_in_hand_keeps_none_waiting(
        self, program: Program, agent: Caller, owed: list[dict[str, Any]]
    ) -> None:
        ring, counts = duties(program.database), list[dict[str, int]]()
        with program.engine.connect() as holder:
            holder.execute(text("SELECT FROM offer WHERE id = :id FOR UPDATE"), {"id": owed[2]["id"]})
            working = Thread(target=lambda: counts.append(perform_all(program, *ring)))
            working.start()
            others = [owed[0], owed[1], owed[3]]
            until(lambda: statuses(agent, others) == ["issued"] * 3)
            assert statuses(agent, owed)[2] == "issuing"
            holder.rollback()
            working.join(60)
        assert counts == [{"done": 4, "skipped": 0, "failed": 0}]
        all_issued_once(program, agent, owed)

    def test_one_that_is_not_to_be_issued_any_more(
        self, program: Program, agent: Caller, owed: list[dict[str, Any]]
    ) -> None:
        ring = duties(program.database)
        assert perform_all(program, ring[0])["done"] == 1
        execute(program.database, "UPDATE duty SET done_at = NULL, begun = 0 WHERE id = :id", id=ring[0])
        assert perform_all(program, *ring)["done"] == 4
        all_issued_once(program, agent, owed)


_REFUSING = """
CREATE FUNCTION refuse_voucher() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.offer_id = '{offer_id}' THEN RAISE EXCEPTION 'no voucher for this one'; END IF;
    RETURN NEW;
END $$
"""
_REFUSE = "CREATE TRIGGER refusing BEFORE INSERT ON voucher FOR EACH ROW EXECUTE FUNCTION refuse_voucher()"
