"""The whole grid of states and actions, and everything that is read off the lifecycle table.

How it can fail: a move that the table does not hold happens; a refused one leaves something behind; a legal one is
written twice or not at all; a requirement is not looked at, or looks at the wrong fact; the lists beside the table
(bodies, events, effects) drift away from it.
"""

import random
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import pytest
from marshmallow import ValidationError
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from helpdesk.complaints import acts, verification
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.events import BY_ACTION
from helpdesk.complaints.lifecycle import CLOSED, LIFECYCLE, MAX_LEVEL, OPEN, PAIRED
from helpdesk.complaints.models import Complaint, Issue, Message, TransitionRow
from helpdesk.kernel.errors import ActionNotAllowed, Forbidden, ValidationFailed
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.steps import FIRST, GOOD, OF_AN_INQUIRY, WAY_TO, brought_to, do, receive
from tests.conftest import Join

ANY_TIME: Final = {"refer_externally"}
WHILE_OPEN: Final = ANY_TIME | {
    "ask_customer",
    "ask_third_party",
    "resume",
    "withdraw",
    "dismiss",
    "merge",
    "escalate",
    "de_escalate",
    "set_severity",
}
MOVES: Final[dict[str, set[str]]] = {
    "received": WHILE_OPEN | {"acknowledge", "triage", "investigate", "resolve_on_the_spot", "convert"},
    "investigated": WHILE_OPEN | {"resolve", "convert"},
    "resolved": ANY_TIME | {"follow_up", "reopen"},
    "followed_up": ANY_TIME | {"reopen"},
    "withdrawn": ANY_TIME | {"reopen"},
    "dismissed": ANY_TIME | {"reopen"},
}
"""What is possible from where with a complaint that was never merged, written down once more from the design, not read off the table. Of what
is none, `test_record_types` tells.
"""

_OTHERS_OPEN: Final = {"ask_customer", "ask_third_party", "resume", "withdraw", "dismiss", "merge"}
OTHER_MOVES: Final[dict[str, set[str]]] = {
    "received": _OTHERS_OPEN | {"acknowledge", "answer", "convert"},
    "resolved": {"reopen", "convert"},
    "withdrawn": {"reopen"},
    "dismissed": {"reopen"},
}
"""The same with what is no complaint."""

LEADS_TO: Final = {
    "investigate": "investigated",
    "resolve": "resolved",
    "resolve_on_the_spot": "resolved",
    "follow_up": "followed_up",
    "reopen": "received",
    "convert": "received",
    "answer": "resolved",
    "withdraw": "withdrawn",
    "dismiss": "dismissed",
    "merge": "dismissed",
}
ALONE: Final = [action for action in LIFECYCLE.actions if action not in PAIRED]
"""Acts on one complaint; what takes two is done in `test_merging`."""
GRID: Final = [(state, action) for state in LIFECYCLE.states for action in LIFECYCLE.actions]
EVERYTHING: Final = ("complaint", "complaint_transition", "complaint_message", "complaint_issue", "event", "duty")


def ready(**more: Any) -> SimpleNamespace:
    """The facts of a complaint that lacks nothing for any action."""
    facts = {
        "record_type": "complaint",
        "status": "received",
        "acknowledged_at": None,
        "waiting_on": "customer",
        "severity": "S3",
        "issue_count": 1,
        "vulnerable": False,
        "safety": False,
        "regulator": False,
        "offers_live": 0,
        "offers_minor": 0,
        "currency": "EUR",
        "authority": "agent",
        "offers_drafted": 0,
        "remedies_undelivered": 0,
        "escalation_level": 1,
        "merged_into_id": None,
        "children_open": 0,
    }
    return SimpleNamespace(**(facts | more))


def anybody(_permission: str) -> bool:
    return True


def nobody(_permission: str) -> bool:
    return False


