"""No mail server: nothing counts as told by mail, and what has a mail for its point is refused.

How it can fail: a promise is met by a mail that nobody gets, through an action, at intake, in a step, by a notice; what was
told in another way is refused with it; a form that shows reference and secret does not count as an acknowledgement.
"""

from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import at, done, new
from tests.complaints.submitting import Page
from tests.complaints.tracking.complainants import Complainant
from tests.conftest import Caller


@pytest.fixture(autouse=True)
def without_mail(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "mails", False)


def codes(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


def count(database: Database, table: str) -> int:
    with database.reader() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


class TestAcknowledge:
    def test_is_not_met_by_a_mail_to_nobody(self, agent: Caller, complaint: dict[str, Any], database: Database) -> None:
        path = at(complaint, "actions/acknowledge")
        assert codes(agent.post(path, {"channel": "EMAIL"})) == {"/channel": "no_mail_server"}
        shown = agent.get(at(complaint)).json
        assert shown["acknowledged_at"] is None
        clocks = {item["kind"]: item["state"] for item in agent.get(at(complaint, "clocks")).json["items"]}
        assert clocks["acknowledge"] == "running"
        assert count(database, "complaint_message") == 0

    def test_whoever_was_told_in_another_way_was_told(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(at(complaint, "actions/acknowledge"), {"channel": "PHONE"})
        assert answer.status_code == 200
        assert answer.json["acknowledged_at"] is not None

    def test_at_intake(self, agent: Caller, database: Database) -> None:
        given = {"channel": "EMAIL", "subject": "s", "description": "d", "acknowledge": True}
        answer = agent.post("/complaints", given | {"complainant": {"name": "Li Wei", "email": "li.wei@example.com"}})
        assert codes(answer) == {"/acknowledge": "no_mail_server"}
        assert codes(agent.post("/complaints", given)) == {"/acknowledge": "no_address"}
        assert count(database, "complaint") == 0

    def test_among_many(self, manager: Caller, complaint: dict[str, Any]) -> None:
        given = {"refs": [complaint["reference"]], "step": "acknowledge", "given": {"channel": "EMAIL"}}
        (item,) = manager.post("/complaints/bulk", given).json["items"]
        assert (item["status"], item["code"]) == (422, "validation_failed")
        assert "HELPDESK_SMTP_URL" in item["detail"]


class TestShown:
    """Whoever complains reads reference and secret in the answer: that is the acknowledgement."""

    def test_by_a_form(self, manager: Caller, anonymous: Caller, database: Database) -> None:
        form = {"name": "Website", "difficulty": 0, "channel": "EMAIL", "fields": {"email": "optional"}}
        page = Page(anonymous, manager.post("/intake/forms", form).json)
        for person in ({"email": "li.wei@example.com"}, {}):
            answer = page.send(page.body(**person))
            assert (answer.status_code, answer.json["acknowledged"]) == (201, True)
        assert count(database, "outbound_mail") == 0

    def test_by_tracking(self, agent: Caller, anonymous: Caller) -> None:
        shown = new(agent, complainant={"name": "Li Wei"})
        done(agent, shown, "withdraw")
        answer = Complainant(anonymous, shown).post("complaints", {"subject": "Once more", "description": "Late."})
        assert answer.status_code == 201, answer.text
        assert agent.get(at(answer.json)).json["acknowledged_at"] is not None


def test_an_invitation_is_handed_over(admin: Caller) -> None:
    made = admin.post("/agents", {"email": "nia@example.com", "name": "Nia", "role": "agent"}).json
    answer = admin.post(f"/agents/{made['id']}/invitation")
    assert codes(answer) == {"": "no_mail_server"}
    assert "password-link" in answer.json["errors"][0]["detail"]
