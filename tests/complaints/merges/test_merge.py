"""Merging duplicates.

How it can fail: something of the duplicate is lost, or stands there twice; its text is missing in the survivor's
thread; a decided or merged-on survivor, or one out of sight, is not looked at; a merge into oneself, into a closed one,
of another person's, closes a road; a message in flight is lost; its people get no answer any more, or a stranger gets
one.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints.phrases import said
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merges.acting import NA, Complaint, act, mails
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
from tests.conftest import Caller, Join, complaint_body, make_team


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
        assert [kind for kind in events if not kind.startswith("sla.")] == [
            "complaint.received",
            "complaint.duplicate_merged",
        ]
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

    @pytest.mark.parametrize(("has", "brings"), [("price", "loss"), ("loss", "price")])
    def test_price_and_loss_each_by_itself(self, senior: Caller, team: UUID, has: str, brings: str) -> None:
        amount = {"amount": "20.00", "currency": "EUR"}
        bare = {name: value for name, value in complaint_body(team_id=str(team)).items() if name != "price"}
        source = senior.post("/complaints", bare | {brings: amount}).json
        survivor = senior.post("/complaints", bare | {has: {"amount": "100.00", "currency": "EUR"}}).json
        assert read(senior, survivor)[brings] is None
        merge(senior, source, survivor, silent=True)
        assert read(senior, survivor)[brings] == amount
        senior.patch(path_of(survivor), {has: {"amount": "90.00", "currency": "EUR"}}, if_match="*")
        unmerge(senior, source, silent=True)
        goes_on = read(senior, survivor)
        assert (goes_on[has]["amount"], goes_on[brings]) == ("90.00", None)
        assert read(senior, source)[brings] == amount

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
        assert goes_on["price"] is None, "what another one bought is theirs"
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
        assert merge(senior, *two, expect=409)["code"] == "complaint_merged"

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
        subject = said("mail_subject", "zh", record_type="complaint", reference=source["reference"])
        assert mails(engine) == [("li.wei@example.com", subject)]
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
            ("li.na@example.com", said("mail_subject", "zh", record_type="complaint", reference=source["reference"])),
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
