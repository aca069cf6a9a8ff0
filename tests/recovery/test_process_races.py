"""Two acts on one offer at the same moment, each in a process of its own, as web workers, tills and schedulers are.

How it can fail: what keeps two apart is in one process's memory; both see what was there before; both win; the loser is told
nothing, or a 500; the ledgers do not add up.
"""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import issuance
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, complaint_body
from tests.recovery.helpers import (
    accepted,
    act,
    draft,
    duties,
    issued,
    ledger,
    money,
    offered,
    open_budget,
    scalar,
    token,
    violations,
    voucher,
)
from tests.recovery.helpers import perform as perform_here
from tests.recovery.processes import Request, Work, behind_lock, by, expire_offers, send, together
from tests.recovery.providing import called_back, refund, register, said, work
from tests.recovery.reference_provider import ReferenceProvider, running
from tests.recovery.test_options import several

COMPLAINT = "SELECT FROM complaint FOR UPDATE"


def statuses(answers: list[Any]) -> list[int]:
    return sorted(status for process in answers for status, _ in process)


def sending(*args: Any, **more: Any) -> Work:
    return send, (by(*args, **more),)


def accepting(offer: dict[str, Any], key: str = "accept", **given: Any) -> Work:
    return sending(None, f"/public/offers/{token(offer)}/accept", given, key=key)


def issue(program: Program, duty_id: UUID, offer_id: UUID) -> None:
    """As a worker whose fence broke would: past it."""
    issuance.issue(program.tools, duty_id, offer_id)


def expire_late(program: Program) -> int:
    """The offer's time ends now, and the sweep comes."""
    with program.engine.begin() as connection:
        connection.execute(text("UPDATE offer SET valid_until = clock_timestamp() WHERE status = 'offered'"))
    return expire_offers(program)


