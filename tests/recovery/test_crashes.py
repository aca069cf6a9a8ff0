"""Killed between every two steps of what a request or a sweep does to an offer; then the same is asked again.

How it can fail: money moved and the offer not, or the other way round; done, and the repeat does it again, because its answer was
not kept with it; a voucher or points that are worth something though their offer was taken back; a duty that is dead, and the
money still set aside.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import pytest
from flask import Flask

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import duties as performing
from helpdesk.kernel import handling
from helpdesk.kernel.duties import GiveUp, Outside, Performer
from helpdesk.kernel.unit_of_work import COMMITTED, CONCLUDED
from helpdesk.recovery import issuance, jobs
from helpdesk.recovery.offers import STEP
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.recovery.helpers import (
    accepted,
    duties,
    execute,
    issued,
    ledger,
    money,
    offered,
    scalar,
    token,
    violations,
    voucher,
)
from tests.recovery.processes import Request, by, dies, expire_offers, send
from tests.recovery.providing import called_back, refund, register, said, work
from tests.recovery.reference_provider import ReferenceProvider, running

pytestmark = pytest.mark.usefixtures("budget")

Sums = tuple[list[str], str]
"""Entries of offers in the budgets' ledger, and what it comes to."""


class Road:
    """One act on one offer, killed at each of its points in turn, and then done."""

    def __init__(self, program: Program, app: Flask, agent: Caller, offer: dict[str, Any]) -> None:
        self.program = program
        self.app = app
        self.agent = agent
        self.offer = offer

    def story(self) -> tuple[str, str | None, int, list[str], tuple[int, int]]:
        shown = self.agent.get(f"/offers/{self.offer['id']}").json
        told = scalar(self.program.database, "SELECT count(*) FROM event WHERE type LIKE 'offer.%'")
        return shown["status"], shown["delivered_at"], told, ledger(self.program.database), money(self.program.database)

    def walk(self, request: Request, *steps: str, points: Sequence[str] = handling.FAULT_POINTS) -> Any:
        """Until the commit nothing has happened; from then on all of it has, and the repeat is answered so. The answer."""
        before = self.story()
        for point in (*(STEP + step for step in steps), *points):
            dies(self.program, point, send, request)
            assert (self.story() == before) == (point != COMMITTED), point
            assert violations(self.program.database) == [], point
        after = self.story()
        answer = request.sent(self.app)
        assert answer.status_code == 200, answer.text
        assert self.story() == after
        return answer.json


@pytest.fixture
def road(program: Program, app: Flask, agent: Caller) -> Callable[[dict[str, Any]], Road]:
    return lambda offer: Road(program, app, agent, offer)


Roads = Callable[[dict[str, Any]], Road]


def to(offer: dict[str, Any], action: str) -> str:
    return f"/offers/{offer['id']}/actions/{action}"


SHORT: Final = (handling.WRITTEN, CONCLUDED, COMMITTED)


