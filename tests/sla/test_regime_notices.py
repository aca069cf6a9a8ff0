"""Notices that move a regulator's deadline, and the facts its clocks follow from, over the API.

How it can fail: a notice that is late by a second moves a deadline, or one moves it twice; it stays valid though a fact that is
recorded later shows that it came too late, or is lost when that fact is taken back; a fact is recorded by somebody who may not,
twice, or of a time that cannot be; a complainant is told of a window that nobody promised them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.regime_errors import DeadlinePassed, ExtensionUsed, NotExtensible
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller, Join, complaint_body
from tests.racing import at_once
from tests.sla.regulated import DAY, FINANCIAL, HOUSING, MORTGAGE, Regulated
from tests.sla.test_transitions import differences
from tests.sla.watching import MONDAY, act, clocks_of, wrong


class TestExtensions:
    def test_a_notice_moves_the_deadline_once(self, database: Database) -> None:
        story = Regulated(database, **MORTGAGE)
        before = story.clock("us.respa.respond")
        story.extend("us.respa.respond", MONDAY + 3 * DAY)
        clock = story.clock("us.respa.respond")
        assert (clock.target_amount, clock.extensions, clock.generation) == (45, 1, before.generation + 1)
        # 45 working days after Monday 2 March 2026: Monday 4 May, in summer time.
        assert clock.due_at == datetime(2026, 5, 5, 4, tzinfo=UTC)
        letter = story.clock("us.respa.respond/notice.1")
        assert (letter.state, letter.due_at, letter.stopped_at) == ("met", before.due_at, MONDAY + 3 * DAY)
        with pytest.raises(ExtensionUsed):
            story.extend("us.respa.respond", MONDAY + 4 * DAY)
        assert wrong(database) == []

    def test_late_by_a_second(self, database: Database) -> None:
        due = Regulated(database, **MORTGAGE).clock("us.respa.respond").due_at or MONDAY
        for at in (due, due + timedelta(seconds=1)):
            with pytest.raises(DeadlinePassed):
                Regulated(database, **MORTGAGE).extend("us.respa.respond", at)
        story = Regulated(database, **MORTGAGE)
        story.extend("us.respa.respond", due - timedelta(seconds=1))
        assert story.clock("us.respa.respond").due_at == datetime(2026, 5, 5, 4, tzinfo=UTC)
        assert 50 in story.rang("us.respa.respond")  # what had been due before is not swallowed
        assert wrong(database) == []

    def test_in_steps(self, database: Database) -> None:
        story = Regulated(database, jurisdiction="CN", sector="bank")
        for days in (30, 60):
            story.extend("cn.bank.15", MONDAY + DAY)
            assert story.clock("cn.bank.15").target_amount == days
        with pytest.raises(ExtensionUsed):
            story.extend("cn.bank.15", MONDAY + DAY)

    def test_what_cannot_be_moved(self, database: Database) -> None:
        story = Regulated(database, **MORTGAGE)
        for kind in ("us.respa.ack", "resolve"):
            with pytest.raises(NotExtensible):
                story.extend(kind, MONDAY + DAY)
        story.decided(MONDAY + DAY)
        with pytest.raises(NotExtensible):
            story.extend("us.respa.respond", MONDAY + 2 * DAY)

    def test_over_the_api(self, anonymous: Caller, agent: Caller, join: Join) -> None:
        taken = agent.post("/complaints", complaint_body(**MORTGAGE)).json
        clock = clocks_of(agent, taken["reference"])["us.respa.respond"]
        path = f"/complaints/{taken['reference']}/clocks/{clock['id']}/extensions"
        body = {"text": "We need fifteen more days.", "reason": "The servicer before us has the file."}
        assert anonymous.post(path, body).status_code == 401
        assert join("auditor", team_ids=[]).post(path, body).status_code == 403
        made = agent.post(path, body)
        assert made.status_code == 201, made.text
        assert made.json["old_due_at"] == clock["due_at"] < made.json["new_due_at"]
        assert agent.get(path).json["items"] == [made.json]
        messages = agent.get(f"/complaints/{taken['reference']}/messages").json["items"]
        assert [item["purpose"] for item in messages if item["id"] == made.json["message_id"]] == ["holding_letter"]
        told = agent.get(f"/complaints/{taken['reference']}/timeline?limit=200").json["items"]
        (extended,) = [item for item in told if item["type"] == "sla.deadline_extended"]
        assert extended["payload"]["changes"]["target_amount"] == [30, 45]
        assert agent.post(path, body).json["code"] == "extension_used"
        assert agent.get(f"/complaints/{taken['reference']}").json["next_due_at"] is not None

    def test_two_at_once(self, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**MORTGAGE)).json
        clock = clocks_of(agent, taken["reference"])["us.respa.respond"]
        path = f"/complaints/{taken['reference']}/clocks/{clock['id']}/extensions"
        body = {"text": "We need fifteen more days.", "reason": "The file."}
        answers = at_once(*[lambda: agent.post(path, body).status_code] * 2)
        assert sorted(answers) == [201, 409]


class TestCorrected:
    """What is known later of the start says which notices came in time, as if it had been known from the beginning."""

    S1: Final = "uk.housing.s1"
    LETTER: Final = "uk.housing.s1/notice.1"

    def extended(self, database: Database) -> Regulated:
        """Acknowledged, as far as one knows, on Monday the 16th, which makes stage 1 due with the 30th; the notice is of the 24th."""
        story = Regulated(database, **HOUSING)
        story.fact("acknowledgement_sent", MONDAY + 14 * DAY)
        story.extend(self.S1, MONDAY + 22 * DAY)
        return story

    def stands(self, story: Regulated, kind: str) -> tuple[Any, ...]:
        clock = story.clock(kind)
        return clock.state, clock.started_at, clock.due_at, clock.extensions, clock.target_amount

    def test_one_that_came_too_late_moves_nothing(self, database: Database) -> None:
        story, alone = self.extended(database), Regulated(database, **HOUSING)
        alone.fact("acknowledgement_sent", MONDAY + DAY)
        before = [self.stands(story, kind) for kind in (self.S1, self.LETTER)]
        right = story.fact("acknowledgement_sent", MONDAY + 23 * DAY, MONDAY + DAY)
        ring_due(database)
        assert self.stands(story, self.S1) == self.stands(alone, self.S1)
        assert (story.clock(self.S1).state, story.clock(self.S1).extensions) == ("breached", 0)
        assert story.clock(self.LETTER).state == "cancelled"
        assert (differences(database), wrong(database)) == ([], [])
        story.withdraw(right, MONDAY + 24 * DAY)
        assert [self.stands(story, kind) for kind in (self.S1, self.LETTER)] == before
        assert story.clock(self.LETTER).stopped_at == MONDAY + 22 * DAY
        assert (differences(database), wrong(database)) == ([], [])

    def test_one_in_time_by_another_start_too(self, database: Database) -> None:
        story, alone = self.extended(database), Regulated(database, **HOUSING)
        alone.fact("acknowledgement_sent", MONDAY + 10 * DAY)
        alone.extend(self.S1, MONDAY + 22 * DAY)
        story.fact("acknowledgement_sent", MONDAY + 23 * DAY, MONDAY + 10 * DAY)
        for kind in (self.S1, self.LETTER):
            assert self.stands(story, kind) == self.stands(alone, kind)
        assert (differences(database), wrong(database)) == ([], [])

    def test_of_a_receipt(self, database: Database) -> None:
        story = Regulated(database, MONDAY, **MORTGAGE)
        story.extend("us.respa.respond", MONDAY + 10 * DAY)
        story.fact("notice_of_error_received", MONDAY + 11 * DAY, MONDAY - 60 * DAY)
        assert (story.clock("us.respa.respond").extensions, story.clock("us.respa.respond").target_amount) == (0, 30)
        assert story.clock("us.respa.respond/notice.1").state == "cancelled"
        assert (differences(database), wrong(database)) == ([], [])

    def test_the_second_of_two(self, database: Database) -> None:
        """One that came after a deadline which the first had not moved is late too."""
        story = Regulated(database, jurisdiction="CN", sector="bank")
        story.extend("cn.bank.15", MONDAY + 14 * DAY)
        story.extend("cn.bank.15", MONDAY + 20 * DAY)
        earlier = story.fact("complaint_received", MONDAY + 21 * DAY, MONDAY - 2 * DAY)
        assert (story.clock("cn.bank.15").extensions, story.clock("cn.bank.15").target_amount) == (0, 15)
        assert {story.clock(f"cn.bank.15/notice.{number}").state for number in (1, 2)} == {"cancelled"}
        assert (differences(database), wrong(database)) == ([], [])
        story.withdraw(earlier, MONDAY + 22 * DAY)
        assert (story.clock("cn.bank.15").extensions, story.clock("cn.bank.15").target_amount) == (2, 60)
        assert {story.clock(f"cn.bank.15/notice.{number}").state for number in (1, 2)} == {"met"}
        assert story.clock("cn.bank.15/notice.2").due_at == datetime(2026, 4, 1, 16, tzinfo=UTC)
        assert (differences(database), wrong(database)) == ([], [])

    @pytest.mark.parametrize("ended", ["withdraw", "decided"])
    def test_of_what_is_over(self, database: Database, ended: str) -> None:
        story = self.extended(database)
        if ended == "withdraw":
            story.act("withdraw", MONDAY + 30 * DAY, reason="They gave up.")
        else:
            story.decided(MONDAY + 30 * DAY)
        assert story.clock(self.S1).state == ("cancelled" if ended == "withdraw" else "met")
        right = story.fact("acknowledgement_sent", MONDAY + 31 * DAY, MONDAY + DAY)
        assert (story.clock(self.S1).state, story.clock(self.S1).extensions) == ("breached", 0)
        assert story.clock(self.LETTER).state == "cancelled"
        assert (differences(database), wrong(database)) == ([], [])
        story.withdraw(right, MONDAY + 32 * DAY)
        assert story.clock(self.S1).state == ("cancelled" if ended == "withdraw" else "met")
        assert (story.clock(self.S1).extensions, story.clock(self.LETTER).state) == (1, "met")
        assert (differences(database), wrong(database)) == ([], [])

    def test_the_notice_of_an_earlier_round(self, database: Database) -> None:
        story = self.extended(database)
        story.act("withdraw", MONDAY + 25 * DAY, reason="They gave up.")
        story.act("reopen", MONDAY + 26 * DAY, reason="They did not.")
        right = story.fact("acknowledgement_sent", MONDAY + 31 * DAY, MONDAY + DAY)
        ring_due(database)
        assert (story.clock(self.S1, 2).state, story.clock(self.S1, 2).extensions) == ("breached", 0)
        assert story.clock(self.LETTER).state == "cancelled"
        assert (differences(database), wrong(database)) == ([], [])
        story.withdraw(right, MONDAY + 32 * DAY)
        assert (story.clock(self.S1, 2).extensions, story.clock(self.LETTER).state) == (1, "met")
        assert (differences(database), wrong(database)) == ([], [])

    def test_a_part_goes_on_with_the_notice_of_the_whole(self, database: Database) -> None:
        story = Regulated(database, **HOUSING, issues=[{"category": "DEL", "issue": "DEL.LATE"}] * 2)
        story.fact("acknowledgement_sent", MONDAY + 14 * DAY)
        story.extend(self.S1, MONDAY + 22 * DAY)
        new = story.split(MONDAY + 23 * DAY)
        before = self.stands(new, self.S1)
        new.fact("delay_letter_sent", MONDAY + 24 * DAY)
        assert self.stands(new, self.S1) == before
        assert wrong(database) == []

    def test_what_was_not_put_right_is_named(self, database: Database) -> None:
        story = self.extended(database)
        with database.engine.begin() as connection:
            given = "given_at = '2026-04-01T12:00:00Z', old_due_at = '2026-04-02T12:00:00Z'"
            connection.execute(text(f"UPDATE complaint_extension_notice SET {given}"))
        found = wrong(database)
        assert any(
            str(story.clock(self.S1).id) in item and "is extended by 1 notices, but 0 came in time" in item
            for item in found
        )


class TestFactsApi:
    def test_record_see_and_take_back(self, anonymous: Caller, agent: Caller, join: Join) -> None:
        taken = agent.post("/complaints", complaint_body(**HOUSING)).json
        path = f"/complaints/{taken['reference']}/regulatory-facts"
        body = {"kind": "escalation_requested", "note": "By telephone."}
        assert anonymous.post(path, body).status_code == 401
        assert join("auditor", team_ids=[]).post(path, body).status_code == 403
        made = agent.post(path, body)
        assert made.status_code == 201, made.text
        again = agent.post(path, body | {"at": made.json["at"]})
        assert (again.status_code, again.json["code"]) == (409, "fact_known")
        assert agent.post(path, body | {"at": "2999-01-01T00:00:00Z"}).status_code == 422
        assert agent.post(path, body | {"at": "1989-12-31T23:59:59Z"}).status_code == 422
        assert agent.post(path, {"kind": "anything"}).status_code == 422
        back = agent.post(f"{path}/{made.json['id']}/withdraw", {"reason": "Of another one."})
        assert back.json["withdrawn_because"] == "Of another one."
        twice = agent.post(f"{path}/{made.json['id']}/withdraw", {"reason": "Again."})
        assert (twice.status_code, twice.json["code"]) == (409, "fact_withdrawn")
        assert [item["id"] for item in agent.get(path).json["items"]] == [made.json["id"]]
        kinds = {item["kind"]: item["known_by"] for item in agent.get("/sla/regulatory-facts").json["items"]}
        assert kinds["escalation_requested"] == "people"

    def test_which_rules_and_why(self, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**MORTGAGE)).json
        path = f"/complaints/{taken['reference']}/regime"
        found = {item["rule"]["id"]: item for item in agent.get(path).json["items"]}
        assert (found["us.respa.ack"]["applies"], found["us.respa.ack"]["because"]) == (True, "always")
        assert (found["iso.10002.ack"]["applies"], found["iso.10002.ack"]["because"]) == (False, "off")
        body = {"rule_id": "us.respa.ack", "applies": False, "reason": "It is no notice of error."}
        decided = agent.post(f"{path}/decisions", body)
        assert decided.status_code == 200, decided.text
        found = {item["rule"]["id"]: item for item in decided.json["items"]}
        assert (found["us.respa.ack"]["because"], found["us.respa.ack"]["reason"]) == ("decided", body["reason"])
        assert clocks_of(agent, taken["reference"])["us.respa.ack"]["state"] == "cancelled"
        other = agent.post(f"{path}/decisions", body | {"rule_id": "uk.fca.src"})
        assert (other.status_code, other.json["code"]) == (409, "not_regulated")
        assert agent.post(f"{path}/decisions", body | {"rule_id": "nobody's"}).status_code == 422

    def test_a_complaint_without_a_jurisdiction_asks_nothing(self, agent: Caller, database: Database) -> None:
        taken = agent.post("/complaints", complaint_body()).json
        assert agent.get(f"/complaints/{taken['reference']}/regime").json["items"] == []
        made = agent.post(f"/complaints/{taken['reference']}/regulatory-facts", {"kind": "complaint_served"})
        assert made.status_code == 201
        edited = agent.patch(
            f"/complaints/{taken['reference']}", {"jurisdiction": "US", "sector": "telecom"}, if_match="*"
        )
        assert edited.status_code == 200, edited.text
        assert clocks_of(agent, taken["reference"])["us.fcc.30"]["started_at"] == made.json["at"][:19] + "Z"
        assert wrong(database) == []

    def test_a_merged_one_is_referred_to_its_survivor(self, senior: Caller) -> None:
        one, other = (senior.post("/complaints", complaint_body(**HOUSING)).json["reference"] for _ in range(2))
        body = {"into": other, "reason": "Written twice.", "other_complainant": True}
        assert senior.post(f"/complaints/{one}/merge", body).status_code == 201
        answer = senior.post(f"/complaints/{one}/regulatory-facts", {"kind": "escalation_requested"})
        assert (answer.status_code, answer.json["code"]) == (409, "complaint_merged")

    def test_acknowledged_at_once(self, agent: Caller) -> None:
        taken = agent.post("/complaints", complaint_body(**HOUSING, acknowledge=True)).json
        found = clocks_of(agent, taken["reference"])
        assert (found["uk.housing.ack"]["state"], found["uk.housing.s1"]["state"]) == ("met", "running")
        act(agent, taken["reference"], "withdraw", reason="x")
        assert clocks_of(agent, taken["reference"])["uk.housing.s1"]["state"] == "cancelled"


def test_a_complainant_is_told_of_promises_not_of_windows(agent: Caller, anonymous: Caller) -> None:
    taken = agent.post("/complaints", complaint_body(**FINANCIAL)).json
    given = {"reference": taken["reference"], "secret": taken["tracking_secret"]}
    token = anonymous.post("/public/tracking", given).json["token"]
    told = anonymous.get("/public/tracking/milestones", authorization=f"Tracking {token}").json["items"]
    dues = {item["due_at"] for item in told if item["kind"] == "regulator"}
    clocks = clocks_of(agent, taken["reference"])
    assert dues == {clocks["uk.fca.ack"]["due_at"], clocks["uk.fca.final"]["due_at"]}  # not the window of `uk.fca.src`
    assert {item["notice"] for item in told} == {None, "Information, not legal advice."}