def codes(action: str, row: Any) -> list[str]:
    return [need["code"] for need in LIFECYCLE.by_action(action).missing(row)]


class TestTable:
    @pytest.mark.parametrize(("state", "action"), GRID)
    def test_grid(self, state: str, action: str) -> None:
        row = ready(status=state)
        if action in MOVES[state]:
            step = LIFECYCLE.transition(action, state, row, anybody)
            assert step.leads_to(state) == {LEADS_TO.get(action, state)}
            return
        with pytest.raises(ActionNotAllowed) as refused:
            LIFECYCLE.transition(action, state, row, anybody)
        extra = refused.value.extra
        assert (extra["state"], extra["action"]) == (state, action)
        assert {item["action"] for item in extra["allowed_actions"]} == MOVES[state]

    @pytest.mark.parametrize("state", LIFECYCLE.states)
    def test_a_merged_one_leads_back_to_where_it_was(self, state: str) -> None:
        row = ready(status=state, merged_into_id=1)
        if state == "dismissed":
            assert LIFECYCLE.transition("unmerge", state, row, anybody).leads_to(state) == OPEN
            listed = {item["action"]: item["missing"] for item in LIFECYCLE.allowed(state, row, anybody)}
            assert listed.keys() == {"unmerge", "reopen", "refer_externally"}
            assert [need["code"] for need in listed["reopen"] + listed["refer_externally"]] == ["merged", "merged"]
            return
        with pytest.raises(ActionNotAllowed):
            LIFECYCLE.transition("unmerge", state, row, anybody)

    def test_grid_knows_every_state_and_action(self) -> None:
        assert set(MOVES) == set(LIFECYCLE.states) == OPEN | CLOSED
        assert set().union(*MOVES.values()) | {"answer", "unmerge"} == set(LIFECYCLE.actions)
        assert not OPEN & CLOSED

    def test_every_action_has_a_body_an_event_and_an_effect(self) -> None:
        assert set(BODIES) == set(BY_ACTION) == set(acts._EFFECTS) == set(LIFECYCLE.actions)

    @pytest.mark.parametrize("action", LIFECYCLE.actions)
    def test_supplies_are_the_bodys_required_fields(self, action: str) -> None:
        required = {name for name, field in BODIES[action]().load_fields.items() if field.required}
        assert set(LIFECYCLE.by_action(action).supplies) == required

    @pytest.mark.parametrize("action", LIFECYCLE.actions)
    def test_each_supplied_field_is_needed(self, action: str) -> None:
        schema = BODIES[action]()
        schema.load(GOOD[action])
        for name in LIFECYCLE.by_action(action).supplies:
            without = {key: value for key, value in GOOD[action].items() if key != name}
            with pytest.raises(ValidationError) as refused:
                schema.load(without)
            assert name in refused.value.messages_dict

    def test_allowed_actions_need_the_permission(self) -> None:
        assert LIFECYCLE.allowed("received", ready(), nobody) == []
        escalating = LIFECYCLE.allowed("received", ready(), lambda permission: permission == "complaint:escalate")
        assert [item["action"] for item in escalating] == ["escalate", "de_escalate"]

    def test_allowed_actions_are_in_the_tables_order(self) -> None:
        for state in LIFECYCLE.states:
            names = [item["action"] for item in LIFECYCLE.allowed(state, ready(status=state), anybody)]
            assert names == [action for action in LIFECYCLE.actions if action in MOVES[state]]


