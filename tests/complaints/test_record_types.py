"""What comes in by the same door and is no complaint, and what becomes of it.

How it can fail: an inquiry gets clocks, or a complaint that was first taken for one gets none, or gets them from the
conversion on, which takes days from the complainant; a conversion away and back makes a second set of clocks, or revives
what was kept or broken; it throws away what was judged of the complaint, or leaves it standing where it means nothing; a
complaint with offers is made an inquiry and the money is forgotten; an agent who may not dismiss a complaint gets rid of
it by calling it something else, or the one it is about does; what is answered starts a follow-up; two convert at once;
the list hides what is no complaint, or cannot tell it apart.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError

from helpdesk.complaints import intake
from helpdesk.complaints.lifecycle import LIFECYCLE, PAIRED, RECORD_TYPES
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.permissions import ROLES
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.models import Clock
from helpdesk.verifying import violations
from tests.complaints.steps import GOOD, do, receive
from tests.conftest import Caller, Join, complaint_body
from tests.racing import behind_lock
from tests.recovery import helpers

OTHERS: Final = RECORD_TYPES[1:]
OF_OTHERS: Final = {
    "acknowledge",
    "ask_customer",
    "ask_third_party",
    "resume",
    "answer",
    "withdraw",
    "dismiss",
    "merge",
    "convert",
}
CFPB: Final = {"jurisdiction": "US", "sector": "financial"}
SENT: Final = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
"""When a regulator passed it on, which starts its clocks."""


def new(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def passed_on(caller: Caller, database: Database, record_type: str = "complaint") -> dict[str, Any]:
    """Through a regulator, as an import brings it."""
    received = (SENT - timedelta(hours=1)).isoformat()
    given = ComplaintIn().load(complaint_body(record_type=record_type, received_at=received, **CFPB))
    with database.unit_of_work(SYSTEM) as uow:
        complaint_id = intake.receive(uow, SYSTEM, given | {"clock_starts": {"complaint_sent_to_company": SENT}})
    return dict(caller.get(f"/complaints/{complaint_id}").json)


def act(caller: Caller, shown: dict[str, Any], action: str, **more: Any) -> Any:
    return caller.post(f"/complaints/{shown['reference']}/actions/{action}", GOOD[action] | more)


def convert(caller: Caller, shown: dict[str, Any], record_type: str) -> dict[str, Any]:
    answer = act(caller, shown, "convert", record_type=record_type)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def clocks_of(database: Database, complaint_id: str | UUID) -> dict[tuple[str, int], Clock]:
    with database.reader() as session:
        found = session.scalars(select(Clock).where(Clock.complaint_id == UUID(str(complaint_id)))).all()
        session.expunge_all()
    return {(clock.kind, clock.round): clock for clock in found}


def verified(database: Database) -> None:
    assert not list(violations(database, ["chain", "complaints", "clocks"]))


class TestIntake:
    @pytest.mark.parametrize("record_type", OTHERS)
    def test_has_a_simple_life_and_no_clocks(self, senior: Caller, database: Database, record_type: str) -> None:
        shown = new(senior, record_type=record_type, **CFPB)
        assert shown["record_type"] == record_type
        assert {item["action"] for item in shown["allowed_actions"]} == OF_OTHERS
        assert clocks_of(database, shown["id"]) == {}
        answered = act(senior, shown, "answer").json
        assert (answered["status"], answered["waiting_on"]) == ("resolved", "nobody")
        assert answered["acknowledged_at"] == answered["resolved_at"]
        assert {item["action"] for item in answered["allowed_actions"]} == {"reopen", "convert"}
        assert clocks_of(database, shown["id"]) == {}
        thread = senior.get(f"/complaints/{shown['reference']}/messages").json["items"]
        assert [(item["kind"], item["purpose"]) for item in thread] == [("public_reply", "answer")]
        again = act(senior, answered, "reopen").json
        assert (again["status"], again["double_deviation"], again["escalation_level"]) == ("received", False, 0)
        assert clocks_of(database, shown["id"]) == {}
        verified(database)

    def test_is_a_complaint_unless_it_says_otherwise(self, agent: Caller) -> None:
        assert new(agent)["record_type"] == "complaint"

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"record_type": "riddle"}, "/record_type"),
            ({"record_type": None}, "/record_type"),
            ({"record_type": "inquiry", "impact": 3, "urgency": 2}, "/impact"),
        ],
    )
    def test_bad(self, agent: Caller, more: dict[str, Any], pointer: str) -> None:
        answer = agent.post("/complaints", complaint_body(**more))
        assert answer.status_code == 422
        assert [item["pointer"] for item in answer.json["errors"]] == [pointer]

    def test_mails_call_it_what_it_is(self, agent: Caller, engine: Engine) -> None:
        shown = new(agent, record_type="suggestion")
        act(agent, shown, "acknowledge")
        with engine.connect() as connection:
            row = connection.execute(text("SELECT subject, body FROM outbound_mail")).one()
        assert row.subject == f"Your suggestion {shown['reference']}"
        assert "your suggestion" in row.body

    def test_list_shows_all_and_tells_them_apart(self, agent: Caller) -> None:
        made = {record_type: new(agent, record_type=record_type)["id"] for record_type in RECORD_TYPES}
        assert {item["record_type"] for item in agent.get("/complaints").json["items"]} == set(RECORD_TYPES)
        for record_type, made_id in made.items():
            page = agent.get(f"/complaints?record_type={record_type}&count=true").json
            assert ([item["id"] for item in page["items"]], page["total"]) == ([made_id], 1)
        assert agent.get("/complaints?record_type=riddle").status_code == 422


class TestActions:
    def test_of_complaints_are_none_of_others_and_the_other_way(self, senior: Caller) -> None:
        inquiry, complaint = new(senior, record_type="inquiry"), new(senior)
        for action in LIFECYCLE.actions:
            if LIFECYCLE.by_action(action).only is None or action == "convert" or action in PAIRED:
                continue
            which = complaint if action == "answer" else inquiry
            refused = act(senior, which, action)
            assert (refused.status_code, refused.json["code"]) == (409, "action_not_allowed"), action
            assert action not in {item["action"] for item in refused.json["allowed_actions"]}
        assert senior.get(f"/complaints/{inquiry['reference']}").json["version"] == 1

    def test_no_offer_on_what_is_no_complaint(self, agent: Caller) -> None:
        shown = new(agent, record_type="request")
        answer = agent.pay(f"/complaints/{shown['reference']}/offers", helpers.voucher("5.00"))
        assert (answer.status_code, answer.json["code"]) == (409, "complaint_takes_no_offers")

    def test_what_is_none_is_not_dismissed_for_being_none(self, senior: Caller) -> None:
        shown = new(senior, record_type="request")
        answer = act(senior, shown, "dismiss", reason_code="not_a_complaint")
        assert [item["pointer"] for item in answer.json["errors"]] == ["/reason_code"]
        assert act(senior, shown, "dismiss", reason_code="spam").status_code == 200

    def test_the_database_holds_it_too(self, database: Database, engine: Engine) -> None:
        inquiry = receive(database, record_type="inquiry")
        for change in ("status = 'investigated'", "outcome = 'upheld'", "offers_live = 1", "record_type = 'riddle'"):
            with pytest.raises(IntegrityError), engine.begin() as connection:
                connection.execute(text(f"UPDATE complaint SET {change} WHERE id = :id"), {"id": inquiry})


class TestConvert:
    def test_anonymous_role_and_the_stricter_right(self, anonymous: Caller, join: Join, agent: Caller) -> None:
        complaint, inquiry = new(agent), new(agent, record_type="inquiry")
        assert act(anonymous, complaint, "convert").status_code == 401
        assert act(join("auditor"), complaint, "convert").json["permission"] == "complaint:convert"
        refused = act(agent, complaint, "convert", record_type="inquiry")
        assert (refused.status_code, refused.json["permission"]) == (403, "complaint:dismiss")
        assert "convert" not in {item["action"] for item in complaint["allowed_actions"]}
        assert "convert" in {item["action"] for item in inquiry["allowed_actions"]}
        assert convert(agent, inquiry, "complaint")["record_type"] == "complaint"

    def test_who_may_say_that_a_complaint_is_none_may_dismiss_one(self) -> None:
        assert {name for name, held in ROLES.items() if {"complaint:convert", "complaint:dismiss"} <= held} == {
            "senior",
            "manager",
            "director",
            "admin",
        }

    def test_nobody_converts_a_complaint_about_themselves(self, senior: Caller, join: Join) -> None:
        shown = new(senior)
        colleague = join("senior")
        path = f"/complaints/{shown['reference']}/subjects"
        assert senior.post(path, {"agent_id": str(colleague.id)}).status_code == 201
        refused = act(colleague, shown, "convert")
        assert (refused.status_code, refused.json["code"]) == (403, "conflict_of_interest")

    def test_to_what_it_is_already(self, senior: Caller) -> None:
        answer = act(senior, new(senior), "convert", record_type="complaint")
        assert [item["code"] for item in answer.json["errors"]] == ["unchanged"]
        assert answer.json["errors"][0]["detail"] == "It is a complaint already."
        answer = act(senior, new(senior, record_type="inquiry"), "convert", record_type="inquiry")
        assert answer.json["errors"][0]["detail"] == "It is an inquiry already."

    def test_clocks_begin_at_receipt(self, agent: Caller, database: Database) -> None:
        """As if it had been known for what it is at once."""
        late = passed_on(agent, database, "inquiry")
        convert(agent, late, "complaint")
        known = passed_on(agent, database)
        mine, theirs = clocks_of(database, late["id"]), clocks_of(database, known["id"])
        assert mine.keys() == theirs.keys()
        assert len(mine) == 5
        for key, clock in mine.items():
            other = theirs[key]
            assert (clock.started_at, clock.due_at, clock.state) == (other.started_at, other.due_at, other.state)
        verified(database)

    def test_an_answered_inquiry_that_was_a_complaint(self, agent: Caller, database: Database) -> None:
        shown = new(agent, record_type="inquiry")
        act(agent, shown, "answer")
        back = convert(agent, shown, "complaint")
        assert (back["status"], back["waiting_on"], back["resolved_at"]) == ("received", "us", None)
        assert back["acknowledged_at"] is not None
        assert set(clocks_of(database, shown["id"])) == {("investigate", 1), ("resolve", 1)}
        assert act(agent, shown, "investigate").status_code == 200
        verified(database)

    def test_away_cancels_and_back_owes_the_same_again(self, senior: Caller, database: Database) -> None:
        shown = passed_on(senior, database)
        first = clocks_of(database, shown["id"])
        convert(senior, shown, "inquiry")
        assert {clock.state for clock in clocks_of(database, shown["id"]).values()} == {"cancelled"}
        assert all(clock.stopped_at for clock in clocks_of(database, shown["id"]).values())
        verified(database)
        convert(senior, shown, "complaint")
        again = clocks_of(database, shown["id"])
        assert again.keys() == first.keys()
        for key, clock in again.items():
            assert (clock.due_at, clock.started_at) == (first[key].due_at, first[key].started_at)
            assert (clock.state, clock.stopped_at) == ("running", None)
            assert clock.generation > first[key].generation
            assert clock.next_alarm_at is not None
        verified(database)

    def test_what_was_kept_or_broken_stays(self, senior: Caller, database: Database) -> None:
        long_ago = new(senior, received_at="2026-03-02T09:30:00Z")
        act(senior, long_ago, "acknowledge")
        fresh = new(senior)
        act(senior, fresh, "acknowledge")
        before = {shown["id"]: clocks_of(database, shown["id"]) for shown in (long_ago, fresh)}
        for shown in (long_ago, fresh):
            convert(senior, shown, "inquiry")
            convert(senior, shown, "complaint")
            after = clocks_of(database, shown["id"])
            assert after["acknowledge", 1].state == before[shown["id"]]["acknowledge", 1].state
            assert after["acknowledge", 1].stopped_at == before[shown["id"]]["acknowledge", 1].stopped_at
        assert before[fresh["id"]]["acknowledge", 1].state == "met"
        assert clocks_of(database, long_ago["id"])["resolve", 1].state == "breached"
        verified(database)

    def test_while_the_complainant_is_waited_for(self, senior: Caller, database: Database) -> None:
        shown = new(senior)
        act(senior, shown, "ask_customer")
        convert(senior, shown, "inquiry")
        back = convert(senior, shown, "complaint")
        assert back["waiting_on"] == "customer"
        assert {clock.state for clock in clocks_of(database, shown["id"]).values() if clock.pausable} == {"paused"}
        act(senior, shown, "resume")
        assert {clock.state for clock in clocks_of(database, shown["id"]).values()} == {"running"}
        verified(database)

    def test_in_a_later_round(self, senior: Caller, database: Database) -> None:
        shown = passed_on(senior, database)
        act(senior, shown, "withdraw")
        act(senior, shown, "reopen")
        convert(senior, shown, "inquiry")
        act(senior, shown, "answer")
        act(senior, shown, "reopen")
        convert(senior, shown, "complaint")
        states = {(kind, round_): clock.state for (kind, round_), clock in clocks_of(database, shown["id"]).items()}
        assert {state for (_, round_), state in states.items() if round_ < 3} == {"cancelled"}
        assert {kind for kind, round_ in states if round_ == 3} >= {"investigate", "resolve"}
        rules = [clock for clock in clocks_of(database, shown["id"]).values() if clock.rule_id and clock.round == 3]
        assert [clock.started_at for clock in rules] == [SENT, SENT]
        verified(database)

    def test_what_was_judged_is_history_and_does_not_stand(self, senior: Caller, database: Database) -> None:
        shown = new(senior)
        act(senior, shown, "triage")
        act(senior, shown, "investigate")
        other = convert(senior, shown, "suggestion")
        assert (other["status"], other["reference"]) == ("received", shown["reference"])
        assert [other[name] for name in ("fault", "root_cause", "contributing_causes", "outcome", "track")] == [
            None
        ] * 5
        timeline = senior.get(f"/complaints/{shown['reference']}/timeline?limit=200").json["items"]
        told = next(item for item in timeline if item["type"] == "complaint.converted")["payload"]
        assert told["changes"]["record_type"] == ["complaint", "suggestion"]
        assert told["changes"]["fault"] == ["firm", None]
        assert told["changes"]["status"] == ["investigated", "received"]
        back = convert(senior, shown, "complaint")
        assert act(senior, shown, "resolve").status_code == 409  # what was found has to be found again
        assert back["status"] == "received"
        verified(database)

    def test_not_with_offers_on_it(self, senior: Caller, manager: Caller) -> None:
        helpers.open_budget(manager)
        shown = new(senior)
        offer = helpers.draft(senior, shown, helpers.voucher("5.00"))
        listed = {
            item["action"]: item for item in senior.get(f"/complaints/{shown['reference']}").json["allowed_actions"]
        }
        assert [need["code"] for need in listed["convert"]["missing"]] == ["offers_live"]
        refused = act(senior, shown, "convert", record_type="inquiry")
        assert (refused.status_code, refused.json["missing"][0]["code"]) == (409, "offers_live")
        helpers.act(senior, offer, "withdraw")
        assert convert(senior, shown, "inquiry")["record_type"] == "inquiry"

    def test_a_decided_complaint_is_reopened_first(self, senior: Caller) -> None:
        shown = new(senior)
        act(senior, shown, "investigate")
        decided = act(senior, shown, "resolve").json
        assert "convert" not in {item["action"] for item in decided["allowed_actions"]}
        assert act(senior, shown, "convert").status_code == 409

    def test_two_at_once(self, senior: Caller, app: Any, engine: Engine, database: Database) -> None:
        shown = new(senior)
        callers = [Caller(app.test_client(), senior.actor, senior.token) for _ in range(2)]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE",
            *(lambda caller=caller: act(caller, shown, "convert", record_type="inquiry") for caller in callers),
            id=shown["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        verified(database)

    def test_through_every_type(self, database: Database) -> None:
        complaint_id = receive(database)
        for record_type in (*OTHERS, "complaint", *reversed(OTHERS), "complaint"):
            assert do(database, complaint_id, "convert", record_type=record_type).record_type == record_type
        assert {clock.state for clock in clocks_of(database, complaint_id).values()} == {"running"}
        verified(database)
