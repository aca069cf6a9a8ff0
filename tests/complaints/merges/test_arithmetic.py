"""Combining what two know, and taking one of them out again: any of several, in any order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.complaints.combining import COMBINED, STAGES, Combining, combine, without

FACTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        **{name: st.sampled_from([None, "x", "y"]) for name in ("customer_id", "language", "jurisdiction", "sector")},
        "acknowledged_at": st.sampled_from([None, "2026-03-02T09:00:00Z"]),
        "severity": st.sampled_from(["S1", "S3", "S5"]),
        "escalation_level": st.integers(0, 3),
        "stage": st.sampled_from(STAGES),
        "double_deviation": st.booleans(),
        "judged": st.booleans(),
        "price_minor": st.sampled_from([None, 1, 3]),
        "loss_minor": st.sampled_from([None, 2, 4]),
        "currency": st.sampled_from([None, "EUR", "GBP"]),
    }
).map(lambda facts: facts if facts["currency"] else {**facts, "price_minor": None, "loss_minor": None})
"""Amounts have a currency."""
NONE: dict[str, Any] = {
    **dict.fromkeys(COMBINED),
    "severity": "S3",
    "escalation_level": 0,
    "stage": "1",
    "double_deviation": False,
    "judged": False,
}


def amounts(price: int | None, loss: int | None, currency: str | None) -> dict[str, Any]:
    return {**NONE, "price_minor": price, "loss_minor": loss, "currency": currency}


def money(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    return facts["price_minor"], facts["loss_minor"], facts["currency"]


class TestMoney:
    @pytest.mark.parametrize(
        ("own", "brought", "both"),
        [
            ((100, None, "EUR"), (None, 20, "EUR"), (100, 20, "EUR")),
            ((None, 20, "EUR"), (100, None, "EUR"), (100, 20, "EUR")),
            ((None, None, "EUR"), (100, 20, "EUR"), (100, 20, "EUR")),
            ((100, None, "EUR"), (70, 20, "EUR"), (100, 20, "EUR")),
            ((100, None, "EUR"), (None, 20, "GBP"), (100, None, "EUR")),
            ((None, None, None), (None, 20, "GBP"), (None, 20, "GBP")),
            ((100, None, "EUR"), (None, None, None), (100, None, "EUR")),
            ((100, 20, "EUR"), (70, 90, "EUR"), (100, 90, "EUR")),
            ((None, 90, "EUR"), (None, 20, "EUR"), (None, 90, "EUR")),
            ((None, 20, "EUR"), (None, 90, "GBP"), (None, 20, "EUR")),
        ],
    )
    def test_each_amount_that_one_lacks_the_other_brings_and_the_larger_loss_counts(
        self, own: tuple[Any, ...], brought: tuple[Any, ...], both: tuple[Any, ...]
    ) -> None:
        done = combine(amounts(*own), amounts(*brought))
        assert money(done.after) == both
        assert money(without([done], 0, done.after)[0]) == own

    def test_a_loss_that_somebody_corrects_stays_corrected(self) -> None:
        done = combine(amounts(None, 20, "EUR"), amounts(None, 90, "EUR"))
        now = {**done.after, "loss_minor": 30}
        assert money(without([replace(done, since={"loss_minor": 30})], 0, now)[0]) == (None, 30, "EUR")

    def test_what_somebody_says_of_one_leaves_the_other_to_go_home(self) -> None:
        done = combine(amounts(100, None, "EUR"), amounts(None, 20, "EUR"))
        now = {**done.after, "price_minor": 120}
        assert money(without([replace(done, since={"price_minor": 120})], 0, now)[0]) == (120, None, "EUR")

    def test_what_somebody_says_keeps_its_currency(self) -> None:
        """Whatever else would have brought another one."""
        first = combine(amounts(None, None, None), amounts(50, None, "EUR"))
        said = {**first.after, "loss_minor": 10}
        second = combine(said, amounts(7, None, "GBP"))
        told = [replace(first, since={"loss_minor": 10}), second]
        assert money(without(told, 0, second.after)[0]) == (None, 10, "EUR")
        assert money(without([first], 0, said)[0]) == (None, 10, "EUR")


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
