"""Splitting a complaint in two.

How it can fail: an issue or a message is lost, or in both; the last issue goes; what is another complaint's is taken; the
copy stands at the wrong place of the thread; people, needs, tags or watchers are forgotten; a loss could be made good
twice; the two do not know of each other; a conflict of interest is left behind with a split; a column that is added later
is copied when it must not be.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints.models import Complaint as Row
from helpdesk.complaints.splitting import ANEW
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merging import new, path_of, read, thread, verified, write
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, make_team

Complaint = dict[str, Any]
BOTH: dict[str, Any] = {
    "issues": [{"category": "DEL", "issue": "DEL.LATE"}, {"category": "COM", "issue": "COM.WAIT", "detail": "An hour"}]
}


def split(caller: Caller, complaint: Complaint, *issues: str, expect: int = 201, **more: Any) -> Any:
    body = {"issues": list(issues), "reason": "Another team's.", **more}
    answer = caller.post(f"{path_of(complaint)}/split", body)
    assert answer.status_code == expect, answer.text
    return answer.json


@pytest.fixture
def both(senior: Caller, team: UUID) -> Complaint:
    return new(senior, team, **BOTH)


class TestSplit:
    def test_anonymous(self, anonymous: Caller, both: Complaint) -> None:
        split(anonymous, both, both["issues"][1]["id"], expect=401)

    def test_wrong_role(self, agent: Caller, join: Join, both: Complaint) -> None:
        assert split(agent, both, both["issues"][1]["id"], expect=403)["permission"] == "complaint:split"
        split(join("auditor"), both, both["issues"][1]["id"], expect=403)

    def test_another_teams(self, join: Join, database: Database, both: Complaint) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Elsewhere")])
        split(stranger, both, both["issues"][1]["id"], expect=404)

    def test_both_have_their_own(self, senior: Caller, team: UUID, database: Database, engine: Engine) -> None:
        complaint = new(
            senior,
            team,
            **BOTH,
            needs=[{"flag": "hearing", "consent": True}],
            affected={"name": "Mother"},
            tags=["storm"],
        )
        first = write(senior, complaint, "inbound", "The parcel came late.")
        second = write(senior, complaint, "inbound", "I was on the phone for an hour.")
        third = write(senior, complaint, "inbound", "I want an apology for both.")
        assert senior.put(f"{path_of(complaint)}/watchers/{senior.id}", None).status_code == 200
        issue = complaint["issues"][1]["id"]
        made = split(
            senior,
            complaint,
            issue,
            move_messages=[second["id"]],
            copy_messages=[third["id"]],
            subject="An hour on the phone",
        )
        assert made["reference"] != complaint["reference"]
        assert (made["status"], made["subject"], made["description"]) == (
            "received",
            "An hour on the phone",
            complaint["description"],
        )
        assert [item["id"] for item in made["issues"]] == [issue]
        assert [item["issue"] for item in read(senior, complaint)["issues"]] == ["DEL.LATE"]
        assert {person["role"] for person in made["people"]} == {"complainant", "affected"}
        assert [need["flag"] for need in made["needs"]] == ["hearing"]
        assert made["tags"] == ["storm"]
        assert (made["price"], made["loss"]) == (None, None)
        assert made["received_at"] == complaint["received_at"]
        assert made["customer_id"] == complaint["customer_id"]
        assert [body for _, body in thread(senior, complaint)] == [
            "The parcel came late.",
            "I want an apology for both.",
        ]
        moved, copied, told = (body for _, body in thread(senior, made))
        assert (moved, copied) == ("I was on the phone for an hour.", "I want an apology for both.")
        assert complaint["reference"] in told
        assert first["id"] not in str(senior.get(f"{path_of(made)}/messages").json)
        for one, other, kind in ((made, complaint, "split_from"), (complaint, made, "split_into")):
            (link,) = senior.get(f"{path_of(one)}/links").json["items"]
            assert (link["kind"], link["complaint"]["reference"]) == (kind, other["reference"])
            refused = senior.delete(f"{path_of(one)}/links/{link['id']}", if_match="*")
            assert (refused.status_code, refused.json["code"]) == (409, "split_stays")
        assert [item["agent_id"] for item in senior.get(f"{path_of(made)}/watchers").json["items"]] == [str(senior.id)]
        stories = [
            [event["type"] for event in senior.get(f"{path_of(each)}/timeline").json["items"]]
            for each in (made, complaint)
        ]
        assert stories[0] == ["complaint.received", "complaint.linked", "complaint.message_added", "sla.started"]
        assert stories[1][-2:] == ["complaint.split", "complaint.linked"]
        with engine.connect() as connection:
            (subject,) = connection.execute(text("SELECT subject FROM outbound_mail")).scalars()
        assert subject == f"Your complaint {made['reference']}"
        verified(database)

    def test_says_nothing_when_silent(self, senior: Caller, both: Complaint, engine: Engine) -> None:
        made = split(senior, both, both["issues"][0]["id"], silent=True)
        assert thread(senior, made) == []

    def test_one_issue_stays(self, senior: Caller, both: Complaint, complaint: Complaint) -> None:
        refused = split(senior, both, *(issue["id"] for issue in both["issues"]), expect=422)
        assert refused["errors"][0]["code"] == "one_stays"
        assert split(senior, complaint, complaint["issues"][0]["id"], expect=422)["errors"][0]["code"] == "one_stays"
        split(senior, both, expect=422)

    def test_what_is_not_there_is_named_each(self, senior: Caller, team: UUID, both: Complaint) -> None:
        other = new(senior, team)
        theirs = write(senior, other, "inbound", "x")["id"]
        refused = split(
            senior,
            both,
            other["issues"][0]["id"],
            both["issues"][0]["id"],
            str(uuid4()),
            move_messages=[theirs],
            copy_messages=[str(uuid4())],
            expect=422,
        )
        assert [error["pointer"] for error in refused["errors"]] == [
            "/issues/0",
            "/issues/2",
            "/move_messages/0",
            "/copy_messages/0",
        ]
        assert read(senior, both)["version"] == 1

    def test_nothing_is_named_twice(self, senior: Caller, both: Complaint) -> None:
        issue = both["issues"][0]["id"]
        message = write(senior, both, "inbound", "x")["id"]
        assert split(senior, both, issue, issue, expect=422)["errors"][0]["pointer"] == "/issues"
        refused = split(senior, both, issue, move_messages=[message], copy_messages=[message], expect=422)
        assert refused["errors"][0]["pointer"] == "/move_messages"

    def test_only_an_open_one(self, senior: Caller, both: Complaint) -> None:
        assert senior.post(f"{path_of(both)}/actions/withdraw", GOOD["withdraw"]).status_code == 200
        assert split(senior, both, both["issues"][0]["id"], expect=409)["state"] == "withdrawn"

    def test_of_an_investigated_one(self, senior: Caller, team: UUID, database: Database) -> None:
        """What was found of an issue goes with it; the new complaint is still to be investigated."""
        both = new(senior, team, **BOTH)
        findings = [
            {"issue_id": issue["id"], "finding": f"Found {number}", "evidence": "Log."}
            for number, issue in enumerate(both["issues"])
        ]
        answer = senior.post(f"{path_of(both)}/actions/investigate", GOOD["investigate"] | {"findings": findings})
        assert answer.status_code == 200
        made = split(senior, both, both["issues"][1]["id"])
        assert (made["status"], made["investigated_at"], made["fault"], made["root_cause"]) == (
            "received",
            None,
            None,
            None,
        )
        assert made["issues"][0]["finding"] == "Found 1"
        answer = senior.post(f"{path_of(both)}/actions/resolve", GOOD["resolve"])
        assert answer.status_code == 200
        verified(database)

    def test_safety_goes_with_its_issue(self, senior: Caller, team: UUID, database: Database) -> None:
        both = new(senior, team, issues=[{"category": "DEL"}, {"category": "PRD", "issue": "PRD.SAFETY"}])
        made = split(senior, both, both["issues"][1]["id"])
        with database.reader() as session:
            rows = session.execute(text("SELECT reference, safety FROM complaint")).all()
        assert {row.reference: row.safety for row in rows} == {both["reference"]: False, made["reference"]: True}

    def test_whom_it_is_about_stays_so(self, senior: Caller, manager: Caller, both: Complaint) -> None:
        assert manager.post(f"{path_of(both)}/subjects", {"agent_id": str(senior.id)}).status_code == 201
        made = split(manager, both, both["issues"][1]["id"])
        answer = senior.post(f"{path_of(made)}/actions/withdraw", GOOD["withdraw"])
        assert (answer.status_code, answer.json["code"]) == (403, "conflict_of_interest")

    def test_of_an_imported_one(self, senior: Caller, team: UUID, database: Database) -> None:
        """The number of the system that sent it stays with the first."""
        both = new(senior, team, **BOTH, source="shop", external_id="4711")
        made = split(senior, both, both["issues"][1]["id"])
        assert (made["source"], made["external_id"]) == ("shop", None)
        verified(database)

    def test_twice_with_one_key(self, senior: Caller, both: Complaint) -> None:
        body = {"issues": [both["issues"][1]["id"]], "reason": "x"}
        first, second = (senior.post(f"{path_of(both)}/split", body, idempotency_key="once") for _ in range(2))
        assert first.json == second.json
        assert len(read(senior, both)["issues"]) == 1

    def test_of_what_is_no_complaint(self, senior: Caller, team: UUID, database: Database) -> None:
        both = new(senior, team, **BOTH, record_type="inquiry")
        made = split(senior, both, both["issues"][1]["id"])
        assert made["record_type"] == "inquiry"
        verified(database)


KEPT = {
    "id",  # made anew, like the next
    "reference",
    "created_at",
    "updated_at",
    "issue_count",  # counted
    "next_due_at",  # from its own clocks
    "safety",  # looked at
    "subject",  # as the body says, or as it was
    "description",
    "record_type",
    "channel",
    "language",
    "received_at",
    "source",
    "source_data",
    "customer_id",
    "team_id",
    "impact",
    "urgency",
    "severity",
    "track",
    "acknowledged_at",
    "triaged_at",
    "escalation_level",
    "stage",
    "vulnerable",
    "jurisdiction",
    "sector",
    "tags",
    "custom_fields",
    "terms",
}


def test_of_every_column_it_is_said_whether_a_part_has_it() -> None:
    """Whoever adds a column decides: in `splitting.ANEW` with the value that a part begins with, or here, where it is the
    first one's.
    """
    columns = {column.key for column in Row.__table__.columns}
    assert columns == KEPT | set(ANEW)
    assert not KEPT & set(ANEW)


class TestRecoveryFacts:
    """What describes the case goes along; what is owed by it is not owed twice."""

    def test_some_go_along(self, senior: Caller, both: Complaint, database: Database) -> None:
        along = {"happened_on": "2026-02-27", "product": "Parcel", "weeks_overdue": 2}
        stays = {
            "failed_standards": 1,
            "lost": "money",
            "repeat": True,
            "statutory": {"amount": "9.00", "currency": "EUR"},
        }
        path = f"{path_of(both)}/recovery-facts"
        assert senior.patch(path, along | stays, if_match="*").status_code == 200
        part = split(senior, both, both["issues"][1]["id"])
        assert known(senior, part) == along
        assert known(senior, both) == along | stays
        told = [item["type"] for item in senior.get(f"{path_of(part)}/timeline").json["items"]]
        assert told.count("recovery.facts_recorded") == 1
        verified(database)

    def test_nothing_where_nothing_was_recorded(self, senior: Caller, both: Complaint) -> None:
        part = split(senior, both, both["issues"][1]["id"])
        assert known(senior, part) == {}


def known(caller: Caller, complaint: Complaint) -> dict[str, Any]:
    answer = caller.get(f"{path_of(complaint)}/recovery-facts")
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json["facts"].items() if value is not None}
