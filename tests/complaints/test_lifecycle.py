"""The lifecycle table: the whole grid of states and actions, requirements, and everything that is read off it.

How it can fail: a move that is not meant is in the table, or one that is meant is not; a requirement is not looked at, or looks
at the wrong fact; the lists beside the table (bodies, events, effects) drift away from it.
"""

from types import SimpleNamespace
from typing import Any, Final

import pytest
from marshmallow import ValidationError

from helpdesk.complaints import acts
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.events import BY_ACTION
from helpdesk.complaints.lifecycle import CLOSED, LIFECYCLE, MAX_LEVEL, OPEN
from helpdesk.kernel.errors import ActionNotAllowed
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.grid import LEADS_TO, MOVES
from tests.complaints.steps import FIRST, GOOD, WAY_TO, do, receive

GRID: Final = [(state, action) for state in LIFECYCLE.states for action in LIFECYCLE.actions]


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
        "case_limit": 5000,
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
            ("resolve_on_the_spot", "amount_beyond_authority", {"offers_minor": 1, "case_limit": 0}),
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


def test_steps_cover_the_table() -> None:
    """The helpers beside this file know every state and action, so that a new one cannot be left out of the grid."""
    assert set(GOOD) == set(LIFECYCLE.actions)
    assert set(WAY_TO) == set(LIFECYCLE.states)
    assert set(FIRST) == {"resume", "de_escalate"}
