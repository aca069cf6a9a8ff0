"""Like complaints compared between groups.

How it can fail: a verdict on too few; an unknown group taken for a group; nothing given taken for an amount of nothing; many
tests without a correction; an empty report that divides by nothing.
"""

from decimal import Decimal
from typing import Any

from helpdesk.recovery import statistics
from helpdesk.recovery.fairness import Case, compare

STRATUM = ("DEL", "S3", "firm")


def case(group: str | None, amount: int | None, *, stratum: tuple[str | None, ...] = STRATUM, **more: Any) -> Case:
    ratio = None if amount is None else Decimal(amount) / 4000
    known = {"remedied": amount is not None, "amount": amount, "ratio": ratio} | more
    return Case(stratum, {"agent": group}, **known)


def test_nothing_is_nothing() -> None:
    found = compare([], ["agent"], 10)
    assert (found.comparisons, found.tests, found.small_strata, found.small_cases) == ((), 0, 0, 0)


def test_a_difference_is_shown_with_its_n_and_its_effect() -> None:
    mild = [case("ana", 2000 + 10 * number) for number in range(12)]
    full = [case("bo", 4000 + 10 * number) for number in range(12)]
    found = compare([*mild, *full], ["agent"], 10)
    within = next(item for item in found.comparisons if item.stratum == STRATUM)
    amount = within.verdicts["amount"]
    assert amount.tested is not None
    assert (amount.says, amount.groups, amount.tested.n, amount.tested.method) == (
        "different", 2, 24, "mann_whitney_exact",
    )  # fmt: skip
    assert amount.tested.effect == -1
    alone = statistics.mann_whitney([c.amount or 0 for c in mild], [c.amount or 0 for c in full])
    assert alone is not None
    assert amount.tested.p == alone.p
    assert amount.adjusted is not None
    assert amount.adjusted > alone.p, "adjusted for the tests beside it"
    assert within.verdicts["share"].why_not == "all_alike"
    ana = next(group for group in within.groups if group.value == "ana")
    assert (ana.n, ana.remedied) == (12, 12)
    assert (ana.amounts.median, ana.amounts.lower) == (Decimal(2055), Decimal(2028))


def test_no_verdict_below_the_least() -> None:
    some = [case("ana", 100) for _ in range(9)] + [case("bo", 9000) for _ in range(30)]
    found = compare(some, ["agent"], 10)
    assert {verdict.why_not for item in found.comparisons for verdict in item.verdicts.values()} == {"too_few"}
    assert {verdict.says for item in found.comparisons for verdict in item.verdicts.values()} == {None}
    assert found.tests == 0
    assert found.comparisons[0].groups[0].n == 30, "shown all the same"


def test_small_strata_are_counted_and_not_shown() -> None:
    found = compare([case("ana", 1, stratum=("X", None, None)) for _ in range(3)], ["agent"], 10)
    assert (found.small_strata, found.small_cases) == (1, 3)
    assert [item.stratum for item in found.comparisons] == [None]


def test_what_is_not_known_is_no_group() -> None:
    some = [case(None, 100 + number) for number in range(20)] + [case("bo", 9000 + number) for number in range(20)]
    found = compare(some, ["agent"], 10)
    assert {verdict.why_not for item in found.comparisons for verdict in item.verdicts.values()} == {"too_few"}


def test_shares_are_compared_where_nothing_was_given() -> None:
    given = [case("ana", 4000 if number < 14 else None) for number in range(15)]
    denied = [case("bo", 4000 if number < 2 else None) for number in range(15)]
    found = compare([*given, *denied], ["agent"], 10)
    share = found.comparisons[1].verdicts["share"]
    assert share.tested is not None
    assert (share.says, share.tested.method) == ("different", "fisher_exact")
    assert found.comparisons[1].verdicts["amount"].why_not == "too_few", "two amounts are no sample"


def test_of_many_comparisons_a_chance_finding_is_none() -> None:
    """Twenty like strata; in one p is 0.03 by itself."""
    cases = []
    for number in range(20):
        for at in range(10):
            cases += [
                case(who, 1000 + 37 * (at * 7 % 10) + 100 * (who == "bo" and number == 0 and at % 3 == 0),
                     stratum=(str(number), "S3", "firm"), ratio=None)
                for who in ("ana", "bo")
            ]  # fmt: skip
    found = compare(cases, ["agent"], 10)
    assert found.tests == 20
    assert {item.verdicts["amount"].says for item in found.comparisons if item.stratum} == {"no_difference_shown"}


def test_few_expected_in_a_table_decide_nothing() -> None:
    table = {"ana": 1, "bo": 2, "cy": 0}
    cases = [case(who, 100 if at < given else None) for who, given in table.items() for at in range(10)]
    share = compare(cases, ["agent"], 10).comparisons[1].verdicts["share"]
    assert (share.says, share.why_not) == (None, "dubious")


def test_one_stratum_is_the_same_test_as_all_of_them() -> None:
    mild = [case("ana", 2000 + 10 * number) for number in range(12)]
    full = [case("bo", 2050 + 10 * number) for number in range(12)]
    found = compare([*mild, *full], ["agent"], 10)
    assert found.tests == 2, "ratio and amount; all of them got something"
    overall, within = found.comparisons
    assert overall.verdicts["ratio"] == within.verdicts["ratio"]
    p = overall.verdicts["ratio"].tested
    assert p is not None
    assert overall.verdicts["ratio"].adjusted == min(2 * p.p, 1)
    others = [case("ana", 100, stratum=("X", None, None)) for _ in range(3)]
    assert compare([*mild, *full, *others], ["agent"], 10).tests == 3, "it has others in it"


def test_all_strata_together_compare_the_ratio_alone() -> None:
    found = compare([case("ana", 100) for _ in range(12)], ["agent"], 10)
    assert list(found.comparisons[0].verdicts) == ["ratio"]
