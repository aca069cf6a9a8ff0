"""Issuing once: done, done twice, done by two at once, killed at every line, given up, and tried again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.duties import GiveUp, Outside, Performer
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import issuance, jobs
from helpdesk.recovery.issuers import ISSUERS
from helpdesk.recovery.kinds import OURSELVES, TABLE
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.recovery import processes
from tests.recovery.helpers import (
    accepted,
    act,
    duties,
    execute,
    issued,
    left_behind,
    offered,
    perform,
    scalar,
    violations,
    voucher,
)
from tests.recovery.processes import dies

pytestmark = pytest.mark.usefixtures("budget")

LETTER = {"kind": "apology_letter"}


def entries(database: Database) -> list[str]:
    with database.reader() as session:
        rows = session.execute(text("SELECT kind FROM budget_entry WHERE offer_id IS NOT NULL ORDER BY id"))
        return list(rows.scalars())


def counters(complaint: dict[str, Any], database: Database) -> tuple[int, int, int]:
    """Offers live, of these approved, of these undelivered."""
    with database.reader() as session:
        row = session.execute(
            text("SELECT offers_live, offers_approved, remedies_undelivered FROM complaint WHERE id = :id"),
            {"id": complaint["id"]},
        ).one()
    return row[0], row[1], row[2]


def test_every_kind_of_ours_has_an_issuer() -> None:
    assert set(ISSUERS) == {name for name, kind in TABLE.items() if kind.issuer == OURSELVES}


class TestOnce:
    @pytest.mark.parametrize(("body", "table"), [(voucher(), "voucher"), (LETTER, "letter")])
    def test_done_twice_is_done_once(
        self,
        program: Program,
        agent: Caller,
        complaint: dict[str, Any],
        body: dict[str, Any],
        table: str,
    ) -> None:
        offer = accepted(agent, complaint, body)
        (duty,) = duties(program.database)
        for _ in range(2):
            issuance.issue(program.tools, duty, UUID(offer["id"]))
        assert program.performer.perform([duty]) == {"done": 0, "skipped": 1, "failed": 0}
        assert scalar(program.database, f"SELECT count(*) FROM {table}") == 1
        assert scalar(program.database, "SELECT count(*) FROM event WHERE type = 'offer.issued'") == 1
        assert entries(program.database) == (["reserve", "commit"] if table == "voucher" else [])
        assert counters(complaint, program.database) == (1, 1, 1), "on its way, until the mail server has taken it"
        assert violations(program.database) == []

    def test_by_two_workers_at_once(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint)
        (duty,) = duties(program.database)
        at_once(*[lambda: issuance.issue(program.tools, duty, UUID(offer["id"]))] * 4)
        assert scalar(program.database, "SELECT count(*) FROM voucher") == 1
        assert entries(program.database) == ["reserve", "commit"]
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'voucher'") == 1
        assert violations(program.database) == []

    def test_not_at_all_when_it_no_longer_qualifies(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        with program.database.unit_of_work(SYSTEM) as uow:
            issuance.give_up(uow, UUID(offer["id"]), "a test")
        assert perform(program) == {"done": 1, "skipped": 0, "failed": 0}
        assert scalar(program.database, "SELECT count(*) FROM voucher") == 0
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "failed"
        assert duties(program.database) == []

    def test_giving_up_what_was_issued_changes_nothing(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint)
        with program.database.unit_of_work(SYSTEM) as uow:
            issuance.give_up(uow, UUID(offer["id"]), "too late")
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "issued"
        assert violations(program.database) == []


def die_at(point: str, program: Program, duty: UUID) -> None:
    """Perform the duty in a process of its own, which dies at this point, its sessions with it."""
    dies(program, point, processes.perform, duty)


class TestCrash:
    @pytest.mark.parametrize("point", issuance.FAULT_POINTS)
    @pytest.mark.parametrize("body", [voucher(), LETTER], ids=["voucher", "letter"])
    def test_at_every_line_leaves_exactly_one(
        self,
        program: Program,
        agent: Caller,
        complaint: dict[str, Any],
        point: str,
        body: dict[str, Any],
    ) -> None:
        offer = accepted(agent, complaint, body)
        (duty,) = duties(program.database)
        die_at(point, program, duty)
        left = duties(program.database)
        assert left == ([] if point == issuance.AFTER_COMMIT else [duty])
        assert perform(program)["failed"] == 0
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "issued"
        assert scalar(program.database, "SELECT (SELECT count(*) FROM voucher) + (SELECT count(*) FROM letter)") == 1
        assert scalar(program.database, "SELECT count(*) FROM event WHERE type = 'offer.issued'") == 1
        mailed = scalar(
            program.database, "SELECT count(*) FROM outbound_mail WHERE reason IN ('voucher', 'apology_letter')"
        )
        assert mailed == 1
        assert violations(program.database) == []


def failing(error: Exception) -> Callable[..., None]:
    def work(_tools: Any, _duty_id: UUID, _offer_id: UUID) -> None:
        raise error

    return work


def performer(program: Program, error: Exception) -> Performer:
    """A worker whose provider says no; everything behind it is as in the program."""
    handlers = {issuance.TOPIC: Outside(failing(error), issuance.give_up)}
    return Performer(program.database, handlers, SYSTEM, program.tools)


class TestFailure:
    def test_is_tried_again_first(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint)
        assert performer(program, RuntimeError("busy")).perform(duties(program.database))["failed"] == 1
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "issuing"
        assert perform(program)["done"] == 1
        assert violations(program.database) == []

    def test_in_the_end_frees_the_money_and_can_be_retried(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        performer(program, GiveUp("no such account")).perform(duties(program.database))
        failed = agent.get(f"/offers/{offer['id']}").json
        assert (failed["status"], failed["status_reason"]) == ("failed", "GiveUp: no such account")
        assert entries(program.database) == ["reserve", "release"]
        assert counters(complaint, program.database) == (1, 1, 1)
        assert violations(program.database) == []
        again = act(senior, offer, "retry")
        assert (again["status"], again["round"]) == ("issuing", 2)
        assert perform(program)["done"] == 1
        assert entries(program.database) == ["reserve", "release", "reserve", "commit"]
        assert counters(complaint, program.database) == (1, 1, 1)
        assert violations(program.database) == []

    def test_what_failed_is_still_owed(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        """The complaint is not followed up until it was issued after all, or somebody took it back, and said why."""
        offer = accepted(agent, complaint)
        performer(program, GiveUp("no such account")).perform(duties(program.database))
        ref = complaint["reference"]
        steps = {"investigate": GOOD["investigate"], "resolve": GOOD["resolve"] | {"remedy": {}}}
        for action, body in steps.items():
            assert agent.post(f"/complaints/{ref}/actions/{action}", body).status_code == 200
        waits = agent.post(f"/complaints/{ref}/actions/follow_up", GOOD["follow_up"])
        assert (waits.status_code, waits.json["missing"][0]["code"]) == (409, "remedy_undelivered")
        same = agent.post(f"/complaints/{ref}/offers", voucher())
        assert (same.status_code, same.json["code"]) == (409, "duplicate_offer")
        act(manager, offer, "revoke", reason="Paid back by bank transfer instead.")
        assert counters(complaint, program.database) == (0, 0, 0)
        assert agent.post(f"/complaints/{ref}/actions/follow_up", GOOD["follow_up"]).status_code == 200
        assert violations(program.database) == []

    def test_what_failed_can_be_tried_again_though_the_complaint_was_withdrawn(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        performer(program, GiveUp("no such account")).perform(duties(program.database))
        gone = agent.post(f"/complaints/{complaint['reference']}/actions/withdraw", GOOD["withdraw"])
        assert gone.status_code == 200
        act(senior, offer, "retry")
        assert perform(program)["done"] == 1
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "issued"
        assert violations(program.database) == []

    def test_taken_back_after_it_was_made_it_buys_nothing(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        code = left_behind(program, offer)
        performer(program, GiveUp("given up")).perform(duties(program.database))
        act(manager, offer, "revoke", reason="Paid back by bank transfer instead.")
        assert manager.get(f"/vouchers/{code}").status_code == 404
        assert manager.pay(f"/vouchers/{code}/redeem").status_code == 404
        assert violations(program.database) == []

    def test_after_it_was_made_gives_the_same_voucher_later(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        code = left_behind(program, offer)
        assert manager.get(f"/vouchers/{code}").status_code == 404
        performer(program, GiveUp("given up")).perform(duties(program.database))
        assert manager.get(f"/vouchers/{code}").status_code == 404
        assert manager.pay(f"/vouchers/{code}/redeem").status_code == 404
        assert violations(program.database) == []
        act(manager, offer, "retry")
        assert perform(program)["done"] == 1
        assert agent.get(f"/offers/{offer['id']}").json["issued_reference"] == code
        assert violations(program.database) == []


class TestAbandoned:
    """The duty died without anybody to say so: its worker was taken down each time."""

    def test_is_failed_once(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint)
        assert jobs.fail_abandoned(program.database) == 0
        execute(program.database, "UPDATE duty SET dead_at = now() WHERE topic = 'recovery.issue'")
        assert any("accepted_is_issued" in line for line in violations(program.database))
        assert jobs.fail_abandoned(program.database) == 1
        assert jobs.fail_abandoned(program.database) == 0
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "failed"
        assert violations(program.database) == []


class TestLetters:
    def test_goes_out_by_mail_in_the_customers_language(self, program: Program, agent: Caller, team: UUID) -> None:
        person = {"name": "李伟", "email": "li.wei@example.com", "language": "zh-CN"}
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json
        offer = issued(program, agent, complaint, LETTER)
        assert offer["language"] == "zh"
        with program.database.reader() as session:
            mail = session.execute(
                text("SELECT recipient, subject, body FROM outbound_mail WHERE reason = 'apology_letter'")
            ).one()
        assert mail.recipient == "li.wei@example.com"
        assert complaint["reference"] in mail.subject
        assert "尊敬的李伟" in mail.body

    def test_without_an_address_it_is_to_be_posted(self, program: Program, agent: Caller, team: UUID) -> None:
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant={"name": "Ana"})).json
        own = "Dear Ana, it was my mistake. $ {name} %s"
        issued(program, agent, complaint, LETTER | {"text": own})
        with program.database.reader() as session:
            letter = session.execute(text("SELECT mail_id, body FROM letter")).one()
        assert letter.mail_id is None
        assert own in letter.body
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason LIKE 'apology%'") == 0

    def test_costs_nothing_and_needs_no_budget(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint, LETTER)
        assert (offer["amount"], offer["budget_id"], len(offer["approvals"])) == (None, None, 1)
        assert violations(program.database) == []


class TestExpiry:
    def late(self, database: Database, offer: dict[str, Any]) -> None:
        execute(database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=offer["id"])

    def test_runs_twice_and_only_on_what_is_late(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        late, waiting = offered(agent, complaint), offered(agent, complaint, voucher("10.00"))
        assert jobs.expire_offers(program.database) == 0
        self.late(program.database, late)
        assert jobs.expire_offers(program.database) == 1
        assert jobs.expire_offers(program.database) == 0
        assert agent.get(f"/offers/{late['id']}").json["status"] == "expired"
        assert agent.get(f"/offers/{waiting['id']}").json["status"] == "offered"
        assert entries(program.database) == ["reserve", "reserve", "release"]
        assert violations(program.database) == []

    def test_a_row_that_no_longer_qualifies(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint)
        self.late(program.database, offer)
        assert jobs.expire_offers(program.database) == 0
        assert violations(program.database) == []

    def test_two_sweeps_at_once(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        for amount in ("1.00", "2.00", "3.00"):
            self.late(program.database, offered(agent, complaint, voucher(amount)))
        counts = at_once(*[lambda: jobs.expire_offers(program.database)] * 4)
        assert sum(counts) + jobs.expire_offers(program.database) == 3
        assert violations(program.database) == []