class TestRequirements:
    @pytest.mark.parametrize(
        ("action", "code", "facts"),
        [
            ("acknowledge", "already_acknowledged", {"acknowledged_at": "2026-03-02"}),
            ("resume", "not_waiting", {"waiting_on": "us"}),
            ("resume", "not_waiting", {"waiting_on": "nobody"}),
            ("resolve_on_the_spot", "too_severe", {"severity": "S1"}),
            ("resolve_on_the_spot", "too_severe", {"severity": "S2"}),
            ("resolve_on_the_spot", "several_issues", {"issue_count": 2}),
            ("resolve_on_the_spot", "several_issues", {"issue_count": 0}),
            ("resolve_on_the_spot", "vulnerable", {"vulnerable": True}),
            ("resolve_on_the_spot", "safety", {"safety": True}),
            ("resolve_on_the_spot", "regulator", {"regulator": True}),
            ("resolve_on_the_spot", "amount_beyond_authority", {"offers_minor": 5001}),
            ("resolve_on_the_spot", "amount_beyond_authority", {"offers_minor": 51, "currency": "JPY"}),
            ("resolve_on_the_spot", "amount_beyond_authority", {"offers_minor": 1, "authority": None}),
            ("resolve_on_the_spot", "offer_not_approved", {"offers_drafted": 1}),
            ("follow_up", "remedy_undelivered", {"remedies_undelivered": 1}),
            ("merge", "remedies_unsettled", {"remedies_undelivered": 1}),
            ("reopen", "merged", {"merged_into_id": 1}),
            ("escalate", "highest_level", {"escalation_level": MAX_LEVEL}),
            ("de_escalate", "lowest_level", {"escalation_level": 0}),
        ],
    )
    def test_missing_fact_is_named_and_refused(self, action: str, code: str, facts: dict[str, Any]) -> None:
        assert codes(action, ready()) == []
        assert codes(action, ready(**facts)) == [code]
        state = next(state for state in LIFECYCLE.states if action in MOVES[state])
        with pytest.raises(ActionNotAllowed) as refused:
            LIFECYCLE.transition(action, state, ready(**facts), anybody)
        assert [need["code"] for need in refused.value.extra["missing"]] == [code]
        listed = {item["action"]: item["missing"] for item in refused.value.extra["allowed_actions"]}
        assert [need["code"] for need in listed[action]] == [code]

    @pytest.mark.parametrize("facts", [{"waiting_on": "third_party"}, {"waiting_on": "customer"}])
    def test_resume_from_either_waiting(self, facts: dict[str, Any]) -> None:
        assert codes("resume", ready(**facts)) == []

    @pytest.mark.parametrize("severity", ["S3", "S4", "S5"])
    def test_on_the_spot_for_the_mild(self, severity: str) -> None:
        assert codes("resolve_on_the_spot", ready(severity=severity)) == []

    @pytest.mark.parametrize(
        ("more", "named"),
        [
            ({"impact": 5, "urgency": 4}, {"too_severe"}),
            ({"channel": "REGULATOR"}, {"too_severe", "regulator"}),
            ({"channel": "OMBUDSMAN"}, {"too_severe", "regulator"}),
            ({"needs": [{"flag": "hearing", "consent": True}]}, {"vulnerable"}),
            ({"issues": [{"category": "PRD", "issue": "PRD.SAFETY"}]}, {"too_severe", "safety"}),
            ({"issues": [{"category": "DEL"}, {"category": "PRD"}]}, {"several_issues"}),
        ],
    )
    def test_flags_of_real_complaints_forbid_the_spot(
        self, database: Database, more: dict[str, Any], named: set[str]
    ) -> None:
        complaint_id = receive(database, **more)
        with pytest.raises(ActionNotAllowed) as refused:
            do(database, complaint_id, "resolve_on_the_spot")
        assert {need["code"] for need in refused.value.extra["missing"]} == named


