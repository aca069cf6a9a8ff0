"""The clocks of answers and remedies.

How it can fail: an acknowledgement, or what a rule sends, counts as an answer; a second message of the complainant buys us time, or
starts a second clock; what an agent writes unasked is taken for a question; a message on a closed complaint is owed an answer for
ever; the answer to a message that came while a third party was asked is due too early; reopening cancels the clock of the very
message that reopened it, or of a remedy that is owed on; a question is lost in a merge, or answered twice after it is undone; the
queue is ordered by what was answered; two steps in one transaction do not see each other's clocks.
"""

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints import acts, queries, service, splitting
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.models import Clock
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.recovery import helpers
from tests.sla.watching import AGENT, LETTER, MONDAY, Story, clocks_of, join, part, promise, wrong

HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
TARGETS: Final[dict[str, Any]] = {
    "first_response": (120, "minutes"),
    "next_response": (240, "minutes"),
    "resolve": (5, "business_days"),
    "remedy_delivered": (2, "business_days"),
}


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    promise(database, S3=TARGETS, S1={"next_response": (60, "minutes")})


def next_due(story: Story) -> Any:
    with story.database.reader() as session:
        return session.get_one(Complaint, story.id).next_due_at


class TestFirstResponse:
    def test_it_runs_from_receipt_to_the_first_reply(self, database: Database) -> None:
        story = Story(database)
        clock = story.clock("first_response")
        assert (clock.started_at, clock.due_at) == (MONDAY, MONDAY + 2 * HOUR)
        assert next_due(story) == clock.due_at
        story.write("public_reply", MONDAY + HOUR)
        clock = story.clock("first_response")
        assert (clock.state, clock.stopped_at, clock.elapsed_seconds) == ("met", MONDAY + HOUR, 3600)
        assert next_due(story) == story.clock("resolve").due_at
        story.write("public_reply", MONDAY + 3 * HOUR)
        assert story.clock("first_response").stopped_at == MONDAY + HOUR
        assert wrong(database) == []

    def test_what_nobody_wrote_is_no_answer(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY, channel="PHONE")
        story.write("public_reply", MONDAY, SYSTEM)
        story.write("internal_note", MONDAY)
        assert story.clock("first_response").state == "running"

    def test_late_is_late_also_when_nobody_had_noticed(self, database: Database) -> None:
        story = Story(database)
        story.write("public_reply", MONDAY + 2 * HOUR + timedelta(seconds=1))
        assert story.clock("first_response").state == "breached"
        prompt = Story(database)
        prompt.write("public_reply", MONDAY + 2 * HOUR)
        assert prompt.clock("first_response").state == "met"

    def test_the_decision_answers(self, database: Database) -> None:
        story = Story(database)
        story.act(
            "investigate",
            MONDAY,
            findings=[{"finding": "Late.", "evidence": "Log."}],
            root_cause="RC.HAND",
            fault="firm",
        )
        decided = {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {"none_because": "None wanted."}}
        story.act("resolve", MONDAY + HOUR, **decided)
        assert story.clock("first_response").state == "met"

    def test_a_reopened_complaint_is_owed_one_anew(self, database: Database) -> None:
        story = Story(database)
        story.write("public_reply", MONDAY)
        story.act("withdraw", MONDAY + HOUR, reason="It came.")
        story.act("reopen", MONDAY + 2 * HOUR, reason="It did not.")
        assert story.clock("first_response", 2).started_at == MONDAY + 2 * HOUR


