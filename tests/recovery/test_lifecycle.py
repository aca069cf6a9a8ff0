"""The whole grid of states and actions, written out a second time by hand, and what follows from the table."""

import itertools

import pytest

from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.permissions import PERMISSIONS, ROLES
from helpdesk.kernel.errors import ActionNotAllowed
from helpdesk.recovery import offers, schemas
from helpdesk.recovery.customer_states import CUSTOMER_STATES, told_to_customer
from helpdesk.recovery.events import BY_ACTION
from helpdesk.recovery.kinds import CONFIRMED, HANDED_OVER, KINDS
from helpdesk.recovery.lifecycle import (
    ENDED,
    LIFECYCLE,
    NOBODY,
    SHOWN_TO_CUSTOMER,
    SYSTEM_ACTIONS,
    Situation,
    complaint_effect,
    delivers,
    money_effect,
    moves_money,
)

GRID = {
    "drafted": {"submit": "pending_approval", "withdraw": "revoked", "revoke": "revoked"},
    "pending_approval": {
        "approve": "approved",
        "endorse": "pending_approval",
        "refuse": "drafted",
        "withdraw": "revoked",
        "revoke": "revoked",
    },
    "approved": {"offer": "offered", "revoke": "revoked"},
    "offered": {
        "accept": "accepted",
        "counter": "countered",
        "prolong": "offered",
        "send_again": "offered",
        "decline": "declined",
        "expire": "expired",
        "revoke": "revoked",
    },
    "countered": {
        "keep": "offered",
        "take_back_counter": "offered",
        "prolong": "countered",
        "decline": "declined",
        "expire": "expired",
        "revoke": "revoked",
    },
    "accepted": {"begin_issuing": "issuing"},
    "issuing": {
        "record_issued": "issued",
        "fail": "failed",
        "doubt": "issuing",
        "hand_over": "issuing",
        "ask_again": "issuing",
    },
    "issued": {
        "post_letter": "issued",
        "send_letter_again": "issued",
        "note_mailed": "issued",
        "note_seen": "issued",
        "confirm_delivery": "issued",
        "report_undelivered": "issued",
        "redeem": "redeemed",
        "reverse": "reversed",
    },
    "redeemed": {"unredeem": "issued"},
    "declined": {},
    "expired": {},
    "revoked": {},
    "failed": {"retry": "issuing", "revoke": "revoked", "book_issued": "issued"},
    "reversed": {},
}

MONEY = {
    ("pending_approval", "approve"): "reserve",
    ("failed", "retry"): "reserve",
    ("failed", "book_issued"): "spend",
    ("approved", "revoke"): "release",
    ("offered", "revoke"): "release",
    ("offered", "decline"): "release",
    ("offered", "expire"): "release",
    ("countered", "revoke"): "release",
    ("countered", "decline"): "release",
    ("countered", "expire"): "release",
    ("issuing", "fail"): "release",
    ("issuing", "record_issued"): "commit",
    ("issued", "reverse"): "reverse",
}

COUNTED = {
    "drafted": (1, 1, 0, 1),
    "pending_approval": (1, 1, 0, 1),
    "approved": (1, 0, 1, 1),
    "offered": (1, 0, 1, 1),
    "countered": (1, 0, 1, 1),
    "accepted": (1, 0, 1, 1),
    "issuing": (1, 0, 1, 1),
    "issued": (1, 0, 1, 1),
    "redeemed": (1, 0, 1, 1),
    "declined": (0, 0, 0, 0),
    "expired": (0, 0, 0, 0),
    "revoked": (0, 0, 0, 0),
    "failed": (1, 0, 1, 1),
    "reversed": (0, 0, 0, 0),
}
"""Live, drafts, approved, undelivered; of what the customer has not got yet."""


OF_WHAT_IS_SENT = {"confirm_delivery", "report_undelivered"}
OF_LETTERS = {"post_letter", "send_letter_again", "note_mailed"}


def situation(action: str) -> Situation:
    """One in which the action's own requirements hold."""
    kind = "apology_letter" if action in OF_LETTERS else "replacement" if action in OF_WHAT_IS_SENT else "voucher"
    return Situation(kind=kind, in_time=action != "expire", unknown=True)


