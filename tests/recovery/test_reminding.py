"""Reminding a customer that an offer ends soon.

How it can fail: twice, or never; of what was answered, has ended or was prolonged meanwhile; in another language, without the
link; on the day on which the offer itself came; of rows without an address, so often that the others wait.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.recovery.offers import Links
from helpdesk.schedule import SWEEPS
from helpdesk.wiring import Program
from tests.conftest import SIGNING_KEY, Caller, complaint_body
from tests.racing import at_once
from tests.recovery.helpers import act, eur, execute, offered, scalar, token, violations, voucher

THREE_DAYS = timedelta(hours=72)
TO = Links(SIGNING_KEY, "http://helpdesk.test/offers/")


pytestmark = pytest.mark.usefixtures("budget")


def passes(database: Database, offer: dict[str, Any], told: str = "20 days", left: str = "1 day") -> None:
    """The customer has had it for so long, and has so long to answer."""
    execute(
        database,
        "UPDATE offer SET told_at = now() - CAST(:told AS interval), valid_until = now() + CAST(:left AS interval) "
        "WHERE id = :id",
        told=told,
        left=left,
        id=offer["id"],
    )


def remind(database: Database, lead: timedelta = THREE_DAYS) -> int:
    return jobs.remind_offers(database, lead, TO)


def mails(database: Database) -> int:
    return int(scalar(database, "SELECT count(*) FROM outbound_mail WHERE reason = 'offer_reminder'"))


class TestOnce:
    def test_when_the_time_has_come(
        self, database: Database, anonymous: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        assert remind(database) == 0, "a month is left"
        passes(database, offer)
        assert [remind(database), remind(database), mails(database)] == [1, 0, 1]
        row = agent.get(f"/offers/{offer['id']}").json
        assert row["status"] == "offered"
        assert row["reminded_at"] is not None
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer_reminder'")
        assert "a voucher for 30.00 EUR" in body
        link = next(word for word in body.split() if word.startswith(TO.page))
        assert anonymous.pay(f"/public/offers/{link.rsplit('/', 1)[1]}/accept", {}).status_code == 200
        told = [item["type"] for item in agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]]
        assert told.count("offer.reminded") == 1
        assert violations(database) == []

    def test_several_sweeps_at_once(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        for amount in ("1.00", "2.00", "3.00"):
            passes(database, offered(agent, complaint, voucher(amount)))
        counts = at_once(*[lambda: remind(database)] * 4)
        assert sum(counts) + remind(database) == 3
        assert mails(database) == 3

    def test_not_again_after_it_was_prolonged(
        self, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        passes(database, offer)
        assert remind(database) == 1
        act(agent, offer, "prolong", days=9)
        passes(database, offer)
        assert remind(database) == 0

    def test_the_schedule_does_it(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        passes(program.database, offered(agent, complaint), left="71 hours")
        sweep = SWEEPS["recovery.remind_offers"]
        assert [sweep.work(program), sweep.work(program)] == [1, 0]


class TestNobodyIsReminded:
    @pytest.mark.parametrize(
        ("told", "left"),
        [("20 days", "73 hours"), ("23 hours", "1 day"), ("20 days", "0"), ("20 days", "-1 hour")],
        ids=["early", "just_told", "ends_now", "over"],
    )
    def test_before_and_after_its_time(
        self, database: Database, agent: Caller, complaint: dict[str, Any], told: str, left: str
    ) -> None:
        passes(database, offered(agent, complaint), told, left)
        assert remind(database) == 0

    def test_where_it_is_switched_off(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        passes(database, offered(agent, complaint))
        assert remind(database, timedelta(0)) == 0
        assert remind(database, timedelta(hours=1)) == 0

    @pytest.mark.parametrize(
        ("action", "given"),
        [
            ("accept", {"said_by": "phone"}),
            ("decline", {"said_by": "phone"}),
            ("counter", {"said_by": "phone", "words": "Something else."}),
            ("revoke", {"reason": "A mistake."}),
            ("prolong", {"days": 30}),
        ],
    )
    def test_of_what_was_answered_or_changed(
        self,
        database: Database,
        manager: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        action: str,
        given: dict[str, Any],
    ) -> None:
        offer = offered(agent, complaint)
        passes(database, offer)
        act(manager, offer, action, **given)
        assert [remind(database), mails(database)] == [0, 0]

    def test_of_what_was_kept_a_moment_ago(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint)
        act(agent, offer, "counter", said_by="phone", words="Something else.")
        passes(database, offer)
        act(agent, offer, "keep")
        assert remind(database, timedelta(days=30)) == 0
        passes(database, offer)
        assert remind(database) == 1

    def test_without_an_address(self, database: Database, agent: Caller, team: UUID) -> None:
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant={"name": "Ana"})).json
        offer = offered(agent, complaint)
        passes(database, offer)
        assert remind(database) == 0
        assert agent.get(f"/offers/{offer['id']}").json["reminded_at"] is None

    def test_of_whom_nobody_can_write_to_keeps_nobody_waiting(
        self, database: Database, agent: Caller, team: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Their representative, to whom it would go, has no address; it ends first, and is found first each time."""
        monkeypatch.setattr(jobs, "BATCH", 1)
        silent, reached = (
            agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json
            for person in ({"name": "Ana", "email": "ana@example.com"}, {"name": "Wu", "email": "wu@example.com"})
        )
        body = {"name": "Her lawyer", "authority": "Power of attorney of 2 March."}
        added = agent.post(f"/complaints/{silent['reference']}/representatives", body)
        assert added.status_code == 201, added.text
        for complaint, left in ((silent, "1 hour"), (reached, "1 day")):
            passes(database, offered(agent, complaint), left=left)
        assert [remind(database), mails(database)] == [1, 1]

    @pytest.mark.parametrize("attempt", range(3))
    def test_of_what_is_declined_at_once(
        self, database: Database, anonymous: Caller, agent: Caller, complaint: dict[str, Any], attempt: int
    ) -> None:
        offer = offered(agent, complaint)
        passes(database, offer)
        reminded, answer = at_once(
            lambda: remind(database), lambda: anonymous.pay(f"/public/offers/{token(offer)}/decline", {})
        )
        assert answer.status_code == 200
        assert mails(database) == reminded
        assert remind(database) == 0


def test_in_their_language_and_with_all_they_can_choose_from(database: Database, agent: Caller, team: UUID) -> None:
    person = {"name": "李伟", "email": "li.wei@example.com", "language": "zh-CN"}
    complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json
    options = [{"kind": "voucher", "amount": eur("12.00")}, {"kind": "refund", "amount": eur("10.00")}]
    offer = offered(agent, complaint, {"options": options, "reason": "迟到", "override_reason": "Agreed."})
    passes(database, offer)
    assert remind(database) == 1
    body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer_reminder'")
    for words in ("尊敬的李伟", "1. 一张价值 12.00 EUR 的代金券", "2. 退款 10.00 EUR"):
        assert words in body