def everything(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table that an act could touch, as text."""
    with engine.connect() as connection:
        return {
            name: list(connection.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1")).scalars())
            for name in (*EVERYTHING, "outbound_mail", "sla_clock")
        }


class TestDoor:
    """`acts.act` on a real database: the same grid, with what is written."""

    @pytest.mark.parametrize("state", LIFECYCLE.states)
    def test_grid(self, database: Database, engine: Engine, state: str) -> None:
        for action in ALONE:
            complaint_id = brought_to(database, state, ready_for=action)
            if action in MOVES[state] or (state, action) in OF_AN_INQUIRY:
                self._moves(database, complaint_id, state, action)
            else:
                self._refused(database, engine, complaint_id, state, action)

    def _moves(self, database: Database, complaint_id: UUID, state: str, action: str) -> None:
        with database.reader() as session:
            before = session.get_one(Complaint, complaint_id)
            steps, events, version = _steps(session, complaint_id), _acts(session, complaint_id), before.version
        after = do(database, complaint_id, action)
        target = LEADS_TO.get(action, state)
        assert after.status == target, (state, action)
        with database.reader() as session:
            row = session.get_one(Complaint, complaint_id)
            assert (row.status, row.version) == (target, version + 1)
            assert _steps(session, complaint_id) == [*steps, (len(steps) + 1, action, state, target)]
            assert _acts(session, complaint_id) == [*events, BY_ACTION[action].type]

    def _refused(self, database: Database, engine: Engine, complaint_id: UUID, state: str, action: str) -> None:
        before = everything(engine)
        with pytest.raises(ActionNotAllowed) as refused:
            do(database, complaint_id, action)
        assert {item["action"] for item in refused.value.extra["allowed_actions"]} == MOVES[state], (state, action)
        assert everything(engine) == before, (state, action)

    def test_without_the_permission_nothing_is_written(self, database: Database, engine: Engine, join: Join) -> None:
        auditor = join("auditor").actor
        complaint_id = receive(database)
        before = everything(engine)
        for action in LIFECYCLE.actions:
            with pytest.raises(Forbidden) as refused:
                do(database, complaint_id, action, actor=auditor)
            assert refused.value.extra["permission"] == LIFECYCLE.by_action(action).permission
        assert everything(engine) == before

    def test_a_body_that_does_not_fit_the_row_writes_nothing(self, database: Database, engine: Engine) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        before = everything(engine)
        with pytest.raises(ValidationFailed) as refused:
            do(database, complaint_id, "investigate")
        assert refused.value.errors[0]["pointer"] == "/findings/0/issue_id"
        assert everything(engine) == before

    def test_a_random_life_replays(self, database: Database) -> None:
        """Whatever is tried in whatever order, the model and the rows agree, and history leads to the present."""
        chance = random.Random(20_260_302)
        model = {receive(database): "received" for _ in range(4)}
        others: set[UUID] = set()
        """What is no complaint at the moment."""
        refused: list[tuple[bool, str, list[dict[str, str]]]] = []
        for _ in range(120):
            complaint_id = chance.choice(list(model))
            action = chance.choice(ALONE)
            more: dict[str, Any] = (
                {"record_type": "complaint" if complaint_id in others else "inquiry"} if action == "convert" else {}
            )
            try:
                after = do(database, complaint_id, action, **more)
            except ActionNotAllowed as error:
                possible = (OTHER_MOVES if complaint_id in others else MOVES)[model[complaint_id]]
                refused.append((action in possible, action, error.extra["missing"]))
                continue
            state = model[complaint_id]
            assert action in (OTHER_MOVES if complaint_id in others else MOVES)[state]
            others ^= {complaint_id} if action == "convert" else set()
            model[complaint_id] = LEADS_TO.get(action, model[complaint_id])
            assert after.status == model[complaint_id]
        assert [action for possible, action, missing in refused if possible and not missing] == []
        with database.snapshot() as session:
            assert [found for check in verification.CHECKS for found in check(session)] == []
            assert [found for check in verification.CHAIN_CHECKS for found in check(session)] == []


def _steps(session: Any, complaint_id: UUID) -> list[tuple[int, str, str, str]]:
    rows = session.execute(
        select(TransitionRow.number, TransitionRow.action, TransitionRow.from_status, TransitionRow.to_status)
        .where(TransitionRow.complaint_id == complaint_id)
        .order_by(TransitionRow.number)
    )
    return [tuple(row) for row in rows]


def _acts(session: Any, complaint_id: UUID) -> list[str]:
    kinds = {event.type for event in BY_ACTION.values()}
    rows = session.scalars(select(EventRow).where(EventRow.stream_id == complaint_id).order_by(EventRow.stream_seq))
    return [row.type for row in rows if row.type in kinds]


def each(database: Database, model: Any, complaint_id: UUID, order: Any) -> list[Any]:
    """A complaint's rows of one kind."""
    with database.reader() as session:
        return list(session.scalars(select(model).where(model.complaint_id == complaint_id).order_by(order)))


def only(database: Database, model: Any, complaint_id: UUID) -> Any:
    [row] = each(database, model, complaint_id, model.id)
    return row


def issue_ids(database: Database, complaint_id: UUID) -> list[UUID]:
    return [issue.id for issue in each(database, Issue, complaint_id, Issue.position)]


def _set(engine: Engine, complaint_id: UUID, assignment: str) -> None:
    """What another domain would have written."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE complaint SET {assignment} WHERE id = :id").bindparams(id=complaint_id))


class TestEffects:
    """What each action does to the row, beside the state."""

    def test_acknowledge_writes_to_the_complainant_once(self, database: Database) -> None:
        complaint_id = receive(database)
        row = do(database, complaint_id, "acknowledge")
        assert row.acknowledged_at is not None
        message = only(database, Message, complaint_id)
        assert (message.kind, message.purpose, message.channel) == ("public_reply", "acknowledgement", "EMAIL")
        assert row.reference in message.body
        with pytest.raises(ActionNotAllowed):
            do(database, complaint_id, "acknowledge")

    def test_acknowledge_in_own_words(self, database: Database) -> None:
        complaint_id = receive(database)
        do(database, complaint_id, "acknowledge", text="谢谢! 我们正在处理。")
        assert only(database, Message, complaint_id).body == "谢谢! 我们正在处理。"

    def test_triage_judges(self, database: Database) -> None:
        complaint_id = receive(database)
        row = do(database, complaint_id, "triage", impact=5, urgency=4, category="PRD", issue="PRD.SAFETY")
        assert (row.severity, row.impact, row.urgency, row.track, row.safety) == ("S1", 5, 4, "investigate", True)
        issue = only(database, Issue, complaint_id)
        assert (issue.category, issue.issue) == ("PRD", "PRD.SAFETY")
        again = do(database, complaint_id, "triage", impact=1, urgency=1)
        assert (again.severity, again.safety) == ("S5", False)

    def test_triage_refuses_an_issue_of_another_category(self) -> None:
        with pytest.raises(ValidationError) as refused:
            BODIES["triage"]().load(GOOD["triage"] | {"category": "PRD"})
        assert "issue" in refused.value.messages_dict

    def test_waiting_and_resuming(self, database: Database) -> None:
        complaint_id = receive(database)
        assert do(database, complaint_id, "ask_customer").waiting_on == "customer"
        assert do(database, complaint_id, "ask_third_party").waiting_on == "third_party"
        assert do(database, complaint_id, "resume").waiting_on == "us"
        assert do(database, complaint_id, "ask_customer").waiting_on == "customer"
        assert do(database, complaint_id, "investigate").waiting_on == "us"
        said = each(database, Message, complaint_id, order=Message.id)
        assert [(message.kind, message.purpose) for message in said] == [
            ("public_reply", "question"),
            ("internal_note", "third_party"),
            ("public_reply", "question"),
        ]

    def test_investigate_writes_findings_to_their_issues(self, database: Database) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        first, second = issue_ids(database, complaint_id)
        row = do(
            database,
            complaint_id,
            "investigate",
            findings=[
                {"issue_id": str(second), "finding": "Broken", "evidence": "Photo", "cause": "RC.COMMS"},
                {"issue_id": str(first), "finding": "Late", "no_evidence_reason": "The log is gone."},
            ],
            contributing_causes=["RC.COMMS"],
        )
        assert (row.fault, row.root_cause, row.contributing_causes) == ("firm", "RC.HAND", ["RC.COMMS"])
        issues = each(database, Issue, complaint_id, order=Issue.position)
        found = [(issue.finding, issue.evidence, issue.no_evidence_reason, issue.cause) for issue in issues]
        assert found == [("Late", None, "The log is gone.", "RC.HAND"), ("Broken", "Photo", None, "RC.COMMS")]

    @pytest.mark.parametrize("places", [(0,), (0, 0), (0, 1, 1), ()])
    def test_every_issue_needs_exactly_one_finding(self, database: Database, places: tuple[int, ...]) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        ids = issue_ids(database, complaint_id)
        findings = [{"issue_id": str(ids[place]), "finding": "x", "evidence": "y"} for place in places]
        with pytest.raises(ValidationFailed if places else ValidationError):
            do(database, complaint_id, "investigate", findings=findings)

    def test_findings_of_another_complaints_issue_are_refused(self, database: Database) -> None:
        [foreign] = issue_ids(database, receive(database))
        item = {"issue_id": str(foreign), "finding": "x", "evidence": "y"}
        with pytest.raises(ValidationFailed):
            do(database, receive(database), "investigate", findings=[item])

    def test_findings_need_evidence_or_the_reason_for_none(self) -> None:
        with pytest.raises(ValidationError):
            BODIES["investigate"]().load(GOOD["investigate"] | {"findings": [{"finding": "x"}]})

    @pytest.mark.parametrize(
        ("outcomes", "whole"),
        [
            (("upheld", "upheld"), "upheld"),
            (("upheld", "not_upheld"), "partly_upheld"),
            (("not_upheld", "not_upheld"), "not_upheld"),
            (("not_upheld", "partly_upheld"), "partly_upheld"),
        ],
    )
    def test_outcome_of_the_case_follows_from_its_issues(
        self, database: Database, outcomes: tuple[str, str], whole: str
    ) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        ids = issue_ids(database, complaint_id)
        findings = [{"issue_id": str(item), "finding": "x", "evidence": "y"} for item in ids]
        do(database, complaint_id, "investigate", findings=findings)
        decided = [{"issue_id": str(item), "outcome": word} for item, word in zip(ids, outcomes, strict=True)]
        row = do(database, complaint_id, "resolve", outcomes=decided)
        assert (row.outcome, row.waiting_on) == (whole, "nobody")
        assert row.resolved_at is not None

    def test_resolve_sends_the_whole_letter(self, database: Database) -> None:
        complaint_id = brought_to(database, "investigated")
        do(database, complaint_id, "resolve")
        message = only(database, Message, complaint_id)
        assert message.purpose == "decision_letter"
        assert message.body.split("\n\n") == [
            GOOD["resolve"]["letter"][part] for part in ("finding", "reasons", "remedy", "next_stage")
        ]

    def test_resolve_without_offer_needs_the_reason(self, database: Database, engine: Engine) -> None:
        complaint_id = brought_to(database, "investigated")
        before = everything(engine)
        with pytest.raises(ValidationFailed) as refused:
            do(database, complaint_id, "resolve", remedy={})
        assert refused.value.errors[0]["pointer"] == "/remedy/none_because"
        assert everything(engine) == before
        _set(engine, complaint_id, "offers_live = 1, offers_drafted = 1, remedies_undelivered = 1")
        for remedy, code in (({}, "offer_not_approved"), ({"none_because": "They want none."}, "offers_live")):
            with pytest.raises(ValidationFailed) as refused:
                do(database, complaint_id, "resolve", remedy=remedy)
            assert refused.value.errors[0]["code"] == code
        _set(engine, complaint_id, "offers_drafted = 0, offers_approved = 1")
        assert do(database, complaint_id, "resolve", remedy={}).status == "resolved"

    def test_a_reopened_complaint_needs_another_remedy_decision(self, database: Database, engine: Engine) -> None:
        complaint_id = brought_to(database, "investigated")
        _set(engine, complaint_id, "offers_live = 1, offers_approved = 1")
        do(database, complaint_id, "resolve", remedy={})
        do(database, complaint_id, "reopen")
        do(database, complaint_id, "investigate")
        with pytest.raises(ValidationFailed) as refused:
            do(database, complaint_id, "resolve", remedy={})
        assert refused.value.errors[0]["pointer"] == "/remedy/none_because"
        stands = do(database, complaint_id, "resolve", remedy={"none_because": "The first voucher stands."})
        assert stands.no_remedy_reason == "The first voucher stands."

    def test_on_the_spot_is_acknowledgement_and_answer(self, database: Database) -> None:
        row = do(database, receive(database), "resolve_on_the_spot")
        assert row.acknowledged_at == row.resolved_at is not None
        assert (row.fault, row.outcome, row.waiting_on) == ("firm", "upheld", "nobody")

    def test_on_the_spot_needs_the_complainants_acceptance(self) -> None:
        with pytest.raises(ValidationError):
            BODIES["resolve_on_the_spot"]().load(GOOD["resolve_on_the_spot"] | {"accepted_by_complainant": False})

    @pytest.mark.parametrize("state", sorted(CLOSED))
    def test_reopen_is_a_double_deviation(self, database: Database, state: str) -> None:
        complaint_id = brought_to(database, state)
        row = do(database, complaint_id, "reopen")
        assert (row.double_deviation, row.escalation_level, row.waiting_on) == (True, 1, "us")
        assert (row.outcome, row.dismissal, row.resolved_at, row.followed_up_at) == (None, None, None, None)
        assert only(database, Issue, complaint_id).outcome is None

    def test_reopen_at_the_highest_level_stays_there(self, database: Database) -> None:
        complaint_id = receive(database)
        for _ in range(MAX_LEVEL):
            do(database, complaint_id, "escalate")
        do(database, complaint_id, "withdraw")
        assert do(database, complaint_id, "reopen").escalation_level == MAX_LEVEL

    def test_levels_go_up_and_down_and_no_further(self, database: Database) -> None:
        complaint_id = receive(database)
        with pytest.raises(ActionNotAllowed):
            do(database, complaint_id, "de_escalate")
        for level in range(1, MAX_LEVEL + 1):
            assert do(database, complaint_id, "escalate").escalation_level == level
        with pytest.raises(ActionNotAllowed):
            do(database, complaint_id, "escalate")
        assert do(database, complaint_id, "de_escalate").escalation_level == MAX_LEVEL - 1

    def test_dismissal_keeps_its_reason(self, database: Database) -> None:
        row = do(database, receive(database), "dismiss", reason_code="spam")
        assert (row.dismissal, row.waiting_on) == ("spam", "nobody")

    def test_a_duplicate_ends_through_a_merge_only(self) -> None:
        with pytest.raises(ValidationError):
            BODIES["dismiss"]().load({"reason_code": "duplicate"})

    @pytest.mark.parametrize("state", LIFECYCLE.states)
    def test_refer_from_anywhere(self, database: Database, state: str) -> None:
        row = do(database, brought_to(database, state), "refer_externally")
        assert (row.stage, row.status) == ("external", state)

    def test_follow_up_waits_for_the_remedy(self, database: Database, engine: Engine) -> None:
        complaint_id = brought_to(database, "resolved")
        _set(engine, complaint_id, "offers_live = 1, offers_approved = 1, remedies_undelivered = 1")
        with pytest.raises(ActionNotAllowed) as refused:
            do(database, complaint_id, "follow_up")
        assert refused.value.extra["missing"][0]["code"] == "remedy_undelivered"
        _set(engine, complaint_id, "remedies_undelivered = 0")
        row = do(database, complaint_id, "follow_up", note="They are content.")
        assert row.followed_up_at is not None

    def test_what_was_given_is_kept(self, database: Database) -> None:
        complaint_id = receive(database)
        do(database, complaint_id, "withdraw", reason="Gefunden — 找到了")
        step = only(database, TransitionRow, complaint_id)
        with database.reader() as session:
            event = session.scalars(
                select(EventRow).where(EventRow.type == "complaint.withdrawn", EventRow.stream_id == complaint_id)
            ).one()
        assert step.given == {"reason": "Gefunden — 找到了"}
        payload = event.payload or {}
        assert payload["given"] == step.given
        assert payload["changes"]["status"] == ["received", "withdrawn"]
        assert (step.actor_kind, step.actor_id) == ("system", None)


TAMPERINGS: Final = (
    ("UPDATE complaint SET status = 'withdrawn'", "history", "history ends in resolved"),
    ("DELETE FROM complaint_transition WHERE number = 1", "history", "starts from"),
    ("UPDATE complaint_transition SET number = 7 WHERE number = 2", "history", "numbers have a gap"),
    ("DELETE FROM complaint_transition WHERE number = 3", "history", "has 2 transitions, but counted 3"),
    ("UPDATE complaint_transition SET to_status = 'dismissed' WHERE number = 1", "history", "not in the table"),
    ("UPDATE complaint_transition SET action = 'abolish' WHERE number = 1", "history", "abolish"),
    ("DELETE FROM complaint_transition", "history", "without any transition"),
    ("UPDATE complaint SET issue_count = 3", "issue_count", "says 3 issues, has 1"),
)


class TestVerification:
    """`helpdesk verify` names what was tampered with. The constraint that would stop it is not the point here."""

    def _violations(self, database: Database) -> list[tuple[str, str]]:
        with database.snapshot() as session:
            return [(found.check, found.detail) for check in verification.CHECKS for found in check(session)]

    def test_tampering_is_named(self, database: Database, engine: Engine) -> None:
        do(database, brought_to(database, "resolved"), "refer_externally")
        assert self._violations(database) == []
        for tampering, check, word in TAMPERINGS:
            with engine.connect() as connection:
                connection.execute(text("ALTER TABLE complaint_transition DISABLE TRIGGER USER"))
                connection.execute(text(tampering))
                with Session(connection) as session:
                    found = [(it.check, it.detail) for looks in verification.CHECKS for it in looks(session)]
                connection.rollback()
            assert any(name == check and word in detail for name, detail in found), (tampering, found)

    @pytest.mark.parametrize("tampering", [statement for statement, *_ in TAMPERINGS if "_transition" in statement])
    def test_steps_are_never_changed_or_removed(self, database: Database, engine: Engine, tampering: str) -> None:
        do(database, brought_to(database, "resolved"), "refer_externally")
        with pytest.raises(IntegrityError, match="never changed or removed"), engine.begin() as connection:
            connection.execute(text(tampering))
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_transition SET given = '{}'"))  # what is personal can be erased

    def test_the_database_refuses_an_unknown_status(self, engine: Engine, database: Database) -> None:
        receive(database)
        for wrong in ("status = 'lost'", "severity = 'S6'", "escalation_level = 4", "dismissal = 'spam'"):
            with pytest.raises(IntegrityError), engine.begin() as connection:
                connection.execute(text(f"UPDATE complaint SET {wrong}"))


def test_steps_cover_the_table() -> None:
    """The helpers beside this file know every state and action, so that a new one cannot be left out of the grid."""
    assert set(GOOD) == set(LIFECYCLE.actions)
    assert set(WAY_TO) == set(LIFECYCLE.states)
    assert set(FIRST) == {"resume", "de_escalate"}
