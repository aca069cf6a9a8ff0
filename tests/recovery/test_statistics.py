"""The arithmetic of the reports against published values.

How it can fail: ties, one value throughout, an empty group, an approximation where the sample is small, a tail that runs out of
digits, a p above 1, an order of comparisons that changes what is adjusted.
"""

from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.recovery import statistics
from helpdesk.recovery.statistics import (
    Spread,
    chi_square_tail,
    compare_amounts,
    compare_shares,
    fisher,
    holm,
    kruskal_wallis,
    mann_whitney,
    spread,
)

OZONE = {  # R, data set `airquality`, Ozone by Month
    5: "41 36 12 18 28 23 19 8 7 16 11 14 18 14 34 6 30 11 1 11 4 32 23 45 115 37",
    6: "29 71 39 23 21 37 20 12 13",
    7: "135 49 32 64 40 77 97 97 85 10 27 7 48 35 61 79 63 16 80 108 20 52 82 50 64 59",
    8: "39 9 16 78 35 66 122 89 110 44 28 65 22 59 23 31 44 21 9 45 168 73 76 118 84 85",
    9: "96 78 73 91 47 32 20 23 21 24 44 21 28 9 13 46 18 13 24 16 13 23 36 7 14 30 14 18 20",
}


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


class TestKruskalWallis:
    def test_r_documentation_of_ozone_by_month(self) -> None:
        found = kruskal_wallis([numbers(line) for line in OZONE.values()])
        assert found is not None
        assert found.statistic == pytest.approx(29.267, abs=5e-4)
        assert found.p == pytest.approx(6.901e-06, rel=1e-3)
        assert found.n == 116

    def test_hollander_and_wolfe_mucociliary_efficiency(self) -> None:
        groups = [[2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]]
        found = kruskal_wallis(groups)
        assert found is not None
        assert found.statistic == pytest.approx(0.77143, abs=5e-6)
        assert found.p == pytest.approx(0.68, abs=5e-3)
        assert found.effect == pytest.approx(0.77143 / 13, abs=1e-6)

    def test_with_many_ties_as_scipy_documents_it(self) -> None:
        found = kruskal_wallis([[1, 1, 1], [2, 2, 2], [2, 2]])
        assert found is not None
        assert found.statistic == pytest.approx(7.0)
        assert found.p == pytest.approx(0.0301973834223185, rel=1e-12)

    @pytest.mark.parametrize("groups", [[], [[1, 2]], [[1, 2], []], [[5, 5], [5], [5, 5]]])
    def test_nothing_to_test(self, groups: Any) -> None:
        assert kruskal_wallis(groups) is None


class TestMannWhitney:
    def test_r_documentation_of_permeability(self) -> None:
        """Hollander and Wolfe 69f: W = 35, one-sided p = 0.1272; the distribution is symmetric."""
        one = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
        found = mann_whitney(one, [1.15, 0.88, 0.90, 0.74, 1.21])
        assert found is not None
        assert (found.method, found.statistic) == ("mann_whitney_exact", 35)
        assert found.p == pytest.approx(2 * 0.1272, abs=1e-4)
        assert found.effect == pytest.approx(2 * 35 / 50 - 1)

    def test_scipy_documentation_of_ages_at_diagnosis(self) -> None:
        found = mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12])
        assert found is not None
        assert found.statistic == 17
        assert found.p == pytest.approx(0.1111111111111111, rel=1e-12)

    def test_the_same_by_approximation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(statistics, "EXACT_UP_TO", 0)
        found = mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12])
        assert found is not None
        assert found.method == "mann_whitney"
        assert found.p == pytest.approx(0.11134688653314041, rel=1e-9)

    def test_ties_are_counted_out_too(self) -> None:
        """By hand: of the 10 ways to take two of 1 2 2 3 3, those at least as far from the mean as 1 2."""
        one, other = [1.0, 2.0], [2.0, 3.0, 3.0]
        ranks = [1, 2.5, 2.5, 4.5, 4.5]
        sums = [sum(pair) for pair in combinations(ranks, 2)]
        wanted = sum(abs(total - 6) >= abs(3.5 - 6) for total in sums) / len(sums)
        found = mann_whitney(one, other)
        assert found is not None
        assert found.p == pytest.approx(wanted)

    @given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
    def test_turned_around_it_says_the_same(self, one: list[int], other: list[int]) -> None:
        here, there = mann_whitney(one, other), mann_whitney(other, one)
        assert (here is None) == (there is None)
        if here is not None and there is not None:
            assert 0 < here.p <= 1
            assert here.p == pytest.approx(there.p, rel=1e-9)
            assert here.effect == pytest.approx(-there.effect)

    @pytest.mark.parametrize("groups", [([], [1]), ([1], []), ([2, 2], [2])])
    def test_nothing_to_test(self, groups: Any) -> None:
        assert mann_whitney(*groups) is None

    def test_two_groups_are_compared_by_it_and_three_by_the_other(self) -> None:
        two, three = compare_amounts([[1, 2], [3, 4]]), compare_amounts([[1], [2], [3]])
        assert two is not None
        assert three is not None
        assert (two.method, three.method) == ("mann_whitney_exact", "kruskal_wallis")