@pytest.mark.usefixtures("budget")
class TestOneOffer:
    def test_accepted_and_expired(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        for number in range(4):
            offer = offered(agent, complaint, voucher("5.00"))
            ((taken, _),), expired = together(program, accepting(offer), (expire_late, ()))
            expired += expire_offers(program)  # what was in other hands waits for the next round
            status = agent.get(f"/offers/{offer['id']}").json["status"]
            assert (taken, expired, status) in {(200, 0, "issuing"), (409, 1, "expired")}, number
            assert violations(program.database) == []
        perform_here(program)
        books = Counter(ledger(program.database))
        assert books["reserve"] == books["commit"] + books["release"] == 4
        assert money(program.database) == (0, books["commit"] * 500)
        assert scalar(program.database, "SELECT count(*) FROM voucher") == books["commit"]

    def test_accepted_and_revoked(self, program: Program, manager: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(manager, complaint)
        revoke = sending(manager, f"/offers/{offer['id']}/actions/revoke", {"reason": "A slip."})
        answers = behind_lock(program, COMPLAINT, accepting(offer), revoke)
        assert statuses(answers) == [200, 409]
        ((taken, _),), ((_, said_),) = answers
        assert manager.get(f"/offers/{offer['id']}").json["status"] == ("issuing" if taken == 200 else "revoked")
        if taken == 200:
            assert said_["code"] == "action_not_allowed"
        perform_here(program)
        assert ledger(program.database) == ["reserve", "commit" if taken == 200 else "release"]
        assert money(program.database) == (0, 3000 if taken == 200 else 0)
        assert violations(program.database) == []

    def test_two_options_accepted(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint, several())
        by_phone = sending(
            agent, f"/offers/{offer['id']}/actions/accept", {"said_by": "phone", "option": 2}, key="phone"
        )
        choices = [accepting(offer, f"option-{number}", option=number) for number in (1, 2, 3)]
        answers = behind_lock(program, COMPLAINT, *choices, by_phone)
        assert statuses(answers) == [200, 409, 409, 409]
        shown = agent.get(f"/offers/{offer['id']}").json
        chosen = shown["options"][shown["chosen_option"] - 1]
        assert (shown["kind"], shown["amount"]) == (chosen["kind"], chosen["amount"])
        assert scalar(program.database, "SELECT count(*) FROM event WHERE type = 'offer.accepted'") == 1
        assert violations(program.database) == []

    def test_one_voucher_used_by_four_tills(
        self, program: Program, manager: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        code = issued(program, agent, complaint)["issued_reference"]
        tills = [
            sending(manager, f"/vouchers/{code}/redeem", {"external_id": f"receipt {number}"}, key=f"till-{number}")
            for number in range(4)
        ]
        answers = behind_lock(program, COMPLAINT, *tills)
        assert statuses(answers) == [200, 409, 409, 409]
        assert {body["code"] for process in answers for status, body in process if status == 409} == {
            "voucher_not_valid"
        }
        assert scalar(program.database, "SELECT string_agg(kind, ',') FROM voucher_entry") == "redeem"
        assert violations(program.database) == []

    def test_one_duty_by_four_workers_whose_fence_broke(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        (duty,) = duties(program.database)
        behind_lock(program, COMPLAINT, *[(issue, (duty, UUID(offer["id"])))] * 4)
        assert scalar(program.database, "SELECT count(*) FROM voucher") == 1
        assert (ledger(program.database), money(program.database)) == (["reserve", "commit"], (0, 3000))
        assert scalar(program.database, "SELECT count(*) FROM event WHERE type = 'offer.issued'") == 1
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'voucher'") == 1
        assert violations(program.database) == []

    def test_recorded_and_failed_by_hand(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint, refund())
        path = f"/offers/{offer['id']}/actions"
        answers = behind_lock(
            program,
            COMPLAINT,
            sending(senior, f"{path}/record_issued", {"reference": "transfer 17"}),
            sending(senior, f"{path}/fail", {"reason": "The account is closed."}),
        )
        assert statuses(answers) == [200, 409]
        won = answers[0][0][0] == 200
        assert ledger(program.database) == ["reserve", "commit" if won else "release"]
        assert violations(program.database) == []

    def test_called_back_issued_and_failed(
        self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        """Two messages against each other: what came first is recorded, the other is kept beside it and told."""
        with running(ReferenceProvider("", plan=["pending"])) as provider:
            registered = register(admin, provider)
            offer = accepted(agent, complaint, refund())
            work(program)
            calls = []
            for word in ("issued", "failed"):
                path, raw, headers = called_back(registered, said(offer, word), message_id=word)
                calls.append((send, (Request(path, raw, headers=headers),)))
            answers = behind_lock(program, COMPLAINT, *calls)
        assert statuses(answers) == [200, 200]
        assert sorted(body["contradicts"] for process in answers for _, body in process) == [False, True]
        won = not answers[0][0][1]["contradicts"]
        assert ledger(program.database) == ["reserve", "commit" if won else "release"]
        assert [item["why"] for item in agent.get("/recovery/dead-letters?why=contradicted").json["items"]] == [
            "contradicted"
        ]
        assert violations(program.database) == []


def test_a_hundred_approvals_in_four_processes_for_thirty_seven(
    program: Program, database: Database, join: Join, agent: Caller, manager: Caller, team: UUID
) -> None:
    """Eight at a time in each process; all of them together want more than twice what there is."""
    open_budget(manager, "2279.99")  # 37 times 60.00, and a cent less than 38 times
    waits = []
    for _ in range(100):
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant={"name": "Li"})).json
        waits.append(act(agent, draft(agent, complaint, voucher("60.00")), "submit"))
    directors = [join("director") for _ in range(10)]
    approvals = [
        by(directors[place % 10], f"/offers/{offer['id']}/actions/approve", {"reason": "It was late."}, key=offer["id"])
        for place, offer in enumerate(waits)
    ]
    answers = together(program, *((send, tuple(approvals[first::4])) for first in range(4)))
    told = Counter((status, body.get("code")) for process in answers for status, body in process)
    assert told == {(200, None): 37, (409, "budget_exhausted"): 63}
    assert all(any(status == 200 for status, _ in process) for process in answers), "they were at it together"
    assert money(database) == (37 * 6000, 0)
    assert ledger(database) == ["reserve"] * 37
    assert scalar(database, "SELECT count(*) FROM offer WHERE status = 'approved'") == 37
    assert violations(database) == []
