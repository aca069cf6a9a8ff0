"""Values of custom fields taken out for good.

How it can fail: the value is still somewhere (the column, what it is found by, the history, a kept answer, what a merge
noted); other values go with it; a value that is no text is cut in pieces; the digests of subject and description go with an
erased correction; who did it and why is not told; undoing a merge brings it back.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints.cutting import MARK
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.merging import merge, new, path_of, read, unmerge
from tests.complaints.test_custom_fields import define, filled
from tests.complaints.test_redaction import done, places_with, pointers, redact
from tests.conftest import Caller, Join, make_team

Complaint = dict[str, Any]
IBAN = "GB33BUKB20201555555555"


@pytest.fixture
def account(manager: Caller, agent: Caller, complaint: Complaint) -> Complaint:
    """A complaint with an account number in a field, and a weight in another."""
    define(manager, "account", type="text", max_length=100)
    define(manager, "load", type="number")
    filled(agent, complaint, account=f"IBAN {IBAN}", load=7)
    return complaint


def value(caller: Caller, complaint: Complaint, **body: Any) -> Any:
    return redact(caller, complaint, **{"part": "custom_field", "custom_field": "account"} | body)


class TestWho:
    def test_anonymous_roles_strangers(
        self, anonymous: Caller, agent: Caller, join: Join, account: Complaint, database: Database
    ) -> None:
        assert value(anonymous, account, whole=True).status_code == 401
        assert value(agent, account, whole=True).status_code == 403
        stranger = join("senior", team_ids=[make_team(database, "Elsewhere")])
        assert value(stranger, account, whole=True).status_code == 404
        assert value(join("manager"), account, whole=True, if_match='"v1"').status_code == 412


class TestTaken:
    def test_a_part(
        self, agent: Caller, manager: Caller, account: Complaint, engine: Engine, database: Database
    ) -> None:
        filled(agent, account, load=8)  # says the other value once more
        shown = done(value(manager, account, strings=[IBAN]))
        assert (shown["part"], shown["custom_field"], shown["places"]) == ("custom_field", "account", 1)
        assert shown["erased_events"] == 2
        assert read(agent, account)["custom_fields"] == {"account": f"IBAN {MARK}", "load": "8"}
        assert places_with(engine, IBAN) == []
        assert places_with(engine, IBAN.lower()) == []
        listed = agent.get("/complaints?custom=load:8").json["items"]
        assert [item["reference"] for item in listed] == [account["reference"]]
        entry = agent.get(f"{path_of(account)}/timeline?limit=200").json["items"][-1]
        assert (entry["type"], entry["payload"]["custom_field"]) == ("complaint.text_redacted", "account")
        assert list(violations(database)) == []

    def test_whole(self, manager: Caller, agent: Caller, account: Complaint, engine: Engine) -> None:
        done(value(manager, account, whole=True))
        assert read(agent, account)["custom_fields"] == {"account": MARK, "load": "7"}
        assert places_with(engine, IBAN) == []
        assert value(manager, account, whole=True).status_code == 409
        assert filled(agent, account, account="another") == {"account": "another", "load": "7"}

    def test_what_is_no_text_goes_whole(
        self, manager: Caller, agent: Caller, account: Complaint, database: Database
    ) -> None:
        assert pointers(value(manager, account, custom_field="load", strings=["7"])) == {"/whole": "whole_only"}
        done(value(manager, account, custom_field="load", whole=True))
        assert read(agent, account)["custom_fields"] == {"account": f"IBAN {IBAN}"}
        assert agent.get("/complaints?custom=load:7").json["items"] == []
        assert list(violations(database)) == []

    def test_what_it_held_before(self, manager: Caller, agent: Caller, account: Complaint, engine: Engine) -> None:
        filled(agent, account, account="none")
        assert places_with(engine, IBAN) != []
        done(value(manager, account, strings=[IBAN]))
        assert places_with(engine, IBAN) == []
        assert read(agent, account)["custom_fields"]["account"] == "none"
        filled(agent, account, account=IBAN)
        filled(agent, account, account=None)
        done(value(manager, account, whole=True))
        assert places_with(engine, IBAN) == []

    def test_in_a_kept_answer(self, manager: Caller, agent: Caller, engine: Engine, team: UUID) -> None:
        define(manager, "account", type="text", max_length=100)
        body = {"channel": "EMAIL", "subject": "x", "description": "y", "custom_fields": {"account": IBAN}}
        made = agent.post("/complaints", body | {"team_id": str(team)}, idempotency_key="once")
        assert made.status_code == 201, made.text
        done(value(manager, made.json, whole=True))
        assert places_with(engine, IBAN) == []
        again = agent.post("/complaints", body | {"team_id": str(team)}, idempotency_key="once")
        assert again.json["custom_fields"] == {"account": MARK}

    def test_texts_that_were_told_beside_it_stay_proven(
        self, manager: Caller, agent: Caller, account: Complaint, database: Database
    ) -> None:
        change = {"subject": "Late again", "custom_fields": {"account": f"{IBAN}!"}}
        assert agent.patch(path_of(account), change, if_match="*").status_code == 200
        assert done(value(manager, account, strings=[IBAN]))["erased_events"] == 2
        report = agent.get(f"{path_of(account)}/timeline/verification").json
        assert (report["valid"], report["texts_without_digest"]) == (True, 0)
        assert list(violations(database, ["chain"])) == []

    def test_digests_of_texts_that_no_erased_event_told_stay_in_force(
        self, manager: Caller, agent: Caller, account: Complaint, engine: Engine, database: Database
    ) -> None:
        done(value(manager, account, whole=True))
        report = agent.get(f"{path_of(account)}/timeline/verification").json
        assert (report["valid"], report["texts"], report["texts_without_digest"]) == (True, 1, 0)
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint SET description = 'x'"))
        found = [(item.subject, item.detail) for item in violations(database, ["chain"])]
        assert found == [(f"complaint {account['reference']}", "the complaint: its description was changed")]

    def test_undoing_a_merge_brings_nothing_back(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        define(manager, "account", type="text", max_length=100)
        source, survivor = new(senior, team), new(senior, team)
        filled(senior, source, account=IBAN)
        merge(senior, source, survivor)
        done(value(manager, survivor, whole=True))
        assert read(senior, survivor)["custom_fields"] == {"account": MARK}
        done(value(manager, source, whole=True))  # the duplicate has its own
        assert places_with(engine, IBAN) == []
        unmerge(senior, source)
        assert read(senior, survivor)["custom_fields"] == {}
        assert list(violations(database)) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"custom_field": "nothing", "whole": True}, {"/custom_field": "unknown"}),
        ({"custom_field": "account"}, {"/strings": "invalid"}),
        ({"custom_field": "account", "strings": ["nowhere"]}, {"/strings/0": "not_there"}),
        ({"custom_field": "account", "ranges": [{"start": 3, "end": 900}]}, {"/ranges/0": "not_there"}),
        ({"part": "subject", "custom_field": "account", "whole": True}, {"/custom_field": "invalid"}),
    ],
)
def test_bad(manager: Caller, account: Complaint, body: dict[str, Any], expected: dict[str, str]) -> None:
    assert pointers(value(manager, account, **body)) == expected