@pytest.mark.parametrize(("state", "action"), list(itertools.product(LIFECYCLE.states, LIFECYCLE.actions)))
def test_grid(state: str, action: str) -> None:
    expected = GRID[state].get(action)
    if expected is None:
        with pytest.raises(ActionNotAllowed) as refused:
            LIFECYCLE.transition(action, state, situation(action), SYSTEM.may)
        listed = {item["action"] for item in refused.value.extra["allowed_actions"]}
        expected_list = set(GRID[state]) - SYSTEM_ACTIONS
        kind = situation(action).kind
        others = [(OF_WHAT_IS_SENT, CONFIRMED), (OF_LETTERS, HANDED_OVER)]
        assert listed == expected_list.difference(*(actions for actions, kinds in others if kind not in kinds))
        return
    step = LIFECYCLE.transition(action, state, situation(action), SYSTEM.may)
    assert (step.target or state) == expected
    assert money_effect(state, expected) == MONEY.get((state, action))
    live, drafts, approved, undelivered = (
        after - before for before, after in zip(COUNTED[state], COUNTED[expected], strict=True)
    )
    change = {"live": live, "drafts": drafts, "approved": approved, "undelivered": undelivered}
    assert complaint_effect(state, expected, this_round=True) == change
    assert complaint_effect(state, expected, this_round=False) == change | {"approved": 0}


def test_grid_is_whole() -> None:
    assert set(GRID) == set(LIFECYCLE.states)
    assert {action for actions in GRID.values() for action in actions} == set(LIFECYCLE.actions)


@pytest.mark.parametrize(
    ("action", "state", "hindrance", "code"),
    [
        ("accept", "offered", Situation("voucher", in_time=False), "offer_expired"),
        ("expire", "offered", Situation("voucher", in_time=True), "still_valid"),
        ("expire", "countered", Situation("voucher", in_time=True), "still_valid"),
        ("counter", "offered", Situation("voucher", in_time=False), "offer_expired"),
        ("counter", "offered", Situation("voucher", in_time=True, counters=3), "countered_enough"),
        ("keep", "countered", Situation("voucher", in_time=False), "offer_expired"),
        ("take_back_counter", "countered", Situation("voucher", in_time=False), "offer_expired"),
        ("prolong", "offered", Situation("voucher", in_time=False), "offer_expired"),
        ("send_again", "offered", Situation("voucher", in_time=False), "offer_expired"),
        ("report_undelivered", "issued", Situation("gift", in_time=True, delivered=True), "delivered_already"),
        ("report_undelivered", "issued", Situation("gift", in_time=True, reported=True), "reported_already"),
        ("reverse", "issued", Situation("apology_letter", in_time=True), "stays_done"),
        ("reverse", "issued", Situation("re_performance", in_time=True), "stays_done"),
        ("record_issued", "issuing", Situation("refund", in_time=True, settles=False), "being_issued"),
        ("fail", "issuing", Situation("refund", in_time=True, settles=False), "being_issued"),
        ("confirm_delivery", "issued", Situation("gift", in_time=True, delivered=True), "delivered_already"),
        ("ask_again", "issuing", Situation("refund", in_time=True), "not_in_doubt"),
        ("retry", "failed", Situation("refund", in_time=True, contradicted=True), "contradicted"),
        ("revoke", "failed", Situation("refund", in_time=True, contradicted=True), "contradicted"),
        ("reverse", "issued", Situation("voucher", in_time=True, used=True), "voucher_used"),
        ("reverse", "issued", Situation("points", in_time=True, used=True), "points_used"),
    ],
)
def test_requirements(action: str, state: str, hindrance: Situation, code: str) -> None:
    with pytest.raises(ActionNotAllowed) as refused:
        LIFECYCLE.transition(action, state, hindrance, SYSTEM.may)
    assert [need["code"] for need in refused.value.extra["missing"]] == [code]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_customer_has_is_not_counted_as_undelivered(kind: str) -> None:
    """With its issuance, or when somebody says that it came; and it is a step of the table that says so."""
    at_once = delivers("record_issued", kind)
    assert at_once == (kind not in CONFIRMED | HANDED_OVER)
    assert complaint_effect("issuing", "issued", this_round=True, delivered=(False, at_once))["undelivered"] == -at_once
    if not at_once:
        assert delivers("note_mailed" if kind in HANDED_OVER else "confirm_delivery", kind)
        came = complaint_effect("issued", "issued", this_round=True, delivered=(False, True))
        assert came["undelivered"] == -1
        back = complaint_effect("issued", "reversed", this_round=True, delivered=(False, False))
        assert back["undelivered"] == -1
    assert complaint_effect("issued", "reversed", this_round=True, delivered=(True, True))["undelivered"] == 0


