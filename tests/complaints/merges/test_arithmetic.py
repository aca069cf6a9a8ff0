"""Combining what two know, and taking one of them out again: any of several, in any order."""

from typing import Any

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