class TestShares:
    def test_fishers_tea(self) -> None:
        assert fisher(3, 1, 1, 3) == pytest.approx(0.4857, abs=5e-5)

    def test_r_documentation_of_twins_convictions(self) -> None:
        assert fisher(2, 10, 15, 3) == pytest.approx(0.0005367, abs=5e-8)

    def test_scipy_documentation_of_whales_and_sharks(self) -> None:
        assert fisher(8, 2, 1, 5) == pytest.approx(0.034965034965034975, rel=1e-9)

    def test_agresti_party_by_gender_has_the_tail_of_the_book(self) -> None:
        """Agresti (2007), p. 39: X-squared 30.07 with 2 degrees of freedom, p = 2.954e-07."""
        assert chi_square_tail(30.070149095754687, 2) == pytest.approx(2.954e-07, rel=1e-3)

    def test_more_groups_by_chi_square(self) -> None:
        """Three centres, 10 of 50, 20 of 50, 30 of 50: X-squared = 50/3, by hand."""
        found = compare_shares([(10, 40), (20, 30), (30, 20)])
        assert found is not None
        assert found.method == "chi_square"
        assert found.statistic == pytest.approx(50 / 3)
        assert found.p == pytest.approx(2.4036947641951404e-4, rel=1e-6)
        assert found.effect == pytest.approx((50 / 3 / 150) ** 0.5)
        assert not found.dubious

    def test_it_is_said_what_the_statistic_is(self) -> None:
        two = compare_shares([(8, 2), (1, 5)])
        more = compare_shares([(10, 40), (20, 30), (30, 20)])
        assert two is not None
        assert more is not None
        assert (two.method, two.statistic_is, two.odds_ratio) == ("fisher_exact", "chi_square", 20.0)
        assert (more.statistic_is, more.odds_ratio) == ("chi_square", None)
        all_of_one = compare_shares([(8, 0), (1, 5)])
        assert all_of_one is not None
        assert all_of_one.odds_ratio is None

    def test_small_expected_counts_are_dubious(self) -> None:
        found = compare_shares([(1, 3), (2, 2), (3, 1)])
        assert found is not None
        assert found.dubious

    @pytest.mark.parametrize("table", [[], [(1, 2)], [(0, 3), (0, 4)], [(3, 0), (4, 0)], [(0, 0), (1, 2)]])
    def test_nothing_to_test(self, table: Any) -> None:
        assert compare_shares(table) is None

    @given(*[st.integers(0, 60)] * 4)
    def test_a_chance_is_one(self, a: int, b: int, c: int, d: int) -> None:
        assert 0 < fisher(a, b, c, d) <= 1
        assert fisher(a, b, c, d) == pytest.approx(fisher(c, d, a, b), rel=1e-9)


class TestTail:
    @pytest.mark.parametrize(
        ("statistic", "freedom", "tail"),
        [
            # Abramowitz and Stegun, table 26.8: percentage points of chi-square.
            (3.84146, 1, 0.05),
            (6.63490, 1, 0.01),
            (5.99146, 2, 0.05),
            (9.48773, 4, 0.05),
            (18.3070, 10, 0.05),
            (29.5883, 10, 0.001),
            (43.7729, 30, 0.05),
            (124.342, 100, 0.05),
        ],
    )
    def test_table(self, statistic: float, freedom: int, tail: float) -> None:
        assert chi_square_tail(statistic, freedom) == pytest.approx(tail, rel=1e-4)

    def test_ends(self) -> None:
        assert chi_square_tail(0, 3) == 1
        assert 0 <= chi_square_tail(5_000, 3) < 1e-300


class TestHolm:
    def test_as_published(self) -> None:
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_never_above_one_and_nothing_of_nothing(self) -> None:
        assert holm([0.9, 0.8]) == [1.0, 1.0]
        assert holm([]) == []


class TestSpread:
    def test_type_7_as_r_and_spreadsheets(self) -> None:
        """R: quantile(c(1, 2, 3, 4, 10)) has 2, 3, 4; of 1 2 3 4 it has 1.75, 2.5, 3.25."""
        assert spread([10, 4, 3, 2, 1], 0) == Spread(5, Decimal(3), Decimal(2), Decimal(4))
        assert spread([4, 3, 2, 1], 2) == Spread(4, Decimal("2.50"), Decimal("1.75"), Decimal("3.25"))

    def test_rounded_once_half_up(self) -> None:
        assert spread([1, 2], 0).median == 2

    def test_empty_is_null_and_one_is_itself(self) -> None:
        assert spread([], 2) == Spread(0, None, None, None)
        assert spread([7], 0) == Spread(1, Decimal(7), Decimal(7), Decimal(7))
