"""Merging duplicates, and undoing it exactly.

How it can fail: something of the duplicate is lost, or stands there twice; its text is missing in the survivor's thread;
its people get no answer any more, or a stranger gets one; what they write to the old reference reaches nobody; somebody is
paid twice; two undone in another order than they were merged leave a mixture; undoing takes what came later, or puts back
what somebody has changed since; the window, a decided or merged-on survivor, or a survivor out of sight are not looked at;
a merge into oneself, into a closed one, of another person's, closes a road; a message in flight is lost; a table that
hangs on a complaint is forgotten.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from helpdesk.complaints.combining import COMBINED, STAGES, Combining, combine, without
from helpdesk.complaints.merge_ledger import APART, WHOLE
from helpdesk.kernel.db import Base
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.merging import (
    REASON,
    merge,
    new,
    path_of,
    read,
    rows_of,
    thread,
    unmerge,
    verified,
    write,
)
from tests.complaints.steps import GOOD
from tests.complaints.test_attachments import send, sent
from tests.complaints.test_custom_fields import define, filled
from tests.complaints.test_redaction import places_with
from tests.complaints.test_tracking import opened
from tests.conftest import Caller, Join, make_team
from tests.recovery import helpers

Complaint = dict[str, Any]

NA = {"name": "Li Na", "email": "li.na@example.com", "language": "zh-CN"}


def act(caller: Caller, complaint: Complaint, action: str, *, expect: int = 200, **more: Any) -> Any:
    answer = caller.post(f"{path_of(complaint)}/actions/{action}", GOOD[action] | more)
    assert answer.status_code == expect, answer.text
    return answer.json


def mails(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT recipient, subject FROM outbound_mail ORDER BY id"))
        return [(row.recipient, row.subject) for row in rows]


@pytest.fixture
def two(senior: Caller, team: UUID) -> tuple[Complaint, Complaint]:
    """A duplicate, and the one that goes on: of one person."""
    return new(senior, team), new(senior, team)


@pytest.fixture
def theirs(join: Join, database: Database) -> Complaint:
    """Another team's complaint."""
    elsewhere = make_team(database, "Elsewhere")
    return new(join("agent", team_ids=[elsewhere]), elsewhere)