class TestAccepting:
    def test_owes_the_issuance_once(
        self, program: Program, agent: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = offered(agent, complaint)
        answer = by(None, f"/public/offers/{token(offer)}/accept")
        road(offer).walk(answer, "accept", "begin_issuing")
        assert scalar(program.database, "SELECT count(*) FROM duty WHERE topic = 'recovery.issue'") == 1
        work(program, 2)
        assert ledger(program.database) == ["reserve", "commit"]
        assert violations(program.database) == []


class TestByHand:
    def test_issued(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = accepted(agent, complaint, refund())
        road(offer).walk(by(senior, to(offer, "record_issued"), {"reference": "transfer 17"}), "record_issued")
        assert (ledger(program.database), money(program.database)) == (["reserve", "commit"], (0, 2000))
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1

    def test_failed_and_tried_again(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = accepted(agent, complaint, refund())
        road(offer).walk(by(senior, to(offer, "fail"), {"reason": "Closed."}), "fail", points=SHORT)
        assert money(program.database) == (0, 0)
        road(offer).walk(by(senior, to(offer, "retry")), "retry", points=SHORT)
        assert (ledger(program.database), money(program.database)) == (["reserve", "release", "reserve"], (2000, 0))

    def test_delivery_confirmed(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = accepted(agent, complaint, voucher("20.00", kind="gift"))
        assert by(senior, to(offer, "record_issued"), {"reference": "parcel"}).sent(senior.client.application)
        road(offer).walk(by(agent, to(offer, "confirm_delivery"), {"said_by": "phone"}), "confirm_delivery")
        undelivered = scalar(program.database, "SELECT remedies_undelivered FROM complaint")
        assert (undelivered, money(program.database)) == (0, (0, 2000))

    def test_letter_posted(self, program: Program, agent: Caller, team: UUID, road: Roads) -> None:
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant={"name": "Ana"})).json
        offer = issued(program, agent, complaint, {"kind": "apology_letter"})
        road(offer).walk(by(agent, to(offer, "post_letter")), "post_letter", points=SHORT)
        assert scalar(program.database, "SELECT count(*) FROM letter WHERE posted_at IS NOT NULL") == 1


class TestReversing:
    def test_voucher(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = issued(program, agent, complaint)
        road(offer).walk(by(manager, to(offer, "reverse"), {"reason": "A slip."}), "reverse")
        assert (ledger(program.database), money(program.database)) == (["reserve", "commit", "reverse"], (0, 0))
        assert scalar(program.database, "SELECT string_agg(kind, ',') FROM voucher_entry") == "void"
        assert scalar(program.database, "SELECT balance_minor FROM voucher") == 0

    def test_points(self, program: Program, manager: Caller, team: UUID, road: Roads) -> None:
        customer = manager.post("/customers", {"name": "Li Wei"}).json["id"]
        complaint = manager.post("/complaints", complaint_body(team_id=str(team), customer_id=customer)).json
        offer = issued(program, manager, complaint, voucher(kind="points"))
        road(offer).walk(by(manager, to(offer, "reverse"), {"reason": "A slip."}), "reverse", points=SHORT)
        assert (ledger(program.database), money(program.database)) == (["reserve", "commit", "reverse"], (0, 0))
        assert scalar(program.database, "SELECT balance_minor FROM points_account") == 0

    def test_refund(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = accepted(agent, complaint, refund())
        assert by(manager, to(offer, "record_issued"), {"reference": "17"}, key="other").sent(
            manager.client.application
        )
        road(offer).walk(by(manager, to(offer, "reverse"), {"reason": "It came back."}), "reverse", points=SHORT)
        assert (ledger(program.database), money(program.database)) == (["reserve", "commit", "reverse"], (0, 0))


class TestTill:
    def test_used_and_taken_back(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], road: Roads
    ) -> None:
        offer = issued(program, agent, complaint)
        path = f"/vouchers/{offer['issued_reference']}"
        used = road(offer).walk(by(manager, f"{path}/redeem", {"external_id": "receipt 1"}), "redeem", points=SHORT)
        assert (used["status"], used["balance"]["amount"]) == ("redeemed", "0.00")
        back = by(manager, f"{path}/redemptions/{used['redemption']['id']}/reverse", {"reason": "A slip."})
        assert road(offer).walk(back, "unredeem", points=SHORT)["status"] == "valid"
        assert (
            scalar(program.database, "SELECT string_agg(kind, ',' ORDER BY at) FROM voucher_entry") == "redeem,reverse"
        )


class TestCallback:
    @pytest.mark.parametrize(
        ("word", "step", "books"),
        [("issued", "record_issued", ["reserve", "commit"]), ("failed", "fail", ["reserve", "release"])],
    )
    def test_counts_once(
        self,
        program: Program,
        admin: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        road: Roads,
        word: str,
        step: str,
        books: list[str],
    ) -> None:
        with running(ReferenceProvider("", plan=["pending"])) as provider:
            registered = register(admin, provider)
            offer = accepted(agent, complaint, refund())
            work(program)
            path, raw, headers = called_back(registered, said(offer, word))
            answer = road(offer).walk(Request(path, raw, headers=headers), step)
        assert answer == {"state": "issued" if word == "issued" else "refused", "contradicts": False}
        assert ledger(program.database) == books
        assert scalar(program.database, "SELECT count(*) FROM remedy_callback") == 1


def _no_use(_tools: Any, _duty_id: UUID, _offer_id: UUID) -> None:
    raise GiveUp("no such account")


def give_up(program: Program, duty_id: UUID) -> None:
    """A worker whose issuer says that trying again is of no use."""
    handlers = {issuance.TOPIC: Outside(_no_use, issuance.give_up)}
    Performer(program.database, handlers, SYSTEM, program.tools).perform([duty_id])


def sweep(program: Program, name: str) -> None:
    getattr(jobs, name)(program.database)


class TestByItself:
    def test_given_up(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint)
        (duty,) = duties(program.database)
        for point in (STEP + "fail", performing.GIVEN_UP, CONCLUDED, COMMITTED):
            dies(program, point, give_up, duty)
            ended = point == COMMITTED
            assert duties(program.database) == ([] if ended else [duty])
            assert agent.get(f"/offers/{offer['id']}").json["status"] == ("failed" if ended else "issuing")
            assert (money(program.database), violations(program.database)) == ((0 if ended else 3000, 0), [])
        assert jobs.fail_abandoned(program.database) == 0
        assert ledger(program.database) == ["reserve", "release"]

    def test_abandoned(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint)
        execute(program.database, "UPDATE duty SET dead_at = now() WHERE topic = 'recovery.issue'")
        for point in (STEP + "fail", CONCLUDED, COMMITTED):
            dies(program, point, sweep, "fail_abandoned")
            ended = point == COMMITTED
            assert agent.get(f"/offers/{offer['id']}").json["status"] == ("failed" if ended else "issuing")
        assert jobs.fail_abandoned(program.database) == 0
        assert (ledger(program.database), violations(program.database)) == (["reserve", "release"], [])

    def test_expired(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint)
        execute(program.database, "UPDATE offer SET valid_until = now()")
        for point in (STEP + "expire", CONCLUDED, COMMITTED):
            dies(program, point, expire_offers)
            ended = point == COMMITTED
            assert agent.get(f"/offers/{offer['id']}").json["status"] == ("expired" if ended else "offered")
            assert (money(program.database), violations(program.database)) == ((0 if ended else 3000, 0), [])
        assert jobs.expire_offers(program.database) == 0
        assert ledger(program.database) == ["reserve", "release"]

    def test_a_voucher_written_off(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        issued(program, agent, complaint)
        execute(program.database, "UPDATE voucher SET expires_at = now()")
        for point in (CONCLUDED, COMMITTED):
            dies(program, point, sweep, "expire_vouchers")
            left = scalar(program.database, "SELECT balance_minor FROM voucher")
            assert (left, violations(program.database)) == (0 if point == COMMITTED else 3000, [])
        assert jobs.expire_vouchers(program.database) == 0
        assert scalar(program.database, "SELECT string_agg(kind, ',') FROM voucher_entry") == "expire"