def test_only_a_voucher_has_a_code_to_be_seen() -> None:
    assert delivers("note_seen", "voucher")
    with pytest.raises(ActionNotAllowed, match="no code"):
        LIFECYCLE.transition("note_seen", "issued", Situation("apology_letter", in_time=True), SYSTEM.may)


def test_what_is_not_confirmed_has_no_confirmation() -> None:
    with pytest.raises(ActionNotAllowed, match="delivered with its issuance"):
        LIFECYCLE.transition("confirm_delivery", "issued", Situation("refund", in_time=True), SYSTEM.may)


class TestWhatFollowsByItself:
    def test_has_no_route_and_no_holder(self) -> None:
        assert NOBODY not in PERMISSIONS
        assert not SYSTEM.may(NOBODY)
        assert {step.action for step in LIFECYCLE.transitions if step.permission == NOBODY} == SYSTEM_ACTIONS
        assert set(offers.ACTIONS) == set(LIFECYCLE.actions) - SYSTEM_ACTIONS

    @pytest.mark.parametrize("state", LIFECYCLE.states)
    def test_is_offered_to_no_person(self, state: str) -> None:
        for permissions in [*ROLES.values(), SYSTEM.permissions]:
            listed = LIFECYCLE.allowed(state, situation(""), permissions.__contains__)
            assert not {item["action"] for item in listed} & SYSTEM_ACTIONS


class TestDerived:
    def test_every_permission_is_in_the_vocabulary(self) -> None:
        assert {step.permission for step in LIFECYCLE.transitions} - {NOBODY} <= set(PERMISSIONS)

    def test_every_action_has_an_event_and_every_route_a_body(self) -> None:
        assert set(BY_ACTION) == set(LIFECYCLE.actions)
        assert set(schemas.BODIES) == set(offers.ACTIONS)
        assert len({event.type for event in BY_ACTION.values()}) == len(set(BY_ACTION.values())) == len(BY_ACTION) - 1

    @pytest.mark.parametrize("action", offers.ACTIONS)
    def test_supplies_are_the_required_fields(self, action: str) -> None:
        fields = schemas.BODIES[action]().load_fields
        required = {name for name, field in fields.items() if field.required}
        assert required == set(LIFECYCLE.by_action(action).supplies)

    def test_money_moves_only_where_the_purse_changes(self) -> None:
        moving = {action for action in LIFECYCLE.actions if moves_money(action)}
        assert moving == {action for _, action in MONEY}

    def test_spending_what_was_not_set_aside_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="from free to spent"):
            money_effect("drafted", "issued")

    def test_what_ended_is_out_for_good(self) -> None:
        assert not [step.action for step in LIFECYCLE.transitions if step.sources & ENDED]

    def test_what_was_accepted_stays_owed_until_it_is_issued_or_taken_back(self) -> None:
        """A failure is ours: it leaves by another try or by somebody's decision, never by itself."""
        assert GRID["failed"] == {"retry": "issuing", "revoke": "revoked", "book_issued": "issued"}

    def test_every_state_is_reached(self) -> None:
        reached, before = {LIFECYCLE.initial}, set[str]()
        while reached != before:
            before = set(reached)
            reached |= {target for state in before for target in GRID[state].values()}
        assert reached == set(LIFECYCLE.states)


class TestWhatTheCustomerIsTold:
    def test_every_shown_state_has_a_word(self) -> None:
        told = {told_to_customer(state, in_time=True) for state in SHOWN_TO_CUSTOMER}
        assert told == set(CUSTOMER_STATES)

    def test_late_is_late_before_the_sweep_says_so(self) -> None:
        assert told_to_customer("offered", in_time=False) == "expired"
        assert told_to_customer("countered", in_time=False) == "expired"

    def test_a_failure_of_ours_is_not_their_business(self) -> None:
        assert told_to_customer("failed", in_time=True) == "accepted"