class TestMerge:
    def test_anonymous(self, anonymous: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(anonymous, *two, expect=401)
        assert anonymous.get(f"{path_of(two[0])}/merges").status_code == 401

    def test_wrong_role(self, agent: Caller, join: Join, two: tuple[Complaint, Complaint]) -> None:
        assert merge(agent, *two, expect=403)["permission"] == "complaint:merge"
        merge(join("auditor"), *two, expect=403)

    def test_another_teams(self, join: Join, database: Database, two: tuple[Complaint, Complaint]) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Elsewhere")])
        merge(stranger, *two, expect=404)

    def test_the_duplicate_is_closed_and_the_survivor_has_everything(
        self, senior: Caller, team: UUID, database: Database
    ) -> None:
        source = new(
            senior,
            team,
            subject="Late, and rude",
            description="The parcel came late, and I was shouted at.",
            issues=[
                {"category": "DEL", "issue": "DEL.LATE"},
                {"category": "COM", "issue": "COM.WAIT", "detail": "An hour"},
            ],
            needs=[{"flag": "hearing", "consent": True}],
            affected={"name": "Mother"},
            representative={"name": "Li Na", "email": "na@example.com", "authority": "Letter on file."},
        )
        survivor = new(senior, team)
        write(senior, source, "inbound", "Where is it?")
        write(senior, source, "internal_note", "Asked the depot.")
        made = merge(senior, source, survivor)
        assert (made["source"]["reference"], made["survivor"]["reference"]) == (
            source["reference"],
            survivor["reference"],
        )
        assert (made["reason"], made["merged_by"], made["undone_at"]) == (REASON, str(senior.id), None)
        closed, goes_on = read(senior, source), read(senior, survivor)
        assert (closed["status"], closed["dismissal"]) == ("dismissed", "duplicate")
        assert closed["merged_into"] == {"id": survivor["id"], "reference": survivor["reference"]}
        assert closed["waiting_on"] == "nobody"
        assert [item["action"] for item in closed["allowed_actions"]] == ["reopen", "unmerge", "refer_externally"]
        assert goes_on["merged_into"] is None
        assert [issue["issue"] for issue in goes_on["issues"]] == ["DEL.LATE", "COM.WAIT"]
        assert {person["role"] for person in goes_on["people"]} == {"complainant", "affected", "representative"}
        assert [need["flag"] for need in goes_on["needs"]] == ["hearing"]
        assert goes_on["vulnerable"] is True
        opening = ("inbound", "Late, and rude\n\nThe parcel came late, and I was shouted at.")
        assert thread(senior, survivor) == [opening, ("inbound", "Where is it?"), ("internal_note", "Asked the depot.")]
        assert [kind for kind, _ in thread(senior, source)] == ["public_reply"]  # that it was merged
        events = [event["type"] for event in senior.get(f"{path_of(survivor)}/timeline").json["items"]]
        assert events == ["complaint.received", "complaint.duplicate_merged"]
        verified(database)

    def test_what_both_have_is_not_doubled(self, senior: Caller, team: UUID, database: Database) -> None:
        same: dict[str, Any] = {
            "needs": [{"flag": "hearing", "consent": True}],
            "issues": [
                {"category": "DEL", "issue": "DEL.LATE", "detail": "A week"},
                {"category": "DEL", "issue": "DEL.LOST"},
            ],
            "affected": {"name": "Mother"},
        }
        source, survivor = new(senior, team, **same), new(senior, team, **same)
        merge(senior, source, survivor)
        goes_on = read(senior, survivor)
        assert [len(goes_on[name]) for name in ("issues", "people", "needs")] == [2, 2, 1]
        verified(database)

    def test_issues_that_differ_in_a_word_are_two(self, senior: Caller, team: UUID) -> None:
        source = new(senior, team, issues=[{"category": "DEL", "issue": "DEL.LATE", "detail": "The second parcel"}])
        survivor = new(senior, team)
        merge(senior, source, survivor)
        assert [issue["detail"] for issue in read(senior, survivor)["issues"]] == [None, "The second parcel"]

    def test_what_one_lacks_the_other_brings(self, senior: Caller, team: UUID) -> None:
        source = new(senior, team, price={"amount": "50.00", "currency": "EUR"}, jurisdiction="US", sector="financial")
        act(senior, source, "acknowledge")
        act(senior, source, "triage", impact=5, urgency=4)
        act(senior, source, "escalate")
        bare = {"channel": "EMAIL", "subject": "Late", "description": "Late."}
        survivor = senior.post("/complaints", {**bare, "team_id": str(team)}).json
        assert (survivor["price"], survivor["customer_id"]) == (None, None)
        merge(senior, source, survivor, expect=409)
        merge(senior, source, survivor, other_complainant=True)
        goes_on = read(senior, survivor)
        assert goes_on["price"] == {"amount": "50.00", "currency": "EUR"}
        assert goes_on["customer_id"] == source["customer_id"]
        assert (goes_on["jurisdiction"], goes_on["sector"]) == ("US", "financial")
        assert (goes_on["severity"], goes_on["escalation_level"]) == ("S1", 1)
        assert goes_on["acknowledged_at"] == read(senior, source)["acknowledged_at"]
        assert goes_on["received_at"] == survivor["received_at"]  # a fact of its own
        unmerge(senior, source)
        moving = {"version", "updated_at", "allowed_actions", "tracking_secret", "possible_duplicates"}
        before, after = (
            {name: item[name] for name in item if name not in moving} for item in (survivor, read(senior, survivor))
        )
        assert after == before

    def test_a_guess_is_no_judgement(self, senior: Caller, team: UUID) -> None:
        """A source that nobody has judged is S3 until then, and does not make the survivor worse."""
        source, survivor = new(senior, team), new(senior, team)
        act(senior, survivor, "triage", impact=1, urgency=1)
        judged = read(senior, survivor)["severity"]
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == judged > "S3"

    @pytest.mark.parametrize("state", ["received", "investigated"])
    def test_any_open_one(self, senior: Caller, team: UUID, database: Database, state: str) -> None:
        source, survivor = new(senior, team), new(senior, team)
        for complaint in (source, survivor):
            if state == "investigated":
                act(senior, complaint, "investigate")
        merge(senior, source, survivor)
        unmerge(senior, source)
        assert read(senior, source)["status"] == read(senior, survivor)["status"] == state
        verified(database)

    def test_closed_ones(self, senior: Caller, team: UUID, two: tuple[Complaint, Complaint]) -> None:
        source, survivor = two
        act(senior, survivor, "withdraw")
        refused = merge(senior, source, survivor, expect=409)
        assert (refused["code"], refused["state"]) == ("survivor_closed", "withdrawn")
        assert merge(senior, survivor, source, expect=409)["code"] == "action_not_allowed"
        act(senior, survivor, "reopen")
        merge(senior, source, survivor)

    def test_into_itself_and_into_what_is_not_there(
        self, senior: Caller, theirs: Complaint, complaint: Complaint
    ) -> None:
        assert merge(senior, complaint, complaint, expect=422)["errors"][0]["code"] == "itself"
        answers = [
            merge(senior, complaint, other, expect=422)
            for other in (theirs, {"reference": "7K3M-9QX2-TAM"}, {"reference": str(uuid4())}, {"reference": "x"})
        ]
        for answer in answers:
            del answer["request_id"]
        assert answers == [answers[0]] * 4

    @pytest.mark.parametrize(
        "body",
        [
            [],
            "x",
            {},
            {"into": "7K3M-9QX2-TAM"},
            {"into": None, "reason": "x"},
            {"into": ["x"], "reason": "x"},
            {"into": "7K3M-9QX2-TAM", "reason": "x", "more": 1},
            {"into": "\u0000", "reason": "x"},
        ],
    )
    def test_a_body_that_is_none(self, senior: Caller, complaint: Complaint, body: Any) -> None:
        answer = senior.post(f"{path_of(complaint)}/merge", body)
        assert answer.status_code == 422, answer.text
        assert read(senior, complaint)["version"] == 1

    def test_nobody_merges_a_complaint_about_themselves(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        source, survivor = two
        assert senior.post(f"{path_of(source)}/subjects", {"agent_id": str(senior.id)}).status_code == 201
        assert merge(senior, source, survivor, expect=403)["code"] == "conflict_of_interest"

    def test_whom_it_is_about_cannot_close_the_survivor(
        self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint]
    ) -> None:
        source, survivor = two
        assert senior.post(f"{path_of(source)}/subjects", {"agent_id": str(senior.id)}).status_code == 201
        merge(manager, source, survivor)
        assert act(senior, survivor, "withdraw", expect=403)["code"] == "conflict_of_interest"

    def test_a_regulators_goes_on(self, senior: Caller, team: UUID) -> None:
        regulators, plain = new(senior, team, channel="REGULATOR"), new(senior, team)
        assert merge(senior, regulators, plain, expect=409)["code"] == "regulator_survives"
        merge(senior, plain, regulators)

    def test_a_complaint_is_not_merged_into_what_is_none(self, senior: Caller, team: UUID, database: Database) -> None:
        inquiry, complaint = new(senior, team, record_type="inquiry"), new(senior, team)
        assert merge(senior, complaint, inquiry, expect=409)["code"] == "complaint_survives"
        merge(senior, inquiry, complaint)
        verified(database)

    def test_too_much_for_one(self, senior: Caller, team: UUID, database: Database) -> None:
        many: dict[str, Any] = {"issues": [{"category": "DEL", "detail": str(number)} for number in range(11)]}
        other: dict[str, Any] = {"issues": [{"category": "PRD", "detail": str(number)} for number in range(10)]}
        source, survivor = new(senior, team, **many), new(senior, team, **other)
        assert merge(senior, source, survivor, expect=409)["code"] == "too_much_to_merge"
        assert thread(senior, survivor) == []
        verified(database)

    def test_a_long_thread(
        self, senior: Caller, two: tuple[Complaint, Complaint], engine: Engine, database: Database
    ) -> None:
        source, survivor = two
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO complaint_message (id, complaint_id, kind, purpose, author_kind, body, created_at) "
                    "SELECT gen_random_uuid(), :id, 'internal_note', 'message', 'agent', n::text, now() "
                    "FROM generate_series(1, 5000) n"
                ),
                {"id": source["id"]},
            )
        merge(senior, source, survivor)
        assert len(rows_of(database, survivor["id"])["complaint_message"]) == 5001
        assert unmerge(senior, source)["returned"]["complaint_message"] == 5000
        assert rows_of(database, survivor["id"])["complaint_message"] == []

    def test_twice_with_one_key(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        first = merge(senior, *two, idempotency_key="once")
        assert merge(senior, *two, idempotency_key="once") == first
        assert merge(senior, *two, expect=409)["code"] == "action_not_allowed"

    def test_in_the_list_of_merges(
        self, senior: Caller, manager: Caller, team: UUID, theirs: Complaint, complaint: Complaint
    ) -> None:
        ours = new(senior, team)
        merge(manager, theirs, complaint)
        merge(senior, ours, complaint)
        unmerge(senior, ours)
        assert manager.get(f"{path_of(complaint)}/merges?count=true").json["total"] == 2
        page = senior.get(f"{path_of(complaint)}/merges?count=true").json
        assert [item["source"]["reference"] for item in page["items"]] == [ours["reference"]]
        assert page["total"] == 1
        assert page["items"][0]["undone_by"] == str(senior.id)
        assert [item["source"]["reference"] for item in senior.get(f"{path_of(ours)}/merges").json["items"]] == [
            ours["reference"]
        ]


class TestPeople:
    def test_the_complainant_is_told_in_their_language(self, senior: Caller, team: UUID, engine: Engine) -> None:
        person = NA | {"email": "li.wei@example.com"}
        source, survivor = new(senior, team, complainant=person), new(senior, team, complainant=person)
        merge(senior, source, survivor)
        assert mails(engine) == [("li.wei@example.com", f"Your complaint {source['reference']}")]
        (_, told), *_ = thread(senior, source)
        assert survivor["reference"] in told
        assert "投诉" in told

    def test_or_not(self, senior: Caller, two: tuple[Complaint, Complaint], engine: Engine) -> None:
        merge(senior, *two, silent=True)
        unmerge(senior, two[0], silent=True)
        assert mails(engine) == []
        assert thread(senior, two[0]) == []

    def test_of_two_people_only_when_said(self, senior: Caller, team: UUID, engine: Engine) -> None:
        source, survivor = new(senior, team, complainant=NA), new(senior, team)
        assert merge(senior, source, survivor, expect=409)["code"] == "other_complainant"
        merge(senior, source, survivor, other_complainant=True, silent=True)
        write(senior, survivor, "public_reply", "It comes on Friday.")
        assert sorted(mails(engine)) == [
            ("li.na@example.com", f"Your complaint {source['reference']}"),
            ("li.wei@example.com", f"Your complaint {survivor['reference']}"),
        ]

    def test_one_person_with_two_addresses_is_written_to_once(
        self, senior: Caller, two: tuple[Complaint, Complaint], engine: Engine
    ) -> None:
        source, survivor = two
        person = source["people"][0]["id"]
        changed = senior.patch(f"{path_of(source)}/people/{person}", {"email": "wei@example.com"}, if_match="*")
        assert changed.status_code == 200
        merge(senior, source, survivor, silent=True)
        write(senior, survivor, "public_reply", "It comes on Friday.")
        assert mails(engine) == [("li.wei@example.com", f"Your complaint {survivor['reference']}")]

    def test_whoever_can_be_reached_is_written_to(self, senior: Caller, team: UUID, engine: Engine) -> None:
        """By telephone first, by mail later: the mail's address is what there is."""
        survivor = new(senior, team, complainant={"name": "Li Wei", "phone": "+86 10 5555 0100"})
        source = new(senior, team, complainant={"email": "li.wei@example.com"})
        merge(senior, source, survivor, silent=True, other_complainant=True)
        write(senior, survivor, "public_reply", "It comes on Friday.")
        assert mails(engine) == [("li.wei@example.com", f"Your complaint {source['reference']}")]

    def test_a_representative_stands_for_their_own(self, senior: Caller, team: UUID, engine: Engine) -> None:
        speaks = {"name": "Advocate", "email": "advocate@example.com", "authority": "Letter on file."}
        source, survivor = new(senior, team, complainant=NA, representative=speaks), new(senior, team)
        merge(senior, source, survivor, other_complainant=True, silent=True)
        write(senior, survivor, "public_reply", "It comes on Friday.")
        assert sorted(address for address, _ in mails(engine)) == ["advocate@example.com", "li.wei@example.com"]


class TestOldReference:
    """What is written to the duplicate, once it is merged."""

    def test_what_the_complainant_says_reaches_the_survivor(
        self, senior: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        act(senior, survivor, "ask_customer")
        written = write(senior, source, "inbound", "On Friday.")
        assert thread(senior, survivor)[-1] == ("inbound", "On Friday.")
        assert read(senior, survivor)["waiting_on"] == "us"
        assert ("inbound", "On Friday.") not in thread(senior, source)
        assert written["kind"] == "inbound"
        verified(database)

    @pytest.mark.parametrize("kind", ["public_reply", "internal_note"])
    def test_nobody_else_writes_there(
        self, senior: Caller, join: Join, two: tuple[Complaint, Complaint], kind: str
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        refused = write(senior, source, kind, "x", expect=409)
        assert refused["code"] == "complaint_merged"
        assert refused["merged_into"] == {"id": survivor["id"], "reference": survivor["reference"]}

    def test_where_it_goes_on_is_told_to_who_may_see_it(
        self, senior: Caller, manager: Caller, team: UUID, theirs: Complaint, complaint: Complaint
    ) -> None:
        merge(manager, complaint, theirs)
        assert read(senior, complaint)["merged_into"] is None
        refused = write(senior, complaint, "internal_note", "x", expect=409)
        assert "merged_into" not in refused
        assert theirs["reference"] not in str(refused)
        said = {"kind": "inbound", "body": "Hello?"}
        unseen, seen = (caller.post(f"{path_of(complaint)}/messages", said) for caller in (senior, manager))
        assert thread(manager, theirs)[-2:] == [("inbound", "Hello?")] * 2  # never lost
        assert "Location" not in unseen.headers
        assert theirs["id"] not in unseen.text
        assert manager.get(seen.headers["Location"]).json == seen.json

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("needs", {"flag": "hearing", "consent": True}),
            ("affected", {"name": "Mother"}),
            ("representatives", {"name": "Li Na", "authority": "Letter on file."}),
        ],
    )
    def test_nothing_is_added_where_it_would_be_overlooked(
        self, senior: Caller, two: tuple[Complaint, Complaint], path: str, body: Complaint
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        answer = senior.post(f"{path_of(source)}/{path}", body)
        assert (answer.status_code, answer.json["code"]) == (409, "complaint_merged")

    def test_it_is_not_reopened_by_itself(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(senior, *two)
        refused = act(senior, two[0], "reopen", expect=409)
        assert [need["code"] for need in refused["missing"]] == ["merged"]


class TestChains:
    def test_all_roads_lead_to_the_last(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b, c = (new(senior, team, subject=name) for name in "abc")
        write(senior, a, "inbound", "from a")
        merge(senior, a, b)
        write(senior, b, "inbound", "from b")
        merge(senior, b, c)
        for complaint in (a, b):
            assert read(senior, complaint)["merged_into"]["reference"] == c["reference"]
        assert {body for _, body in thread(senior, c)} >= {"from a", "from b"}
        write(senior, a, "inbound", "late")
        assert thread(senior, c)[-1] == ("inbound", "late")
        types = [event["type"] for event in senior.get(f"{path_of(a)}/timeline").json["items"]]
        assert types[-2:] == ["complaint.merged", "complaint.redirected"]
        verified(database)

    def test_into_a_merged_one_is_into_its_survivor(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b, c = (new(senior, team) for _ in range(3))
        merge(senior, a, b)
        assert merge(senior, c, a)["survivor"]["reference"] == b["reference"]
        assert merge(senior, b, c, expect=409)["code"] == "already_merged"
        assert merge(senior, b, a, expect=409)["code"] == "already_merged"
        verified(database)

    def test_into_a_merged_one_whose_survivor_is_out_of_sight(
        self, senior: Caller, manager: Caller, team: UUID, theirs: Complaint
    ) -> None:
        a, b = new(senior, team), new(senior, team)
        merge(manager, a, theirs)
        assert merge(senior, b, a, expect=422)["errors"][0]["code"] == "unknown"

    def test_undone_from_the_end(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b, c = (new(senior, team, subject=name) for name in "abc")
        before = {name: rows_of(database, row["id"]) for name, row in (("a", a), ("b", b), ("c", c))}
        merge(senior, a, b, silent=True)
        between = rows_of(database, b["id"])
        merge(senior, b, c, silent=True)
        assert unmerge(senior, a, expect=409)["code"] == "merge_final"
        unmerge(senior, b, silent=True)
        assert _same(rows_of(database, b["id"]), between)
        assert read(senior, a)["merged_into"]["reference"] == b["reference"]
        unmerge(senior, a, silent=True)
        for name, row in (("a", a), ("b", b), ("c", c)):
            assert _same(rows_of(database, row["id"]), before[name]), name
        verified(database)


def _same(one: dict[str, list[dict[str, Any]]], other: dict[str, list[dict[str, Any]]]) -> bool:
    """But for the clocks, of which `test_joining` tells."""
    return {name: rows for name, rows in one.items() if name != "sla_clock"} == {
        name: rows for name, rows in other.items() if name != "sla_clock"
    }


class TestUndo:
    def test_exactly_what_was_moved_goes_back(
        self, senior: Caller, agent: Caller, team: UUID, database: Database
    ) -> None:
        source = new(
            senior,
            team,
            issues=[{"category": "DEL", "issue": "DEL.LATE"}, {"category": "PRD", "issue": "PRD.SAFETY"}],
            needs=[{"flag": "hearing", "consent": True}],
            affected={"name": "Mother"},
        )
        survivor, third = new(senior, team), new(senior, team)
        write(senior, source, "inbound", "Where is it?")
        act(senior, source, "ask_customer")
        write(senior, survivor, "inbound", "And mine?")
        for kind, other in (("related", third), ("caused_by", survivor), ("parent_of", third)):
            body = {"kind": kind, "to": other["reference"]}
            assert agent.post(f"{path_of(source)}/links", body).status_code == 201
        before = rows_of(database, source["id"]), rows_of(database, survivor["id"])
        merge(senior, source, survivor, silent=True)
        assert rows_of(database, survivor["id"])["complaint"][0]["safety"] is True
        kinds = {item["kind"] for item in senior.get(f"{path_of(survivor)}/links").json["items"]}
        assert kinds == {"related", "causes", "parent_of"}
        answer = unmerge(senior, source, silent=True)
        assert _same(rows_of(database, source["id"]), before[0])
        assert _same(rows_of(database, survivor["id"]), before[1])
        assert answer["complaint"]["status"] == "received"
        assert answer["complaint"]["waiting_on"] == "customer"
        assert answer["survivor"]["reference"] == survivor["reference"]
        assert answer["returned"] == {
            "complaint_message": 2,
            "complaint_attachment": 0,
            "complaint_draft": 0,
            "complaint_issue": 1,
            "complaint_person": 1,
            "complaint_need": 1,
            "complaint_link": 2,
        }
        assert answer["stayed"] == {"messages": [], "issues": [], "people": [], "needs": []}
        verified(database)

    def test_what_came_afterwards_stays_and_is_listed(
        self, senior: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        said = write(senior, source, "inbound", "Hello?")
        noted = write(senior, survivor, "internal_note", "A note.")
        issue = senior.post(f"{path_of(survivor)}/issues", {"category": "COM"}).json["issues"][-1]
        need = senior.post(f"{path_of(survivor)}/needs", {"flag": "hearing", "consent": True}).json["needs"][-1]
        person = senior.post(f"{path_of(survivor)}/affected", {"name": "Mother"}).json["people"][-1]
        stayed = unmerge(senior, source)["stayed"]
        assert stayed == {
            "messages": [said["id"], noted["id"]],
            "issues": [issue["id"]],
            "people": [person["id"]],
            "needs": [need["id"]],
        }
        assert {body for _, body in thread(senior, survivor)} == {"Hello?", "A note."}
        assert read(senior, survivor)["vulnerable"] is True
        assert read(senior, source)["vulnerable"] is False
        verified(database)

    def test_what_somebody_changed_is_theirs(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team), new(senior, team)
        act(senior, source, "triage", impact=5, urgency=4)
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S1"
        act(senior, survivor, "triage", impact=3, urgency=2)
        judged = read(senior, survivor)["severity"]
        unmerge(senior, source)
        assert read(senior, survivor)["severity"] == judged
        verified(database)

    def test_what_is_gone_does_not_come_back(self, senior: Caller, team: UUID, database: Database) -> None:
        source = new(senior, team, needs=[{"flag": "hearing", "consent": True}], affected={"name": "Mother"})
        survivor = new(senior, team)
        merge(senior, source, survivor)
        goes_on = read(senior, survivor)
        need = goes_on["needs"][0]["id"]
        affected = next(person["id"] for person in goes_on["people"] if person["role"] == "affected")
        assert senior.delete(f"{path_of(survivor)}/needs/{need}", if_match="*").status_code == 200
        assert senior.delete(f"{path_of(survivor)}/people/{affected}", if_match="*").status_code == 200
        answer = unmerge(senior, source)
        assert (answer["returned"]["complaint_need"], answer["returned"]["complaint_person"]) == (0, 0)
        assert (answer["complaint"]["needs"], answer["complaint"]["vulnerable"]) == ([], False)
        verified(database)

    def test_in_any_order(self, senior: Caller, team: UUID, database: Database) -> None:
        survivor = new(senior, team)
        plain = rows_of(database, survivor["id"])
        sources = [new(senior, team) for _ in range(3)]
        for place, source in enumerate(sources):
            act(senior, source, "triage", impact=3 + (place % 3), urgency=3)
            if place:
                act(senior, source, "escalate")
            merge(senior, source, survivor, silent=True)
        for place in (1, 0, 2):
            unmerge(senior, sources[place], silent=True)
        assert _same(rows_of(database, survivor["id"]), plain)
        verified(database)

    def test_and_again(self, senior: Caller, two: tuple[Complaint, Complaint], database: Database) -> None:
        source, survivor = two
        before = rows_of(database, source["id"]), rows_of(database, survivor["id"])
        for _ in range(3):
            merge(senior, source, survivor, silent=True)
            unmerge(senior, source, silent=True)
        assert _same(rows_of(database, source["id"]), before[0])
        assert _same(rows_of(database, survivor["id"]), before[1])
        assert len(senior.get(f"{path_of(source)}/merges").json["items"]) == 3
        verified(database)

    def test_wrong_role(
        self, senior: Caller, agent: Caller, anonymous: Caller, two: tuple[Complaint, Complaint]
    ) -> None:
        merge(senior, *two)
        unmerge(anonymous, two[0], expect=401)
        unmerge(agent, two[0], expect=403)

    def test_what_was_never_merged(self, senior: Caller, complaint: Complaint) -> None:
        assert unmerge(senior, complaint, expect=409)["code"] == "action_not_allowed"
        act(senior, complaint, "dismiss")
        assert unmerge(senior, complaint, expect=409)["code"] == "action_not_allowed"

    def test_the_window(self, senior: Caller, two: tuple[Complaint, Complaint], engine: Engine) -> None:
        merge(senior, *two)
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_merge SET undo_until = now() - interval '1 second'"))
        refused = unmerge(senior, two[0], expect=409)
        assert refused["code"] == "merge_final"
        assert refused["undo_until"]

    def test_the_window_is_a_setting(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        made = merge(senior, *two)
        times = [datetime.fromisoformat(made[name]) for name in ("merged_at", "undo_until")]
        assert times[1] - times[0] == timedelta(days=7)

    def test_of_a_decided_survivor(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        act(senior, survivor, "withdraw")
        assert unmerge(senior, source, expect=409)["code"] == "merge_final"

    def test_when_the_survivor_is_out_of_sight(
        self, senior: Caller, manager: Caller, theirs: Complaint, complaint: Complaint
    ) -> None:
        merge(manager, complaint, theirs)
        refused = unmerge(senior, complaint, expect=403)
        assert refused["code"] == "survivor_elsewhere"
        assert theirs["reference"] not in str(refused)

    def test_stale(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(senior, *two)
        answer = senior.post(f"{path_of(two[0])}/unmerge", {"reason": "x"}, if_match='"v1"')
        assert answer.status_code == 412
        assert answer.json["changes"][-1]["type"] == "complaint.merged"
        assert "merged_into_id" in answer.json["changes"][-1]["changes"]


class TestShared:
    """Tags and watchers: both have them."""

    def test_until_the_last_that_brought_them_is_taken_apart(
        self, senior: Caller, team: UUID, database: Database
    ) -> None:
        one, other = (new(senior, team, tags=["storm", name]) for name in ("one", "other"))
        survivor = new(senior, team, tags=["one"])
        for source in (one, other):
            assert senior.put(f"{path_of(source)}/watchers/{senior.id}", None).status_code == 200
            merge(senior, source, survivor)
        assert read(senior, survivor)["tags"] == ["one", "other", "storm"]
        assert read(senior, one)["tags"] == ["one", "storm"]
        verified(database)
        unmerge(senior, one)
        assert (read(senior, survivor)["tags"], self._watchers(senior, survivor)) == (["one", "other", "storm"], 1)
        unmerge(senior, other)
        assert (read(senior, survivor)["tags"], self._watchers(senior, survivor)) == (["one"], 0)
        assert (read(senior, other)["tags"], self._watchers(senior, other)) == (["other", "storm"], 1)
        verified(database)

    @staticmethod
    def _watchers(caller: Caller, complaint: Complaint) -> int:
        return len(caller.get(f"{path_of(complaint)}/watchers").json["items"])

    def test_what_somebody_took_off_stays_off(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, tags=["storm"]), new(senior, team)
        merge(senior, source, survivor)
        assert senior.post(f"{path_of(survivor)}/tags/remove", {"tags": ["storm"]}).status_code == 200
        unmerge(senior, source)
        assert [read(senior, each)["tags"] for each in (source, survivor)] == [["storm"], []]
        verified(database)

    def test_fields_that_the_survivor_has_nothing_in(
        self, senior: Caller, manager: Caller, team: UUID, database: Database
    ) -> None:
        for key in ("carrier", "shop"):
            define(manager, key, type="text")
        one, other, survivor = (new(senior, team) for _ in range(3))
        filled(senior, one, carrier="one")
        filled(senior, other, carrier="other", shop="other")
        filled(senior, survivor, shop="survivor")
        for source in (one, other):
            merge(senior, source, survivor)
        assert read(senior, survivor)["custom_fields"] == {"carrier": "one", "shop": "survivor"}
        verified(database)
        unmerge(senior, one)
        assert read(senior, survivor)["custom_fields"] == {"carrier": "other", "shop": "survivor"}
        filled(senior, survivor, carrier="as somebody found out")
        unmerge(senior, other)
        assert read(senior, survivor)["custom_fields"] == {"carrier": "as somebody found out", "shop": "survivor"}
        assert read(senior, other)["custom_fields"] == {"carrier": "other", "shop": "other"}
        verified(database)

    def test_files_go_with_their_messages(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team), new(senior, team)
        message = write(senior, source, "inbound", "See the picture.")["id"]
        file = sent(senior, source, message_id=message)["id"]
        loose = sent(senior, source)["id"]
        merge(senior, source, survivor)
        opening = senior.get(f"{path_of(survivor)}/messages").json["items"][0]["id"]
        of_opening = sent(senior, survivor, message_id=opening)["id"]
        later = sent(senior, survivor, message_id=message)["id"]
        assert self._files(senior, survivor) == {file, loose, of_opening, later}
        assert send(senior, source).status_code == 409
        unmerge(senior, source)
        assert self._files(senior, source) == {file, loose, later}  # where its message is
        assert self._files(senior, survivor) == {of_opening}
        verified(database)

    @staticmethod
    def _files(caller: Caller, complaint: Complaint) -> set[str]:
        return {item["id"] for item in caller.get(f"{path_of(complaint)}/attachments").json["items"]}

    def test_words_are_found_where_they_stand(self, senior: Caller, team: UUID, database: Database) -> None:
        source = new(senior, team, subject="Kumquat", description="A crate of pomelos.")
        survivor = new(senior, team)
        write(senior, source, "internal_note", "Ask for rambutans.")
        merge(senior, source, survivor)
        assert self._found(senior, "rambutans") == {survivor["reference"]}
        assert self._found(senior, "pomelos") == {source["reference"], survivor["reference"]}
        unmerge(senior, source)
        assert self._found(senior, "rambutans") == self._found(senior, "pomelos") == {source["reference"]}
        verified(database)

    @staticmethod
    def _found(caller: Caller, word: str) -> set[str]:
        return {item["complaint"]["reference"] for item in caller.get(f"/complaints/search?q={word}").json["items"]}


class TestRedaction:
    def test_a_moved_message_is_gone_where_it_was_written_too(
        self, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        a, b, c = (new(manager, team) for _ in range(3))
        act(manager, a, "ask_customer", message="canary")
        merge(manager, a, b)
        merge(manager, b, c)
        items = manager.get(f"{path_of(c)}/messages").json["items"]
        (message,) = (item for item in items if item["body"] == "canary")
        assert places_with(engine, "canary")
        answer = manager.post(
            f"{path_of(c)}/messages/{message['id']}/redact", {"whole": True, "reason": "x"}, if_match="*"
        )
        assert answer.status_code == 200, answer.text
        assert places_with(engine, "canary") == []
        verified(database)


class TestTracking:
    """The complainant's own way in goes on working, and leads to where the matter goes on."""

    def test_leads_to_the_survivor_and_back(
        self, senior: Caller, anonymous: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        source, survivor = two
        before = opened(anonymous, source)  # a session from before the merge
        merge(senior, source, survivor)
        write(senior, survivor, "public_reply", "It comes on Friday.")
        write(senior, survivor, "internal_note", "For us.")
        ways = [f"Tracking {token}" for token in (before, opened(anonymous, source))]
        for authorization in ways:
            seen = anonymous.get("/public/tracking/complaint", authorization=authorization).json
            assert (seen["reference"], seen["status"]) == (survivor["reference"], "received")
            items = anonymous.get("/public/tracking/messages", authorization=authorization).json["items"]
            assert items[-1]["body"] == "It comes on Friday."
            assert "For us." not in str(items)
        said = anonymous.post("/public/tracking/messages", {"body": "Thank you."}, authorization=ways[0])
        assert said.status_code == 201, said.text
        assert thread(senior, survivor)[-1] == ("inbound", "Thank you.")
        unmerge(senior, source)
        seen = anonymous.get("/public/tracking/complaint", authorization=ways[0]).json
        assert seen["reference"] == source["reference"]
        verified(database)

    def test_another_persons_is_not_theirs_to_end(
        self, senior: Caller, anonymous: Caller, team: UUID, engine: Engine
    ) -> None:
        source, survivor = new(senior, team, complainant=NA), new(senior, team)
        merge(senior, source, survivor, other_complainant=True)
        authorization = f"Tracking {opened(anonymous, source)}"
        seen = anonymous.get("/public/tracking/complaint", authorization=authorization).json
        assert seen["can"] == ["write"]
        assert anonymous.post("/public/tracking/withdraw", {}, authorization=authorization).status_code == 403
        own = f"Tracking {opened(anonymous, survivor)}"
        assert anonymous.post("/public/tracking/withdraw", {}, authorization=own).status_code == 200

    @pytest.mark.parametrize("people", [(NA, {}), ({"name": "A voice"}, {}), (NA, {"name": "A voice"})])
    def test_nobody_reads_what_is_another_persons(
        self, senior: Caller, anonymous: Caller, team: UUID, people: Any, database: Database
    ) -> None:
        """Not the words of the complaint, nor what either wrote or was written to before; the answers to both, both."""
        source_of, survivor_of = people
        source = new(senior, team, subject="Hers", description="Her words.", complainant=source_of)
        more = {"complainant": survivor_of} if survivor_of else {}
        survivor = new(senior, team, subject="His", description="His words.", **more)
        ways = {"hers": f"Tracking {opened(anonymous, source)}", "his": f"Tracking {opened(anonymous, survivor)}"}

        def say(who: str, body: str) -> None:
            answer = anonymous.post("/public/tracking/messages", {"body": body}, authorization=ways[who])
            assert answer.status_code == 201, answer.text

        def read_by(who: str) -> list[str]:
            items = anonymous.get("/public/tracking/messages", authorization=ways[who]).json["items"]
            return [item["body"] for item in items]

        for who, complaint in (("hers", source), ("his", survivor)):
            say(who, f"{who} before")
            write(senior, complaint, "public_reply", f"to {who}")
        merge(senior, source, survivor, expect=409)
        merge(senior, source, survivor, other_complainant=True, silent=True)
        write(senior, survivor, "public_reply", "to both")
        for who in ways:
            say(who, f"{who} after")
        write(senior, source, "inbound", "hers by phone")
        assert read_by("his") == ["his before", "to his", "to both", "his after"]
        theirs = ["hers before", "to hers", "to both", "hers after", "hers by phone"]
        assert read_by("hers") == ["Hers\n\nHer words.", *theirs]
        if source_of is NA:
            shown = senior.get(f"{path_of(survivor)}/messages?limit=200").json["items"]
            assert {item["sender"]["name"] for item in shown if "hers" in item["body"] and item["sender"]} == {"Li Na"}
        seen = anonymous.get("/public/tracking/complaint", authorization=ways["hers"])
        assert (seen.json["reference"], seen.json["subject"]) == (source["reference"], "Hers")
        assert "His" not in seen.text
        unmerge(senior, source, silent=True)
        assert read_by("his") == ["his before", "to his", "to both", "his after"]
        assert read_by("hers") == ["hers before", "to hers", "hers after", "hers by phone"]
        verified(database)


class TestVerification:
    """`helpdesk verify complaints` finds what a hand on the console has done."""

    @pytest.mark.parametrize(
        ("tampering", "found"),
        [
            ("UPDATE complaint SET merged_into_id = :a WHERE id = :c", "says it was merged, and no merge does"),
            ("UPDATE complaint_merge SET undone_at = merged_at", "says it was merged, and no merge does"),
            (
                "UPDATE complaint SET dismissal = 'spam', merged_into_id = NULL WHERE id = :a",
                "has a merge that it does not know of",
            ),
            ("UPDATE complaint SET child_count = 3 WHERE id = :b", "says 3 children, has 0"),
        ],
    )
    def test_what_was_changed_is_named(
        self, senior: Caller, team: UUID, database: Database, tampering: str, found: str
    ) -> None:
        a, b, c = (new(senior, team) for _ in range(3))
        merge(senior, a, b)
        act(senior, c, "dismiss")
        with database.engine.begin() as connection:
            if ":c" in tampering:
                connection.execute(
                    text("UPDATE complaint SET dismissal = 'duplicate', merged_into_id = :b WHERE id = :c"),
                    _ids(a, b, c),
                )
            connection.execute(text(tampering), _ids(a, b, c))
        told = [item.detail for item in violations(database, ["complaints"])]
        assert found in told
        if ":c" in tampering:
            assert f"goes on in {a['id']}, which was merged itself" in told

    def test_a_ring_of_parents_is_named(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b = (new(senior, team) for _ in range(2))
        with database.engine.begin() as connection:
            for one, other in ((a, b), (b, a)):
                values = {"one": one["id"], "other": other["id"]}
                connection.execute(
                    text(
                        "INSERT INTO complaint_link (id, kind, from_id, to_id, created_at) "
                        "VALUES (gen_random_uuid(), 'child_of', :one, :other, now())"
                    ),
                    values,
                )
        rings = [item.subject for item in violations(database, ["complaints"]) if item.check == "parents"]
        assert sorted(rings) == sorted(f"complaint {each['id']}" for each in (a, b))


def _ids(a: Complaint, b: Complaint, c: Complaint) -> dict[str, str]:
    return {"a": a["id"], "b": b["id"], "c": c["id"]}


class TestRemedies:
    """Money never doubles."""

    def _delivered(self, program: Any, manager: Caller, complaint: Complaint, amount: str = "40.00") -> Complaint:
        offer = helpers.draft(manager, complaint, helpers.voucher(amount))
        for action in ("submit", "offer"):
            helpers.act(manager, offer, action)
        helpers.act(manager, offer, "accept", said_by="phone")
        helpers.perform(program)
        return dict(manager.get(f"/offers/{offer['id']}").json)

    def test_an_unsettled_offer_keeps_it(self, manager: Caller, two: tuple[Complaint, Complaint], program: Any) -> None:
        helpers.open_budget(manager)
        offer = helpers.draft(manager, two[0], helpers.voucher("40.00"))
        refused = merge(manager, *two, expect=409)
        assert [need["code"] for need in refused["missing"]] == ["remedies_unsettled"]
        helpers.act(manager, offer, "withdraw")
        merge(manager, *two)

    def test_a_delivered_one_counts_in_the_case_that_goes_on(
        self, manager: Caller, two: tuple[Complaint, Complaint], program: Any
    ) -> None:
        helpers.open_budget(manager)
        source, survivor = two
        offer = self._delivered(program, manager, source)
        before = rows_of(program.database, source["id"]), rows_of(program.database, survivor["id"])
        merge(manager, source, survivor, silent=True)
        assert [item["id"] for item in manager.get(f"{path_of(survivor)}/offers").json["items"]] == [offer["id"]]
        again = manager.pay(f"{path_of(survivor)}/offers", helpers.voucher("40.00"))
        assert (again.status_code, again.json["code"]) == (409, "duplicate_offer")
        verified(program.database)
        unmerge(manager, source, silent=True)
        assert rows_of(program.database, source["id"])["offer"] == before[0]["offer"]
        assert _same(rows_of(program.database, survivor["id"]), before[1])
        verified(program.database)

    def test_what_happened_to_it_meanwhile_stays_so(
        self, manager: Caller, two: tuple[Complaint, Complaint], program: Any
    ) -> None:
        helpers.open_budget(manager)
        source, survivor = two
        offer = self._delivered(program, manager, source)
        merge(manager, source, survivor, silent=True)
        helpers.act(manager, offer, "reverse", reason="Never used.")
        unmerge(manager, source, silent=True)
        assert manager.get(f"/offers/{offer['id']}").json["status"] == "reversed"
        verified(program.database)

    def test_that_of_another_person_stays_with_them(self, manager: Caller, team: UUID, program: Any) -> None:
        helpers.open_budget(manager)
        source, survivor = new(manager, team, complainant=NA), new(manager, team)
        self._delivered(program, manager, source)
        merge(manager, source, survivor, other_complainant=True)
        assert manager.get(f"{path_of(survivor)}/offers").json["items"] == []
        verified(program.database)

    def test_in_another_currency(self, manager: Caller, team: UUID, program: Any) -> None:
        helpers.open_budget(manager)
        source = new(manager, team)
        survivor = new(manager, team, price={"amount": "10.00", "currency": "USD"})
        self._delivered(program, manager, source)
        assert merge(manager, source, survivor, expect=409)["code"] == "other_currency"


def test_every_table_that_hangs_on_a_complaint_has_its_fate() -> None:
    """Whoever adds a table says in `merge_ledger` what a merge does with its rows: WHOLE (all go to the survivor) or APART
    (with the words that say what else becomes of them).
    """
    hanging = {
        table.name
        for table in Base.metadata.sorted_tables
        if "complaint_id" in table.c or any(key.column.table.name == "complaint" for key in table.foreign_keys)
    }
    named = {model.__tablename__ for model in WHOLE} | set(APART)
    assert hanging == named
    assert all(len(why) > 10 for why in APART.values())


FACTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        **{name: st.sampled_from([None, "x", "y"]) for name in ("customer_id", "language", "jurisdiction", "sector")},
        "acknowledged_at": st.sampled_from([None, "2026-03-02T09:00:00Z"]),
        "severity": st.sampled_from(["S1", "S3", "S5"]),
        "escalation_level": st.integers(0, 3),
        "stage": st.sampled_from(STAGES),
        "double_deviation": st.booleans(),
        "judged": st.booleans(),
        "price_minor": st.sampled_from([None, 1]),
        "loss_minor": st.sampled_from([None, 2]),
        "currency": st.sampled_from([None, "EUR"]),
    }
)


class TestArithmetic:
    @given(FACTS, st.lists(FACTS, max_size=4), st.data())
    def test_undone_in_any_order(self, own: dict[str, Any], sources: list[dict[str, Any]], data: st.DataObject) -> None:
        """What is left is what those that stay would have made alone, and in the end what was there before."""
        now, done = {name: own[name] for name in COMBINED}, list[Combining]()
        for source in sources:
            done.append(combine(now, source))
            now = dict(done[-1].after)
        left = list(sources)
        while done:
            place = data.draw(st.integers(0, len(done) - 1))
            now, done = without(done, place, now)
            del left[place]
            alone = {name: own[name] for name in COMBINED}
            for source in left:
                alone = dict(combine(alone, source).after)
            assert now == alone
        assert now == {name: own[name] for name in COMBINED}

    @given(FACTS, FACTS, FACTS, st.sampled_from(["S1", "S2", "S4", "S5"]))
    def test_a_persons_change_is_kept(
        self, own: dict[str, Any], one: dict[str, Any], other: dict[str, Any], judged: str
    ) -> None:
        first = combine(own, one)
        second = combine({**first.after, "severity": judged}, other)
        left, rest = without([first, second], 0, second.after)
        assert left["severity"] == second.after["severity"]
        left, _ = without(rest, 0, left)
        assert left["severity"] == judged
