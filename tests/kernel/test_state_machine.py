"""The lifecycle engine, on a small table of its own.

How it can fail: a table with a slip in it is taken; a missing fact is not told or not waited for; replay takes a history
that cannot have happened.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.errors import ActionNotAllowed
from helpdesk.kernel.state_machine import Lifecycle, Requirement, Transition, replay, states

DOOR = Lifecycle(
    name="door",
    states=("open", "shut", "locked"),
    initial="open",
    transitions=(
        Transition("shut", states("open"), "shut", "door:use", "Shut it"),
        Transition("open", states("shut"), "open", "door:use", "Open it"),
        Transition(
            "lock",
            states("shut"),
            "locked",
            "door:lock",
            "Lock it",
            ("key",),
            (
                Requirement("no_lock", "it has no lock.", lambda row: row.has_lock),
                Requirement("bolted", "it is bolted.", lambda row: not row.bolted),
            ),
        ),
        Transition("unlock", states("locked"), "shut", "door:lock", "Unlock it"),
        Transition("knock", states("open", "shut", "locked"), None, "door:knock", "Knock"),
    ),
)


def door(*, has_lock: bool = True, bolted: bool = False) -> Any:
    return SimpleNamespace(has_lock=has_lock, bolted=bolted)


def may(_permission: str) -> bool:
    return True


class TestTable:
    def test_an_action_stands_once(self) -> None:
        with pytest.raises(ValueError, match="twice"):
            Lifecycle("d", ("a",), "a", (Transition("x", states("a"), None, "p", "s"),) * 2)

    @pytest.mark.parametrize(("source", "target"), [("b", None), ("a", "b")])
    def test_unknown_state(self, source: str, target: str | None) -> None:
        with pytest.raises(ValueError, match="unknown states"):
            Lifecycle("d", ("a",), "a", (Transition("x", states(source), target, "p", "s"),))

    def test_unknown_action(self) -> None:
        with pytest.raises(KeyError):
            DOOR.by_action("kick")

    def test_check_constraint(self) -> None:
        assert DOOR.check_constraint("state") == "state IN ('open', 'shut', 'locked')"

    def test_diagram_shows_every_move(self) -> None:
        lines = DOOR.diagram().splitlines()
        assert lines[:2] == ["stateDiagram-v2", "    [*] --> open"]
        assert {"    open --> shut: shut", "    shut --> locked: lock", "    locked --> shut: unlock"} <= set(lines)
        assert "    locked: locked\\n(knock)" in lines


class TestGuard:
    def test_good(self) -> None:
        assert DOOR.transition("lock", "shut", door(), may).target == "locked"

    def test_every_missing_fact_is_told(self) -> None:
        with pytest.raises(ActionNotAllowed) as refused:
            DOOR.transition("lock", "shut", door(has_lock=False, bolted=True), may)
        assert refused.value.detail == "'lock' is not possible now: it has no lock. it is bolted."
        assert [need["code"] for need in refused.value.extra["missing"]] == ["no_lock", "bolted"]

    def test_wrong_state(self) -> None:
        with pytest.raises(ActionNotAllowed) as refused:
            DOOR.transition("lock", "open", door(bolted=True), lambda permission: permission == "door:use")
        assert refused.value.status == 409
        assert "from 'open'" in refused.value.detail
        assert refused.value.extra["allowed_actions"] == [{"action": "shut", "supplies": [], "missing": []}]

    def test_allowed_with_something_missing_is_listed(self) -> None:
        listed = DOOR.allowed("shut", door(bolted=True), may)
        assert [item["action"] for item in listed] == ["open", "lock", "knock"]
        assert listed[1] == {
            "action": "lock",
            "supplies": ["key"],
            "missing": [{"code": "bolted", "detail": "it is bolted."}],
        }


class TestReplay:
    @given(st.lists(st.sampled_from(DOOR.actions), max_size=30))
    def test_a_history_that_happened(self, actions: list[str]) -> None:
        state, history = DOOR.initial, []
        for action in actions:
            step = DOOR.by_action(action)
            if state in step.sources:
                history.append((action, state, step.target or state))
                state = step.target or state
        assert replay(DOOR, history) == state

    @given(st.lists(st.sampled_from(DOOR.actions), min_size=1, max_size=12), st.data())
    def test_one_that_did_not(self, actions: list[str], data: st.DataObject) -> None:
        """Take a true history and falsify one end of one step: it is named, or it leads somewhere else."""
        state, history = DOOR.initial, []
        for action in actions:
            step = DOOR.by_action(action)
            if state in step.sources:
                history.append((action, state, step.target or state))
                state = step.target or state
        if not history:
            return
        place = data.draw(st.integers(0, len(history) - 1))
        action, source, target = history[place]
        wrong = data.draw(st.sampled_from([name for name in DOOR.states if name != target]))
        history[place] = (action, source, wrong)
        with pytest.raises(ValueError, match=r"^step \d+"):
            replay(DOOR, history)

    def test_nothing_happened(self) -> None:
        assert replay(DOOR, []) == "open"

    @pytest.mark.parametrize(
        ("steps", "words"),
        [
            ([("open", "shut", "open")], "step 1 .* starts from 'shut', but the row was 'open'"),
            ([("shut", "open", "locked")], "step 1 .* is not in the table"),
            ([("shut", "open", "shut"), ("shut", "shut", "shut")], "step 2 .* is not in the table"),
            ([("knock", "open", "shut")], "step 1 .* is not in the table"),
        ],
    )
    def test_names_the_first_wrong_step(self, steps: list[tuple[str, str, str]], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            replay(DOOR, steps)

    def test_an_action_nobody_knows(self) -> None:
        with pytest.raises(KeyError):
            replay(DOOR, [("kick", "open", "open")])