class TestNextResponse:
    def test_of_two_messages_the_oldest_counts(self, database: Database) -> None:
        story = Story(database)
        first = story.write("inbound", MONDAY + HOUR)
        story.write("inbound", MONDAY + 2 * HOUR)
        (clock,) = story.clocks("next_response")
        assert (clock.subject_id, clock.started_at, clock.due_at) == (first, MONDAY + HOUR, MONDAY + 5 * HOUR)
        story.write("public_reply", MONDAY + 3 * HOUR)
        third = story.write("inbound", MONDAY + 4 * HOUR)
        assert [(each.state, each.subject_id) for each in story.clocks("next_response")] == [
            ("met", first),
            ("running", third),
        ]
        assert next_due(story) == MONDAY + 8 * HOUR
        assert wrong(database) == []

    def test_what_an_agent_writes_unasked_starts_none(self, database: Database) -> None:
        story = Story(database)
        story.write("public_reply", MONDAY)
        story.write("public_reply", MONDAY + HOUR)
        story.write("internal_note", MONDAY + HOUR)
        assert story.clocks("next_response") == []

    def test_the_answer_to_a_question_resumes_and_starts_at_once(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY, message="Which parcel?")
        story.write("inbound", MONDAY + HOUR)
        (clock,) = story.clocks("next_response")
        assert (clock.state, clock.due_at, story.clock("resolve").state) == ("running", MONDAY + 5 * HOUR, "running")
        assert next_due(story) == MONDAY + 3 * HOUR  # the first response: what the system asks is none
        assert wrong(database) == []

    def test_while_a_third_party_is_asked_it_waits(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_third_party", MONDAY, note="Asked the carrier.")
        story.write("inbound", MONDAY + HOUR)
        (clock,) = story.clocks("next_response")
        assert (clock.state, clock.remaining_seconds) == ("paused", 4 * 3600)
        story.act("resume", MONDAY + 3 * HOUR)
        (clock,) = story.clocks("next_response")
        assert clock.due_at == MONDAY + 7 * HOUR
        assert wrong(database) == []

    @pytest.mark.parametrize("closing", ["withdraw", "dismiss"])
    def test_on_a_closed_complaint_it_starts_none_and_closing_ends_it(self, database: Database, closing: str) -> None:
        story = Story(database)
        story.write("inbound", MONDAY)
        given = {"reason": "It came."} if closing == "withdraw" else {"reason_code": "spam"}
        story.act(closing, MONDAY + HOUR, **given)
        story.write("inbound", MONDAY + 2 * HOUR)
        assert [each.state for each in story.clocks("next_response")] == ["cancelled"]
        assert wrong(database) == []

    def test_what_reopens_is_owed_an_answer(self, database: Database) -> None:
        """Message and reopening in one transaction, in either order."""
        for message_first in (True, False):
            story = Story(database)
            story.act("withdraw", MONDAY + HOUR, reason="It came.")
            with database.unit_of_work(SYSTEM, now=MONDAY + 2 * HOUR) as uow:
                complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
                write = {"kind": "inbound", "body": "It did not."}
                if message_first:
                    service.write_message(uow, SYSTEM, complaint, write)
                acts.act(uow, SYSTEM, complaint, "reopen", {"reason": "It did not come."})
                if not message_first:
                    service.write_message(uow, SYSTEM, complaint, write)
            (clock,) = story.clocks("next_response")
            assert (clock.state, clock.round, clock.started_at) == ("running", 2, MONDAY + 2 * HOUR)
            assert wrong(database) == []

    def test_question_and_answer_in_one_transaction(self, database: Database) -> None:
        story = Story(database)
        with database.unit_of_work(AGENT, now=MONDAY + HOUR) as uow:
            complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
            for kind in ("inbound", "public_reply"):
                service.write_message(uow, AGENT, complaint, {"kind": kind, "body": "Well?"})
        (clock,) = story.clocks("next_response")
        assert (clock.state, clock.elapsed_seconds) == ("met", 0)
        assert wrong(database) == []

    def test_another_severity_moves_it_and_one_that_promises_none_ends_it(self, database: Database) -> None:
        story = Story(database)
        story.write("inbound", MONDAY)
        story.triage(MONDAY + timedelta(minutes=30), "S1")
        (clock,) = story.clocks("next_response")
        assert (clock.due_at, clock.severity) == (MONDAY + HOUR, "S1")
        promise(database, S5={"resolve": (9, "business_days")})
        story.triage(MONDAY + timedelta(minutes=40), "S5")
        assert [each.state for each in story.clocks("next_response")] == ["cancelled"]
        story.triage(MONDAY + timedelta(minutes=50), "S3")
        (clock,) = story.clocks("next_response")
        assert (clock.state, clock.due_at) == ("running", MONDAY + 4 * HOUR)
        story.triage(MONDAY + timedelta(minutes=55), "S5")
        story.write("public_reply", MONDAY + HOUR)
        story.triage(MONDAY + 2 * HOUR, "S3")  # what was answered meanwhile is not owed
        assert [each.state for each in story.clocks("next_response")] == ["cancelled"]
        assert wrong(database) == []

    def test_what_was_asked_before_it_was_promised_is_owed_from_then(self, database: Database) -> None:
        promise(database, S3={"resolve": (5, "business_days")})
        story = Story(database)
        story.write("public_reply", MONDAY)
        asked = story.write("inbound", MONDAY + HOUR)
        story.write("inbound", MONDAY + 2 * HOUR)
        assert story.clocks("next_response") == []
        promise(database, S1=TARGETS)
        story.triage(MONDAY + 3 * HOUR, "S1")
        (clock,) = story.clocks("next_response")
        assert (clock.subject_id, clock.started_at, clock.due_at) == (asked, MONDAY + HOUR, MONDAY + 5 * HOUR)
        assert story.clocks("first_response") == []  # it was answered
        assert wrong(database) == []


class TestMerged:
    def test_a_question_goes_on_in_the_survivor_and_comes_back(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY)
        asked = source.write("inbound", MONDAY + HOUR)
        join(source, survivor, MONDAY + 2 * HOUR)
        (clock,) = survivor.clocks("next_response")
        assert (clock.state, clock.subject_id, clock.due_at) == ("running", asked, MONDAY + 5 * HOUR)
        assert next_due(survivor) == MONDAY + 2 * HOUR  # the first response
        assert wrong(database) == []
        part(source, MONDAY + 3 * HOUR)
        assert [each.state for each in survivor.clocks("next_response")] == ["cancelled"]
        (clock,) = source.clocks("next_response")
        assert (clock.state, clock.due_at) == ("running", MONDAY + 6 * HOUR)  # the hour away is a wait
        assert wrong(database) == []

    def test_of_two_questions_the_older_one_counts(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY)
        source.write("inbound", MONDAY + HOUR)
        survivor.write("inbound", MONDAY + 2 * HOUR)
        join(source, survivor, MONDAY + 3 * HOUR)
        (clock,) = survivor.clocks("next_response")
        assert clock.started_at == MONDAY + HOUR
        part(source, MONDAY + 3 * HOUR)
        (clock,) = survivor.clocks("next_response")
        assert (clock.state, clock.started_at) == ("running", MONDAY + 2 * HOUR)
        assert wrong(database) == []

    def test_who_was_answered_in_the_duplicate_does_not_hurry_the_survivor(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + 3 * HOUR)
        source.write("public_reply", MONDAY + HOUR)
        join(source, survivor, MONDAY + 4 * HOUR)
        clock = survivor.clock("first_response")
        assert (clock.state, clock.started_at) == ("running", MONDAY + 3 * HOUR)


class TestSplit:
    @pytest.mark.parametrize("answered", [True, False])
    def test_what_was_answered_is_not_owed_again(self, database: Database, answered: bool) -> None:
        issues = [{"category": "DEL", "issue": "DEL.LATE"}, {"category": "BIL", "issue": "BIL.FEE"}]
        story = Story(database, issues=issues)
        if answered:
            story.write("public_reply", MONDAY + HOUR)
        with database.unit_of_work(SYSTEM, now=MONDAY + 90 * MINUTE) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, story.id)
            named = [queries.issues_of(uow.session, complaint.id)[1].id]
            given = {"issues": named, "subject": "The fee", "reason": "Two matters.", "silent": True}
            new_id = splitting.split(uow, SYSTEM, complaint, given)
        with Session(database.engine) as session:
            first = select(Clock).where(Clock.complaint_id == new_id, Clock.kind == "first_response")
            found = session.scalars(first).one_or_none()
        assert (found is None) == answered
        if found is not None:
            assert (found.started_at, found.due_at) == (MONDAY, MONDAY + 2 * HOUR)
        assert wrong(database) == []


class TestRemedies:
    def test_from_acceptance_to_delivery(
        self, program: Program, manager: Caller, agent: Caller, database: Database
    ) -> None:
        helpers.open_budget(manager)
        complaint = agent.post("/complaints", complaint_body()).json
        first = helpers.offered(agent, complaint)
        second = helpers.offered(agent, complaint, helpers.voucher("10.00"))
        assert "remedy_delivered" not in clocks_of(agent, complaint["reference"])
        for offer in (first, second):
            helpers.act(agent, offer, "accept", said_by="phone")
        listed = agent.get(f"/complaints/{complaint['reference']}/clocks").json["items"]
        waiting = {item["subject_id"]: item["state"] for item in listed if item["kind"] == "remedy_delivered"}
        assert waiting == {first["id"]: "running", second["id"]: "running"}
        assert wrong(database) == []
        helpers.perform(program)
        assert clocks_of(agent, complaint["reference"])["remedy_delivered"]["state"] == "running", (
            "nobody has the codes"
        )
        for offer in (first, second):
            helpers.act(agent, offer, "post_letter")
        listed = agent.get(f"/complaints/{complaint['reference']}/clocks").json["items"]
        assert {item["state"] for item in listed if item["kind"] == "remedy_delivered"} == {"met"}
        assert wrong(database) == []

    @pytest.mark.parametrize("came", [True, False])
    def test_what_is_sent_is_kept_when_it_came(
        self, manager: Caller, agent: Caller, database: Database, *, came: bool
    ) -> None:
        """Issued is not delivered: it may come back, and is not owed any more then."""
        helpers.open_budget(manager)
        complaint = agent.post("/complaints", complaint_body()).json
        offer = helpers.accepted(agent, complaint, helpers.voucher(kind="gift"))
        helpers.act(manager, offer, "record_issued", reference="parcel")
        assert clocks_of(agent, complaint["reference"])["remedy_delivered"]["state"] == "running"
        if came:
            helpers.act(agent, offer, "confirm_delivery", said_by="phone")
        else:
            helpers.act(manager, offer, "reverse", reason="It came back.")
        state = clocks_of(agent, complaint["reference"])["remedy_delivered"]["state"]
        assert state == ("met" if came else "cancelled")
        assert wrong(database) == []

    def test_it_is_owed_on_whatever_becomes_of_the_complaint(
        self, program: Program, manager: Caller, agent: Caller, senior: Caller, database: Database
    ) -> None:
        helpers.open_budget(manager)
        complaint = agent.post("/complaints", complaint_body()).json
        path = f"/complaints/{complaint['reference']}/actions"
        offer = helpers.accepted(agent, complaint)
        assert agent.post(f"{path}/withdraw", {"reason": "It came."}).status_code == 200
        assert clocks_of(agent, complaint["reference"])["remedy_delivered"]["state"] == "running"
        assert senior.post(f"{path}/reopen", {"reason": "It did not."}).status_code == 200
        clock = clocks_of(agent, complaint["reference"])["remedy_delivered"]
        assert (clock["state"], clock["round"], wrong(database)) == ("running", 1, [])
        helpers.perform(program)
        helpers.act(agent, offer, "post_letter")
        assert clocks_of(agent, complaint["reference"])["remedy_delivered"]["state"] == "met"

    def test_what_was_accepted_before_it_was_promised_is_owed_from_then(
        self, manager: Caller, agent: Caller, database: Database
    ) -> None:
        promise(database, S3={"resolve": (5, "business_days")}, S1=TARGETS)
        helpers.open_budget(manager)
        complaint = agent.post("/complaints", complaint_body()).json
        offer = helpers.accepted(agent, complaint)
        assert "remedy_delivered" not in clocks_of(agent, complaint["reference"])
        given = {"impact": 5, "urgency": 4, "category": "DEL", "issue": "DEL.LATE", "track": "investigate"}
        assert agent.post(f"/complaints/{complaint['reference']}/actions/triage", given).status_code == 200
        assert clocks_of(agent, complaint["reference"])["remedy_delivered"]["subject_id"] == offer["id"]
        assert wrong(database) == []
